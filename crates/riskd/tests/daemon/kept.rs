//! An account that is taken out of the config stays protected until its next reset.

use riskd::daemon::Phase;
use riskd_sim::server::Topic;
use serde_json::json;

use super::support::{Ground, NEIGHBOUR, REALIZED, TRADER, es, points, within};

impl Ground {
    /// Takes the trader's account out of `accounts.yaml`.
    fn take_the_trader_out(&self) {
        let reset = self.next_reset.strftime("%H:%M");
        let accounts = format!("accounts:\n  - {{id: {NEIGHBOUR}, reset_time: \"{reset}\", timezone: \"UTC\"}}\n");
        self.write("config/accounts.yaml", &accounts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_taken_out_of_the_config_stays_protected_until_its_reset() {
    let ground = Ground::new(REALIZED).await;
    ground.watch().await.end().await;
    ground.take_the_trader_out();

    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    daemon.end().await;
    // Locked, and started once more: still held.
    let daemon = ground.watch().await;
    ground.rest_order(TRADER);
    ground.until_flat(TRADER).await;
    daemon.end().await;

    ground.clock.set_forward(ground.next_reset.duration_since(ground.clock.now()));
    let before = ground.interventions(TRADER);
    let mut daemon = ground.start();
    daemon.until(Phase::Watching).await;
    for topic in [Topic::Orders(NEIGHBOUR), Topic::Positions(NEIGHBOUR), Topic::Trades(NEIGHBOUR)] {
        within(ground.controls().until_subscribed(topic)).await;
    }
    ground.rest_order(TRADER);
    ground.controls().tick(&es(), points("2650")).unwrap();
    ground.lose(NEIGHBOUR);
    ground.until_flat(NEIGHBOUR).await;
    ground.until_rows("SELECT is_locked FROM lockouts WHERE account_id = 1002", json!([[1]])).await;
    assert_eq!(ground.interventions(TRADER), before, "its day has turned, and the config names it no more");
    daemon.end().await;
}
