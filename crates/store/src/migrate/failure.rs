//! After a failure: everything is rolled back, then as much as possible is kept for the next attempt and for the user.

use super::plan::version_table_piece;
use super::run::{Run, begin_immediate};
use super::{Ending, write_attempt};
use crate::backup::{examine, prove};
use crate::content::contents;
use crate::context::Interrupt;
use crate::error::{EngineErrorKind, FailedMigration, StoreError};
use crate::schema::{HEAD_VERSION, Inventory, VERSIONS, VersionRow, VersionTable, applied_at, insert_baseline, record};

impl Run<'_> {
    /// Rolls back, records, and says what failed. Whatever fails here does not hide `error`.
    pub(super) fn fail(&mut self, error: StoreError) -> StoreError {
        if let Some(database) = &mut self.database {
            let _ = database.stop_on_nothing();
            if !database.is_autocommit() {
                let _ = database.execute_batch("ROLLBACK");
            }
        }
        // Before the version is known there was no migration, only a refusal.
        let Some(version) = self.from_version else {
            self.copy = None;
            return error;
        };
        let mut record_errors = Vec::new();
        if is_worth_recording(&error) {
            record_errors.extend(self.keep_backup_and_record(version, &error).err());
        }
        self.copy = None;
        self.database = None;
        let ending = if error.is_interrupt() { Ending::Interrupted } else { Ending::Failed };
        record_errors.extend(write_attempt(self.paths, &self.line(ending, Some(&error))).err());
        let record_error = record_errors.first().map(ToString::to_string);
        StoreError::MigrationFailed(Box::new(FailedMigration {
            path: self.paths.database.clone(),
            version,
            step: self.step,
            error,
            backup: self.backup.as_ref().map(|backup| backup.path.clone()),
            record_error,
        }))
    }

    fn keep_backup_and_record(&mut self, version: i64, error: &StoreError) -> Result<(), StoreError> {
        begin_immediate(self.database(), self.paths, &Interrupt::new())?;
        let inventory = Inventory::read(self.database())?;
        let kept = self.keep_backup(&inventory);
        // When the disk fails while the rows are read, SQLite ends the transaction by itself.
        if self.database().is_autocommit() {
            begin_immediate(self.database(), self.paths, &Interrupt::new())?;
        }
        let recorded = self.record_failure(&inventory, version, error);
        let finished = recorded
            .and_then(|()| self.database().execute_batch("COMMIT").map_err(StoreError::sqlite("commit the record")));
        if finished.is_err() && !self.database().is_autocommit() {
            let _ = self.database().execute_batch("ROLLBACK");
        }
        finished.and(kept)
    }

    /// Proves the copy that was made, so that the next attempt need not make another.
    fn keep_backup(&mut self, inventory: &Inventory) -> Result<(), StoreError> {
        let Some(copy) = self.copy.take() else { return Ok(()) };
        let found = examine(copy.path(), &self.options.interrupt, &|_| ())?;
        if !found.integrity.is_empty() {
            return Ok(());
        }
        let versions = VersionTable::read(self.database(), inventory)?;
        let held = contents(self.database(), inventory, &|_| ())?;
        prove(copy.path(), &found, inventory, &held, Some(&versions))?;
        self.publish(copy, &found)
    }

    /// Writes the row of the failed attempt. The version still reads as before: only success counts.
    fn record_failure(&self, inventory: &Inventory, version: i64, error: &StoreError) -> Result<(), StoreError> {
        let versions = VersionTable::read(self.database(), inventory)?;
        let piece = version_table_piece(inventory, &versions)?;
        super::change::run_pieces(self.database(), [&piece])?;
        let clock = &self.options.clock;
        let at = applied_at(clock.now());
        let row = VersionRow {
            version: HEAD_VERSION,
            applied_at: at.clone(),
            description: VERSIONS.last().map_or("", |version| version.description).into(),
            migration_script: None,
            rollback_script: None,
            execution_time_ms: Some(clock.ms_since(self.started)),
            success: false,
            error_message: Some(format!("{} failed: {error}", self.step)),
        };
        let write = || {
            if version == 1 {
                insert_baseline(self.database(), &at, None)?;
            }
            record(self.database(), &row)
        };
        write().map(|_| ()).map_err(StoreError::sqlite("record the failure"))
    }
}

/// Whether the database should be told of its failed migration. A damaged one is not written to; one that is in use
/// cannot be; and who interrupted it knows.
fn is_worth_recording(error: &StoreError) -> bool {
    match error {
        StoreError::Damaged { .. }
        | StoreError::InUse { .. }
        | StoreError::NameTaken { .. }
        | StoreError::MissingExtension { .. } => false,
        StoreError::Sqlite { source, .. } => {
            !matches!(source.kind, EngineErrorKind::Corrupt | EngineErrorKind::NotADatabase | EngineErrorKind::Busy)
                && !error.is_interrupt()
        }
        _ => !error.is_interrupt(),
    }
}
