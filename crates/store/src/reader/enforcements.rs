//! The enforcement log, newest first, a page at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;
use riskd_core::model::{AccountId, EnforcementId, EnforcementLog, Invalid, Noun, RuleId};
use rusqlite::{Connection, ToSql};

use super::Reader;
use crate::error::StoreError;
use crate::tables::{Rows, Unreadable, enforcement_log};
use crate::timestamp::{self, end_text, first_text, nothing_later_below};

/// Which rows of the log are wanted. The default is all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EnforcementFilter {
    /// Only those without success: or not confirmed yet.
    pub only_failed: bool,
    /// Only those of one rule.
    pub rule_id: Option<RuleId>,
    /// Only those of one account.
    pub account_id: Option<AccountId>,
    /// Only those decided at or after this time.
    pub since: Option<Timestamp>,
    /// Only those that took longer than so many milliseconds.
    pub slower_than_ms: Option<i64>,
}

/// Where a page ended: the time of its last row, and its number among those of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageKey {
    /// When the row was decided.
    pub at: Timestamp,
    /// The row.
    pub id: i64,
}

/// A page of rows, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows that could be read.
    pub rows: Vec<T>,
    /// Rows met on the way that could not be read. One whose time cannot be read belongs to no page, and may be met on
    /// more than one.
    pub unreadable: Vec<Unreadable>,
    /// Where the next page begins; absent on the last.
    pub next: Option<PageKey>,
}

pub(super) const KEY_OF_ROW: &str = "SELECT timestamp FROM enforcement_log WHERE id = ?1";

impl Reader {
    /// A page of the enforcement log, newest first, by instant whatever form the times are written in.
    ///
    /// `before` is the `next` of the page before; absent for the first page. With `only_failed` the pages come from the
    /// index on success, otherwise from the index on time. To be certain of the order, keys of up to two days
    /// before the page are looked at.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn enforcements(
        &self,
        filter: &EnforcementFilter,
        before: Option<PageKey>,
        size: usize,
    ) -> Result<Page<EnforcementLog>, StoreError> {
        self.with_snapshot(|connection| page(connection, filter, before, size))
    }

    /// Rows after `last`, in the order in which they were added: what is new since somebody last looked.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn enforcements_after(&self, last: EnforcementId, limit: usize) -> Result<Rows<EnforcementLog>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            enforcement_log::TABLE.read(
                connection,
                "WHERE id > ?1 ORDER BY id LIMIT ?2",
                [last.0, limit],
                enforcement_log::from_cells,
            )
        })
    }

    /// One row of the log, where it is there.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn enforcement(&self, id: EnforcementId) -> Result<Rows<EnforcementLog>, StoreError> {
        self.with(|connection| row(connection, id.0))
    }

    /// Where a row stands in the order of pages, so that the page after it can be asked for by its number alone; absent
    /// when the row is gone, or its time cannot be read.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn enforcement_key(&self, id: EnforcementId) -> Result<Option<PageKey>, StoreError> {
        self.with(|connection| {
            let run = || -> rusqlite::Result<Option<PageKey>> {
                let mut statement = connection.prepare_cached(KEY_OF_ROW)?;
                let mut rows = statement.query([id.0])?;
                let Some(row) = rows.next()? else { return Ok(None) };
                let text = row.get_ref(0)?.as_str().unwrap_or_default();
                let at = timestamp::from_text(text, Noun::EnforcementLog, "timestamp").ok();
                Ok(at.map(|at| PageKey { at, id: id.0 }))
            };
            run().map_err(StoreError::sqlite("read the enforcement log"))
        })
    }

    /// The highest number ever given to a row of the log, also when that row is gone; 0 before the first.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn last_enforcement_id(&self) -> Result<EnforcementId, StoreError> {
        self.with(|connection| last_id(connection).map(EnforcementId))
    }
}

/// The highest number ever given to a row of the log, also when that row is gone; 0 before the first.
pub(super) fn last_id(connection: &Connection) -> Result<i64, StoreError> {
    let run = || {
        let highest: i64 =
            connection.query_row("SELECT COALESCE(MAX(id), 0) FROM enforcement_log", [], |row| row.get(0))?;
        // Kept by SQLite for AUTOINCREMENT, so that a number is never given twice.
        if !connection.table_exists(None, "sqlite_sequence")? {
            return Ok(highest);
        }
        let given: i64 = connection.query_row(
            "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'enforcement_log'",
            [],
            |row| row.get(0),
        )?;
        Ok(highest.max(given))
    };
    run().map_err(StoreError::sqlite("read the highest number in the enforcement log"))
}

/// The query for the keys of a page: number and time, late text first.
///
/// The conditions on rule and account carry a `+`, so that SQLite serves the order from the index on time or on success
/// instead of sorting everything one rule or account ever did.
pub(super) fn keys_sql(filter: &EnforcementFilter, bounded: bool) -> String {
    let mut conditions = Vec::new();
    if filter.only_failed {
        conditions.push("success = 0");
    }
    if bounded {
        conditions.push("timestamp < :end");
    }
    if filter.since.is_some() {
        conditions.push("timestamp >= :first");
    }
    if filter.rule_id.is_some() {
        conditions.push("+rule_id = :rule");
    }
    if filter.account_id.is_some() {
        conditions.push("+account_id = :account");
    }
    if filter.slower_than_ms.is_some() {
        conditions.push("execution_time_ms > :slower");
    }
    let conditions = if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
    format!("SELECT id, timestamp FROM enforcement_log {conditions}ORDER BY timestamp DESC")
}

fn page(
    connection: &Connection,
    filter: &EnforcementFilter,
    before: Option<PageKey>,
    size: usize,
) -> Result<Page<EnforcementLog>, StoreError> {
    let (mut keys, unreadable) = keys(connection, filter, before, size.saturating_add(1))
        .map_err(StoreError::sqlite("read the enforcement log"))?;
    let more = keys.len() > size;
    keys.truncate(size);
    let mut page = Page { rows: Vec::new(), unreadable, next: keys.last().copied().filter(|_| more) };
    for key in keys {
        let found = row(connection, key.id)?;
        page.rows.extend(found.rows);
        page.unreadable.extend(found.unreadable);
    }
    Ok(page)
}

fn row(connection: &Connection, id: i64) -> Result<Rows<EnforcementLog>, StoreError> {
    enforcement_log::TABLE.read(connection, "WHERE id = ?1", [id], enforcement_log::from_cells)
}

/// The newest `count` keys that the filter lets through, newest first, and the rows whose time cannot be read.
fn keys(
    connection: &Connection,
    filter: &EnforcementFilter,
    before: Option<PageKey>,
    count: usize,
) -> rusqlite::Result<(Vec<PageKey>, Vec<Unreadable>)> {
    let end = before.map(|key| end_text(key.at));
    let first = filter.since.map(first_text);
    let rule = filter.rule_id.map(|rule| rule.to_string());
    let account = filter.account_id.map(|account| account.0);
    let named: [(&str, &dyn ToSql, bool); 5] = [
        (":end", &end, end.is_some()),
        (":first", &first, first.is_some()),
        (":rule", &rule, rule.is_some()),
        (":account", &account, account.is_some()),
        (":slower", &filter.slower_than_ms, filter.slower_than_ms.is_some()),
    ];
    let parameters: Vec<(&str, &dyn ToSql)> =
        named.into_iter().filter(|(_, _, used)| *used).map(|(name, value, _)| (name, value)).collect();
    let mut statement = connection.prepare_cached(&keys_sql(filter, before.is_some()))?;
    let mut rows = statement.query(parameters.as_slice())?;
    let mut newest = BinaryHeap::new();
    let mut unreadable = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let cell = row.get_ref(1)?;
        let text = cell.as_str().unwrap_or_default();
        let Ok(at) = timestamp::from_text(text, Noun::EnforcementLog, "timestamp") else {
            unreadable.push(unreadable_time(id, text));
            continue;
        };
        let key = PageKey { at, id };
        if before.is_none_or(|before| key < before) && filter.since.is_none_or(|since| at >= since) {
            newest.push(Reverse(key));
            if newest.len() > count {
                newest.pop();
            }
        }
        let oldest_kept = newest.peek().filter(|_| newest.len() == count).map(|Reverse(key)| key.at);
        let latest_to_come = nothing_later_below(text);
        // Rows still to come cannot displace any of those kept.
        if oldest_kept.zip(latest_to_come).is_some_and(|(oldest, latest)| latest <= oldest) {
            break;
        }
    }
    Ok((newest.into_sorted_vec().into_iter().map(|Reverse(key)| key).collect(), unreadable))
}

fn unreadable_time(rowid: i64, text: &str) -> Unreadable {
    let invalid = Invalid::new(
        Noun::EnforcementLog,
        "timestamp",
        format_args!("{text:?}"),
        "must be a time, YYYY-MM-DD HH:MM:SS",
    );
    Unreadable { table: enforcement_log::TABLE.name, rowid, account_id: None, invalid }
}
