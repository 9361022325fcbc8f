//! The table `schema_version`: which forms it comes in, and how its rows are read and written.

use jiff::Timestamp;
use riskd_core::model::truncate_to_millisecond;
use rusqlite::{Connection, params};

use super::{BASELINE_DESCRIPTION, Inventory, VERSION_TABLE, quoted};
use crate::StoreError;

/// A row of `schema_version`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VersionRow {
    /// The version.
    pub version: i64,
    /// When, as the row has it: ISO 8601 in UTC where this program wrote it.
    pub applied_at: String,
    /// What the version brought.
    pub description: String,
    /// The SQL that ran.
    pub migration_script: Option<String>,
    /// The SQL that would undo it.
    pub rollback_script: Option<String>,
    /// What it took, in milliseconds.
    pub execution_time_ms: Option<i64>,
    /// Whether it went well. Only such rows count.
    pub success: bool,
    /// What went wrong.
    pub error_message: Option<String>,
}

/// The form in which a file has the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VersionTable {
    /// There is none: documented v1.
    Absent,
    /// `version` and `applied_at` only, as an initialiser found in the wild writes it.
    TwoColumns(Vec<VersionRow>),
    /// All eight columns, perhaps more.
    Full(Vec<VersionRow>),
    /// Another product's, or one that nobody could carry over; says what is other about it.
    Other(String),
}

const EIGHT_COLUMNS: [&str; 8] = [
    "version",
    "applied_at",
    "description",
    "migration_script",
    "rollback_script",
    "execution_time_ms",
    "success",
    "error_message",
];

impl VersionTable {
    /// Reads the table in whichever form it is.
    pub(crate) fn read(connection: &Connection, inventory: &Inventory) -> Result<Self, StoreError> {
        let Some(table) = inventory.tables.get(VERSION_TABLE) else {
            return Ok(Self::Absent);
        };
        let has = |name: &str| table.column(name).is_some();
        let read = |columns| {
            read_rows(connection, columns).map_err(StoreError::sqlite(format!("read the table {VERSION_TABLE}")))
        };
        if EIGHT_COLUMNS.iter().all(|name| has(name)) {
            return Ok(Self::Full(read(
                "version, CAST(applied_at AS TEXT), CAST(description AS TEXT), CAST(migration_script AS TEXT), \
                 CAST(rollback_script AS TEXT), execution_time_ms, success IS 1, CAST(error_message AS TEXT)",
            )?));
        }
        if table.columns.len() == 2 && has("version") && has("applied_at") {
            if !has_plain_versions(connection).map_err(StoreError::sqlite(format!("read the table {VERSION_TABLE}")))? {
                return Ok(Self::Other("has versions that are no whole numbers, or the same one twice".into()));
            }
            return Ok(Self::TwoColumns(read("version, CAST(applied_at AS TEXT), NULL, NULL, NULL, NULL, 1, NULL")?));
        }
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        Ok(Self::Other(format!("has the columns {}", columns.join(", "))))
    }

    /// The rows, oldest version first.
    pub(crate) fn rows(&self) -> &[VersionRow] {
        match self {
            Self::TwoColumns(rows) | Self::Full(rows) => rows,
            Self::Absent | Self::Other(_) => &[],
        }
    }

    /// The version that the file is at: the highest that went well, or the baseline.
    pub(crate) fn version(&self) -> i64 {
        self.rows().iter().filter(|row| row.success).map(|row| row.version).max().unwrap_or(1)
    }
}

/// Writes row 1, unless it is there. It describes what was found, so there is no time that it took.
pub(crate) fn insert_baseline(
    connection: &Connection,
    applied_at: &str,
    migration_script: Option<&str>,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO main.schema_version (version, applied_at, description, migration_script, success) \
         VALUES (1, ?1, ?2, ?3, 1) ON CONFLICT (version) DO NOTHING",
        params![applied_at, BASELINE_DESCRIPTION, migration_script],
    )?;
    Ok(())
}

/// Writes the row of a version that went well or badly. A failed row gives way to it; one that went well never does.
///
/// Returns whether anything changed: `false` means that the version was applied already.
pub(crate) fn record(connection: &Connection, row: &VersionRow) -> rusqlite::Result<bool> {
    let changed = connection.execute(
        "INSERT INTO main.schema_version (version, applied_at, description, migration_script, rollback_script, \
         execution_time_ms, success, error_message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (version) DO UPDATE SET applied_at = excluded.applied_at, description = excluded.description, \
         migration_script = excluded.migration_script, rollback_script = excluded.rollback_script, \
         execution_time_ms = excluded.execution_time_ms, success = excluded.success, \
         error_message = excluded.error_message WHERE success = 0",
        params![
            row.version,
            row.applied_at,
            row.description,
            row.migration_script,
            row.rollback_script,
            row.execution_time_ms,
            row.success,
            row.error_message
        ],
    )?;
    Ok(changed == 1)
}

/// A time as `schema_version.applied_at` holds it: ISO 8601, UTC, with `T`, milliseconds and `Z`.
pub(crate) fn applied_at(now: Timestamp) -> String {
    format!("{:.3}", truncate_to_millisecond(now))
}

/// Whether each row has a whole number of its own. Others would be lost on the way to eight columns.
fn has_plain_versions(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT count(*) = count(DISTINCT CASE typeof(version) WHEN 'integer' THEN version END) FROM main.{}",
        quoted(VERSION_TABLE)
    );
    connection.query_row(&sql, [], |row| row.get(0))
}

fn read_rows(connection: &Connection, columns: &str) -> rusqlite::Result<Vec<VersionRow>> {
    let sql = format!(
        "SELECT {columns} FROM main.{} WHERE typeof(version) = 'integer' ORDER BY version",
        quoted(VERSION_TABLE)
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        Ok(VersionRow {
            version: row.get(0)?,
            applied_at: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            description: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            migration_script: row.get(3)?,
            rollback_script: row.get(4)?,
            execution_time_ms: row.get(5).unwrap_or_default(),
            success: row.get(6)?,
            error_message: row.get(7)?,
        })
    })?;
    rows.collect()
}
