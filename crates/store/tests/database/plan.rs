//! `plan`: the SQL that `migrate` then records, and not one byte written.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use riskd_store::{
    DatabaseKind, Faults, Features, MigrateOptions, MigrationPlan, PlanOptions, Step, StoreError, nobody,
};

use crate::support::{ALL_FEATURES, Fixture, V1_FORMS, clock, options, python_program, text};

fn plan_with(fixture: &Fixture, features: Features) -> MigrationPlan {
    let options = PlanOptions { features, ..PlanOptions::new(clock()) };
    riskd_store::plan(&fixture.location(), &options).unwrap()
}

fn plan(fixture: &Fixture) -> MigrationPlan {
    plan_with(fixture, Features::default())
}

/// What there is to see of a file or folder from outside: content, size, mode, owner, when it was written, which file it is.
///
/// When its inode was touched is left out: run by root, SQLite gives side files to the owner whose they are already.
type Seen = (Vec<u8>, u64, u32, u32, i64, i64, u64);

/// The folder, everything in it, and everything about each.
pub(crate) fn everything(folder: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let it = path.symlink_metadata().unwrap();
        let bytes = if it.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else {
            std::fs::read(&path).unwrap()
        };
        found.insert(path, (bytes, it.size(), it.mode(), it.uid(), it.mtime(), it.mtime_nsec(), it.ino()));
    }
    found
}

/// Asserts that two looks at a folder saw the same, naming what differs.
pub(crate) fn assert_untouched(before: &BTreeMap<PathBuf, Seen>, after: &BTreeMap<PathBuf, Seen>, case: &str) {
    let names = |seen: &BTreeMap<PathBuf, Seen>| seen.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after), "{case}: names");
    for (path, seen) in before {
        assert!(after[path] == *seen, "{case}: {} was written to", path.display());
    }
}

#[test]
fn nothing_is_written_whatever_the_form() {
    let others = ["other_version", "partly", "foreign", "text_accounts", "rebuilt_by_hand", "taken_name"];
    for form in V1_FORMS.iter().chain(&others) {
        let fixture = Fixture::new(form);
        let before = everything(fixture.folder.path());
        let _ = riskd_store::plan(&fixture.location(), &PlanOptions::new(clock()));
        assert_untouched(&before, &everything(fixture.folder.path()), form);
    }
}

#[test]
fn a_log_without_its_index_is_read_and_left_as_it_is() {
    let fixture = Fixture::new("write_ahead");
    let with_index = plan(&fixture);
    std::fs::remove_file(fixture.beside("-shm")).unwrap();
    let before = everything(fixture.folder.path());
    let planned = plan(&fixture);
    assert_untouched(&before, &everything(fixture.folder.path()), "no -shm");
    assert_eq!(planned.migration_script, with_index.migration_script);
    assert_eq!(planned.kind, DatabaseKind::Behind { version: 1 });
    let rows = |plan: &MigrationPlan| plan.steps.iter().flat_map(|step| step.reads.clone()).collect::<Vec<_>>();
    assert_eq!(rows(&planned), rows(&with_index));
    assert!(rows(&planned).iter().any(|read| read.table == "enforcement_log" && read.rows == 59), "rows of the log");
    fixture.migrate();
    fixture.assert_whole_v2();
}

#[test]
fn an_empty_log_or_a_lonely_index_is_left_as_it_is() {
    for names in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let fixture = Fixture::new("write_ahead_clean");
        for name in names {
            std::fs::write(fixture.beside(name), "").unwrap();
        }
        let before = everything(fixture.folder.path());
        assert_eq!(plan(&fixture).kind, DatabaseKind::Behind { version: 1 });
        assert_untouched(&before, &everything(fixture.folder.path()), &names.join(" and "));
    }
}

/// A process that writes a row whenever it is sent a line, and answers.
struct LiveWriter(Child, BufReader<std::process::ChildStdout>);

impl LiveWriter {
    fn start(path: &Path) -> Self {
        let script = "import sqlite3, sys\n\
            db = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
            for line in sys.stdin:\n\
            \x20   db.execute(\"INSERT INTO daily_pnl (account_id, date, realized_pnl) VALUES (77, ?, 1.0)\", (line.strip(),))\n\
            \x20   print('written', flush=True)\n";
        let mut child = Command::new(python_program())
            .args(["-c", script, text(path)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self(child, answers)
    }

    fn write(&mut self, row: u32) {
        let input = self.0.stdin.as_mut().unwrap();
        writeln!(input, "2027-01-{row:02}").unwrap();
        input.flush().unwrap();
        let mut answer = String::new();
        self.1.read_line(&mut answer).unwrap();
        assert_eq!(answer, "written\n");
    }

    fn stop(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn beside_a_live_writer_it_sees_each_commit_and_writes_nothing() {
    for form in ["documented", "write_ahead_clean"] {
        let fixture = Fixture::new(form);
        let mut writer = LiveWriter::start(&fixture.path);
        let mut rows = Vec::new();
        for number in 1..=3 {
            writer.write(number);
            let before = everything(fixture.folder.path());
            let planned = plan(&fixture);
            assert_untouched(&before, &everything(fixture.folder.path()), form);
            let verification = planned.steps.iter().find(|step| step.step == Step::Verification).unwrap();
            rows.push(verification.reads.iter().find(|read| read.table == "daily_pnl").unwrap().rows);
        }
        // Planning is in nobody's way.
        writer.write(4);
        writer.stop();
        assert_eq!(rows, [85, 86, 87], "{form}");
    }
}

#[test]
fn the_sql_is_what_migrate_then_records() {
    let none = Features::NONE;
    for features in [Features::default(), ALL_FEATURES, none] {
        // Every form with the default features; the others where the forms differ in what is made.
        let few = ["documented", "wrong_indexes", "two_columns"];
        let wanted = |form: &&&str| **form != "hot_journal" && (features == Features::default() || few.contains(form));
        for form in V1_FORMS.iter().filter(wanted) {
            let fixture = Fixture::new(form);
            let planned = plan_with(&fixture, features);
            assert_eq!(planned.obstacles, Vec::<String>::new(), "{form}");
            let with = MigrateOptions { features, ..options() };
            let outcome = riskd_store::migrate(&fixture.location(), &with, &nobody).unwrap();
            let riskd_store::OpenOutcome::Migrated(report) = outcome else { panic!("{form}: {outcome:?}") };
            assert_eq!(report.mended, planned.mends, "{form}");
            let recorded = |column: &str| {
                fixture.shell(&format!("SELECT {column} FROM schema_version WHERE version = 2")).trim_end().to_owned()
            };
            assert_eq!(recorded("migration_script"), planned.migration_script.trim_end(), "{form}");
            assert_eq!(recorded("rollback_script"), planned.rollback_script.trim_end(), "{form}");
            let runs: String =
                planned.steps.iter().filter(|step| is_change(step.step)).flat_map(|step| step.sql.clone()).collect();
            assert_eq!(runs, planned.migration_script, "{form}: what the steps run");
            let again = plan_with(&fixture, features);
            assert!(again.is_empty() && again.kind == DatabaseKind::Current { version: 2 }, "{form}: {again:?}");
        }
    }
}

fn is_change(step: Step) -> bool {
    matches!(step, Step::Core | Step::AnalyticsIndexes | Step::DailyUnrealizedPnl)
}

#[test]
fn rows_are_those_that_the_shell_counts_index_by_index() {
    let fixture = Fixture::with_rows("missing_indexes", "state.db", 500);
    let planned = plan_with(&fixture, ALL_FEATURES);
    let mut told = BTreeMap::new();
    for read in planned.steps.iter().filter(|step| is_change(step.step)).flat_map(|step| &step.reads) {
        assert!(read.counted);
        told.insert(read.index.clone().unwrap(), read.rows);
    }
    let count = |table: &str| fixture.query(&format!("SELECT count(*) FROM {table}"))[0].parse::<u64>().unwrap();
    let (log, positions, orders, lockouts) =
        (count("enforcement_log"), count("positions"), count("orders"), count("lockouts"));
    assert_eq!(
        told,
        BTreeMap::from([
            ("idx_enforcement_rule".to_owned(), log),
            ("idx_enforcement_log_success".to_owned(), log),
            ("idx_lockouts_until".to_owned(), lockouts),
            ("idx_orders_state".to_owned(), orders),
            ("idx_orders_state_account".to_owned(), orders),
            ("idx_positions_updated".to_owned(), positions),
            ("idx_schema_version_applied".to_owned(), 0),
            ("idx_daily_unrealized_pnl_account_date".to_owned(), 0),
            ("idx_daily_unrealized_pnl_date".to_owned(), 0),
        ])
    );
}

#[test]
fn the_parts_of_the_forecast_add_up_and_are_what_migrate_asks_for() {
    for form in ["documented", "write_ahead"] {
        let fixture = Fixture::with_rows(form, "state.db", 3000);
        let planned = plan(&fixture);
        for forecast in &planned.space {
            let sum: u64 = forecast.parts.iter().map(|part| part.bytes).sum();
            assert_eq!(forecast.expected_bytes, sum);
            assert_eq!(forecast.needed_bytes, sum.max(forecast.required_bytes));
            assert!(forecast.fits() && forecast.free_bytes > 0);
        }
        assert!(planned.steps.iter().all(|step| step.seconds >= 0.0));
        let (longest, all) = planned
            .steps
            .iter()
            .fold((0.0_f64, 0.0), |(longest, all), step| (longest.max(step.seconds), all + step.seconds));
        assert!(planned.seconds >= longest && planned.seconds <= all + 1e-9, "{} of {all}", planned.seconds);
        // One byte less than required, and the migration refuses, asking for just as much.
        let most = planned.space.iter().map(|forecast| forecast.required_bytes).max().unwrap();
        let faults = Faults { free_bytes: Some(Arc::new(move |_| most - 1)), ..Faults::default() };
        let error =
            riskd_store::migrate(&fixture.location(), &MigrateOptions { faults, ..options() }, &nobody).unwrap_err();
        let StoreError::MigrationFailed(failed) = error else { panic!("{error}") };
        let StoreError::NoSpace { needed_bytes, .. } = failed.error else { panic!("{}", failed.error) };
        assert_eq!(needed_bytes, most, "{form}");
    }
}

#[test]
fn new_indexes_are_forecast_within_a_third_of_what_they_fill() {
    let fixture = Fixture::with_rows("documented", "state.db", 8_000);
    let planned = plan(&fixture);
    let forecast: u64 = planned
        .space
        .iter()
        .flat_map(|space| &space.parts)
        .filter(|part| part.purpose == riskd_store::SpacePurpose::NewIndexes)
        .map(|part| part.bytes)
        .sum();
    let pages = || fixture.query("PRAGMA page_count")[0].parse::<u64>().unwrap() * 4096;
    let before = pages();
    fixture.migrate();
    let grown = pages() - before;
    assert!(forecast * 3 > grown * 2 && forecast * 2 < grown * 3, "forecast {forecast}, grown {grown}");
}

#[test]
fn the_probe_is_timed_by_the_clock_that_is_handed_in_and_reads_a_bounded_part() {
    let fixture = Fixture::with_rows("documented", "state.db", 8_000);
    let start: jiff::Timestamp = "2026-11-22T19:00:00Z".parse().unwrap();
    let ticks = std::sync::atomic::AtomicI64::new(0);
    let slow = riskd_store::Clock::new(move || {
        let tick = ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        start.checked_add(jiff::SignedDuration::from_millis(100 * tick)).unwrap()
    });
    let planned = riskd_store::plan(&fixture.location(), &PlanOptions::new(slow)).unwrap();
    let probe = planned.probe.unwrap();
    assert!(probe.measured && probe.bytes_read > 0);
    assert!((0.25..1.0).contains(&probe.seconds), "{probe:?}");
    let whole = fixture.path.metadata().unwrap().len();
    assert!(probe.bytes_read < whole / 2, "on a slow disk it stops early: {probe:?}");
    // Twice as slow a disk, twice the time: the speed belongs to the probe, all else to the file.
    assert!(planned.seconds > 1.0, "{}", planned.seconds);
}

#[test]
fn refusals_and_obstacles_are_told_apart() {
    let error =
        |form| riskd_store::plan(&Fixture::new(form).location(), &PlanOptions::new(clock())).unwrap_err().exit_code();
    assert_eq!([error("other_version"), error("partly"), error("foreign")], [4, 6, 6]);
    assert_eq!(
        riskd_store::plan(&Fixture::empty("x.db").location(), &PlanOptions::new(clock())).unwrap_err().exit_code(),
        2
    );

    let fixture = Fixture::new("taken_name");
    let planned = plan(&fixture);
    assert_eq!(planned.obstacles.len(), 1);
    assert!(planned.obstacles[0].contains("the name idx_positions_updated is taken"), "{:?}", planned.obstacles);

    let fixture = Fixture::new("documented");
    std::fs::set_permissions(&fixture.path, std::fs::Permissions::from_mode(0o444)).unwrap();
    assert!(plan(&fixture).obstacles[0].contains("read-only"));

    let fixture = Fixture::new("hot_journal");
    let planned = plan(&fixture);
    assert_eq!((planned.kind, planned.steps.len()), (DatabaseKind::NeedsRecovery, 1));

    let fixture = Fixture::empty("state.db");
    std::fs::write(&fixture.path, "").unwrap();
    let planned = plan_with(&fixture, ALL_FEATURES);
    assert_eq!((planned.kind, planned.steps[0].sql.len()), (DatabaseKind::Fresh, 4));
    fixture.migrate_or_create();
    let recorded = fixture.shell("SELECT migration_script FROM schema_version WHERE version = 2");
    assert_eq!(recorded.trim_end(), planned.migration_script.trim_end());
}

#[test]
fn features_turned_on_later_are_planned_as_they_are_added() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    let planned = plan_with(&fixture, ALL_FEATURES);
    let steps: Vec<Step> = planned.steps.iter().map(|step| step.step).collect();
    assert_eq!(steps, [Step::Own, Step::DailyUnrealizedPnl, Step::Commit]);
    assert!(planned.migration_script.is_empty(), "no version is recorded");
    assert!(planned.space.iter().all(|space| space.required_bytes == 0));
}
