//! A daemon's answers, and an app that was told them.

use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use riskd::tui::{Answer, App, Event, Question, Tab, draw};
use serde_json::{Value, json};

pub(crate) fn now() -> Timestamp {
    "2026-11-20T15:31:00Z".parse().unwrap()
}

fn gauge(rule_id: &str, rule: &str, used: f64, limit: f64) -> Value {
    let unit = if rule == "max_contracts" { "contracts" } else { "dollars" };
    json!({"rule_id": rule_id, "rule": rule, "unit": unit, "used": used, "limit": limit, "left": limit - used,
           "fraction": used / limit, "contract_id": null})
}

fn account(id: i64, name: &str, realized: f64, nearest: Value) -> Value {
    json!({"id": id, "name": name, "can_trade": true, "certain": true, "time_zone": "America/Chicago",
           "trading_day": "2026-11-20", "day_starts_at": "2026-11-19T23:00:00Z", "day_ends_at": "2026-11-20T23:00:00Z",
           "realized_pnl": realized, "unrealized_pnl": -90.5, "unpriced_positions": 0, "positions": 2, "contracts": 4,
           "orders": 1, "lock": null, "pending_enforcements": 0, "not_armed": 0, "nearest": nearest})
}

/// Everything `GET /api/v1/overview` says.
pub(crate) fn overview() -> Value {
    let mut locked = account(1001, "Combine 50K", -512.5, gauge("RULE-003", "daily_realized_loss", 512.5, 500.0));
    locked["lock"] = json!({"rule_id": "RULE-003", "reason": "realized loss of $512.50, limit $500.00",
        "locked_at": "2026-11-20T15:01:00Z", "locked_until": "2026-11-20T23:00:00Z"});
    locked["pending_enforcements"] = json!(1);
    let near = account(1002, "Ann", -410.0, gauge("RULE-003", "daily_realized_loss", 410.0, 500.0));
    let mut uncertain = account(1003, "A very long account name", 1_234.5, Value::Null);
    uncertain["certain"] = json!(false);
    uncertain["not_armed"] = json!(2);
    let mut quiet = account(1004, "", 0.0, Value::Null);
    quiet["unrealized_pnl"] = json!(0.0);
    json!({
        "at": now().to_string(),
        "daemon": {"version": "2.0.0", "started_at": "2026-11-20T13:00:00Z", "phase": "watching", "schema_version": 2,
            "protected": true, "links": {"user": {"up": true, "since": "2026-11-20T13:00:00Z"},
            "market": {"up": true, "since": "2026-11-20T13:00:00Z"}}, "journal": {"failing": false}, "alarms": [],
            "rules_loaded_at": "2026-11-20T13:00:00Z"},
        "accounts": [locked, near, uncertain, quiet],
    })
}

/// The same, with all that can be wrong.
pub(crate) fn trouble() -> Value {
    let mut overview = overview();
    let daemon = &mut overview["daemon"];
    daemon["links"]["user"] = json!({"up": false, "since": "2026-11-20T15:30:20Z"});
    daemon["journal"]["failing"] = json!(true);
    daemon["protected"] = json!(false);
    daemon["alarms"] = json!([
        {"code": "rules_not_armed", "severity": "critical", "message": "enabled in the config and NOT ARMED: RULE-006",
         "since": "2026-11-20T13:00:00Z"},
        {"code": "backup_failed", "severity": "warning", "message": "a backup could not be made: \u{1b}[2J no space",
         "since": "2026-11-20T13:00:00Z"},
        {"code": "broker_link_down", "severity": "critical", "message": "told by a banner of its own",
         "since": "2026-11-20T13:00:00Z"},
    ]);
    overview
}

fn rules() -> Value {
    json!([
        {"rule_id": "RULE-001", "rule": "max_contracts", "sentence": "At most 5 contracts net; a breach closes everything.",
         "armed": true, "reason": null},
        {"rule_id": "RULE-006", "rule": "trade_frequency_limit", "sentence": "", "armed": false,
         "reason": "this version does not have it"},
    ])
}

/// What the daemon answers to a path.
pub(crate) fn answer(path: &str) -> Value {
    match path {
        "overview" => overview(),
        "rules" => {
            json!({"strict_mode": false, "accounts": [{"id": 1001, "rules": rules()}, {"id": 1002, "rules": rules()}]})
        }
        "database" => json!({"path": "data/state.db", "schema_version": 2, "head_version": 2, "size_bytes": 81_920_000,
            "wal_bytes": 4_120, "journal_mode": "wal",
            "migrations": [{"version": 2, "applied_at": "2026-11-20T12:59:59Z", "description": "analytics indexes",
                "execution_time_ms": 812, "success": true, "error": null}],
            "backups": [{"path": "data/backups/state.v1.db", "version": 1, "size_bytes": 1_000_000,
                "made_at": "2026-11-20T12:59:58Z", "verified": true}],
            "integrity": {"checked_at": null, "ok": null}, "tables": [{"name": "enforcement_log", "rows": 20_003}]}),
        path if path.starts_with("accounts/") => {
            let mut account = overview()["accounts"][0].clone();
            account["fees"] = json!(12.4);
            account["gauges"] = json!([
                gauge("RULE-003", "daily_realized_loss", 512.5, 500.0),
                gauge("RULE-001", "max_contracts", 4.0, 5.0)
            ]);
            account["positions_open"] = json!([
                {"id": 1, "contract_id": "CON.F.US.MNQ.Z26", "name": "MNQZ6", "side": "long", "size": 2,
                 "average_price": 24812.25, "last_price": 24790.5, "unrealized_pnl": -87.0, "stale": true, "opened_at": "2026-11-20T15:00:00Z"},
                {"id": 2, "contract_id": "CON.F.US.MES.Z26", "name": "MESZ6", "side": "short", "size": 1,
                 "average_price": 6750.0, "last_price": null, "unrealized_pnl": null, "stale": false, "opened_at": "2026-11-20T15:00:00Z"}]);
            account["orders_open"] = json!([{"id": 9, "contract_id": "CON.F.US.MNQ.Z26", "name": "MNQZ6", "side": "sell",
                "type": "stop", "size": 2, "limit_price": null, "stop_price": 24700.0, "state": "working", "created_at": "2026-11-20T15:00:00Z"}]);
            account["rules"] = rules();
            account
        }
        path if path.starts_with("enforcements") => json!({"items": log(30), "next_before": null}),
        _ => Value::Null,
    }
}

/// So many enforcements, the newest first: every tenth failed, every seventh slow, the newest pending.
fn log(count: i64) -> Vec<Value> {
    (1..=count)
        .rev()
        .map(|id| {
            let at = now() - SignedDuration::from_mins(count - id);
            let pending = id == count;
            json!({"id": id, "at": at.to_string(), "account_id": 1001 + id % 2, "rule_id": "RULE-003",
                "action": "CLOSE_ALL_AND_LOCKOUT", "reason": format!("realized loss of ${}.00, limit $500.00", 500 + id),
                "success": id % 10 != 0 && !pending, "status": if pending { "pending" } else { "confirmed" },
                "execution_time_ms": if pending { Value::Null } else { json!(if id % 7 == 0 { 2_412 } else { 212 }) },
                "positions_closed": 2, "orders_cancelled": 1, "error": null})
        })
        .collect()
}

/// An app that was told everything.
pub(crate) fn told(size: (u16, u16), tab: Tab, overview: &Value) -> App {
    let mut app = App::new("http://127.0.0.1:8765", Size::new(size.0, size.1), now());
    app.take(Event::Overview(Box::new(serde_json::from_value(overview.clone()).unwrap())), now());
    for tab in [Tab::Account, Tab::Log, Tab::Rules, Tab::Database] {
        app.tab = tab;
        for question in app.wanted() {
            app.take(Event::Answered(question, Ok(answered(question))), now());
        }
    }
    app.tab = tab;
    app
}

fn answered(question: Question) -> Answer {
    let read = |path: &str| answer(path);
    match question {
        Question::Account(id) => Answer::Account(serde_json::from_value(read(&format!("accounts/{id}"))).unwrap()),
        Question::Log { .. } => Answer::Log(serde_json::from_value(read("enforcements")).unwrap()),
        Question::Rules => Answer::Rules(serde_json::from_value(read("rules")).unwrap()),
        Question::Database => Answer::Database(serde_json::from_value(read("database")).unwrap()),
    }
}

/// What is on the screen, line by line.
pub(crate) fn screen(app: &App) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(app.size.width, app.size.height)).unwrap();
    terminal.draw(|frame| draw(frame, app, true)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(buffer.area.width).max(1));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}
