//! How much room a migration asks for, on which folders: what preflight refuses below, and `plan` shows.

use std::path::{Path, PathBuf};

use crate::files::{Need, existing_folder};
use crate::location::Paths;

/// Room kept free beyond what is reckoned.
const RESERVE_BYTES: u64 = 4 << 20;

/// What a migration asks for before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Needs {
    /// The database's folder: journal or write-ahead log, and the new indexes.
    pub(crate) change: (PathBuf, u64),
    /// The folder of backups, or the nearest one above it that exists.
    pub(crate) backup: (PathBuf, u64),
    /// The folder of SQLite's sorter files, where there is one.
    pub(crate) sorter: Option<(PathBuf, u64)>,
}

impl Needs {
    /// For a database of `bytes`, its write-ahead log included.
    pub(crate) fn of(paths: &Paths, bytes: u64, create_backup: bool) -> Self {
        // The new indexes hold a part of three tables' columns; journal or log hold what is changed, the sorter as much.
        let sorter_folder = std::env::temp_dir();
        Self {
            change: (paths.folder().to_owned(), bytes / 2 + RESERVE_BYTES),
            backup: (existing_folder(&paths.backups).to_owned(), if create_backup { bytes + RESERVE_BYTES } else { 0 }),
            sorter: sorter_folder.is_dir().then_some((sorter_folder, bytes / 2)),
        }
    }

    /// Folder by folder.
    pub(crate) fn list(&self) -> impl Iterator<Item = Need<'_>> {
        fn need((path, bytes): &(PathBuf, u64)) -> Need<'_> {
            (Path::new(path), *bytes)
        }
        [need(&self.change), need(&self.backup)].into_iter().chain(self.sorter.as_ref().map(need))
    }
}
