//! Verified copies of a database.

use std::path::PathBuf;

use crate::context::{Clock, Interrupt, Observer};
use crate::error::StoreError;
use crate::location::Location;

/// Which old backups are deleted. The newest verified one and the newest made before a migration always stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupRetention {
    /// Older ones go.
    pub retention_days: u32,
    /// Beyond so many, the oldest go.
    pub max_backups: usize,
}

impl Default for BackupRetention {
    fn default() -> Self {
        Self { retention_days: 30, max_backups: 10 }
    }
}

/// How a backup is made.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// The clock: the name comes from it.
    pub clock: Clock,
    /// Stops the work when set.
    pub interrupt: Interrupt,
    /// Another file to write to; it must not exist. Without it, a name in the folder of backups.
    pub to: Option<PathBuf>,
    /// Which old backups go afterwards.
    pub retention: BackupRetention,
}

impl BackupOptions {
    /// A backup in the folder of backups, with the default retention.
    pub fn new(clock: Clock) -> Self {
        Self { clock, interrupt: Interrupt::new(), to: None, retention: BackupRetention::default() }
    }
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BackupInfo {
    /// The file.
    pub path: PathBuf,
    /// Its schema version; absent when it cannot be read.
    pub version: Option<i64>,
    /// Its size.
    pub size_bytes: u64,
    /// When it was made, by its name.
    #[serde(serialize_with = "as_text")]
    pub created_at: jiff::Timestamp,
    /// Whether it was proved equal to the database when it was made, and has its size of then.
    pub verified: bool,
    /// Whether it was made before a migration.
    pub before_migration: bool,
}

pub(crate) fn as_text<S: serde::Serializer>(time: &jiff::Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// Makes a verified backup of the database, also while somebody works in it.
///
/// # Errors
///
/// What [`crate::migrate`] refuses, except that an older version is no hindrance; [`StoreError::BackupUnverified`].
pub fn backup(location: &Location, options: &BackupOptions, observer: Observer<'_>) -> Result<BackupInfo, StoreError> {
    let _ = (location, options, observer);
    unimplemented!("in work")
}

/// The backups of this database, newest first.
///
/// # Errors
///
/// When the folder cannot be read; a folder that does not exist holds none.
pub fn list_backups(location: &Location) -> Result<Vec<BackupInfo>, StoreError> {
    let _ = location;
    unimplemented!("in work")
}
