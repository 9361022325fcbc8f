//! Rows of the enforcement log that were there before the trail: attested in steps, many to an entry.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::row::{self, RowContent, SHORT, ShortHash};
use super::{Trail, hex, kind};

/// Rows attested in one step, which is one transaction: about a millisecond, so that no enforcement waits longer.
const ROWS_A_STEP: i64 = 500;

/// The content of an entry that attests many rows at once, and of one that carries attested rows over when old entries go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Anchor {
    /// Whether the trail begins here, or begins anew: what was attested before says nothing any more.
    #[serde(default)]
    pub(super) begins: bool,
    /// Rows up to this id are attested now.
    pub(super) through: i64,
    /// Rows up to this id were there before the trail.
    pub(super) to: i64,
    /// The rows of this entry.
    #[serde(flatten)]
    pub(super) rows: HashedRows,
}

/// Rows by id, each with the beginning of its hash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashedRows {
    /// How many.
    pub(super) rows: u64,
    /// Their ids, as ranges from first to last.
    pub(super) ids: Vec<(i64, i64)>,
    /// Their hashes in the order of ids, one behind the other.
    pub(super) hashes: String,
}

impl HashedRows {
    /// Takes a row in; ids must come in rising order.
    pub(super) fn push(&mut self, id: i64, hash: &ShortHash) {
        self.rows += 1;
        self.hashes.push_str(&hex(hash));
        match self.ids.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(id) => *last = id,
            _ => self.ids.push((id, id)),
        }
    }

    /// The rows; absent when ids and hashes do not go together.
    pub(super) fn list(&self) -> Option<Vec<(i64, ShortHash)>> {
        let count: i128 = self.ids.iter().map(|(first, last)| i128::from(*last) - i128::from(*first) + 1).sum();
        if self.hashes.len() as i128 != count * 2 * SHORT as i128 || !self.hashes.is_ascii() {
            return None;
        }
        let ids = self.ids.iter().flat_map(|&(first, last)| first..=last);
        let hashes = (0..self.hashes.len()).step_by(2 * SHORT).map(|at| &self.hashes[at..at + 2 * SHORT]);
        ids.zip(hashes).map(|(id, hash)| Some((id, super::bytes(hash)?))).collect()
    }
}

/// The content of the entry with which a trail begins over a log whose last row is `last_row`.
pub(super) fn beginning(last_row: i64) -> String {
    text(&Anchor { begins: true, through: 0, to: last_row, ..Anchor::default() })
}

fn text(anchor: &Anchor) -> String {
    // Numbers and text: it cannot fail to be JSON.
    serde_json::to_string(anchor).unwrap_or_default()
}

/// What is left to do in the background after a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// Attest the rows after this id, up to the other.
    Attest { after: i64, to: i64 },
    /// Say that the trail is off.
    TurnOff,
}

impl Upkeep {
    /// What this trail needs.
    pub(crate) fn of(connection: &Connection, trail: &Trail, on: bool) -> rusqlite::Result<Option<Self>> {
        if !on {
            return Ok(Some(Self::TurnOff));
        }
        if let Some(to) = trail.begins_after {
            // Over an empty log there is nothing to attest, and the next entry says that the trail begins.
            return Ok((to > 0).then_some(Self::Attest { after: 0, to }));
        }
        let last: Option<String> = connection
            .query_row(
                "SELECT content FROM audit_trail WHERE kind = ?1 ORDER BY id DESC LIMIT 1",
                [kind::ANCHOR],
                |row| row.get(0),
            )
            .optional()?;
        let last: Option<Anchor> = last.and_then(|text| serde_json::from_str(&text).ok());
        Ok(last
            .filter(|anchor| anchor.through < anchor.to)
            .map(|Anchor { through: after, to, .. }| Self::Attest { after, to }))
    }

    /// One step in the caller's transaction; what is left after it.
    pub(crate) fn step(
        self,
        connection: &Connection,
        trail: &mut Trail,
        now: Timestamp,
    ) -> rusqlite::Result<Option<Self>> {
        let Self::Attest { after, to } = self else { return trail.turn_off(connection, now).map(|_| None) };
        let mut rows = HashedRows::default();
        let mut through = after;
        let sql = format!(
            "SELECT {} FROM enforcement_log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT {ROWS_A_STEP}",
            row::COLUMNS
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut found = statement.query([after, to])?;
        while let Some(row) = found.next()? {
            through = row.get(0)?;
            rows.push(through, &RowContent::read(row)?.hash());
        }
        drop(found);
        if rows.rows < ROWS_A_STEP.unsigned_abs() {
            through = to;
        }
        let content = text(&Anchor { begins: false, through, to, rows });
        trail.append_own(connection, kind::ANCHOR, &content, now)?;
        Ok((through < to).then_some(Self::Attest { after: through, to }))
    }
}
