//! Verified copies of a database.

mod copy;
mod names;

use std::path::{Path, PathBuf};

use crate::connection::{Database, Mode};
use crate::content::{Contents, contents};
use crate::context::{Clock, Event, Interrupt, Observer};
use crate::error::StoreError;
use crate::files::{check_space, check_writable, make_folder};
use crate::location::{Location, Paths, folder_of};
use crate::migrate::{Faults, Step};
use crate::open::{DatabaseKind, FileMark, Looked, look, refuse};
use crate::schema::{Inventory, VersionTable, applied_at};

pub(crate) use copy::{Copy, Found, examine, examine_and_count, examine_open, prove, write_down};
pub(crate) use names::{
    Proof, base_name, dead_leftovers, files_and_proofs, list, proof_of, prune, remove_leftovers, stamp, stamp_time,
};

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
    let BackupOptions { clock, interrupt, to, retention } = options;
    let paths = location.resolve()?;
    let before = FileMark::of(&paths.database);
    let mode = mode_to_back_up(&paths)?;
    let started = clock.now();
    let (folder, base) = match to {
        Some(target) => target_of(target)?,
        None => (paths.backups.clone(), base_name(&paths, started, false)),
    };
    make_folder(&folder)?;
    check_writable(&folder)?;
    let size_bytes = paths.database.metadata().map_err(StoreError::io("look at", &paths.database))?.len();
    check_space(&[(&folder, size_bytes + size_of_wal(&paths))], &Faults::default())?;
    observer(Event::StepStarted(Step::Backup));
    let copied = copy_and_prove(&paths, mode, &folder, &base, interrupt, observer);
    // Read without locks, a copy is worth nothing when somebody opened the database meanwhile: then another is made.
    let (copy, found) = if mode == Mode::Immutable && FileMark::of(&paths.database) != before {
        interrupt.check()?;
        copy_and_prove(&paths, Mode::ReadOnly, &folder, &base, interrupt, observer)?
    } else {
        copied?
    };
    let path = match to {
        Some(_) => {
            let path = folder.join(&base);
            copy.publish_as(&path)?;
            path
        }
        None => {
            let path = copy.publish(&folder, &base)?;
            write_down(&paths, &path, &found, applied_at(clock.now()))?;
            // The backup is made; what cannot be deleted does not undo that.
            if let Err(error) = prune(&paths, *retention, clock.now(), observer) {
                observer(Event::Warning(error.to_string()));
            }
            path
        }
    };
    let info = info_of(&path, &found, started, false)?;
    let line = created_line(&info);
    observer(Event::StepDone { step: Step::Backup, line, duration_ms: clock.ms_since(started) });
    Ok(info)
}

/// The backups of this database, newest first.
///
/// # Errors
///
/// When the folder cannot be read; a folder that does not exist holds none.
pub fn list_backups(location: &Location) -> Result<Vec<BackupInfo>, StoreError> {
    list(&location.resolve()?)
}

/// The line that says that a backup was made.
pub(crate) fn created_line(backup: &BackupInfo) -> String {
    format!("✓ Backup created: {} ({}, verified)", backup.path.display(), size_in_words(backup.size_bytes))
}

/// What there is to say of a backup that was just proved.
pub(crate) fn info_of(
    path: &Path,
    found: &Found,
    created_at: jiff::Timestamp,
    before_migration: bool,
) -> Result<BackupInfo, StoreError> {
    let size_bytes = path.metadata().map_err(StoreError::io("look at", path))?.len();
    let version = Some(found.versions.version());
    Ok(BackupInfo { path: path.to_owned(), version, size_bytes, created_at, verified: true, before_migration })
}

/// The write-ahead log's size: what the main file may grow by.
pub(crate) fn size_of_wal(paths: &Paths) -> u64 {
    paths.beside("-wal").metadata().map_or(0, |metadata| metadata.len())
}

/// How the database is best read, or why there is nothing to back up. A file in write-ahead mode that nobody has open is
/// read without locks, so that nothing appears beside it.
fn mode_to_back_up(paths: &Paths) -> Result<Mode, StoreError> {
    let Looked { kind, seen } = look(&paths.database)?;
    match &kind {
        DatabaseKind::Fresh => {
            let reason = "it is empty: there is nothing to back up".to_owned();
            return Err(StoreError::NotOurs { path: paths.database.clone(), reason });
        }
        DatabaseKind::NeedsRecovery => {
            let reason =
                "a program died in the middle of a transaction: run `riskd db migrate` or start the daemon first";
            return Err(StoreError::StepFailed(reason.into()));
        }
        kind => refuse(kind, &paths.database)?,
    }
    Ok(seen.map_or(Mode::ReadOnly, |seen| seen.mode))
}

/// Copies the database and proves the copy.
fn copy_and_prove(
    paths: &Paths,
    mode: Mode,
    folder: &Path,
    base: &str,
    interrupt: &Interrupt,
    observer: Observer<'_>,
) -> Result<(Copy, Found), StoreError> {
    let mut source = Database::open(&paths.database, mode)?;
    source.stop_on(interrupt)?;
    source.execute_batch("BEGIN").map_err(StoreError::sqlite("begin to read"))?;
    let inventory = Inventory::read(&source)?;
    let copy = Copy::make(&source, folder, base, Step::Backup, interrupt, observer)?;
    let (found, contents) = examine_both(&copy, &source, &inventory, interrupt)?;
    if !found.integrity.is_empty() {
        return Err(StoreError::Damaged { path: paths.database.clone(), findings: found.integrity });
    }
    let versions = VersionTable::read(&source, &inventory)?;
    prove(copy.path(), &found, &inventory, &contents, Some(&versions))?;
    Ok((copy, found))
}

/// The folder and the file name of a target that the user chose.
fn target_of(target: &Path) -> Result<(PathBuf, String), StoreError> {
    let target = std::path::absolute(target).map_err(StoreError::io("resolve", target))?;
    if target.symlink_metadata().is_ok() {
        return Err(StoreError::io("make", &target)(std::io::ErrorKind::AlreadyExists.into()));
    }
    match target.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok((folder_of(&target).to_owned(), name.to_owned())),
        None => Err(StoreError::io("make", &target)(std::io::ErrorKind::InvalidInput.into())),
    }
}

/// Reads copy and source through, one on each core.
fn examine_both(
    copy: &Copy,
    source: &Database,
    inventory: &Inventory,
    interrupt: &Interrupt,
) -> Result<(Found, Contents), StoreError> {
    std::thread::scope(|scope| {
        let found = scope.spawn(|| examine(copy.path(), interrupt, &|_| ()));
        let before = contents(source, inventory, &|_| ());
        let found = found.join().expect("the examiner does not panic")?;
        // A damaged source cannot be read through; then its copy says what is wrong with it.
        Ok(if found.integrity.is_empty() { (found, before?) } else { (found, Contents::new()) })
    })
}

/// A size as people read it, such as `1.4 MB`: decimal units.
pub fn size_in_words(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut size = bytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_said_in_words() {
        for (bytes, words) in
            [(0, "0.0 kB"), (4_096, "4.1 kB"), (1_400_000, "1.4 MB"), (999_999, "1.0 MB"), (2_500_000_000, "2.5 GB")]
        {
            assert_eq!(super::size_in_words(bytes), words);
        }
    }
}
