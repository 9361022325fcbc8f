//! Accepted is not done, refused is not the end, and no answer is no answer.

use riskd_core::engine::Hub;
use riskd_gateway::protocol::wire::{Endpoint, Meaning};
use riskd_sim::exchange::{AccountRecord, ExchangeConfig, Liquidity};
use riskd_sim::faults::{RestEffect, RestFault};
use serde_json::json;

use super::support::{Ground, REALIZED, REDUCE, TRADER, es, points, within};
use super::witness::{confirmed, pending};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_close_is_not_a_success_before_the_account_is_flat() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.controls().delay_closing_ms(1_500);
    ground.lose(TRADER);
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    let while_on_its_way = ground.log(TRADER).await;
    // A machine that is very busy may have looked too late to see it on its way.
    if !ground.controls().exchange(|books| books.is_flat(TRADER)) {
        assert_eq!(while_on_its_way, json!([pending("RULE-003", "CLOSE_ALL_AND_LOCKOUT")]));
    }
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    // The time of the row is that until the account was flat, by the exchange's own books.
    let took = ground.ask("SELECT execution_time_ms FROM enforcement_log").await[0][0].as_i64().unwrap();
    assert!(took >= 1_500, "{took} ms");
    ground.until_flat(TRADER).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_the_market_takes_bit_by_bit_is_a_success_only_when_all_is_gone() {
    let exchange = ExchangeConfig { liquidity: Liquidity::AtMost(1), ..ExchangeConfig::default() };
    let ground = Ground::with_exchange("rules:\n  max_contracts: {limit: 2}\n", &[TRADER], exchange).await;
    let daemon = ground.watch().await;
    ground.buy(TRADER, &es(), 3);
    let held = || ground.controls().exchange(|books| books.signed_size(TRADER, &es()));
    while held() < 3 {
        ground.controls().tick(&es(), points("2650")).unwrap();
    }
    ground.until_requested(Endpoint::ClosePosition, 1).await;
    within(ground.controls().until(|controls| controls.exchange(|books| books.signed_size(TRADER, &es())) < 3)).await;
    assert_eq!(ground.log(TRADER).await, json!([pending("RULE-001", "CLOSE_ALL_POSITIONS")]));
    while held() > 0 {
        ground.controls().tick(&es(), points("2650")).unwrap();
    }
    ground.until_log(TRADER, json!([confirmed("RULE-001", "CLOSE_ALL_POSITIONS")])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

/// A breach of RULE-003 while the broker has these faults: it ends flat, logged once, closed once.
async fn enforced_in_spite_of(faults: Vec<RestFault>) -> Ground {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    for fault in faults {
        ground.controls().add_rest_fault(fault);
    }
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
    ground
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_that_is_refused_is_asked_for_again() {
    let ground = enforced_in_spite_of(vec![RestFault::refusal(Endpoint::ClosePosition, Meaning::Rejected, 3)]).await;
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_that_is_refused_is_asked_for_again() {
    let ground = enforced_in_spite_of(vec![RestFault::refusal(Endpoint::CancelOrder, Meaning::Rejected, 2)]).await;
    assert_eq!(ground.controls().requests_to(Endpoint::CancelOrder).len(), 3);
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_and_cancellations_that_act_and_never_answer_are_looked_up() {
    let faults = [Endpoint::ClosePosition, Endpoint::CancelOrder].map(RestFault::time_out_after_acting);
    let ground = enforced_in_spite_of(faults.to_vec()).await;
    // On a busy machine the close that acted may look as if it hung; taking it back changes nothing.
    let resting = ground.interventions(TRADER).into_iter().filter(|request| request.contains("cancel"));
    let asked: std::collections::BTreeSet<_> = resting.collect();
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 1, "{:?}", ground.interventions(TRADER));
    assert!((1..=2).contains(&asked.len()), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_trouble_is_asked_again() {
    let faults = vec![
        RestFault::status(Endpoint::ClosePosition, 503, 1),
        RestFault::status(Endpoint::ClosePosition, 401, 1),
        RestFault::status(Endpoint::CancelOrder, 500, 2),
        RestFault::status(Endpoint::SearchOpenPositions, 502, 2),
        RestFault {
            endpoint: Some(Endpoint::QueryOrders),
            times: Some(1),
            effect: RestEffect::AnswerWith("<html>".into()),
        },
    ];
    enforced_in_spite_of(faults).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_hold_back_no_close() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.controls().add_rest_fault(RestFault::status(Endpoint::ClosePosition, 429, 1));
    ground.lose(TRADER);
    // Looking is held back for a minute. Closing is not: nothing was done, so it is asked for again without a look.
    ground.until_flat(TRADER).await;
    assert_eq!(ground.controls().requests_to(Endpoint::ClosePosition).len(), 2);
    ground.clock.set_forward(jiff::SignedDuration::from_secs(61));
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_part_cannot_be_closed_the_whole_is() {
    let ground = Ground::new(REDUCE).await;
    let daemon = ground.watch().await;
    ground.controls().refuse_partial_close(1);
    ground.buy(TRADER, &es(), 8);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "REDUCE_TO_LIMIT")])).await;
    assert_eq!(ground.controls().requests_to(Endpoint::PartialClosePosition).len(), 1);
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_account_refuses_partial_closes_by_itself() {
    let ground = Ground::new(REDUCE).await;
    ground.controls().with_exchange(|exchange, _| {
        let live = AccountRecord { simulated: false, ..AccountRecord::new(TRADER.0, "LIVE") };
        *exchange = riskd_sim::exchange::Exchange::new(ExchangeConfig {
            accounts: vec![live, AccountRecord::new(1002, "SIM")],
            ..ExchangeConfig::default()
        });
    });
    ground.controls().tick(&es(), points("2650")).unwrap();
    let daemon = ground.watch().await;
    assert_eq!(ground.controls().hub_connections(Hub::User), 1);
    ground.buy(TRADER, &es(), 8);
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "REDUCE_TO_LIMIT")])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}
