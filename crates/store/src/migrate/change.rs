//! The change itself, inside the caller's transaction, and features added to a database at head.

use rusqlite::Connection;

use crate::connection::{Database, Mode};
use crate::error::StoreError;
use crate::location::Paths;
use crate::migrate::plan::Piece;
use crate::migrate::run::{begin_immediate, commit};
use crate::migrate::{MigrateOptions, OpenOutcome, Plan};
use crate::schema::{FEATURES, Inventory, VERSION_TABLE, compare, expected_of, expected_of_features};

/// Runs pieces, and makes sure that none of them ended the transaction behind our back.
pub(super) fn run_pieces<'a>(
    connection: &Connection,
    pieces: impl IntoIterator<Item = &'a Piece>,
) -> Result<(), StoreError> {
    for piece in pieces.into_iter().filter(|piece| !piece.already_done) {
        // SQLite ends a transaction by itself when the disk fails: what follows would be committed piece by piece.
        if connection.is_autocommit() {
            return Err(StoreError::StepFailed("the transaction ended before the change was made".into()));
        }
        connection.execute_batch(&piece.up).map_err(StoreError::sqlite("change the schema"))?;
        if connection.is_autocommit() {
            return Err(StoreError::StepFailed(format!("a script ended the transaction: {}", piece.up)));
        }
    }
    Ok(())
}

/// What `after` has lost, changed or gained that is not `expected` of it: the user's own is as it was.
pub(super) fn unexpected_changes(before: &Inventory, after: &Inventory, expected: &Inventory) -> Vec<String> {
    let mut deviations = Vec::new();
    for (key, table) in before.tables.iter().filter(|(key, _)| *key != VERSION_TABLE) {
        let kept = after.tables.get(key).is_some_and(|after| {
            // A table of ours may have got a column; those it had are as they were.
            let ours = expected.tables.contains_key(key);
            after.columns.starts_with(&table.columns) && (ours || after.sql == table.sql)
        });
        if !kept {
            deviations.push(format!("table {} was changed or is gone", table.name));
        }
    }
    for (key, index) in before.indexes.iter().filter(|(key, _)| !expected.indexes.contains_key(*key)) {
        if after.indexes.get(key).map(|after| &after.sql) != Some(&index.sql) {
            deviations.push(format!("index {} was changed or is gone", index.name));
        }
    }
    for (key, other) in &before.others {
        if after.others.get(key) != Some(other) {
            deviations.push(format!("{} {} was changed or is gone", other.kind, other.name));
        }
    }
    let is_new = |key: &&String| !key.starts_with("sqlite_");
    let new_tables = after.tables.keys().filter(is_new);
    for key in new_tables.filter(|key| !before.tables.contains_key(*key) && !expected.tables.contains_key(*key)) {
        deviations.push(format!("table {key} appeared"));
    }
    for key in after.indexes.keys() {
        if !before.indexes.contains_key(key) && !expected.indexes.contains_key(key) {
            deviations.push(format!("index {key} appeared"));
        }
    }
    deviations
}

/// The line of a step that the config may switch off.
pub(super) fn feature_line(name: &str, enabled: bool, pieces: &[Piece]) -> impl FnOnce(i64) -> String {
    let line = match (enabled, pieces.is_empty()) {
        (false, _) => format!("⊘ {name} skipped (disabled in config)"),
        (true, true) => format!("✓ {name} already there"),
        (true, false) => format!("✓ {name} created"),
    };
    let has_time = enabled && !pieces.is_empty();
    move |duration_ms| if has_time { format!("{line} ({duration_ms}ms)") } else { line }
}

/// Adds what the config turned on to a database at head, in one transaction.
pub(super) fn add_features(paths: &Paths, options: &MigrateOptions, version: i64) -> Result<OpenOutcome, StoreError> {
    let mut database = Database::open(&paths.database, Mode::ReadWrite)?;
    run_settings(&database)?;
    database.stop_on(&options.interrupt)?;
    begin_immediate(&database, paths, &options.interrupt)?;
    let before = Inventory::read(&database)?;
    let plan = Plan::of_features(&before, options.features)?;
    let added = (|| {
        run_pieces(&database, plan.pieces())?;
        let after = Inventory::read(&database)?;
        // What was amiss before is for `verify` to name; this answers for what it adds.
        let missing = compare(&expected_of_features(options.features), &after);
        let mut deviations: Vec<String> = missing.iter().map(ToString::to_string).collect();
        deviations.extend(unexpected_changes(&before, &after, &expected_of(version, options.features)));
        if deviations.is_empty() { Ok(()) } else { Err(StoreError::Deviates { deviations }) }
    })();
    added.inspect_err(|_| {
        let _ = database.execute_batch("ROLLBACK");
    })?;
    database.stop_on_nothing()?;
    commit(&database, paths)?;
    let made = FEATURES.iter().filter(|parts| !plan.of_feature(parts.feature).is_empty());
    let lines = made.map(|parts| format!("✓ {} created", parts.name)).collect();
    Ok(OpenOutcome::FeaturesAdded { version, lines })
}

/// What a connection needs that changes a database. Each of these does nothing inside a transaction, so it comes before.
pub(super) fn run_settings(database: &Database) -> Result<(), StoreError> {
    let set = || {
        database
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = OFF;")?;
        // The user's own triggers are theirs: nothing that we write may fire them.
        database.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        Ok(())
    };
    set().map_err(StoreError::sqlite("prepare the connection"))
}

/// Brings the file to the journal mode that the program runs with.
pub(super) fn use_write_ahead_log(database: &Database) -> Result<(), StoreError> {
    let mode: String = database.pragma("journal_mode = WAL")?;
    if mode.eq_ignore_ascii_case("wal") {
        Ok(())
    } else {
        Err(StoreError::StepFailed(format!("the journal mode stays {mode}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::{Features, VERSIONS};

    const OWN: &str = "CREATE TABLE mine (a, b); CREATE INDEX mine_index ON mine(a); CREATE VIEW mine_view AS SELECT a FROM mine; \
                       CREATE TRIGGER mine_trigger AFTER INSERT ON mine BEGIN SELECT 1; END;";

    #[test]
    fn a_change_of_the_users_own_is_found() {
        let base = [VERSIONS[1].schema, FEATURES[0].script.up, OWN];
        let before = Inventory::of_scripts(&base).unwrap();
        let expected = expected_of(2, Features::default());
        let cases = [
            ("", None),
            ("ALTER TABLE lockouts ADD COLUMN more", None),
            ("DROP INDEX mine_index", Some("index mine_index was changed or is gone")),
            ("DROP VIEW mine_view", Some("view mine_view was changed or is gone")),
            ("DROP TRIGGER mine_trigger", Some("trigger mine_trigger was changed or is gone")),
            ("ALTER TABLE mine ADD COLUMN c", Some("table mine was changed or is gone")),
            ("ALTER TABLE lockouts DROP COLUMN reason", Some("table lockouts was changed or is gone")),
            ("CREATE TABLE surprise (a)", Some("table surprise appeared")),
            ("CREATE INDEX surprise ON mine(b)", Some("index surprise appeared")),
        ];
        for (change, deviation) in cases {
            let after = Inventory::of_scripts(&[base[0], base[1], base[2], change]).unwrap();
            let found = unexpected_changes(&before, &after, &expected);
            assert_eq!(found.first().map(String::as_str), deviation, "{change}");
        }
    }

    #[test]
    fn a_script_that_ends_the_transaction_is_caught() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let piece =
            Piece { up: "CREATE TABLE x (a); COMMIT;".into(), down: String::new(), already_done: false, mends: None };
        let error = run_pieces(&connection, [&piece]).unwrap_err();
        assert!(error.to_string().starts_with("a script ended the transaction"), "{error}");
    }
}
