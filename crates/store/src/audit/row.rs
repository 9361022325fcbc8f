//! A row of the enforcement log as the trail attests it.

use std::borrow::Cow;

use riskd_core::model::Noun;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};

use crate::timestamp::{from_text, to_text};

/// So many bytes of a row's hash are kept where many rows are attested at once.
pub(super) const SHORT: usize = 12;

/// The beginning of the SHA-256 of a row's content.
pub(super) type ShortHash = [u8; SHORT];

/// Every column of [`RowContent`], in its order.
pub(super) const COLUMNS: &str =
    "id, timestamp, account_id, rule_id, action, reason, success, details, execution_time_ms";

/// What a row says. The order of fields is that of the JSON, and so a part of the hash.
#[derive(serde::Serialize)]
pub(super) struct RowContent<'a> {
    id: Cell<'a>,
    timestamp: Cell<'a>,
    account_id: Cell<'a>,
    rule_id: Cell<'a>,
    action: Cell<'a>,
    reason: Cell<'a>,
    success: Cell<'a>,
    details: Cell<'a>,
    execution_time_ms: Cell<'a>,
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes { bytes: String },
}

impl<'a> RowContent<'a> {
    /// Reads a row of a query of [`COLUMNS`].
    pub(super) fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let cell = |place: usize| row.get_ref(place).map(Cell::of);
        Ok(Self {
            id: cell(0)?,
            timestamp: cell(1)?.into_instant(),
            account_id: cell(2)?,
            rule_id: cell(3)?,
            action: cell(4)?,
            reason: cell(5)?,
            success: cell(6)?,
            details: cell(7)?,
            execution_time_ms: cell(8)?,
        })
    }

    pub(super) fn account_id(&self) -> Option<i64> {
        if let Cell::Integer(account) = self.account_id { Some(account) } else { None }
    }

    pub(super) fn to_json(&self) -> String {
        // Numbers and text: nothing in a row can fail to be JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn hash(&self) -> ShortHash {
        hash_of(&self.to_json())
    }
}

impl<'a> Cell<'a> {
    fn of(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Self::Text(Cow::Borrowed(text)),
                Err(_) => Self::Bytes { bytes: super::hex(text) },
            },
            ValueRef::Blob(bytes) => Self::Bytes { bytes: super::hex(bytes) },
        }
    }

    /// The instant in the program's own form: `riskd db doctor --fix` may rewrite the form, and the instant stays.
    fn into_instant(self) -> Self {
        match self {
            Self::Text(text) => match from_text(&text, Noun::EnforcementLog, "timestamp") {
                Ok(time) => Self::Text(to_text(time).into()),
                Err(_) => Self::Text(text),
            },
            other => other,
        }
    }
}

/// The short hash of a content.
pub(super) fn hash_of(content: &str) -> ShortHash {
    let hash: [u8; 32] = Sha256::digest(content).into();
    let mut short = [0; SHORT];
    short.copy_from_slice(&hash[..SHORT]);
    short
}

/// What the row of this id says; absent when there is none. The text is made at once, so that nothing stays open.
pub(super) fn read_one(connection: &Connection, id: i64) -> rusqlite::Result<Option<Attested>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM enforcement_log WHERE id = ?1"))?;
    statement
        .query_row([id], |row| {
            let content = RowContent::read(row)?;
            Ok(Attested { account_id: content.account_id(), json: content.to_json() })
        })
        .optional()
}

/// A row's content as text.
pub(super) struct Attested {
    account_id: Option<i64>,
    json: String,
}

impl Attested {
    pub(super) fn account_id(&self) -> Option<i64> {
        self.account_id
    }

    pub(super) fn to_json(&self) -> &str {
        &self.json
    }
}
