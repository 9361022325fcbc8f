//! Each rule, each way it can be told to act: flat or reduced at the exchange, locked or not, logged when it is done.

use riskd_core::model::Side;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::exchange::OrderTicket;
use riskd_sim::server::Topic;
use serde_json::json;

use super::support::{CLOSE_ALL, Ground, NEIGHBOUR, REALIZED, REDUCE, TRADER, es, mes, points, within};
use super::witness::confirmed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_realized_loss_ends_flat_locked_and_logged() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    let counts = "SELECT json_extract(details, '$.positions_closed'), json_extract(details, '$.orders_cancelled'),
        execution_time_ms >= 0 FROM enforcement_log";
    assert_eq!(ground.ask(counts).await, json!([[1, 1, 1]]));
    let realized = ground.controls().realized_pnl(TRADER).to_f64();
    ground.until_rows("SELECT realized_pnl FROM daily_pnl WHERE account_id = 1001", json!([[realized]])).await;
    ground.assert_closed_once(TRADER);
    let summary = daemon.end().await;
    assert_eq!((summary.breaches(), summary.confirmed(), summary.left_pending), (1, 1, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_open_loss_ends_flat_and_locked() {
    let rules = "rules:\n  daily_unrealized_loss: {loss_limit: 300, scope: total, action: CLOSE_ALL_AND_LOCKOUT}\n";
    let ground = Ground::new(rules).await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &es(), 1);
    ground.buy(TRADER, &mes(), 10);
    for contract in [es(), mes()] {
        within(ground.controls().until_subscribed(Topic::Quotes(contract))).await;
    }
    // $200 and $200: neither is a breach by itself.
    ground.controls().tick(&es(), points("2646.25")).unwrap();
    ground.controls().tick(&mes(), points("2646.25")).unwrap();
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-004").await;
    ground.until_log(TRADER, json!([confirmed("RULE-004", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once_each(&[es(), mes()]);
    // The history table is off, and was not needed.
    assert_eq!(ground.ask("SELECT name FROM sqlite_master WHERE name = 'daily_unrealized_pnl'").await, json!([]));
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loss_of_one_position_closes_that_position_alone() {
    let rules = "rules:\n  daily_unrealized_loss: {loss_limit: 300, scope: per_position, action: CLOSE_POSITION}\n";
    let ground = Ground::new(rules).await;
    let daemon = ground.watch().await;
    let order = ground.rest_order(TRADER);
    ground.buy(TRADER, &es(), 1);
    ground.buy(TRADER, &mes(), 2);
    for contract in [es(), mes()] {
        within(ground.controls().until_subscribed(Topic::Quotes(contract))).await;
    }
    ground.controls().tick(&mes(), points("2640")).unwrap();
    ground.controls().tick(&es(), points("2640")).unwrap();
    ground.until_log(TRADER, json!([confirmed("RULE-004", "CLOSE_POSITION")])).await;
    let held = |contract| ground.controls().exchange(|books| books.signed_size(TRADER, &contract));
    assert_eq!((held(es()), held(mes())), (0, 2));
    assert_eq!(ground.controls().living_orders(TRADER).iter().map(|order| order.id).collect::<Vec<_>>(), [order]);
    assert_eq!(ground.lock(TRADER).await, json!([]));
    assert_eq!(ground.interventions(TRADER).len(), 1, "{:?}", ground.interventions(TRADER));
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_contracts_are_all_closed() {
    let ground = Ground::new(CLOSE_ALL).await;
    let daemon = ground.watch().await;
    ground.buy(NEIGHBOUR, &es(), 5);
    ground.buy(TRADER, &es(), 6);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "CLOSE_ALL_POSITIONS")])).await;
    assert_eq!(ground.lock(TRADER).await, json!([]));
    ground.assert_closed_once(TRADER);
    assert_eq!((ground.interventions(NEIGHBOUR), ground.log(NEIGHBOUR).await), (vec![], json!([])), "five are allowed");
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_contracts_are_reduced_to_the_limit() {
    let ground = Ground::new(REDUCE).await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &es(), 8);
    ground.until_log(TRADER, json!([confirmed("RULE-001", "REDUCE_TO_LIMIT")])).await;
    assert_eq!(ground.controls().exchange(|books| books.signed_size(TRADER, &es())), 5);
    assert_eq!(ground.controls().requests_to(Endpoint::PartialClosePosition).len(), 1);
    assert_eq!(ground.interventions(TRADER).len(), 1, "{:?}", ground.interventions(TRADER));
    assert_eq!(ground.lock(TRADER).await, json!([]));
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_contracts_lock_the_account_where_that_is_wanted() {
    let ground = Ground::new("rules:\n  max_contracts: {limit: 5, lockout_on_breach: true}\n").await;
    let daemon = ground.watch().await;
    ground.rest_order(TRADER);
    ground.sell(TRADER, &es(), 6);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-001").await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

impl Ground {
    fn assert_closed_once_each(&self, contracts: &[riskd_core::model::ContractId]) {
        for contract in contracts {
            let fills = self.controls().trades(TRADER).into_iter().filter(|trade| trade.contract_id == *contract);
            assert_eq!(fills.count(), 2, "one fill in, one out: {:?}", self.controls().trades(TRADER));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_excess_of_one_instrument_is_closed_and_every_other_is_left_alone() {
    let ground = Ground::new("rules:\n  max_contracts_per_instrument: {limits: {ES: 1, MES: 5}}\n").await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &mes(), 5);
    ground.buy(NEIGHBOUR, &es(), 1);
    ground.buy(TRADER, &es(), 3);
    let held = |account, contract| ground.controls().exchange(|books| books.signed_size(account, &contract));
    within(ground.controls().until(|controls| controls.exchange(|books| books.signed_size(TRADER, &es())) == 1)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-002", "REDUCE_TO_LIMIT")])).await;
    assert_eq!(held(TRADER, mes()), 5);
    assert_eq!(ground.lock(TRADER).await, json!([]));
    assert_eq!(ground.interventions(TRADER).len(), 1, "{:?}", ground.interventions(TRADER));
    assert_eq!(
        (held(NEIGHBOUR, es()), ground.interventions(NEIGHBOUR), ground.log(NEIGHBOUR).await),
        (1, vec![], json!([]))
    );
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_profit_is_taken_at_its_target_and_what_would_have_closed_it_goes_too() {
    let ground = Ground::new("rules:\n  max_unrealized_profit: {profit_target: 400}\n").await;
    let daemon = ground.watch().await;
    let entry = ground.rest_order(TRADER);
    let exit = OrderTicket::limit(TRADER, es(), Side::Sell, 1, points("2700"));
    let exit = ground.controls().place(exit).unwrap();
    ground.buy(TRADER, &es(), 1);
    within(ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    ground.until_rows("SELECT COUNT(*) FROM orders WHERE account_id = 1001", json!([[2]])).await;
    ground.controls().tick(&es(), points("2660")).unwrap();
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-005", "CLOSE_POSITION")])).await;
    ground.until_requested(Endpoint::CancelOrder, 1).await;
    let standing = format!("SELECT id FROM orders WHERE account_id = 1001 AND id IN ({}, {})", entry.0, exit.0);
    ground.until_rows(&standing, json!([[entry.0]])).await;
    assert_eq!(ground.interventions(TRADER).len(), 2, "{:?}", ground.interventions(TRADER));
    assert_eq!(ground.lock(TRADER).await, json!([]));
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}
