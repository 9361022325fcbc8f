//! The REST client against a server that does what the test says.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use riskd_core::engine::RequestFailure;
use riskd_core::model::{AccountId, ContractId, Noun, OrderId};
use riskd_gateway::client::{CallError, Priority};
use riskd_gateway::protocol::wire::{self, Endpoint, Meaning};
use support::{
    API_KEY, CapturedLog, ManualClock, Reply, START, SUCCESS, Script, Server, gateway, gateway_with, ok, refused, rows,
};

const ACCOUNT: AccountId = AccountId(704);

fn contract() -> ContractId {
    ContractId::new("CON.F.US.MNQ.Z26", Noun::Contract).unwrap()
}

fn start() -> Timestamp {
    START.parse().unwrap()
}

/// Tokens of the calls of a path, in order.
fn tokens(server: &Server, path: &str) -> Vec<String> {
    let calls = server.seen().into_iter().filter(|seen| seen.path.ends_with(path));
    calls.map(|seen| seen.token.unwrap_or_default()).collect()
}

#[tokio::test]
async fn many_calls_that_lose_their_token_cause_one_login() {
    let expired = Arc::new(AtomicBool::new(false));
    let is_expired = Arc::clone(&expired);
    let server = Server::start(move |seen| {
        let refused = is_expired.load(Ordering::SeqCst) && seen.token.as_deref() == Some("token-1");
        match seen.path.as_str() {
            "/api/Position/searchOpen" if refused => Some(Reply::Status(401, String::new())),
            "/api/Position/searchOpen" => Some(rows("positions", "[]")),
            _ => None,
        }
    })
    .await;
    let gateway = gateway(&server);
    gateway.log_in().await.unwrap();
    expired.store(true, Ordering::SeqCst);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { gateway.open_positions(ACCOUNT, Priority::Enforcement).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().unwrap().rows.is_empty());
    }
    assert_eq!(server.count("loginKey"), 2);
    let used = tokens(&server, "searchOpen");
    assert_eq!(used.iter().filter(|token| *token == "token-2").count(), 20, "{used:?}");
}

#[tokio::test]
async fn a_close_answered_401_goes_out_once_more_with_a_new_token_and_no_more() {
    let cases = [
        (vec![Reply::Status(401, String::new()), ok(SUCCESS)], Ok(())),
        (
            vec![Reply::Status(401, String::new()), Reply::Status(401, String::new())],
            Err(CallError::Unauthorized { endpoint: Endpoint::ClosePosition }),
        ),
    ];
    for (replies, expected) in cases {
        let script = Script::new(replies);
        let server = Server::start(move |seen| seen.path.ends_with("closeContract").then(|| script.next())).await;
        let result = gateway(&server).close_position(ACCOUNT, &contract()).await;
        assert_eq!(result, expected);
        assert_eq!(tokens(&server, "closeContract"), ["token-1", "token-2"]);
    }
}

#[tokio::test]
async fn answers_are_told_apart_by_what_is_known_of_their_effect() {
    type Judged = fn(&CallError) -> bool;
    /// What it is about, the answer, what is to be true of the error, and how its text begins.
    type Case = (&'static str, fn() -> Reply, Judged, &'static str);
    let close = Endpoint::ClosePosition;
    let cases: [Case; 12] = [
        (
            "a refusal comes with HTTP 200",
            || refused(2),
            |error| error.meaning() == Some(Meaning::PositionNotFound),
            "Position/closeContract refused (code 2, position not found)",
        ),
        (
            "a refusal in the gateway's words",
            || ok(r#"{"success":false,"errorCode":5,"errorMessage":"no <html>"}"#),
            |error| error.meaning() == Some(Meaning::Rejected),
            "Position/closeContract refused (code 5, rejected): no <html>",
        ),
        (
            "a code nobody documented",
            || refused(99),
            |error| error.meaning() == Some(Meaning::Unlisted),
            "Position/closeContract refused (code 99, a code the gateway does not document)",
        ),
        (
            "a bad request",
            || Reply::Status(400, "size is required".to_owned()),
            |error| matches!(error.to_failure(), RequestFailure::Refused { code: 400, .. }),
            "Position/closeContract refused (code 400, a code the gateway does not document): HTTP 400 size is required",
        ),
        (
            "too many, and for how long",
            || Reply::TooMany(Some(7)),
            |error| matches!(error.to_failure(), RequestFailure::NotSent { .. }),
            "Position/closeContract was refused because of too many calls; again in 7000 ms",
        ),
        (
            "too many, without a word",
            || Reply::TooMany(None),
            |error| matches!(error, CallError::RateLimited { retry_after_ms: 60_000, .. }),
            "Position/closeContract was refused because of too many calls; again in 60000 ms",
        ),
        (
            "no such endpoint",
            || Reply::Status(404, String::new()),
            |error| matches!(error.to_failure(), RequestFailure::NotSent { .. }),
            "Position/closeContract does not exist on this gateway (HTTP 404)",
        ),
        (
            "a broken server may have done it",
            || Reply::Status(500, "oops".to_owned()),
            |error| matches!(error.to_failure(), RequestFailure::Unknown { .. }),
            "Position/closeContract has no known outcome: HTTP 500 oops",
        ),
        (
            "a broken gateway in between, too",
            || Reply::Status(502, String::new()),
            |error| matches!(error.to_failure(), RequestFailure::Unknown { .. }),
            "Position/closeContract has no known outcome: HTTP 502",
        ),
        (
            "an answer nobody can read",
            || ok("<html>"),
            |error| matches!(error.to_failure(), RequestFailure::Unknown { .. }),
            "Position/closeContract has no known outcome: the answer cannot be read: expected value at line 1 column 1",
        ),
        (
            "a redirection is not followed",
            || Reply::Status(307, String::new()),
            |error| matches!(error.to_failure(), RequestFailure::Refused { code: 307, .. }),
            "Position/closeContract refused (code 307, a code the gateway does not document): HTTP 307",
        ),
        (
            "a connection lost after sending",
            || Reply::HangUp,
            |error| matches!(error.to_failure(), RequestFailure::Unknown { .. }),
            "Position/closeContract has no known outcome: error sending request",
        ),
    ];
    for (name, reply, judged, text) in cases {
        let server = Server::start(move |seen| seen.path.ends_with("closeContract").then(reply)).await;
        let error = gateway(&server).close_position(ACCOUNT, &contract()).await.unwrap_err();
        assert!(judged(&error), "{name}: {error:?}");
        assert!(error.to_string().starts_with(text), "{name}: {error}");
        assert_eq!(server.count(close.path()), 1, "{name}: what changes something is sent once");
    }
}

#[tokio::test]
async fn a_call_without_an_answer_has_no_known_outcome() {
    let server = Server::start(|seen| seen.path.ends_with("cancel").then_some(Reply::Silence)).await;
    let gateway = gateway_with(&server, &ManualClock::default(), |config| config.rest_timeouts.call_ms = 1_500);
    let error = gateway.cancel_order(ACCOUNT, OrderId(5)).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown { endpoint: Endpoint::CancelOrder, .. }), "{error:?}");
    assert_eq!(server.count("cancel"), 1);
}

#[tokio::test]
async fn a_look_that_nobody_answers_ends_with_its_first_time_out() {
    let server = Server::start(|seen| seen.path.ends_with("searchOpen").then_some(Reply::Silence)).await;
    let gateway = gateway_with(&server, &ManualClock::default(), |config| config.rest_timeouts.call_ms = 300);
    let error = gateway.open_positions(ACCOUNT, Priority::Snapshot).await.unwrap_err();
    assert!(matches!(error, CallError::Unknown { endpoint: Endpoint::SearchOpenPositions, .. }), "{error:?}");
    assert_eq!(server.count("searchOpen"), 1);
}

#[tokio::test]
async fn a_call_that_found_nobody_was_not_sent() {
    let mut server = Server::start(|_| None).await;
    let logged_in = gateway(&server);
    logged_in.log_in().await.unwrap();
    let not_logged_in = gateway(&server);
    server.stop().await;
    let error = logged_in.close_position(ACCOUNT, &contract()).await.unwrap_err();
    assert!(matches!(error, CallError::NotSent { endpoint: Endpoint::ClosePosition, .. }), "{error:?}");
    assert!(matches!(error.to_failure(), RequestFailure::NotSent { .. }));
    let error = not_logged_in.close_position(ACCOUNT, &contract()).await.unwrap_err();
    assert!(matches!(error, CallError::NotLoggedIn { .. }), "{error:?}");
    assert!(error.to_string().contains("was not sent"), "{error}");
    assert!(matches!(error.to_failure(), RequestFailure::NotSent { .. }));
}

#[tokio::test]
async fn queries_are_repeated_and_give_up_in_the_end() {
    let good = || rows("positions", "[]");
    let bad = || Reply::Status(503, String::new());
    let cases = [
        (vec![bad(), Reply::HangUp, good()], true, 3),
        (vec![ok("<html>"), good()], true, 2),
        (vec![bad(), bad(), bad()], false, 3),
        (vec![refused(1)], false, 1),
        (vec![Reply::Status(400, String::new())], false, 1),
    ];
    for (replies, succeeds, calls) in cases {
        let script = Script::new(replies);
        let server = Server::start(move |seen| seen.path.ends_with("searchOpen").then(|| script.next())).await;
        let result = gateway(&server).open_positions(ACCOUNT, Priority::Snapshot).await;
        assert_eq!(result.is_ok(), succeeds, "{result:?}");
        assert_eq!(server.count("searchOpen"), calls);
    }
}

#[tokio::test]
async fn too_many_calls_hold_back_queries_but_no_enforcement() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/Account/search" => Some(Reply::TooMany(None)),
        "/api/Position/closeContract" => Some(ok(SUCCESS)),
        _ => None,
    })
    .await;
    let clock = ManualClock::default();
    let gateway = gateway_with(&server, &clock, |config| config.rest_timeouts.room_ms = 0);
    let error = gateway.search_accounts(false).await.unwrap_err();
    assert!(matches!(error, CallError::RateLimited { .. }), "{error:?}");
    // The repetitions found the limiter closed, so only one call went out.
    assert_eq!(server.count("Account/search"), 1);
    gateway.close_position(ACCOUNT, &contract()).await.unwrap();
    clock.advance_ms(60_000);
    gateway.search_accounts(false).await.unwrap_err();
    assert_eq!(server.count("Account/search"), 2);
}

#[tokio::test]
async fn a_broken_group_is_left_alone_but_for_what_protects() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/Order/search" | "/api/Contract/searchById" => Some(Reply::Status(500, String::new())),
        "/api/Order/cancel" => Some(Reply::Status(500, String::new())),
        _ => None,
    })
    .await;
    let clock = ManualClock::default();
    let gateway = gateway_with(&server, &clock, |config| config.retry.attempts = 1);
    for _ in 0..7 {
        gateway.contract_by_id(&contract()).await.unwrap_err();
    }
    assert_eq!(server.count("searchById"), 5);
    clock.advance_ms(30_000);
    for _ in 0..3 {
        gateway.contract_by_id(&contract()).await.unwrap_err();
    }
    assert_eq!(server.count("searchById"), 6, "one trial after half a minute");
    for _ in 0..9 {
        gateway.cancel_order(ACCOUNT, OrderId(5)).await.unwrap_err();
    }
    assert_eq!(server.count("cancel"), 9);
}

#[tokio::test]
async fn a_refused_login_says_nothing_about_the_call_and_is_not_repeated_at_once() {
    // Code 2 means "position not found" on a close: the two must not be confused.
    let server = Server::start(|seen| seen.path.ends_with("loginKey").then(|| refused(2))).await;
    let clock = ManualClock::default();
    let gateway = gateway_with(&server, &clock, |_| {});
    for _ in 0..3 {
        let error = gateway.close_position(ACCOUNT, &contract()).await.unwrap_err();
        assert_eq!(error.meaning(), None);
        let expected = "not logged in: Auth/loginKey refused (code 2, password verification failed)";
        assert_eq!(error.to_failure(), RequestFailure::NotSent { message: expected.to_owned() });
    }
    assert_eq!((server.count("loginKey"), server.count("closeContract")), (1, 0));
    clock.advance_ms(10_000);
    gateway.log_in().await.unwrap_err();
    assert_eq!(server.count("loginKey"), 2);
}

#[tokio::test]
async fn many_calls_share_one_failed_login() {
    let server = Server::start(|seen| seen.path.ends_with("loginKey").then(|| Reply::Status(500, String::new()))).await;
    let gateway = gateway(&server);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { gateway.close_position(ACCOUNT, &contract()).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(CallError::NotLoggedIn { .. })));
    }
    assert_eq!(server.count("loginKey"), 1);
    // A login that failed on the way is tried again by the next call.
    gateway.log_in().await.unwrap_err();
    assert_eq!(server.count("loginKey"), 2);
}

#[tokio::test]
async fn the_token_is_exchanged_two_hours_before_its_end() {
    const HOUR_MS: i64 = 3_600_000;
    let validated = |token: &str| ok(&format!(r#"{{"newToken":"{token}","success":true,"errorCode":0}}"#));
    let script = Script::new([Reply::Status(500, String::new()), validated("exchanged"), refused(3)]);
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/api/Auth/validate" => Some(script.next()),
        "/api/Account/search" => Some(rows("accounts", "[]")),
        "/api/Position/closeContract" => Some(ok(SUCCESS)),
        _ => None,
    })
    .await;
    let clock = ManualClock::default();
    let gateway = gateway_with(&server, &clock, |_| {});
    let ask = async || drop(gateway.search_accounts(false).await.unwrap());
    let close = async || gateway.close_position(ACCOUNT, &contract()).await.unwrap();
    ask().await;
    clock.advance_ms(22 * HOUR_MS - 1);
    ask().await;
    assert_eq!(server.count("validate"), 0);
    clock.advance_ms(1);
    close().await;
    assert_eq!(server.count("validate"), 0, "an enforcement does not wait for the exchange");
    ask().await;
    ask().await;
    assert_eq!(server.count("validate"), 1, "a failed exchange is not repeated at once");
    clock.advance_ms(10_000);
    ask().await;
    assert_eq!(server.count("validate"), 2);
    assert_eq!(tokens(&server, "Account/search"), ["token-1", "token-1", "token-1", "token-1", "exchanged"]);
    clock.advance_ms(22 * HOUR_MS);
    ask().await;
    assert_eq!((server.count("validate"), server.count("loginKey")), (3, 2), "refused, so a login");
    clock.advance_ms(25 * HOUR_MS);
    close().await;
    assert_eq!((server.count("validate"), server.count("loginKey")), (3, 3), "over, so a login at once");
}

#[tokio::test]
async fn no_secret_gets_into_errors_or_the_log() {
    let log = CapturedLog::start();
    let echo = |seen: &support::Seen| format!("{} {} {:?}", seen.body, API_KEY, seen.token);
    let replies: [fn(String) -> Reply; 3] = [
        |text| Reply::Status(500, text),
        |text| Reply::Status(400, text),
        |text| ok(&serde_json::json!({ "success": false, "errorCode": 5, "errorMessage": text }).to_string()),
    ];
    for reply in replies {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/api/Auth/loginKey" => Some(ok(r#"{"token":"very-secret-token","success":true,"errorCode":0}"#)),
            "/api/Position/searchOpen" => Some(rows("positions", r#"[{"id":1,"token":"very-secret-token"}]"#)),
            _ => Some(reply(echo(seen))),
        })
        .await;
        let gateway = gateway(&server);
        let error = gateway.close_position(ACCOUNT, &contract()).await.unwrap_err();
        let positions = gateway.open_positions(ACCOUNT, Priority::Snapshot).await.unwrap();
        assert_eq!(positions.refused.len(), 1);
        let text = format!("{error} {error:?} {:?} {gateway:?} {positions:?}", error.to_failure());
        assert!(!text.contains("very-secret"), "{text}");
        let refusing = Server::start(move |seen| Some(reply(echo(seen)))).await;
        let error = support::gateway(&refusing).log_in().await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("very-secret"), "{error:?}");
    }
    assert!(log.text().contains("a payload failed its checks"), "{}", log.text());
    assert!(!log.text().contains("very-secret"), "{}", log.text());
}

#[tokio::test]
async fn every_call_sends_what_the_documents_ask_for() {
    let server = Server::start(|seen| match seen.path.rsplit('/').next() {
        Some("loginKey") => None,
        Some("ping") => Some(ok("pong")),
        Some("place") => Some(ok(r#"{"orderId":9056,"success":true,"errorCode":0}"#)),
        Some("searchById") => Some(ok(r#"{"contract":{"id":"X","tickSize":1,"tickValue":1},"success":true}"#)),
        Some("available") => Some(rows("contracts", "[]")),
        Some("search") if seen.path.contains("Contract") => Some(rows("contracts", "[]")),
        Some("search") if seen.path.contains("Trade") => Some(rows("trades", "[]")),
        Some("search") if seen.path.contains("Account") => Some(rows("accounts", "[]")),
        Some("searchOpen") if seen.path.contains("Position") => Some(rows("positions", "[]")),
        Some("search" | "searchOpen") => Some(rows("orders", "[]")),
        _ => Some(ok(SUCCESS)),
    })
    .await;
    let gateway = gateway(&server);
    let order: wire::PlaceOrderRequest =
        serde_json::from_str(r#"{"accountId":704,"contractId":"X","type":2,"side":1,"size":1,"limitPrice":"2.50"}"#)
            .unwrap();
    let change: wire::ModifyOrderRequest =
        serde_json::from_str(r#"{"accountId":704,"orderId":5,"stopPrice":21000.25}"#).unwrap();
    gateway.search_accounts(true).await.unwrap();
    gateway.contract_by_id(&contract()).await.unwrap().unwrap();
    gateway.search_contracts("MNQ", false).await.unwrap();
    gateway.available_contracts(true).await.unwrap();
    gateway.open_orders(ACCOUNT, Priority::Ordinary).await.unwrap();
    gateway.open_positions(ACCOUNT, Priority::Ordinary).await.unwrap();
    gateway.trades(ACCOUNT, start(), Priority::Ordinary).await.unwrap();
    gateway.orders_by_tag(ACCOUNT, "tag", start()).await.unwrap();
    gateway.close_position(ACCOUNT, &contract()).await.unwrap();
    gateway.reduce_position(ACCOUNT, &contract(), 2).await.unwrap();
    gateway.cancel_order(ACCOUNT, OrderId(5)).await.unwrap();
    assert_eq!(gateway.place_order(&order).await.unwrap(), OrderId(9056));
    gateway.modify_order(&change).await.unwrap();
    gateway.ping().await.unwrap();
    gateway.log_out().await.unwrap();
    let sent: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| format!("{} {} {} {}", seen.method, seen.path, seen.token.as_deref().unwrap_or("-"), seen.body))
        .collect();
    let expected = [
        r#"POST /api/Auth/loginKey - {"userName":"trader","apiKey":"very-secret-api-key"}"#,
        r#"POST /api/Account/search token-1 {"onlyActiveAccounts":true}"#,
        r#"POST /api/Contract/searchById token-1 {"contractId":"CON.F.US.MNQ.Z26"}"#,
        r#"POST /api/Contract/search token-1 {"searchText":"MNQ","live":false}"#,
        r#"POST /api/Contract/available token-1 {"live":true}"#,
        r#"POST /api/Order/searchOpen token-1 {"accountId":704}"#,
        r#"POST /api/Position/searchOpen token-1 {"accountId":704}"#,
        r#"POST /api/Trade/search token-1 {"accountId":704,"startTimestamp":"2026-11-20T15:00:00+00:00","endTimestamp":null}"#,
        r#"POST /api/Order/search token-1 {"accountId":704,"startTimestamp":"2026-11-20T15:00:00+00:00","endTimestamp":null}"#,
        r#"POST /api/Position/closeContract token-1 {"accountId":704,"contractId":"CON.F.US.MNQ.Z26"}"#,
        r#"POST /api/Position/partialCloseContract token-1 {"accountId":704,"contractId":"CON.F.US.MNQ.Z26","size":2}"#,
        r#"POST /api/Order/cancel token-1 {"accountId":704,"orderId":5}"#,
        concat!(
            r#"POST /api/Order/place token-1 {"accountId":704,"contractId":"X","type":2,"side":1,"size":1,"#,
            r#""limitPrice":2.50,"stopPrice":null,"trailPrice":null,"customTag":null}"#
        ),
        concat!(
            r#"POST /api/Order/modify token-1 {"accountId":704,"orderId":5,"size":null,"limitPrice":null,"#,
            r#""stopPrice":21000.25,"trailPrice":null}"#
        ),
        "GET /api/Status/ping - ",
        "POST /api/Auth/logout token-1 ",
    ];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_rejected_order_tells_its_number() {
    let server = Server::start(|seen| {
        let answer = r#"{"orderId":9056,"success":false,"errorCode":2,"errorMessage":"too large"}"#;
        seen.path.ends_with("place").then(|| ok(answer))
    })
    .await;
    let order = r#"{"accountId":704,"contractId":"X","type":2,"side":1,"size":1}"#;
    let error = gateway(&server).place_order(&serde_json::from_str(order).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "Order/place refused (code 2, rejected): too large (order 9056)");
}

#[tokio::test]
async fn an_order_is_found_again_by_its_tag() {
    let server = Server::start(|seen| {
        let orders = r#"[{"id":1,"contractId":"X","status":2,"type":2,"side":0,"size":1,"customTag":"other"},
            {"id":2,"contractId":"X","status":2,"type":2,"side":0,"size":1,"customTag":"mine"},
            {"id":3,"contractId":"X","status":2,"type":2,"side":0,"size":0,"customTag":"mine"},
            {"id":4,"contractId":"X","status":2,"type":2,"side":0,"size":1,"customTag":null}]"#;
        seen.path.ends_with("Order/search").then(|| rows("orders", orders))
    })
    .await;
    let found = gateway(&server).orders_by_tag(ACCOUNT, "mine", start()).await.unwrap();
    assert_eq!(found.rows.iter().map(|order| order.id).collect::<Vec<_>>(), [OrderId(2)]);
    assert_eq!(found.refused[0].refusal.invalid.to_string(), "Order.size = 0: must be greater than 0");
}
