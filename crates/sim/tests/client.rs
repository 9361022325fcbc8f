//! The project's own client against the simulator: what one writes, the other reads.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use riskd_core::engine::{Event, Hub, Request, RequestId, RequestKind, Snapshot};
use riskd_core::model::{AccountId, OrderState, Price, Side, Timestamp};
use riskd_gateway::client::hub::{Subscriptions, run};
use riskd_gateway::client::reconnect::ReconnectDelays;
use riskd_gateway::client::{ClientConfig, EventReceiver, Gateway, event_queue};
use riskd_sim::exchange::{OrderTicket, contract_id};
use riskd_sim::server::Topic;
use riskd_sim::{Simulator, SimulatorConfig};
use tokio::sync::watch;

const ACCOUNT: AccountId = AccountId(1001);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(90), future).await.expect("it should have happened long ago")
}

fn gateway(simulator: &Simulator) -> Gateway {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config = ClientConfig::new(
        simulator.base_url.clone(),
        simulator.base_url.clone(),
        simulator.user_name.clone(),
        simulator.api_key.as_str().into(),
    );
    config.reconnect = ReconnectDelays { delays_ms: vec![0, 1], ..ReconnectDelays::default() };
    Gateway::new(config, Arc::new(Timestamp::now)).unwrap()
}

async fn start() -> Simulator {
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    simulator.controls.tick(&contract_id("ES").unwrap(), Price::parse("2670.50").unwrap()).unwrap();
    simulator
}

async fn perform(gateway: &Gateway, kind: RequestKind) -> Vec<Event> {
    let request = Request { id: RequestId(1), account_id: Some(ACCOUNT), kind };
    soon(gateway.perform(&request)).await
}

async fn snapshot(gateway: &Gateway) -> Snapshot {
    let events = perform(gateway, RequestKind::Snapshot { trades_since: Some(Timestamp::UNIX_EPOCH) }).await;
    match events.into_iter().next() {
        Some(Event::Snapshot(snapshot)) => *snapshot,
        other => panic!("a snapshot was expected, not {other:?}"),
    }
}

async fn next(events: &mut EventReceiver, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = soon(events.recv()).await.unwrap();
        assert!(!matches!(event, Event::Refused(_)), "the simulator's words were refused: {event:?}");
        if wanted(&event) {
            return event;
        }
    }
}

#[tokio::test]
async fn the_client_sees_what_is_there_and_gets_the_account_flat() {
    let simulator = start().await;
    let es = contract_id("ES").unwrap();
    let place = |ticket| simulator.controls.place(ticket).unwrap();
    place(OrderTicket::market(ACCOUNT, es.clone(), Side::Buy, 3).with_stop_loss(8).with_take_profit(8));
    place(OrderTicket::limit(ACCOUNT, es.clone(), Side::Buy, 1, Price::parse("2600").unwrap()).with_stop_loss(4));
    let gateway = gateway(&simulator);
    let seen = snapshot(&gateway).await;
    assert_eq!(seen.refused, []);
    assert_eq!((seen.positions.len(), seen.positions[0].signed_size()), (1, 3));
    let states: Vec<_> = seen.orders.iter().map(|order| order.state).collect();
    assert_eq!(states.iter().filter(|state| **state == OrderState::Pending).count(), 1, "the suspended child is seen");
    assert_eq!((states.len(), seen.trades.len()), (4, 1));
    let described = perform(&gateway, RequestKind::DescribeContract(es.clone())).await;
    assert!(matches!(&described[0], Event::Contract(contract) if contract.name == "ESM8"), "{described:?}");

    let reduced = perform(&gateway, RequestKind::ReducePosition { contract_id: es.clone(), size: 1 }).await;
    assert!(matches!(reduced.last(), Some(Event::Answer { result: Ok(()), .. })), "{reduced:?}");
    perform(&gateway, RequestKind::ClosePosition(es.clone())).await;
    for order in snapshot(&gateway).await.orders {
        perform(&gateway, RequestKind::CancelOrder(order.id)).await;
    }
    soon(simulator.controls.until_flat_without_orders(ACCOUNT)).await;
    let seen = snapshot(&gateway).await;
    assert_eq!((seen.positions.len(), seen.orders.len(), seen.trades.len()), (0, 0, 3));
}

#[tokio::test]
async fn the_client_hears_the_hubs_and_comes_back_after_a_restart() {
    let simulator = start().await;
    let es = contract_id("ES").unwrap();
    let gateway = gateway(&simulator);
    let (sender, mut events) = event_queue(1_000);
    let wanted = Subscriptions { accounts: BTreeSet::from([ACCOUNT]), contracts: BTreeSet::from([es.clone()]) };
    let (_wanted, subscriptions) = watch::channel(wanted);
    let (stop, stopped) = watch::channel(false);
    let hubs = [Hub::User, Hub::Market].map(|hub| {
        let mut stopped = stopped.clone();
        let shutdown = async move {
            let _ = stopped.changed().await;
        };
        tokio::spawn(run(hub, gateway.clone(), subscriptions.clone(), sender.clone(), shutdown))
    });
    let is_up = |event: &Event| matches!(event, Event::Link { up: true, .. });
    for _ in 0..2 {
        next(&mut events, is_up).await;
    }
    let buy = || OrderTicket::market(ACCOUNT, es.clone(), Side::Buy, 1);
    simulator.controls.place(buy()).unwrap();
    next(&mut events, |event| matches!(event, Event::Position(position) if position.signed_size() == 1)).await;
    simulator.controls.tick(&es, Price::parse("2671.25").unwrap()).unwrap();
    let at = Price::parse("2671.25").ok();
    next(&mut events, |event| matches!(event, Event::Quote(quote) if quote.last == at)).await;

    simulator.controls.restart(Duration::ZERO);
    for topic in [Topic::Positions(ACCOUNT), Topic::Quotes(es.clone())] {
        soon(simulator.controls.until_subscribed(topic)).await;
    }
    for _ in 0..2 {
        next(&mut events, is_up).await;
    }
    simulator.controls.close(ACCOUNT, &es).unwrap();
    let closed = next(&mut events, |event| matches!(event, Event::PositionClosed { .. })).await;
    assert_eq!(closed, Event::PositionClosed { account_id: ACCOUNT, contract_id: es.clone() });
    stop.send(true).unwrap();
    for hub in hubs {
        soon(hub).await.unwrap();
    }
}
