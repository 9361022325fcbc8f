//! The schema of a database as SQL text, for people.

use std::path::Path;

use crate::connection::{Database, Mode};
use crate::error::StoreError;
use crate::location::Location;

/// Every statement that makes the database's schema, tables first, then by name. Nothing is written.
///
/// # Errors
///
/// The file is not there, cannot be read, or is not SQLite.
pub fn schema_text(path: &Path) -> Result<String, StoreError> {
    let database = Database::open(&Location::new(path).resolve()?.database, Mode::ReadOnly)?;
    let failed = StoreError::sqlite("read the schema");
    let rows = || -> rusqlite::Result<Vec<String>> {
        let mut statement = database
            .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'table' DESC, type, name")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let statements = rows().map_err(failed)?;
    Ok(statements.into_iter().map(|sql| format!("{sql};\n")).collect())
}
