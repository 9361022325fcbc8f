//! Backups: what they hold, how they are named, which of them go.

use std::os::unix::fs::PermissionsExt;

use riskd_store::{BackupOptions, Clock, Event, Features, MigrateOptions, Step, StoreError, nobody};

use crate::support::{Fixture, assert_same, backup_options, names_in, options, query, run_python};

#[test]
fn a_backup_holds_what_the_database_holds_also_what_is_still_in_the_log() {
    for form in ["documented", "write_ahead", "own_objects", "small_pages_utf16"] {
        let fixture = Fixture::new(form);
        let info = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap();
        assert_eq!(info.path, fixture.backups().join("state_20261122_190000.db"));
        assert_eq!((info.version, info.verified, info.before_migration), (Some(1), true, false));
        assert_same(&fixture.held(), &info.path);
        let mode = info.path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{form}");
        assert_eq!(names_in(&fixture.backups()), ["backups.jsonl", "state_20261122_190000.db"]);
        let migrated = fixture.migrate().backup.unwrap();
        assert_same(&fixture.held(), &migrated.path);
        assert_eq!(migrated.path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{form}");
    }
}

#[test]
fn two_backups_of_one_second_do_not_replace_each_other() {
    let fixture = Fixture::new("documented");
    for _ in 0..3 {
        riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap();
    }
    let listed = riskd_store::list_backups(&fixture.location()).unwrap();
    let names: Vec<_> = listed.iter().map(|backup| backup.path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["state_20261122_190000_3.db", "state_20261122_190000_2.db", "state_20261122_190000.db"]);
    assert!(listed.iter().all(|backup| backup.verified && backup.version == Some(1)));
}

#[test]
fn a_backup_is_made_beside_whoever_works_in_the_database() {
    let fixture = Fixture::new("documented");
    let (owned, _) = riskd_store::open(&fixture.location(), &options(), &nobody).unwrap();
    let info = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap();
    assert_eq!(info.version, Some(2));
    let status = riskd_store::status(&fixture.location(), Features::default()).unwrap();
    assert_eq!(status.owner_pid, Some(std::process::id()));
    drop(owned);
}

#[test]
fn a_copy_that_somebody_made_is_listed_as_not_verified() {
    let fixture = Fixture::new("documented");
    std::fs::create_dir(fixture.backups()).unwrap();
    std::fs::copy(&fixture.path, fixture.backups().join("state_pre_v2_20251022_120000.db")).unwrap();
    std::fs::write(fixture.backups().join("state_20251022_130000.db"), b"words").unwrap();
    std::fs::write(fixture.backups().join("notes.txt"), b"words").unwrap();
    let listed = riskd_store::list_backups(&fixture.location()).unwrap();
    let seen: Vec<_> = listed.iter().map(|backup| (backup.version, backup.verified, backup.before_migration)).collect();
    assert_eq!(seen, [(None, false, false), (Some(1), false, true)]);
    assert_eq!(listed[1].created_at.to_string(), "2025-10-22T12:00:00Z");
}

#[test]
fn old_backups_go_and_the_two_that_matter_stay() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    let day = |day: i64| {
        Clock::fixed(
            crate::support::NOW.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_hours(24 * day),
        )
    };
    for at in 1..=12 {
        riskd_store::backup(&fixture.location(), &BackupOptions::new(day(at)), &nobody).unwrap();
    }
    let listed = riskd_store::list_backups(&fixture.location()).unwrap();
    assert_eq!(listed.len(), 11, "ten, and the one from before the migration");
    assert!(listed.last().unwrap().before_migration);
    let pruned = std::sync::Mutex::new(Vec::new());
    let watch = |event| {
        if let Event::BackupPruned(path) = event {
            pruned.lock().unwrap().push(path);
        }
    };
    riskd_store::backup(&fixture.location(), &BackupOptions::new(day(100)), &watch).unwrap();
    assert_eq!(pruned.into_inner().unwrap().len(), 10);
    let listed = riskd_store::list_backups(&fixture.location()).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed[0].verified && listed[1].before_migration);
}

#[test]
fn what_a_dead_process_left_half_written_goes_and_what_a_live_one_writes_stays() {
    let fixture = Fixture::new("documented");
    std::fs::create_dir(fixture.backups()).unwrap();
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    let dead_pid = dead.id();
    dead.wait().unwrap();
    let (dead, alive) =
        (format!(".state_20261122_180000_1.{dead_pid}.partial"), format!(".state_20261122_180000_1.{}.partial", 1));
    std::fs::write(fixture.backups().join(&dead), b"half").unwrap();
    std::fs::write(fixture.backups().join(&alive), b"half").unwrap();
    fixture.migrate();
    let names = names_in(&fixture.backups());
    assert!(!names.contains(&dead) && names.contains(&alive), "{names:?}");
}

#[test]
fn there_is_nothing_to_back_up_in_what_is_not_ours() {
    for (form, code) in [("partly", 6), ("other_version", 4)] {
        let fixture = Fixture::new(form);
        let error = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(!fixture.backups().exists());
    }
}

#[test]
fn a_damaged_database_is_not_backed_up_as_a_good_one() {
    let fixture = Fixture::new("documented");
    let mut bytes = fixture.bytes();
    let page = 4096 * 8;
    bytes[page..page + 200].fill(0xA5);
    std::fs::write(&fixture.path, &bytes).unwrap();
    let error = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(names_in(&fixture.backups()), Vec::<String>::new());
    let bare = MigrateOptions { create_backup: false, ..options() };
    let error = riskd_store::migrate(&fixture.location(), &bare, &nobody).unwrap_err();
    assert_eq!(error.code(), "damaged", "{error}");
    assert_eq!(fixture.bytes(), bytes);
}

#[test]
fn a_backup_leaves_nothing_beside_the_database_and_does_not_write_to_it() {
    for form in ["documented", "write_ahead_clean", "write_ahead"] {
        let fixture = Fixture::new(form);
        let (bytes, names) = (fixture.bytes(), fixture.names());
        riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap();
        assert!(fixture.bytes() == bytes, "{form}");
        assert_eq!(fixture.names(), names, "{form}");
    }
}

#[test]
fn rows_committed_while_the_backup_begins_are_not_half_in_it() {
    let fixture = Fixture::new("write_ahead_clean");
    let write = |event| {
        if event == Event::StepStarted(Step::Backup) {
            // Somebody opens the database between our looking at it and reading it; the row stays in the log.
            let lines = "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
                         db.execute(\"INSERT INTO session_state VALUES (77, '2026-11-22', '')\")\ndb.commit()\nos._exit(0)";
            run_python(lines, &fixture.path);
        }
    };
    let info = riskd_store::backup(&fixture.location(), &backup_options(), &write).unwrap();
    assert_eq!(query(&info.path, "SELECT count(*) FROM session_state WHERE account_id = 77"), ["1"]);
}
