//! Many databases with one command.

use std::io::Write;

use serde_json::Value;

use super::support::{Ground, HISTORY, lock_holder};

const V1: &str = include_str!("../../../store/migrations/v1/schema.sql");

/// Twelve traders' files of all kinds, each in a folder of its own.
fn firm() -> Ground {
    let ground = Ground::empty();
    let make = |name: &str, sql: &[&str]| {
        let file = format!("firm/{name}/state.db");
        std::fs::create_dir_all(ground.path(&file).parent().unwrap()).unwrap();
        sql.iter().for_each(|sql| ground.sql(&file, sql));
        ground.path(&file)
    };
    make("documented", &[V1, HISTORY]);
    make("empty_tables", &[V1]);
    let two_columns = "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at DATETIME DEFAULT \
                       CURRENT_TIMESTAMP); INSERT INTO schema_version (version) VALUES (1)";
    make("two columns", &[V1, HISTORY, two_columns]);
    make("no_times", &[V1, "ALTER TABLE enforcement_log DROP COLUMN execution_time_ms"]);
    make("write_ahead", &[V1, "PRAGMA journal_mode = WAL", HISTORY]);
    make("locked", &[V1, HISTORY]);
    for name in ["current", "current_too"] {
        let path = make(name, &[V1, HISTORY]);
        assert_eq!(ground.run(&["db", "migrate", "--quiet", path.to_str().unwrap()]).code, 0);
    }
    make("foreign", &["CREATE TABLE accounts (id TEXT)"]);
    std::fs::write(make("text", &[]), "Dear Sir or Madam, this is no database at all.").unwrap();
    let damaged = make("damaged", &[V1, HISTORY]);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    let newer = make("newer", &[V1]);
    assert_eq!(ground.run(&["db", "migrate", "--quiet", newer.to_str().unwrap()]).code, 0);
    let row = "INSERT INTO schema_version (version, applied_at, description) VALUES (3, 'x', 'later')";
    ground.sql("firm/newer/state.db", row);
    ground
}

/// What became of each trader: the kind of end, and the exit code.
fn ends(report: &Value) -> Vec<(String, String, u64)> {
    let entries = report["databases"].as_array().unwrap().iter().map(|entry| {
        let path = entry["path"].as_str().unwrap();
        let trader = path.split('/').rev().nth(1).unwrap().to_owned();
        let end = match (&entry["done"]["outcome"], &entry["failed"]["kind"]) {
            (Value::String(outcome), _) => outcome.clone(),
            (_, Value::String(kind)) => kind.clone(),
            _ => panic!("{entry}"),
        };
        (trader, end, entry["exit_code"].as_u64().unwrap())
    });
    entries.collect()
}

fn expected(rows: &[(&str, &str, u64)]) -> Vec<(String, String, u64)> {
    rows.iter().map(|(trader, end, code)| ((*trader).to_owned(), (*end).to_owned(), *code)).collect()
}

#[test]
fn bad_files_do_not_stop_the_rest_and_a_second_run_does_what_is_left() {
    let ground = firm();
    let untouched = ["foreign", "text", "damaged", "newer", "locked", "current"];
    let bytes = |name: &str| std::fs::read(ground.path(&format!("firm/{name}/state.db"))).unwrap();
    let before: Vec<_> = untouched.iter().map(|name| bytes(name)).collect();
    let mut holder = lock_holder(&ground, "firm/locked/state.db");
    let ran = ground.run(&["db", "migrate", "firm", "--jobs", "3", "--json"]);
    assert_eq!((ran.code, ran.error.as_str()), (1, ""), "{}", ran.out);
    assert_eq!(ran.out.lines().count(), 1);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        ends(&report),
        expected(&[
            ("current", "current", 0),
            ("current_too", "current", 0),
            ("damaged", "failed", 1),
            ("documented", "migrated", 0),
            ("empty_tables", "migrated", 0),
            ("foreign", "not_ours", 6),
            ("locked", "in_use", 5),
            ("newer", "newer_database", 4),
            ("no_times", "migrated", 0),
            ("text", "not_ours", 6),
            ("two columns", "migrated", 0),
            ("write_ahead", "migrated", 0),
        ])
    );
    assert_eq!((&report["exit_code"], &report["counts"]["migrated"]), (&1.into(), &5.into()));
    for (name, before) in untouched.iter().zip(before) {
        assert!(bytes(name) == before, "{name} was changed");
    }
    // Each has its own backup and its own report, and is a whole v2.
    for name in ["documented", "empty_tables", "no_times", "two columns", "write_ahead"] {
        let database = format!("firm/{name}/state.db");
        assert_eq!(ground.run(&["db", "verify", &database]).code, 0, "{name}");
        let log = std::fs::read_to_string(ground.path(&format!("firm/{name}/backups/migrations.jsonl"))).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        let backups: Value = serde_json::from_str(&ground.run(&["db", "backups", "--json", &database]).out).unwrap();
        assert_eq!(backups["backups"].as_array().unwrap().len(), 1, "{name}");
    }

    holder.stdin.take().unwrap().flush().unwrap();
    assert!(holder.wait().unwrap().success());
    std::fs::remove_dir_all(ground.path("firm/damaged")).unwrap();
    let ran = ground.run(&["db", "migrate", "firm"]);
    assert_eq!(ran.code, 4, "{}", ran.out);
    let told = ran.out.replace('\\', "/");
    assert!(told.contains("✓ firm/locked/state.db: v1 to v2, backup firm/locked/backups/state_pre_v2_"), "{told}");
    assert!(told.contains("⊘ firm/documented/state.db: v2 (current)"), "{told}");
    assert!(told.contains("✗ firm/text/state.db: "), "{told}");
    let last = "11 databases: 1 migrated, 7 current already, 3 FAILED; run the same command again to do what is left\n";
    assert!(told.ends_with(last), "{told}");
}

#[test]
fn patterns_and_lists_mean_what_they_fit() {
    let ground = firm();
    let ran = ground.run(&["db", "migrate", "firm/*o*u*/state.db", "firm/empty_tables/state.db", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ran.code, 0, "{}", ran.out);
    let told =
        expected(&[("documented", "migrated", 0), ("empty_tables", "migrated", 0), ("two columns", "migrated", 0)]);
    assert_eq!(ends(&report), told);
    let ran = ground.run(&["db", "migrate", "firm/nobody*/state.db"]);
    assert_eq!(ran.code, 2);
    assert!(ran.error.contains("No file fits firm/nobody*/state.db."), "{}", ran.error);
    assert_eq!(ground.run(&["db", "migrate", "firm", "--jobs", "0"]).code, 2);
}
