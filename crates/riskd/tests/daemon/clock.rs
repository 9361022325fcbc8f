//! The machine's clock is set, and no lockout ends by it: the time is the broker's.

use jiff::SignedDuration;
use riskd::daemon::{Phase, ProgramClock};
use serde_json::json;

use super::support::{Ground, REALIZED, TRADER, TestClock, es};
use super::witness::confirmed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_clock_set_forward_ends_no_lockout_and_a_restart_does_not_help() {
    let ground = Ground::new(REALIZED).await;
    let machine = TestClock::default();
    let time = || {
        let machine = machine.clone();
        ProgramClock::around(move || machine.now())
    };
    let running = time();
    let mut daemon = ground.start_on_the_brokers_time(running.clone());
    daemon.until(Phase::Watching).await;
    ground.until_watched().await;
    assert!(running.is_held(), "the broker is asked before anything is decided");
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;

    machine.set_forward(SignedDuration::from_hours(48));
    assert!(running.machine_error().unwrap() > SignedDuration::from_hours(47));
    ground.buy(TRADER, &es(), 1);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.until_rows("SELECT COUNT(*) FROM enforcement_log WHERE success = 1", json!([[2]])).await;
    daemon.end().await;

    let restarted = time();
    assert!(restarted.now() > ground.next_reset, "until the broker has spoken, the machine is believed");
    let mut daemon = ground.start_on_the_brokers_time(restarted.clone());
    daemon.until(Phase::Watching).await;
    ground.until_watched().await;
    assert!(restarted.now() < ground.next_reset);
    ground.buy(TRADER, &es(), 1);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.until_rows("SELECT COUNT(*) FROM enforcement_log WHERE success = 1", json!([[3]])).await;
    daemon.end().await;
}
