//! What this file holds and how fast it can be read: row counts, sizes of indexes to come, and a probe of bounded length.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{PlanOptions, RowsRead};
use crate::connection::Database;
use crate::context::Clock;
use crate::error::StoreError;
use crate::migrate::{Piece, Plan};
use crate::open::Seen;
use crate::schema::{Features, HEAD_VERSION, Index, Inventory, column_list, expected_of, normalized, quoted};

/// Counting stops after so long, and what is left is estimated.
const MOST_COUNTING: SignedDuration = SignedDuration::from_secs(1);
/// The probe reads at most so much, and for at most so long.
const MOST_PROBED_BYTES: u64 = 16 << 20;
const MOST_PROBING: SignedDuration = SignedDuration::from_millis(250);
/// What is taken for the speed where there is too little to measure, in bytes a second.
const USUAL_SPEED: f64 = 200e6;
/// Less than this, in bytes or seconds, measures nothing.
const SMALLEST_PROBE_BYTES: u64 = 64 << 10;
const SMALLEST_PROBE_SECONDS: f64 = 0.000_2;

/// How fast this disk and this file were found to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// What was read, in bytes of rows.
    pub bytes_read: u64,
    /// What that took.
    pub seconds: f64,
    /// Bytes of rows a second: measured, or a usual speed where the file is too small to measure anything.
    pub bytes_per_second: f64,
    /// Whether the speed was measured.
    pub measured: bool,
}

/// An index that would be made.
#[derive(Debug, Clone)]
pub(super) struct NewIndex {
    pub(super) name: String,
    pub(super) table: String,
    /// What it would fill, in whole pages.
    pub(super) bytes: u64,
}

/// What was measured.
#[derive(Debug, Clone)]
pub(super) struct Measures {
    /// The database, its write-ahead log included.
    pub(super) bytes: u64,
    pub(super) page_bytes: u64,
    /// Rows of each table, by key, and whether they were counted.
    pub(super) rows: BTreeMap<String, (u64, bool)>,
    /// Every index that a piece makes.
    pub(super) indexes: Vec<NewIndex>,
    /// Tables that would be made.
    pub(super) new_tables: u64,
    pub(super) probe: Probe,
}

impl Measures {
    pub(super) fn take(
        seen: &mut Seen,
        bytes: u64,
        page_bytes: u64,
        plan: &Plan,
        options: &PlanOptions,
    ) -> Result<Self, StoreError> {
        seen.database.stop_on(&options.interrupt)?;
        let probe = probe(seen, &options.clock)?;
        let rows = count_rows(seen, options)?;
        seen.database.stop_on(&options.interrupt)?;
        let mut measures = Self { bytes, page_bytes, rows, indexes: Vec::new(), new_tables: 0, probe };
        let expected = expected_of(HEAD_VERSION, Features::ALL);
        let made = |sql: &str| plan.pieces().any(|piece| !piece.already_done && piece.up.contains(sql));
        for index in expected.indexes.values().filter(|index| made(&index.sql)) {
            let bytes = index_bytes(&seen.database, &seen.inventory, index, &measures)?;
            measures.indexes.push(NewIndex { name: index.name.clone(), table: index.table.clone(), bytes });
        }
        measures.new_tables = expected.tables.values().filter(|table| made(&table.sql)).count() as u64;
        Ok(measures)
    }

    /// Rows of a table; none of one that is not there yet.
    pub(super) fn rows_of(&self, table: &str) -> (u64, bool) {
        self.rows.get(&table.to_lowercase()).copied().unwrap_or((0, true))
    }

    /// What the pieces read: every row of the table of each index they make.
    pub(super) fn reads_of(&self, pieces: &[Piece]) -> Vec<RowsRead> {
        let made_by_these = |index: &&NewIndex| {
            let words = format!("index {} on ", index.name.to_lowercase());
            pieces.iter().any(|piece| !piece.already_done && normalized(&piece.up).contains(&words))
        };
        let read = |index: &NewIndex| {
            let (rows, counted) = self.rows_of(&index.table);
            RowsRead { table: index.table.clone(), index: Some(index.name.clone()), rows, counted }
        };
        self.indexes.iter().filter(made_by_these).map(read).collect()
    }

    /// Every row of every table.
    pub(super) fn all_rows(&self) -> Vec<RowsRead> {
        let read = |(table, &(rows, counted)): (&String, &(u64, bool))| RowsRead {
            table: table.clone(),
            index: None,
            rows,
            counted,
        };
        self.rows.iter().map(read).collect()
    }

    /// The new indexes together, in bytes.
    pub(super) fn index_bytes(&self) -> u64 {
        self.indexes.iter().map(|index| index.bytes).sum()
    }
}

/// Counts the rows of every table; when that takes too long, the rest is estimated.
fn count_rows(seen: &mut Seen, options: &PlanOptions) -> Result<BTreeMap<String, (u64, bool)>, StoreError> {
    const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 20_000;
    let deadline = later(options.clock.now(), MOST_COUNTING);
    let (clock, interrupt) = (options.clock.clone(), options.interrupt.clone());
    seen.database
        .progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(move || interrupt.is_set() || clock.now() > deadline))
        .map_err(StoreError::sqlite("bound the counting"))?;
    let mut rows = BTreeMap::new();
    for (key, table) in seen.inventory.tables.iter().filter(|(key, _)| !key.starts_with("sqlite_")) {
        options.interrupt.check()?;
        let sql = format!("SELECT count(*) FROM main.{}", quoted(&table.name));
        let counted = match number(&seen.database, &sql) {
            Err(StoreError::Interrupted) => {
                options.interrupt.check()?;
                None
            }
            other => Some(other?),
        };
        rows.insert(key.clone(), (counted.unwrap_or(0), counted.is_some()));
    }
    seen.database.progress_handler(0, None::<fn() -> bool>).map_err(StoreError::sqlite("end the counting"))?;
    for (key, (count, _)) in rows.iter_mut().filter(|(_, (_, counted))| !counted) {
        let table = &seen.inventory.tables[key];
        // The highest row id is at the end of the tree: found at once.
        *count = if table.without_rowid {
            0
        } else {
            number(&seen.database, &format!("SELECT coalesce(max(rowid), 0) FROM main.{}", quoted(&table.name)))?
        };
    }
    Ok(rows)
}

/// Reads the largest of our tables from its start, for a bounded time, inside SQLite.
fn probe(seen: &Seen, clock: &Clock) -> Result<Probe, StoreError> {
    const ROWS_AT_ONCE: u32 = 2_000;
    let mut probe = Probe { bytes_read: 0, seconds: 0.0, bytes_per_second: USUAL_SPEED, measured: false };
    let Some(table) = seen.inventory.tables.get("enforcement_log") else { return Ok(probe) };
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let sizes: Vec<String> = names.iter().map(|name| size_of(name)).collect();
    let sql = format!(
        "SELECT coalesce(sum({}), 0), max(rowid) FROM (SELECT rowid, {} FROM main.{} NOT INDEXED WHERE rowid > ?1 \
         ORDER BY rowid LIMIT {ROWS_AT_ONCE})",
        sizes.join(" + "),
        column_list(&names),
        quoted(&table.name)
    );
    let failed = || StoreError::sqlite("probe the speed of the file");
    let mut statement = seen.database.prepare(&sql).map_err(failed())?;
    let started = clock.now();
    let mut last = i64::MIN;
    loop {
        let read = statement.query_row([last], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)));
        match read {
            Ok((bytes, Some(next))) => {
                probe.bytes_read += bytes.unsigned_abs();
                last = next;
            }
            Ok((_, None)) => break,
            // A damaged page is for the migration's own checks to name.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => break,
            Err(error) => return Err(failed()(error)),
        }
        if probe.bytes_read >= MOST_PROBED_BYTES || clock.now().duration_since(started) >= MOST_PROBING {
            break;
        }
    }
    probe.seconds = clock.now().duration_since(started).as_secs_f64().max(0.0);
    if probe.bytes_read >= SMALLEST_PROBE_BYTES && probe.seconds >= SMALLEST_PROBE_SECONDS {
        probe.bytes_per_second = probe.bytes_read as f64 / probe.seconds;
        probe.measured = true;
    }
    Ok(probe)
}

/// What an index on a table of this file would fill, from the first rows of the table.
fn index_bytes(
    database: &Database,
    inventory: &Inventory,
    index: &Index,
    measures: &Measures,
) -> Result<u64, StoreError> {
    // The cell's header and pointer, the row id, and the header of its record.
    const BYTES_AROUND_A_KEY: f64 = 10.0;
    const SAMPLED_ROWS: u32 = 1_000;
    let (rows, _) = measures.rows_of(&index.table);
    let Some(table) = inventory.tables.get(&index.table.to_lowercase()).filter(|_| rows > 0) else {
        return Ok(measures.page_bytes);
    };
    let columns: Vec<String> = columns_of(index).into_iter().filter(|name| table.column(name).is_some()).collect();
    if columns.is_empty() {
        return Ok(measures.page_bytes);
    }
    let sizes: Vec<String> = columns.iter().map(|name| size_of(name)).collect();
    let sql = format!(
        "SELECT coalesce(avg({}), 0.0) FROM (SELECT {} FROM main.{} LIMIT {SAMPLED_ROWS})",
        sizes.join(" + "),
        column_list(&columns),
        quoted(&table.name)
    );
    let average: f64 = database
        .query_row(&sql, [], |row| row.get(0))
        .map_err(StoreError::sqlite(format!("sample the table {}", table.name)))?;
    let bytes = (rows as f64 * (average + BYTES_AROUND_A_KEY)).ceil() as u64;
    Ok(bytes.div_ceil(measures.page_bytes) * measures.page_bytes)
}

/// The columns between the brackets of one of our own indexes.
fn columns_of(index: &Index) -> Vec<String> {
    let text = normalized(&index.sql);
    let inner = text.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches([')', ' ']));
    inner.split(',').filter_map(|column| column.split_whitespace().next()).map(str::to_owned).collect()
}

/// What a cell takes, in bytes, as SQL.
fn size_of(column: &str) -> String {
    let column = quoted(column);
    format!(
        "1 + CASE typeof({column}) WHEN 'null' THEN 0 WHEN 'integer' THEN 4 WHEN 'real' THEN 8 ELSE \
         length(CAST({column} AS BLOB)) END"
    )
}

fn number(database: &Database, sql: &str) -> Result<u64, StoreError> {
    database
        .query_row(sql, [], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
        .map_err(StoreError::sqlite("count the rows"))
}

fn later(from: Timestamp, by: SignedDuration) -> Timestamp {
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_columns_of_every_index_of_ours_are_found() {
        let expected = expected_of(HEAD_VERSION, Features::ALL);
        assert!(expected.indexes.len() > 15);
        for index in expected.indexes.values() {
            let table = &expected.tables[&index.table];
            let columns = columns_of(index);
            assert!(!columns.is_empty() && columns.iter().all(|name| table.column(name).is_some()), "{index:?}");
        }
    }
}
