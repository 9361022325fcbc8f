//! The live stream: all nine kinds of events, and its silence when the loop stands still.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use jiff::SignedDuration;
use riskd_sim::server::Topic;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::desk::Desk;
use crate::ground::{REALIZED, TRADER, es, points, within};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(desk: &Desk) -> Socket {
    within(connect_async(format!("ws://{}/api/v1/stream", desk.address))).await.unwrap().0
}

async fn next(socket: &mut Socket) -> Value {
    within(async {
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    })
    .await
}

/// Takes events until one is what is waited for; gives all of them.
async fn until(socket: &mut Socket, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = next(socket).await;
        let found = wanted(&event);
        events.push(event);
        if found {
            return events;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gives_each_of_the_nine_kinds() {
    let desk = Desk::open(REALIZED).await;
    let mut socket = connect(&desk).await;
    let first = next(&mut socket).await;
    assert_eq!(first["type"], "daemon_status");
    assert_eq!(first["data"]["accounts"].as_array().unwrap().len(), 2, "the status is the overview");
    desk.ground.lose(TRADER);
    within(desk.ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    desk.ground.until_flat(TRADER).await;
    let confirmed = |event: &Value| event["type"] == "enforcement_action" && event["data"]["success"] == true;
    let mut events = until(&mut socket, confirmed).await;
    // A quote of a contract that was held, seen with the next picture.
    desk.ground.controls().tick(&es(), points("2640")).unwrap();
    events.extend(until(&mut socket, |event| event["type"] == "MarketQuote" && event["data"]["last"] == 2640.0).await);
    // The day turns: the lock ends.
    let to_the_reset = desk.ground.next_reset.duration_since(desk.ground.clock.now());
    desk.ground.clock.set_forward(to_the_reset + SignedDuration::from_secs(1));
    events.extend(until(&mut socket, |event| event["type"] == "lockout_cleared").await);
    let kinds: BTreeSet<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let expected = BTreeSet::from([
        "GatewayUserTrade",
        "GatewayUserPosition",
        "GatewayUserOrder",
        "MarketQuote",
        "lockout_set",
        "lockout_cleared",
        "enforcement_action",
        "daily_reset",
        "daemon_status",
    ]);
    assert_eq!(kinds, expected);
    for event in &events {
        let keys: Vec<&String> = event.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["account_id", "data", "type"], "{event}");
        let concerns_an_account = !["MarketQuote", "daemon_status"].contains(&event["type"].as_str().unwrap());
        assert_eq!(event["account_id"].is_i64(), concerns_an_account, "{event}");
    }
    let locked = events.iter().find(|event| event["type"] == "lockout_set").unwrap();
    assert_eq!((&locked["account_id"], &locked["data"]["rule_id"]), (&TRADER.0.into(), &"RULE-003".into()));
    drop(socket);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lockout_is_in_the_status_that_follows_it() {
    let desk = Desk::open(REALIZED).await;
    let mut socket = connect(&desk).await;
    desk.ground.lose(TRADER);
    let is_locked = |event: &Value| {
        let accounts = event["data"]["accounts"].as_array();
        event["type"] == "daemon_status"
            && accounts.is_some_and(|accounts| accounts.iter().any(|account| account["lock"].is_object()))
    };
    let events = until(&mut socket, is_locked).await;
    assert!(events.iter().any(|event| event["type"] == "lockout_set"), "the event comes before the status");
    drop(socket);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_when_the_server_stops_and_says_nothing_without_the_loop() {
    let desk = Desk::open(REALIZED).await;
    let mut socket = connect(&desk).await;
    next(&mut socket).await;
    let Desk { daemon, server, address, ground } = desk;
    daemon.end().await;
    // What was on its way comes; then nothing, since nobody publishes any more.
    let silent = async {
        loop {
            let quiet = tokio::time::timeout(std::time::Duration::from_secs(2), socket.next()).await;
            if quiet.is_err() {
                return;
            }
        }
    };
    within(silent).await;
    server.stop().await;
    let ended = within(async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(_))) | Some(Err(_)) | None => return,
                Some(Ok(_)) => {}
            }
        }
    });
    ended.await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    drop(ground);
}
