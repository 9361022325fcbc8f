//! What is on the disk when, and what happens when the disk does not take it.

use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::faults::RestFault;
use serde_json::json;

use super::support::{Ground, REALIZED, TRADER, es, within};
use super::witness::{Holder, confirmed, locked, pending};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lock_and_log_are_on_record_when_the_first_close_reaches_the_broker() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.controls().add_rest_fault(RestFault::time_out_before_acting(Endpoint::ClosePosition));
    ground.controls().add_rest_fault(RestFault::time_out_before_acting(Endpoint::CancelOrder));
    ground.lose(TRADER);
    within(ground.controls().until(|controls| {
        let asked = |endpoint| !controls.requests_to(endpoint).is_empty();
        asked(Endpoint::ClosePosition) || asked(Endpoint::CancelOrder)
    }))
    .await;
    assert_eq!(ground.lock(TRADER).await, locked("RULE-003", ground.next_reset));
    assert_eq!(ground.log(TRADER).await, json!([pending("RULE-003", "CLOSE_ALL_AND_LOCKOUT")]));
    // Neither was answered: asked again, and done once.
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_delays_the_record_and_not_the_protection() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    let holder = Holder::take(&ground.database()).await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    assert_eq!((ground.lock(TRADER).await, ground.log(TRADER).await), (json!([]), json!([])));
    // Locked all the same: whoever comes back is closed.
    ground.buy(TRADER, &es(), 1);
    within(ground.controls().until_flat(TRADER)).await;
    drop(holder);
    ground.until_locked(TRADER, "RULE-003").await;
    // The second visit has a row of its own, unless it came before the first enforcement was confirmed.
    let first = "SELECT rule_id, action, success, execution_time_ms IS NOT NULL FROM enforcement_log WHERE id = 1";
    ground.until_rows(first, json!([["RULE-003", "CLOSE_ALL_AND_LOCKOUT", 1, 1]])).await;
    ground.until_rows("SELECT COUNT(*) FROM enforcement_log WHERE success = 0", json!([[0]])).await;
    let trades = ground.controls().trades(TRADER).len();
    ground.until_rows("SELECT COUNT(*) FROM trade_history", json!([[trades]])).await;
    ground.until_rows("SELECT COUNT(*) FROM positions", json!([[0]])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_unlocked_before_the_disk_has_it() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    let holder = Holder::take(&ground.database()).await;
    ground.clock.set_forward(ground.next_reset.duration_since(ground.clock.now()));
    // The day has turned, the disk does not know: still locked.
    for _ in 0..2 {
        ground.buy(TRADER, &es(), 1);
        within(ground.controls().until_flat(TRADER)).await;
    }
    drop(holder);
    ground.until_rows("SELECT is_locked FROM lockouts", json!([[0]])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_disk_that_comes_back() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    let holder = Holder::take(&ground.database()).await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    daemon.stop.ask();
    let released = tokio::spawn(async move {
        // Longer than the writer itself waits for somebody else's lock: its first attempt fails.
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        drop(holder);
    });
    let summary = daemon.ended().await.unwrap();
    released.await.unwrap();
    assert!(!summary.left_pending && !summary.left_unwritten);
    assert_eq!(ground.lock(TRADER).await, locked("RULE-003", ground.next_reset));
    assert_eq!(ground.log(TRADER).await, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")]));
}
