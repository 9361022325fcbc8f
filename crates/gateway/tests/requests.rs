//! Snapshots and the engine's requests against a server that does what the test says.

#![allow(clippy::unwrap_used)]

mod support;

use jiff::Timestamp;
use riskd_core::engine::{Event, Request, RequestFailure, RequestId, RequestKind};
use riskd_core::model::{AccountId, ContractId, Noun, OrderId, OrderState, Price, Side};
use riskd_gateway::protocol::wire;
use support::{Reply, START, SUCCESS, Server, gateway, ok, refused, rows};

const ACCOUNT: AccountId = AccountId(704);

fn contract() -> ContractId {
    ContractId::new("CON.F.US.MNQ.Z26", Noun::Contract).unwrap()
}

fn start() -> Timestamp {
    START.parse().unwrap()
}

/// A server with one position, one working order, one suspended child, one trade and two accounts.
async fn one_account(query: fn() -> Reply) -> Server {
    Server::start(move |seen| match seen.path.as_str() {
        "/api/Position/searchOpen" => Some(rows(
            "positions",
            r#"[{"id":1,"accountId":704,"contractId":"X","creationTimestamp":"2026-11-20T14:00:00Z","type":1,"size":2,"averagePrice":100},
                {"id":2,"accountId":704,"contractId":"Y","type":1,"size":1,"averagePrice":0},
                {"id":3,"accountId":704,"contractId":"Z","size":0}]"#,
        )),
        "/api/Order/searchOpen" => Some(rows(
            "orders",
            r#"[{"id":10,"accountId":704,"contractId":"X","creationTimestamp":"2026-11-20T14:00:00Z","status":1,"type":1,"side":1,"size":2,"limitPrice":110},
                {"id":12,"accountId":704,"contractId":"X","status":1,"type":1,"side":1,"size":1}]"#,
        )),
        "/api/Order/v2/query" => Some(query()),
        "/api/Trade/search" => Some(rows(
            "trades",
            r#"[{"id":20,"accountId":704,"contractId":"X","creationTimestamp":"2026-11-20T14:00:00Z","price":100,"profitAndLoss":null,"fees":1,"side":0,"size":2,"voided":false,"orderId":9}]"#,
        )),
        "/api/Account/search" => Some(rows(
            "accounts",
            r#"[{"id":1,"name":"other","balance":1,"canTrade":true},{"id":704,"name":"mine","balance":50000,"canTrade":false,"simulated":true}]"#,
        )),
        _ => None,
    })
    .await
}

const QUERIED: &str = r#"{"orders":[
    {"id":10,"accountId":704,"contractId":"X","creationTimestamp":"2026-11-20T14:00:00Z","status":1,"type":1,"side":1,"size":2,"limitPrice":110},
    {"id":11,"accountId":704,"contractId":"X","creationTimestamp":"2026-11-20T14:00:00Z","status":8,"type":4,"side":1,"size":2,"stopPrice":90},
    {"id":12,"accountId":704,"contractId":"X","status":1,"type":1,"side":1,"size":1}],
    "totalCount":3,"success":true,"errorCode":0}"#;

#[tokio::test]
async fn a_snapshot_holds_everything_suspended_children_too() {
    let server = one_account(|| ok(QUERIED)).await;
    let snapshot = gateway(&server).snapshot(ACCOUNT, Some(start())).await.unwrap();
    assert_eq!((snapshot.account_id, snapshot.asked_at, snapshot.trades_since), (ACCOUNT, start(), Some(start())));
    let account = snapshot.account.unwrap();
    assert_eq!((account.id, account.can_trade), (ACCOUNT, Some(false)));
    assert_eq!(snapshot.positions.iter().map(|position| position.id.0).collect::<Vec<_>>(), [1]);
    assert_eq!(snapshot.orders.iter().map(|order| order.id.0).collect::<Vec<_>>(), [10, 11]);
    assert_eq!(snapshot.trades.iter().map(|trade| trade.id.0).collect::<Vec<_>>(), [20]);
    let refused: Vec<String> = snapshot.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        refused,
        [
            "Position.average_price = 0: must be greater than 0",
            "Order.limit_price = absent: required for a LIMIT order"
        ],
        "a row that two answers hold is refused once"
    );
    let query = server.seen().into_iter().find(|seen| seen.path.ends_with("query")).unwrap();
    let expected = concat!(
        r#"{"filter":{"accountId":704,"statuses":[0,1,6,7,8],"contractId":null,"createdAfter":null,"createdBefore":null},"#,
        r#""pageSize":500,"pageOffset":0,"sortBy":"id","sortDirection":"asc","includeTotalCount":true}"#
    );
    assert_eq!(query.body, expected);
}

#[tokio::test]
async fn a_gateway_without_the_query_still_gives_a_snapshot() {
    let server = one_account(|| Reply::Status(404, String::new())).await;
    let snapshot = gateway(&server).snapshot(ACCOUNT, Some(start())).await.unwrap();
    assert_eq!(snapshot.orders.iter().map(|order| order.id.0).collect::<Vec<_>>(), [10]);
}

#[tokio::test]
async fn half_a_snapshot_is_none() {
    for reply in [(|| Reply::Status(500, String::new())) as fn() -> Reply, || refused(1), || ok(SUCCESS)] {
        let server = one_account(reply).await;
        assert!(gateway(&server).snapshot(ACCOUNT, Some(start())).await.is_err());
    }
}

#[tokio::test]
async fn a_query_goes_through_all_its_pages() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/Order/searchOpen" => Some(rows("orders", "[]")),
        "/api/Order/v2/query" => {
            let request: wire::OrderQueryRequest = serde_json::from_str(&seen.body).unwrap();
            let from = request.page_offset.unwrap();
            // It gives less to a page than it is asked for.
            let orders: Vec<String> = (from..250.min(from + 100))
                .map(|id| format!(r#"{{"id":{id},"contractId":"X","status":8,"type":2,"side":0,"size":1}}"#))
                .collect();
            let orders = orders.join(",");
            Some(ok(&format!(r#"{{"orders":[{orders}],"totalCount":250,"success":true,"errorCode":0}}"#)))
        }
        _ => None,
    })
    .await;
    let orders = gateway(&server).living_orders(ACCOUNT).await.unwrap();
    assert_eq!(orders.rows.iter().map(|order| order.id.0).collect::<Vec<_>>(), (0..250).collect::<Vec<_>>());
    assert_eq!(server.count("query"), 3);
}

fn request(kind: RequestKind) -> Request {
    Request { id: RequestId(7), account_id: Some(ACCOUNT), kind }
}

fn answer(result: Result<(), RequestFailure>) -> Event {
    Event::Answer { request_id: RequestId(7), result }
}

fn refusal(code: i32, message: &str) -> Result<(), RequestFailure> {
    Err(RequestFailure::Refused { code, message: message.to_owned() })
}

#[tokio::test]
async fn requests_are_carried_out_and_answered() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/Position/closeContract" => Some(ok(SUCCESS)),
        "/api/Order/cancel" => Some(refused(2)),
        _ => None,
    })
    .await;
    let gateway = gateway(&server);
    let close = request(RequestKind::ClosePosition(contract()));
    assert_eq!(gateway.perform(&close).await, [answer(Ok(()))]);
    let cancel = request(RequestKind::CancelOrder(OrderId(5)));
    let gone = refusal(2, "Order/cancel refused (code 2, order not found)");
    assert_eq!(gateway.perform(&cancel).await, [answer(gone)]);
    let nobody = Request { account_id: None, ..cancel };
    let message = "the request names no account".to_owned();
    assert_eq!(gateway.perform(&nobody).await, [answer(Err(RequestFailure::NotSent { message }))]);
}

#[tokio::test]
async fn a_partial_close_is_sent_once_and_its_refusal_left_to_the_engine() {
    type Case = (&'static str, fn() -> Reply, Result<(), RequestFailure>);
    let refusal =
        |code, words: &str| refusal(code, &format!("Position/partialCloseContract refused (code {code}, {words})"));
    let unknown = "Position/partialCloseContract has no known outcome: HTTP 500".to_owned();
    let cases: [Case; 6] = [
        ("accepted", || ok(SUCCESS), Ok(())),
        ("rejected, as live accounts do", || refused(6), refusal(6, "rejected")),
        ("account rejected", || refused(9), refusal(9, "account rejected")),
        ("gone already", || refused(2), refusal(2, "position not found")),
        ("more than there is", || refused(5), refusal(5, "invalid size")),
        ("no known outcome", || Reply::Status(500, String::new()), Err(RequestFailure::Unknown { message: unknown })),
    ];
    for (name, reply, result) in cases {
        let server = Server::start(move |seen| (seen.path == "/api/Position/partialCloseContract").then(&reply)).await;
        let reduce = request(RequestKind::ReducePosition { contract_id: contract(), size: 2 });
        assert_eq!(gateway(&server).perform(&reduce).await, [answer(result)], "{name}");
        assert_eq!((server.count("/partialCloseContract"), server.count("/closeContract")), (1, 0), "{name}");
    }
}

#[tokio::test]
async fn a_stop_is_placed_moved_and_found_by_its_tag() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/Order/place" => Some(ok(r#"{"orderId":31,"success":true,"errorCode":0}"#)),
        "/api/Order/modify" => Some(refused(3)),
        "/api/Order/search" => Some(rows(
            "orders",
            r#"[{"id":30,"accountId":704,"contractId":"X","status":1,"type":1,"side":1,"size":2,"limitPrice":1,"customTag":"mine"},
                {"id":31,"accountId":704,"contractId":"X","status":5,"type":4,"side":1,"size":2,"stopPrice":90,"customTag":"riskd-stop-1"}]"#,
        )),
        _ => None,
    })
    .await;
    let gateway = gateway(&server);
    let price = |text: &str| Price::parse(text).unwrap();
    let place = RequestKind::PlaceStop {
        contract_id: contract(),
        side: Side::Sell,
        size: 2,
        stop_price: price("19997.25"),
        tag: "riskd-stop-1".into(),
    };
    assert_eq!(gateway.perform(&request(place)).await, [answer(Ok(()))]);
    let (order_id, stop_price) = (OrderId(31), Some(price("19998.5")));
    let change = RequestKind::MoveStop { order_id, size: Some(3), stop_price, limit_price: None };
    let rejected = refusal(3, "Order/modify refused (code 3, rejected)");
    assert_eq!(gateway.perform(&request(change)).await, [answer(rejected)]);
    let find = RequestKind::FindOrder { tag: "riskd-stop-1".into(), since: start() };
    let events = gateway.perform(&request(find)).await;
    let [Event::Order(found), last] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (found.id, found.state, found.custom_tag.as_deref()),
        (order_id, OrderState::Rejected, Some("riskd-stop-1"))
    );
    assert_eq!(*last, answer(Ok(())));
    let sent: Vec<_> =
        server.seen().into_iter().map(|seen| seen.body).filter(|body| !body.contains("apiKey")).collect();
    assert_eq!(
        sent[0],
        r#"{"accountId":704,"contractId":"CON.F.US.MNQ.Z26","type":4,"side":1,"size":2,"limitPrice":null,"stopPrice":19997.25,"trailPrice":null,"customTag":"riskd-stop-1"}"#
    );
    assert_eq!(
        sent[1],
        r#"{"accountId":704,"orderId":31,"size":3,"limitPrice":null,"stopPrice":19998.5,"trailPrice":null}"#
    );
}

#[tokio::test]
async fn what_is_learned_comes_before_the_answer() {
    let server = one_account(|| ok(QUERIED)).await;
    let snapshot = request(RequestKind::Snapshot { trades_since: Some(start()) });
    let events = gateway(&server).perform(&snapshot).await;
    assert!(matches!(&events[0], Event::Snapshot(snapshot) if snapshot.positions.len() == 1), "{events:?}");
    assert_eq!(events[1..], [answer(Ok(()))]);

    let describe = Request { id: RequestId(7), account_id: None, kind: RequestKind::DescribeContract(contract()) };
    let good =
        r#"{"contract":{"id":"CON.F.US.MNQ.Z26","name":"MNQZ6","tickSize":0.25,"tickValue":0.5},"success":true}"#;
    let server = Server::start(move |seen| seen.path.ends_with("searchById").then(|| ok(good))).await;
    let events = gateway(&server).perform(&describe).await;
    assert!(matches!(&events[0], Event::Contract(it) if it.tick_value.to_string() == "0.50"), "{events:?}");
    assert_eq!(events[1..], [answer(Ok(()))]);

    let bad = r#"{"contract":{"id":"CON.F.US.MNQ.Z26","tickSize":0,"tickValue":0.5},"success":true}"#;
    let server = Server::start(move |seen| seen.path.ends_with("searchById").then(|| ok(bad))).await;
    let events = gateway(&server).perform(&describe).await;
    assert!(matches!(&events[0], Event::Refused(refusal) if refusal.account_id.is_none()), "{events:?}");
    assert!(matches!(&events[1], Event::Answer { result: Err(RequestFailure::Unknown { .. }), .. }), "{events:?}");
}
