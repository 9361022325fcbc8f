//! Every connection of this crate to a database file, and the rule that keeps their locks alive.
//!
//! A POSIX lock is dropped when the process closes *any* descriptor of the file. So while SQLite has a file open here,
//! nothing else in this process may open and close it. This module counts connections per file; [`read_start`] looks at
//! a file's bytes only when there is none, and nobody can open one meanwhile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use crate::context::Interrupt;
use crate::error::StoreError;
use crate::migrate::Gauge;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To read and write a file that exists.
    ReadWrite,
    /// To read and write, making the file where there is none.
    Create,
    /// To read, with SQLite's locks. A write-ahead log may get a `-shm` beside it.
    ReadOnly,
    /// To read a file that nobody writes: no locks, no side files. Only where there is no `-wal`.
    Immutable,
    /// To read, with SQLite's locks, and without a byte written to any file: a `-shm` that is there is only read.
    Untouched,
    /// To read a file whose `-wal` a dead program left without its `-shm`: the log's index is kept in memory, and the log
    /// stays as it is. Nobody else can have the file meanwhile.
    PrivateLog,
}

/// A connection, counted among those of its file for as long as it lives.
#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    // After the connection: it must be closed before it is no longer counted.
    _mark: OpenMark,
}

impl Deref for Database {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Database {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Database {
    /// Opens the file at the absolute `path`.
    pub(crate) fn open(path: &Path, mode: Mode) -> Result<Self, StoreError> {
        debug_assert!(path.is_absolute(), "a relative path may be read as a URI");
        let access = match mode {
            Mode::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Mode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            Mode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Mode::PrivateLog => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Mode::Immutable | Mode::Untouched => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
        };
        let name = match mode {
            Mode::Immutable => uri(path, "immutable=1"),
            Mode::Untouched => uri(path, "readonly_shm=1"),
            Mode::ReadWrite | Mode::Create | Mode::ReadOnly | Mode::PrivateLog => path.to_owned(),
        };
        let failed = || StoreError::sqlite(format!("open {}", path.display()));
        let mut counts = open_files();
        let connection =
            Connection::open_with_flags(name, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed())?;
        let mark = OpenMark::new(&mut counts, path)?;
        drop(counts);
        let database = Self { connection, _mark: mark };
        database.busy_timeout(std::time::Duration::from_millis(250)).map_err(failed())?;
        if mode == Mode::PrivateLog {
            database.keep_log_as_it_is().map_err(failed())?;
        }
        Ok(database)
    }

    /// Lets SQLite keep 48 MiB of pages instead of 2 MB: for whoever reads everything several times. A migration has two such
    /// connections, which stays well under the 256 MiB it may take.
    pub(crate) fn use_large_cache(&self) -> rusqlite::Result<()> {
        self.execute_batch("PRAGMA cache_size = -49152")
    }

    fn keep_log_as_it_is(&self) -> rusqlite::Result<()> {
        self.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        self.execute_batch("PRAGMA query_only = ON; PRAGMA locking_mode = EXCLUSIVE;")
    }

    /// Makes whatever runs on the connection stop soon after `interrupt` is set.
    pub(crate) fn stop_on(&mut self, interrupt: &Interrupt) -> Result<(), StoreError> {
        self.stop_on_and_count(interrupt, &Gauge::default())
    }

    /// As [`Self::stop_on`], and the gauge counts what runs.
    pub(crate) fn stop_on_and_count(&mut self, interrupt: &Interrupt, gauge: &Gauge) -> Result<(), StoreError> {
        const INSTRUCTIONS_BETWEEN_LOOKS: i32 = 20_000;
        let (interrupt, gauge) = (interrupt.clone(), gauge.clone());
        let look = move || {
            gauge.count(INSTRUCTIONS_BETWEEN_LOOKS.unsigned_abs().into());
            interrupt.is_set()
        };
        self.connection
            .progress_handler(INSTRUCTIONS_BETWEEN_LOOKS, Some(look))
            .map_err(StoreError::sqlite("watch for an interrupt"))
    }

    /// No longer stops on an interrupt: what follows must be done to its end.
    pub(crate) fn stop_on_nothing(&mut self) -> Result<(), StoreError> {
        self.connection
            .progress_handler(0, None::<fn() -> bool>)
            .map_err(StoreError::sqlite("stop watching for an interrupt"))
    }

    /// The value of a PRAGMA that answers with one row.
    pub(crate) fn pragma<T: rusqlite::types::FromSql>(&self, name: &str) -> Result<T, StoreError> {
        self.connection
            .query_row(&format!("PRAGMA main.{name}"), [], |row| row.get(0))
            .map_err(StoreError::sqlite(format!("ask for {name}")))
    }
}

/// The start of a file, read without SQLite.
#[derive(Debug)]
pub(crate) enum FileStart {
    /// Its first bytes, at most as many as asked for, and its length.
    Bytes { start: Vec<u8>, length: u64 },
    /// SQLite has it open in this process, so it may not be touched otherwise.
    OpenHere,
}

/// Reads the first `most` bytes of the file, unless SQLite has it open in this process.
pub(crate) fn read_start(path: &Path, most: u64) -> Result<FileStart, StoreError> {
    let counts = open_files();
    let metadata = path.metadata().map_err(StoreError::io("look at", path))?;
    if counts.contains_key(&key_of(&metadata)) {
        return Ok(FileStart::OpenHere);
    }
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut start = Vec::new();
    file.take(most).read_to_end(&mut start).map_err(StoreError::io("read", path))?;
    drop(counts);
    Ok(FileStart::Bytes { start, length: metadata.len() })
}

/// Runs `work`, which may open and close the file by other means, unless SQLite has the file open in this process.
pub(crate) fn while_not_open_here<T>(path: &Path, work: impl FnOnce() -> T) -> Option<T> {
    let counts = open_files();
    if let Ok(metadata) = path.metadata()
        && counts.contains_key(&key_of(&metadata))
    {
        return None;
    }
    let done = work();
    drop(counts);
    Some(done)
}

type FileKey = (u64, u64);
type Counts = BTreeMap<FileKey, usize>;

static OPEN_FILES: Mutex<Counts> = Mutex::new(BTreeMap::new());

fn open_files() -> MutexGuard<'static, Counts> {
    OPEN_FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key_of(metadata: &std::fs::Metadata) -> FileKey {
    (metadata.dev(), metadata.ino())
}

#[derive(Debug)]
struct OpenMark(FileKey);

impl OpenMark {
    fn new(counts: &mut Counts, path: &Path) -> Result<Self, StoreError> {
        let key = key_of(&path.metadata().map_err(StoreError::io("look at", path))?);
        *counts.entry(key).or_default() += 1;
        Ok(Self(key))
    }
}

impl Drop for OpenMark {
    fn drop(&mut self) {
        let mut counts = open_files();
        if let Some(count) = counts.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.0);
            }
        }
    }
}

/// A URI that means exactly this file, whatever letters its name has, for reading in this way.
fn uri(path: &Path, way: &str) -> PathBuf {
    let mut uri = String::from("file://");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?mode=ro&");
    uri.push_str(way);
    PathBuf::from(uri)
}
