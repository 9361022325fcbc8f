//! `doctor`: each finding on a database that somebody else spoiled, and each mend seen by somebody else.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use riskd_store::{DoctorOptions, DoctorReport, Features, FindingCode, nobody};

use crate::plan::{assert_untouched, everything};
use crate::support::{ALL_FEATURES, Fixture, V1_FORMS, backup_options, clock, names_in, restore_options, run_python};

pub(crate) fn doctor() -> DoctorOptions {
    DoctorOptions::new(clock())
}

pub(crate) fn diagnose(fixture: &Fixture) -> DoctorReport {
    let before = everything(fixture.folder.path());
    let report = riskd_store::diagnose(&fixture.location(), &doctor()).unwrap();
    assert_untouched(&before, &everything(fixture.folder.path()), "examining");
    report
}

pub(crate) fn mend(fixture: &Fixture) -> DoctorReport {
    mend_with(fixture, &doctor())
}

pub(crate) fn mend_with(fixture: &Fixture, options: &DoctorOptions) -> DoctorReport {
    riskd_store::mend(&fixture.location(), options, &nobody).unwrap()
}

pub(crate) fn codes(report: &DoctorReport) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A database at head, whose owner alone may read it, and whose times are all in one form.
pub(crate) fn healthy() -> Fixture {
    let fixture = Fixture::new("by_shell");
    fixture.migrate();
    private(&fixture);
    fixture
}

pub(crate) fn private(fixture: &Fixture) {
    for path in [&fixture.path, &fixture.beside("-wal"), &fixture.beside("-shm")] {
        if path.exists() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// Changes a database with the shell, and leaves no side files.
pub(crate) fn spoil(fixture: &Fixture, sql: &str) {
    fixture.shell(sql);
    private(fixture);
}

#[test]
fn a_healthy_database_has_no_findings_and_is_left_as_it_is() {
    let fixture = healthy();
    let report = diagnose(&fixture);
    assert_eq!((report.findings.clone(), report.version), (vec![], Some(2)));
    let before = everything(fixture.folder.path());
    assert_eq!(mend(&fixture), report);
    assert_untouched(&before, &everything(fixture.folder.path()), "nothing to mend");
}

#[test]
fn examining_writes_nothing_whatever_the_form() {
    for form in V1_FORMS {
        let fixture = Fixture::new(form);
        let report = diagnose(&fixture);
        let expected = if form == "hot_journal" { FindingCode::NeedsRecovery } else { FindingCode::VersionBehind };
        assert!(report.findings.iter().any(|finding| finding.code == expected), "{form}: {:?}", report.findings);
    }
    for (form, code) in [("other_version", 4), ("partly", 6), ("foreign", 6)] {
        let error = riskd_store::diagnose(&Fixture::new(form).location(), &doctor()).unwrap_err();
        assert_eq!(error.exit_code(), code, "{form}");
    }
}

#[test]
fn drift_is_found_by_definition_and_mended() {
    let cases = [
        ("DROP INDEX idx_orders_state", "index_missing", "idx_orders_state", true),
        ("DROP INDEX idx_positions_updated", "index_missing", "idx_positions_updated", true),
        (
            "DROP INDEX idx_orders_state; CREATE INDEX idx_orders_state ON orders(side)",
            "index_changed",
            "idx_orders_state",
            true,
        ),
        (
            "DROP INDEX idx_orders_state; CREATE TABLE mine (state); CREATE INDEX idx_orders_state ON mine(state)",
            "index_changed",
            "idx_orders_state",
            false,
        ),
        (
            "ALTER TABLE enforcement_log DROP COLUMN execution_time_ms",
            "column_missing",
            "enforcement_log.execution_time_ms",
            true,
        ),
        ("ALTER TABLE lockouts DROP COLUMN reason", "column_missing", "lockouts.reason", false),
        (
            "DROP TABLE session_state; CREATE TABLE session_state (account_id INTEGER PRIMARY KEY, session_start TEXT NOT NULL, updated_at DATETIME DEFAULT CURRENT_TIMESTAMP)",
            "column_changed",
            "session_state.session_start",
            false,
        ),
        (
            "UPDATE schema_version SET migration_script = 'none' WHERE version = 2",
            "history_changed",
            "schema_version",
            false,
        ),
    ];
    for (sql, code, place, mendable) in cases {
        let fixture = healthy();
        spoil(&fixture, sql);
        let found = diagnose(&fixture);
        let finding = found
            .findings
            .iter()
            .find(|finding| finding.code.as_str() == code)
            .unwrap_or_else(|| panic!("{sql}: {found:?}"));
        assert_eq!((finding.place.as_str(), finding.mendable), (place, mendable), "{sql}");
        let after = mend(&fixture);
        assert_eq!(after.is_clean(), mendable, "{sql}: {:?}", after.findings);
        assert_eq!(after.backup.is_some(), mendable, "{sql}");
        if mendable {
            assert_eq!(after.mended.iter().map(|mended| mended.place.as_str()).collect::<Vec<_>>(), [place]);
            assert_eq!(fixture.verify(Features::default()).deviations, Vec::<String>::new(), "{sql}");
        }
    }
}

#[test]
fn a_missing_feature_table_is_made() {
    let fixture = healthy();
    let options = DoctorOptions { features: ALL_FEATURES, ..doctor() };
    let found = riskd_store::diagnose(&fixture.location(), &options).unwrap();
    assert_eq!(codes(&found), ["index_missing", "table_missing"]);
    assert_eq!(mend_with(&fixture, &options).findings, vec![]);
    assert_eq!(fixture.verify(ALL_FEATURES).deviations, Vec::<String>::new());
}

#[test]
fn objects_of_the_users_own_are_listed_and_never_findings() {
    let fixture = Fixture::new("own_objects");
    fixture.migrate();
    let report = diagnose(&fixture);
    for own in [
        "table my_notes",
        "index my \"odd\" index on my_notes",
        "column my_remark of lockouts",
        "index my_lockouts on lockouts",
        "view my_view",
        "trigger my_trigger on enforcement_log",
        "virtual table my_search",
    ] {
        assert!(report.own_objects.contains(&own.to_owned()), "{own}: {:?}", report.own_objects);
    }
    assert!(report.own_objects.iter().all(|own| own.contains("my")), "{:?}", report.own_objects);
    assert!(report.findings.iter().all(|finding| !finding.place.contains("my_")), "{:?}", report.findings);
}

#[test]
fn rows_that_the_types_refuse_are_told_with_table_row_and_reason() {
    let fixture = healthy();
    spoil(
        &fixture,
        "INSERT INTO positions VALUES (5, 1, 'C', 1, -1, 1.0, '2025-10-22 14:30:00', '2025-10-22 14:30:00');
         INSERT INTO lockouts (account_id, is_locked, locked_at) VALUES (8, 1, 'garbage'), (9, 0, NULL);
         INSERT INTO reset_schedule VALUES (3, '2025-10-22', '2025-10-22 22:00:00', '17:00', 'Mars/Base')",
    );
    let report = diagnose(&fixture);
    let told: BTreeSet<(String, String)> = report
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::RowUnreadable)
        .map(|finding| (finding.place.clone(), finding.explanation.clone()))
        .collect();
    let expected = [
        ("lockouts row 8", "Lockout.locked_at = \"garbage\": must be a time, YYYY-MM-DD HH:MM:SS"),
        ("positions row 5", "Position.size = -1: must not be negative"),
        ("reset_schedule row 3", "ResetSchedule.timezone = \"Mars/Base\": must be a known IANA time zone"),
    ];
    assert_eq!(told, expected.into_iter().map(|(place, why)| (place.to_owned(), why.to_owned())).collect());
    // Nobody but a person knows what they should say, and so they are left.
    assert_eq!(codes(&mend(&fixture)), ["row_unreadable", "time_unreadable"]);
}

#[test]
fn many_bad_rows_are_counted_and_a_hundred_listed() {
    let fixture = healthy();
    spoil(&fixture, "UPDATE enforcement_log SET execution_time_ms = -1;
        INSERT INTO enforcement_log (account_id, rule_id, action, reason, execution_time_ms) SELECT 1, 'RULE-001', 'a', 'r', -1 FROM enforcement_log;
        INSERT INTO enforcement_log (account_id, rule_id, action, reason, execution_time_ms) SELECT 1, 'RULE-001', 'a', 'r', -1 FROM enforcement_log");
    let rows = fixture.query("SELECT count(*) FROM enforcement_log")[0].parse::<u64>().unwrap();
    let report = diagnose(&fixture);
    assert_eq!(report.findings.len(), 101);
    assert_eq!(report.findings.iter().filter_map(|finding| finding.count).sum::<u64>(), rows);
}

#[test]
fn free_pages_are_given_back_where_that_pays() {
    let fixture = Fixture::with_rows("by_shell", "state.db", 40_000);
    fixture.migrate();
    private(&fixture);
    assert_eq!(diagnose(&fixture).findings, vec![], "a full file");
    spoil(&fixture, "DELETE FROM enforcement_log WHERE id > 100");
    assert_eq!(codes(&diagnose(&fixture)), ["free_pages"]);
    let before = fixture.query("SELECT * FROM enforcement_log");
    let size = fixture.path.metadata().unwrap().len();
    let after = mend(&fixture);
    assert_eq!(after.findings, vec![]);
    assert!(fixture.path.metadata().unwrap().len() < size / 4);
    assert_eq!(fixture.query("SELECT * FROM enforcement_log"), before);
    assert_eq!(fixture.query("PRAGMA freelist_count"), ["0"]);
    assert_eq!(fixture.verify(Features::default()).deviations, Vec::<String>::new());
    // Ids of rows that the user may rely on could change: then it is for the user to do.
    spoil(
        &fixture,
        "CREATE TABLE my_notes (note TEXT); INSERT INTO my_notes SELECT hex(randomblob(3000)) FROM enforcement_log, enforcement_log LIMIT 1000",
    );
    spoil(&fixture, "DELETE FROM my_notes WHERE rowid > 10");
    let found = diagnose(&fixture);
    assert_eq!((codes(&found), found.findings[0].mendable), (vec!["free_pages"], false));
}

#[test]
fn files_open_to_others_are_closed_the_key_file_too() {
    let fixture = healthy();
    let key = fixture.folder.path().join("key");
    std::fs::write(&key, "secret").unwrap();
    let backup = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap().path;
    for (path, mode) in [(&fixture.path, 0o644), (&key, 0o660), (&backup, 0o604)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let options = DoctorOptions { private_files: vec![key.clone()], ..doctor() };
    let found = riskd_store::diagnose(&fixture.location(), &options).unwrap();
    assert_eq!((codes(&found), found.findings.len()), (vec!["file_open_to_others"], 3));
    assert_eq!(mend_with(&fixture, &options).findings, vec![]);
    for path in [&fixture.path, &key, &backup] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(codes(&diagnose(&fixture)), ["not_writable"]);
}

#[test]
fn what_dead_programs_left_is_merged_or_deleted() {
    // A log of a dead program, with the committed rows in it.
    let fixture = Fixture::new("write_ahead");
    private(&fixture);
    assert!(codes(&diagnose(&fixture)).contains(&"log_left"));
    let after = mend(&fixture);
    assert!(!codes(&after).contains(&"log_left") && !codes(&after).contains(&"side_file_left"), "{:?}", after.findings);
    assert_eq!(fixture.names(), ["state.db"]);
    assert_eq!(fixture.query("SELECT count(*) FROM enforcement_log"), ["59"]);

    // The same where nothing else is to be mended.
    let fixture = healthy();
    run_python(
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
         db.execute(\"INSERT INTO daily_pnl VALUES (1, '2026-01-01', 1.0, NULL)\"); db.commit(); os._exit(0)",
        &fixture.path,
    );
    private(&fixture);
    assert_eq!(codes(&diagnose(&fixture)), ["log_left"]);
    let after = mend(&fixture);
    assert_eq!((after.findings, after.mended[0].code), (vec![], FindingCode::LogLeft));
    assert_eq!(fixture.names(), ["state.db"]);
    assert_eq!(fixture.query("SELECT count(*) FROM daily_pnl WHERE date = '2026-01-01'"), ["1"]);

    // Everything else that can lie about; the pid is none of a live process.
    let fixture = healthy();
    std::fs::write(fixture.beside("-journal"), "").unwrap();
    std::fs::write(fixture.beside("-shm"), [0; 32768]).unwrap();
    std::fs::write(fixture.beside(".lock"), "4194304\n").unwrap();
    let partial = fixture.backups().join(".state_20260101_000000_1.999999999.partial");
    std::fs::write(&partial, "half").unwrap();
    private(&fixture);
    std::fs::set_permissions(fixture.beside("-journal"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(codes(&diagnose(&fixture)), ["lock_file_left", "partial_copy", "side_file_left"]);
    let after = mend(&fixture);
    assert_eq!(after.findings, vec![]);
    assert_eq!(fixture.names(), ["state.db"]);
    assert!(!partial.exists());
}

#[test]
fn databases_moved_aside_are_told_of_once_they_are_older_than_backups() {
    let fixture = healthy();
    let backup = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap().path;
    riskd_store::restore(&fixture.location(), &backup, &restore_options(), &nobody).unwrap();
    assert_eq!(codes(&diagnose(&fixture)), Vec::<&str>::new(), "one of today is not stale");
    let later = riskd_store::Clock::fixed("2027-01-22T19:00:00Z".parse().unwrap());
    let found = riskd_store::diagnose(&fixture.location(), &DoctorOptions::new(later.clone())).unwrap();
    assert_eq!(codes(&found), ["failed_copy"]);
    assert!(found.findings[0].place.contains("state.db.failed_v2_20261122_190000"), "{found:?}");
    let after = mend_with(&fixture, &DoctorOptions::new(later));
    assert_eq!(codes(&after), ["failed_copy"], "no database is ever deleted");
}

#[test]
fn backups_that_no_longer_verify_are_told() {
    let fixture = healthy();
    let path = riskd_store::backup(&fixture.location(), &backup_options(), &nobody).unwrap().path;
    assert_eq!(diagnose(&fixture).findings, vec![]);
    let whole = std::fs::read(&path).unwrap();
    // Other rows in as many bytes; bytes that make no sense; cut off.
    run_python(
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(\"UPDATE enforcement_log SET reason = replace(reason, 'a', 'b')\"); db.commit()",
        &path,
    );
    let says = |part: &str| {
        let report = diagnose(&fixture);
        assert_eq!(codes(&report), ["backup_unverified"], "{part}");
        assert!(report.findings[0].explanation.contains(part), "{part}: {}", report.findings[0].explanation);
    };
    says("does not hold what it held");
    let mut spoiled = whole.clone();
    let middle = spoiled.len() / 2;
    spoiled[middle..].fill(0x5a);
    std::fs::write(&path, spoiled).unwrap();
    says("");
    std::fs::write(&path, &whole[..whole.len() - 4096]).unwrap();
    says("bytes and had");
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(diagnose(&fixture).findings, vec![]);
    // The user's own copy, of which nothing is written down, need only be whole.
    let copy = fixture.backups().join("state_20260101_000000.db");
    std::fs::write(&copy, &whole).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(diagnose(&fixture).findings, vec![]);
    std::fs::write(&copy, &whole[..5000]).unwrap();
    says("cut off");
}

#[test]
fn a_damaged_database_is_named_and_not_touched() {
    let fixture = healthy();
    let mut bytes = fixture.bytes();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&fixture.path, &bytes).unwrap();
    assert_eq!(codes(&diagnose(&fixture)), ["damaged"]);
    assert_eq!(codes(&mend(&fixture)), ["damaged"]);
    assert!(fixture.bytes() == bytes);
}

#[test]
fn misleading_statistics_are_renewed_and_missing_ones_are_no_finding() {
    let fixture = healthy();
    assert_eq!(fixture.query("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'"), ["0"]);
    assert_eq!(diagnose(&fixture).findings, vec![], "every query finds its index without statistics");
    // Somebody took statistics of another day: one value everywhere, so the index of that column seems worth nothing.
    spoil(
        &fixture,
        "ANALYZE; DELETE FROM sqlite_stat1;
         INSERT INTO sqlite_stat1 VALUES ('positions', 'idx_positions_updated', '1000000 1000000'),
            ('positions', NULL, '1'), ('orders', 'idx_orders_state_account', '1000000 1000000 1000000'),
            ('orders', 'idx_orders_account', '1000000 1'), ('enforcement_log', 'idx_enforcement_log_success', '1000000 1000000 1000000')",
    );
    let found = diagnose(&fixture);
    assert_eq!(codes(&found), ["statistics_mislead"], "{:?}", found.findings);
    assert_eq!(mend(&fixture).findings, vec![]);
    assert_eq!(fixture.query("PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn a_mend_refuses_while_anybody_has_the_database() {
    let fixture = healthy();
    spoil(&fixture, "DROP INDEX idx_orders_state");
    let open = riskd_store::MigrateOptions { auto_migrate: true, ..crate::support::options() };
    let (owned, _) = riskd_store::open(&fixture.location(), &open, &nobody).unwrap();
    let error = riskd_store::mend(&fixture.location(), &doctor(), &nobody).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("in_use", 5));
    drop(owned);
    let backups = names_in(&fixture.backups());
    let holder = rusqlite::Connection::open(&fixture.path).unwrap();
    holder.execute_batch("BEGIN; SELECT count(*) FROM orders").unwrap();
    let mut other = std::process::Command::new(crate::support::python_program())
        .args(["-c", "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT 1 FROM orders'); print('open', flush=True); sys.stdin.read()"])
        .arg(&fixture.path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(holder);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(other.stdout.as_mut().unwrap()), &mut line).unwrap();
    let error = riskd_store::mend(&fixture.location(), &doctor(), &nobody).unwrap_err();
    assert_eq!(error.code(), "in_use");
    assert_eq!(names_in(&fixture.backups()), backups, "no backup before it is ours");
    drop(other.stdin.take());
    other.wait().unwrap();
    private(&fixture);
    assert_eq!(mend(&fixture).findings, vec![]);
}

#[test]
fn the_documented_codes_are_the_codes() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor.md")).unwrap();
    let documented: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(code, _)| code))
        .filter(|code| !code.contains(' '))
        .collect();
    let codes: Vec<&str> = FindingCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(documented, codes, "docs/doctor.md lists them in the order of the program");
}
