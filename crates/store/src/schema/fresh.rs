//! A new database, at head from its first commit.

use jiff::Timestamp;
use rusqlite::Connection;

use super::record::{VersionRow, applied_at, insert_baseline, record};
use super::{Features, VERSIONS};
use crate::StoreError;

/// Makes every table of head in the empty database of `connection`, and the rows of every version, in one transaction.
///
/// # Errors
///
/// What SQLite says; then the database is as empty as before.
pub(crate) fn create_fresh(connection: &Connection, features: Features, now: Timestamp) -> Result<(), StoreError> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)
        .map_err(StoreError::sqlite("begin making a new database"))?;
    replay(&transaction, features, now).map_err(StoreError::sqlite("make a new database"))?;
    transaction.commit().map_err(StoreError::sqlite("commit a new database"))
}

/// Runs every script from the baseline to head, features last, inside the caller's transaction.
pub(crate) fn replay(connection: &Connection, features: Features, now: Timestamp) -> rusqlite::Result<()> {
    let at = applied_at(now);
    for version in VERSIONS {
        let Some(script) = version.script else {
            connection.execute_batch(version.schema)?;
            continue;
        };
        let mut pieces = vec![script];
        if version.number == VERSIONS[VERSIONS.len() - 1].number {
            pieces.extend(features.parts().map(|parts| parts.script));
        }
        for piece in &pieces {
            connection.execute_batch(piece.up)?;
        }
        insert_baseline(connection, &at, Some(VERSIONS[0].schema))?;
        record(
            connection,
            &VersionRow {
                version: version.number,
                applied_at: at.clone(),
                description: version.description.into(),
                migration_script: Some(pieces.iter().map(|piece| piece.up).collect()),
                rollback_script: Some(pieces.iter().rev().map(|piece| piece.down).collect()),
                execution_time_ms: Some(0),
                success: true,
                error_message: None,
            },
        )?;
    }
    Ok(())
}
