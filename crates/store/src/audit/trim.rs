//! Old entries leave the trail, and an entry says so: what is left can still be checked from its first entry on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use riskd_core::model::Noun;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::anchor::{Anchor, HashedRows};
use super::check::Stored;
use super::row::{self, ShortHash};
use super::{Trail, kind};
use crate::timestamp::from_text;

/// Entries looked at in one step, which is one transaction.
const ENTRIES_A_STEP: usize = 100;

/// The content of the entry that says that older ones are gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Trim {
    /// How many entries were removed.
    pub(super) removed: u64,
    /// The last of them.
    pub(super) through: i64,
    /// Its hash, which the first that is left holds as the one before it.
    pub(super) hash: String,
    /// Rows that are still in the log and that only removed entries attested.
    #[serde(flatten)]
    pub(super) rows: HashedRows,
}

/// Removes the oldest entries from before `limit`. Returns how many, and whether nothing is left to remove.
///
/// A chain that is broken there stays as it is: evidence is not cleaned up.
pub(crate) fn trim_step(
    connection: &Connection,
    trail: &mut Trail,
    limit: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<(u64, bool)> {
    let mut removed = 0;
    let mut last: Option<Stored> = None;
    let mut attested: BTreeMap<i64, ShortHash> = BTreeMap::new();
    let sql = format!("SELECT {} FROM audit_trail ORDER BY id LIMIT {ENTRIES_A_STEP}", Stored::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(entry) = Stored::read(row)?.filter(|entry| entry.is_intact() && entry.follows(last.as_ref())) else {
            tracing::error!("the audit trail was changed: nothing is cleaned up in it; run `riskd db verify`");
            return Ok((0, true));
        };
        let old = from_text(&entry.timestamp, Noun::EnforcementLog, "timestamp").is_ok_and(|at| at < limit);
        if !old || entry.id >= trail.last_id {
            break;
        }
        note_attested(&entry, &mut attested);
        removed += 1;
        last = Some(entry);
    }
    drop(rows);
    let Some(last) = last else { return Ok((0, true)) };
    let mut kept = HashedRows::default();
    let mut still_needed = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM enforcement_log WHERE id = ?1)
            AND NOT EXISTS (SELECT 1 FROM audit_trail WHERE enforcement_id = ?1 AND id > ?2)",
    )?;
    for (id, hash) in &attested {
        if still_needed.query_row([*id, last.id], |row| row.get(0))? {
            kept.push(*id, hash);
        }
    }
    connection.prepare_cached("DELETE FROM audit_trail WHERE id <= ?1")?.execute([last.id])?;
    let trim = Trim { removed, through: last.id, hash: last.hash, rows: kept };
    trail.append_own(connection, kind::TRIM, &serde_json::to_string(&trim).unwrap_or_default(), now)?;
    Ok((removed, (removed as usize) < ENTRIES_A_STEP))
}

/// What an entry attests, in place of what older ones did.
fn note_attested(entry: &Stored, attested: &mut BTreeMap<i64, ShortHash>) {
    match (entry.kind.as_str(), entry.enforcement_id) {
        (kind::ENFORCEMENT, Some(id)) => {
            attested.insert(id, row::hash_of(&entry.content));
        }
        (kind::ANCHOR, _) => {
            let anchor: Anchor = serde_json::from_str(&entry.content).unwrap_or_default();
            if anchor.begins {
                attested.clear();
            }
            for (id, hash) in anchor.rows.list().unwrap_or_default() {
                attested.entry(id).or_insert(hash);
            }
        }
        (kind::TRIM, _) => {
            let rows = serde_json::from_str::<Trim>(&entry.content).map(|trim| trim.rows).unwrap_or_default();
            for (id, hash) in rows.list().unwrap_or_default() {
                attested.entry(id).or_insert(hash);
            }
        }
        _ => {}
    }
}
