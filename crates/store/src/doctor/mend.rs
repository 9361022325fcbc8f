//! Mending: under the file lock, behind a verified backup, whatever is SQL in one transaction that is verified before it
//! counts.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, config::DbConfig};
use xxhash_rust::xxh3::Xxh3;

use super::files::is_spent;
use super::permissions::private_files;
use super::{
    DoctorOptions, DoctorReport, Finding, FindingCode, Mended, Patient, diagnose, diagnose_as, schema, statistics,
    times,
};
use crate::backup::{BackupOptions, backup, remove_leftovers};
use crate::connection::{Database, Mode};
use crate::content::{contents, differences, integrity_findings};
use crate::context::{Event, Observer};
use crate::error::StoreError;
use crate::file_lock::FileLock;
use crate::files::{check_space, check_writable, sync_folder};
use crate::location::{Location, Paths};
use crate::migrate::{Faults, begin_immediate, commit};
use crate::open::{Seen, is_filled};
use crate::restore::refuse_if_open;
use crate::schema::{Inventory, NINE_TABLES, VersionTable, column_list, compare, expected_of, quoted};

/// Mends what can be mended safely, and reports what was mended and what was left.
///
/// # Errors
///
/// [`StoreError::InUse`] while anything has the database open; what [`crate::backup`] and the file system refuse. What is
/// not committed is rolled back.
pub fn mend(location: &Location, options: &DoctorOptions, observer: Observer<'_>) -> Result<DoctorReport, StoreError> {
    let paths = location.resolve()?;
    let first = diagnose(location, options)?;
    if !first.findings.iter().any(|finding| finding.mendable) {
        return Ok(first);
    }
    check_writable(paths.folder())?;
    let lock = FileLock::acquire(&paths)?;
    refuse_if_open(&paths.database)?;
    let mut before = diagnose_as(location, options, true)?;
    // The lock file is ours now: whether it was left by somebody, the first look told.
    before.findings.extend(first.findings.into_iter().filter(|finding| finding.code == FindingCode::LockFileLeft));
    let is_wanted = |code: FindingCode| before.findings.iter().any(|finding| finding.mendable && finding.code == code);
    let made = match before.version {
        // Nothing inside a file that cannot be read is touched, and there is nothing that a backup could hold.
        None => None,
        Some(_) => {
            check_writable(&paths.database)?;
            let how = BackupOptions {
                interrupt: options.interrupt.clone(),
                retention: options.retention,
                ..BackupOptions::new(options.clock.clone())
            };
            let made = backup(location, &how, observer)?;
            mend_inside(&paths, &before, options)?;
            if is_wanted(FindingCode::FreePages) {
                vacuum(&paths, options)?;
            }
            // The backup's reader puts the other half beside a lonely side file: closing takes both away.
            if is_wanted(FindingCode::LogLeft) || is_wanted(FindingCode::SideFileLeft) {
                merge_log(&paths)?;
            }
            Some(made)
        }
    };
    mend_outside(&paths, options)?;
    drop(lock);
    let mut after = diagnose(location, options)?;
    let is_left = |finding: &Finding| {
        after.findings.iter().any(|left| left.code == finding.code && left.place == finding.place && left.mendable)
    };
    let mended: Vec<Mended> =
        before.findings.iter().filter(|finding| finding.mendable && !is_left(finding)).map(done).collect();
    mended
        .iter()
        .for_each(|mended| observer(Event::Mended(format!("{} ({}): {}", mended.place, mended.code, mended.did))));
    after.mended = mended;
    after.backup = made;
    Ok(after)
}

/// Whether a finding is mended by SQL in the transaction.
fn is_inside(code: FindingCode) -> bool {
    matches!(
        code,
        FindingCode::TableMissing
            | FindingCode::ColumnMissing
            | FindingCode::IndexMissing
            | FindingCode::IndexChanged
            | FindingCode::TimeForm
            | FindingCode::TimeNaive
            | FindingCode::StatisticsMislead
    )
}

fn mend_inside(paths: &Paths, before: &DoctorReport, options: &DoctorOptions) -> Result<(), StoreError> {
    if !before.findings.iter().any(|finding| finding.mendable && is_inside(finding.code)) {
        return Ok(());
    }
    let mut database = Database::open(&paths.database, Mode::ReadWrite)?;
    prepare(&database)?;
    database.stop_on(&options.interrupt)?;
    begin_immediate(&database, paths, &options.interrupt)?;
    let inventory = Inventory::read(&database)?;
    let versions = VersionTable::read(&database, &inventory)?;
    let mut seen = Seen { database, mode: Mode::ReadWrite, inventory, versions };
    let changed = change_and_verify(&Patient { paths, options, seen: &seen, version: before.version.unwrap_or(1) });
    if let Err(error) = changed {
        let _ = seen.database.execute_batch("ROLLBACK");
        return Err(error);
    }
    seen.database.stop_on_nothing()?;
    commit(&seen.database, paths)
}

/// Changes, and proves that nothing but what was meant has changed.
fn change_and_verify(patient: &Patient<'_>) -> Result<(), StoreError> {
    let (seen, options) = (patient.seen, patient.options);
    let before = meanings(&seen.database, &seen.inventory)?;
    for (_, sql) in schema::mending(patient)? {
        seen.database.execute_batch(&sql).map_err(StoreError::sqlite("mend the schema"))?;
        if seen.database.is_autocommit() {
            return Err(StoreError::StepFailed(format!("a script ended the transaction: {sql}")));
        }
    }
    times::normalise(&seen.database, &seen.inventory, options.naive_times_are_utc, &options.interrupt)?;
    statistics::renew(&seen.database, patient)?;
    options.interrupt.check()?;
    let mut deviations: Vec<String> = Vec::new();
    let after = meanings(&seen.database, &seen.inventory)?;
    let changed = before.iter().filter(|(table, meaning)| after.get(*table) != Some(*meaning));
    deviations.extend(changed.map(|(table, _)| format!("rows of table {table} no longer mean what they meant")));
    deviations.extend(new_drift(patient)?);
    deviations.extend(integrity_findings(&seen.database)?);
    if deviations.is_empty() { Ok(()) } else { Err(StoreError::Deviates { deviations }) }
}

/// Deviations and changes to the user's own that were not there before.
fn new_drift(patient: &Patient<'_>) -> Result<Vec<String>, StoreError> {
    let before = &patient.seen.inventory;
    let after = Inventory::read(&patient.seen.database)?;
    let expected = expected_of(patient.version, patient.options.features);
    let known = compare(&expected, before);
    let mut drift: Vec<String> = compare(&expected, &after)
        .iter()
        .filter(|deviation| !known.contains(deviation))
        .map(ToString::to_string)
        .collect();
    let ours = |key: &String| expected.indexes.contains_key(key) || key.starts_with("idx_");
    let lost = before.indexes.iter().filter(|(key, index)| !ours(key) && after.indexes.get(*key) != Some(*index));
    drift.extend(lost.map(|(_, index)| format!("index {} was changed or is gone", index.name)));
    if before.others != after.others {
        drift.push("a view, trigger or virtual table was changed or is gone".into());
    }
    Ok(drift)
}

/// What the rows of every table mean: of ours the instants of their times, of all else every byte.
fn meanings(connection: &Connection, inventory: &Inventory) -> Result<BTreeMap<String, u128>, StoreError> {
    let mut foreign = inventory.clone();
    let is_ours = |key: &str| NINE_TABLES.contains(&key) || key == "daily_unrealized_pnl";
    foreign.tables.retain(|key, _| !is_ours(key) && !key.starts_with("sqlite_stat"));
    let mut found: BTreeMap<String, u128> =
        contents(connection, &foreign, &|_| ())?.into_iter().map(|(key, content)| (key, content.hash)).collect();
    for (key, table) in inventory.tables.iter().filter(|(key, _)| is_ours(key)) {
        let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
        let id = if table.without_rowid { "NULL" } else { "rowid" };
        let sql = format!("SELECT {id}, {} FROM main.{} NOT INDEXED", column_list(&names), quoted(&table.name));
        let hash = || -> rusqlite::Result<u128> {
            let mut hasher = Xxh3::new();
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                put(&mut hasher, row.get_ref(0)?);
                for (at, name) in (1..).zip(&names) {
                    let value = row.get_ref(at)?;
                    match times::meaning(key, name, value) {
                        Some(instant) => hasher.update(&instant.to_le_bytes()),
                        None => put(&mut hasher, value),
                    }
                }
            }
            Ok(hasher.digest128())
        };
        found.insert(key.clone(), hash().map_err(StoreError::sqlite(format!("read the table {}", table.name)))?);
    }
    Ok(found)
}

fn put(hasher: &mut Xxh3, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => hasher.update(&[0]),
        ValueRef::Integer(number) => {
            hasher.update(&[1]);
            hasher.update(&number.to_le_bytes());
        }
        ValueRef::Real(number) => {
            hasher.update(&[2]);
            hasher.update(&number.to_bits().to_le_bytes());
        }
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            hasher.update(&[if matches!(value, ValueRef::Text(_)) { 3 } else { 4 }]);
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
    }
}

/// Writes the file anew without its free pages, and compares every row.
fn vacuum(paths: &Paths, options: &DoctorOptions) -> Result<(), StoreError> {
    let mut database = Database::open(&paths.database, Mode::ReadWrite)?;
    prepare(&database)?;
    let bytes = paths.database.metadata().map_err(StoreError::io("look at", &paths.database))?.len();
    let sorter_folder = std::env::temp_dir();
    let needs = [(paths.folder(), bytes), (sorter_folder.as_path(), bytes)];
    check_space(if sorter_folder.is_dir() { &needs } else { &needs[..1] }, &Faults::default())?;
    let mut shape = Inventory::read(&database)?;
    // Rows of tables without an INTEGER PRIMARY KEY may get other ids: what they hold is compared through their keys.
    shape.tables.retain(|_, table| table.columns.iter().any(|column| is_row_id(column, table)) || table.without_rowid);
    let before = contents(&database, &shape, &|_| ())?;
    let counts = counts(&database)?;
    database.stop_on(&options.interrupt)?;
    database.execute_batch("VACUUM main").map_err(StoreError::sqlite("write the file anew"))?;
    database.stop_on_nothing()?;
    let mut deviations = differences(&before, &contents(&database, &shape, &|_| ())?);
    deviations.extend(integrity_findings(&database)?);
    if counts != self::counts(&database)? {
        deviations.push("a table has not the number of rows that it had".into());
    }
    if deviations.is_empty() { Ok(()) } else { Err(StoreError::Deviates { deviations }) }
}

fn is_row_id(column: &crate::schema::Column, table: &crate::schema::Table) -> bool {
    let keys = table.columns.iter().filter(|column| column.key_position > 0).count();
    keys == 1 && column.key_position == 1 && column.declared_type.eq_ignore_ascii_case("INTEGER")
}

fn counts(database: &Database) -> Result<BTreeMap<String, i64>, StoreError> {
    let inventory = Inventory::read(database)?;
    let count = |name: &str| {
        let sql = format!("SELECT count(*) FROM main.{}", quoted(name));
        database.query_row(&sql, [], |row| row.get(0)).map_err(StoreError::sqlite("count the rows"))
    };
    inventory.tables.iter().map(|(key, table)| Ok((key.clone(), count(&table.name)?))).collect()
}

/// Folds the log into the file; closing the last connection takes the side files away.
fn merge_log(paths: &Paths) -> Result<(), StoreError> {
    let database = Database::open(&paths.database, Mode::ReadWrite)?;
    prepare(&database)?;
    let read = || {
        database.query_row("SELECT count(*) FROM main.sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        database.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
    };
    match read().map_err(StoreError::sqlite("merge the write-ahead log"))? {
        0 => Ok(()),
        _ => Err(StoreError::InUse { path: paths.database.clone(), pid: None }),
    }
}

/// Modes, side files that hold nothing, copies of dead programs.
fn mend_outside(paths: &Paths, options: &DoctorOptions) -> Result<(), StoreError> {
    for folder in [paths.folder(), &paths.backups] {
        remove_leftovers(folder, &paths.stem())?;
    }
    let (wal, shm, journal) = (paths.beside("-wal"), paths.beside("-shm"), paths.beside("-journal"));
    refuse_if_open(&paths.database)?;
    // Whoever opens the file this very moment makes both of them: one alone is nobody's.
    if !is_filled(&wal) && wal.exists() != shm.exists() {
        remove(&wal)?;
        remove(&shm)?;
    }
    if is_spent(&journal) {
        remove(&journal)?;
    }
    sync_folder(paths.folder())?;
    for path in private_files(paths, options) {
        let mode = path.metadata().map_err(StoreError::io("look at", &path))?.mode();
        if mode & 0o077 != 0 {
            let private = std::fs::Permissions::from_mode(mode & 0o700);
            std::fs::set_permissions(&path, private).map_err(StoreError::io("set the permissions of", &path))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("delete", path)(error)),
        _ => Ok(()),
    }
}

/// What a connection needs that mends. Each of these does nothing inside a transaction, so it comes before.
fn prepare(database: &Database) -> Result<(), StoreError> {
    let set = || {
        database.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;")?;
        // The user's own triggers are theirs: nothing that we write may fire them.
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map(|_| ())
    };
    set().map_err(StoreError::sqlite("prepare the connection"))
}

fn done(finding: &Finding) -> Mended {
    let count = finding.count.unwrap_or(0);
    let did = match finding.code {
        FindingCode::TableMissing => "made".to_owned(),
        FindingCode::ColumnMissing => "added, empty in every row".into(),
        FindingCode::IndexMissing => "made".into(),
        FindingCode::IndexChanged => "made again as it must be".into(),
        FindingCode::TimeForm | FindingCode::TimeNaive => {
            format!("rewritten in the program's own form, {count} in all, each the same instant")
        }
        FindingCode::FreePages => format!("{count} free pages given back"),
        FindingCode::FileOpenToOthers => "closed to all but its owner".into(),
        FindingCode::LogLeft => "merged into the database".into(),
        FindingCode::SideFileLeft | FindingCode::LockFileLeft | FindingCode::PartialCopy => "deleted".into(),
        FindingCode::StatisticsMislead => "statistics renewed: it uses its index".into(),
        _ => finding.mend.clone(),
    };
    Mended { code: finding.code, place: finding.place.clone(), did }
}
