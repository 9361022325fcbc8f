//! While an account is locked, nothing that appears in it stays; and nobody else is touched.

use riskd_core::model::Side;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::exchange::{OrderStatus, OrderTicket};
use serde_json::json;

use super::support::{Ground, NEIGHBOUR, REALIZED, TRADER, es, points, within};
use super::witness::confirmed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_while_locked_is_closed_and_the_neighbour_is_left_alone() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.buy(NEIGHBOUR, &es(), 2);
    let neighbours_order = ground.rest_order(NEIGHBOUR);
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    let breach = confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT");
    ground.until_log(TRADER, json!([breach])).await;

    ground.buy(TRADER, &es(), 1);
    within(ground.controls().until_flat(TRADER)).await;
    let entered = confirmed("RULE-003", "CLOSE_ALL_POSITIONS");
    ground.until_log(TRADER, json!([breach, entered])).await;
    let counts = "SELECT json_extract(details, '$.positions_closed'), reason LIKE '%while locked by RULE-003%'
        FROM enforcement_log WHERE id = 2";
    assert_eq!(ground.ask(counts).await, json!([[1, 1]]));

    let order = ground.rest_order(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([breach, entered, confirmed("RULE-003", "CANCEL_ORDERS")])).await;
    let status = ground.controls().exchange(|books| books.order(order).unwrap().status);
    assert_eq!(status, OrderStatus::Cancelled);
    ground
        .until_rows(
            "SELECT json_extract(details, '$.orders_cancelled') FROM enforcement_log WHERE id = 3",
            json!([[1]]),
        )
        .await;

    ground.until_locked(TRADER, "RULE-003").await;
    ground.assert_closed_once(TRADER);
    assert_eq!(ground.interventions(NEIGHBOUR), Vec::<String>::new());
    assert_eq!(ground.controls().exchange(|books| books.signed_size(NEIGHBOUR, &es())), 2);
    assert_eq!(ground.controls().living_orders(NEIGHBOUR)[0].id, neighbours_order);
    assert_eq!((ground.log(NEIGHBOUR).await, ground.lock(NEIGHBOUR).await), (json!([]), json!([])));
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bracket_is_taken_apart_with_its_suspended_children() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    let bracket = OrderTicket::limit(TRADER, es(), Side::Buy, 1, points("2000")).with_stop_loss(8).with_take_profit(8);
    ground.controls().place(bracket).unwrap();
    ground.until_flat(TRADER).await;
    let cancelled = |order: &riskd_sim::exchange::OrderRecord| order.status == OrderStatus::Cancelled;
    assert_eq!(ground.controls().orders(TRADER).iter().filter(|order| cancelled(order)).count(), 4);
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 1);
    daemon.end().await;
}
