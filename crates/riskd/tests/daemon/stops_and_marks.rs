//! RULE-008 and RULE-014 against the simulator: a position without a stop, and a drawdown over a restart.

use riskd_core::model::{OrderType, Side};
use riskd_sim::exchange::{Bracket, OrderTicket};
use riskd_sim::server::Topic;
use serde_json::json;

use super::support::{Ground, NEIGHBOUR, TRADER, es, points, within};
use super::witness::confirmed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_without_a_stop_is_closed_and_one_with_a_bracket_is_not() {
    let ground = Ground::new("rules:\n  no_stop_loss_grace: {grace_period_seconds: 1}\n").await;
    let daemon = ground.watch().await;
    let stop_loss = Some(Bracket { ticks: 40, order_type: OrderType::Stop });
    let protected = OrderTicket { stop_loss, ..OrderTicket::market(NEIGHBOUR, es(), Side::Buy, 1) };
    ground.controls().place(protected).unwrap();
    // Opened later: when it is closed, the other's grace would be over too.
    ground.buy(TRADER, &es(), 2);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-008", "CLOSE_POSITION")])).await;
    assert_eq!(ground.lock(TRADER).await, json!([]));
    ground.assert_closed_once(TRADER);
    assert_eq!((ground.interventions(NEIGHBOUR), ground.log(NEIGHBOUR).await), (vec![], json!([])));
    assert_eq!(ground.controls().exchange(|books| books.signed_size(NEIGHBOUR, &es())), 1);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drawdown_from_a_mark_of_the_run_before_ends_flat_and_locked() {
    let ground = Ground::new("rules:\n  max_drawdown: {limit: 500, lockout_until: daily_reset}\n").await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &es(), 1);
    within(ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    // $250 of open profit, less the fee of the fill, is the best there was.
    ground.controls().tick(&es(), points("2655")).unwrap();
    let mark = "SELECT high_water_mark > 50200, starting_balance > 49900 FROM drawdown_marks WHERE account_id = 1001";
    ground.until_rows(mark, json!([[1, 1]])).await;
    daemon.end().await;
    assert_eq!(ground.interventions(TRADER), [] as [String; 0]);

    let daemon = ground.watch().await;
    within(ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    // $500 below the best, and the fees, which the mark may have missed; since this run began the account lost only $250.
    ground.controls().tick(&es(), points("2644.75")).unwrap();
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-014").await;
    ground.until_log(TRADER, json!([confirmed("RULE-014", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    assert_eq!((ground.interventions(NEIGHBOUR), ground.log(NEIGHBOUR).await), (vec![], json!([])));
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drawdown_that_no_quote_tells_of_is_found_by_asking_for_the_price() {
    let ground = Ground::new("rules:\n  max_drawdown: {limit: 500, lockout_until: daily_reset}\n").await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &es(), 1);
    within(ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    ground.controls().tick(&es(), points("2655")).unwrap();
    let mark = "SELECT high_water_mark > 50200, starting_balance > 49900 FROM drawdown_marks WHERE account_id = 1001";
    ground.until_rows(mark, json!([[1, 1]])).await;
    daemon.end().await;
    ground.controls().tick(&es(), points("2645")).unwrap();
    let daemon = ground.watch().await;
    ground.until_flat(TRADER).await;
    daemon.end().await;
}
