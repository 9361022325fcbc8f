//! `schema_version`, for reading: which versions were applied, when, and what failed. Written only by the migration.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::StoreError;
use crate::schema::{Inventory, VERSION_TABLE, VersionRow, VersionTable};

/// Every attempt at a version, lowest version first, in whichever form the table is; none in a file without it.
pub(crate) fn all(connection: &Connection) -> Result<Vec<VersionRow>, StoreError> {
    let inventory = Inventory::read(connection)?;
    Ok(VersionTable::read(connection, &inventory)?.rows().to_vec())
}

/// When the file came to this version; absent where nothing readable says so.
pub(crate) fn applied_at(connection: &Connection, version: i64) -> Result<Option<Timestamp>, StoreError> {
    if !super::exists(connection, VERSION_TABLE)? {
        return Ok(None);
    }
    // `success` stands in brackets so that the two-column form of v1, which lacks it, is an error and no text.
    let found: rusqlite::Result<Option<String>> = connection
        .query_row(
            "SELECT CAST(applied_at AS TEXT) FROM schema_version WHERE version = ?1 AND [success] = 1",
            [version],
            |row| row.get(0),
        )
        .optional()
        .map(Option::flatten);
    Ok(found.ok().flatten().and_then(|text| text.parse().ok()))
}
