//! Putting a backup back.

use std::path::{Path, PathBuf};

use crate::context::{Clock, Interrupt, Observer};
use crate::error::StoreError;
use crate::location::Location;

/// How a backup is put back.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The clock: the name of the file moved away comes from it.
    pub clock: Clock,
    /// Stops the work when set, as long as nothing has been moved.
    pub interrupt: Interrupt,
}

impl RestoreOptions {
    /// Options with a clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock, interrupt: Interrupt::new() }
    }
}

/// A backup that was put back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RestoreReport {
    /// The database.
    pub path: PathBuf,
    /// The backup that is there now.
    pub backup: PathBuf,
    /// The version now.
    pub version: i64,
    /// Where the file that was there is now; absent when there was none.
    pub moved_to: Option<PathBuf>,
    /// The version that the file had, where it could be read.
    pub previous_version: Option<i64>,
}

/// Puts `backup` in place of the database. Refuses while anything has the database open; deletes nothing.
///
/// # Errors
///
/// [`StoreError::InUse`], [`StoreError::BackupUnverified`], [`StoreError::NotOurs`], [`StoreError::Newer`], and what the
/// file system says. The old file or the new one is then under the real name.
pub fn restore(
    location: &Location,
    backup: &Path,
    options: &RestoreOptions,
    observer: Observer<'_>,
) -> Result<RestoreReport, StoreError> {
    let _ = (location, backup, options, observer);
    unimplemented!("in work")
}

/// Puts the newest backup made before a migration back.
///
/// # Errors
///
/// As [`restore`], and [`StoreError::NoBackup`].
pub fn rollback(
    location: &Location,
    options: &RestoreOptions,
    observer: Observer<'_>,
) -> Result<RestoreReport, StoreError> {
    let _ = (location, options, observer);
    unimplemented!("in work")
}
