//! An ordered stop of the real program.

use riskd_gateway::protocol::wire::Endpoint;
use rustix::process::Signal;
use serde_json::json;

use super::support::{Ground, REALIZED, TRADER, within};
use super::witness::{confirmed, locked, pending};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_the_session_writes_everything_and_lets_the_database_go() {
    let ground = Ground::new(REALIZED).await;
    let process = ground.run().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    let (code, log) = process.terminate().await;
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("stopped; everything is written"), "{log}");
    assert!(!log.contains(&ground.simulator.api_key) && !log.contains("eyJ"), "a secret in the log:\n{log}");
    assert_eq!(ground.controls().requests_to(Endpoint::Logout).len(), 1);
    assert_eq!(ground.lock(TRADER).await, locked("RULE-003", ground.next_reset));
    // The next one gets the database.
    let next = ground.run().await;
    assert_eq!(next.terminate().await.0, 0);
    assert_eq!(ground.ask("PRAGMA integrity_check").await, json!([["ok"]]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enforcement_under_way_is_seen_through_first() {
    let ground = Ground::new(REALIZED).await;
    let process = ground.run().await;
    ground.controls().delay_closing_ms(800);
    ground.lose(TRADER);
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    let (code, log) = process.terminate().await;
    assert_eq!(code, 0, "{log}");
    assert!(ground.controls().exchange(|books| books.is_flat(TRADER)), "it ended before the account was flat");
    assert_eq!(ground.log(TRADER).await, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")]));
    ground.assert_closed_once(TRADER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_stops_at_once_and_the_next_start_goes_on() {
    let ground = Ground::new(REALIZED).await;
    let mut process = ground.run().await;
    ground.controls().delay_closing_ms(600_000);
    ground.lose(TRADER);
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    process.signal(Signal::TERM);
    process.until_log("a second signal stops at once").await;
    process.signal(Signal::INT);
    let code = process.until_ended().await;
    assert_eq!(code, 1, "{}", process.log());
    assert!(process.log().contains("An account may not be flat"), "{}", process.log());
    assert_eq!(ground.log(TRADER).await, json!([pending("RULE-003", "CLOSE_ALL_AND_LOCKOUT")]));
    ground.controls().delay_closing_ms(0);
    let next = ground.run().await;
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    assert_eq!(next.terminate().await.0, 0);
    ground.assert_closed_once(TRADER);
}
