//! Putting a backup back, and everything that can lie beside the file.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use riskd_store::{DatabaseKind, Features, Interrupt, Location, OpenOutcome, StoreError, nobody};

use crate::support::{
    Fixture, NOW, assert_same, backup_options, names_in, options, python_program, query, restore_options, run_python,
    text,
};

fn rollback(fixture: &Fixture) -> Result<riskd_store::RestoreReport, StoreError> {
    riskd_store::rollback(&fixture.location(), &restore_options(), &nobody)
}

/// A Python process that has the database open, in whichever way the statements leave it.
struct Holder(Child);

impl Holder {
    fn new(fixture: &Fixture, statements: &str) -> Self {
        let script = format!(
            "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n{statements}\n\
             print('ready', flush=True)\nsys.stdin.readline()"
        );
        let mut child = Command::new(python_program())
            .args(["-c", &script, text(&fixture.path)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.stdin.take().map(|mut stdin| stdin.write_all(b"\n"));
        self.0.wait().unwrap();
    }
}

#[test]
fn a_rollback_puts_v1_back_and_keeps_v2() {
    for form in ["documented", "write_ahead", "own_objects", "two_columns"] {
        let fixture = Fixture::new(form);
        fixture.migrate();
        fixture.shell("INSERT INTO daily_pnl (account_id, date, realized_pnl) VALUES (99, '2026-11-22', 1.5)");
        let v2 = query(&fixture.path, "SELECT count(*) FROM daily_pnl");
        let report = rollback(&fixture).unwrap();
        assert_eq!((report.version, report.previous_version), (1, Some(2)), "{form}");
        fixture.assert_whole_v1();
        let moved = report.moved_to.unwrap();
        assert_eq!(moved, fixture.beside(".failed_v2_20261122_190000"), "{form}");
        assert_eq!(query(&moved, "SELECT count(*) FROM daily_pnl"), v2, "{form}: nothing is deleted");
        assert_eq!(query(&moved, "SELECT max(version) FROM schema_version"), ["2"]);
        assert_eq!(fixture.names(), ["state.db", "state.db.failed_v2_20261122_190000"], "{form}");
        // Forward again: the backup still holds exactly this, so none is made; and back again, in the same second.
        fixture.migrate();
        fixture.assert_whole_v2();
        assert_eq!(names_in(&fixture.backups()).iter().filter(|name| name.ends_with(".db")).count(), 1, "{form}");
        let again = rollback(&fixture).unwrap().moved_to.unwrap();
        assert_eq!(again, fixture.beside(".failed_v2_20261122_190000_2"), "{form}");
    }
}

#[test]
fn rows_in_a_left_over_log_move_away_with_the_file_they_belong_to() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    // Somebody works in v2 and crashes: the row is only in the log.
    let script = "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
                  db.execute(\"INSERT INTO daily_pnl (account_id, date) VALUES (77, '2026-11-22')\")\ndb.commit()\nos._exit(0)";
    run_python(script, &fixture.path);
    assert!(fixture.beside("-wal").metadata().unwrap().len() > 0, "the log is left over");
    let report = rollback(&fixture).unwrap();
    fixture.assert_whole_v1();
    assert_eq!(fixture.query("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'"), ["0"]);
    let away = "state.db.failed_v2_20261122_190000";
    assert_eq!(fixture.names(), ["state.db", away, &format!("{away}-shm"), &format!("{away}-wal")]);
    assert_eq!(query(&report.moved_to.unwrap(), "SELECT count(*) FROM daily_pnl WHERE account_id = 77"), ["1"]);
}

#[test]
fn stale_side_files_do_not_come_alive_beside_the_backup() {
    // A log of v2 that was cut off from its file: put beside the v1 file it would make it v2 again.
    let donor = Fixture::new("documented");
    donor.migrate();
    let script = "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
                  db.execute('PRAGMA wal_autocheckpoint = 0')\n\
                  db.execute('UPDATE enforcement_log SET reason = 1')\ndb.commit()\nos._exit(0)";
    run_python(script, &donor.path);
    let log = std::fs::read(donor.beside("-wal")).unwrap();
    let cases: [(&str, &[u8]); 4] =
        [("-wal", &log), ("-wal", b"no log at all"), ("-journal", b"no journal at all"), ("-shm", &[7; 32_768])];
    for (suffix, bytes) in cases {
        for with_main_damaged in [false, true] {
            let fixture = Fixture::new("documented");
            fixture.migrate();
            if with_main_damaged {
                std::fs::write(&fixture.path, b"not a database any more").unwrap();
            }
            std::fs::write(fixture.beside(suffix), bytes).unwrap();
            let report = rollback(&fixture).unwrap();
            let case = format!("{suffix} {with_main_damaged}");
            assert_eq!(report.version, 1, "{case}");
            fixture.assert_whole_v1();
            let names = fixture.names();
            assert!(!names.iter().any(|name| name.starts_with("state.db-")), "{case}: {names:?}");
            let moved = report.moved_to.unwrap();
            let side = format!("{}{suffix}", moved.display());
            if suffix != "-shm" || with_main_damaged {
                assert_eq!(std::fs::read(side).unwrap(), bytes, "{case}: moved with it");
            }
            if with_main_damaged {
                assert_eq!(report.previous_version, None, "{case}");
                assert_eq!(moved, fixture.beside(".failed_unknown_20261122_190000"), "{case}");
                assert_eq!(std::fs::read(&moved).unwrap(), b"not a database any more", "{case}");
            }
        }
    }
}

#[test]
fn a_restore_where_the_database_is_gone_brings_it_back() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    std::fs::remove_file(&fixture.path).unwrap();
    let report = rollback(&fixture).unwrap();
    assert_eq!((report.moved_to, report.previous_version), (None, None));
    fixture.assert_whole_v1();
}

#[test]
fn it_refuses_while_anything_has_the_database_open() {
    let ways = [
        ("an idle connection", "db.execute('PRAGMA journal_mode = DELETE').fetchall()"),
        ("an idle connection to a write-ahead log", "db.execute('SELECT count(*) FROM orders').fetchall()"),
        ("a reader", "db.execute('BEGIN')\ndb.execute('SELECT count(*) FROM orders').fetchall()"),
        ("a writer", "db.execute('BEGIN IMMEDIATE')"),
    ];
    for (way, statements) in ways {
        let fixture = Fixture::new("documented");
        fixture.migrate();
        let holder = Holder::new(&fixture, statements);
        let error = rollback(&fixture).unwrap_err();
        let StoreError::InUse { pid, .. } = &error else { panic!("{way}: {error}") };
        assert_eq!(*pid, Some(holder.0.id()), "{way}");
        assert_eq!(error.exit_code(), 5);
        drop(holder);
        fixture.assert_whole_v2();
        assert!(!fixture.names().iter().any(|name| name.contains("failed") || name.contains("partial")));
        rollback(&fixture).unwrap();
    }
    // This very process counts too.
    let fixture = Fixture::new("documented");
    let (owned, _) = riskd_store::open(&fixture.location(), &options(), &nobody).unwrap();
    let error = rollback(&fixture).unwrap_err();
    assert!(error.to_string().ends_with(&format!("is in use by pid {}", std::process::id())), "{error}");
    drop(owned);
    rollback(&fixture).unwrap();
}

#[test]
fn a_left_over_log_is_no_proof_of_a_live_connection() {
    let fixture = Fixture::new("write_ahead");
    assert!(fixture.beside("-wal").exists());
    fixture.migrate();
    fixture.assert_whole_v2();
}

#[test]
fn a_bad_backup_is_refused_before_anything_moves() {
    let fixture = Fixture::new("documented");
    let backup = fixture.migrate().backup.unwrap().path;
    let good = std::fs::read(&backup).unwrap();
    let restore = |path: &std::path::Path| {
        riskd_store::restore(&fixture.location(), path, &restore_options(), &nobody).unwrap_err()
    };
    let other = fixture.folder.path().join("other.db");
    // Emptied of its rows: SQLite's check calls that ok.
    std::fs::write(&other, &good).unwrap();
    let emptied = backup.clone();
    query(&emptied, "SELECT 1");
    let script =
        "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\ndb.execute('DELETE FROM lockouts')\ndb.commit()";
    run_python(script, &emptied);
    assert_eq!(query(&emptied, "PRAGMA integrity_check"), ["ok"]);
    let error = restore(&emptied);
    assert!(error.to_string().contains("does not hold what it held"), "{error}");
    std::fs::write(&backup, &good).unwrap();

    std::fs::write(&other, &good[..good.len() - 1]).unwrap();
    assert!(matches!(restore(&other), StoreError::BackupUnverified { .. }));
    std::fs::write(&other, b"words").unwrap();
    assert_eq!(restore(&other).exit_code(), 6);
    std::fs::write(&other, b"").unwrap();
    assert!(restore(&other).to_string().contains("it is empty"));
    assert_eq!(restore(&fixture.folder.path().join("nothing.db")).exit_code(), 2);
    assert!(restore(&fixture.path).to_string().contains("it is the database itself"));
    let newer = Fixture::new("other_version");
    assert_eq!(restore(&newer.path).exit_code(), 4);
    fixture.assert_whole_v2();
    assert_eq!(fixture.names(), ["state.db"]);
}

#[test]
fn without_a_backup_from_before_a_migration_there_is_nothing_to_roll_back_to() {
    let fixture = Fixture::new("documented");
    riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap();
    let error = rollback(&fixture).unwrap_err();
    assert_eq!(error.code(), "no_backup");
    assert!(error.to_string().contains("no backup from before a migration in"), "{error}");
}

#[test]
fn an_interrupted_restore_leaves_the_old_file() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    let interrupt = Interrupt::new();
    interrupt.set();
    let stopped = riskd_store::RestoreOptions { interrupt, ..restore_options() };
    let error = riskd_store::rollback(&fixture.location(), &stopped, &nobody).unwrap_err();
    assert!(error.is_interrupt());
    fixture.assert_whole_v2();
    assert_eq!(fixture.names(), ["state.db"]);
}

#[test]
fn the_restored_file_keeps_the_mode_of_the_one_it_replaces() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new("documented");
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o640)).unwrap();
    fixture.migrate();
    rollback(&fixture).unwrap();
    assert_eq!(fixture.path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_backup_of_v2_is_restored_as_v2() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    let target = fixture.folder.path().join("kept here.db");
    let to = riskd_store::BackupOptions { to: Some(target.clone()), ..backup_options() };
    let made = riskd_store::backup(&fixture.location(), &to, &nobody).unwrap();
    assert_eq!((made.version, made.verified, made.before_migration), (Some(2), true, false));
    assert_same(&fixture.held(), &target);
    fixture.shell("DELETE FROM lockouts");
    let report = riskd_store::restore(&fixture.location(), &target, &restore_options(), &nobody).unwrap();
    assert_eq!((report.version, report.previous_version), (2, Some(2)));
    fixture.assert_whole_v2();
    let outcome = riskd_store::migrate(&Location::new(&fixture.path), &options(), &nobody).unwrap();
    assert_eq!(outcome, OpenOutcome::Current { version: 2 });
    assert!(riskd_store::backup(&fixture.location(), &to, &nobody).is_err(), "a file is never overwritten");
    let status = riskd_store::status(&fixture.location(), Features::default()).unwrap();
    assert_eq!(status.kind, DatabaseKind::Current { version: 2 });
    assert!(status.last_backup.is_some_and(|backup| backup.before_migration), "{NOW}");
}
