//! What is done while the disk fails, to which files, and what may be there afterwards.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use riskd_store::{
    BackupOptions, Clock, Event, Faults, Interrupt, Location, MigrateOptions, OpenOutcome, RestoreOptions, Step,
    StoreError, nobody,
};

use crate::database::Contents;
use crate::disk::Watched;
use crate::support::{Fixture, NOW, run_python};

/// What the store is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// v1 to v2.
    Migrate,
    /// A migration that fails before its commit, and is recorded.
    RecordFailure,
    /// A verified copy.
    Backup,
    /// A backup named by path, over a database that has a newer row.
    Restore,
    /// The newest backup from before a migration, over a database that has a newer row.
    Rollback,
    /// A new database where there is none.
    Create,
}

/// An action on files that somebody left.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) action: Action,
    /// How the database was made: a form of `make.py`, and whether a crash left a log or a journal beside it.
    source: &'static str,
    ready: OnceLock<Ready>,
}

/// A scenario's files, and what may be made of them.
pub(crate) struct Ready {
    folders: Vec<PathBuf>,
    files: Vec<(PathBuf, Vec<u8>)>,
    /// What may be found afterwards, by name.
    pub(crate) known: Vec<(&'static str, Contents)>,
    /// The rows of the database as Python saw them, for Python to find again.
    pub(crate) held: Option<Vec<u8>>,
    /// The log of a database that is gone, which must not be lost.
    pub(crate) orphan: Option<Vec<u8>>,
    /// The first operation of the main thread that belongs to the scenario and not to one before it.
    pub(crate) first: usize,
    /// What each thread does when nothing fails.
    pub(crate) operations: Vec<Vec<crate::disk::Operation>>,
}

/// How an action ended for its caller.
pub(crate) struct Ended {
    pub(crate) result: Result<(), StoreError>,
    pub(crate) warnings: Vec<String>,
    /// Operations of this thread when the step was told to fail.
    pub(crate) failed_at: usize,
}

const fn scenario(name: &'static str, action: Action, source: &'static str) -> Scenario {
    Scenario { name, action, source, ready: OnceLock::new() }
}

pub(crate) static SCENARIOS: [Scenario; 13] = [
    scenario("migrate-journal", Action::Migrate, "documented"),
    scenario("migrate-wal", Action::Migrate, "write_ahead"),
    scenario("migrate-hot-journal", Action::Migrate, "hot_journal"),
    scenario("record-failure-journal", Action::RecordFailure, "two_columns"),
    scenario("record-failure-wal", Action::RecordFailure, "write_ahead"),
    scenario("backup-journal", Action::Backup, "documented"),
    scenario("backup-wal", Action::Backup, "write_ahead"),
    scenario("restore-journal", Action::Restore, "hot_journal_v2"),
    scenario("restore-wal", Action::Restore, "write_ahead_v2"),
    scenario("restore-over-leftovers", Action::Restore, "leftovers"),
    scenario("rollback-journal", Action::Rollback, "hot_journal_v2"),
    scenario("rollback-wal", Action::Rollback, "write_ahead_v2"),
    scenario("create", Action::Create, ""),
];

impl Scenario {
    /// The files, made once by Python and the store, and the operations of a run without faults.
    pub(crate) fn ready(&'static self) -> &'static Ready {
        self.ready.get_or_init(|| self.prepare())
    }

    fn prepare(&self) -> Ready {
        let fixture = match self.source {
            "" => Fixture::empty("state.db"),
            "hot_journal_v2" | "write_ahead_v2" | "leftovers" => Fixture::with_rows("documented", "state.db", ROWS),
            form => Fixture::with_rows(form, "state.db", ROWS),
        };
        let root = fixture.path.parent().unwrap().to_owned();
        let scratch = tempfile::tempdir().unwrap();
        let now = |path: &Path| Contents::of_copy(path, scratch.path()).unwrap().unwrap();
        let held = std::fs::read(fixture.held()).ok();
        let mut known = Vec::new();
        if matches!(self.action, Action::Restore | Action::Rollback) {
            fixture.migrate();
            leave_behind(&fixture, self.source);
            known.push(("v2 as it was", now(&fixture.path)));
        }
        let mut orphan = None;
        if self.source == "leftovers" {
            // Log, index and journal of a database that is gone.
            std::fs::remove_file(&fixture.path).unwrap();
            orphan = Some(std::fs::read(fixture.beside("-wal")).unwrap());
            std::fs::write(fixture.beside("-shm"), [7; 32_768]).unwrap();
            std::fs::write(fixture.beside("-journal"), old_journal()).unwrap();
            assert_plays_back(&root.join("backups").join(BACKUP), &fixture.beside("-journal"), scratch.path());
            known.clear();
        }
        let (folders, files) = files_below(&root);
        let mut ready = Ready { folders, files, known, held, orphan, first: 0, operations: Vec::new() };
        match self.action {
            Action::Migrate | Action::RecordFailure => {
                ready.known.push(("v1", now(&fixture.path)));
                ready.known.push(("v1, failure recorded", self.after(&ready, Action::RecordFailure)));
                ready.known.push(("v2", self.after(&ready, Action::Migrate)));
            }
            Action::Backup => ready.known.push(("v1", now(&fixture.path))),
            Action::Restore | Action::Rollback => ready.known.push(("v1", self.after(&ready, self.action))),
            Action::Create => ready.known.push(("v2", self.after(&ready, self.action))),
        }
        let folder = tempfile::tempdir().unwrap();
        let root = ready.lay_out(folder.path());
        let watched = Watched::new(&root, None, Interrupt::new());
        let ended = self.action.run(&root, &Interrupt::new(), Some(&watched));
        assert!(ended.failed_at > 0 || ended.result.is_ok(), "{}: {:?}", self.name, ended.result);
        ready.first = ended.failed_at;
        ready.operations = watched.0.operations();
        ready
    }

    /// What an action makes of the files when nothing fails.
    fn after(&self, ready: &Ready, action: Action) -> Contents {
        let folder = tempfile::tempdir().unwrap();
        let root = ready.lay_out(folder.path());
        let ended = action.run(&root, &Interrupt::new(), None);
        assert!(action == Action::RecordFailure || ended.result.is_ok(), "{}: {:?}", self.name, ended.result);
        Contents::of_copy(&root.join("state.db"), folder.path()).unwrap().unwrap()
    }
}

impl Ready {
    /// Writes the files into `folder/data`.
    pub(crate) fn lay_out(&self, folder: &Path) -> PathBuf {
        let root = folder.join("data");
        std::fs::create_dir(&root).unwrap();
        for path in &self.folders {
            std::fs::create_dir(root.join(path)).unwrap();
        }
        for (path, bytes) in &self.files {
            std::fs::write(root.join(path), bytes).unwrap();
        }
        root
    }

    pub(crate) fn contents(&self, name: &str) -> &Contents {
        &self.known.iter().find(|(known, _)| *known == name).expect("such contents are known").1
    }
}

impl Action {
    /// Does it, in the way that a command does.
    pub(crate) fn run(self, root: &Path, interrupt: &Interrupt, watched: Option<&Watched>) -> Ended {
        let location = Location::new(root.join("state.db"));
        let warnings = Mutex::new(Vec::new());
        let observer = |event| {
            if let Event::Warning(warning) = event {
                warnings.lock().unwrap().push(warning);
            }
        };
        let failed_at = Arc::new(AtomicUsize::new(0));
        let migrate = MigrateOptions { interrupt: interrupt.clone(), ..MigrateOptions::new(clock()) };
        let restore = RestoreOptions { interrupt: interrupt.clone(), ..RestoreOptions::new(clock()) };
        let result = match self {
            Self::Migrate => riskd_store::migrate(&location, &migrate, &observer).map(|_| ()),
            Self::RecordFailure => {
                let (disk, seen) = (watched.map(|watched| watched.0.clone()), failed_at.clone());
                let after_step = move |step| {
                    if step != Step::Record {
                        return Ok(());
                    }
                    seen.store(disk.as_ref().map_or(1, |disk| disk.count_here()), Ordering::Relaxed);
                    Err("told to fail".to_owned())
                };
                let faults = Faults { after_step: Some(Arc::new(after_step)), ..Faults::default() };
                riskd_store::migrate(&location, &MigrateOptions { faults, ..migrate }, &observer).map(|_| ())
            }
            Self::Backup => {
                let options = BackupOptions { interrupt: interrupt.clone(), ..BackupOptions::new(clock()) };
                riskd_store::backup(&location, &options, &observer).map(|_| ())
            }
            Self::Restore => {
                let backup = root.join("backups").join(BACKUP);
                riskd_store::restore(&location, &backup, &restore, &observer).map(|_| ())
            }
            Self::Rollback => riskd_store::rollback(&location, &restore, &observer).map(|_| ()),
            Self::Create => {
                let options = MigrateOptions { create_if_missing: true, ..migrate };
                riskd_store::open(&location, &options, &observer).map(|_| ())
            }
        };
        let warnings = warnings.into_inner().unwrap();
        Ended { result, warnings, failed_at: failed_at.load(Ordering::Relaxed) }
    }

    /// The run after the fault: what anybody would try next.
    pub(crate) fn run_again(self, root: &Path) -> Result<Option<OpenOutcome>, StoreError> {
        let location = Location::new(root.join("state.db"));
        match self {
            Self::Migrate | Self::RecordFailure => {
                riskd_store::migrate(&location, &MigrateOptions::new(clock()), &nobody).map(Some)
            }
            Self::Create => {
                let options = MigrateOptions { create_if_missing: true, ..MigrateOptions::new(clock()) };
                riskd_store::open(&location, &options, &nobody).map(|(_, outcome)| Some(outcome))
            }
            Self::Backup | Self::Restore | Self::Rollback => {
                self.run(root, &Interrupt::new(), None).result.map(|()| None)
            }
        }
    }
}

const ROWS: usize = 20;
/// The name of the backup that a migration at the fixed time makes.
const BACKUP: &str = "state_pre_v2_20261122_190000.db";

fn clock() -> Clock {
    Clock::fixed(NOW.parse().unwrap())
}

/// A row more than the backup has, and the way a crash leaves things: a log with a committed row, or a journal of a
/// transaction that was not.
fn leave_behind(fixture: &Fixture, source: &str) {
    let has_log = source != "hot_journal_v2";
    let lines = if has_log {
        "db.execute('PRAGMA wal_autocheckpoint = 0')\n\
         db.execute(\"INSERT INTO session_state VALUES (77, '2026-11-22', '')\")\ndb.commit()\nos._exit(0)"
    } else {
        "db.execute('PRAGMA journal_mode = DELETE').fetchall()\n\
         db.execute(\"INSERT INTO session_state VALUES (77, '2026-11-22', '')\")\ndb.commit()\n\
         db.execute('PRAGMA cache_size = 2')\ndb.isolation_level = None\ndb.execute('BEGIN')\n\
         db.execute(\"UPDATE enforcement_log SET action = hex(randomblob(4000))\")\nos._exit(0)"
    };
    run_python(&format!("import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n{lines}"), &fixture.path);
    let left = if has_log { "-wal" } else { "-journal" };
    assert!(fixture.beside(left).metadata().unwrap().len() > 512, "the trap is set");
}

/// The trap is set: beside a whole database the journal would ruin it.
fn assert_plays_back(whole: &Path, journal: &Path, scratch: &Path) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(whole, folder.path().join("state.db")).unwrap();
    std::fs::copy(journal, folder.path().join("state.db-journal")).unwrap();
    let ruined = Contents::of_copy(&folder.path().join("state.db"), scratch).unwrap();
    assert_ne!(ruined.ok(), Contents::of_copy(whole, scratch).unwrap().ok());
}

/// A journal that holds one page of noise and is ready to be played back over whatever lies beside it.
fn old_journal() -> Vec<u8> {
    const PAGE_BYTES: u32 = 4096;
    const SECTOR_BYTES: usize = 512;
    const NONCE: u32 = 77;
    let page = [0x5A_u8; PAGE_BYTES as usize];
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [1, NONCE, 25, SECTOR_BYTES as u32, PAGE_BYTES] {
        journal.extend(number.to_be_bytes());
    }
    journal.resize(SECTOR_BYTES, 0);
    journal.extend(3_u32.to_be_bytes());
    journal.extend(page);
    // SQLite's checksum takes every two-hundredth byte, counted from the end.
    let mut sum = NONCE;
    let mut at = page.len() as i64 - 200;
    while at > 0 {
        sum = sum.wrapping_add(u32::from(page[at as usize]));
        at -= 200;
    }
    journal.extend(sum.to_be_bytes());
    journal
}

fn files_below(root: &Path) -> (Vec<PathBuf>, Vec<(PathBuf, Vec<u8>)>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.path().strip_prefix(root).unwrap().to_owned();
            if entry.path().is_dir() {
                folders.push(name);
                open.push(entry.path());
            } else {
                files.push((name, std::fs::read(entry.path()).unwrap()));
            }
        }
    }
    (folders, files)
}
