//! The room that a migration takes on each file system, and what is free there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::measure::Measures;
use crate::error::StoreError;
use crate::files::free_bytes;
use crate::location::Paths;
use crate::space::Needs;

/// What room is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpacePurpose {
    /// The backup.
    Backup,
    /// The write-ahead log, which holds what is new until it is merged.
    WriteAheadLog,
    /// The rollback journal, which holds the pages as they were.
    RollbackJournal,
    /// The new tables and indexes.
    NewIndexes,
    /// The files of SQLite's sorter, gone afterwards.
    SorterFiles,
}

/// A part of the room taken on a file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpacePart {
    /// What for.
    pub purpose: SpacePurpose,
    /// The folder.
    pub folder: PathBuf,
    /// How much is expected to be taken.
    pub bytes: u64,
}

/// A file system that a migration writes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpaceForecast {
    /// A folder on it.
    pub folder: PathBuf,
    /// What is expected to be taken.
    pub parts: Vec<SpacePart>,
    /// The sum of the parts.
    pub expected_bytes: u64,
    /// What `migrate` asks for before it begins: below it, it refuses.
    pub required_bytes: u64,
    /// What should be free: the larger of the two.
    pub needed_bytes: u64,
    /// What is free to this user.
    pub free_bytes: u64,
}

impl SpaceForecast {
    /// Whether there is room.
    pub fn fits(&self) -> bool {
        self.free_bytes >= self.needed_bytes
    }
}

/// Forecasts for each file system concerned.
pub(super) fn forecast(
    paths: &Paths,
    measures: &Measures,
    migrates: bool,
    is_wal: bool,
    create_backup: bool,
) -> Result<Vec<SpaceForecast>, StoreError> {
    let needs = Needs::of(paths, measures.bytes, create_backup);
    let (database, backups) = (needs.change.0.as_path(), needs.backup.0.as_path());
    let mut parts = vec![part(SpacePurpose::NewIndexes, database, new_bytes(measures))];
    parts.push(if is_wal {
        part(SpacePurpose::WriteAheadLog, database, log_bytes(measures))
    } else {
        part(SpacePurpose::RollbackJournal, database, changed_bytes(measures))
    });
    if migrates && create_backup {
        parts.push(part(SpacePurpose::Backup, backups, measures.bytes));
    }
    if let Some((folder, _)) = &needs.sorter {
        parts.push(part(SpacePurpose::SorterFiles, folder, sorter_bytes(measures)));
    }
    let mut found: Vec<(u64, SpaceForecast)> = Vec::new();
    for part in parts {
        let forecast = on_device(&mut found, &part.folder)?;
        forecast.expected_bytes += part.bytes;
        forecast.parts.push(part);
    }
    // What is added to a database at head is not preceded by a check of the room.
    for (folder, bytes) in needs.list().filter(|_| migrates) {
        on_device(&mut found, folder)?.required_bytes += bytes;
    }
    let finished = |(_, forecast): (u64, SpaceForecast)| SpaceForecast {
        needed_bytes: forecast.expected_bytes.max(forecast.required_bytes),
        ..forecast
    };
    Ok(found.into_iter().map(finished).collect())
}

/// The forecast of the file system that holds `folder`, made where there is none yet.
fn on_device<'a>(found: &'a mut Vec<(u64, SpaceForecast)>, folder: &Path) -> Result<&'a mut SpaceForecast, StoreError> {
    let device = folder.metadata().map_err(StoreError::io("look at", folder))?.dev();
    let place = match found.iter().position(|(known, _)| *known == device) {
        Some(place) => place,
        None => {
            let empty = SpaceForecast {
                folder: folder.to_owned(),
                parts: Vec::new(),
                expected_bytes: 0,
                required_bytes: 0,
                needed_bytes: 0,
                free_bytes: free_bytes(folder)?,
            };
            found.push((device, empty));
            found.len() - 1
        }
    };
    Ok(&mut found[place].1)
}

fn part(purpose: SpacePurpose, folder: &Path, bytes: u64) -> SpacePart {
    SpacePart { purpose, folder: folder.to_owned(), bytes }
}

/// New indexes and tables, and the scripts that the version table will hold.
fn new_bytes(measures: &Measures) -> u64 {
    const PAGES_OF_SCRIPTS: u64 = 2;
    measures.index_bytes() + (measures.new_tables + PAGES_OF_SCRIPTS) * measures.page_bytes
}

/// Pages that were there before and change: the schema and the trees that hang on it.
fn changed_bytes(measures: &Measures) -> u64 {
    const PAGES_OF_THE_SCHEMA: u64 = 8;
    PAGES_OF_THE_SCHEMA * measures.page_bytes
}

/// Everything new and changed goes through the log first, a frame a page.
fn log_bytes(measures: &Measures) -> u64 {
    const BYTES_AROUND_A_PAGE: u64 = 24;
    let bytes = new_bytes(measures) + changed_bytes(measures);
    bytes + bytes / measures.page_bytes * BYTES_AROUND_A_PAGE
}

/// The largest index is sorted through files, which are merged once more; a small one is sorted in memory.
fn sorter_bytes(measures: &Measures) -> u64 {
    const SORTED_IN_MEMORY_BYTES: u64 = 2 << 20;
    let largest = measures.indexes.iter().map(|index| index.bytes).max().unwrap_or(0);
    if largest <= SORTED_IN_MEMORY_BYTES { 0 } else { largest * 2 }
}
