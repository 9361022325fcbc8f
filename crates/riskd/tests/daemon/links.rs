//! The link to the broker is cut in the middle of an enforcement.

use std::time::Duration;

use riskd_core::engine::Hub;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::Controls;
use riskd_sim::faults::{RestEffect, RestFault};
use serde_json::json;

use super::support::{Ground, REALIZED, TRADER, within};
use super::witness::{confirmed, locked, pending};

/// Breaks the link with `cut` as soon as the first close is asked for, and while it takes its time in the market.
async fn enforced_in_spite_of(cut: impl FnOnce(&Controls), repair: impl FnOnce(&Controls)) {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    let before = ground.controls().hub_connections(Hub::User);
    assert_eq!(before, 1);
    ground.controls().delay_closing_ms(700);
    ground.lose(TRADER);
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    cut(ground.controls());
    // Asked for, not done: nothing may be said to be done.
    assert_eq!(ground.log(TRADER).await, json!([pending("RULE-003", "CLOSE_ALL_AND_LOCKOUT")]));
    assert_eq!(ground.lock(TRADER).await, locked("RULE-003", ground.next_reset));
    repair(ground.controls());
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.assert_closed_once(TRADER);
    ground.until_watched().await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_hub_is_cut() {
    enforced_in_spite_of(|controls| controls.cut_hub(Hub::User), |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_hub_says_goodbye() {
    enforced_in_spite_of(|controls| controls.close_hub(Hub::User, Some("server shutting down"), true), |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_cut() {
    enforced_in_spite_of(Controls::cut_all_connections, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_is_cut_and_new_ones_are_refused_for_a_while() {
    let cut = |controls: &Controls| {
        controls.refuse_connections(None);
        controls.cut_all_connections();
    };
    enforced_in_spite_of(cut, Controls::accept_connections).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_restarts_and_has_forgotten_every_token() {
    enforced_in_spite_of(|controls| controls.restart(Duration::from_millis(300)), |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_expires() {
    enforced_in_spite_of(Controls::expire_tokens, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_during_a_gap_is_found_when_the_link_is_back() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.controls().refuse_connections(None);
    ground.controls().cut_all_connections();
    within(ground.controls().until(|controls| controls.hub_connections(Hub::User) == 0)).await;
    ground.lose(TRADER);
    assert_eq!(ground.log(TRADER).await, json!([]));
    ground.controls().accept_connections();
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    let trades = ground.controls().trades(TRADER).len();
    ground.until_rows("SELECT COUNT(*) FROM trade_history", json!([[trades]])).await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breach_while_the_user_hub_stays_down_is_found_over_rest() {
    let ground = Ground::new(REALIZED).await;
    let mut setup = ground.setup();
    setup.gateway.reconnect.delays_ms = vec![0, 600_000];
    let mut daemon = ground.start_with(setup);
    daemon.until(riskd::daemon::Phase::Watching).await;
    ground.until_watched().await;
    // The first reconnection comes at once, the next one not during this test.
    ground.controls().cut_hub(Hub::User);
    ground.until_watched().await;
    ground.controls().cut_hub(Hub::User);
    within(ground.controls().until(|controls| controls.hub_connections(Hub::User) == 0)).await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    assert_eq!(ground.controls().hub_connections(Hub::User), 0);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_whose_answer_is_cut_off_is_not_repeated() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    let effect = RestEffect::HangAfterActing;
    ground.controls().add_rest_fault(RestFault { endpoint: Some(Endpoint::ClosePosition), times: None, effect });
    ground.lose(TRADER);
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    ground.controls().cut_all_connections();
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 1);
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}
