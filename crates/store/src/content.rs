//! The content of tables as hashes: what proves that no row was lost or changed.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use xxhash_rust::xxh3::Xxh3;

use crate::StoreError;
use crate::index_proof::{EntrySum, ProvableIndex, ordered_entries, provable_indexes};
use crate::schema::{Inventory, Table, VERSION_TABLE, column_list, quoted};

/// The content of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TableContent {
    pub(crate) rows: u64,
    pub(crate) hash: u128,
}

/// The content of every table, by key.
pub(crate) type Contents = BTreeMap<String, TableContent>;

/// Reads every row of every table of `shape` once, in the order of its tree, with the columns that `shape` has.
///
/// The version table is left out: it is what a migration writes, and its rows are checked one by one. Virtual tables are
/// left out too: what they hold is in ordinary tables.
pub(crate) fn contents(
    connection: &Connection,
    shape: &Inventory,
    progress: &dyn Fn(u64),
) -> Result<Contents, StoreError> {
    let mut contents = Contents::new();
    let mut rows_before = 0;
    for (key, table) in shape.tables.iter().filter(|(key, _)| *key != VERSION_TABLE) {
        let content = table_content(connection, table, &[], &|rows| progress(rows_before + rows))
            .map(|(content, _)| content)
            .map_err(StoreError::sqlite(format!("read the table {}", table.name)))?;
        rows_before += content.rows;
        contents.insert(key.clone(), content);
    }
    Ok(contents)
}

/// As [`contents`], and what is wrong with the integrity: what [`integrity_findings`] would say, in a fraction of its time.
///
/// SQLite's quick check sees everything but whether rows and indexes agree; that is proved here ([`crate::index_proof`]),
/// and where it cannot be, SQLite's full check of the table decides.
pub(crate) fn contents_and_integrity(
    connection: &Connection,
    shape: &Inventory,
) -> Result<(Contents, Vec<String>), StoreError> {
    let findings = findings_of(connection, "quick_check(100)")?;
    if !findings.is_empty() {
        return Ok((Contents::new(), findings));
    }
    let mut contents = Contents::new();
    let mut unproved = Vec::new();
    let now = Inventory::read(connection)?;
    for (key, table) in &now.tables {
        let is_content = key != VERSION_TABLE;
        let (Some(shaped), true) = (shape.tables.get(key), is_content) else {
            unproved.push(&table.name);
            continue;
        };
        let (content, is_proved) = table_content_and_proof(connection, table, shaped)
            .map_err(StoreError::sqlite(format!("read the table {}", table.name)))?;
        contents.insert(key.clone(), content);
        if !is_proved {
            unproved.push(&table.name);
        }
    }
    unproved.extend(now.others.values().filter(|other| other.kind == "virtual table").map(|other| &other.name));
    let mut findings = Vec::new();
    for name in unproved {
        findings.extend(findings_of(connection, &format!("integrity_check({})", quoted(name)))?);
    }
    Ok((contents, findings))
}

/// The content of a table with the columns that `shaped` has, and whether its indexes were proved to hold its rows.
fn table_content_and_proof(
    connection: &Connection,
    table: &Table,
    shaped: &Table,
) -> rusqlite::Result<(TableContent, bool)> {
    let has_columns = |index: &ProvableIndex| index.columns().all(|column| shaped.column(column).is_some());
    let indexes = provable_indexes(connection, table)?.filter(|indexes| indexes.iter().all(has_columns));
    let (Some(indexes), Some(row_id)) = (indexes, row_id_name(shaped)) else {
        let (content, _) = table_content(connection, shaped, &[], &|_| ())?;
        return Ok((content, false));
    };
    let (content, sums) = table_content(connection, shaped, &indexes, &|_| ())?;
    for (index, sum) in indexes.iter().zip(sums) {
        if ordered_entries(connection, table, row_id, index)? != Some(sum) {
            return Ok((content, false));
        }
    }
    Ok((content, true))
}

/// Whether every index of the table is proved to hold its rows, without SQLite's full check.
#[cfg(test)]
pub(crate) fn is_proved(connection: &Connection, table: &Table) -> rusqlite::Result<bool> {
    table_content_and_proof(connection, table, table).map(|(_, is_proved)| is_proved)
}

/// Each table whose content differs, in words.
pub(crate) fn differences(before: &Contents, after: &Contents) -> Vec<String> {
    let mut found = Vec::new();
    for (table, old) in before {
        match after.get(table) {
            None => found.push(format!("table {table} is gone")),
            Some(new) if new.rows != old.rows => {
                found.push(format!("table {table} has {} rows, had {}", new.rows, old.rows));
            }
            Some(new) if new.hash != old.hash => found.push(format!("rows of table {table} differ")),
            Some(_) => {}
        }
    }
    found
        .extend(after.keys().filter(|table| !before.contains_key(*table)).map(|table| format!("table {table} is new")));
    found
}

/// One number for definitions and content together, to know a database again.
pub(crate) fn digest(contents: &Contents, inventory: &Inventory) -> String {
    let mut hasher = Xxh3::new();
    for (table, content) in contents {
        hasher.update(table.as_bytes());
        hasher.update(&content.rows.to_le_bytes());
        hasher.update(&content.hash.to_le_bytes());
    }
    for sql in inventory.without_version_table().definitions() {
        hasher.update(sql.as_bytes());
        hasher.update(&[0]);
    }
    format!("{:032x}", hasher.digest128())
}

/// What SQLite's full check says; empty when all is well. Unlike the quick one it compares rows with indexes.
pub(crate) fn integrity_findings(connection: &Connection) -> Result<Vec<String>, StoreError> {
    findings_of(connection, "integrity_check(100)")
}

fn findings_of(connection: &Connection, check: &str) -> Result<Vec<String>, StoreError> {
    let run = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(&format!("PRAGMA main.{check}"))?;
        let lines = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
        Ok(if lines == ["ok"] { Vec::new() } else { lines })
    };
    match run().map_err(StoreError::sqlite("check the integrity")) {
        Err(StoreError::Sqlite { source, .. }) if source.kind == crate::EngineErrorKind::Corrupt => {
            Ok(vec![source.message])
        }
        Err(error) => Err(missing_extension(error)),
        Ok(findings) => Ok(findings),
    }
}

/// Refuses a database that the integrity check cannot read: it compares every index, with functions and collations of
/// the user's own where they have such.
pub(crate) fn check_readable(connection: &Connection) -> Result<(), StoreError> {
    // What is missing is told when the check is prepared, before a row is read.
    match connection
        .prepare("PRAGMA main.integrity_check(100)")
        .map_err(StoreError::sqlite("prepare the integrity check"))
    {
        Err(error) => match missing_extension(error) {
            missing @ StoreError::MissingExtension { .. } => Err(missing),
            // Anything else is for the check itself to report.
            _ => Ok(()),
        },
        Ok(_) => Ok(()),
    }
}

fn missing_extension(error: StoreError) -> StoreError {
    const MISSING: [&str; 3] = ["no such collation sequence: ", "unknown function: ", "no such module: "];
    let StoreError::Sqlite { source, .. } = &error else { return error };
    let Some(start) = MISSING.iter().find_map(|words| source.message.find(words)) else { return error };
    // Behind the name comes the statement, which is ours.
    let missing = source.message[start..].split(" in ").next().unwrap_or_default();
    StoreError::MissingExtension { missing: missing.to_owned() }
}

/// The content of a table, and for each of `indexes` the sum of the entries that its rows make.
fn table_content(
    connection: &Connection,
    table: &Table,
    indexes: &[ProvableIndex],
    progress: &dyn Fn(u64),
) -> rusqlite::Result<(TableContent, Vec<EntrySum>)> {
    const BUFFER_BYTES: usize = 64 * 1024;
    const ROWS_BETWEEN_REPORTS: u64 = 65_536;
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let row_id = if table.without_rowid { None } else { row_id_name(table) };
    let mut columns: Vec<String> = row_id.into_iter().map(str::to_owned).collect();
    columns.extend(names.iter().map(|name| column_list(std::slice::from_ref(name))));
    // An index that covers all columns must not stand in for the table: it is the table that is proved.
    let sql = format!("SELECT {} FROM main.{} NOT INDEXED", columns.join(", "), quoted(&table.name));
    let mut statement = connection.prepare(&sql)?;
    let width = statement.column_count();
    let places = places_of(indexes, &names, row_id.is_some());
    let (mut sums, mut entry) = (vec![EntrySum::default(); indexes.len()], Vec::new());
    let mut hasher = Xxh3::new();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES * 2);
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        for at in 0..width {
            put(row.get_ref(at)?, &mut buffer);
        }
        for (sum, places) in sums.iter_mut().zip(&places) {
            entry.clear();
            for &at in places {
                put(row.get_ref(at)?, &mut entry);
            }
            sum.add(&entry);
        }
        if buffer.len() >= BUFFER_BYTES {
            hasher.update(&buffer);
            buffer.clear();
        }
        count += 1;
        if count % ROWS_BETWEEN_REPORTS == 0 {
            progress(count);
        }
    }
    hasher.update(&buffer);
    progress(count);
    Ok((TableContent { rows: count, hash: hasher.digest128() }, sums))
}

/// For each index, the places in a row of its columns and of the row's id, which comes first in the row.
fn places_of(indexes: &[ProvableIndex], names: &[String], has_row_id: bool) -> Vec<Vec<usize>> {
    let first = usize::from(has_row_id);
    let place = |column: &str| names.iter().position(|name| name.eq_ignore_ascii_case(column)).map(|at| at + first);
    indexes.iter().map(|index| index.columns().filter_map(place).chain([0]).collect()).collect()
}

/// A name by which the row's own id can be asked for, unless columns have taken all three.
fn row_id_name(table: &Table) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| table.column(name).is_none())
}

pub(crate) fn put(value: ValueRef<'_>, buffer: &mut Vec<u8>) {
    match value {
        ValueRef::Null => buffer.push(0),
        ValueRef::Integer(number) => {
            buffer.push(1);
            buffer.extend_from_slice(&number.to_le_bytes());
        }
        ValueRef::Real(number) => {
            buffer.push(2);
            buffer.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        ValueRef::Text(bytes) => put_bytes(3, bytes, buffer),
        ValueRef::Blob(bytes) => put_bytes(4, bytes, buffer),
    }
}

fn put_bytes(tag: u8, bytes: &[u8], buffer: &mut Vec<u8>) {
    buffer.push(tag);
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(script: &str) -> Contents {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(script).unwrap();
        let shape = Inventory::read(&connection).unwrap();
        contents(&connection, &shape, &|_| ()).unwrap()
    }

    #[test]
    fn every_change_of_a_row_changes_the_hash() {
        let table = "CREATE TABLE t (a, b); CREATE INDEX covers ON t(b, a);";
        let before = read(&format!("{table} INSERT INTO t VALUES (1, 'x'), (2, NULL);"));
        let cases = [
            ("INSERT INTO t VALUES (1, 'x');", "table t has 1 rows, had 2"),
            ("INSERT INTO t VALUES (1, 'x'), (2, '');", "rows of table t differ"),
            ("INSERT INTO t VALUES ('1', 'x'), (2, NULL);", "rows of table t differ"),
            ("INSERT INTO t VALUES (1.0, 'x'), (2, NULL);", "rows of table t differ"),
            ("INSERT INTO t VALUES (1, x'78'), (2, NULL);", "rows of table t differ"),
            ("INSERT INTO t VALUES (2, NULL), (1, 'x');", "rows of table t differ"),
            ("INSERT INTO t (rowid, a, b) VALUES (1, 1, 'x'), (3, 2, NULL);", "rows of table t differ"),
            ("INSERT INTO t VALUES (1, 'x'), (2, NULL); CREATE TABLE u (a);", "table u is new"),
        ];
        for (rows, difference) in cases {
            assert_eq!(differences(&before, &read(&format!("{table} {rows}"))), [difference], "{rows}");
        }
        assert_eq!(differences(&before, &Contents::new()), ["table t is gone"]);
        assert_eq!(differences(&before, &read(&format!("{table} INSERT INTO t VALUES (1, 'x'), (2, NULL);"))), [""; 0]);
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let one = read("CREATE TABLE t (a, b); INSERT INTO t VALUES ('ab', 'c');");
        let other = read("CREATE TABLE t (a, b); INSERT INTO t VALUES ('a', 'bc');");
        assert_eq!(differences(&one, &other), ["rows of table t differ"]);
    }

    #[test]
    fn tables_of_every_kind_are_read() {
        let found = read(
            "CREATE TABLE taken (rowid, _rowid_, oid); INSERT INTO taken VALUES (1, 2, 3); \
             CREATE TABLE keyed (k TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO keyed VALUES ('a'); \
             CREATE TABLE made (x, y AS (x * 2)); INSERT INTO made VALUES (1); \
             CREATE TABLE schema_version (version INTEGER PRIMARY KEY);",
        );
        let rows: Vec<_> = found.iter().map(|(name, content)| (name.as_str(), content.rows)).collect();
        assert_eq!(rows, [("keyed", 1), ("made", 1), ("taken", 1)]);
    }
}
