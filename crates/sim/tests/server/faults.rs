//! Everything that can be made to go wrong.

use std::time::Duration;

use riskd_core::engine::Hub;
use riskd_gateway::protocol::wire::{Endpoint, Meaning, event};
use riskd_sim::Controls;
use riskd_sim::exchange::{ExchangeConfig, OrderTicket};
use riskd_sim::faults::{HubEffect, HubFault, PayloadShape, RestEffect, RestFault};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Client, HubClient, config, es, price, soon, start, start_trading};

const POSITIONS: &str = "Position/searchOpen";

fn of_account() -> Value {
    json!({ "accountId": 1001 })
}

#[tokio::test]
async fn statuses_and_refusals_come_as_often_as_they_were_asked_for() {
    let (simulator, client) = start_trading().await;
    for status in [401, 429, 500, 503] {
        simulator.controls.add_rest_fault(RestFault::status(Endpoint::SearchOpenPositions, status, 2));
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(client.post(POSITIONS, of_account()).await.0);
        }
        assert_eq!(seen, [status, status, 200]);
    }
    let always = RestFault { endpoint: None, times: None, effect: RestEffect::Status(500) };
    simulator.controls.add_rest_fault(always);
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 500);
    simulator.controls.clear_faults();
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 200);

    client.place(0, 2).await;
    simulator.controls.refuse_partial_close(1);
    let part = json!({ "accountId": 1001, "contractId": es().as_str(), "size": 1 });
    assert_eq!(client.ask("Position/partialCloseContract", part.clone()).await.1, 6);
    assert!(client.ask("Position/partialCloseContract", part).await.0);
    let stop = OrderTicket::stop(ACCOUNT, es(), riskd_core::model::Side::Sell, 1, price("2600"));
    let order_id = simulator.controls.place(stop).unwrap();
    simulator.controls.refuse_cancel(1);
    let cancel = json!({ "accountId": 1001, "orderId": order_id.0 });
    assert_eq!(client.ask("Order/cancel", cancel.clone()).await.1, 3);
    assert_eq!(simulator.controls.living_orders(ACCOUNT).len(), 1);
    assert!(client.ask("Order/cancel", cancel).await.0);
    simulator.controls.add_rest_fault(RestFault::refusal(Endpoint::ClosePosition, Meaning::UnknownError, 1));
    let close = json!({ "accountId": 1001, "contractId": es().as_str() });
    assert_eq!(client.ask("Position/closeContract", close).await.1, 7);
    assert_eq!(simulator.controls.positions(ACCOUNT).len(), 1);
    let garbled = RestEffect::AnswerWith("<html>".to_owned());
    simulator.controls.add_rest_fault(RestFault { endpoint: None, times: Some(1), effect: garbled });
    assert_eq!(client.post(POSITIONS, of_account()).await.1, json!("<html>"));
}

/// Starts closing and waits until the request has arrived; the answer will not come.
async fn close_without_answer(controls: &Controls, client: &Client) -> tokio::task::JoinHandle<bool> {
    let request = client.http.post(format!("{}/api/Position/closeContract", client.base_url));
    let body = json!({ "accountId": 1001, "contractId": es().as_str() }).to_string();
    let request = request.bearer_auth(client.token.as_ref().unwrap()).body(body);
    let before = controls.requests_to(Endpoint::ClosePosition).len();
    let call = tokio::spawn(async move { request.send().await.is_ok() });
    soon(controls.until_requested(Endpoint::ClosePosition, before + 1)).await;
    call
}

#[tokio::test]
async fn a_time_out_hides_whether_anything_was_done() {
    let (simulator, client) = start_trading().await;
    let controls = &simulator.controls;
    client.place(0, 1).await;
    controls.add_rest_fault(RestFault::time_out_before_acting(Endpoint::ClosePosition));
    let hanging = close_without_answer(controls, &client).await;
    assert_eq!(controls.positions(ACCOUNT).len(), 1);
    controls.add_rest_fault(RestFault::time_out_after_acting(Endpoint::ClosePosition));
    let hanging_too = close_without_answer(controls, &client).await;
    soon(controls.until_flat(ACCOUNT)).await;
    assert!(!hanging.is_finished() && !hanging_too.is_finished(), "nobody was answered");
    let late = RestEffect::AnswerAfter(Duration::from_millis(1));
    controls.add_rest_fault(RestFault { endpoint: None, times: Some(1), effect: late });
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 200);
    // Shutting down does not wait for calls that will never be answered.
    soon(simulator.shut_down()).await.unwrap();
    assert!(!soon(hanging).await.unwrap() && !soon(hanging_too).await.unwrap());
}

#[tokio::test]
async fn a_closing_that_is_accepted_may_take_its_time() {
    let (simulator, client) = start_trading().await;
    client.place(0, 1).await;
    simulator.controls.delay_closing_ms(30);
    let close = json!({ "accountId": 1001, "contractId": es().as_str() });
    assert!(client.ask("Position/closeContract", close).await.0);
    soon(simulator.controls.until_flat_without_orders(ACCOUNT)).await;
    let closed = simulator.controls.trades(ACCOUNT)[1].created_at;
    let asked = simulator.controls.requests_to(Endpoint::ClosePosition)[0].at;
    assert!(closed.duration_since(asked).as_millis() >= 30, "asked {asked}, closed {closed}");
}

/// A hub subscribed to positions, and an order placed as the trader for each size.
async fn positions_told(fault: HubFault, sizes: &[i64]) -> (Vec<Value>, HubClient, riskd_sim::Simulator) {
    let (simulator, client) = start_trading().await;
    let mut hub = client.user_hub(&simulator).await;
    hub.subscribe("SubscribePositions", of_account_id()).await;
    simulator.controls.add_hub_fault(fault);
    for size in sizes {
        simulator.controls.place(OrderTicket::market(ACCOUNT, es(), riskd_core::model::Side::Buy, *size)).unwrap();
    }
    let mut told = Vec::new();
    for _ in sizes {
        told.push(hub.event("GatewayUserPosition").await);
    }
    (told, hub, simulator)
}

fn of_account_id() -> Value {
    json!([1001])
}

#[tokio::test]
async fn events_come_twice_late_in_another_order_or_never() {
    let fault = |times, effect| HubFault::of_event(Hub::User, event::USER_POSITION, times, effect);
    let sizes =
        |told: &[Value]| told.iter().map(|arguments| arguments[0]["size"].as_i64().unwrap()).collect::<Vec<_>>();
    let (told, mut hub, _simulator) = positions_told(fault(1, HubEffect::Duplicate), &[1, 1]).await;
    assert_eq!(sizes(&told), [1, 1]);
    assert_eq!(hub.event("GatewayUserPosition").await[0]["size"], 2);
    let (told, ..) = positions_told(fault(3, HubEffect::Reorder(3)), &[1, 1, 1]).await;
    assert_eq!(sizes(&told), [3, 2, 1]);
    let (told, ..) = positions_told(fault(1, HubEffect::Delay(Duration::from_millis(100))), &[1, 1]).await;
    assert_eq!(sizes(&told), [2, 1]);

    let (simulator, client) = start_trading().await;
    let mut hub = client.user_hub(&simulator).await;
    hub.subscribe("SubscribePositions", of_account_id()).await;
    simulator.controls.add_hub_fault(fault(1, HubEffect::Drop));
    client.place(0, 1).await;
    client.place(0, 1).await;
    assert_eq!(hub.event("GatewayUserPosition").await[0]["size"], 2);
    // What is held for reordering is let go when the faults are cleared.
    simulator.controls.add_hub_fault(HubFault::of_hub(Hub::User, HubEffect::Reorder(9)));
    client.place(0, 1).await;
    simulator.controls.clear_faults();
    assert_eq!(hub.event("GatewayUserPosition").await[0]["size"], 3);
}

#[tokio::test]
async fn payloads_come_in_every_shape_that_was_seen() {
    let shaped = |shape: PayloadShape| HubFault::of_hub(Hub::User, HubEffect::Shape(shape));
    let wrapped = PayloadShape { wrapped: true, ..PayloadShape::default() };
    let (told, ..) = positions_told(shaped(wrapped), &[2]).await;
    assert_eq!((&told[0][0]["action"], &told[0][0]["data"]["size"]), (&json!(1), &json!(2)));
    let listed = PayloadShape { in_a_list: true, ..PayloadShape::default() };
    let (told, ..) = positions_told(shaped(listed), &[2]).await;
    assert_eq!(told[0][0][0]["size"], 2);
    let sparse = PayloadShape {
        numbers_as_strings: true,
        without: vec!["id".to_owned(), "creationTimestamp".to_owned()],
        with: vec![("extra".to_owned(), "true".to_owned())],
        ..PayloadShape::default()
    };
    let (told, ..) = positions_told(shaped(sparse), &[2]).await;
    assert_eq!((&told[0][0]["size"], told[0][0].get("id"), &told[0][0]["extra"]), (&json!("2"), None, &json!(true)));
}

#[tokio::test]
async fn a_hub_closes_is_cut_falls_silent_or_logs_everybody_out() {
    let (simulator, client) = start_trading().await;
    let controls = &simulator.controls;
    let mut hub = client.user_hub(&simulator).await;
    let mut market = client.market_hub(&simulator).await;
    controls.send_logout();
    assert_eq!(hub.event("GatewayLogout").await, json!([]));
    controls.close_hub(Hub::User, Some("maintenance"), true);
    assert_eq!(hub.message().await, json!({ "type": 7, "error": "maintenance", "allowReconnect": true }));
    assert_eq!(hub.record().await, None);
    let mut hub = client.user_hub(&simulator).await;
    soon(controls.until(|controls| controls.hub_connections(Hub::User) == 1)).await;
    controls.cut_hub(Hub::User);
    assert_eq!(hub.record().await, None);
    soon(controls.until(|controls| controls.hub_connections(Hub::User) == 0)).await;
    // The other hub was left alone.
    market.subscribe("SubscribeContractQuotes", json!([es().as_str()])).await;
    controls.mute_hub(Hub::Market, true);
    controls.tick(&es(), price("2671")).unwrap();
    controls.mute_hub(Hub::Market, false);
    controls.tick(&es(), price("2672")).unwrap();
    assert_eq!(market.event("GatewayQuote").await[1]["lastPrice"], json!(2672));
}

#[tokio::test]
async fn connections_are_refused_for_a_while_and_tokens_end() {
    let (simulator, client) = start_trading().await;
    let controls = &simulator.controls;
    controls.refuse_connections(None);
    controls.cut_all_connections();
    assert!(client.try_post(POSITIONS, of_account().to_string()).await.is_err());
    assert!(soon(tokio_tungstenite::connect_async(&simulator.user_hub_url)).await.is_err());
    controls.accept_connections();
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 200);
    controls.expire_tokens();
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 401);
    let again = Client::logged_in(&simulator).await;
    assert_eq!(again.post(POSITIONS, of_account()).await.0, 200);
}

#[tokio::test]
async fn a_restart_cuts_everything_and_keeps_the_books() {
    let (simulator, client) = start_trading().await;
    client.place(0, 1).await;
    let mut hub = client.user_hub(&simulator).await;
    hub.subscribe("SubscribePositions", of_account_id()).await;
    simulator.controls.restart(Duration::ZERO);
    assert_eq!(hub.record().await, None);
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 401, "tokens are forgotten");
    let client = Client::logged_in(&simulator).await;
    let (_, _, positions) = client.ask(POSITIONS, of_account()).await;
    assert_eq!(positions["positions"].as_array().unwrap().len(), 1);
    simulator.controls.restart(Duration::from_secs(3_600));
    assert!(client.try_post(POSITIONS, of_account().to_string()).await.is_err());
    simulator.controls.accept_connections();
    assert_eq!(client.post(POSITIONS, of_account()).await.0, 401);
}

#[tokio::test]
async fn orders_are_rejected_on_request_and_filled_in_parts() {
    let exchange = ExchangeConfig { liquidity: riskd_sim::exchange::Liquidity::AtMost(1), ..config().exchange };
    let simulator = start(riskd_sim::SimulatorConfig { exchange, ..config() }).await;
    simulator.controls.tick(&es(), price("2670.50")).unwrap();
    let client = Client::logged_in(&simulator).await;
    simulator.controls.with_exchange(|exchange, _| exchange.reject_next_orders(1));
    let order = json!({ "accountId": 1001, "contractId": es().as_str(), "type": 2, "side": 0, "size": 2 });
    let (success, code, answer) = client.ask("Order/place", order).await;
    assert_eq!((success, code, answer["orderId"].is_i64()), (false, 2, true));
    let mut hub = client.user_hub(&simulator).await;
    hub.subscribe("SubscribeOrders", of_account_id()).await;
    client.place(0, 2).await;
    assert_eq!(hub.event("GatewayUserOrder").await[0]["fillVolume"], 0);
    let part = hub.event("GatewayUserOrder").await;
    assert_eq!((&part[0]["fillVolume"], &part[0]["status"]), (&json!(1), &json!(1)));
    simulator.controls.tick(&es(), price("2670.50")).unwrap();
    assert_eq!(hub.event("GatewayUserOrder").await[0]["status"], 2);
}
