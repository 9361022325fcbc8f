//! The link to the broker is cut in the middle of an enforcement.

use std::time::Duration;

use riskd_core::engine::Hub;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::Controls;
use riskd_sim::faults::{RestEffect, RestFault};
use serde_json::json;

use super::support::{Ground, REALIZED, TRADER, side_by_side, within};
use super::witness::{confirmed, locked};

/// Something done to the simulator.
type Lever = fn(&Controls);

/// Breaks the link with `cut` as soon as the first close is asked for, and while it takes its time in the market.
async fn enforced_in_spite_of((cut, repair): (Lever, Lever)) {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    let before = ground.controls().hub_connections(Hub::User);
    assert_eq!(before, 1);
    ground.controls().delay_closing_ms(700);
    ground.lose(TRADER);
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    cut(ground.controls());
    assert_eq!(ground.lock(TRADER).await, locked("RULE-003", ground.next_reset));
    repair(ground.controls());
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    // Asked for is not done: the row's time reaches to when the exchange had closed the position.
    ground.until_rows("SELECT execution_time_ms >= 700 FROM enforcement_log", json!([[1]])).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.assert_closed_once(TRADER);
    ground.until_watched().await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_is_cut_in_the_middle_of_an_enforcement() {
    let cuts: [(&str, Lever, Lever); 6] = [
        ("the user hub is cut", |controls| controls.cut_hub(Hub::User), |_| {}),
        ("it says goodbye", |controls| controls.close_hub(Hub::User, Some("server shutting down"), true), |_| {}),
        ("every connection is cut", Controls::cut_all_connections, |_| {}),
        (
            "and new ones are refused for a while",
            |controls| {
                controls.refuse_connections(None);
                controls.cut_all_connections();
            },
            Controls::accept_connections,
        ),
        ("the server restarts and has no tokens", |controls| controls.restart(Duration::from_millis(300)), |_| {}),
        ("every token expires", Controls::expire_tokens, |_| {}),
    ];
    side_by_side(cuts.into_iter().map(|(name, cut, repair)| (name, enforced_in_spite_of((cut, repair)))).collect())
        .await;
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
    // The first connection came at once, the next one not during this test.
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
