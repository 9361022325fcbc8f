//! A failure after each step: whole v1, a record of it, and a next run that succeeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use riskd_store::{
    Clock, Event, FailedMigration, Faults, Features, Interrupt, MigrateOptions, Step, StoreError, Trigger, nobody,
};

use crate::support::{ALL_FEATURES, Fixture, names_in, options};

fn failing_after(step: Step) -> MigrateOptions {
    let after_step = move |done| if done == step { Err(format!("told to fail after {step:?}")) } else { Ok(()) };
    let faults = Faults { after_step: Some(Arc::new(after_step)), ..Faults::default() };
    MigrateOptions { faults, features: ALL_FEATURES, ..options() }
}

fn failed(error: StoreError) -> FailedMigration {
    match error {
        StoreError::MigrationFailed(failed) => *failed,
        other => panic!("expected a failed migration, got {other}"),
    }
}

fn lines(fixture: &Fixture) -> Vec<String> {
    let text = std::fs::read_to_string(fixture.backups().join("migrations.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn databases_in(fixture: &Fixture) -> Vec<String> {
    names_in(&fixture.backups()).into_iter().filter(|name| !name.ends_with(".jsonl")).collect()
}

#[test]
fn a_failure_after_any_step_leaves_whole_v1_and_a_record() {
    let some = [Step::Own, Step::Backup, Step::Core, Step::Verification];
    for (form, steps) in [("documented", &Step::BEFORE_COMMIT[..]), ("two_columns", &some), ("write_ahead", &some)] {
        for &step in steps {
            let fixture = Fixture::new(form);
            let error = riskd_store::migrate(&fixture.location(), &failing_after(step), &nobody).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            let failure = failed(error);
            let case = format!("{form} after {step:?}");
            assert_eq!((failure.version, failure.step), (1, step), "{case}");
            assert_eq!(failure.error.to_string(), format!("told to fail after {step:?}"), "{case}");
            assert_eq!(failure.record_error, None, "{case}");
            fixture.assert_whole_v1();
            let rows = fixture.query("SELECT version, success, error_message FROM schema_version ORDER BY version");
            assert_eq!(rows.len(), 2, "{case}");
            assert!(rows[0].starts_with("1|1|"), "{case}: {rows:?}");
            assert!(rows[1].starts_with("2|0|") && rows[1].contains("told to fail"), "{case}: {rows:?}");
            if form == "two_columns" {
                let kept = fixture.query("SELECT applied_at FROM schema_version WHERE version = 1");
                assert_eq!(kept, ["2025-03-04 05:06:07"], "{case}");
            }
            let written = lines(&fixture);
            assert_eq!(written.len(), 1, "{case}");
            assert!(written[0].contains("\"ending\":\"failed\"") && written[0].contains("told to fail"), "{case}");
            // The backup is kept once it is proved, and the next run does not make another.
            let backups = databases_in(&fixture);
            let expected = usize::from(step > Step::Preflight);
            assert_eq!(backups.len(), expected, "{case}: {backups:?}");
            assert_eq!(failure.backup.is_some(), expected == 1, "{case}");
            assert_eq!(fixture.names(), ["state.db"], "{case}");

            let report = fixture.migrate();
            fixture.assert_whole_v2();
            assert_eq!(databases_in(&fixture).len(), 1, "{case}: {:?}", databases_in(&fixture));
            assert!(report.backup.is_some(), "{case}");
            let rows = fixture.query("SELECT version, success, error_message IS NULL FROM schema_version");
            assert_eq!(rows, ["1|1|1", "2|1|1"], "{case}");
            assert_eq!(lines(&fixture).len(), 2, "{case}");
        }
    }
}

#[test]
fn a_backup_is_not_reused_once_the_source_has_changed() {
    let fixture = Fixture::new("documented");
    let fail = || riskd_store::migrate(&fixture.location(), &failing_after(Step::Core), &nobody).unwrap_err();
    let first = failed(fail()).backup;
    assert_eq!(failed(fail()).backup, first, "nothing changed");
    fixture.shell("UPDATE enforcement_log SET reason = reason || '!' WHERE id = 7");
    let second = failed(fail()).backup;
    assert_ne!(second, first);
    assert_eq!(databases_in(&fixture), ["state_pre_v2_20261122_190000.db", "state_pre_v2_20261122_190000_2.db"]);
}

#[test]
fn a_backup_that_went_bad_is_not_reused() {
    let fixture = Fixture::new("documented");
    let fail = || riskd_store::migrate(&fixture.location(), &failing_after(Step::Core), &nobody).unwrap_err();
    let first = failed(fail()).backup.unwrap();
    // The same size, another row: SQLite's check calls that ok.
    let mut bytes = std::fs::read(&first).unwrap();
    let at = bytes.windows(8).position(|window| window == b"reason 7").unwrap();
    bytes[at + 7] = b'8';
    std::fs::write(&first, &bytes).unwrap();
    let report = fixture.migrate();
    let second = report.backup.unwrap().path;
    assert_ne!(second, first);
    crate::support::assert_same(&fixture.held(), &second);
    fixture.assert_whole_v2();
}

#[test]
fn an_interrupt_rolls_back_and_is_no_failure() {
    for step in Step::BEFORE_COMMIT.into_iter().chain([Step::Commit]) {
        let fixture = Fixture::with_rows("documented", "state.db", 2_000);
        let interrupt = Interrupt::new();
        let stopping = MigrateOptions { interrupt: interrupt.clone(), ..options() };
        let stop_at = |event| {
            if event == Event::StepStarted(step) {
                interrupt.set();
            }
        };
        let error = riskd_store::migrate(&fixture.location(), &stopping, &stop_at).unwrap_err();
        assert!(error.is_interrupt(), "{step:?}: {error}");
        assert!(error.to_string().contains("everything was rolled back"), "{error}");
        fixture.assert_whole_v1();
        // Before the version is known there was nothing to leave unchanged, and nothing is written of it.
        if step > Step::Own {
            assert!(error.to_string().contains("is unchanged, still v1"), "{error}");
            assert!(lines(&fixture)[0].contains("\"ending\":\"interrupted\""));
        }
        assert_eq!(
            fixture.query("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'"),
            ["0"],
            "{step:?}"
        );
        fixture.migrate();
        fixture.assert_whole_v2();
    }
}

#[test]
fn automatic_attempts_wait_longer_and_stop_after_three_alike() {
    let fixture = Fixture::new("documented");
    let start: jiff::Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let tries = Arc::new(AtomicUsize::new(0));
    let attempt = |seconds: i64, trigger| {
        let counted = tries.clone();
        let fail = move |step| {
            if step == Step::Core {
                counted.fetch_add(1, Ordering::Relaxed);
                return Err("always".to_owned());
            }
            Ok(())
        };
        let clock = Clock::fixed(start + jiff::SignedDuration::from_secs(seconds));
        let faults = Faults { after_step: Some(Arc::new(fail)), ..Faults::default() };
        let options = MigrateOptions { trigger, faults, ..MigrateOptions::new(clock) };
        riskd_store::open(&fixture.location(), &options, &nobody).unwrap_err().code()
    };
    let codes: Vec<&str> = [0, 1, 29, 30, 149, 150, 86_400].map(|at| attempt(at, Trigger::Automatic)).to_vec();
    let expected =
        ["step_failed", "retry_later", "retry_later", "step_failed", "retry_later", "step_failed", "retries_stopped"];
    assert_eq!(codes, expected);
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    assert_eq!(databases_in(&fixture).len(), 1, "a crash loop makes one backup");
    // Somebody runs the command: it is tried, and the count begins anew.
    assert_eq!(attempt(86_401, Trigger::Command), "step_failed");
    assert_eq!(attempt(86_402, Trigger::Automatic), "step_failed");
    fixture.migrate();
    fixture.assert_whole_v2();
}

#[test]
fn a_damaged_source_is_reported_and_not_migrated() {
    let fixture = Fixture::new("documented");
    // An index that lacks a row of its table: the quick check calls that ok.
    fixture.shell(
        "DROP INDEX idx_enforcement_rule; \
         CREATE INDEX idx_enforcement_rule ON enforcement_log(rule_id) WHERE id < 10; \
         PRAGMA writable_schema = ON; \
         UPDATE sqlite_master SET sql = 'CREATE INDEX idx_enforcement_rule ON enforcement_log(rule_id)' \
         WHERE name = 'idx_enforcement_rule';",
    );
    assert_eq!(fixture.shell("PRAGMA quick_check").trim_end().lines().next(), Some("ok"), "the trap is set");
    let bytes = fixture.bytes();
    let error = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap_err();
    let failure = failed(error);
    let StoreError::Damaged { findings, .. } = &failure.error else { panic!("{}", failure.error) };
    assert!(findings.iter().any(|line| line.contains("idx_enforcement_rule")), "{findings:?}");
    assert!(fixture.bytes() == bytes, "nothing is written to a damaged file");
    assert_eq!(databases_in(&fixture), Vec::<String>::new());
    assert!(lines(&fixture)[0].contains("idx_enforcement_rule"));
    let report = fixture.verify(Features::default());
    assert!(report.deviations.iter().any(|line| line.contains("idx_enforcement_rule")), "{:?}", report.deviations);
}

#[test]
fn without_a_backup_the_user_is_warned_and_everything_else_holds() {
    let fixture = Fixture::new("documented");
    let bare = MigrateOptions { create_backup: false, ..options() };
    let outcome = riskd_store::migrate(&fixture.location(), &bare, &nobody).unwrap();
    let riskd_store::OpenOutcome::Migrated(report) = outcome else { panic!("{outcome:?}") };
    assert_eq!(report.warnings, ["no backup is made (disabled in config)"]);
    assert_eq!(report.backup, None);
    assert_eq!(report.steps[0].line, "⊘ Backup skipped (disabled in config)");
    assert_eq!(databases_in(&fixture), Vec::<String>::new());
    fixture.assert_whole_v2();
}
