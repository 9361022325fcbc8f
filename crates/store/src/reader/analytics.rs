//! The questions that the second version of the schema has indexes for.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use riskd_core::model::{AccountId, DailyUnrealizedPnl, Noun, Order, OrderState, Position};
use rusqlite::{Connection, params};

use super::{PageKey, Reader, text_after};
use crate::error::StoreError;
use crate::tables::{Rows, Unreadable, daily_unrealized_pnl, exists, orders, positions};
use crate::timestamp::{self, first_text, text_range, utc_date};

/// How long the enforcements of one rule took, from decision to confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionTimesOfRule {
    /// The rule as the log spells it: older programs may have used names that no rule has now.
    pub rule_id: String,
    /// Enforcements whose time is known.
    pub enforcements: i64,
    /// Mean, in milliseconds.
    pub mean_ms: f64,
    /// The fastest, in milliseconds.
    pub min_ms: i64,
    /// The slowest, in milliseconds.
    pub max_ms: i64,
}

/// How long the enforcements of one day took.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionTimeOfDay {
    /// The day, in UTC.
    pub date: Date,
    /// Enforcements whose time is known.
    pub enforcements: i64,
    /// Mean, in milliseconds.
    pub mean_ms: f64,
    /// The slowest, in milliseconds.
    pub max_ms: i64,
}

/// An account's unrealized P&L at the resets of some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnrealizedHistory {
    /// The days there are, newest first.
    pub days: Rows<DailyUnrealizedPnl>,
    /// The worst of them; the latest of several.
    pub worst: Option<DailyUnrealizedPnl>,
    /// The best of them; the latest of several.
    pub best: Option<DailyUnrealizedPnl>,
}

/// Keys only: the index holds them, and most rows of the days it must be asked for lie outside the range.
pub(super) const POSITIONS_UPDATED: &str =
    "SELECT id, updated_at FROM positions WHERE updated_at >= ?1 ORDER BY updated_at DESC";
pub(super) const ORDERS_IN_STATE: &str = "WHERE state = ?1 AND account_id = ?2 ORDER BY id";
pub(super) const EXECUTION_TIMES_EVER: &str =
    "SELECT rule_id, COUNT(execution_time_ms), AVG(execution_time_ms), MIN(execution_time_ms), MAX(execution_time_ms)
     FROM enforcement_log WHERE typeof(execution_time_ms) = 'integer' GROUP BY rule_id ORDER BY rule_id";
pub(super) const EXECUTION_TIMES: &str = "SELECT rule_id, timestamp, execution_time_ms FROM enforcement_log
     WHERE timestamp >= ?1 AND timestamp < ?2 AND execution_time_ms IS NOT NULL";
pub(super) const UNREALIZED_HISTORY: &str =
    "WHERE account_id = ?1 AND timestamp >= ?2 AND timestamp < ?3 ORDER BY timestamp DESC";

impl Reader {
    /// Positions that changed at or after `since`, the latest first.
    ///
    /// # Errors
    ///
    /// The file cannot be read. The same goes for every query below.
    pub fn positions_updated_since(&self, since: Timestamp, now: Timestamp) -> Result<Rows<Position>, StoreError> {
        let checks = self.checks(now);
        self.with_snapshot(|connection| {
            let (keys, unreadable) =
                keys_updated_since(connection, since).map_err(StoreError::sqlite("read the table positions"))?;
            let mut found = Rows { rows: Vec::with_capacity(keys.len()), unreadable };
            for PageKey { id, .. } in keys {
                let row = positions::TABLE
                    .read(connection, "WHERE id = ?1", [id], |cells| positions::from_cells(cells, &checks))?;
                found.rows.extend(row.rows);
                found.unreadable.extend(row.unreadable);
            }
            Ok(found)
        })
    }

    /// Orders of an account that are in the market.
    pub fn working_orders(&self, account_id: AccountId, now: Timestamp) -> Result<Rows<Order>, StoreError> {
        let checks = self.checks(now);
        let state = OrderState::Working.database_code();
        self.with(|connection| {
            orders::TABLE
                .read(connection, ORDERS_IN_STATE, [state, account_id.0], |cells| orders::from_cells(cells, &checks))
        })
    }

    /// Mean, least and greatest execution time by rule, over everything in the log or over those decided within
    /// `range`.
    pub fn execution_times_by_rule(
        &self,
        range: Option<Range<Timestamp>>,
    ) -> Result<Vec<ExecutionTimesOfRule>, StoreError> {
        let Some(range) = range else { return self.execution_times_ever() };
        let mut rules: BTreeMap<String, Times> = BTreeMap::new();
        self.each_execution_time(&range, |rule_id, _, elapsed_ms| {
            rules.entry(rule_id.to_owned()).or_default().add(elapsed_ms);
        })?;
        let times = |(rule_id, times): (String, Times)| ExecutionTimesOfRule {
            rule_id,
            enforcements: times.count,
            mean_ms: times.mean(),
            min_ms: times.min,
            max_ms: times.max,
        };
        Ok(rules.into_iter().map(times).collect())
    }

    /// Execution times day by day, oldest first; days without any are left out. For the trend of seven days, `range`
    /// is the last seven.
    pub fn execution_time_trend(&self, range: Range<Timestamp>) -> Result<Vec<ExecutionTimeOfDay>, StoreError> {
        let mut days: BTreeMap<Date, Times> = BTreeMap::new();
        self.each_execution_time(&range, |_, at, elapsed_ms| days.entry(utc_date(at)).or_default().add(elapsed_ms))?;
        let day = |(date, times): (Date, Times)| ExecutionTimeOfDay {
            date,
            enforcements: times.count,
            mean_ms: times.mean(),
            max_ms: times.max,
        };
        Ok(days.into_iter().map(day).collect())
    }

    /// An account's unrealized P&L at the resets of the `days` days up to and including `last`; nothing where the
    /// feature was never on.
    pub fn unrealized_history(
        &self,
        account_id: AccountId,
        last: Date,
        days: u32,
    ) -> Result<UnrealizedHistory, StoreError> {
        let back = SignedDuration::from_hours(24 * (i64::from(days) - 1).max(0));
        let first = last.checked_sub(back).unwrap_or(Date::MIN);
        let days = self.with(|connection| {
            if !exists(connection, daily_unrealized_pnl::TABLE.name)? {
                return Ok(Rows::default());
            }
            daily_unrealized_pnl::TABLE.read(
                connection,
                UNREALIZED_HISTORY,
                params![account_id.0, first.to_string(), text_after(last)],
                daily_unrealized_pnl::from_cells,
            )
        })?;
        // Newest first: the first of equals is the latest.
        let worst = days.rows.iter().min_by_key(|day| day.unrealized_pnl).cloned();
        let best = days.rows.iter().rev().max_by_key(|day| day.unrealized_pnl).cloned();
        Ok(UnrealizedHistory { days, worst, best })
    }

    fn execution_times_ever(&self) -> Result<Vec<ExecutionTimesOfRule>, StoreError> {
        self.with(|connection| {
            let run = || -> rusqlite::Result<Vec<ExecutionTimesOfRule>> {
                let mut statement = connection.prepare_cached(EXECUTION_TIMES_EVER)?;
                let mut rows = statement.query([])?;
                let mut rules = Vec::new();
                while let Some(row) = rows.next()? {
                    // What is no text names no rule.
                    let Ok(rule_id) = row.get_ref(0)?.as_str() else { continue };
                    rules.push(ExecutionTimesOfRule {
                        rule_id: rule_id.to_owned(),
                        enforcements: row.get(1)?,
                        mean_ms: row.get(2)?,
                        min_ms: row.get(3)?,
                        max_ms: row.get(4)?,
                    });
                }
                Ok(rules)
            };
            run().map_err(StoreError::sqlite("read the execution times"))
        })
    }

    /// Calls back with rule, time and milliseconds of each enforcement of the range whose time is known. A row whose time
    /// or milliseconds cannot be read belongs to no range.
    fn each_execution_time(
        &self,
        range: &Range<Timestamp>,
        mut each: impl FnMut(&str, Timestamp, i64),
    ) -> Result<(), StoreError> {
        let texts = text_range(range);
        self.with(|connection| {
            let mut run = || -> rusqlite::Result<()> {
                let mut statement = connection.prepare_cached(EXECUTION_TIMES)?;
                let mut rows = statement.query([&texts.start, &texts.end])?;
                while let Some(row) = rows.next()? {
                    let (rule_id, text) = (row.get_ref(0)?, row.get_ref(1)?);
                    let at = text
                        .as_str()
                        .ok()
                        .and_then(|text| timestamp::from_text(text, Noun::EnforcementLog, "timestamp").ok());
                    if let (Ok(rule_id), Some(at), Ok(elapsed_ms)) = (rule_id.as_str(), at, row.get_ref(2)?.as_i64())
                        && range.contains(&at)
                    {
                        each(rule_id, at, elapsed_ms);
                    }
                }
                Ok(())
            };
            run().map_err(StoreError::sqlite("read the execution times"))
        })
    }
}

/// Times and numbers of the positions that changed at or after `since`, the latest first, and the rows whose time cannot
/// be read.
fn keys_updated_since(connection: &Connection, since: Timestamp) -> rusqlite::Result<(Vec<PageKey>, Vec<Unreadable>)> {
    let mut statement = connection.prepare_cached(POSITIONS_UPDATED)?;
    let mut rows = statement.query([first_text(since)])?;
    let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (rowid, text) = (row.get(0)?, row.get_ref(1)?.as_str().unwrap_or_default());
        match timestamp::from_text(text, Noun::Position, "updated_at") {
            Ok(at) if at >= since => keys.push(PageKey { at, id: rowid }),
            Ok(_) => {}
            Err(invalid) => {
                unreadable.push(Unreadable { table: positions::TABLE.name, rowid, account_id: None, invalid });
            }
        }
    }
    keys.sort_by(|one, other| other.cmp(one));
    Ok((keys, unreadable))
}

/// A running mean, least and greatest.
#[derive(Default)]
struct Times {
    count: i64,
    sum: i64,
    min: i64,
    max: i64,
}

impl Times {
    fn add(&mut self, elapsed_ms: i64) {
        self.min = if self.count == 0 { elapsed_ms } else { self.min.min(elapsed_ms) };
        self.max = if self.count == 0 { elapsed_ms } else { self.max.max(elapsed_ms) };
        self.count += 1;
        self.sum = self.sum.saturating_add(elapsed_ms);
    }

    fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}
