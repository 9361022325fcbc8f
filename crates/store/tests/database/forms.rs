//! Every form of v1 found in the wild, brought to v2.

use riskd_store::{DatabaseKind, Features, OpenOutcome, nobody};

use crate::support::{ALL_FEATURES, Fixture, V1_FORMS, names_in, options};

/// Every table, index and key of head as the documents give them, in Python's words.
const HEAD_INDEXES: [&str; 17] = [
    "idx_contract_cache_symbol|contract_cache",
    "idx_daily_pnl_date|daily_pnl",
    "idx_enforcement_account|enforcement_log",
    "idx_enforcement_log_success|enforcement_log",
    "idx_enforcement_rule|enforcement_log",
    "idx_enforcement_timestamp|enforcement_log",
    "idx_lockouts_until|lockouts",
    "idx_orders_account|orders",
    "idx_orders_contract|orders",
    "idx_orders_state|orders",
    "idx_orders_state_account|orders",
    "idx_positions_account|positions",
    "idx_positions_contract|positions",
    "idx_positions_updated|positions",
    "idx_schema_version_applied|schema_version",
    "idx_trade_history_account_time|trade_history",
    "idx_trade_history_timestamp|trade_history",
];

#[test]
fn every_form_of_v1_becomes_v2_without_losing_a_row() {
    for form in V1_FORMS {
        let fixture = Fixture::new(form);
        let report = fixture.migrate();
        assert_eq!((report.from_version, report.to_version), (1, 2), "{form}");
        assert_eq!(report.warnings, Vec::<String>::new(), "{form}");
        fixture.assert_whole_v2();
        assert_eq!(fixture.names(), ["state.db"], "{form}: side files");
        let indexes = fixture.query(
            "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND lower(name) LIKE 'idx\\_%' ESCAPE '\\' ORDER BY 1",
        );
        assert_eq!(indexes, HEAD_INDEXES, "{form}");
        // Which columns an index has, in which direction, by SQLite's own account.
        let columns = fixture.query(
            "SELECT m.name, group_concat(x.name || CASE x.desc WHEN 1 THEN ' desc' ELSE '' END) FROM sqlite_master m, \
             pragma_index_xinfo(m.name) x WHERE m.name IN ('idx_enforcement_log_success', 'idx_positions_updated', \
             'idx_orders_state_account', 'idx_orders_state', 'idx_schema_version_applied') AND x.key GROUP BY 1 ORDER BY 1",
        );
        let expected = [
            "idx_enforcement_log_success|success,timestamp desc",
            "idx_orders_state|state",
            "idx_orders_state_account|state,account_id",
            "idx_positions_updated|updated_at desc",
            "idx_schema_version_applied|applied_at desc",
        ];
        assert_eq!(columns, expected, "{form}");
        assert_eq!(fixture.query("PRAGMA journal_mode").len(), 1);
        assert_eq!(&fixture.bytes()[18..20], &[2, 2], "{form}: the file is in write-ahead mode");
        fixture.shell("PRAGMA integrity_check");
    }
}

#[test]
fn the_second_run_writes_nothing() {
    for form in ["documented", "own_objects"] {
        let fixture = Fixture::new(form);
        fixture.migrate();
        let (bytes, modified) = (fixture.bytes(), fixture.path.metadata().unwrap().modified().unwrap());
        let backups = names_in(&fixture.backups());
        let outcome = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap();
        assert_eq!(outcome, OpenOutcome::Current { version: 2 });
        assert!(fixture.bytes() == bytes, "the file was written to");
        assert_eq!(fixture.path.metadata().unwrap().modified().unwrap(), modified);
        assert_eq!(names_in(&fixture.backups()), backups);
        assert_eq!(fixture.names(), ["state.db"]);
        // Opening it for work writes nothing either, beyond the lock that goes with its owner.
        let (owned, outcome) = riskd_store::open(&fixture.location(), &options(), &nobody).unwrap();
        assert_eq!(outcome, OpenOutcome::Current { version: 2 });
        assert_eq!(fixture.names(), ["state.db", "state.db.lock"]);
        drop(owned);
        assert!(fixture.bytes() == bytes);
        assert_eq!(fixture.names(), ["state.db"]);
    }
}

#[test]
fn the_steps_are_told_in_the_words_of_the_document() {
    let fixture = Fixture::new("documented");
    let report = fixture.migrate();
    let lines: Vec<&str> = report.steps.iter().map(|step| step.line.as_str()).collect();
    let backup = report.backup.unwrap();
    let size = backup.size_bytes as f64 / 1000.0;
    assert_eq!(
        lines,
        [
            format!("✓ Backup created: {} ({size:.1} kB, verified)", backup.path.display()).as_str(),
            "✓ Core migration successful (0ms)",
            "✓ Analytics indexes created (0ms)",
            "⊘ Optional daily_unrealized_pnl table skipped (disabled in config)",
            "✓ Migration verification successful",
        ]
    );
    assert_eq!(backup.path, fixture.backups().join("state_pre_v2_20261122_190000.db"));
}

#[test]
fn the_history_says_what_ran_and_what_would_undo_it() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    let rows = fixture.query(
        "SELECT version, applied_at, success, typeof(execution_time_ms), error_message IS NULL, description FROM schema_version",
    );
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with("1|2026-11-22T19:00:00.500Z|1|null|1|Baseline schema - 9 tables"), "{rows:?}");
    assert!(rows[1].starts_with("2|2026-11-22T19:00:00.500Z|1|integer|1|"), "{rows:?}");
}

#[test]
fn the_recorded_scripts_lead_back_and_forth() {
    for form in ["documented", "two_columns", "no_execution_time", "missing_indexes", "wrong_indexes", "own_objects"] {
        let fixture = Fixture::new(form);
        let objects = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY 1, 2";
        let before = normal(&fixture.query(objects));
        let versions = "SELECT * FROM schema_version";
        let history = (form == "two_columns").then(|| fixture.query(versions));
        let features = ALL_FEATURES;
        let all = riskd_store::MigrateOptions { features, ..options() };
        riskd_store::migrate(&fixture.location(), &all, &nobody).unwrap();
        let after = normal(&fixture.query(objects));
        let script = |column: &str| fixture.shell(&format!("SELECT {column} FROM schema_version WHERE version = 2"));
        let (up, down) = (script("migration_script"), script("rollback_script"));
        fixture.shell(&down);
        assert_eq!(normal(&fixture.query(objects)), before, "{form}: undone");
        assert_eq!(history, (form == "two_columns").then(|| fixture.query(versions)), "{form}: history");
        fixture.assert_whole_v1();
        fixture.shell(&up);
        assert_eq!(normal(&fixture.query(objects)), after, "{form}: done again");
    }
}

/// Texts without white space and quotes: SQLite rewrites some of it.
fn normal(lines: &[String]) -> String {
    lines.concat().chars().filter(|letter| !letter.is_whitespace() && *letter != '"').collect()
}

#[test]
fn the_two_column_form_keeps_its_row() {
    let fixture = Fixture::new("two_columns");
    let report = fixture.migrate();
    assert_eq!(fixture.query("SELECT applied_at FROM schema_version WHERE version = 1"), ["2025-03-04 05:06:07"]);
    assert_eq!(report.mended, ["schema_version (had two columns of its eight)"]);
    assert_eq!(
        fixture.query("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('schema_version')"),
        [
            "version|INTEGER|0||1",
            "applied_at|TEXT|1||0",
            "description|TEXT|1||0",
            "migration_script|TEXT|0||0",
            "rollback_script|TEXT|0||0",
            "execution_time_ms|INTEGER|0||0",
            "success|BOOLEAN|1|1|0",
            "error_message|TEXT|0||0",
        ]
    );
}

#[test]
fn the_users_triggers_neither_fire_nor_change() {
    let fixture = Fixture::new("own_trigger_on_version");
    fixture.migrate();
    assert_eq!(fixture.query("SELECT count(*) FROM my_audit"), ["0"]);
    assert_eq!(
        fixture
            .query("SELECT name FROM sqlite_master WHERE tbl_name = 'schema_version' AND name LIKE 'my%' ORDER BY 1"),
        ["my_version_index", "my_version_trigger"]
    );
    assert_eq!(fixture.query("SELECT v FROM my_version_view"), ["2"]);
    fixture.shell("INSERT INTO schema_version (version, applied_at, description) VALUES (99, '', '')");
    assert_eq!(fixture.query("SELECT count(*) FROM my_audit"), ["1"]);
}

#[test]
fn a_path_is_a_plain_name_whatever_letters_it_has() {
    for name in
        ["my state.db", "a?b#c%d%20.db", "quo'te\"s.db", "zustände-取引.db", "file:x.db", "no_extension", "-dash.db"]
    {
        let fixture = Fixture::with_rows("write_ahead_clean", name, 5);
        fixture.migrate();
        fixture.assert_whole_v2();
        assert_eq!(fixture.names(), [name]);
        let stem = std::path::Path::new(name).file_stem().unwrap().to_str().unwrap();
        let backup = fixture.backups().join(format!("{stem}_pre_v2_20261122_190000.db"));
        assert!(backup.is_file(), "{}", backup.display());
        riskd_store::rollback(&fixture.location(), &crate::support::restore_options(), &nobody).unwrap();
        fixture.assert_whole_v1();
    }
}

#[test]
fn a_symlink_is_followed_and_stays() {
    let fixture = Fixture::new("documented");
    let link = fixture.folder.path().join("link.db");
    std::os::unix::fs::symlink("data/state.db", &link).unwrap();
    let outcome = riskd_store::migrate(&riskd_store::Location::new(&link), &options(), &nobody).unwrap();
    let OpenOutcome::Migrated(report) = outcome else { panic!("{outcome:?}") };
    assert_eq!(report.path, fixture.path.canonicalize().unwrap());
    assert!(link.symlink_metadata().unwrap().is_symlink());
    fixture.assert_whole_v2();
}

#[test]
fn a_status_reads_and_does_not_write() {
    for form in ["documented", "write_ahead_clean", "two_columns"] {
        let fixture = Fixture::new(form);
        let bytes = fixture.bytes();
        let status = riskd_store::status(&fixture.location(), Features::default()).unwrap();
        assert_eq!(status.kind, DatabaseKind::Behind { version: 1 }, "{form}");
        assert_eq!(status.version, Some(1));
        assert_eq!(status.history.len(), usize::from(form == "two_columns"));
        assert!(status.pending.contains(&"create the analytics indexes".to_owned()), "{:?}", status.pending);
        let mode = if form == "write_ahead_clean" { "wal" } else { "delete" };
        assert_eq!(status.journal_mode.as_deref(), Some(mode));
        assert_eq!((status.owner_pid, status.last_backup), (None, None));
        assert!(fixture.bytes() == bytes);
        assert_eq!(fixture.names(), ["state.db"]);
        assert!(!fixture.backups().exists());
    }
}

#[test]
fn a_half_done_transaction_is_told_and_not_touched() {
    let fixture = Fixture::new("hot_journal");
    let (bytes, journal) = (fixture.bytes(), std::fs::read(fixture.beside("-journal")).unwrap());
    let status = riskd_store::status(&fixture.location(), Features::default()).unwrap();
    assert_eq!(status.kind, DatabaseKind::NeedsRecovery);
    assert_eq!(fixture.verify(Features::default()).exit_code(), 3);
    riskd_store::backup(&fixture.location(), &crate::support::backup_options(), &nobody).unwrap_err();
    assert!(fixture.bytes() == bytes);
    assert!(std::fs::read(fixture.beside("-journal")).unwrap() == journal);
}
