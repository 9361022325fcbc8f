//! Files that are not migrated: each with an error of its own, each byte for byte as it was.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use riskd_store::{
    DatabaseKind, Faults, Features, Interrupt, MigrateOptions, OpenOutcome, StoreError, Trigger, nobody,
};

use crate::support::{Fixture, options, refused, run_python};

/// Asserts that nothing was written: the file, the names beside it, and no folder of backups.
fn assert_untouched(fixture: &Fixture, bytes: &[u8], case: &str) {
    assert!(fixture.bytes() == bytes, "{case}: the file was written to");
    assert_eq!(fixture.names(), ["state.db"], "{case}: side files");
    assert!(!fixture.backups().exists(), "{case}: a folder of backups");
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let noise: Vec<u8> = {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        std::iter::repeat_with(next).take(8192).collect()
    };
    let cases: [(&str, Option<&[u8]>, &str); 8] = [
        (
            "partly",
            None,
            "it has only 4 of the nine tables; missing: session_state, positions, orders, enforcement_log",
        ),
        ("foreign", None, "it is a SQLite database without any of the nine tables"),
        ("text_accounts", None, "it has our table names, but column account_id of contract"),
        ("rebuilt_by_hand", None, "it has our table names, but column pnl of trade_history is missing"),
        ("words", Some(b"account,pnl\n1,2\n"), "it is not a SQLite database"),
        ("words", Some(b"S"), ""),
        ("noise", Some(&noise), "it is not a SQLite database, or it is encrypted"),
        ("zeros", Some(&[0; 4096]), "it is not a SQLite database"),
    ];
    for (form, bytes, reason) in cases {
        let fixture = match bytes {
            None => Fixture::new(form),
            Some(bytes) => {
                let fixture = Fixture::empty("state.db");
                std::fs::write(&fixture.path, bytes).unwrap();
                fixture
            }
        };
        let bytes = fixture.bytes();
        let error = refused(&fixture);
        if form == "text_accounts" {
            // Whichever of the tables comes first, the place is named.
            assert!(error.to_string().contains("is TEXT") && error.to_string().contains("account_id"), "{error}");
        } else if bytes.len() > 1 {
            assert!(error.to_string().contains(reason), "{form}: {error}");
        }
        let code = if bytes.len() == 1 { 1 } else { 6 };
        assert_eq!(error.exit_code(), code, "{form}: {error}");
        assert_untouched(&fixture, &bytes, form);
        let status = riskd_store::status(&fixture.location(), Features::default()).unwrap();
        assert!(matches!(status.kind, DatabaseKind::Foreign { .. } | DatabaseKind::Damaged { .. }), "{form}");
        assert_untouched(&fixture, &bytes, form);
    }
}

#[test]
fn a_file_in_write_ahead_mode_is_refused_without_a_trace_too() {
    for form in ["partly", "foreign", "text_accounts", "other_version"] {
        let fixture = Fixture::new(form);
        fixture.shell("PRAGMA journal_mode = WAL");
        let bytes = fixture.bytes();
        assert_eq!(bytes[18..20], [2, 2]);
        let error = refused(&fixture);
        assert!([4, 6].contains(&error.exit_code()), "{error}");
        assert_untouched(&fixture, &bytes, form);
    }
}

#[test]
fn a_newer_database_is_refused_in_the_words_of_the_document() {
    let fixture = Fixture::new("other_version");
    let bytes = fixture.bytes();
    let error = refused(&fixture);
    assert_eq!(
        error.to_string(),
        "Database schema v3 is newer than this program supports (v2): upgrade riskd or restore a backup"
    );
    assert_eq!(error.exit_code(), 4);
    assert_untouched(&fixture, &bytes, "newer");
    assert!(riskd_store::verify(&fixture.location(), Features::default(), &Interrupt::new(), &nobody).is_err());
}

#[test]
fn a_truncated_database_is_damaged_not_foreign() {
    let fixture = Fixture::new("documented");
    let whole = fixture.bytes();
    for length in [50, 100, 4096, 4097, whole.len() - 1, whole.len() - 4096] {
        std::fs::write(&fixture.path, &whole[..length]).unwrap();
        let error = refused(&fixture);
        assert!(matches!(error, StoreError::Damaged { .. }), "{length}: {error}");
        assert!(error.to_string().contains("cut off"), "{length}: {error}");
        assert_eq!(error.exit_code(), 1);
        assert_untouched(&fixture, &whole[..length], "truncated");
        let report = fixture.verify(Features::default());
        assert_eq!(report.exit_code(), 3);
    }
}

#[test]
fn a_directory_and_a_missing_file_are_refused() {
    let fixture = Fixture::empty("state.db");
    let error = refused(&fixture);
    assert_eq!((error.code(), error.exit_code()), ("not_found", 2));
    assert_eq!(fixture.names(), Vec::<String>::new(), "nothing is made by mistake");
    std::fs::create_dir(&fixture.path).unwrap();
    let error = refused(&fixture);
    assert!(error.to_string().ends_with("it is a directory"), "{error}");
    assert_eq!(error.exit_code(), 6);
    // A link that leads to itself.
    let circle = Fixture::empty("state.db");
    std::os::unix::fs::symlink("state.db", &circle.path).unwrap();
    assert!(refused(&circle).to_string().contains("circle"));
}

#[test]
fn what_is_marked_read_only_is_not_written() {
    for in_folder in [false, true] {
        let fixture = Fixture::new("documented");
        let bytes = fixture.bytes();
        let marked = if in_folder { fixture.path.parent().unwrap() } else { fixture.path.as_path() };
        let mode = marked.metadata().unwrap().permissions();
        std::fs::set_permissions(marked, Permissions::from_mode(mode.mode() & !0o222)).unwrap();
        let error = refused(&fixture);
        std::fs::set_permissions(marked, mode).unwrap();
        assert!(matches!(error, StoreError::NoPermission { .. }), "{error}");
        assert_eq!(error.exit_code(), 7);
        assert_untouched(&fixture, &bytes, "read-only");
    }
}

#[test]
fn an_empty_file_becomes_a_new_database() {
    for with_tables_gone in [false, true] {
        let fixture = Fixture::empty("state.db");
        std::fs::write(&fixture.path, b"").unwrap();
        if with_tables_gone {
            fixture.shell("CREATE TABLE x (y); DROP TABLE x;");
        }
        let outcome = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap();
        assert!(matches!(outcome, OpenOutcome::Created { .. }), "{outcome:?}");
        let report = fixture.verify(Features::default());
        assert_eq!(report.deviations, Vec::<String>::new());
        assert_eq!(fixture.query("SELECT version, success FROM schema_version"), ["1|1", "2|1"]);
        assert_eq!(fixture.names(), ["state.db"]);
    }
}

#[test]
fn an_empty_file_beside_a_log_is_not_taken_for_a_new_one() {
    let fixture = Fixture::empty("state.db");
    std::fs::write(&fixture.path, b"").unwrap();
    std::fs::write(fixture.beside("-wal"), b"frames of something").unwrap();
    let error = refused(&fixture);
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(fixture.bytes(), b"");
    assert!(fixture.beside("-wal").exists());
}

#[test]
fn too_little_space_stops_before_anything_is_done() {
    let fixture = Fixture::new("documented");
    let bytes = fixture.bytes();
    let faults = Faults { free_bytes: Some(Arc::new(|_| 1_000_000)), ..Faults::default() };
    let cramped = MigrateOptions { faults, ..options() };
    let error = riskd_store::migrate(&fixture.location(), &cramped, &nobody).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("no_space", 7));
    assert!(error.to_string().contains("is unchanged, still v1"), "{error}");
    fixture.assert_whole_v1();
    assert!(fixture.bytes().len() >= bytes.len());
    assert_eq!(fixture.query("SELECT success FROM schema_version WHERE version = 2"), ["0"]);
    fixture.migrate();
    fixture.assert_whole_v2();
}

#[test]
fn a_name_that_the_user_took_is_named_and_left() {
    let fixture = Fixture::new("taken_name");
    let bytes = fixture.bytes();
    let error = refused(&fixture);
    assert!(
        error.to_string().contains("the name idx_positions_updated is taken by an index on the table my_things"),
        "{error}"
    );
    assert!(fixture.bytes() == bytes);
}

#[test]
fn auto_migrate_off_stops_the_daemon_and_not_the_command() {
    let fixture = Fixture::new("documented");
    let bytes = fixture.bytes();
    let off = MigrateOptions { auto_migrate: false, trigger: Trigger::Automatic, ..options() };
    let error = riskd_store::open(&fixture.location(), &off, &nobody).unwrap_err();
    assert_eq!(error.code(), "migration_needed");
    assert_eq!(error.hint(), "run `riskd db migrate`");
    assert_untouched(&fixture, &bytes, "auto_migrate off");
    let command = MigrateOptions { auto_migrate: false, ..options() };
    riskd_store::migrate(&fixture.location(), &command, &nobody).unwrap();
    fixture.assert_whole_v2();
}

#[test]
fn a_new_database_that_a_crash_left_half_made_is_made_again() {
    // With and without pages already written to the file when the process dies.
    for cache in [2, 2_000] {
        let fixture = Fixture::empty("state.db");
        run_python(
            &format!(
                "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                 db.execute('PRAGMA cache_size = {cache}')\ndb.execute('BEGIN')\ndb.execute('CREATE TABLE lockouts (x)')\n\
                 db.executemany('INSERT INTO lockouts VALUES (?)', [('x' * 500,)] * 100)\nos._exit(0)"
            ),
            &fixture.path,
        );
        assert!(fixture.beside("-journal").metadata().unwrap().len() > 0, "{cache}");
        assert_eq!(fixture.bytes().is_empty(), cache > 2);
        let outcome = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap();
        assert!(matches!(outcome, OpenOutcome::Created { .. }), "{outcome:?}");
        assert_eq!(fixture.verify(Features::default()).deviations, Vec::<String>::new());
        assert_eq!(fixture.names(), ["state.db"]);
    }
}
