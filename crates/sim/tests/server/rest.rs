//! The REST interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::SimulatorConfig;
use riskd_sim::server::{RateLimit, RequestLimits};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Client, config, es, price, soon, start, start_trading};

#[tokio::test]
async fn a_trader_logs_in_looks_round_trades_and_closes() {
    let (simulator, client) = start_trading().await;
    let (_, _, accounts) = client.ask("Account/search", json!({ "onlyActiveAccounts": true })).await;
    assert_eq!(
        accounts["accounts"][0],
        json!({ "id": 1001, "name": "SIM-1001", "balance": 50000.0, "canTrade": true, "isVisible": true, "simulated": true })
    );
    let (_, _, contracts) = client.ask("Contract/search", json!({ "searchText": "ES", "live": false })).await;
    assert_eq!(contracts["contracts"][0]["id"], "CON.F.US.EP.M18");
    assert_eq!(contracts["contracts"][0]["tickValue"], 12.5);

    let order_id = client.place(0, 2).await;
    let (_, _, positions) = client.ask("Position/searchOpen", json!({ "accountId": 1001 })).await;
    let position = &positions["positions"][0];
    assert_eq!(
        (&position["type"], &position["size"], &position["averagePrice"]),
        (&json!(1), &json!(2), &json!(2670.75))
    );
    let (_, _, order) = client.ask("Order/searchById", json!({ "accountId": 1001, "orderId": order_id })).await;
    assert_eq!((&order["order"]["status"], &order["order"]["fillVolume"]), (&json!(2), &json!(2)));

    simulator.controls.tick(&es(), price("2667.75")).unwrap();
    let part = json!({ "accountId": 1001, "contractId": es().as_str(), "size": 1 });
    assert!(client.ask("Position/partialCloseContract", part).await.0);
    assert!(client.ask("Position/closeContract", json!({ "accountId": 1001, "contractId": es().as_str() })).await.0);
    soon(simulator.controls.until_flat(ACCOUNT)).await;
    let since = json!({ "accountId": 1001, "startTimestamp": "2018-01-01T00:00:00Z" });
    let (_, _, trades) = client.ask("Trade/search", since.clone()).await;
    let realized: Vec<&Value> =
        trades["trades"].as_array().unwrap().iter().map(|trade| &trade["profitAndLoss"]).collect();
    assert_eq!(realized, [&Value::Null, &json!(-150.0), &json!(-150.0)]);
    assert_eq!(trades["trades"][0]["fees"], json!(2.8));
    let (_, _, orders) = client.ask("Order/search", since).await;
    assert_eq!(orders["orders"].as_array().unwrap().len(), 3);
    let end =
        json!({ "accountId": 1001, "startTimestamp": "2018-01-01T00:00:00Z", "endTimestamp": "2018-01-02T00:00:00Z" });
    assert_eq!(client.ask("Trade/search", end).await.2["trades"], json!([]));
    simulator.shut_down().await.unwrap();
}

#[tokio::test]
async fn refusals_carry_the_number_their_endpoint_has_for_them() {
    let (simulator, client) = start_trading().await;
    let controls = &simulator.controls;
    let es = es();
    let es = es.as_str();
    let order = |change: Value| {
        let mut order = json!({ "accountId": 1001, "contractId": es, "type": 2, "side": 0, "size": 1 });
        order.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        order
    };
    let since = "2018-01-01T00:00:00Z";
    let cases = [
        ("Order/place", order(json!({ "accountId": 9 })), 1),
        ("Order/place", order(json!({ "type": 4, "stopPrice": 9999.0, "side": 1 })), 2),
        ("Order/place", order(json!({ "contractId": "CON.F.US.XX.M18" })), 8),
        ("Order/modify", json!({ "accountId": 9, "orderId": 1 }), 1),
        ("Order/modify", json!({ "accountId": 1001, "orderId": 1 }), 2),
        ("Order/cancel", json!({ "accountId": 9, "orderId": 1 }), 1),
        ("Order/cancel", json!({ "accountId": 1001, "orderId": 1 }), 2),
        ("Position/closeContract", json!({ "accountId": 9, "contractId": es }), 1),
        ("Position/closeContract", json!({ "accountId": 1001, "contractId": es }), 2),
        ("Position/closeContract", json!({ "accountId": 1001, "contractId": "CON.F.US.XX.M18" }), 3),
        ("Position/partialCloseContract", json!({ "accountId": 1001, "contractId": es, "size": 1 }), 2),
        ("Order/search", json!({ "accountId": 9, "startTimestamp": since }), 1),
        ("Order/searchOpen", json!({ "accountId": 9 }), 1),
        ("Order/v2/query", json!({ "filter": { "accountId": 9 } }), 1),
        ("Position/searchOpen", json!({ "accountId": 9 }), 1),
        ("Trade/search", json!({ "accountId": 9, "startTimestamp": since }), 1),
        ("Contract/searchById", json!({ "contractId": "CON.F.US.XX.M18" }), 1),
        ("Auth/loginKey", json!({ "userName": "nobody", "apiKey": "x" }), 1),
        ("Auth/loginKey", json!({ "userName": "trader", "apiKey": "x" }), 3),
    ];
    for (path, body, code) in cases {
        let (success, given, answer) = client.ask(path, body.clone()).await;
        assert_eq!((success, given), (false, code), "{path} {body}: {answer}");
    }
    client.place(0, 2).await;
    let too_many = json!({ "accountId": 1001, "contractId": es, "size": 3 });
    assert_eq!(client.ask("Position/partialCloseContract", too_many).await.1, 5);

    controls.set_can_trade(ACCOUNT, false);
    let (_, code, answer) = client.ask("Order/place", order(json!({}))).await;
    assert_eq!(code, 10);
    let rejected = answer["orderId"].as_i64().expect("a rejected order has a number");
    let (_, _, found) = client.ask("Order/searchById", json!({ "accountId": 1001, "orderId": rejected })).await;
    assert_eq!(found["order"]["status"], 5);
    controls.set_can_trade(ACCOUNT, true);

    controls.with_exchange(|exchange, _| exchange.set_open(false));
    assert_eq!(client.ask("Order/place", order(json!({}))).await.1, 5);
    let close = json!({ "accountId": 1001, "contractId": es });
    assert_eq!(client.ask("Position/closeContract", close.clone()).await.1, 5);
    let part = json!({ "accountId": 1001, "contractId": es, "size": 1 });
    assert_eq!(client.ask("Position/partialCloseContract", part).await.1, 6);
    let id = riskd_sim::exchange::contract_id("ES").unwrap();
    controls.with_exchange(|exchange, _| exchange.set_active(&id, false));
    assert_eq!(client.ask("Position/closeContract", close).await.1, 4);
    assert_eq!(client.ask("Order/place", order(json!({}))).await.1, 9);
}

#[tokio::test]
async fn what_is_no_proper_request_is_told_so_by_status() {
    let (simulator, client) = start_trading().await;
    let order = json!({ "accountId": 1001, "contractId": "x", "type": 2, "side": 0 });
    assert_eq!(client.post("Order/place", order).await.0, 400, "size is missing");
    assert_eq!(client.post("Account/search", json!({})).await.0, 400);
    assert_eq!(client.try_post("Account/search", "{nonsense".to_owned()).await.unwrap().0, 400);
    let sorted = json!({ "filter": { "accountId": 1001 }, "sortBy": "colour" });
    assert_eq!(client.post("Order/v2/query", sorted).await.0, 400);
    assert_eq!(client.post("Order/explode", json!({})).await.0, 404);
    let get = client.http.get(format!("{}/api/Account/search", client.base_url)).send();
    assert_eq!(soon(get).await.unwrap().status(), 405);
    let ping = soon(client.http.get(format!("{}/api/Status/ping", client.base_url)).send()).await.unwrap();
    assert_eq!((ping.status().as_u16(), soon(ping.text()).await.unwrap().as_str()), (200, "pong"));
    let stranger = Client::new(&simulator);
    assert_eq!(stranger.post("Account/search", json!({ "onlyActiveAccounts": true })).await.0, 401);
    let impostor = Client { token: Some("made-up".to_owned()), ..stranger };
    assert_eq!(impostor.post("Account/search", json!({ "onlyActiveAccounts": true })).await.0, 401);
    assert_eq!(impostor.ask("Auth/validate", json!({})).await.1, 2);
}

/// A clock that a test moves.
fn movable_clock() -> (Arc<AtomicI64>, SimulatorConfig) {
    let seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let shown = Arc::clone(&seconds);
    let clock = Arc::new(move || Timestamp::from_second(shown.load(Ordering::SeqCst)).unwrap());
    (seconds, SimulatorConfig { clock, ..config() })
}

#[tokio::test]
async fn tokens_end_after_their_time_and_are_renewed_before() {
    let (seconds, config) = movable_clock();
    let simulator = start(config).await;
    let first = Client::logged_in(&simulator).await;
    let second = Client::logged_in(&simulator).await;
    let search = || json!({ "onlyActiveAccounts": true });
    assert_eq!(first.post("Account/search", search()).await.0, 200, "a new login leaves the old token alone");
    seconds.fetch_add(22 * 3_600, Ordering::SeqCst);
    let (_, _, renewed) = second.ask("Auth/validate", json!({})).await;
    let token = renewed["newToken"].as_str().unwrap().to_owned();
    let renewed = Client { token: Some(token), ..Client::new(&simulator) };
    seconds.fetch_add(2 * 3_600, Ordering::SeqCst);
    assert_eq!(first.post("Account/search", search()).await.0, 401);
    assert_eq!(first.ask("Auth/validate", json!({})).await.1, 3);
    assert_eq!(renewed.post("Account/search", search()).await.0, 200);
    assert!(renewed.ask("Auth/logout", json!({})).await.0);
    assert_eq!(renewed.post("Account/search", search()).await.0, 401);
}

#[tokio::test]
async fn too_many_requests_are_told_so_until_the_window_has_passed() {
    let (seconds, config) = movable_clock();
    let limits = RequestLimits { history: None, others: Some(RateLimit { requests: 3, window_ms: 60_000 }) };
    let simulator = start(SimulatorConfig { limits, ..config }).await;
    let client = Client::logged_in(&simulator).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.post("Position/searchOpen", json!({ "accountId": 1001 })).await.0);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    seconds.fetch_add(60, Ordering::SeqCst);
    assert_eq!(client.post("Position/searchOpen", json!({ "accountId": 1001 })).await.0, 200);
    assert_eq!(simulator.controls.requests_to(Endpoint::SearchOpenPositions).len(), 5);
}

#[tokio::test]
async fn suspended_children_are_only_seen_by_the_query() {
    let (_simulator, client) = start_trading().await;
    let order = json!({
        "accountId": 1001, "contractId": es().as_str(), "type": 1, "side": 0, "size": 1, "limitPrice": 2660.0,
        "stopLossBracket": { "ticks": -8, "type": 4 }, "takeProfitBracket": { "ticks": 8, "type": 1 },
    });
    let parent = client.ask("Order/place", order).await.2["orderId"].clone();
    let (_, _, open) = client.ask("Order/searchOpen", json!({ "accountId": 1001 })).await;
    assert_eq!(open["orders"].as_array().unwrap().len(), 1);
    let query =
        |statuses: Value| json!({ "filter": { "accountId": 1001, "statuses": statuses }, "includeTotalCount": true });
    let (_, _, suspended) = client.ask("Order/v2/query", query(json!([8]))).await;
    assert_eq!(suspended["totalCount"], 2);
    let child = &suspended["orders"][0];
    assert_eq!((&child["parentOrderId"], &child["stopPrice"], &child["type"]), (&parent, &json!(2658), &json!(4)));
    assert_eq!(client.ask("Order/v2/query", query(json!([1, 8]))).await.2["totalCount"], 3);
    let page = json!({
        "filter": { "accountId": 1001 }, "pageSize": 2, "pageOffset": 2, "sortBy": "id", "sortDirection": "desc",
    });
    let (_, _, page) = client.ask("Order/v2/query", page).await;
    assert_eq!(page["orders"].as_array().unwrap().iter().map(|order| &order["id"]).collect::<Vec<_>>(), [&parent]);
}

#[tokio::test]
async fn bars_are_made_of_the_trades() {
    let (seconds, config) = movable_clock();
    let simulator = start(config).await;
    for text in ["100", "102", "99", "101"] {
        simulator.controls.tick(&es(), price(text)).unwrap();
        seconds.fetch_add(20, Ordering::SeqCst);
    }
    let client = Client::logged_in(&simulator).await;
    let ask = |partial: bool, limit: i64| {
        json!({
            "contractId": es().as_str(), "live": false, "startTime": "2020-01-01T00:00:00Z", "unit": 2, "unitNumber": 1,
            "endTime": "2040-01-01T00:00:00Z", "limit": limit, "includePartialBar": partial,
        })
    };
    let (_, _, bars) = client.ask("History/retrieveBars", ask(true, 10)).await;
    assert_eq!(bars["bars"].as_array().unwrap().len(), 2);
    let whole = &bars["bars"][1];
    assert_eq!(
        (&whole["o"], &whole["h"], &whole["l"], &whole["c"], &whole["v"]),
        (&json!(100), &json!(102), &json!(99), &json!(99), &json!(3))
    );
    assert_eq!(client.ask("History/retrieveBars", ask(false, 10)).await.2["bars"], json!([whole]));
    assert_eq!(client.post("History/retrieveBars", ask(true, 20_001)).await.0, 400);
}

#[tokio::test]
async fn requests_are_on_record_without_their_secrets() {
    let (simulator, client) = start_trading().await;
    client.ask("Position/searchOpen", json!({ "accountId": 1001 })).await;
    let requests = simulator.controls.requests();
    assert_eq!(
        requests.iter().map(|request| request.endpoint).collect::<Vec<_>>(),
        [Endpoint::LoginKey, Endpoint::SearchOpenPositions]
    );
    assert!(!requests[0].body.contains(&simulator.api_key), "{}", requests[0].body);
    assert!(requests[1].body.contains("1001"));
}
