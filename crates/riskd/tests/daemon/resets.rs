//! The daily reset, by a clock that the test sets forward.

use jiff::SignedDuration;
use riskd_core::model::Timestamp;
use riskd_sim::server::Topic;
use serde_json::json;

use super::support::{Ground, REALIZED, TRADER, es, points, within};
use super::witness::confirmed;

const TRACKED: &str = "database: {path: \"data/state.db\", track_unrealized_pnl: true}\n";

impl Ground {
    fn set_clock_to(&self, moment: Timestamp) {
        self.clock.set_forward(moment.duration_since(self.clock.now()));
    }

    /// Holds two contracts with an open loss of $200 at a reset.
    async fn hold_over_the_reset(&self) {
        self.buy(TRADER, &es(), 2);
        within(self.controls().until_subscribed(Topic::Quotes(es()))).await;
        self.until_rows("SELECT COUNT(*) FROM contract_cache", json!([[1]])).await;
        self.controls().with_exchange(|exchange, now| {
            let entry = exchange.average_price(TRADER, &es()).unwrap();
            let last = riskd_core::model::Price::from_nanos(entry.nanos() - 2_000_000_000);
            exchange.set_quote(&es(), last, points("2660"), last, now).unwrap();
        });
        self.set_clock_to(self.next_reset);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_open_pnl_is_kept_at_the_reset_where_that_is_wanted() {
    let ground = Ground::new(REALIZED).await;
    ground.write("config/database.yaml", TRACKED);
    let daemon = ground.watch().await;
    ground.hold_over_the_reset().await;
    let day = (ground.next_reset - SignedDuration::from_secs(1)).strftime("%Y-%m-%d").to_string();
    let day = if ground.next_reset.strftime("%H:%M").to_string() == "00:00" {
        day
    } else {
        ground.next_reset.strftime("%Y-%m-%d").to_string()
    };
    let query =
        "SELECT timestamp, positions_count, unrealized_pnl <= 0 FROM daily_unrealized_pnl WHERE account_id = 1001";
    ground.until_rows(query, json!([[day, 1, 1]])).await;
    let schedule =
        "SELECT CAST(strftime('%s', next_reset_time) AS INTEGER) FROM reset_schedule WHERE account_id = 1001";
    ground.until_rows(schedule, json!([[ground.next_reset.as_second() + 86_400]])).await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_where_it_is_not_wanted_and_the_rule_works_without() {
    let rules = "rules:\n  daily_unrealized_loss: {loss_limit: 300, action: CLOSE_POSITION}\n";
    let ground = Ground::new(rules).await;
    let daemon = ground.watch().await;
    ground.hold_over_the_reset().await;
    let schedule =
        "SELECT CAST(strftime('%s', next_reset_time) AS INTEGER) FROM reset_schedule WHERE account_id = 1001";
    ground.until_rows(schedule, json!([[ground.next_reset.as_second() + 86_400]])).await;
    assert_eq!(ground.ask("SELECT name FROM sqlite_master WHERE name = 'daily_unrealized_pnl'").await, json!([]));
    ground.controls().tick(&es(), points("2640")).unwrap();
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-004", "CLOSE_POSITION")])).await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_ends_at_the_reset_and_not_before() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.set_clock_to(ground.next_reset - SignedDuration::from_secs(60));
    ground.buy(TRADER, &es(), 1);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.until_rows("SELECT COUNT(*) FROM enforcement_log WHERE success = 1", json!([[2]])).await;
    ground.set_clock_to(ground.next_reset);
    ground.until_rows("SELECT is_locked FROM lockouts", json!([[0]])).await;
    // A new day: the loss of the old one counts no more, and trading is free.
    ground.buy(TRADER, &es(), 1);
    ground.until_rows("SELECT size FROM positions WHERE account_id = 1001", json!([[1]])).await;
    let interventions = ground.interventions(TRADER).len();
    ground.controls().tick(&es(), points("2644.25")).unwrap();
    ground.sell(TRADER, &es(), 1);
    ground.until_rows("SELECT COUNT(*) FROM daily_pnl WHERE account_id = 1001", json!([[2]])).await;
    assert_eq!(ground.interventions(TRADER).len(), interventions);
    ground.until_rows("SELECT COUNT(*) FROM enforcement_log", json!([[2]])).await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_whose_end_passed_while_nobody_watched_ends_at_the_start() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    daemon.end().await;
    ground.set_clock_to(ground.next_reset + SignedDuration::from_hours(1));
    ground.buy(TRADER, &es(), 1);
    let daemon = ground.watch().await;
    ground.until_rows("SELECT is_locked FROM lockouts", json!([[0]])).await;
    ground.until_rows("SELECT size FROM positions", json!([[1]])).await;
    daemon.end().await;
    assert_eq!(ground.controls().exchange(|books| books.signed_size(TRADER, &es())), 1, "held since after the reset");
}
