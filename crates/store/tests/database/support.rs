//! What the tests share: databases made by others, witnesses, and calls with a fixed clock.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use riskd_store::{
    BackupOptions, Clock, Feature, Features, Interrupt, Location, MigrateOptions, MigrationReport, OpenOutcome,
    RestoreOptions, StoreError, VerifyReport, nobody,
};
use tempfile::TempDir;

pub(crate) const NOW: &str = "2026-11-22T19:00:00.5Z";

/// Every form of v1 found in the wild, as `make.py` makes them.
pub(crate) const V1_FORMS: [&str; 12] = [
    "documented",
    "two_columns",
    "no_execution_time",
    "missing_indexes",
    "wrong_indexes",
    "own_objects",
    "own_trigger_on_version",
    "write_ahead",
    "write_ahead_clean",
    "small_pages_utf16",
    "by_shell",
    "hot_journal",
];

/// A folder with a database in it that somebody else made.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Fixture {
    /// The database `state.db` in this form, with some sixty enforcement rows.
    pub(crate) fn new(form: &str) -> Self {
        Self::with_rows(form, "state.db", 60)
    }

    pub(crate) fn with_rows(form: &str, name: &str, rows: usize) -> Self {
        let fixture = Self::empty(name);
        let held = run(python("make.py").args([form, text(&fixture.path), &rows.to_string()]));
        std::fs::write(fixture.held(), held.stdout).unwrap();
        fixture
    }

    /// A folder without a database.
    pub(crate) fn empty(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let path = folder.path().join("data").join(name);
        Self { folder, path }
    }

    pub(crate) fn location(&self) -> Location {
        Location::new(&self.path)
    }

    pub(crate) fn backups(&self) -> PathBuf {
        self.path.parent().unwrap().join("backups")
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }

    /// What the database held when it was made.
    pub(crate) fn held(&self) -> PathBuf {
        self.folder.path().join("held.json")
    }

    /// The names in the database's folder, backups left out.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(self.path.parent().unwrap())
    }

    pub(crate) fn migrate(&self) -> MigrationReport {
        match riskd_store::migrate(&self.location(), &options(), &nobody) {
            Ok(OpenOutcome::Migrated(report)) => report,
            other => panic!("expected a migration of {}, got {other:?}", self.path.display()),
        }
    }

    /// Makes a new database of every feature in the empty file.
    pub(crate) fn migrate_or_create(&self) {
        let options = MigrateOptions { features: ALL_FEATURES, ..options() };
        let outcome = riskd_store::migrate(&self.location(), &options, &nobody).unwrap();
        assert!(matches!(outcome, OpenOutcome::Created { .. }), "{outcome:?}");
    }

    pub(crate) fn verify(&self, features: Features) -> VerifyReport {
        riskd_store::verify(&self.location(), features, &Interrupt::new(), &nobody).unwrap()
    }

    /// Asserts that Python finds every row and every object of the user's own as it was made.
    pub(crate) fn assert_same_content(&self) {
        assert_same(&self.held(), &self.path);
    }

    /// Rows of a query, through the `sqlite3` shell.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        query(&self.path, sql)
    }

    /// Runs SQL through the `sqlite3` shell.
    pub(crate) fn shell(&self, sql: &str) -> String {
        let output = run(Command::new("sqlite3").arg("-bail").arg(&self.path).arg(sql));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Asserts that the file is a whole v1 with all its rows.
    pub(crate) fn assert_whole_v1(&self) {
        self.assert_same_content();
        let kind = riskd_store::status(&self.location(), Features::default()).unwrap().kind;
        assert_eq!(kind, riskd_store::DatabaseKind::Behind { version: 1 });
    }

    /// Asserts that the file is a whole v2 with all its rows.
    pub(crate) fn assert_whole_v2(&self) {
        self.assert_same_content();
        let report = self.verify(Features::default());
        assert_eq!(report.deviations, Vec::<String>::new());
        assert_eq!(report.version, 2);
    }
}

pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn clock() -> Clock {
    Clock::fixed(NOW.parse().unwrap())
}

pub(crate) fn options() -> MigrateOptions {
    MigrateOptions::new(clock())
}

pub(crate) fn backup_options() -> BackupOptions {
    BackupOptions::new(clock())
}

pub(crate) fn restore_options() -> RestoreOptions {
    RestoreOptions::new(clock())
}

/// Both of the user's document.
pub(crate) const ALL_FEATURES: Features =
    Features::NONE.with(Feature::AnalyticsIndexes, true).with(Feature::DailyUnrealizedPnl, true);

/// Runs a migration that must fail.
pub(crate) fn refused(fixture: &Fixture) -> StoreError {
    riskd_store::migrate(&fixture.location(), &options(), &nobody).expect_err("must be refused")
}

pub(crate) fn assert_same(held: &Path, path: &Path) {
    let output = python("witness.py").args(["same", text(held), text(path)]).output().expect("python3 was run before");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
}

/// Rows of a query through the `sqlite3` shell, which leaves nothing beside a file that nobody is writing.
pub(crate) fn query(path: &Path, sql: &str) -> Vec<String> {
    let is_beside = |suffix: &str| Path::new(&format!("{}{suffix}", text(path))).exists();
    let letters: String = text(path).bytes().map(|byte| format!("%{byte:02x}")).collect();
    let alone = !is_beside("-wal") && !is_beside("-journal");
    let uri = format!("file:{letters}{}", if alone { "?immutable=1" } else { "" });
    let output = run(Command::new("sqlite3").args(["-bail", &uri, sql]));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(python_program());
    // -B: no compiled files beside the scripts.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/database").join(script));
    command
}

/// The interpreter itself: `python3` may be a script that takes longer to find it than it takes to run.
pub(crate) fn python_program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = run(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// Runs a few lines of Python with the database's path as `sys.argv[1]`.
pub(crate) fn run_python(lines: &str, path: &Path) {
    run(Command::new(python_program()).args(["-c", lines, text(path)]));
}

pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!(
            "{:?} cannot be run ({error}): these tests need python3 and the sqlite3 shell; on Debian: \
             apt-get install python3 sqlite3",
            command.get_program()
        )
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
