//! What there is to say about a database, without writing to it.

use std::path::PathBuf;

use crate::backup::BackupInfo;
use crate::error::StoreError;
use crate::location::Location;
use crate::open::DatabaseKind;
use crate::schema::{Features, VersionRow};

/// What there is to say about a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The file, with symlinks followed.
    pub path: PathBuf,
    /// What it is.
    pub kind: DatabaseKind,
    /// Its schema version, where it has one.
    pub version: Option<i64>,
    /// The rows of `schema_version`, oldest version first.
    pub history: Vec<VersionRow>,
    /// What `migrate` would do, a line a step; empty when there is nothing to do.
    pub pending: Vec<String>,
    /// Size of the file.
    pub size_bytes: u64,
    /// Size of the write-ahead log beside it.
    pub wal_bytes: u64,
    /// `wal`, `delete`, …
    pub journal_mode: Option<String>,
    /// The process that owns it.
    pub owner_pid: Option<u32>,
    /// The newest backup.
    pub last_backup: Option<BackupInfo>,
    /// The folder of backups.
    pub backup_directory: PathBuf,
}

/// Looks at a database without writing to it, also beside a running daemon. A file that is not ours is a status, no error.
///
/// # Errors
///
/// When the file or its folder cannot be read.
pub fn status(location: &Location, features: Features) -> Result<Status, StoreError> {
    let _ = (location, features);
    unimplemented!("in work")
}
