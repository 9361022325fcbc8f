//! What a database file holds, read by a connection that knows nothing of the faults.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use xxhash_rust::xxh3::Xxh3;

use crate::vfs::REAL;

/// Everything that a reader can see of a database, the words of its version table aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    integrity: String,
    objects: Vec<String>,
    /// Version, and whether its migration succeeded.
    versions: Vec<(i64, bool)>,
    /// By table, the number of rows and a hash of all of them.
    rows: BTreeMap<String, (u64, u128)>,
}

impl Contents {
    /// Reads a copy of the database with what lies beside it, made in `scratch`: reading recovers, and that is for the
    /// next run to do. An error says why it cannot be read; none means that there is no file.
    pub(crate) fn of_copy(path: &Path, scratch: &Path) -> Option<Result<Self, String>> {
        let copy = copy_with_side_files(path, scratch)?;
        Some(Self::of(&copy).map_err(|error| error.to_string()))
    }

    fn of(path: &Path) -> rusqlite::Result<Self> {
        let access = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(path, access, REAL)?;
        let integrity = texts(&connection, "PRAGMA integrity_check")?.join("; ");
        let objects = texts(
            &connection,
            "SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || ifnull(sql, '') FROM sqlite_schema
             WHERE name NOT LIKE 'sqlite_stat%' ORDER BY 1",
        )?;
        let tables = texts(
            &connection,
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_version'
             AND name NOT LIKE 'sqlite_stat%'",
        )?;
        let mut rows = BTreeMap::new();
        for table in tables {
            rows.insert(table.clone(), rows_of(&connection, &table)?);
        }
        let mut versions = Vec::new();
        if let Some(table) = objects.iter().find(|object| object.starts_with("table schema_version ")) {
            // The form with two columns knows only success.
            let success = if table.contains("success") { "success" } else { "1" };
            let sql = format!("SELECT version, {success} FROM schema_version ORDER BY 1");
            let mut statement = connection.prepare(&sql)?;
            let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            versions = found.collect::<rusqlite::Result<_>>()?;
        }
        Ok(Self { integrity, objects, versions, rows })
    }

    /// Whether it is a database without anything in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.integrity == "ok"
    }

    /// How this differs from `other`, in a few words.
    pub(crate) fn difference(&self, other: &Self) -> String {
        let mut found = Vec::new();
        if self.integrity != other.integrity {
            found.push(format!("integrity {}", self.integrity));
        }
        if self.objects != other.objects {
            let missing = other.objects.iter().filter(|object| !self.objects.contains(object)).count();
            let more = self.objects.iter().filter(|object| !other.objects.contains(object)).count();
            found.push(format!("{missing} objects missing, {more} more"));
        }
        if self.versions != other.versions {
            found.push(format!("versions {:?}", self.versions));
        }
        let tables = other.rows.iter().filter(|(table, rows)| self.rows.get(*table) != Some(rows));
        found.extend(tables.map(|(table, _)| format!("rows of {table}")));
        found.join(", ")
    }
}

/// Copies the file with its log and journal to `scratch` under the same name; none when there is no file.
pub(crate) fn copy_with_side_files(path: &Path, scratch: &Path) -> Option<std::path::PathBuf> {
    let name = path.file_name().unwrap().to_str().unwrap();
    for suffix in ["-wal", "-journal", "-shm", ""] {
        let (from, to) = (path.with_file_name(format!("{name}{suffix}")), scratch.join(format!("{name}{suffix}")));
        let _ = std::fs::remove_file(&to);
        // The index of a log is rebuilt, as it is after every crash.
        if suffix != "-shm" && from.exists() {
            std::fs::copy(&from, &to).unwrap();
        }
    }
    path.exists().then(|| scratch.join(name))
}

fn texts(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn rows_of(connection: &Connection, table: &str) -> rusqlite::Result<(u64, u128)> {
    let mut statement = connection.prepare(&format!("SELECT rowid, * FROM \"{table}\" NOT INDEXED"))?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let (mut count, mut hasher) = (0, Xxh3::new());
    while let Some(row) = rows.next()? {
        count += 1;
        for column in 0..width {
            let (kind, bytes): (u8, &[u8]) = match row.get_ref(column)? {
                ValueRef::Null => (0, &[]),
                ValueRef::Integer(number) => (1, &number.to_le_bytes()),
                ValueRef::Real(number) => (2, &number.to_bits().to_le_bytes()),
                ValueRef::Text(bytes) => (3, bytes),
                ValueRef::Blob(bytes) => (4, bytes),
            };
            hasher.update(&[kind]);
            hasher.update(&bytes.len().to_le_bytes());
            hasher.update(bytes);
        }
    }
    Ok((count, hasher.digest128()))
}
