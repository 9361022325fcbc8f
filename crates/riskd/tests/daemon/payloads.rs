//! Events in every form they have been seen in lead to the same end.

use riskd_core::engine::Hub;
use riskd_gateway::protocol::wire::{Endpoint, event};
use riskd_sim::faults::{HubEffect, HubFault, PayloadShape};
use serde_json::json;

use super::support::{CLOSE_ALL, Ground, REALIZED, TRADER, es, points, side_by_side, within};
use super::witness::confirmed;

/// A breach of RULE-003 whose events come with these faults: the same rows, the same requests.
async fn enforced_in_spite_of(faults: Vec<HubFault>) {
    // With one account alone, an update that names none can only be about that one.
    let ground = Ground::with_accounts(REALIZED, &[TRADER]).await;
    let daemon = ground.watch().await;
    for fault in &faults {
        ground.controls().add_hub_fault(fault.clone());
    }
    ground.lose(TRADER);
    within(ground.controls().until_flat(TRADER)).await;
    ground.controls().clear_faults();
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.assert_closed_once(TRADER);
    let trades = ground.controls().trades(TRADER).len();
    ground.until_rows("SELECT COUNT(*) FROM trade_history", json!([[trades]])).await;
    let realized = ground.controls().realized_pnl(TRADER).to_f64();
    ground.until_rows("SELECT realized_pnl FROM daily_pnl", json!([[realized]])).await;
    daemon.end().await;
}

fn shaped(shape: PayloadShape) -> Vec<HubFault> {
    vec![HubFault::of_hub(Hub::User, HubEffect::Shape(shape))]
}

fn without(fields: &[&str]) -> PayloadShape {
    PayloadShape { without: fields.iter().map(|field| (*field).to_owned()).collect(), ..PayloadShape::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_leads_to_the_same_end() {
    let plain = PayloadShape::default;
    let late = HubEffect::Delay(std::time::Duration::from_millis(150));
    let cases = vec![
        ("wrapped", shaped(PayloadShape { wrapped: true, ..plain() })),
        ("in lists, numbers as strings", shaped(PayloadShape { in_a_list: true, numbers_as_strings: true, ..plain() })),
        (
            "wrapped, in lists, numbers as strings",
            shaped(PayloadShape { wrapped: true, in_a_list: true, numbers_as_strings: true, ..plain() }),
        ),
        ("without account and times", shaped(without(&["accountId", "creationTimestamp", "updateTimestamp"]))),
        ("without ids", shaped(without(&["id"]))),
        ("twice", vec![HubFault::of_hub(Hub::User, HubEffect::Duplicate)]),
        ("out of order", vec![HubFault::of_hub(Hub::User, HubEffect::Reorder(3))]),
        ("trades late", vec![HubFault::of_event(Hub::User, event::USER_TRADE, 4, late)]),
    ];
    side_by_side(cases.into_iter().map(|(name, faults)| (name, enforced_in_spite_of(faults))).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_cannot_be_read_is_asked_for() {
    let ground = Ground::new(CLOSE_ALL).await;
    let daemon = ground.watch().await;
    let broken = PayloadShape { with: vec![("size".to_owned(), "\"many\"".to_owned())], ..PayloadShape::default() };
    let fault = HubFault::of_event(Hub::User, event::USER_POSITION, 1, HubEffect::Shape(broken));
    ground.controls().add_hub_fault(fault);
    ground.buy(TRADER, &es(), 6);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "CLOSE_ALL_POSITIONS")])).await;
    ground.assert_closed_once(TRADER);
    assert_eq!(daemon.end().await.refused(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_nobody_can_be_named_for_is_asked_for_everywhere() {
    let ground = Ground::new(CLOSE_ALL).await;
    let daemon = ground.watch().await;
    let fault = HubFault::of_event(Hub::User, event::USER_POSITION, 1, HubEffect::Shape(without(&["accountId", "id"])));
    ground.controls().add_hub_fault(fault);
    ground.buy(TRADER, &es(), 6);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "CLOSE_ALL_POSITIONS")])).await;
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_told_of_after_a_look_has_shown_their_end_are_no_news() {
    const LATE: std::time::Duration = std::time::Duration::from_millis(300);
    let ground = Ground::with_accounts(REALIZED, &[TRADER]).await;
    let daemon = ground.watch().await;
    ground.controls().add_hub_fault(HubFault::of_event(Hub::User, event::USER_ORDER, 20, HubEffect::Delay(LATE)));
    ground.buy(TRADER, &es(), 3);
    ground.controls().tick(&es(), points("2644")).unwrap();
    ground.sell(TRADER, &es(), 2);
    ground.until_flat(TRADER).await;
    let breach = confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT");
    ground.until_log(TRADER, json!([breach])).await;
    // Not a wait for something to happen, but for nothing to: the late events have all come by then.
    tokio::time::sleep(LATE * 2).await;
    ground.controls().clear_faults();
    ground.buy(TRADER, &es(), 1);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([breach, confirmed("RULE-003", "CLOSE_ALL_POSITIONS")])).await;
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 2);
    daemon.end().await;
}
