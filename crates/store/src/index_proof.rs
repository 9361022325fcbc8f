//! Proves that an index holds exactly what its table holds, by reading both once, each in its own order.
//!
//! SQLite's full integrity check looks every row up in every index. That is most of its time. What it shows can be shown
//! otherwise: the entries of the index are in strict order (so that each can be found), and as a set they are those that
//! the rows make (a sum of hashes over all entries equals the sum over all rows). Together with SQLite's quick check,
//! which checks pages, records, ids and constraints, that is what the full check shows.
//!
//! This only ever says "proved". Where it cannot say so, for an index of a kind that it does not know or because
//! something differs, SQLite's full check of that table decides.

use std::cmp::Ordering;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use xxhash_rust::xxh3::xxh3_128;

use crate::content::put;
use crate::schema::{Table, column_list, quoted};

/// An index of a kind that can be proved.
#[derive(Debug)]
pub(crate) struct ProvableIndex {
    name: String,
    is_unique: bool,
    /// Its columns: the name, and whether the largest comes first.
    columns: Vec<(String, bool)>,
}

/// How often something was seen, and the sum of its hashes: equal for two readings in different order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EntrySum {
    entries: u64,
    sum: u128,
}

impl EntrySum {
    /// Adds an entry, as the bytes of its values.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.entries += 1;
        self.sum = self.sum.wrapping_add(xxh3_128(bytes));
    }
}

impl ProvableIndex {
    /// The names of its columns.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }
}

/// Every index of the table, or none where one of them is of a kind that cannot be proved here.
pub(crate) fn provable_indexes(connection: &Connection, table: &Table) -> rusqlite::Result<Option<Vec<ProvableIndex>>> {
    let encoding: String = connection.query_row("PRAGMA main.encoding", [], |row| row.get(0))?;
    if table.without_rowid || encoding != "UTF-8" {
        return Ok(None);
    }
    let mut list = connection.prepare(&format!("PRAGMA main.index_list({})", quoted(&table.name)))?;
    let listed = list
        .query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(4)?)))?
        .collect::<rusqlite::Result<Vec<(String, bool, bool)>>>()?;
    let mut indexes = Vec::new();
    for (name, is_unique, is_partial) in listed {
        let mut parts = connection.prepare(&format!("PRAGMA main.index_xinfo({})", quoted(&name)))?;
        let parts = parts
            .query_map([], |row| Ok((row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?
            .collect::<rusqlite::Result<Vec<(Option<String>, bool, String, bool)>>>()?;
        let mut columns = Vec::new();
        for (column, is_descending, collation, is_key) in parts {
            match column {
                // The last part is the row's id.
                _ if !is_key => {}
                Some(column) if collation == "BINARY" && table.column(&column).is_some() => {
                    columns.push((column, is_descending));
                }
                _ => return Ok(None),
            }
        }
        if is_partial || columns.is_empty() {
            return Ok(None);
        }
        indexes.push(ProvableIndex { name, is_unique, columns });
    }
    Ok(Some(indexes))
}

/// Reads the index alone, in its own order. `None` unless its entries are in strict order, and unique where they must be.
pub(crate) fn ordered_entries(
    connection: &Connection,
    table: &Table,
    row_id: &str,
    index: &ProvableIndex,
) -> rusqlite::Result<Option<EntrySum>> {
    let names: Vec<String> = index.columns().map(str::to_owned).collect();
    let (list, of, by) = (column_list(&names), quoted(&table.name), quoted(&index.name));
    let sql = format!("SELECT {list}, {row_id} FROM main.{of} INDEXED BY {by}");
    let plan: String = connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3))?;
    // With the table's help it would prove nothing.
    if !plan.starts_with("SCAN ") || !plan.ends_with(&format!(" USING COVERING INDEX {}", index.name)) {
        return Ok(None);
    }
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut sum, mut bytes) = (EntrySum::default(), Vec::new());
    let mut before: Vec<Kept> = Vec::new();
    while let Some(row) = rows.next()? {
        bytes.clear();
        let mut order = Ordering::Equal;
        let mut has_null = false;
        for (at, (_, is_descending)) in index.columns.iter().enumerate() {
            let value = row.get_ref(at)?;
            has_null |= matches!(value, ValueRef::Null);
            put(value, &mut bytes);
            match before.get_mut(at) {
                None => before.push(Kept::of(value)),
                Some(kept) if order == Ordering::Equal => {
                    let Some(compared) = kept.compare(value) else { return Ok(None) };
                    order = if *is_descending { compared.reverse() } else { compared };
                    if compared != Ordering::Equal {
                        kept.set(value);
                    }
                }
                Some(kept) => kept.set(value),
            }
        }
        let id = row.get_ref(names.len())?;
        put(id, &mut bytes);
        let is_twice = order == Ordering::Equal && index.is_unique && !has_null;
        match before.get_mut(names.len()) {
            None => before.push(Kept::of(id)),
            Some(kept) => {
                let compared = kept.compare(id);
                if order.then(compared.unwrap_or(Ordering::Greater)) != Ordering::Less || is_twice {
                    return Ok(None);
                }
                kept.set(id);
            }
        }
        sum.add(&bytes);
    }
    Ok(Some(sum))
}

/// A value of the entry before.
#[derive(Debug)]
enum Kept {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Kept {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(bytes) => Self::Text(bytes.to_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }

    fn set(&mut self, value: ValueRef<'_>) {
        match (self, value) {
            (Self::Text(kept), ValueRef::Text(bytes)) | (Self::Blob(kept), ValueRef::Blob(bytes)) => {
                kept.clear();
                kept.extend_from_slice(bytes);
            }
            (kept, value) => *kept = Self::of(value),
        }
    }

    /// SQLite's order of values. `None` where an integer meets a real: that is left to SQLite.
    fn compare(&self, other: ValueRef<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(one), ValueRef::Integer(two)) => Some(one.cmp(&two)),
            (Self::Real(one), ValueRef::Real(two)) => one.partial_cmp(&two),
            (Self::Text(one), ValueRef::Text(two)) | (Self::Blob(one), ValueRef::Blob(two)) => {
                Some(one.as_slice().cmp(two))
            }
            (Self::Integer(_), ValueRef::Real(_)) | (Self::Real(_), ValueRef::Integer(_)) => None,
            (kept, other) => Some(kept.class().cmp(&class_of(other))),
        }
    }

    fn class(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Integer(_) | Self::Real(_) => 1,
            Self::Text(_) => 2,
            Self::Blob(_) => 3,
        }
    }
}

fn class_of(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(_) => 2,
        ValueRef::Blob(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout)]
    use std::path::Path;

    use super::*;
    use crate::content::{contents, contents_and_integrity, integrity_findings, is_proved};
    use crate::schema::Inventory;

    /// Every sort of value, every kind of index that can be proved, and two that cannot.
    const TABLES: &str = "
        PRAGMA page_size = 1024;
        CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT, account INTEGER, pnl REAL, raw BLOB, other);
        CREATE INDEX log_at ON log (at DESC);
        CREATE INDEX log_account ON log (account, at DESC);
        CREATE INDEX log_pnl ON log (pnl);
        CREATE INDEX log_other ON log (other, raw);
        CREATE TABLE names (name TEXT PRIMARY KEY, number INTEGER UNIQUE);
        CREATE TABLE partly (a INTEGER, b TEXT COLLATE NOCASE);
        CREATE INDEX partly_b ON partly (b);
        CREATE INDEX partly_a ON partly (a) WHERE a > 10;
        CREATE TABLE keyed (a TEXT PRIMARY KEY, b) WITHOUT ROWID;
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
        INSERT INTO log (at, account, pnl, raw, other)
            SELECT datetime('2026-01-01', i || ' hours'), i * 7 % 13, CASE WHEN i % 3 THEN i * 1.25 - 250 ELSE i END,
                zeroblob(i % 9), CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN i WHEN 2 THEN 'x' || i ELSE x'00ff' END FROM n;
        INSERT INTO names SELECT at, id FROM log WHERE id < 90;
        INSERT INTO names VALUES ('nobody', NULL), ('no one', NULL);
        INSERT INTO partly SELECT account, at FROM log;
        INSERT INTO keyed SELECT at, raw FROM log;";

    fn make(path: &Path, then: &str) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(TABLES).unwrap();
        connection.execute_batch(then).unwrap();
    }

    /// What SQLite says and what we say; an error says that something is wrong, too.
    fn verdicts(path: &Path) -> (bool, bool) {
        let Ok(connection) = Connection::open(path) else { return (false, false) };
        let Ok(inventory) = Inventory::read(&connection) else { return (false, false) };
        let theirs = integrity_findings(&connection).is_ok_and(|findings| findings.is_empty());
        let ours = contents_and_integrity(&connection, &inventory).is_ok_and(|(_, findings)| findings.is_empty());
        (theirs, ours)
    }

    #[test]
    fn a_sound_database_is_proved_without_the_full_check() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sound.db");
        make(&path, "");
        assert_eq!(verdicts(&path), (true, true));
        let connection = Connection::open(&path).unwrap();
        let inventory = Inventory::read(&connection).unwrap();
        for (table, proved) in [("log", true), ("names", true), ("partly", false), ("keyed", false)] {
            assert_eq!(is_proved(&connection, &inventory.tables[table]).unwrap(), proved, "{table}");
        }
        let (same, _) = contents_and_integrity(&connection, &inventory).unwrap();
        assert_eq!(same, contents(&connection, &inventory, &|_| ()).unwrap());
    }

    #[test]
    fn an_index_that_missed_a_change_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for (number, change) in [
            "DELETE FROM log WHERE id = 200",
            "INSERT INTO log (at, account) VALUES ('2026-02-02', 5)",
            "UPDATE log SET at = '2020-01-01' WHERE id = 7",
            "UPDATE log SET account = account + 1 WHERE id = 400",
            "UPDATE log SET pnl = pnl + 1e-9 WHERE id = 10",
            "UPDATE log SET other = 'X2' WHERE other = 'x2'",
            "UPDATE log SET id = 1000 WHERE id = 399",
            "UPDATE partly SET b = 'changed' WHERE rowid = 3",
        ]
        .into_iter()
        .enumerate()
        {
            let path = folder.path().join(format!("{number}.db"));
            // SQLite forgets its indexes, makes the change, and is told of them again.
            make(
                &path,
                "CREATE TABLE kept AS SELECT * FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL;
                 PRAGMA writable_schema = ON;
                 DELETE FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL;",
            );
            Connection::open(&path).unwrap().execute_batch(change).unwrap();
            let again = "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept;";
            Connection::open(&path).unwrap().execute_batch(again).unwrap();
            assert_eq!(verdicts(&path), (false, false), "{change}");
        }
    }

    #[test]
    fn whatever_bytes_are_changed_we_see_what_sqlite_sees() {
        const CASES: u32 = 400;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sound.db");
        make(&path, "");
        let sound = std::fs::read(&path).unwrap();
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        println!("seed {seed}");
        let mut state = seed;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        let mut bad = 0;
        for case in 0..CASES {
            let mut bytes = sound.clone();
            for _ in 0..=random(3) {
                // The header of the file says what it is at all; what comes after it is what is checked.
                let at = 100 + random(bytes.len() - 100);
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            let damaged = folder.path().join("damaged.db");
            std::fs::write(&damaged, bytes).unwrap();
            let (theirs, ours) = verdicts(&damaged);
            assert_eq!(theirs, ours, "case {case} of seed {seed}: SQLite says {theirs}, we say {ours}");
            bad += u32::from(!theirs);
        }
        println!("{bad} of {CASES} were damaged");
        assert!(bad > CASES / 10, "{bad}");
    }
}
