//! The two ways in: the daemon's start, and the command.

use std::path::Path;

use crate::connection::{Database, Mode};
use crate::context::{Event, Observer};
use crate::error::StoreError;
use crate::file_lock::FileLock;
use crate::files::{check_writable, make_folder, sync_folder};
use crate::location::{Location, Paths};
use crate::migrate::{MigrateOptions, OpenOutcome, OwnedDatabase, Plan, Trigger, attempts, change, run};
use crate::open::{DatabaseKind, FileMark, Looked, look, refuse};
use crate::schema::{Deviation, Features, HEAD_VERSION, Inventory, compare, create_fresh, expected_of};

/// Brings the database to head, makes a new one where there is none, and keeps owning it.
///
/// # Errors
///
/// Every [`StoreError`] except those of backups and restores; the file is then a whole database of its old version.
pub fn open(
    location: &Location,
    options: &MigrateOptions,
    observer: Observer<'_>,
) -> Result<(OwnedDatabase, OpenOutcome), StoreError> {
    let paths = location.resolve()?;
    let first = FirstLook::take(&paths)?;
    open_looked(paths, first, options, observer)
}

/// What was seen before the lock was taken, and what the files were like then.
struct FirstLook {
    mark: [FileMark; 2],
    looked: Looked,
}

impl FirstLook {
    fn take(paths: &Paths) -> Result<Self, StoreError> {
        let mark = Self::mark(paths);
        Ok(Self { mark, looked: look(&paths.database)? })
    }

    /// What was seen, looked at again where a file has changed since: whoever had the lock meanwhile may have written.
    fn still_true(self, paths: &Paths) -> Result<Looked, StoreError> {
        if Self::mark(paths) == self.mark {
            return Ok(self.looked);
        }
        drop(self.looked);
        look(&paths.database)
    }

    fn mark(paths: &Paths) -> [FileMark; 2] {
        [FileMark::of(&paths.database), FileMark::of(&paths.beside("-wal"))]
    }
}

fn open_looked(
    paths: Paths,
    first: FirstLook,
    options: &MigrateOptions,
    observer: Observer<'_>,
) -> Result<(OwnedDatabase, OpenOutcome), StoreError> {
    // What is refused is refused before anything is written, be it a lock file.
    refuse_early(&first.looked.kind, &paths, options)?;
    if options.create_if_missing {
        make_folder(paths.folder())?;
    }
    check_writable(paths.folder())?;
    if paths.database.exists() {
        check_writable(&paths.database)?;
    }
    let lock = FileLock::acquire(&paths)?;
    let outcome = bring_to_head(&paths, first.still_true(&paths)?, options, observer)?;
    Ok((OwnedDatabase { path: paths.database, _lock: lock }, outcome))
}

/// Brings the database to head. A database at head is left alone, also one that somebody else has open.
///
/// # Errors
///
/// As [`open`].
pub fn migrate(
    location: &Location,
    options: &MigrateOptions,
    observer: Observer<'_>,
) -> Result<OpenOutcome, StoreError> {
    let paths = location.resolve()?;
    let first = FirstLook::take(&paths)?;
    if let (DatabaseKind::Current { version }, Some(seen)) = (&first.looked.kind, &first.looked.seen)
        && Plan::of_features(&seen.inventory, options.features)?.pieces().next().is_none()
    {
        check_current(&seen.inventory, observer)?;
        return Ok(OpenOutcome::Current { version: *version });
    }
    open_looked(paths, first, options, observer).map(|(_, outcome)| outcome)
}

fn refuse_early(kind: &DatabaseKind, paths: &Paths, options: &MigrateOptions) -> Result<(), StoreError> {
    match kind {
        DatabaseKind::Missing if options.create_if_missing => Ok(()),
        DatabaseKind::Behind { version } if !options.auto_migrate && options.trigger == Trigger::Automatic => {
            Err(StoreError::MigrationNeeded { path: paths.database.clone(), found: *version })
        }
        kind => refuse(kind, &paths.database),
    }
}

/// Does to a database that we own whatever its kind asks for.
fn bring_to_head(
    paths: &Paths,
    mut looked: Looked,
    options: &MigrateOptions,
    observer: Observer<'_>,
) -> Result<OpenOutcome, StoreError> {
    if looked.kind == DatabaseKind::NeedsRecovery {
        recover(paths)?;
        observer(Event::Mended("a transaction that a crash had left half done was undone".into()));
        looked = look(&paths.database)?;
    }
    refuse_early(&looked.kind, paths, options)?;
    let Looked { kind, seen } = looked;
    match kind {
        DatabaseKind::Missing | DatabaseKind::Fresh => {
            // What was seen is held by a reader, and a reader is in the way of a commit.
            drop(seen);
            create(paths, options)
        }
        DatabaseKind::Current { version } => {
            if let Some(seen) = seen {
                check_current(&seen.inventory, observer)?;
                if Plan::of_features(&seen.inventory, options.features)?.pieces().next().is_none() {
                    return Ok(OpenOutcome::Current { version });
                }
            }
            change::add_features(paths, options, version)
        }
        DatabaseKind::Behind { .. } => {
            drop(seen);
            if options.trigger == Trigger::Automatic {
                attempts::allow_automatic(paths, options.clock.now())?;
            }
            run::migrate_owned(paths, options, observer)
        }
        DatabaseKind::NeedsRecovery => Err(StoreError::Damaged {
            path: paths.database.clone(),
            findings: vec!["a transaction that was left half done cannot be undone".into()],
        }),
        DatabaseKind::Newer { .. } | DatabaseKind::Foreign { .. } | DatabaseKind::Damaged { .. } => {
            unreachable!("refused above")
        }
    }
}

fn create(paths: &Paths, options: &MigrateOptions) -> Result<OpenOutcome, StoreError> {
    make_private(&paths.database)?;
    let database = Database::open(&paths.database, Mode::Create)?;
    database.execute_batch("PRAGMA synchronous = FULL").map_err(StoreError::sqlite("ask for full sync"))?;
    create_fresh(&database, options.features, options.clock.now())?;
    change::use_write_ahead_log(&database)?;
    drop(database);
    sync_folder(paths.folder())?;
    Ok(OpenOutcome::Created { path: paths.database.clone() })
}

/// Lets SQLite undo what a dead program left half done.
fn recover(paths: &Paths) -> Result<(), StoreError> {
    let database = Database::open(&paths.database, Mode::ReadWrite)?;
    Inventory::read(&database).map(|_| ())
}

/// Makes an empty file that is its owner's alone, where there is none: SQLite would leave it to the umask.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(StoreError::io("make", path)(error)),
        _ => Ok(()),
    }
}

/// A database at head whose tables differ cannot be worked with; one whose indexes differ can, and is warned about.
fn check_current(inventory: &Inventory, observer: Observer<'_>) -> Result<(), StoreError> {
    let (indexes, tables): (Vec<_>, Vec<_>) = compare(&expected_of(HEAD_VERSION, Features::NONE), inventory)
        .into_iter()
        .partition(|deviation| matches!(deviation, Deviation::MissingIndex { .. } | Deviation::OtherIndex { .. }));
    if !tables.is_empty() {
        return Err(StoreError::Deviates { deviations: tables.iter().map(ToString::to_string).collect() });
    }
    for deviation in indexes {
        observer(Event::Warning(deviation.to_string()));
    }
    Ok(())
}
