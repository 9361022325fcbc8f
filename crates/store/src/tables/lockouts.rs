//! `lockouts`: one row an account, the strictest lockout in force.
//!
//! A row with `is_locked` set that cannot be read locks all the same: without end, under
//! [`RuleId::FOREIGN`], with a reason that says what could not be read. Only a person may open such a lock.

use jiff::Timestamp;
use riskd_core::model::{AccountId, Invalid, Lockout, LockoutDraft, Noun, RuleId};
use rusqlite::{Connection, params};

use super::{Cells, Rows, Table, Unreadable};
use crate::error::StoreError;
use crate::timestamp::{to_text, to_text_rounded_up};

pub(crate) const TABLE: Table = Table {
    name: "lockouts",
    noun: Noun::Lockout,
    columns: &["account_id", "is_locked", "reason", "locked_at", "locked_until", "rule_id"],
};

/// The lockouts in force as the file says, whether or not their time is over by now. One that cannot be read is listed
/// twice: as a lockout without end, and among the unreadable.
pub(crate) fn in_force(connection: &Connection, now: Timestamp) -> Result<Rows<Lockout>, StoreError> {
    // Not `= 1`: whatever a program wrote there that is not plainly "no" counts as "yes".
    let found = TABLE.read(connection, "WHERE is_locked IS NOT 0 ORDER BY account_id", [], |cells| {
        if cells.boolean("is_locked") == Ok(false) {
            return Ok(None);
        }
        let account_id = cells.account_id()?;
        Ok(Some(match from_cells(cells, account_id) {
            Ok(lockout) => (lockout, None),
            Err(invalid) => {
                let lockout = locked_without_end(account_id, &invalid, now)?;
                let rowid = cells.rowid();
                (lockout, Some(Unreadable { table: TABLE.name, rowid, account_id: Some(account_id), invalid }))
            }
        }))
    })?;
    let mut lockouts = Rows { rows: Vec::new(), unreadable: found.unreadable };
    for (lockout, unreadable) in found.rows.into_iter().flatten() {
        lockouts.rows.push(lockout);
        lockouts.unreadable.extend(unreadable);
    }
    Ok(lockouts)
}

/// Writes the lockout. A row that already says the same is left untouched.
pub(crate) fn put(connection: &Connection, lockout: &Lockout, now: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO lockouts
                 (account_id, is_locked, reason, locked_at, locked_until, rule_id, created_at, updated_at)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?6)
             ON CONFLICT (account_id) DO UPDATE SET
                 is_locked = 1, reason = excluded.reason, locked_at = excluded.locked_at,
                 locked_until = excluded.locked_until, rule_id = excluded.rule_id, updated_at = excluded.updated_at
             WHERE (is_locked, reason, locked_at, locked_until, rule_id)
                 IS NOT (1, excluded.reason, excluded.locked_at, excluded.locked_until, excluded.rule_id)",
        )?
        .execute(params![
            lockout.account_id.0,
            lockout.reason,
            to_text(lockout.locked_at),
            // Rounded up, so that a lockout is never shorter in the file than it was decided.
            lockout.locked_until.map(to_text_rounded_up),
            lockout.rule_id.to_string(),
            to_text(now),
        ])
}

/// Marks the account's row as not locked. The row stays; without one, or on one that is open already, nothing happens.
pub(crate) fn clear(connection: &Connection, account_id: AccountId, at: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE lockouts SET is_locked = 0, updated_at = ?2 WHERE account_id = ?1 AND is_locked IS NOT 0",
        )?
        .execute(params![account_id.0, to_text(at)])
}

fn from_cells(cells: &Cells<'_>, account_id: AccountId) -> Result<Lockout, Invalid> {
    cells.boolean("is_locked")?;
    Lockout::new(LockoutDraft {
        account_id,
        reason: cells.optional_text("reason")?.unwrap_or("no reason was recorded").to_owned(),
        // The column may be empty: a lock set by hand breaks no rule.
        rule_id: if cells.is_null("rule_id") { RuleId::FOREIGN } else { cells.rule_id()? },
        locked_at: cells.time("locked_at")?,
        locked_until: cells.optional_time("locked_until")?,
    })
}

fn locked_without_end(account_id: AccountId, invalid: &Invalid, now: Timestamp) -> Result<Lockout, Invalid> {
    Lockout::new(LockoutDraft {
        account_id,
        reason: format!("locked, but the row in the state database cannot be read: {invalid}"),
        rule_id: RuleId::FOREIGN,
        locked_at: now,
        locked_until: None,
    })
}
