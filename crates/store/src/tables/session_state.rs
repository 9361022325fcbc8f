//! `session_state`: when each account's trading session began.

use jiff::Timestamp;
use riskd_core::model::{AccountId, Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::to_text;

/// A row of session state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionState {
    /// The account.
    pub account_id: AccountId,
    /// When its session began.
    pub session_start: Timestamp,
    /// When that was noticed; absent where an older program left it out.
    pub updated_at: Option<Timestamp>,
}

pub(crate) const TABLE: Table =
    Table { name: "session_state", noun: Noun::SessionState, columns: &["account_id", "session_start", "updated_at"] };

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<SessionState, Invalid> {
    Ok(SessionState {
        account_id: cells.account_id()?,
        session_start: cells.time("session_start")?,
        updated_at: cells.optional_time("updated_at")?,
    })
}

/// Writes when the session began. A row that already says so is left untouched.
pub(crate) fn put(
    connection: &Connection,
    account_id: AccountId,
    session_start: Timestamp,
    at: Timestamp,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO session_state (account_id, session_start, updated_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (account_id) DO UPDATE SET
                 session_start = excluded.session_start, updated_at = excluded.updated_at
             WHERE session_start IS NOT excluded.session_start",
        )?
        .execute(params![account_id.0, to_text(session_start), to_text(at)])
}
