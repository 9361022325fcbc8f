//! Copying a database through SQLite's backup interface, and proving the copy.

use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};

use super::names::{Proof, partial_path, write_proof};
use crate::connection::{Database, Mode};
use crate::content::{Contents, contents, differences, digest, integrity_findings};
use crate::context::{Event, Interrupt, Observer};
use crate::error::StoreError;
use crate::files::{Syncing, make_private_file, sync_folder};
use crate::location::{Paths, folder_of};
use crate::migrate::{Gauge, Step};
use crate::schema::{Inventory, VersionTable};

/// A copy that is not proved yet. It goes away unless it is published.
#[derive(Debug)]
pub(crate) struct Copy {
    partial: PathBuf,
}

/// What a copy was found to hold.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) inventory: Inventory,
    pub(crate) contents: Contents,
    pub(crate) versions: VersionTable,
    /// What the integrity check said; empty when all is well.
    pub(crate) integrity: Vec<String>,
}

impl Copy {
    /// Copies the snapshot that `source` sees into `folder`, under a name that begins with a dot.
    pub(crate) fn make(
        source: &Database,
        folder: &Path,
        base: &str,
        step: Step,
        interrupt: &Interrupt,
        observer: Observer<'_>,
    ) -> Result<Self, StoreError> {
        let mut number = 1;
        let partial = loop {
            let path = partial_path(folder, base, number);
            match make_private_file(&path) {
                Ok(_) => break path,
                Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        // From here on the copy is removed on every way out.
        let copy = Self { partial };
        let syncing = Syncing::start(&copy.partial)?;
        copy_pages(source, &copy.partial, &syncing, step, interrupt, observer)?;
        syncing.finish(interrupt)?;
        Ok(copy)
    }

    /// The file as long as it is not published.
    pub(crate) fn path(&self) -> &Path {
        &self.partial
    }

    /// Gives the proved copy its name: `base.db`, or with a number behind it where that is taken. Never replaces a file.
    pub(crate) fn publish(self, folder: &Path, base: &str) -> Result<PathBuf, StoreError> {
        let mut number = 1;
        loop {
            let name = if number == 1 { format!("{base}.db") } else { format!("{base}_{number}.db") };
            let path = folder.join(name);
            match self.publish_as(&path) {
                Ok(()) => return Ok(path),
                Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the proved copy this name; it must be free.
    pub(crate) fn publish_as(&self, path: &Path) -> Result<(), StoreError> {
        // A link fails where the name is taken; a rename would replace. Some file systems have no links.
        match std::fs::hard_link(&self.partial, path) {
            Ok(()) => std::fs::remove_file(&self.partial).map_err(StoreError::io("delete", &self.partial))?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists || path.exists() => {
                return Err(StoreError::io("make", path)(std::io::ErrorKind::AlreadyExists.into()));
            }
            Err(_) => std::fs::rename(&self.partial, path).map_err(StoreError::io("make", path))?,
        }
        sync_folder(folder_of(path))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.partial);
    }
}

/// Reads a copy through: integrity, definitions, every row.
pub(crate) fn examine(path: &Path, interrupt: &Interrupt, progress: &dyn Fn(u64)) -> Result<Found, StoreError> {
    let mut database = Database::open(path, Mode::Immutable)?;
    database.use_large_cache().map_err(StoreError::sqlite("prepare the connection"))?;
    database.stop_on(interrupt)?;
    examine_open(&database, progress)
}

/// As [`examine`], and the gauge counts what runs.
pub(crate) fn examine_and_count(path: &Path, interrupt: &Interrupt, gauge: &Gauge) -> Result<Found, StoreError> {
    let mut database = Database::open(path, Mode::Immutable)?;
    database.use_large_cache().map_err(StoreError::sqlite("prepare the connection"))?;
    database.stop_on_and_count(interrupt, gauge)?;
    examine_open(&database, &|_| ())
}

/// Reads what `database` sees through: integrity, definitions, every row.
pub(crate) fn examine_open(database: &Database, progress: &dyn Fn(u64)) -> Result<Found, StoreError> {
    let integrity = integrity_findings(database)?;
    if !integrity.is_empty() {
        let versions = VersionTable::Absent;
        return Ok(Found { inventory: Inventory::default(), contents: Contents::new(), versions, integrity });
    }
    let inventory = Inventory::read(database)?;
    let versions = VersionTable::read(database, &inventory)?;
    let contents = contents(database, &inventory, progress)?;
    Ok(Found { inventory, contents, versions, integrity })
}

/// An error unless the copy has the definitions and the rows of its source; those of the version table where they are
/// given, for a failed attempt adds to them without making the copy useless.
pub(crate) fn prove(
    path: &Path,
    copy: &Found,
    source_inventory: &Inventory,
    source_contents: &Contents,
    source_versions: Option<&VersionTable>,
) -> Result<(), StoreError> {
    let unverified = |reason| Err(StoreError::BackupUnverified { path: path.to_owned(), reason });
    let (ours, theirs) = (copy.inventory.without_version_table(), source_inventory.without_version_table());
    if ours != theirs {
        return unverified("its definitions differ from those of the database".into());
    }
    if source_versions.is_some_and(|versions| *versions != copy.versions) {
        return unverified("rows of schema_version differ".into());
    }
    let differences = differences(source_contents, &copy.contents);
    if differences.is_empty() { Ok(()) } else { unverified(differences.join("; ")) }
}

/// Writes down that the published copy was proved.
pub(crate) fn write_down(paths: &Paths, path: &Path, found: &Found, verified_at: String) -> Result<(), StoreError> {
    let size_bytes = path.metadata().map_err(StoreError::io("look at", path))?.len();
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let digest = digest(&found.contents, &found.inventory);
    write_proof(paths, &Proof { file, size_bytes, version: found.versions.version(), digest, verified_at })
}

fn copy_pages(
    source: &Database,
    target: &Path,
    syncing: &Syncing,
    step: Step,
    interrupt: &Interrupt,
    observer: Observer<'_>,
) -> Result<(), StoreError> {
    // Large enough to cost nothing, small enough to stop within a moment.
    const PAGES_AT_ONCE: i32 = 2_048;
    // So that the disk works while pages are copied, and little is left to wait for at the end.
    const STEPS_BETWEEN_SYNCS: u32 = 8;
    let action = || StoreError::sqlite("copy the database");
    let mut copy = Database::open(target, Mode::ReadWrite)?;
    // Nobody reads the copy before it is synced and proved, so it needs no journal of its own.
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;").map_err(action())?;
    let backup = Backup::new(source, &mut copy).map_err(action())?;
    let (mut refusals, mut steps) = (0, 0);
    loop {
        interrupt.check()?;
        match backup.step(PAGES_AT_ONCE).map_err(action())? {
            StepResult::Done => return Ok(()),
            StepResult::More => {
                steps += 1;
                if steps % STEPS_BETWEEN_SYNCS == 0 {
                    syncing.go_on();
                }
                let progress = backup.progress();
                let total = u64::try_from(progress.pagecount).unwrap_or(0);
                let done = total.saturating_sub(u64::try_from(progress.remaining).unwrap_or(0));
                observer(Event::Progress { step, done, total, unit: "pages" });
            }
            // The snapshot is ours; only a commit of somebody else can be in the way for a moment.
            _ if refusals < 100 => {
                refusals += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            _ => return Err(StoreError::InUse { path: target.to_owned(), pid: None }),
        }
    }
}
