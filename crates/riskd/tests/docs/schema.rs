//! docs/schema.md against a new database, as another program sees it.

use std::process::Command;

use riskd_store::{Clock, Features, Location, MigrateOptions, nobody};

use crate::markdown::{code, prose, rows, section};
use crate::{document, must_be_empty};

/// Prints every column and every index, one a line, as the document shows them.
const WITNESS: &str = r#"
import re, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall():
    for _, name, declared, not_null, default, key in db.execute(f"PRAGMA table_info({table})"):
        declared += " NOT NULL" if not_null else ""
        declared += f" DEFAULT {default}" if default is not None else ""
        print("column", table, name, declared, key or "", sep="\t")
for name, sql in db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"):
    print("index", name, re.sub(r"\s+", " ", sql.split(" ON ", 1)[1]), sep="\t")
"#;

/// What a new database holds with every feature: `table column declared key` and `index on`, separated by tabs.
fn truth() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let options = MigrateOptions {
        create_if_missing: true,
        features: Features::ALL,
        ..MigrateOptions::new(Clock::new(|| "2026-11-22T12:00:00Z".parse().unwrap()))
    };
    drop(riskd_store::open(&Location::new(&path), &options, &nobody).unwrap());
    let output = Command::new("python3").args(["-c", WITNESS]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What the document says, in the same form.
fn said(text: &str) -> Vec<String> {
    let mut said = Vec::new();
    for heading in text.lines().filter(|line| line.starts_with("### `")) {
        let table = code(heading.trim_start_matches("### ")).unwrap();
        for row in rows(section(text, heading), &["column", "declared", "key", "meaning"]) {
            let name = code(&row[0]).unwrap_or(&row[0]);
            said.push(format!("column\t{table}\t{name}\t{}\t{}", row[1], row[2]));
        }
    }
    for row in rows(section(text, "## Indexes"), &["index", "on"]) {
        said.push(format!("index\t{}\t{}", code(&row[0]).unwrap_or(&row[0]), row[1]));
    }
    said
}

/// What is said and not so, and what is so and not said; columns must also stand in their order.
fn violations(said: &[String], truth: &[String]) -> Vec<String> {
    let mut violations: Vec<String> = Vec::new();
    violations.extend(said.iter().filter(|line| !truth.contains(line)).map(|line| format!("is not so: {line}")));
    violations.extend(truth.iter().filter(|line| !said.contains(line)).map(|line| format!("is not said: {line}")));
    let columns = |lines: &[String], table: &str| -> Vec<String> {
        let prefix = format!("column\t{table}\t");
        lines.iter().filter(|line| line.starts_with(&prefix)).cloned().collect()
    };
    for table in truth.iter().filter_map(|line| line.split('\t').nth(1).filter(|_| line.starts_with("column"))) {
        if violations.is_empty() && columns(said, table) != columns(truth, table) {
            violations.push(format!("the columns of {table} stand in another order"));
        }
    }
    violations
}

#[test]
fn tables_columns_and_indexes_are_those_of_a_new_database() {
    let truth = truth();
    assert!(truth.len() > 80, "the witness saw the database: {truth:?}");
    must_be_empty(&violations(&said(&prose(&document("docs/schema.md"))), &truth));
}

#[test]
fn a_wrong_table_is_found() {
    let text = "# S\n### `orders`\n\n| column | declared | key | meaning |\n|---|---|---|---|\n| `id` | INTEGER | 1 | x |\n\
                | `size` | REAL | | y |\n\n## Indexes\n| index | on |\n|---|---|\n| `i` | orders(id) |\n";
    let truth: Vec<String> =
        ["column\torders\tid\tINTEGER\t1", "column\torders\tsize\tINTEGER\t", "index\ti\torders(size)"]
            .map(str::to_owned)
            .to_vec();
    assert_eq!(
        violations(&said(text), &truth),
        [
            "is not so: column\torders\tsize\tREAL\t",
            "is not so: index\ti\torders(id)",
            "is not said: column\torders\tsize\tINTEGER\t",
            "is not said: index\ti\torders(size)",
        ]
    );
    let right = text.replace("REAL", "INTEGER").replace("orders(id)", "orders(size)");
    assert!(violations(&said(&right), &truth).is_empty());
    let turned: Vec<String> = [&truth[1], &truth[0], &truth[2]].map(Clone::clone).to_vec();
    assert_eq!(violations(&said(&right), &turned)[0], "the columns of orders stand in another order");
}
