//! The two hubs.

use futures_util::SinkExt;
use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::Hub;
use riskd_core::model::AccountId;
use riskd_sim::feed::{Feed, Pace, RandomWalk};
use riskd_sim::server::Topic;
use riskd_sim::traders::{Act, Step, Trader, When};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::support::{ACCOUNT, Client, HubClient, es, price, soon, start_trading};

#[tokio::test]
async fn a_fill_is_told_to_those_who_subscribed_and_to_nobody_else() {
    let (simulator, client) = start_trading().await;
    let mut all = client.user_hub(&simulator).await;
    for target in ["SubscribeOrders", "SubscribePositions", "SubscribeTrades"] {
        all.subscribe(target, json!([1001])).await;
    }
    all.subscribe("SubscribeAccounts", json!([])).await;
    let mut other = client.user_hub(&simulator).await;
    other.subscribe("SubscribePositions", json!([1002])).await;
    let order_id = client.place(1, 3).await;
    assert_eq!(all.event("GatewayUserOrder").await[0]["status"], 1);
    let filled = all.event("GatewayUserOrder").await;
    assert_eq!(
        (&filled[0]["id"], &filled[0]["status"], &filled[0]["filledPrice"]),
        (&json!(order_id), &json!(2), &json!(2670.5))
    );
    let trade = all.event("GatewayUserTrade").await;
    assert_eq!(
        (&trade[0]["profitAndLoss"], &trade[0]["size"], &trade[0]["side"]),
        (&Value::Null, &json!(3), &json!(1))
    );
    let position = all.event("GatewayUserPosition").await;
    assert_eq!((&position[0]["type"], &position[0]["size"]), (&json!(2), &json!(3)));
    assert_eq!(all.event("GatewayUserAccount").await[0]["balance"], json!(49995.8));
    // What the other one hears next is the answer to its own call: nothing came before it.
    other.subscribe("UnsubscribePositions", json!([1002])).await;
    simulator.controls.close(ACCOUNT, &es()).unwrap();
    let told: Vec<Value> = [all.message().await, all.message().await, all.message().await, all.message().await].into();
    assert_eq!((&told[3]["target"], &told[3]["arguments"][0]["size"]), (&json!("GatewayUserPosition"), &json!(0)));
}

#[tokio::test]
async fn quotes_trades_and_depth_come_with_their_contract() {
    let (simulator, client) = start_trading().await;
    let mut hub = client.market_hub(&simulator).await;
    let contract = json!([es().as_str()]);
    for target in ["SubscribeContractQuotes", "SubscribeContractTrades", "SubscribeContractMarketDepth"] {
        hub.subscribe(target, contract.clone()).await;
    }
    simulator.controls.tick(&es(), price("2671")).unwrap();
    let quote = hub.event("GatewayQuote").await;
    assert_eq!(quote[0], es().as_str());
    assert_eq!(
        (
            &quote[1]["lastPrice"],
            &quote[1]["bestBid"],
            &quote[1]["bestAsk"],
            &quote[1]["symbolName"],
            &quote[1]["change"]
        ),
        (&json!(2671), &json!(2670.75), &json!(2671), &json!("/ES"), &json!(0.5))
    );
    assert_eq!(hub.event("GatewayDepth").await[1]["type"], 3);
    assert_eq!(hub.event("GatewayDepth").await[1]["type"], 4);
    assert_eq!(hub.event("GatewayTrade").await[1]["price"], json!(2671));
    for target in ["UnsubscribeContractTrades", "UnsubscribeContractMarketDepth"] {
        hub.subscribe(target, contract.clone()).await;
    }
    simulator.controls.set_quote(&es(), price("2669"), price("2669.5"), price("2669.25")).unwrap();
    simulator.controls.tick(&es(), price("2669.25")).unwrap();
    assert_eq!(hub.event("GatewayQuote").await[1]["bestAsk"], json!(2669.5));
    assert_eq!(hub.event("GatewayQuote").await[1]["bestAsk"], json!(2669.5));
}

#[tokio::test]
async fn records_may_be_split_several_to_a_frame_and_binary() {
    let (simulator, client) = start_trading().await;
    let url = format!("{}?access_token={}", simulator.user_hub_url, client.token.as_ref().unwrap());
    let mut hub = HubClient::open(&url).await;
    let handshake = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
    hub.send(&handshake[..10]).await;
    let call = |id: Option<&str>, target: &str| {
        let mut call = json!({ "type": 1, "target": target, "arguments": [1001] });
        if let Some(id) = id {
            call["invocationId"] = id.into();
        }
        format!("{call}\u{1e}")
    };
    // The rest of the handshake, a call without an id, one nobody knows, a ping, and the beginning of a call.
    let last = call(Some("b"), "SubscribeTrades");
    let rest = [
        &handshake[10..],
        &call(None, "SubscribeOrders"),
        &call(None, "Heartbeat"),
        "{\"type\":6}\u{1e}",
        &call(Some("a"), "Heartbeat"),
        &last[..20],
    ];
    hub.send(&rest.concat()).await;
    soon(hub.socket.send(Message::Binary(last.as_bytes()[20..].to_vec().into()))).await.unwrap();
    assert_eq!(hub.record().await.unwrap(), "{}");
    let unknown = hub.message().await;
    assert_eq!((&unknown["invocationId"], &unknown["error"]), (&json!("a"), &json!("Unknown hub method 'Heartbeat'")));
    let known = hub.message().await;
    assert_eq!((&known["type"], &known["invocationId"], known.get("error")), (&json!(3), &json!("b"), None));
    assert!(simulator.controls.is_subscribed(&Topic::Orders(ACCOUNT)), "a call without an id is carried out");
    simulator.controls.split_hub_frames(true);
    simulator.controls.tick(&es(), price("2671")).unwrap();
    client.place(0, 1).await;
    assert_eq!(hub.event("GatewayUserOrder").await[0]["status"], 1);
}

#[tokio::test]
async fn wrong_handshakes_and_records_end_the_connection_with_a_reason() {
    let (simulator, client) = start_trading().await;
    let url = format!("{}?access_token={}", simulator.user_hub_url, client.token.as_ref().unwrap());
    let mut hub = HubClient::open(&url).await;
    hub.send("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}").await;
    assert!(hub.record().await.unwrap().contains("messagepack"));
    assert_eq!(hub.record().await, None);
    let mut hub = HubClient::shaken_hands(&url).await;
    hub.send("nonsense\u{1e}").await;
    assert_eq!(hub.message().await["type"], 7);
    assert_eq!(hub.record().await, None);
    let mut hub = HubClient::shaken_hands(&url).await;
    assert_eq!(
        hub.invoke("SubscribeOrders", json!(["x"])).await.unwrap(),
        "SubscribeOrders: an account id is expected"
    );
    assert_eq!(hub.invoke("SubscribeOrders", json!([9])).await.unwrap(), "SubscribeOrders: not found");
    assert!(!simulator.controls.is_subscribed(&Topic::Orders(AccountId(9))));
}

#[tokio::test]
async fn a_client_may_negotiate_in_both_ways_or_not_at_all() {
    let (simulator, client) = start_trading().await;
    let negotiate = |query: &str| {
        let request = client.http.post(format!("{}/hubs/user/negotiate{query}", simulator.base_url));
        let request = request.bearer_auth(client.token.as_ref().unwrap());
        async {
            serde_json::from_str::<Value>(&soon(soon(request.send()).await.unwrap().text()).await.unwrap()).unwrap()
        }
    };
    let old = negotiate("").await;
    assert_eq!((old.get("connectionToken"), &old["availableTransports"][0]["transport"]), (None, &json!("WebSockets")));
    let new = negotiate("?negotiateVersion=1").await;
    assert_eq!(new["negotiateVersion"], 1);
    assert_ne!(new["connectionId"], new["connectionToken"]);
    let token = client.token.as_ref().unwrap();
    for id in [&old["connectionId"], &new["connectionToken"]] {
        let url = format!("{}?id={}&access_token={token}", simulator.user_hub_url, id.as_str().unwrap());
        HubClient::shaken_hands(&url).await;
        let Err(Error::Http(again)) = soon(connect_async(&url)).await else {
            panic!("an id is good for one connection")
        };
        assert_eq!(again.status(), 404);
    }
    // Without a negotiation, and the token in a header.
    let mut request = simulator.market_hub_url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    soon(connect_async(request)).await.unwrap();
    let Err(Error::Http(stranger)) = soon(connect_async(&simulator.user_hub_url)).await else { panic!("no token") };
    assert_eq!(stranger.status(), 401);
    let stranger = client.http.post(format!("{}/hubs/user/negotiate", simulator.base_url)).send();
    assert_eq!(soon(stranger).await.unwrap().status(), 401);
    let nowhere = client.http.post(format!("{}/hubs/nowhere/negotiate", simulator.base_url)).send();
    assert_eq!(soon(nowhere).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_feed_is_played_on_the_servers_clock_and_traders_act_on_it() {
    let (simulator, client) = start_trading().await;
    let mut hub = client.market_hub(&simulator).await;
    hub.subscribe("SubscribeContractQuotes", json!([es().as_str()])).await;
    let feed = Feed::random_walk(RandomWalk {
        seed: 3,
        start: Timestamp::UNIX_EPOCH,
        price: price("2670.50"),
        tick_size: price("0.25"),
        step_ms: 1_000,
        length: 200,
    });
    let plan = vec![
        Step::new(When::SinceStart(std::time::Duration::from_secs(60)), Act::Buy(1)),
        Step::new(When::SincePrevious(std::time::Duration::from_secs(60)), Act::GetOut),
    ];
    let trader = Trader::new("patient", ACCOUNT, &es(), 1, plan);
    let mut flat = simulator.controls.watch_flat();
    let playback = simulator.controls.play(feed.clone(), &es(), Pace::Times(2_000), vec![trader]).unwrap();
    let started = simulator.controls.now();
    for tick in feed.ticks() {
        let quote = hub.event("GatewayQuote").await;
        assert_eq!(quote[1]["lastPrice"].as_f64().unwrap(), tick.price.to_f64());
        let stamped: Timestamp = quote[1]["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(stamped >= started.checked_sub(SignedDuration::from_secs(1)).unwrap(), "{stamped} is not the present");
    }
    assert_eq!(soon(flat.recv()).await.unwrap(), ACCOUNT);
    assert_eq!(playback.progress().total, 200);
    let traders = soon(playback.finished()).await.unwrap();
    assert_eq!(
        traders[0].deeds().iter().map(|deed| deed.what.as_str()).collect::<Vec<_>>(),
        ["buys 1 at market", "closes 1"]
    );
    let unknown = riskd_core::model::ContractId::new("CON.F.US.XX.M18", riskd_core::model::Noun::Contract).unwrap();
    assert!(simulator.controls.play(feed, &unknown, Pace::AtOnce, Vec::new()).is_err());
}

#[tokio::test]
async fn hubs_ping() {
    let ping_interval = std::time::Duration::from_millis(1);
    let simulator =
        super::support::start(riskd_sim::SimulatorConfig { ping_interval, ..super::support::config() }).await;
    let mut hub = Client::logged_in(&simulator).await.user_hub(&simulator).await;
    assert_eq!(hub.record().await.unwrap(), "{\"type\":6}");
}

#[tokio::test]
async fn hubs_give_up_those_who_are_silent() {
    let silence_limit = std::time::Duration::from_millis(200);
    let simulator =
        super::support::start(riskd_sim::SimulatorConfig { silence_limit, ..super::support::config() }).await;
    let mut hub = Client::logged_in(&simulator).await.user_hub(&simulator).await;
    let last = hub.message().await;
    assert_eq!((&last["type"], &last["allowReconnect"]), (&json!(7), &json!(true)));
    assert_eq!(hub.record().await, None);
    soon(simulator.controls.until(|controls| controls.hub_connections(Hub::User) == 0)).await;
}
