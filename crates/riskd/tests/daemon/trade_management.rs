//! RULE-012 at the simulated exchange: the stop is there, goes to the average price, follows, and goes with its position.

use riskd_core::model::OrderType;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::exchange::OrderRecord;
use riskd_sim::faults::RestFault;
use riskd_sim::server::Topic;
use serde_json::json;

use super::support::{Ground, NEIGHBOUR, TRADER, es, points, within};
use super::witness::confirmed;

/// A tick of ES is 0.25: a stop 2.50 away, to the average price at 2.50, following 2.50 behind from 5.00 on.
const STOPS: &str = "rules:\n  trade_management: {auto_stop_loss: true, auto_breakeven: true, trailing_stop: true}\n";

impl Ground {
    /// The stops that stand for the trader.
    fn stops(&self) -> Vec<OrderRecord> {
        self.controls().living_orders(TRADER).into_iter().filter(|order| order.order_type == OrderType::Stop).collect()
    }

    /// Waits until one stop stands, of this size and at this price.
    async fn until_stop(&self, size: i64, price: &str) {
        let wanted = Some((size, points(price)));
        let only = |stops: Vec<OrderRecord>| match stops.as_slice() {
            [only] => only.stop_price.map(|at| (only.remaining(), at)),
            _ => None,
        };
        within(self.controls().until(|controls| {
            let stops = controls.living_orders(TRADER).into_iter();
            only(stops.filter(|order| order.order_type == OrderType::Stop).collect()) == wanted
        }))
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_placed_moved_to_breakeven_trailed_and_filled() {
    let ground = Ground::new(STOPS).await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &es(), 2);
    within(ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    let entry = ground.controls().positions(TRADER)[0].average_price;
    let from_entry = |quarters: i64| riskd_core::model::Price::from_nanos(entry.nanos() + quarters * 250_000_000);
    let tick = |quarters: i64| ground.controls().tick(&es(), from_entry(quarters)).unwrap();
    ground.until_stop(2, &from_entry(-10).to_string()).await;
    tick(10);
    ground.until_stop(2, &from_entry(0).to_string()).await;
    tick(24);
    ground.until_stop(2, &from_entry(14).to_string()).await;
    let done = |action| confirmed("RULE-012", action);
    ground.until_log(TRADER, json!([done("PLACE_STOP"), done("MOVE_STOP"), done("MOVE_STOP")])).await;
    // Back a little: the stop stays, and the size follows the position.
    tick(18);
    ground.sell(TRADER, &es(), 1);
    ground.until_stop(1, &from_entry(14).to_string()).await;
    let tag = ground.stops()[0].custom_tag.clone().unwrap_or_default();
    assert!(tag.starts_with("riskd-stop-"), "{tag}");
    // And it does what it is for.
    tick(14);
    ground.until_flat(TRADER).await;
    ground
        .until_log(TRADER, json!([done("PLACE_STOP"), done("MOVE_STOP"), done("MOVE_STOP"), done("MOVE_STOP")]))
        .await;
    assert_eq!(ground.controls().requests_to(Endpoint::PlaceOrder).len(), 1);
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 0);
    ground.assert_closed_once(TRADER);
    assert_eq!((ground.interventions(NEIGHBOUR), ground.lock(TRADER).await), (vec![], json!([])));
    let summary = daemon.end().await;
    assert_eq!((summary.breaches(), summary.left_pending), (0, false), "nobody broke anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_whose_answer_is_lost_is_found_by_its_tag_and_kept_through_a_restart() {
    let ground = Ground::new(STOPS).await;
    let daemon = ground.watch().await;
    ground.controls().add_rest_fault(RestFault::time_out_after_acting(Endpoint::PlaceOrder));
    ground.buy(TRADER, &es(), 2);
    within(ground.controls().until(|controls| controls.living_orders(TRADER).len() == 1)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-012", "PLACE_STOP")])).await;
    assert!(!daemon.end().await.left_pending);
    let before = ground.stops();
    let next = ground.watch().await;
    // What the next one does first of all would show in the requests.
    ground.sell(TRADER, &es(), 1);
    ground.until_stop(1, &before[0].stop_price.unwrap().to_string()).await;
    assert_eq!(ground.stops()[0].id, before[0].id, "the same one");
    ground.sell(TRADER, &es(), 1);
    ground.until_flat(TRADER).await;
    assert_eq!(ground.controls().requests_to(Endpoint::PlaceOrder).len(), 1);
    ground.assert_closed_once(TRADER);
    next.end().await;
}
