//! The daily clean-up: what is older than it need be leaves, a few rows at a time.
//!
//! A row goes when the instant it holds lies before the limit, whichever form that was written in. A row whose time cannot
//! be read stays, and so does an enforcement that is still pending, however old.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use riskd_core::model::Noun;
use rusqlite::{Connection, params};

use crate::audit::{self, Trail};
use crate::tables::{daily_pnl, daily_unrealized_pnl, enforcement_log, trade_history};
use crate::timestamp::{self, end_text, utc_date};

/// Rows looked at in one step, which is one transaction: about a millisecond, so that no enforcement waits longer.
const ROWS_A_STEP: usize = 200;

/// How many days each table keeps. A row exactly so old stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// `trade_history`, by the time of execution. Default 7.
    pub trade_history_days: u32,
    /// `daily_pnl`, by the day. Default 90.
    pub daily_pnl_days: u32,
    /// `enforcement_log`, by the time of the decision. Default 365.
    pub enforcement_log_days: u32,
    /// `daily_unrealized_pnl`, by the day; absent leaves the table alone, as with the feature turned off. Default 7.
    pub daily_unrealized_pnl_days: Option<u32>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            trade_history_days: 7,
            daily_pnl_days: 90,
            enforcement_log_days: 365,
            daily_unrealized_pnl_days: Some(7),
        }
    }
}

/// What a clean-up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanUpReport {
    /// Rows deleted from `trade_history`.
    pub trade_history: u64,
    /// Rows deleted from `daily_pnl`.
    pub daily_pnl: u64,
    /// Rows deleted from `enforcement_log`.
    pub enforcement_log: u64,
    /// Rows deleted from `daily_unrealized_pnl`.
    pub daily_unrealized_pnl: u64,
    /// Entries deleted from `audit_trail`.
    pub audit_trail: u64,
    /// Enforcements old enough to go, kept because they are still pending.
    pub pending_kept: u64,
    /// Rows kept because their time cannot be read.
    pub unreadable_kept: u64,
}

/// A clean-up on its way through the tables.
pub(crate) struct Sweep {
    stages: Vec<Stage>,
    /// Entries of the audit trail from before it go, last of all; absent once they are gone.
    trail_limit: Option<Timestamp>,
    report: CleanUpReport,
}

/// What is left to do in one table.
struct Stage {
    table: SweptTable,
    limit: Limit,
    /// The last row looked at: its text, and its number among those of the same text.
    after: (String, i64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SweptTable {
    TradeHistory,
    DailyPnl,
    EnforcementLog,
    DailyUnrealizedPnl,
}

/// What lies before it goes.
#[derive(Clone, Copy)]
enum Limit {
    Instant(Timestamp),
    Day(Date),
}

impl Sweep {
    pub(crate) fn new(retention: Retention, now: Timestamp) -> Self {
        let instant = |days| Limit::Instant(days_before(now, days));
        let day = |days| Limit::Day(utc_date(days_before(now, days)));
        let tables = [
            (SweptTable::TradeHistory, Some(instant(retention.trade_history_days))),
            (SweptTable::DailyPnl, Some(day(retention.daily_pnl_days))),
            (SweptTable::EnforcementLog, Some(instant(retention.enforcement_log_days))),
            (SweptTable::DailyUnrealizedPnl, retention.daily_unrealized_pnl_days.map(day)),
        ];
        let stage = |(table, limit): (SweptTable, Option<Limit>)| {
            limit.map(|limit| Stage { table, limit, after: (String::new(), i64::MIN) })
        };
        Self {
            stages: tables.into_iter().rev().filter_map(stage).collect(),
            trail_limit: Some(days_before(now, retention.enforcement_log_days)),
            report: CleanUpReport::default(),
        }
    }

    /// Looks at the next rows and deletes those that are too old. The report once there is nothing more to look at.
    ///
    /// With an audit trail, it is told of every enforcement that goes, and its own old entries go with an entry that says
    /// so.
    pub(crate) fn step(
        &mut self,
        connection: &Connection,
        trail: Option<&mut Trail>,
        now: Timestamp,
    ) -> rusqlite::Result<Option<CleanUpReport>> {
        // The report grows only when the step's transaction does: a failed clean-up gives none.
        if let Some(stage) = self.stages.last_mut() {
            if stage.step(connection, trail, now, &mut self.report)? {
                self.stages.pop();
            }
        } else if let (Some(limit), Some(trail)) = (self.trail_limit, trail) {
            let (removed, done) = audit::trim_step(connection, trail, limit, now)?;
            self.report.audit_trail += removed;
            if done {
                self.trail_limit = None;
            }
        } else {
            self.trail_limit = None;
        }
        Ok((self.stages.is_empty() && self.trail_limit.is_none()).then_some(self.report))
    }
}

impl Stage {
    /// Whether the table is done.
    fn step(
        &mut self,
        connection: &Connection,
        trail: Option<&mut Trail>,
        now: Timestamp,
        report: &mut CleanUpReport,
    ) -> rusqlite::Result<bool> {
        if self.table == SweptTable::DailyUnrealizedPnl
            && !connection.table_exists(None, daily_unrealized_pnl::TABLE.name)?
        {
            return Ok(true);
        }
        let (name, column, extra) = self.table.names();
        // Text that begins with a later date than the limit allows is never looked at; numbers and null sort before text.
        let sql = format!(
            "SELECT rowid, {column}, {extra} FROM {name}
             WHERE {column} >= ?1 AND {column} < ?2 AND ({column} > ?1 OR rowid > ?3)
             ORDER BY {column}, rowid LIMIT {ROWS_A_STEP}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params![self.after.0, self.limit.end_text(), self.after.1])?;
        let mut looked_at = 0;
        let mut too_old = Vec::new();
        while let Some(row) = rows.next()? {
            let rowid: i64 = row.get(0)?;
            let text = String::from_utf8_lossy(row.get_ref(1)?.as_bytes().unwrap_or_default()).into_owned();
            if (text.as_str(), rowid) <= (self.after.0.as_str(), self.after.1) {
                // Bytes that are no UTF-8 sort otherwise than what is shown of them: never walk in a circle.
                continue;
            }
            looked_at += 1;
            match self.limit.is_after(&text) {
                None => report.unreadable_kept += 1,
                Some(false) => {}
                Some(true) if self.table.is_pending(row)? => report.pending_kept += 1,
                Some(true) => too_old.push(rowid),
            }
            self.after = (text, rowid);
        }
        drop(rows);
        let mut delete = connection.prepare_cached(&format!("DELETE FROM {name} WHERE rowid = ?1"))?;
        for rowid in &too_old {
            delete.execute([rowid])?;
        }
        if self.table == SweptTable::EnforcementLog
            && !too_old.is_empty()
            && let (Some(trail), Limit::Instant(limit)) = (trail, self.limit)
        {
            trail.record_removed(connection, &too_old, limit, now)?;
        }
        *self.table.counted_in(report) += too_old.len() as u64;
        Ok(looked_at < ROWS_A_STEP)
    }
}

impl SweptTable {
    /// The table, its column of time, and what else must be known of a row.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::TradeHistory => (trade_history::TABLE.name, "timestamp", "NULL"),
            Self::DailyPnl => (daily_pnl::TABLE.name, "date", "NULL"),
            Self::EnforcementLog => (enforcement_log::TABLE.name, "timestamp", "success, details"),
            Self::DailyUnrealizedPnl => (daily_unrealized_pnl::TABLE.name, "timestamp", "NULL"),
        }
    }

    fn is_pending(self, row: &rusqlite::Row<'_>) -> rusqlite::Result<bool> {
        if self != Self::EnforcementLog {
            return Ok(false);
        }
        let success = row.get_ref(2)?.as_i64() == Ok(1);
        Ok(enforcement_log::is_pending(success, row.get_ref(3)?.as_str().ok()))
    }

    fn counted_in(self, report: &mut CleanUpReport) -> &mut u64 {
        match self {
            Self::TradeHistory => &mut report.trade_history,
            Self::DailyPnl => &mut report.daily_pnl,
            Self::EnforcementLog => &mut report.enforcement_log,
            Self::DailyUnrealizedPnl => &mut report.daily_unrealized_pnl,
        }
    }
}

impl Limit {
    /// A text after that of every row to look at.
    fn end_text(self) -> String {
        match self {
            Self::Instant(limit) => end_text(limit),
            Self::Day(limit) => limit.to_string(),
        }
    }

    /// Whether the limit lies after what the text says; absent when it says no time.
    fn is_after(self, text: &str) -> Option<bool> {
        match self {
            // The noun only names the refusal, which nobody sees here.
            Self::Instant(limit) => Some(timestamp::from_text(text, Noun::Trade, "timestamp").ok()? < limit),
            Self::Day(limit) => Some(timestamp::parse_date(text.get(..10)?)? < limit),
        }
    }
}

fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}
