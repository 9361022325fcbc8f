//! Walking the trail: is every entry the one that was appended, and is every row of the log what the trail attests?

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::anchor::Anchor;
use super::row::{self, RowContent, ShortHash};
use super::trim::Trim;
use super::{BEFORE_THE_FIRST, Entry, hash_of, hex, kind};
use crate::error::StoreError;

/// Beyond so many, deviations are counted and no longer named.
const MOST_NAMED: usize = 100;

/// What a walk along the audit trail found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct AuditSummary {
    /// Entries in the trail.
    pub entries: u64,
    /// The id of the newest entry.
    pub newest_id: Option<i64>,
    /// Its hash: noted elsewhere, it shows later whether the trail up to it was written anew.
    pub newest_hash: Option<String>,
    /// Rows of the enforcement log that no entry attests yet: the daemon does so in the background after a start.
    pub rows_not_attested_yet: u64,
}

impl AuditSummary {
    /// The line that a command prints.
    pub fn line(&self) -> String {
        let waiting = match self.rows_not_attested_yet {
            0 => String::new(),
            rows => format!("; {rows} older rows of the log are not attested yet"),
        };
        match (&self.newest_id, &self.newest_hash) {
            (Some(id), Some(hash)) => format!("Audit trail: {} entries, newest {id} {hash}{waiting}", self.entries),
            _ => format!("Audit trail: empty{waiting}"),
        }
    }
}

/// An entry as it stands in the file.
pub(super) struct Stored {
    pub(super) id: i64,
    pub(super) timestamp: String,
    pub(super) kind: String,
    pub(super) account_id: Option<i64>,
    pub(super) enforcement_id: Option<i64>,
    pub(super) actor: Option<String>,
    pub(super) content: String,
    pub(super) previous_hash: String,
    pub(super) hash: String,
}

impl Stored {
    pub(super) const COLUMNS: &'static str =
        "id, timestamp, kind, account_id, enforcement_id, actor, content, previous_hash, hash";

    /// Reads an entry; absent when a value is of a type that nobody of ours writes.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let text = |place: usize| -> rusqlite::Result<Option<Option<String>>> {
            Ok(match row.get_ref(place)? {
                ValueRef::Null => Some(None),
                ValueRef::Text(text) => std::str::from_utf8(text).ok().map(|text| Some(text.to_owned())),
                _ => None,
            })
        };
        let number = |place: usize| -> rusqlite::Result<Option<Option<i64>>> {
            Ok(match row.get_ref(place)? {
                ValueRef::Null => Some(None),
                ValueRef::Integer(value) => Some(Some(value)),
                _ => None,
            })
        };
        let (id, account_id, enforcement_id) = (row.get(0)?, number(3)?, number(4)?);
        let texts = (text(1)?.flatten(), text(2)?.flatten(), text(5)?, text(6)?.flatten(), text(7)?.flatten());
        let (texts, hash) = (texts, text(8)?.flatten());
        let read = || {
            let (timestamp, kind, actor, content, previous_hash) = texts;
            Some(Self {
                id,
                timestamp: timestamp?,
                kind: kind?,
                account_id: account_id?,
                enforcement_id: enforcement_id?,
                actor: actor?,
                content: content?,
                previous_hash: previous_hash?,
                hash: hash?,
            })
        };
        Ok(read())
    }

    /// Whether the hash is that of the columns.
    pub(super) fn is_intact(&self) -> bool {
        let entry = Entry {
            timestamp: &self.timestamp,
            kind: &self.kind,
            account_id: self.account_id,
            enforcement_id: self.enforcement_id,
            actor: self.actor.as_deref(),
            content: &self.content,
        };
        hex(&hash_of(&self.previous_hash, self.id, &entry)) == self.hash
    }

    /// Whether it is the one after `before`; anything may be the first.
    pub(super) fn follows(&self, before: Option<&Self>) -> bool {
        before.is_none_or(|before| before.id.checked_add(1) == Some(self.id) && before.hash == self.previous_hash)
    }
}

/// Walks the trail and the enforcement log; absent where the file has no trail. Call it on one snapshot.
pub(crate) fn check(connection: &Connection) -> Result<(AuditSummary, Vec<String>), StoreError> {
    let mut walk = Walk::default();
    let mut run = || -> rusqlite::Result<()> {
        let sql = format!("SELECT {} FROM audit_trail ORDER BY id", Stored::COLUMNS);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            walk.enter(row.get(0)?, Stored::read(row)?);
        }
        walk.check_beginning();
        let sql = format!("SELECT {} FROM enforcement_log ORDER BY id", row::COLUMNS);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            walk.compare(row.get(0)?, &RowContent::read(row)?.hash());
        }
        Ok(())
    };
    run().map_err(StoreError::sqlite("walk along the audit trail"))?;
    Ok(walk.end())
}

/// How far a walk has come, and what it found.
#[derive(Default)]
struct Walk {
    summary: AuditSummary,
    deviations: Vec<String>,
    more: u64,
    /// The first entry: its id, and the hash it holds as the one before it.
    first: Option<(i64, Option<String>)>,
    /// The entry before: its id and hash, where it could be read.
    before: Option<(i64, Option<String>)>,
    /// Up to which entry older ones were removed, with its hash.
    trims: BTreeMap<i64, String>,
    /// The last attested state of each row and the entry that attests it; no state where that entry was changed.
    attested: BTreeMap<i64, (Option<ShortHash>, i64)>,
    /// Rows after the first and up to the second wait for being attested.
    waiting: (i64, i64),
    /// Whether the trail says last that it is off.
    off: bool,
}

impl Walk {
    fn deviate(&mut self, deviation: String) {
        if self.deviations.len() < MOST_NAMED {
            self.deviations.push(deviation);
        } else {
            self.more += 1;
        }
    }

    fn enter(&mut self, id: i64, entry: Option<Stored>) {
        self.summary.entries += 1;
        self.summary.newest_id = Some(id);
        self.summary.newest_hash = entry.as_ref().map(|entry| entry.hash.clone());
        let previous_hash = entry.as_ref().map(|entry| entry.previous_hash.clone());
        let intact = entry.as_ref().is_some_and(Stored::is_intact);
        if !intact {
            self.deviate(format!("audit_trail entry {id} was changed: its hash is not that of what it says"));
        }
        match self.before.take() {
            None => self.first = Some((id, previous_hash)),
            Some((before, _)) if before.checked_add(1) != Some(id) => {
                let (from, to) = (before.saturating_add(1), id.saturating_sub(1));
                self.deviate(if from == to {
                    format!("audit_trail entry {from} is missing")
                } else {
                    format!("audit_trail entries {from} to {to} are missing")
                });
            }
            Some((before, hash)) if intact && hash.is_some() && hash != previous_hash => {
                self.deviate(format!(
                    "audit_trail entry {id} does not follow entry {before}: one of them was replaced, inserted or moved"
                ));
            }
            Some(_) => {}
        }
        if let Some(entry) = entry {
            self.before = Some((id, Some(entry.hash.clone())));
            self.take_in(&entry, intact);
        } else {
            self.before = Some((id, None));
        }
    }

    /// What the entry says of the log. What a changed entry says is not believed, nor held against a row.
    fn take_in(&mut self, entry: &Stored, intact: bool) {
        self.off = false;
        match entry.kind.as_str() {
            kind::ENFORCEMENT => {
                if let Some(id) = entry.enforcement_id {
                    self.attested.insert(id, (intact.then(|| row::hash_of(&entry.content)), entry.id));
                }
            }
            kind::ANCHOR => {
                let anchor: Anchor = serde_json::from_str(&entry.content).unwrap_or_default();
                if anchor.begins && intact {
                    self.attested.clear();
                }
                self.waiting = (anchor.through, anchor.to);
                self.attest_all(anchor.rows.list(), entry.id, intact);
            }
            kind::TRIM => {
                if let Ok(trim) = serde_json::from_str::<Trim>(&entry.content) {
                    self.attest_all(trim.rows.list(), entry.id, intact);
                    self.trims.insert(trim.through, trim.hash);
                }
            }
            kind::RETENTION => {
                let content: serde_json::Value = serde_json::from_str(&entry.content).unwrap_or_default();
                for id in content["enforcement_log"].as_array().into_iter().flatten().filter_map(|id| id.as_i64()) {
                    self.attested.remove(&id);
                }
            }
            kind::OFF => self.off = true,
            _ => {}
        }
    }

    fn attest_all(&mut self, rows: Option<Vec<(i64, ShortHash)>>, entry: i64, intact: bool) {
        for (id, hash) in rows.unwrap_or_default() {
            // What was attested by itself is newer than what is attested in the background.
            self.attested.entry(id).or_insert((intact.then_some(hash), entry));
        }
    }

    fn check_beginning(&mut self) {
        let Some((id, previous_hash)) = self.first.take() else { return };
        let begins = id == 1 && previous_hash.as_deref() == Some(&hex(&BEFORE_THE_FIRST));
        let trimmed = id.checked_sub(1).and_then(|before| self.trims.get(&before)) == previous_hash.as_ref();
        if !(begins || trimmed && previous_hash.is_some()) {
            self.deviate(format!(
                "audit_trail begins with entry {id}, and no clean-up says that it removed what was before: it was cut off"
            ));
        }
    }

    fn compare(&mut self, id: i64, hash: &ShortHash) {
        if self.off {
            self.summary.rows_not_attested_yet += 1;
            return;
        }
        match self.attested.remove(&id) {
            Some((Some(attested), entry)) if attested != *hash => {
                self.deviate(format!("enforcement_log row {id} differs from what audit_trail entry {entry} attests"));
            }
            Some(_) => {}
            None if self.summary.entries == 0 || (self.waiting.0 < id && id <= self.waiting.1) => {
                self.summary.rows_not_attested_yet += 1;
            }
            None => self.deviate(format!("enforcement_log row {id} is attested by no entry of audit_trail")),
        }
    }

    fn end(mut self) -> (AuditSummary, Vec<String>) {
        let missing = std::mem::take(&mut self.attested);
        // While the trail is off, rows that are too old go without a word of it.
        if !self.off {
            for (id, (_, entry)) in missing {
                self.deviate(format!(
                    "enforcement_log row {id}, attested by audit_trail entry {entry}, is missing, and no clean-up removed it"
                ));
            }
        }
        if self.more > 0 {
            self.deviations.push(format!("{} more deviations of the audit trail", self.more));
        }
        (self.summary, self.deviations)
    }
}
