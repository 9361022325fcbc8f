//! `enforcement_log`: one row an enforcement, updated as it comes along.
//!
//! What has no column is kept in `details`, a JSON object with the keys `positions_closed`, `orders_cancelled`,
//! `lockout_until`, `pnl_at_enforcement`, `error_message`, `status` and `goal`. Older programs wrote other keys, null, or
//! no JSON at all: what cannot be understood there reads as not said, never as an error. `goal` stands only while the
//! broker has something left to show.

use std::borrow::Cow;

use jiff::Timestamp;
use riskd_core::engine::Goal;
use riskd_core::model::{
    EnforcementAction, EnforcementId, EnforcementLog, EnforcementLogDraft, EnforcementStatus, Invalid, Money, Noun,
};
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

use super::{Cells, Table};
use crate::timestamp::{self, to_text};

pub(crate) const TABLE: Table = Table {
    name: "enforcement_log",
    noun: Noun::EnforcementLog,
    columns: &[
        "id",
        "timestamp",
        "account_id",
        "rule_id",
        "action",
        "reason",
        "success",
        "details",
        "execution_time_ms",
    ],
};

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<EnforcementLog, Invalid> {
    read(cells, &details(cells))
}

/// A row that is still pending, with what the broker must show; absent when the row is not pending after all.
///
/// # Errors
///
/// A pending row that does not say what it must reach is refused, unless its action says it: an account that was being
/// closed is closed.
pub(crate) fn pending_from_cells(cells: &Cells<'_>) -> Result<Option<(EnforcementLog, Goal)>, Invalid> {
    let details = details(cells);
    if status(&details) != EnforcementStatus::Pending {
        return Ok(None);
    }
    let log = read(cells, &details)?;
    let said = details.get("goal").cloned().unwrap_or(Value::Null);
    let goal = serde_json::from_value(said.clone()).ok().or(match log.action {
        EnforcementAction::CloseAllAndLockout => Some(Goal::Flat { cancel_orders: true }),
        EnforcementAction::CloseAllPositions => Some(Goal::Flat { cancel_orders: false }),
        _ => None,
    });
    goal.map(|goal| Some((log, goal))).ok_or_else(|| {
        Invalid::new(Noun::EnforcementLog, "goal", said, "a pending enforcement must say what it has to reach")
    })
}

/// Writes a row, new or further along.
pub(crate) fn put(connection: &Connection, log: &EnforcementLog, goal: Option<&Goal>) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO enforcement_log
                 (id, timestamp, account_id, rule_id, action, reason, success, details, execution_time_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET
                 timestamp = excluded.timestamp, account_id = excluded.account_id, rule_id = excluded.rule_id,
                 action = excluded.action, reason = excluded.reason, success = excluded.success,
                 details = excluded.details, execution_time_ms = excluded.execution_time_ms",
        )?
        .execute(params![
            log.id.map(|id| id.0),
            to_text(log.timestamp),
            log.account_id.0,
            log.rule_id.to_string(),
            log.action.as_str(),
            log.reason,
            log.success,
            details_text(log, goal),
            log.execution_time_ms,
        ])
}

/// Whether a row of the log, by its `success` and `details`, still has something to reach. What cannot be told counts as
/// not pending, as in rows of older programs.
pub(crate) fn is_pending(success: bool, details: Option<&str>) -> bool {
    !success && status(&parse_details(details)) == EnforcementStatus::Pending
}

fn read(cells: &Cells<'_>, details: &Map<String, Value>) -> Result<EnforcementLog, Invalid> {
    EnforcementLog::new(EnforcementLogDraft {
        id: Some(EnforcementId(cells.integer("id")?)),
        timestamp: cells.time("timestamp")?,
        account_id: cells.account_id()?,
        rule_id: cells.rule_id()?,
        action: EnforcementAction::from_text(cells.text("action")?),
        reason: cells.text("reason")?.to_owned(),
        success: cells.boolean("success")?,
        status: status(details),
        error_message: text(details, "error_message").map(Cow::into_owned),
        positions_closed: count(details, "positions_closed"),
        orders_cancelled: count(details, "orders_cancelled"),
        lockout_until: time(details, "lockout_until"),
        pnl_at_enforcement: money(details, "pnl_at_enforcement"),
        execution_time_ms: cells.optional_integer("execution_time_ms")?,
    })
}

fn details(cells: &Cells<'_>) -> Map<String, Value> {
    parse_details(cells.optional_text("details").ok().flatten())
}

fn parse_details(text: Option<&str>) -> Map<String, Value> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn details_text(log: &EnforcementLog, goal: Option<&Goal>) -> String {
    let mut details = serde_json::json!({
        "positions_closed": log.positions_closed,
        "orders_cancelled": log.orders_cancelled,
        "lockout_until": log.lockout_until.map(timestamp::to_text_rounded_up),
        "pnl_at_enforcement": log.pnl_at_enforcement.map(Money::to_f64),
        "error_message": log.error_message,
        "status": log.status.as_str(),
    });
    if let Some(goal) = goal {
        // Numbers, names and lists of them: nothing in a goal can fail to be JSON.
        details["goal"] = serde_json::to_value(goal).unwrap_or(Value::Null);
    }
    details.to_string()
}

fn status(details: &Map<String, Value>) -> EnforcementStatus {
    details.get("status").and_then(Value::as_str).map_or_else(EnforcementStatus::default, EnforcementStatus::from_text)
}

fn text<'a>(details: &'a Map<String, Value>, key: &str) -> Option<Cow<'a, str>> {
    match details.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// A count; of a list, its length. Anything else, and anything below zero, was not said.
fn count(details: &Map<String, Value>, key: &str) -> i64 {
    let count = match details.get(key) {
        Some(Value::Array(items)) => i64::try_from(items.len()).ok(),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    count.unwrap_or(0).max(0)
}

fn money(details: &Map<String, Value>, key: &str) -> Option<Money> {
    match details.get(key)? {
        Value::Number(number) => Money::parse(&number.to_string()).ok(),
        Value::String(text) => Money::parse(text).ok(),
        _ => None,
    }
}

fn time(details: &Map<String, Value>, key: &str) -> Option<Timestamp> {
    timestamp::from_text(details.get(key)?.as_str()?, Noun::EnforcementLog, "lockout_until").ok()
}
