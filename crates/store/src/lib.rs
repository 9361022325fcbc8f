//! The state database: opening it, telling apart what a file is, migrating, backing up, verifying, restoring.
//!
//! Every operation takes a [`Location`], options, and an [`Observer`]; what it may do to the file is written at its
//! function. Whatever happens, the file is a whole database of the old version or a whole one of the new.
//!
//! Architecture invariant: this is the only crate with SQLite, and no type of SQLite's is in its public interface. No
//! clock is read here: [`Clock`] is handed in.

mod audit;
mod backup;
mod connection;
mod content;
mod context;
mod doctor;
mod error;
mod file_lock;
mod files;
mod index_proof;
mod location;
mod migrate;
mod open;
mod plan;
mod restore;
mod sample;
mod schema;
mod schema_text;
mod space;
mod status;
mod verify;

pub mod reader;
pub mod retention;
pub mod tables;
pub mod timestamp;
pub mod writer;

pub use audit::AuditSummary;
pub use backup::{BackupInfo, BackupOptions, BackupRetention, backup, list_backups, size_in_words};
pub use context::{Clock, Event, Interrupt, Observer, nobody};
pub use doctor::{DoctorOptions, DoctorReport, Finding, FindingCode, Mended, TimeColumn, TimeForm, diagnose, mend};
pub use error::{EngineError, EngineErrorKind, FailedMigration, StoreError};
pub use location::Location;
pub use migrate::{
    Faults, MigrateOptions, MigrationReport, OpenOutcome, OwnedDatabase, SpaceAnswer, Step, StepFault, StepReport,
    Trigger, migrate, open,
};
pub use open::DatabaseKind;
pub use plan::{
    MigrationPlan, PlanOptions, PlannedStep, Probe, RowsRead, SpaceForecast, SpacePart, SpacePurpose, plan,
};
pub use restore::{RestoreOptions, RestoreReport, restore, rollback};
pub use sample::{V1Sample, create_v1_sample};
pub use schema::{Feature, Features, HEAD_VERSION, VersionRow};
pub use schema_text::schema_text;
pub use status::{Status, status};
pub use verify::{VerifyReport, verify};

pub use reader::{Reader, ReaderOptions, Remembered};
pub use retention::{CleanUpReport, Retention};
pub use tables::{Rows, Unreadable};
pub use writer::{Unwritten, Writer, WriterOptions};
