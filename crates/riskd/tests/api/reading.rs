//! Every endpoint that is read: its shape, its pages, its filters.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use riskd_sim::server::Topic;
use serde_json::{Value, json};

use crate::client::Ask;
use crate::desk::Desk;
use crate::ground::{CLOSE_ALL, NEIGHBOUR, REALIZED, TRADER, es, points, within};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

fn set<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
    names.iter().copied().collect()
}

const SUMMARY: [&str; 21] = [
    "id",
    "name",
    "can_trade",
    "certain",
    "time_zone",
    "trading_day",
    "day_starts_at",
    "day_ends_at",
    "realized_pnl",
    "unrealized_pnl",
    "unpriced_positions",
    "positions",
    "contracts",
    "orders",
    "lock",
    "pending_enforcements",
    "not_armed",
    "nearest",
    "nearest_dollars",
    "nearest_contracts",
    "fees",
];
const GAUGE: [&str; 8] = ["rule_id", "rule", "unit", "used", "limit", "left", "fraction", "contract_id"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_shows_the_locked_account_first_and_the_account_page_what_it_holds() {
    let desk = Desk::open(REALIZED).await;
    desk.ground.buy(NEIGHBOUR, &es(), 2);
    desk.ground.rest_order(NEIGHBOUR);
    within(desk.ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    desk.ground.lose(TRADER);
    desk.ground.until_flat(TRADER).await;
    let overview = desk
        .until("/api/v1/overview", |overview| {
            let first = &overview["accounts"][0];
            first["id"] == TRADER.0 && first["lock"].is_object() && first["pending_enforcements"] == 0
        })
        .await;
    let summary: Vec<&str> = SUMMARY.iter().copied().filter(|key| *key != "fees").collect();
    for account in overview["accounts"].as_array().unwrap() {
        assert_eq!(keys(account), set(&summary));
    }
    assert_eq!(
        keys(&overview["daemon"]),
        set(&[
            "version",
            "started_at",
            "phase",
            "schema_version",
            "protected",
            "links",
            "journal",
            "alarms",
            "rules_loaded_at",
        ])
    );
    let lock = &overview["accounts"][0]["lock"];
    assert_eq!(keys(lock), set(&["rule_id", "reason", "locked_at", "locked_until"]));
    assert_eq!(
        (&lock["rule_id"], &lock["locked_until"]),
        (&json!("RULE-003"), &json!(desk.ground.next_reset.to_string()))
    );
    let nearest = &overview["accounts"][0]["nearest"];
    assert_eq!(keys(nearest), set(&GAUGE));
    assert_eq!((&nearest["rule"], &nearest["unit"]), (&json!("daily_realized_loss"), &json!("dollars")));
    assert!(nearest["fraction"].as_f64().unwrap() >= 1.0, "{nearest}");
    assert_eq!(&overview["accounts"][0]["nearest_dollars"], nearest, "the nearest of all is in dollars");
    assert_eq!(overview["accounts"][0]["nearest_contracts"], json!(null), "no limit on contracts is configured");
    let path = format!("/api/v1/accounts/{NEIGHBOUR}");
    let held = desk.until(&path, |account| account["positions"] == 1 && account["orders"] == 1).await;
    let mut detail = SUMMARY.to_vec();
    detail.extend(["gauges", "positions_open", "orders_open", "rules"]);
    assert_eq!(keys(&held), set(&detail));
    let position = &held["positions_open"][0];
    assert_eq!(
        keys(position),
        set(&[
            "id",
            "contract_id",
            "name",
            "side",
            "size",
            "average_price",
            "last_price",
            "unrealized_pnl",
            "stale",
            "opened_at",
        ])
    );
    assert_eq!((&position["side"], &position["size"]), (&json!("long"), &json!(2)));
    let order = &held["orders_open"][0];
    assert_eq!(
        (&order["side"], &order["type"], &order["limit_price"]),
        (&json!("buy"), &json!("limit"), &json!(2000.0))
    );
    assert_eq!(keys(&held["rules"][0]), set(&["rule_id", "rule", "sentence", "armed", "reason"]));
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_curve_follows_its_pnl_and_shows_its_limits() {
    let desk = Desk::open(REALIZED).await;
    let path = format!("/api/v1/accounts/{TRADER}/curve");
    desk.ground.buy(TRADER, &es(), 1);
    within(desk.ground.controls().until_subscribed(Topic::Quotes(es()))).await;
    desk.ground.controls().tick(&es(), points("2648")).unwrap();
    let last = |curve: &Value| curve["points"].as_array().unwrap().last().unwrap()[2].as_f64().unwrap();
    let curve = desk.until(&path, |curve| last(curve) <= -50.0).await;
    assert_eq!(
        curve["limits"],
        json!([{ "rule_id": "RULE-003", "rule": "daily_realized_loss", "of": "realized", "value": -500.0 }])
    );
    let times: Vec<i64> = curve["points"].as_array().unwrap().iter().map(|point| point[0].as_i64().unwrap()).collect();
    assert!(times.is_sorted() && times.len() <= 2000, "{times:?}");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_comes_in_pages_and_through_filters() {
    let desk = Desk::open(CLOSE_ALL).await;
    // Five enforcements of one account, two of the other.
    for (account, times) in [(TRADER, 5), (NEIGHBOUR, 2)] {
        for count in 1..=times {
            desk.ground.buy(account, &es(), 6);
            let path = format!("/api/v1/enforcements?account={account}");
            desk.until(&path, |page| {
                let rows = page["items"].as_array().unwrap();
                rows.len() == count && rows.iter().all(|row| row["success"] == true)
            })
            .await;
        }
    }
    let first = desk.get("/api/v1/enforcements?limit=3").await.json();
    assert_eq!(
        keys(&first["items"][0]),
        set(&[
            "id",
            "at",
            "account_id",
            "rule_id",
            "action",
            "reason",
            "success",
            "status",
            "execution_time_ms",
            "positions_closed",
            "orders_cancelled",
            "lockout_until",
            "pnl",
            "error",
        ])
    );
    let mut seen: Vec<i64> = Vec::new();
    let mut next = Value::Null;
    loop {
        let before = next.as_i64().map(|id| format!("&before={id}")).unwrap_or_default();
        let page = desk.get(&format!("/api/v1/enforcements?limit=3{before}")).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        next = page["next_before"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
    let tomorrow = (desk.ground.clock.now() + SignedDuration::from_hours(24)).to_string();
    for (query, count) in [
        ("", 7),
        ("?account=1001", 5),
        ("?account=1002&rule=RULE-001", 2),
        ("?rule=RULE-003", 0),
        ("?failed=true", 0),
        ("?failed=false", 7),
        ("?slow_ms=3600000", 0),
        ("?slow_ms=0&account=1002&limit=1", 1),
        ("?since=2020-01-01T00:00:00Z", 7),
        (&format!("?since={tomorrow}"), 0),
        ("?account=-5", 0),
    ] {
        let page = desk.get(&format!("/api/v1/enforcements{query}")).await.json();
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}: {page}");
    }
    let latency = desk.get("/api/v1/enforcements/latency").await.json();
    assert_eq!(latency["rules"][0]["rule_id"], "RULE-001");
    assert_eq!(latency["rules"][0]["count"], 7);
    assert_eq!(latency["trend"].as_array().unwrap().iter().map(|day| day["count"].as_i64().unwrap()).sum::<i64>(), 7);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_rules_and_database_have_their_shapes() {
    let desk = Desk::open(REALIZED).await;
    desk.ground.lose(TRADER);
    desk.ground.until_flat(TRADER).await;
    let path = format!("/api/v1/accounts/{TRADER}/history?days=5");
    let history = desk.until(&path, |history| history["worst"].is_object()).await;
    assert_eq!(keys(&history["days"][0]), set(&["date", "realized_pnl", "unrealized_pnl"]));
    assert!(history["worst"]["pnl"].as_f64().unwrap() <= -500.0, "{history}");
    let rules = desk.get("/api/v1/rules").await.json();
    assert_eq!(rules["strict_mode"], false);
    let of_the_trader = &rules["accounts"][0]["rules"][0];
    assert_eq!((&of_the_trader["rule_id"], &of_the_trader["armed"]), (&json!("RULE-003"), &json!(true)));
    assert!(of_the_trader["sentence"].as_str().unwrap().contains("$500.00"), "{of_the_trader}");
    let database = desk.get("/api/v1/database").await.json();
    assert_eq!(
        keys(&database),
        set(&[
            "path",
            "schema_version",
            "head_version",
            "size_bytes",
            "wal_bytes",
            "journal_mode",
            "migrations",
            "backups",
            "integrity",
            "tables",
        ])
    );
    assert_eq!(database["schema_version"], database["head_version"]);
    assert_eq!(database["journal_mode"], "wal");
    assert!(database["tables"].as_array().unwrap().iter().any(|table| table["name"] == "enforcement_log"));
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_answered_is_a_problem() {
    let desk = Desk::open(REALIZED).await;
    for (path, status, kind) in [
        ("/api/v1/nothing", 404, "not-found"),
        ("/nothing.html", 404, "not-found"),
        ("/../Cargo.toml", 404, "not-found"),
        ("/api/v1/accounts/999", 404, "not-found"),
        ("/api/v1/accounts/x", 400, "bad-request"),
        ("/api/v1/accounts/1001/history?days=0", 400, "bad-request"),
        ("/api/v1/accounts/1001/history?days=367", 400, "bad-request"),
        ("/api/v1/enforcements?limit=0", 400, "bad-request"),
        ("/api/v1/enforcements?limit=501", 400, "bad-request"),
        ("/api/v1/enforcements?limit=-1", 400, "bad-request"),
        ("/api/v1/enforcements?rule=RULE-099", 400, "bad-request"),
        ("/api/v1/enforcements?since=yesterday", 400, "bad-request"),
        ("/api/v1/enforcements?acount=1001", 400, "bad-request"),
        ("/api/v1/enforcements?before=77", 404, "not-found"),
        ("/api/v1/stream", 400, "bad-request"),
    ] {
        let answer = desk.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        answer.assert_problem(status, kind);
    }
    for (method, path) in
        [("DELETE", "/api/v1/overview"), ("PUT", "/api/v1/rules"), ("POST", "/"), ("GET", "/api/v1/session")]
    {
        let ask = Ask::get(path).method(method).header("X-Riskd", "1").header("Content-Type", "application/json");
        desk.ask(ask).await.assert_problem(405, "method-not-allowed");
    }
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_speaks_of_every_route_and_the_page_is_inside_the_program() {
    let desk = Desk::open(REALIZED).await;
    let document = desk.get("/api/v1/openapi.json").await.json();
    let paths = keys(&document["paths"]);
    for path in [
        "/api/v1/overview",
        "/api/v1/accounts/{id}",
        "/api/v1/accounts/{id}/curve",
        "/api/v1/accounts/{id}/history",
        "/api/v1/enforcements",
        "/api/v1/enforcements/latency",
        "/api/v1/rules",
        "/api/v1/database",
        "/api/v1/stream",
        "/api/v1/session",
        "/api/v1/admin/login",
        "/api/v1/admin/logout",
        "/api/v1/admin/session",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        assert!(paths.contains(path), "{path} is not in {paths:?}");
    }
    let page = desk.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let unchanged = desk.ask(Ask::get("/").header("If-None-Match", page.header("etag"))).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let squeezed = desk.ask(Ask::get("/api/v1/openapi.json").header("Accept-Encoding", "gzip")).await;
    assert_eq!(squeezed.header("content-encoding"), "gzip");
    assert!(squeezed.body.len() < document.to_string().len() / 2);
    desk.close().await;
}
