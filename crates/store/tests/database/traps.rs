//! The known traps of evolving a SQLite file, one test each. Those of restoring are with the restores.

use std::os::unix::fs::MetadataExt;

use riskd_store::{Features, OpenOutcome, nobody};

use crate::support::{Fixture, options, run_python};

#[test]
fn scripts_run_inside_the_transaction_and_never_commit_it_first() {
    // Batch helpers that commit before they run would leave the tables of v2 behind after a failure.
    let fixture = Fixture::new("documented");
    let fail = |step| if step == riskd_store::Step::Verification { Err("stop".to_owned()) } else { Ok(()) };
    let faults = riskd_store::Faults { after_step: Some(std::sync::Arc::new(fail)), ..Default::default() };
    let failing = riskd_store::MigrateOptions { faults, ..options() };
    riskd_store::migrate(&fixture.location(), &failing, &nobody).unwrap_err();
    let left = fixture.query("SELECT count(*) FROM sqlite_master WHERE name = 'idx_orders_state_account'");
    assert_eq!(left, ["0"]);
}

#[test]
fn a_wrong_index_of_the_right_name_is_made_again_and_told() {
    let fixture = Fixture::new("wrong_indexes");
    let report = fixture.migrate();
    assert_eq!(report.mended.len(), 3, "{:?}", report.mended);
    assert!(
        report.mended[0].starts_with("index idx_orders_state (was `CREATE INDEX idx_orders_state ON orders(side)`)"),
        "{:?}",
        report.mended
    );
    fixture.assert_whole_v2();
    assert_eq!(fixture.query("SELECT name FROM pragma_index_info('idx_orders_state')"), ["state"]);
    assert_eq!(
        fixture.query("SELECT \"unique\" FROM pragma_index_list('orders') WHERE name = 'idx_orders_state_account'"),
        ["0"]
    );
}

#[test]
fn a_wrong_index_in_v2_is_named_by_verify() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    fixture.shell(
        "DROP INDEX idx_orders_state; CREATE INDEX idx_orders_state ON orders(side); DROP INDEX idx_orders_account",
    );
    let report = fixture.verify(Features::default());
    assert_eq!(report.exit_code(), 3);
    assert_eq!(
        report.deviations,
        [
            "index idx_orders_account is missing",
            "index idx_orders_state is `CREATE INDEX idx_orders_state ON orders(side)`, expected `CREATE INDEX \
             idx_orders_state ON orders(state)`",
        ]
    );
}

#[test]
fn the_two_column_table_is_not_taken_for_the_eight_column_one() {
    let fixture = Fixture::new("two_columns");
    fixture.migrate();
    let columns = fixture.query("SELECT count(*) FROM pragma_table_info('schema_version')");
    assert_eq!(columns, ["8"]);
}

#[test]
fn a_column_that_is_there_is_not_added_again() {
    for form in ["documented", "no_execution_time"] {
        let fixture = Fixture::new(form);
        fixture.migrate();
        let columns = "SELECT count(*) FROM pragma_table_info('enforcement_log') WHERE name = 'execution_time_ms'";
        assert_eq!(fixture.query(columns), ["1"], "{form}");
    }
}

#[test]
fn pragmas_that_do_nothing_in_a_transaction_are_set_before_it() {
    // With foreign keys on, a table of the user's own that breaks one could make our change fail; the bundled SQLite
    // has them on unless told otherwise before the transaction.
    let fixture = Fixture::new("two_columns");
    fixture.shell(
        "CREATE TABLE my_child (version INTEGER REFERENCES schema_version(version) ON DELETE CASCADE); \
         INSERT INTO my_child VALUES (1), (42);",
    );
    fixture.migrate();
    assert_eq!(fixture.query("SELECT version FROM my_child ORDER BY 1"), ["1", "42"]);
}

#[test]
fn a_left_over_log_without_a_process_is_recovered() {
    let fixture = Fixture::new("write_ahead");
    assert!(fixture.beside("-wal").metadata().unwrap().size() > 0);
    let backup = fixture.migrate().backup.unwrap();
    crate::support::assert_same(&fixture.held(), &backup.path);
}

#[test]
fn a_program_that_holds_the_write_lock_is_waited_for_and_then_named_as_in_the_way() {
    let fixture = Fixture::new("documented");
    let lines = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                 db.execute('BEGIN IMMEDIATE')\nprint('ready', flush=True)\nsys.stdin.readline()";
    let mut holder = std::process::Command::new(crate::support::python_program())
        .args(["-c", lines, crate::support::text(&fixture.path)])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.as_mut().unwrap()), &mut line).unwrap();
    // An interrupt ends the wait at once.
    let interrupt = riskd_store::Interrupt::new();
    let stopping = riskd_store::MigrateOptions { interrupt: interrupt.clone(), ..options() };
    let outcome = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| riskd_store::migrate(&fixture.location(), &stopping, &nobody));
        interrupt.set();
        waiting.join().unwrap()
    });
    assert!(outcome.unwrap_err().is_interrupt());
    let error = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("in_use", 5));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    fixture.migrate();
    fixture.assert_whole_v2();
}

#[test]
fn a_reader_in_the_way_of_the_commit_leaves_whole_v1() {
    let fixture = Fixture::new("documented");
    let lines = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
                 db.execute('BEGIN')\ndb.execute('SELECT count(*) FROM orders').fetchall()\n\
                 print('ready', flush=True)\nsys.stdin.readline()";
    let mut reader = std::process::Command::new(crate::support::python_program())
        .args(["-c", lines, crate::support::text(&fixture.path)])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(reader.stdout.as_mut().unwrap()), &mut line).unwrap();
    let error = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("in_use", 5));
    assert!(error.to_string().contains("is unchanged, still v1"), "{error}");
    drop(reader.stdin.take());
    reader.wait().unwrap();
    fixture.assert_whole_v1();
    fixture.migrate();
    fixture.assert_whole_v2();
    assert_eq!(riskd_store::list_backups(&fixture.location()).unwrap().len(), 1, "the backup was proved and is used");
}

#[test]
fn a_v1_reader_still_reads_every_table_of_v2() {
    let fixture = Fixture::new("documented");
    fixture.migrate();
    run_python(
        "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
         for table in 'lockouts daily_pnl contract_cache trade_history session_state positions orders enforcement_log \
         reset_schedule'.split():\n    assert db.execute(f'SELECT * FROM {table}').fetchone(), table\n\
         db.execute(\"INSERT INTO enforcement_log (account_id, rule_id, action, reason) VALUES (1, 'RULE-001', 'X', 'y')\")\n\
         db.commit()",
        &fixture.path,
    );
    assert_eq!(fixture.verify(Features::default()).deviations, Vec::<String>::new());
}

#[test]
fn looking_at_the_file_does_not_drop_the_locks_of_a_connection_here() {
    // Closing any descriptor of the file in this process would drop SQLite's locks, and another process could write.
    let fixture = Fixture::new("documented");
    let attempt = |location: riskd_store::Location| {
        let seen = location.clone();
        let during = move |step| {
            if step == riskd_store::Step::Core {
                riskd_store::status(&seen, Features::default()).map_err(|error| error.to_string())?;
                let lines = "import sqlite3, sys\ndb = sqlite3.connect(sys.argv[1], timeout=0)\n\
                             try:\n    db.execute('INSERT INTO session_state VALUES (9, 1, 1)')\n    db.commit()\n\
                             except sqlite3.OperationalError as error:\n    sys.exit(0 if 'locked' in str(error) else 1)\n\
                             sys.exit('the lock was gone')";
                run_python(lines, seen.database());
            }
            Ok(())
        };
        let faults = riskd_store::Faults { after_step: Some(std::sync::Arc::new(during)), ..Default::default() };
        riskd_store::migrate(&location, &riskd_store::MigrateOptions { faults, ..options() }, &nobody)
    };
    let outcome = attempt(fixture.location()).unwrap();
    assert!(matches!(outcome, OpenOutcome::Migrated(_)));
    fixture.assert_whole_v2();
}
