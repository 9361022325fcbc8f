//! Putting a backup back.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::backup::{Copy, examine, list, proof_of, prove, remove_leftovers, stamp};
use crate::connection::{Database, FileStart, Mode, read_start, while_not_open_here};
use crate::content::{contents, digest};
use crate::context::{Clock, Event, Interrupt, Observer};
use crate::error::{EngineErrorKind, StoreError};
use crate::file_lock::FileLock;
use crate::files::{check_space, check_writable, make_folder, sync_file, sync_folder};
use crate::location::{Location, Paths, with_suffix};
use crate::migrate::{Attempt, Ending, Faults, Step, Trigger, in_words, write_attempt};
use crate::open::{DatabaseKind, Looked, is_filled, look, refuse};
use crate::schema::applied_at;

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
    let paths = location.resolve()?;
    let started = options.clock.now();
    let backup = std::path::absolute(backup).map_err(StoreError::io("resolve", backup))?;
    refuse_itself(&paths, &backup)?;
    observer(Event::StepStarted(Step::Restore));
    make_folder(paths.folder())?;
    check_writable(paths.folder())?;
    let lock = FileLock::acquire(&paths)?;
    refuse_if_open(&paths.database)?;
    remove_leftovers(paths.folder(), &paths.stem())?;
    let (copy, version) = verified_copy(&paths, &backup, options, observer)?;
    let say = |line: String| {
        observer(Event::StepDone { step: Step::Restore, line, duration_ms: options.clock.ms_since(started) });
    };
    say(format!("✓ Backup verified: {} (v{version})", backup.display()));
    options.interrupt.check()?;
    let previous_version = version_at(&paths);
    let moved_to = away_name(&paths, previous_version, options);
    if let Some(away) = &moved_to {
        keep_side_files(&paths, away)?;
        settle(&paths)?;
        // Whoever opened it meanwhile would go on in a file that no longer has its name.
        refuse_if_open(&paths.database)?;
        keep_main_file(&paths, away)?;
    }
    put_in_place(&paths, &copy)?;
    if let Some(moved_to) = &moved_to {
        say(format!("✓ Previous database moved to: {}", moved_to.display()));
    }
    check_restored(&paths, version)?;
    say(format!("✓ Database restored: schema v{version}"));
    if let Err(error) = write_attempt(&paths, &line_of(&paths, &backup, previous_version, version, started, options)) {
        observer(Event::Warning(error.to_string()));
    }
    drop(lock);
    Ok(RestoreReport { path: paths.database, backup, version, moved_to, previous_version })
}

/// Puts the newest verified backup made before a migration back; if none is verified, the newest.
///
/// # Errors
///
/// As [`restore`], and [`StoreError::NoBackup`].
pub fn rollback(
    location: &Location,
    options: &RestoreOptions,
    observer: Observer<'_>,
) -> Result<RestoreReport, StoreError> {
    let paths = location.resolve()?;
    let backups: Vec<_> = list(&paths)?.into_iter().filter(|backup| backup.before_migration).collect();
    let chosen = backups.iter().find(|backup| backup.verified).or(backups.first());
    match chosen {
        Some(backup) => restore(location, &backup.path, options, observer),
        None => Err(StoreError::NoBackup { what: "backup from before a migration", directory: paths.backups }),
    }
}

fn refuse_itself(paths: &Paths, backup: &Path) -> Result<(), StoreError> {
    let backup_file = backup.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => StoreError::NotFound { path: backup.to_owned() },
        _ => StoreError::io("look at", backup)(error),
    })?;
    match paths.database.metadata() {
        Ok(file) if (file.dev(), file.ino()) == (backup_file.dev(), backup_file.ino()) => {
            Err(StoreError::BackupUnverified { path: backup.to_owned(), reason: "it is the database itself".into() })
        }
        _ => Ok(()),
    }
}

/// Copies the backup beside the database and proves the copy: whole, ours, and what it was when it was verified.
fn verified_copy(
    paths: &Paths,
    backup: &Path,
    options: &RestoreOptions,
    observer: Observer<'_>,
) -> Result<(Copy, i64), StoreError> {
    let unverified = |reason: String| StoreError::BackupUnverified { path: backup.to_owned(), reason };
    let Looked { kind, seen } = look(backup)?;
    match &kind {
        DatabaseKind::Current { .. } | DatabaseKind::Behind { .. } => {}
        DatabaseKind::Damaged { reason } => return Err(unverified(reason.clone())),
        DatabaseKind::Fresh => return Err(unverified("it is empty".into())),
        DatabaseKind::NeedsRecovery => return Err(unverified("a transaction was left half done in it".into())),
        DatabaseKind::Missing | DatabaseKind::Newer { .. } | DatabaseKind::Foreign { .. } => {
            return Err(refuse(&kind, backup).expect_err("these kinds are refused"));
        }
    }
    let mut seen = seen.expect("a database of known version was seen");
    seen.database.stop_on(&options.interrupt)?;
    let size = backup.metadata().map_err(StoreError::io("look at", backup))?.len();
    check_space(&[(paths.folder(), size)], &Faults::default())?;
    let base = format!("{}_restoring", paths.stem());
    let copy = Copy::make(&seen.database, paths.folder(), &base, Step::Restore, &options.interrupt, observer)?;
    let found = examine(copy.path(), &options.interrupt, &|_| ())?;
    if !found.integrity.is_empty() {
        return Err(unverified(found.integrity.join("; ")));
    }
    let held = contents(&seen.database, &seen.inventory, &|_| ())?;
    prove(backup, &found, &seen.inventory, &held, Some(&seen.versions))?;
    if let Some(proof) = proof_of(paths, backup)
        && proof.digest != digest(&found.contents, &found.inventory)
    {
        return Err(unverified("it does not hold what it held when it was made".into()));
    }
    Ok((copy, found.versions.version()))
}

const SIDE_FILES: [&str; 3] = ["-wal", "-journal", "-shm"];

/// The version of the file that is there, where it can be told.
fn version_at(paths: &Paths) -> Option<i64> {
    match look(&paths.database).ok()?.kind {
        DatabaseKind::Current { version } | DatabaseKind::Behind { version } | DatabaseKind::Newer { version } => {
            Some(version)
        }
        DatabaseKind::Missing
        | DatabaseKind::Fresh
        | DatabaseKind::Foreign { .. }
        | DatabaseKind::Damaged { .. }
        | DatabaseKind::NeedsRecovery => None,
    }
}

/// The name that the present file gets; none when there is nothing to move.
fn away_name(paths: &Paths, previous_version: Option<i64>, options: &RestoreOptions) -> Option<PathBuf> {
    let is_there = |suffix: &&str| paths.beside(suffix).symlink_metadata().is_ok();
    if !paths.database.exists() && !SIDE_FILES.iter().any(is_there) {
        return None;
    }
    let version = previous_version.map_or_else(|| "unknown".to_owned(), |version| format!("v{version}"));
    let name = format!(".failed_{version}_{}", stamp(options.clock.now()));
    let mut away = name.clone();
    let mut number = 2;
    while [""].iter().chain(&SIDE_FILES).any(|suffix| is_there(&format!("{away}{suffix}").as_str())) {
        away = format!("{name}_{number}");
        number += 1;
    }
    Some(paths.beside(&away))
}

/// Copies log and journal as they are, before anything touches them.
fn keep_side_files(paths: &Paths, away: &Path) -> Result<(), StoreError> {
    for suffix in SIDE_FILES {
        let (from, to) = (paths.beside(suffix), with_suffix(away, suffix));
        match std::fs::copy(&from, &to) {
            Ok(_) => sync_file(&to)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("copy to", &to)(error)),
        }
    }
    sync_folder(paths.folder())
}

/// Folds a write-ahead log or a hot journal into the file, as the next program to open it would.
///
/// So the file alone is the whole database, and replacing it by one rename is enough. A file that is too damaged for that
/// stays as it is.
fn settle(paths: &Paths) -> Result<(), StoreError> {
    if !is_filled(&paths.beside("-wal")) && !is_filled(&paths.beside("-journal")) {
        return Ok(());
    }
    match fold(paths) {
        Err(StoreError::InUse { path, pid }) => Err(StoreError::InUse { path, pid }),
        Err(StoreError::Sqlite { source, .. }) if source.kind == EngineErrorKind::Busy => {
            Err(StoreError::InUse { path: paths.database.clone(), pid: None })
        }
        // Too damaged, or not a database at all: that is why somebody restores.
        Ok(()) | Err(_) => Ok(()),
    }
}

fn fold(paths: &Paths) -> Result<(), StoreError> {
    const SMALLEST_PAGE_BYTES: u64 = 512;
    // Beside a file of no pages SQLite deletes the log instead of reading it.
    match read_start(&paths.database, 16)? {
        FileStart::Bytes { start, length }
            if start.starts_with(b"SQLite format 3\0") && length >= SMALLEST_PAGE_BYTES => {}
        FileStart::Bytes { .. } | FileStart::OpenHere => return Ok(()),
    }
    let database = Database::open(&paths.database, Mode::ReadWrite)?;
    let fold = || {
        database.execute_batch("PRAGMA synchronous = FULL; SELECT count(*) FROM main.sqlite_schema;")?;
        database.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
    };
    match fold().map_err(StoreError::sqlite("fold the write-ahead log in"))? {
        0 => Ok(()),
        _ => Err(StoreError::InUse { path: paths.database.clone(), pid: None }),
    }
}

/// Gives the present file a second name. The real name stays until the backup takes it over.
fn keep_main_file(paths: &Paths, away: &Path) -> Result<(), StoreError> {
    if paths.database.exists() {
        keep_under(&paths.database, away)?;
    }
    sync_folder(paths.folder())
}

/// A second name for a file; a copy where the file system has no links. Nobody has the file open.
fn keep_under(from: &Path, to: &Path) -> Result<(), StoreError> {
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to).map_err(StoreError::io("copy to", to))?;
    sync_file(to)
}

/// Takes the side files away and renames the copy over the database: first those, for beside the backup an old
/// write-ahead log would silently make it the old version again.
fn put_in_place(paths: &Paths, copy: &Copy) -> Result<(), StoreError> {
    if let Ok(previous) = paths.database.metadata() {
        std::fs::set_permissions(copy.path(), previous.permissions())
            .map_err(StoreError::io("set the permissions of", copy.path()))?;
        // Only root may give files away; anybody else has the right owner already.
        let _ = std::os::unix::fs::chown(copy.path(), Some(previous.uid()), Some(previous.gid()));
        sync_file(copy.path())?;
    }
    for suffix in SIDE_FILES {
        let path = paths.beside(suffix);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("move away", &path)(error));
            }
            _ => {}
        }
    }
    sync_folder(paths.folder())?;
    std::fs::rename(copy.path(), &paths.database).map_err(StoreError::io("put the backup at", &paths.database))?;
    sync_folder(paths.folder())
}

fn check_restored(paths: &Paths, version: i64) -> Result<(), StoreError> {
    match look(&paths.database)?.kind {
        DatabaseKind::Current { version: found } | DatabaseKind::Behind { version: found } if found == version => {
            Ok(())
        }
        kind => Err(StoreError::StepFailed(format!("the restored database reads as {kind:?}, expected v{version}"))),
    }
}

/// An error when any process, this one included, has the file open.
pub(crate) fn refuse_if_open(path: &Path) -> Result<(), StoreError> {
    // A process that is just being started has its parent's files open for a moment.
    const TRIES: u32 = 20;
    const BETWEEN_TRIES: std::time::Duration = std::time::Duration::from_millis(10);
    let mut tries = 0;
    loop {
        let pid = match while_not_open_here(path, || is_locked(path)) {
            None => Some(std::process::id()),
            Some(locked) => match (locked, process_that_has(path)) {
                (false, None) => return Ok(()),
                (_, pid) => pid,
            },
        };
        tries += 1;
        if tries >= TRIES {
            return Err(StoreError::InUse { path: path.to_owned(), pid });
        }
        std::thread::sleep(BETWEEN_TRIES);
    }
}

/// Whether another process has any of SQLite's locks on the file: a transaction, or any use of a write-ahead log.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = std::fs::OpenOptions::new().read(true).write(true).open(path) else { return false };
    match rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => false,
        Err(error) => matches!(error, rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS),
    }
}

/// Another process that has the file open, locked or not, as far as this user may see.
pub(crate) fn process_that_has(path: &Path) -> Option<u32> {
    let file = path.metadata().ok()?;
    let is_it = |found: &std::fs::Metadata| (found.dev(), found.ino()) == (file.dev(), file.ino());
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id())
        .find(|pid| {
            let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
            open.is_ok_and(|open| {
                open.flatten().any(|entry| std::fs::metadata(entry.path()).is_ok_and(|it| is_it(&it)))
            })
        })
}

fn line_of(
    paths: &Paths,
    backup: &Path,
    previous_version: Option<i64>,
    version: i64,
    started: jiff::Timestamp,
    options: &RestoreOptions,
) -> Attempt {
    Attempt {
        at: applied_at(options.clock.now()),
        database: in_words(&paths.database),
        trigger: Trigger::Command,
        from_version: previous_version.unwrap_or(0),
        to_version: version,
        ending: Ending::Restored,
        step: None,
        code: None,
        error: None,
        backup: Some(in_words(backup)),
        duration_ms: options.clock.ms_since(started),
        pid: std::process::id(),
    }
}
