//! What the config turns on and off.

use riskd_store::{Feature, Features, MigrateOptions, OpenOutcome, nobody};

use crate::support::{ALL_FEATURES, Fixture, names_in, options};

#[test]
fn the_unrealized_table_comes_with_the_migration_when_asked_for() {
    let fixture = Fixture::new("documented");
    let all = MigrateOptions { features: ALL_FEATURES, ..options() };
    let outcome = riskd_store::migrate(&fixture.location(), &all, &nobody).unwrap();
    let OpenOutcome::Migrated(report) = outcome else { panic!("{outcome:?}") };
    assert!(report.steps.iter().any(|step| step.line == "✓ Optional daily_unrealized_pnl table created (0ms)"));
    assert_eq!(fixture.verify(ALL_FEATURES).deviations, Vec::<String>::new());
    assert_eq!(
        fixture.query("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('daily_unrealized_pnl')"),
        [
            "account_id|INTEGER|1||1",
            "timestamp|TEXT|1||2",
            "unrealized_pnl|REAL|1||0",
            "positions_count|INTEGER|1||0",
            "total_exposure|REAL|0||0",
            "created_at|TEXT|0|CURRENT_TIMESTAMP|0",
        ]
    );
}

#[test]
fn a_feature_turned_on_later_is_added_at_the_next_start() {
    let fixture = Fixture::new("documented");
    let none = Features::NONE;
    let bare = MigrateOptions { features: none, ..options() };
    riskd_store::migrate(&fixture.location(), &bare, &nobody).unwrap();
    assert_eq!(fixture.verify(none).deviations, Vec::<String>::new());
    assert_eq!(fixture.query("SELECT count(*) FROM sqlite_master WHERE name = 'idx_positions_updated'"), ["0"]);
    let missing = fixture.verify(ALL_FEATURES).deviations;
    assert!(missing.contains(&"table daily_unrealized_pnl is missing".to_owned()), "{missing:?}");
    assert!(missing.contains(&"index idx_orders_state_account is missing".to_owned()), "{missing:?}");

    let all = MigrateOptions { features: ALL_FEATURES, ..options() };
    let backups = names_in(&fixture.backups());
    let outcome = riskd_store::migrate(&fixture.location(), &all, &nobody).unwrap();
    let lines = vec!["✓ Analytics indexes created".into(), "✓ Optional daily_unrealized_pnl table created".into()];
    assert_eq!(outcome, OpenOutcome::FeaturesAdded { version: 2, lines });
    assert_eq!(fixture.verify(ALL_FEATURES).deviations, Vec::<String>::new());
    assert_eq!(names_in(&fixture.backups()), backups, "no version changed, so no backup is made");
    fixture.assert_same_content();

    // Off again: table and rows stay, and nothing is missed.
    fixture.shell("INSERT INTO daily_unrealized_pnl VALUES (1, '2026-11-22', -5.5, 1, NULL, 'x')");
    let outcome = riskd_store::migrate(&fixture.location(), &bare, &nobody).unwrap();
    assert_eq!(outcome, OpenOutcome::Current { version: 2 });
    assert_eq!(fixture.query("SELECT count(*) FROM daily_unrealized_pnl"), ["1"]);
    assert_eq!(fixture.verify(none).deviations, Vec::<String>::new());
}

#[test]
fn a_table_of_the_users_under_the_features_name_is_left_alone() {
    let fixture = Fixture::new("documented");
    fixture.shell("CREATE TABLE daily_unrealized_pnl (mine TEXT)");
    let all = MigrateOptions { features: ALL_FEATURES, ..options() };
    let error = riskd_store::migrate(&fixture.location(), &all, &nobody).unwrap_err();
    assert!(error.to_string().contains("the name daily_unrealized_pnl is taken by a table"), "{error}");
    // Turned off, it is in nobody's way.
    fixture.migrate();
    assert_eq!(fixture.query("SELECT name FROM pragma_table_info('daily_unrealized_pnl')"), ["mine"]);
}

#[test]
fn a_new_database_is_at_head_from_the_start() {
    let fixture = Fixture::empty("state.db");
    let fresh = MigrateOptions { create_if_missing: true, features: ALL_FEATURES, ..options() };
    let (owned, outcome) = riskd_store::open(&fixture.location(), &fresh, &nobody).unwrap();
    assert!(matches!(outcome, OpenOutcome::Created { .. }));
    assert_eq!(owned.path(), fixture.path.canonicalize().unwrap());
    drop(owned);
    assert_eq!(fixture.verify(ALL_FEATURES).deviations, Vec::<String>::new());
    let rows = fixture.query("SELECT version, success, migration_script IS NOT NULL, applied_at FROM schema_version");
    assert_eq!(rows, ["1|1|1|2026-11-22T19:00:00.500Z", "2|1|1|2026-11-22T19:00:00.500Z"]);
    assert!(!fixture.backups().exists());
}

#[test]
fn a_new_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let creating = MigrateOptions { create_if_missing: true, ..options() };
    riskd_store::migrate(&riskd_store::Location::new(&path), &creating, &nobody).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// The tables of features beyond the user's document: what turns each on, a row of it, and its columns.
const TABLES: [(Feature, &str, &str, &[&str]); 3] = [
    (
        Feature::DrawdownMarks,
        "drawdown_marks",
        "1, 50000, 51000.5, '2026-11-22', '2026-11-22 19:00:00.000'",
        &[
            "account_id|INTEGER|0||1",
            "starting_balance|REAL|1||0",
            "high_water_mark|REAL|1||0",
            "day|TEXT|1||0",
            "updated_at|DATETIME|0||0",
        ],
    ),
    (
        Feature::RuleCommitments,
        "rule_commitments",
        "1, 'max_contracts', '{}', '2026-11-22 19:00:00.000', NULL",
        &[
            "account_id|INTEGER|1||1",
            "rule|TEXT|1||2",
            "config|TEXT|1||0",
            "armed_at|DATETIME|1||0",
            "loosens_at|DATETIME|0||0",
        ],
    ),
    (
        Feature::AuditTrail,
        "audit_trail",
        // The first entry that a writer appends over a log of four rows.
        "1, '2026-11-22 19:00:00.500', 'anchor', NULL, NULL, 'riskd',
         '{\"begins\":true,\"through\":0,\"to\":1000000,\"rows\":0,\"ids\":[],\"hashes\":\"\"}',
         '0000000000000000000000000000000000000000000000000000000000000000',
         'bc553bab0f12adbc99fb3a7bf88f9386f5c33dcf8d82e1e846ed679215a2a36a'",
        &[
            "id|INTEGER|0||1",
            "timestamp|DATETIME|0||0",
            "kind|TEXT|0||0",
            "account_id|INTEGER|0||0",
            "enforcement_id|INTEGER|0||0",
            "actor|TEXT|0||0",
            "content|TEXT|1||0",
            "previous_hash|TEXT|1||0",
            "hash|TEXT|1||0",
        ],
    ),
];

#[test]
fn each_later_table_comes_with_the_migration_or_at_the_next_start_and_is_left_alone_when_off() {
    for (feature, table, row, columns) in TABLES {
        let on = MigrateOptions { features: Features::default().with(feature, true), ..options() };
        let created = format!("✓ Optional {table} table created");
        let described =
            format!("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}') ORDER BY cid");

        let fixture = Fixture::new("documented");
        let outcome = riskd_store::migrate(&fixture.location(), &on, &nobody).unwrap();
        let OpenOutcome::Migrated(report) = outcome else { panic!("{table}: {outcome:?}") };
        assert!(report.steps.iter().any(|step| step.line.starts_with(&created)), "{table}: {:?}", report.steps);
        assert_eq!(fixture.verify(on.features).deviations, Vec::<String>::new(), "{table}");
        assert_eq!(fixture.query(&described), columns, "{table}");

        let fixture = Fixture::new("documented");
        fixture.migrate();
        assert_eq!(fixture.verify(on.features).deviations[0], format!("table {table} is missing"));
        let outcome = riskd_store::migrate(&fixture.location(), &on, &nobody).unwrap();
        assert_eq!(outcome, OpenOutcome::FeaturesAdded { version: 2, lines: vec![created] });
        assert_eq!(fixture.query(&described), columns, "{table}");

        // Off again: table and rows stay, and nothing is missed.
        fixture.shell(&format!("INSERT INTO {table} VALUES ({row})"));
        let outcome = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap();
        assert_eq!(outcome, OpenOutcome::Current { version: 2 }, "{table}");
        assert_eq!(fixture.query(&format!("SELECT count(*) FROM {table}")), ["1"]);
        assert_eq!(fixture.verify(Features::default()).deviations, Vec::<String>::new());
        assert_eq!(fixture.verify(on.features).deviations, Vec::<String>::new());
        fixture.assert_same_content();
    }
}

#[test]
fn a_table_of_the_users_under_a_later_name_names_the_key_that_needs_it() {
    for (feature, table, _, _) in TABLES {
        let fixture = Fixture::new("documented");
        fixture.shell(&format!("CREATE TABLE {table} (mine TEXT)"));
        let on = MigrateOptions { features: Features::default().with(feature, true), ..options() };
        let error = riskd_store::migrate(&fixture.location(), &on, &nobody).unwrap_err().to_string();
        assert!(error.contains(&format!("the name {table} is taken by a table")), "{error}");
        assert!(error.contains("`database."), "{error}");
        fixture.migrate();
        assert_eq!(fixture.query(&format!("SELECT name FROM pragma_table_info('{table}')")), ["mine"]);
    }
}
