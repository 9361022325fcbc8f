//! The audit trail: a chain of hashes over every row of the enforcement log, as written, and every act of an administrator.
//!
//! Each entry holds the hash of the one before it and its own, which covers every column. Whoever changes, removes, inserts
//! or reorders an entry breaks the chain, and whoever changes a row of the log makes it differ from what the trail attests.
//! Somebody who may write the file can write the whole chain anew, though: against that only a hash noted elsewhere helps.
//!
//! Architecture invariant: a trail that cannot be written never keeps an enforcement from becoming durable.

mod anchor;
mod check;
mod row;
mod trim;
mod unlocks;

use jiff::Timestamp;
use riskd_core::model::AdminAct;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use sha2::{Digest, Sha256};

pub(crate) use anchor::Upkeep;
pub use check::AuditSummary;
pub(crate) use check::check;
pub(crate) use trim::trim_step;
pub(crate) use unlocks::last_unlocks;

use crate::timestamp::to_text;

/// The table.
pub(crate) const TABLE: &str = "audit_trail";

/// The hash before the first entry.
const BEFORE_THE_FIRST: [u8; 32] = [0; 32];

/// Kinds of the store's own; those of acts are [`riskd_core::model::AdminActKind`]'s.
mod kind {
    /// A row of the enforcement log, as it now says.
    pub(super) const ENFORCEMENT: &str = "enforcement";
    /// Rows of the log that were there before the trail.
    pub(super) const ANCHOR: &str = "anchor";
    /// Rows of the log that were removed as too old.
    pub(super) const RETENTION: &str = "retention";
    /// Entries of the trail that were removed as too old.
    pub(super) const TRIM: &str = "trim";
    /// The trail was turned off.
    pub(super) const OFF: &str = "off";
}

/// Who writes the store's own entries.
const PROGRAM: &str = "riskd";

/// An entry without its place in the chain.
#[derive(Debug, Clone, Copy, Default)]
struct Entry<'a> {
    timestamp: &'a str,
    kind: &'a str,
    account_id: Option<i64>,
    enforcement_id: Option<i64>,
    actor: Option<&'a str>,
    content: &'a str,
}

/// The end of the trail, to which entries are appended. Small, so that a transaction that fails is undone by a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trail {
    last_id: i64,
    last_hash: [u8; 32],
    /// The trail begins, or begins again, with the next entry: rows of the log up to this id were there before it.
    begins_after: Option<i64>,
}

impl Trail {
    /// The end of the trail of this file; absent where it has no table for one.
    pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        if !connection.table_exists(None, TABLE)? {
            return Ok(None);
        }
        let mut trail = Self { last_id: 0, last_hash: BEFORE_THE_FIRST, begins_after: None };
        trail.read_end(connection)?;
        let last_kind = trail.last_kind(connection)?;
        if last_kind.as_deref().is_none_or(|last| last == kind::OFF) {
            let last_row = "SELECT max(id) FROM enforcement_log";
            trail.begins_after =
                Some(connection.query_row(last_row, [], |row| row.get(0)).unwrap_or(None).unwrap_or(0));
        }
        Ok(Some(trail))
    }

    /// Attests what a row of the enforcement log says now.
    pub(crate) fn attest(&mut self, connection: &Connection, id: i64, now: Timestamp) -> rusqlite::Result<usize> {
        let row = row::read_one(connection, id)?;
        let Some(content) = row else { return Ok(0) };
        let entry = Entry {
            timestamp: &to_text(now),
            kind: kind::ENFORCEMENT,
            account_id: content.account_id(),
            enforcement_id: Some(id),
            actor: Some(PROGRAM),
            content: content.to_json(),
        };
        self.append(connection, &entry)
    }

    /// Writes down what an administrator did.
    pub(crate) fn record(&mut self, connection: &Connection, act: &AdminAct) -> rusqlite::Result<usize> {
        let content = serde_json::json!({ "reason": act.reason, "detail": act.detail }).to_string();
        let entry = Entry {
            timestamp: &to_text(act.at),
            kind: act.kind.as_str(),
            account_id: act.account_id.map(|account| account.0),
            enforcement_id: None,
            actor: Some(&act.actor),
            content: &content,
        };
        self.append(connection, &entry)
    }

    /// Writes down which rows of the enforcement log are removed as too old, all of them from before `limit`.
    pub(crate) fn record_removed(
        &mut self,
        connection: &Connection,
        ids: &[i64],
        limit: Timestamp,
        now: Timestamp,
    ) -> rusqlite::Result<usize> {
        let content = serde_json::json!({ "enforcement_log": ids, "before": to_text(limit) }).to_string();
        self.append_own(connection, kind::RETENTION, &content, now)
    }

    /// Says in the trail that it ends here, unless it says so already or never began.
    pub(crate) fn turn_off(&mut self, connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
        match self.last_kind(connection)? {
            Some(last) if last != kind::OFF => self.append_own(connection, kind::OFF, "{}", now),
            _ => Ok(0),
        }
    }

    fn append_own(
        &mut self,
        connection: &Connection,
        kind: &str,
        content: &str,
        now: Timestamp,
    ) -> rusqlite::Result<usize> {
        let timestamp = to_text(now);
        self.append(
            connection,
            &Entry { timestamp: &timestamp, kind, actor: Some(PROGRAM), content, ..Entry::default() },
        )
    }

    /// Appends an entry in the caller's transaction.
    ///
    /// Where the trail itself cannot take it, that is logged and no error: what the entry attests is worth more.
    fn append(&mut self, connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<usize> {
        if let Some(last_row) = self.begins_after.take() {
            let content = anchor::beginning(last_row);
            self.append(
                connection,
                &Entry {
                    kind: kind::ANCHOR,
                    content: &content,
                    actor: Some(PROGRAM),
                    ..Entry { timestamp: entry.timestamp, ..Entry::default() }
                },
            )?;
        }
        let appended = self.insert(connection, entry).or_else(|error| {
            // Somebody else has appended.
            if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
                return Err(error);
            }
            self.read_end(connection)?;
            self.insert(connection, entry)
        });
        match appended {
            Err(error) if is_the_trails_own(&error) => {
                tracing::error!(%error, "the audit trail cannot be written: what it should attest is written without it");
                Ok(0)
            }
            other => other,
        }
    }

    fn insert(&mut self, connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<usize> {
        let id = self.last_id + 1;
        let previous = hex(&self.last_hash);
        let hash = hash_of(&previous, id, entry);
        let inserted = connection
            .prepare_cached(
                "INSERT INTO audit_trail
                     (id, timestamp, kind, account_id, enforcement_id, actor, content, previous_hash, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                id,
                entry.timestamp,
                entry.kind,
                entry.account_id,
                entry.enforcement_id,
                entry.actor,
                entry.content,
                previous,
                hex(&hash),
            ])?;
        (self.last_id, self.last_hash) = (id, hash);
        Ok(inserted)
    }

    fn read_end(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let last = connection
            .query_row("SELECT id, hash FROM audit_trail ORDER BY id DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?))
            })
            .optional()?;
        // A hash that is none breaks the chain here, and `verify` names the place.
        (self.last_id, self.last_hash) =
            last.map_or((0, BEFORE_THE_FIRST), |(id, hash)| (id, bytes(&hash).unwrap_or(BEFORE_THE_FIRST)));
        Ok(())
    }

    fn last_kind(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let kind = connection.query_row("SELECT kind FROM audit_trail WHERE id = ?1", [self.last_id], |row| row.get(0));
        Ok(kind.optional()?.flatten())
    }
}

/// Whether the trail's table, and not the disk, is at fault.
fn is_the_trails_own(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::SchemaChanged
                // No such table, no such column.
                | ErrorCode::Unknown
        ),
        // What was read is of another type than it must be.
        None => true,
    }
}

/// The hash of an entry: of the hash before it, a line feed, and the JSON list of its columns.
fn hash_of(previous: &str, id: i64, entry: &Entry<'_>) -> [u8; 32] {
    let Entry { timestamp, kind, account_id, enforcement_id, actor, content } = entry;
    let columns = (id, timestamp, kind, account_id, enforcement_id, actor, content);
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update("\n");
    // Numbers and text: nothing in an entry can fail to be JSON.
    hasher.update(serde_json::to_vec(&columns).unwrap_or_default());
    hasher.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn bytes<const LENGTH: usize>(hex: &str) -> Option<[u8; LENGTH]> {
    if hex.len() != 2 * LENGTH || !hex.is_ascii() {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}
