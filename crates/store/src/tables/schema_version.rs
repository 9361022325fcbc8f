//! `schema_version`, for reading: which versions were applied, when, and what failed. Written only by the migration.

use rusqlite::Connection;

use crate::error::StoreError;
use crate::schema::{Inventory, VersionRow, VersionTable};

/// Every attempt at a version, lowest version first, in whichever form the table is; none in a file without it.
pub(crate) fn all(connection: &Connection) -> Result<Vec<VersionRow>, StoreError> {
    let inventory = Inventory::read(connection)?;
    Ok(VersionTable::read(connection, &inventory)?.rows().to_vec())
}
