//! The hub client against a WebSocket server that does what the test says.

#![allow(clippy::unwrap_used)]

mod peer;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures_util::SinkExt;
use peer::{Peer, soon};
use riskd_core::engine::{Event, Hub};
use riskd_core::model::{AccountId, ContractId, Noun};
use riskd_gateway::client::hub::{self, Subscriptions};
use riskd_gateway::client::reconnect::ReconnectDelays;
use riskd_gateway::client::{ClientConfig, EventReceiver, Gateway, event_queue};
use support::{CapturedLog, ManualClock, Server};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// A hub client, the server it logs in at, and the hub it connects to.
struct World {
    rest: Server,
    peers: mpsc::UnboundedReceiver<Peer>,
    refuse: Arc<Mutex<u32>>,
    events: EventReceiver,
    subscriptions: watch::Sender<Subscriptions>,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl World {
    async fn start(hub: Hub, wanted: Subscriptions, change: impl FnOnce(&mut ClientConfig)) -> Self {
        let rest = Server::start(|_| None).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub_url = format!("http://{}", listener.local_addr().unwrap());
        let (arrived, peers) = mpsc::unbounded_channel();
        let refuse = Arc::new(Mutex::new(0));
        tokio::spawn(accept(listener, arrived, Arc::clone(&refuse)));
        let mut config = support::config(rest.base_url(), hub_url);
        config.reconnect = ReconnectDelays { delays_ms: vec![0, 1], ..ReconnectDelays::default() };
        change(&mut config);
        let gateway = Gateway::new(config, ManualClock::default().as_clock()).unwrap();
        let (subscriptions, wanted) = watch::channel(wanted);
        let (sender, events) = event_queue(4);
        let (shutdown, stopped) = oneshot::channel::<()>();
        let stopped = async { stopped.await.unwrap_or(()) };
        let running = tokio::spawn(hub::run(hub, gateway, wanted, sender, stopped));
        Self { rest, peers, refuse, events, subscriptions, shutdown: Some(shutdown), running }
    }

    /// The user hub, with account 704.
    async fn user() -> Self {
        Self::start(Hub::User, accounts([704]), |_| {}).await
    }

    async fn peer(&mut self) -> Peer {
        soon("a connection", self.peers.recv()).await.unwrap()
    }

    async fn event(&mut self) -> Event {
        soon("an event", self.events.recv()).await.unwrap()
    }

    async fn expect_link(&mut self, hub: Hub, up: bool) {
        assert_eq!(self.event().await, Event::Link { hub, up });
    }

    async fn stop(mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
        soon("the client to stop", &mut self.running).await.unwrap();
    }
}

async fn accept(listener: TcpListener, arrived: mpsc::UnboundedSender<Peer>, refuse: Arc<Mutex<u32>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut uri = String::new();
        #[allow(clippy::result_large_err, reason = "the library's own signature")]
        let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            uri = request.uri().to_string();
            let mut left = refuse.lock().unwrap();
            if *left == 0 {
                return Ok(response);
            }
            *left -= 1;
            Err(tokio_tungstenite::tungstenite::http::Response::builder().status(401).body(None).unwrap())
        };
        if let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, look).await
            && arrived.send(Peer { uri, socket, records: Vec::new() }).is_err()
        {
            return;
        }
    }
}

fn accounts<const N: usize>(ids: [i64; N]) -> Subscriptions {
    Subscriptions { accounts: ids.into_iter().map(AccountId).collect(), contracts: BTreeSet::new() }
}

fn contracts<const N: usize>(ids: [&str; N]) -> Subscriptions {
    let contracts = ids.iter().map(|id| ContractId::new(id, Noun::Contract).unwrap()).collect();
    Subscriptions { accounts: BTreeSet::new(), contracts }
}

fn closed(contract: &str) -> Event {
    let contract_id = ContractId::new(contract, Noun::Position).unwrap();
    Event::PositionClosed { account_id: AccountId(704), contract_id }
}

/// The hub's word that the position in a contract is closed.
fn closing(contract: &str) -> String {
    format!(r#"{{"type":1,"target":"GatewayUserPosition","arguments":[{{"contractId":"{contract}","size":0}}]}}|"#)
}

#[tokio::test]
async fn the_link_is_up_only_when_every_subscription_was_answered() {
    let mut world = World::start(Hub::User, accounts([704, 705]), |_| {}).await;
    let mut peer = world.peer().await;
    assert_eq!(peer.uri, "/hubs/user?access_token=token-1");
    peer.shake_hands().await;
    let calls = [
        "1 SubscribeAccounts []",
        "2 SubscribeOrders [704]",
        "3 SubscribePositions [704]",
        "4 SubscribeTrades [704]",
        "5 SubscribeOrders [705]",
        "6 SubscribePositions [705]",
        "7 SubscribeTrades [705]",
    ];
    assert_eq!(peer.calls(7).await, calls);
    peer.answer([7, 6, 5, 4, 3, 2]).await;
    // What the hub says meanwhile is not lost; the queue keeps the order, so the link cannot have come before it.
    peer.send(
        r#"{"type":1,"target":"GatewayUserPosition","arguments":[{"accountId":704,"contractId":"X","size":0}]}|"#,
    )
    .await;
    peer.answer([1]).await;
    assert_eq!(world.event().await, closed("X"));
    world.expect_link(Hub::User, true).await;
    world.stop().await;
    peer.gone().await;
}

#[tokio::test]
async fn records_arrive_whatever_the_frames() {
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    assert_eq!(peer.record().await, r#"{"protocol":"json","version":1}"#);
    // The consent comes in pieces, the last one with the first event.
    peer.send("{").await;
    peer.send(&format!("}}|{}", closing("A"))).await;
    peer.calls(4).await;
    peer.answer(1..=4).await;
    assert_eq!(world.event().await, closed("A"));
    world.expect_link(Hub::User, true).await;
    let (text, binary) = (closing("B"), closing("C").replace('|', "\u{1e}"));
    let (first, second) = text.split_at(20);
    peer.send(first).await;
    peer.send(&format!("{second}{{\"type\":6}}|")).await;
    for byte in binary.as_bytes().chunks(7) {
        peer.socket.send(Frame::binary(byte.to_vec())).await.unwrap();
    }
    peer.send(&format!("{}{}", closing("D"), closing("E"))).await;
    for contract in ["B", "C", "D", "E"] {
        assert_eq!(world.event().await, closed(contract));
    }
    world.stop().await;
}

#[tokio::test]
async fn the_hub_is_pinged() {
    let mut world = World::start(Hub::User, accounts([704]), |config| config.hub_timeouts.ping_every_ms = 5).await;
    let mut peer = world.peer().await;
    peer.welcome().await;
    for _ in 0..3 {
        assert_eq!(peer.any_record().await, r#"{"type":6}"#);
    }
    world.stop().await;
}

#[tokio::test]
async fn silence_is_death() {
    let mut world = World::start(Hub::User, accounts([704]), |config| config.hub_timeouts.silence_ms = 1_500).await;
    let mut peer = world.peer().await;
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    // Nothing more is said, and the connection stays open on this side.
    world.expect_link(Hub::User, false).await;
    let mut second = world.peer().await;
    second.welcome().await;
    world.expect_link(Hub::User, true).await;
    drop(peer);
    world.stop().await;
}

#[tokio::test]
async fn after_a_drop_everything_is_subscribed_to_again() {
    type Cut = fn(&str) -> Option<&str>;
    let cuts: [(&str, Cut); 4] = [
        ("a close message", |_| Some(r#"{"type":7}|"#)),
        ("a close message with a reason", |_| Some(r#"{"type":7,"error":"going down","allowReconnect":true}|"#)),
        ("a dropped connection", |_| None),
        ("no message at all", |_| Some("nonsense|")),
    ];
    for (name, cut) in cuts {
        let mut world = World::user().await;
        let mut peer = world.peer().await;
        peer.welcome().await;
        world.expect_link(Hub::User, true).await;
        match cut("") {
            Some(message) => peer.send(message).await,
            None => drop(peer),
        }
        if name == "no message at all" {
            // It may have been a position.
            let event = world.event().await;
            let is_refused = matches!(&event, Event::Refused(refusal) if refusal.account_id == Some(AccountId(704)));
            assert!(is_refused, "{name}: {event:?}");
        }
        world.expect_link(Hub::User, false).await;
        let mut second = world.peer().await;
        second.shake_hands().await;
        let calls = [
            "1 SubscribeAccounts []",
            "2 SubscribeOrders [704]",
            "3 SubscribePositions [704]",
            "4 SubscribeTrades [704]",
        ];
        assert_eq!(second.calls(4).await, calls, "{name}");
        second.answer(1..=4).await;
        world.expect_link(Hub::User, true).await;
        assert_eq!(world.rest.count("loginKey"), 1, "{name}: the token is still good");
        world.stop().await;
    }
}

#[tokio::test]
async fn a_session_that_ended_needs_a_new_token() {
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    peer.send(r#"{"type":1,"target":"GatewayLogout","arguments":[]}|"#).await;
    world.expect_link(Hub::User, false).await;
    let mut second = world.peer().await;
    assert_eq!(second.uri, "/hubs/user?access_token=token-2");
    second.welcome().await;
    world.expect_link(Hub::User, true).await;
    world.stop().await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_failed_attempts_are_no_links() {
    let mut world = World::start(Hub::User, accounts([704]), |_| {}).await;
    // The client only starts to run when the test waits for something.
    *world.refuse.lock().unwrap() = 2;
    let mut peer = world.peer().await;
    assert_eq!(peer.uri, "/hubs/user?access_token=token-3");
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    world.stop().await;
}

#[tokio::test]
async fn a_failed_handshake_or_subscription_is_tried_again() {
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    peer.record().await;
    peer.send(r#"{"error":"not today"}|"#).await;
    let mut peer = world.peer().await;
    peer.shake_hands().await;
    peer.calls(4).await;
    peer.answer([1, 2, 4]).await;
    peer.send(r#"{"type":3,"invocationId":"3","error":"no such account"}|"#).await;
    // Without its positions an account would be blind: no link, a new attempt.
    let mut peer = world.peer().await;
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    world.stop().await;
}

#[tokio::test]
async fn unanswered_subscriptions_end_the_attempt() {
    let mut world = World::start(Hub::User, accounts([704]), |config| config.hub_timeouts.subscribe_ms = 1_500).await;
    let mut peer = world.peer().await;
    peer.shake_hands().await;
    peer.calls(4).await;
    peer.answer([1, 2, 3]).await;
    let mut second = world.peer().await;
    second.welcome().await;
    world.expect_link(Hub::User, true).await;
    world.stop().await;
}

#[tokio::test]
async fn accounts_are_added_and_removed_on_the_living_connection() {
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    world.subscriptions.send(accounts([704, 705])).unwrap();
    let calls = ["5 SubscribeOrders [705]", "6 SubscribePositions [705]", "7 SubscribeTrades [705]"];
    assert_eq!(peer.calls(3).await, calls);
    // With two accounts, an update that names none cannot be understood any more.
    peer.send(&closing("X")).await;
    let event = world.event().await;
    assert!(matches!(&event, Event::Refused(refusal) if refusal.account_id.is_none()), "{event:?}");
    peer.answer(5..=7).await;
    world.expect_link(Hub::User, true).await;
    world.subscriptions.send(accounts([704])).unwrap();
    let calls = ["- UnsubscribeOrders [705]", "- UnsubscribePositions [705]", "- UnsubscribeTrades [705]"];
    assert_eq!(peer.calls(3).await, calls);
    // An update of the removed account may still be on its way, so it stays like this.
    peer.send(&closing("X")).await;
    let event = world.event().await;
    assert!(matches!(&event, Event::Refused(refusal) if refusal.account_id.is_none()), "{event:?}");
    // The end of the channel is not the end of the connection.
    let (subscriptions, _) = watch::channel(Subscriptions::default());
    drop(std::mem::replace(&mut world.subscriptions, subscriptions));
    peer.send(
        r#"{"type":1,"target":"GatewayUserPosition","arguments":[{"accountId":704,"contractId":"Y","size":0}]}|"#,
    )
    .await;
    assert_eq!(world.event().await, closed("Y"));
    world.stop().await;
}

#[tokio::test]
async fn a_contract_without_quotes_does_not_cost_the_others_theirs() {
    let mut world = World::start(Hub::Market, contracts(["A", "B"]), |_| {}).await;
    let mut peer = world.peer().await;
    assert_eq!(peer.uri, "/hubs/market?access_token=token-1");
    peer.shake_hands().await;
    let calls = [r#"1 SubscribeContractQuotes ["A"]"#, r#"2 SubscribeContractQuotes ["B"]"#];
    assert_eq!(peer.calls(2).await, calls);
    peer.send(r#"{"type":3,"invocationId":"1","error":"no such contract"}|{"type":3,"invocationId":"2"}|"#).await;
    world.expect_link(Hub::Market, true).await;
    world.subscriptions.send(contracts(["B", "C"])).unwrap();
    let calls = [r#"3 SubscribeContractQuotes ["C"]"#, r#"- UnsubscribeContractQuotes ["A"]"#];
    assert_eq!(peer.calls(2).await, calls);
    peer.answer([3]).await;
    peer.send(r#"{"type":1,"target":"GatewayQuote","arguments":["B",{"lastPrice":21000.25}]}|"#).await;
    let event = world.event().await;
    let is_quote = matches!(&event, Event::Quote(quote) if quote.last.unwrap().to_string() == "21000.25");
    assert!(is_quote, "{event:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_contract_that_falls_silent_is_subscribed_to_again_on_the_living_connection() {
    let silent = |config: &mut ClientConfig| config.hub_timeouts.quote_silence_ms = 20;
    let mut world = World::start(Hub::Market, contracts(["A"]), silent).await;
    let mut peer = world.peer().await;
    peer.shake_hands().await;
    assert_eq!(peer.calls(1).await, [r#"1 SubscribeContractQuotes ["A"]"#]);
    peer.answer([1]).await;
    world.expect_link(Hub::Market, true).await;
    for again in 2..=3 {
        let calls =
            [r#"- UnsubscribeContractQuotes ["A"]"#.to_owned(), format!(r#"{again} SubscribeContractQuotes ["A"]"#)];
        assert_eq!(peer.calls(2).await, calls);
        peer.answer([again]).await;
    }
    peer.send(r#"{"type":1,"target":"GatewayQuote","arguments":["A",{"lastPrice":21000.25}]}|"#).await;
    let event = world.event().await;
    assert!(matches!(&event, Event::Quote(_)), "the connection lives: {event:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_slow_reader_loses_nothing() {
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    peer.welcome().await;
    // The queue holds four: the hub's client must stop reading and go on later.
    for number in 0..200 {
        peer.send(&closing(&format!("X{number}"))).await;
    }
    world.expect_link(Hub::User, true).await;
    for number in 0..200 {
        assert_eq!(world.event().await, closed(&format!("X{number}")));
        assert!(world.events.depth() <= 5, "{} events wait", world.events.depth());
    }
    world.stop().await;
}

#[tokio::test]
async fn it_stops_when_told_to_even_without_a_connection() {
    let nobody = |config: &mut ClientConfig| config.hub_url = "ws://127.0.0.1:1".to_owned();
    let world = World::start(Hub::User, accounts([704]), nobody).await;
    world.stop().await;
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    peer.record().await;
    // In the middle of the handshake.
    world.stop().await;
    peer.gone().await;
}

#[tokio::test]
async fn it_stops_when_nobody_reads_any_more() {
    let mut world = World::user().await;
    let mut peer = world.peer().await;
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    let World { events, running, shutdown, subscriptions, .. } = world;
    drop(events);
    peer.send(&closing("X")).await;
    soon("the client to stop", running).await.unwrap();
    peer.gone().await;
    drop((shutdown, subscriptions));
}

#[tokio::test]
async fn the_token_never_gets_into_the_log() {
    let log = CapturedLog::start();
    let mut world = World::user().await;
    *world.refuse.lock().unwrap() = 1;
    let mut peer = world.peer().await;
    let token = peer.uri.split_once("access_token=").unwrap().1.to_owned();
    peer.welcome().await;
    world.expect_link(Hub::User, true).await;
    peer.send(&format!(r#"{{"type":1,"target":"GatewayUserPosition","arguments":[{{"token":"{token}"}}]}}|"#)).await;
    world.event().await;
    peer.send(&format!(r#"{{"type":7,"error":"/hubs/user?access_token={token} is over"}}|"#)).await;
    world.expect_link(Hub::User, false).await;
    world.stop().await;
    let text = log.text();
    assert!(text.contains("the connection is down") && text.contains("[redacted]"), "{text}");
    assert!(!text.contains("token-"), "{text}");
}

#[tokio::test]
async fn a_hub_that_speaks_no_tls_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let wants_tls = |config: &mut ClientConfig| config.hub_url = format!("wss://{address}");
    let world = World::start(Hub::User, accounts([704]), wants_tls).await;
    for _ in 0..2 {
        let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    }
    world.stop().await;
}
