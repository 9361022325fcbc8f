//! `schema_version`, for reading: which versions were applied, when, and what failed. Written only by the migration.

use jiff::Timestamp;
use riskd_core::model::{Invalid, Noun};
use rusqlite::Connection;

use super::{Cells, Rows, Table, exists};
use crate::error::StoreError;

/// One attempt at a version of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersionRow {
    /// The version.
    pub version: i64,
    /// When it was applied, or failed to be.
    pub applied_at: Option<Timestamp>,
    /// What it is; empty in the two-column form.
    pub description: String,
    /// How long it took, in milliseconds, where that was kept.
    pub execution_time_ms: Option<i64>,
    /// Whether it was applied. Only such a row counts as the file's version.
    pub success: bool,
    /// What went wrong, if anything did.
    pub error_message: Option<String>,
}

const TABLE: Table = Table {
    name: "schema_version",
    noun: Noun::SchemaVersion,
    columns: &["version", "applied_at", "description", "execution_time_ms", "success", "error_message"],
};

/// The form a real initialiser of v1 writes; a row in it stands for an applied version.
const TWO_COLUMN_TABLE: Table = Table { columns: &["version", "applied_at"], ..TABLE };

/// Every attempt, lowest version first; none in a file without the table.
pub(crate) fn all(connection: &Connection) -> Result<Rows<SchemaVersionRow>, StoreError> {
    if !exists(connection, TABLE.name)? {
        return Ok(Rows::default());
    }
    let eight_columns = connection
        .prepare("SELECT 1 FROM pragma_table_info('schema_version') WHERE name = 'success'")
        .and_then(|mut statement| statement.exists([]))
        .map_err(|source| StoreError::Sqlite { doing: "read the columns of schema_version", source })?;
    let table = if eight_columns { TABLE } else { TWO_COLUMN_TABLE };
    table.read(connection, "ORDER BY version", [], |cells| from_cells(cells, eight_columns))
}

fn from_cells(cells: &Cells<'_>, eight_columns: bool) -> Result<SchemaVersionRow, Invalid> {
    Ok(SchemaVersionRow {
        version: cells.integer("version")?,
        applied_at: cells.optional_time("applied_at")?,
        description: cells.optional_text("description")?.unwrap_or_default().to_owned(),
        execution_time_ms: cells.optional_integer("execution_time_ms")?,
        success: !eight_columns || cells.boolean("success")?,
        error_message: cells.optional_text("error_message")?.map(str::to_owned),
    })
}
