//! What a file is, told without writing to it.

use std::io::ErrorKind;
use std::path::Path;

use crate::connection::{Database, FileStart, Mode, read_start};
use crate::error::{EngineErrorKind, StoreError};
use crate::location::with_suffix;
use crate::schema::{
    Features, HEAD_VERSION, Inventory, NINE_TABLES, VERSION_TABLE, VersionTable, expected_of, first_foreign_difference,
};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum DatabaseKind {
    /// No file.
    Missing,
    /// An empty file, or a SQLite database without any table.
    Fresh,
    /// Ours, at head.
    Current {
        /// Its version.
        version: i64,
    },
    /// Ours, at an older version.
    Behind {
        /// Its version.
        version: i64,
    },
    /// Ours, of a newer program.
    Newer {
        /// Its version.
        version: i64,
    },
    /// Not ours: a directory, not SQLite, encrypted, another product's, or only part of ours.
    Foreign {
        /// What was found.
        reason: String,
    },
    /// A database that was cut off or whose pages make no sense.
    Damaged {
        /// What was found.
        reason: String,
    },
    /// A program died in the middle of a transaction: the next one to open it for writing (`riskd db migrate`, `riskd
    /// run`) undoes that, and only then can it be told what it is.
    NeedsRecovery,
}

/// What was seen of a file, and the connection it was seen through where there is one: it still sees the same.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) kind: DatabaseKind,
    pub(crate) seen: Option<Seen>,
}

/// The inside of a database, read in one transaction.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) database: Database,
    /// How it was opened.
    pub(crate) mode: Mode,
    pub(crate) inventory: Inventory,
    pub(crate) versions: VersionTable,
}

/// Tells what is at `path` without writing to it.
///
/// # Errors
///
/// When the file cannot be read, or somebody is in the middle of a commit for too long.
pub(crate) fn look(path: &Path) -> Result<Looked, StoreError> {
    look_by(path, &|mode| mode)
}

/// As [`look`], and no byte of any file is written, be it of a `-shm`.
pub(crate) fn look_untouched(path: &Path) -> Result<Looked, StoreError> {
    look_by(path, &|mode| match mode {
        Mode::ReadOnly if !with_suffix(path, "-shm").exists() && is_filled(&with_suffix(path, "-wal")) => {
            Mode::PrivateLog
        }
        Mode::ReadOnly if is_without_log(path) => Mode::Immutable,
        Mode::ReadOnly => Mode::Untouched,
        other => other,
    })
}

/// Looks, with the usual way of opening replaced by what `choose` makes of it.
fn look_by(path: &Path, choose: &dyn Fn(Mode) -> Mode) -> Result<Looked, StoreError> {
    const TRIES: u32 = 5;
    let mut tries = 0;
    loop {
        let before = FileMark::of(path);
        let looked = look_once(path, choose)?;
        // A file looked at without locks must not have changed meanwhile.
        tries += 1;
        if tries >= TRIES || before == FileMark::of(path) || !matches!(&looked, (_, true)) {
            return Ok(looked.0);
        }
    }
}

/// What the kind means for somebody who wants to work with the database.
pub(crate) fn refuse(kind: &DatabaseKind, path: &Path) -> Result<(), StoreError> {
    let path = path.to_owned();
    match kind {
        DatabaseKind::Missing => Err(StoreError::NotFound { path }),
        DatabaseKind::Foreign { reason } => Err(StoreError::NotOurs { path, reason: reason.clone() }),
        DatabaseKind::Newer { version } => Err(StoreError::Newer { path, found: *version }),
        DatabaseKind::Damaged { reason } => Err(StoreError::Damaged { path, findings: vec![reason.clone()] }),
        DatabaseKind::Fresh
        | DatabaseKind::Current { .. }
        | DatabaseKind::Behind { .. }
        | DatabaseKind::NeedsRecovery => Ok(()),
    }
}

/// What a database with these objects and this version table is.
pub(crate) fn classify(inventory: &Inventory, versions: &VersionTable) -> Result<DatabaseKind, StoreError> {
    let foreign = |reason: String| Ok(DatabaseKind::Foreign { reason });
    let own_tables = inventory.tables.keys().filter(|key| !key.starts_with("sqlite_")).count();
    if own_tables == 0 && inventory.others.is_empty() {
        return Ok(DatabaseKind::Fresh);
    }
    let missing: Vec<&str> = NINE_TABLES.into_iter().filter(|&table| !inventory.tables.contains_key(table)).collect();
    if missing.len() == NINE_TABLES.len() {
        return foreign("it is a SQLite database without any of the nine tables".into());
    }
    let version = versions.version();
    if version > HEAD_VERSION && (missing.is_empty() || matches!(versions, VersionTable::Full(_))) {
        return Ok(DatabaseKind::Newer { version });
    }
    if !missing.is_empty() {
        let found = NINE_TABLES.len() - missing.len();
        return foreign(format!("it has only {found} of the nine tables; missing: {}", missing.join(", ")));
    }
    match versions {
        VersionTable::Other(difference) => return foreign(format!("its table {VERSION_TABLE} {difference}")),
        VersionTable::TwoColumns(_) if version != 1 => {
            return foreign(format!("its table {VERSION_TABLE} says v{version} in a form that only v1 has"));
        }
        VersionTable::Full(_) if version < 1 => {
            return foreign(format!("its table {VERSION_TABLE} says v{version}, which never was"));
        }
        VersionTable::Absent | VersionTable::TwoColumns(_) | VersionTable::Full(_) => {}
    }
    if version == HEAD_VERSION {
        return Ok(DatabaseKind::Current { version });
    }
    let baseline = expected_of(1, Features::NONE);
    match first_foreign_difference(&baseline, inventory) {
        Some(difference) => foreign(format!("it has our table names, but {difference}")),
        None => Ok(DatabaseKind::Behind { version }),
    }
}

/// Looks once; says whether it did so without SQLite's locks.
fn look_once(path: &Path, choose: &dyn Fn(Mode) -> Mode) -> Result<(Looked, bool), StoreError> {
    let without = |kind| Ok((Looked { kind, seen: None }, false));
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return without(DatabaseKind::Missing),
        Err(error) => return Err(StoreError::io("look at", path)(error)),
    };
    if metadata.is_dir() {
        return without(DatabaseKind::Foreign { reason: "it is a directory".into() });
    }
    if !metadata.is_file() {
        return without(DatabaseKind::Foreign { reason: "it is no ordinary file".into() });
    }
    let mode = match read_start(path, 4096)? {
        FileStart::OpenHere => Mode::ReadOnly,
        FileStart::Bytes { start, length } => match judge_start(path, &start, length) {
            Ok(mode) => mode,
            Err(kind) => return without(kind),
        },
    };
    let mode = choose(mode);
    let looked = match see(path, mode) {
        Ok(seen) => Looked { kind: classify(&seen.inventory, &seen.versions)?, seen: Some(seen) },
        Err(error) => Looked { kind: kind_of_failure(path, error)?, seen: None },
    };
    Ok((looked, mode == Mode::Immutable))
}

fn see(path: &Path, mode: Mode) -> Result<Seen, StoreError> {
    let database = Database::open(path, mode)?;
    database.execute_batch("BEGIN").map_err(StoreError::sqlite("begin to read"))?;
    let inventory = Inventory::read(&database)?;
    let versions = VersionTable::read(&database, &inventory)?;
    Ok(Seen { database, mode, inventory, versions })
}

/// What a refusal to be read says about the file.
fn kind_of_failure(path: &Path, error: StoreError) -> Result<DatabaseKind, StoreError> {
    let StoreError::Sqlite { source, .. } = &error else {
        return Err(error);
    };
    match source.kind {
        EngineErrorKind::NotADatabase => Ok(DatabaseKind::Foreign { reason: "it is not a SQLite database".into() }),
        EngineErrorKind::Corrupt => Ok(DatabaseKind::Damaged { reason: source.message.clone() }),
        // A reader may not undo what a dead program left half done.
        EngineErrorKind::ReadOnly if is_filled(&with_suffix(path, "-journal")) => Ok(DatabaseKind::NeedsRecovery),
        EngineErrorKind::ReadOnly => {
            Err(StoreError::NoPermission { path: path.to_owned(), reason: source.message.clone() })
        }
        EngineErrorKind::Busy => Err(StoreError::InUse { path: path.to_owned(), pid: None }),
        _ => Err(error),
    }
}

/// What the first bytes say: how to go on reading, or what the file is instead of a whole database.
fn judge_start(path: &Path, start: &[u8], length: u64) -> Result<Mode, DatabaseKind> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    const HEADER_BYTES: usize = 100;
    let journal = with_suffix(path, "-journal");
    let (has_journal, has_wal) = (is_filled(&journal), is_filled(&with_suffix(path, "-wal")));
    let damaged = |reason: String| Err(DatabaseKind::Damaged { reason });
    if start.is_empty() {
        if has_wal || (has_journal && !began_empty(&journal)) {
            return damaged("it is empty, and a journal of something larger lies beside it".into());
        }
        return Err(DatabaseKind::Fresh);
    }
    if !start.starts_with(MAGIC) {
        if start.len() < MAGIC.len() && MAGIC.starts_with(start) {
            return damaged(format!("it is cut off after {length} bytes"));
        }
        // The first transaction of a new file writes its first page last.
        if has_journal && began_empty(&journal) && start.iter().all(|&byte| byte == 0) {
            return Err(DatabaseKind::NeedsRecovery);
        }
        return Err(DatabaseKind::Foreign { reason: what_else(start, length).into() });
    }
    if start.len() < HEADER_BYTES {
        return damaged(format!("it is cut off after {length} bytes"));
    }
    let number = |at: usize| u64::from(u32::from_be_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]));
    let page_bytes = match u64::from(u16::from_be_bytes([start[16], start[17]])) {
        1 => 65_536,
        bytes => bytes,
    };
    if page_bytes < 512 || !page_bytes.is_power_of_two() {
        return damaged(format!("its header says pages of {page_bytes} bytes"));
    }
    let (pages, header_is_valid) = (number(28), number(24) == number(92));
    if !has_journal && !has_wal && header_is_valid && length < pages * page_bytes {
        return damaged(format!("it is cut off: {length} of {} bytes are there", pages * page_bytes));
    }
    let is_wal = start[18] == 2 || start[19] == 2;
    let has_side_files = has_journal || with_suffix(path, "-wal").exists() || with_suffix(path, "-shm").exists();
    // Opened the usual way, such a file would get a -wal and a -shm beside it.
    Ok(if is_wal && !has_side_files { Mode::Immutable } else { Mode::ReadOnly })
}

/// Whether the journal belongs to the first transaction of a new file: undone, the file is empty.
fn began_empty(journal: &Path) -> bool {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    match std::fs::read(journal) {
        Ok(bytes) => bytes.len() < 20 || !bytes.starts_with(&MAGIC) || bytes[16..20] == [0; 4],
        Err(_) => false,
    }
}

/// What a file is likely to be that does not begin as SQLite's do.
fn what_else(start: &[u8], length: u64) -> &'static str {
    let mut counts = [0_u32; 256];
    for &byte in start {
        counts[usize::from(byte)] += 1;
    }
    let total = start.len() as f64;
    let bits_per_byte: f64 = counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|share| -share * share.log2())
        .sum();
    // Encrypted pages look like noise; 4096 bytes of noise have more than 7.9 bits a byte, text and programs under 7.
    if start.len() >= 512 && length.is_multiple_of(512) && bits_per_byte > 7.2 {
        "it is not a SQLite database, or it is encrypted"
    } else {
        "it is not a SQLite database"
    }
}

/// Whether the file is in write-ahead mode and no log of it holds anything: then SQLite would only make empty side files.
/// Whoever has such a file open has both of them.
fn is_without_log(path: &Path) -> bool {
    let is_there = |suffix: &str| with_suffix(path, suffix).exists();
    let has_reader = is_there("-wal") && is_there("-shm");
    let is_wal = match read_start(path, 20) {
        Ok(FileStart::Bytes { start, .. }) => start.get(18) == Some(&2) || start.get(19) == Some(&2),
        Ok(FileStart::OpenHere) | Err(_) => false,
    };
    is_wal && !has_reader && !is_filled(&with_suffix(path, "-wal")) && !is_filled(&with_suffix(path, "-journal"))
}

pub(crate) fn is_filled(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// What changes when somebody writes a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileMark(Option<(u64, u64, i64, i64)>, bool);

impl FileMark {
    pub(crate) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        let metadata = path.metadata().ok();
        Self(
            metadata.map(|metadata| (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())),
            with_suffix(path, "-wal").exists(),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::VERSIONS;

    fn kind_of(script: &str) -> DatabaseKind {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(script).unwrap();
        let inventory = Inventory::read(&connection).unwrap();
        classify(&inventory, &VersionTable::read(&connection, &inventory).unwrap()).unwrap()
    }

    #[test]
    fn versions_are_read_in_every_form() {
        let (v1, v2) = (VERSIONS[0].schema, VERSIONS[1].schema);
        let row = |version: i64, success: i64| {
            format!("INSERT INTO schema_version VALUES ({version}, 'x', 'y', NULL, NULL, NULL, {success}, NULL);")
        };
        let two = "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at DATETIME);";
        let behind = DatabaseKind::Behind { version: 1 };
        let cases = [
            (v1.to_owned(), behind.clone()),
            (format!("{v1}{two}"), behind.clone()),
            (format!("{v1}{two} INSERT INTO schema_version VALUES (1, NULL);"), behind.clone()),
            (v2.to_owned(), behind.clone()),
            (format!("{v2}{}{}", row(1, 1), row(2, 0)), behind.clone()),
            (format!("{v2}{}{}", row(1, 1), row(2, 1)), DatabaseKind::Current { version: 2 }),
            (format!("{v2}{}{}", row(2, 1), row(3, 0)), DatabaseKind::Current { version: 2 }),
            (format!("{v2}{}{}", row(2, 1), row(3, 1)), DatabaseKind::Newer { version: 3 }),
            (format!("{v1}{two} INSERT INTO schema_version VALUES (7, NULL);"), DatabaseKind::Newer { version: 7 }),
            (String::new(), DatabaseKind::Fresh),
        ];
        for (script, kind) in cases {
            assert_eq!(kind_of(&script), kind, "{script}");
        }
    }

    #[test]
    fn what_is_not_ours_is_named() {
        let v1 = VERSIONS[0].schema;
        let cases = [
            (
                format!("{v1} CREATE TABLE schema_version (id, name);"),
                "its table schema_version has the columns id, name",
            ),
            (
                format!(
                    "{v1} CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT); INSERT INTO schema_version VALUES (2, '');"
                ),
                "its table schema_version says v2 in a form that only v1 has",
            ),
            (
                v1.replace("size INTEGER NOT NULL,", "size REAL NOT NULL,"),
                "it has our table names, but column size of orders is REAL NOT NULL, expected INTEGER NOT NULL",
            ),
            (
                v1.replace("pnl REAL,", "pnl REAL DEFAULT 1,"),
                "it has our table names, but column pnl of trade_history is REAL DEFAULT 1, expected REAL",
            ),
            (
                v1.replace("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY"),
                "it has our table names, but table enforcement_log is not AUTOINCREMENT",
            ),
            ("CREATE VIEW v AS SELECT 1;".to_owned(), "it is a SQLite database without any of the nine tables"),
        ];
        for (script, reason) in cases {
            let DatabaseKind::Foreign { reason: found } = kind_of(&script) else { panic!("{script}") };
            assert!(found.contains(reason), "{found}");
        }
    }

    #[test]
    fn other_words_for_the_same_columns_are_ours() {
        let v1 = VERSIONS[0].schema;
        for other in [
            v1.to_lowercase(),
            v1.replace("DEFAULT 0,", "DEFAULT FALSE,")
                .replace("DEFAULT 0.0", "DEFAULT (0)")
                .replace("DEFAULT 1,", "DEFAULT (1),"),
            v1.replace("account_id INTEGER PRIMARY KEY", "account_id INTEGER NOT NULL PRIMARY KEY"),
            v1.replace("    reason TEXT,\n    locked_at", "    reason TEXT,\n    my_own TEXT,\n    locked_at"),
        ] {
            assert_eq!(kind_of(&other), DatabaseKind::Behind { version: 1 }, "{other}");
        }
    }
}
