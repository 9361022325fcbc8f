//! A database of every version, as users have it, walks to head with every row. With `--features next-version` head is a
//! version 3 that is never released, and the same tests show that a version is an entry, two scripts and a fixture.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use riskd_store::{
    Clock, DatabaseKind, Features, HEAD_VERSION, Interrupt, Location, MigrateOptions, OpenOutcome, RestoreOptions,
    nobody,
};

/// Makes the database of the fixture of this version.
fn fixture(folder: &Path, version: i64) -> PathBuf {
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}.sql"));
    let path = folder.join(format!("v{version}.db"));
    let mut shell = Command::new("sqlite3").arg("-bail").arg(&path).stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(&std::fs::read(sql).unwrap()).unwrap();
    assert!(shell.wait().unwrap().success());
    path
}

fn witness(arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/database/witness.py");
    let output = Command::new("python3").arg("-B").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn clock() -> Clock {
    Clock::fixed("2026-11-23T19:00:00Z".parse().unwrap())
}

#[test]
fn every_historic_database_walks_to_head_with_every_row_and_back() {
    for version in 1..HEAD_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = fixture(folder.path(), version);
        let held = folder.path().join("held.json");
        std::fs::write(&held, witness(&["dump", path.to_str().unwrap()])).unwrap();
        let same = || witness(&["same", held.to_str().unwrap(), path.to_str().unwrap()]);
        let location = Location::new(&path);
        let outcome = riskd_store::migrate(&location, &MigrateOptions::new(clock()), &nobody).unwrap();
        let OpenOutcome::Migrated(report) = outcome else { panic!("{outcome:?}") };
        assert_eq!((report.from_version, report.to_version), (version, HEAD_VERSION));
        same();
        let verified = riskd_store::verify(&location, Features::default(), &Interrupt::new(), &nobody).unwrap();
        assert_eq!((verified.version, &verified.deviations), (HEAD_VERSION, &Vec::new()), "from v{version}");
        let history = riskd_store::status(&location, Features::default()).unwrap().history;
        let rows: Vec<(i64, bool)> = history.iter().map(|row| (row.version, row.success)).collect();
        assert_eq!(rows, (1..=HEAD_VERSION).map(|number| (number, true)).collect::<Vec<_>>());
        assert!(history[1..].iter().all(|row| row.migration_script.is_some() && row.rollback_script.is_some()));
        // What the history says would undo it does undo it.
        riskd_store::rollback(&location, &RestoreOptions::new(clock()), &nobody).unwrap();
        let status = riskd_store::status(&location, Features::default()).unwrap();
        assert_eq!(status.kind, DatabaseKind::Behind { version });
        same();
    }
}

#[test]
fn the_fixture_of_head_is_head() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::new(fixture(folder.path(), HEAD_VERSION));
    let verified = riskd_store::verify(&location, Features::default(), &Interrupt::new(), &nobody).unwrap();
    assert_eq!((verified.version, verified.deviations), (HEAD_VERSION, Vec::new()));
    let outcome = riskd_store::migrate(&location, &MigrateOptions::new(clock()), &nobody).unwrap();
    assert_eq!(outcome, OpenOutcome::Current { version: HEAD_VERSION });
}

#[test]
fn the_scripts_in_the_history_undo_the_migration() {
    for version in 1..HEAD_VERSION {
        let folder = tempfile::tempdir().unwrap();
        let path = fixture(folder.path(), version);
        let schema = |path: &Path| {
            let text = witness(&["schema", path.to_str().unwrap()]);
            let mut lines: Vec<String> =
                text.lines().filter(|line| !line.contains("schema_version")).map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let before = schema(&path);
        riskd_store::migrate(&Location::new(&path), &MigrateOptions::new(clock()), &nobody).unwrap();
        let history = riskd_store::status(&Location::new(&path), Features::default()).unwrap().history;
        let undo: String = history
            .iter()
            .rev()
            .filter(|row| row.version > version)
            .filter_map(|row| row.rollback_script.clone())
            .collect();
        let mut shell = Command::new("sqlite3").arg("-bail").arg(&path).stdin(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(undo.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success(), "{undo}");
        assert_eq!(schema(&path), before, "from v{version}");
    }
}
