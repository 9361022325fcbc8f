//! Python's sqlite3 as a witness of what is in the file.

use std::process::Command;

use riskd_core::engine::{Goal, Write};
use riskd_core::model::*;
use riskd_store::{Clock, Writer, WriterOptions};

use super::support::*;

#[test]
fn the_documented_queries_are_right_for_what_this_program_writes() {
    let state = State::new();
    // These queries ask SQLite for the time, so this test must write the real one.
    let real = Timestamp::now();
    let hours_ago = |hours: i64| real.checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
    let moved = |id, updated_at: Timestamp| {
        let draft = PositionDraft { created_at: hours_ago(30), updated_at, ..position(id, 1).into_draft() };
        Write::PutPosition(Position::new(draft, &Checks::at(real)).unwrap())
    };
    let log = EnforcementLogDraft { timestamp: real, execution_time_ms: Some(1500), ..enforcement_draft(1) };
    let writer = Writer::open(&state.path, WriterOptions::new(Clock::fixed(real))).unwrap();
    writer
        .write(vec![
            moved(1, real),
            moved(2, hours_ago(2)),
            moved(3, hours_ago(25)),
            Write::PutOrder(order(7, OrderState::Working)),
            Write::PutLockout(lockout(None)),
            Write::PutEnforcement { log: enforcement(log), goal: Some(Goal::Flat { cancel_orders: true }) },
        ])
        .unwrap();
    // The writer is still at work: another program reads beside it.
    let script = r#"
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
one = lambda sql: db.execute(sql).fetchall()
assert one("PRAGMA integrity_check") == [("ok",)]
print(json.dumps({
    "last hour": one("SELECT id FROM positions WHERE updated_at > datetime('now','-1 hour')"),
    "last day": one("SELECT id FROM positions WHERE updated_at > datetime('now','-1 day') ORDER BY id"),
    "future": one("SELECT id FROM positions WHERE updated_at > datetime('now','+1 minute')"),
    "failed": one("SELECT rule_id, action FROM enforcement_log WHERE success = 0 AND timestamp > datetime('now','-1 hour')"),
    "slow": one("SELECT typeof(execution_time_ms), execution_time_ms FROM enforcement_log WHERE execution_time_ms > 1000"),
    "pnl": one("SELECT json_extract(details,'$.pnl_at_enforcement'), json_extract(details,'$.goal.flat.cancel_orders') FROM enforcement_log"),
    "working": one("SELECT id, typeof(limit_price), limit_price, stop_price FROM orders WHERE state = 2 AND account_id = 123"),
    "locked": one("SELECT account_id, is_locked, locked_until FROM lockouts WHERE is_locked = 1"),
}))
"#;
    let output = Command::new("python3").arg("-c").arg(script).arg(&state.path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        found,
        serde_json::json!({
            "last hour": [[1]],
            "last day": [[1], [2]],
            "future": [],
            "failed": [["RULE-003", "CLOSE_ALL_AND_LOCKOUT"]],
            "slow": [["integer", 1500]],
            "pnl": [[-512.5, 1]],
            "working": [[7, "real", 24790.25, 24795.5]],
            "locked": [[123, 1, null]],
        })
    );
}
