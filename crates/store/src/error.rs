//! The one error of this crate, what it means for the file, and the exit code it maps to.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::backup::size_in_words;
use crate::migrate::Step;
use crate::schema::HEAD_VERSION;

/// Why the store could not do what was asked. Whatever it says, the database file is a whole database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no file at the path.
    #[error("no database at {path}")]
    NotFound {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file is not a risk-manager database: a directory, not SQLite, encrypted, another product's, or only part of ours.
    #[error("{path} is not a risk-manager database: {reason}")]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What was found, naming the place.
        reason: String,
    },
    /// The file was written by a newer program.
    #[error(
        "Database schema v{found} is newer than this program supports (v{HEAD_VERSION}): upgrade riskd or restore a backup"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// The file is ours and is damaged.
    #[error("{path} is damaged: {}", findings.join("; "))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check said, at most the first hundred lines.
        findings: Vec<String>,
    },
    /// Another process has the database.
    #[error("{path} is in use{}", in_use_by(*pid))]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process that has it, where it can be told.
        pid: Option<u32>,
    },
    /// A file system has too little room for the work.
    #[error("not enough space on the file system of {path}: {} needed, {} free",
        size_in_words(*needed_bytes), size_in_words(*free_bytes))]
    NoSpace {
        /// A path on that file system.
        path: PathBuf,
        /// What the work may need, in bytes.
        needed_bytes: u64,
        /// What is free to this user, in bytes.
        free_bytes: u64,
    },
    /// A file or folder may not be written.
    #[error("no permission to write {path}: {reason}")]
    NoPermission {
        /// The file or folder.
        path: PathBuf,
        /// What forbids it.
        reason: String,
    },
    /// An object of the user's own has a name that this version needs.
    #[error("the name {name} is taken by {taken_by}: rename it, it is needed for {needed_for}")]
    NameTaken {
        /// The name.
        name: String,
        /// What has it.
        taken_by: String,
        /// What it is needed for.
        needed_for: String,
    },
    /// An object of the user's own needs something that only the program which made it brings along.
    #[error(
        "it cannot be checked here: {missing}; an index or table of your own needs it from the program that made it"
    )]
    MissingExtension {
        /// What SQLite misses.
        missing: String,
    },
    /// A backup differs from what it should hold, or cannot be read.
    #[error("backup {path} could not be verified: {reason}")]
    BackupUnverified {
        /// The backup.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// There is no backup to put back.
    #[error("no {what} in {directory}")]
    NoBackup {
        /// What was looked for.
        what: &'static str,
        /// Where.
        directory: PathBuf,
    },
    /// The database, changed and not yet committed, is not what it should be; the change was rolled back.
    #[error("verification found deviations: {}", deviations.join("; "))]
    Deviates {
        /// Each deviation, naming the object.
        deviations: Vec<String>,
    },
    /// A step that was told to fail, or a rule of the runner that a step broke.
    #[error("{0}")]
    StepFailed(String),
    /// Somebody asked to stop; everything was rolled back.
    #[error("interrupted: everything was rolled back")]
    Interrupted,
    /// A migration failed; the file is as it was.
    #[error("{0}")]
    MigrationFailed(Box<FailedMigration>),
    /// The database needs a migration and the config forbids to do it without being asked.
    #[error("Database schema v{found} needs a migration to v{HEAD_VERSION}, and auto_migrate is off")]
    MigrationNeeded {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// The last automatic migrations failed; it is too early for the next.
    #[error(
        "the last {failures} automatic migration(s) failed alike ({last_error}); the next may start at {not_before}"
    )]
    RetryLater {
        /// How many failed alike, in a row.
        failures: u32,
        /// What the last one said.
        last_error: String,
        /// When the next may start.
        not_before: jiff::Timestamp,
    },
    /// Three automatic migrations in a row failed alike; there will be no fourth.
    #[error(
        "{failures} automatic migrations in a row failed alike ({last_error}): no more are tried until `riskd db migrate` is run"
    )]
    RetriesStopped {
        /// How many failed alike, in a row.
        failures: u32,
        /// What the last one said.
        last_error: String,
    },
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused something.
    #[error("cannot {action}: {source}")]
    Sqlite {
        /// What was tried.
        action: String,
        /// What SQLite said.
        source: EngineError,
    },
    /// A batch of writes could not be made durable: none of it is in the file.
    #[error("cannot write to the state database: {source}")]
    NotWritten {
        /// What SQLite said.
        source: EngineError,
    },
    /// The writer has as many batches waiting as it takes; this one was not accepted.
    #[error("the state database does not keep up: {waiting} batches of writes are waiting")]
    WriterBusy {
        /// How many are waiting.
        waiting: usize,
    },
    /// The writer has stopped, or stopped before it came to this.
    #[error("the writer of the state database has stopped")]
    WriterStopped,
    /// The writer was asked to stop and is still at work.
    #[error("the writer of the state database did not finish within {patience_ms} ms and goes on by itself")]
    WriterSlow {
        /// How long was waited.
        patience_ms: u128,
    },
}

/// A migration that failed: what failed, the state of the file, where the backup is.
#[derive(Debug)]
pub struct FailedMigration {
    /// The database.
    pub path: PathBuf,
    /// The version the file still has.
    pub version: i64,
    /// The step that failed.
    pub step: Step,
    /// What it said; never masked by anything that failed afterwards.
    pub error: StoreError,
    /// The verified backup, where one was made or found.
    pub backup: Option<PathBuf>,
    /// What could not be recorded about the failure, where something could not.
    pub record_error: Option<String>,
    /// Whether the disk failed in the middle of the commit and stayed so: once it works again, the file is whole, of the
    /// old version or of the new.
    pub in_doubt: bool,
}

impl fmt::Display for FailedMigration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, version, step, error, .. } = self;
        writeln!(formatter, "{step} failed: {error}")?;
        if self.in_doubt {
            write!(
                formatter,
                "{} is whole, v{version} or v{HEAD_VERSION}: the disk failed in the middle of the commit; \
                 `riskd db status` tells which once it works again",
                path.display()
            )?;
        } else {
            write!(formatter, "{} is unchanged, still v{version}", path.display())?;
        }
        match &self.backup {
            Some(backup) => write!(formatter, "\nbackup: {}", backup.display()),
            None => write!(formatter, "\nno backup was made"),
        }
    }
}

/// What SQLite said, without its types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// What sort of refusal it is.
    pub kind: EngineErrorKind,
    /// SQLite's words.
    pub message: String,
}

/// The sorts of refusal that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// Another connection has a lock.
    Busy,
    /// The disk is full.
    Full,
    /// The file or folder cannot be written.
    ReadOnly,
    /// The file is not a database.
    NotADatabase,
    /// The file is malformed.
    Corrupt,
    /// An interrupt was asked for.
    Interrupted,
    /// The disk failed.
    DiskFailure,
    /// Anything else.
    Other,
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let kind = match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked | Code::FileLockingProtocolFailed) => EngineErrorKind::Busy,
            Some(Code::DiskFull) => EngineErrorKind::Full,
            Some(Code::ReadOnly | Code::PermissionDenied | Code::CannotOpen) => EngineErrorKind::ReadOnly,
            Some(Code::NotADatabase) => EngineErrorKind::NotADatabase,
            Some(Code::DatabaseCorrupt) => EngineErrorKind::Corrupt,
            Some(Code::OperationInterrupted) => EngineErrorKind::Interrupted,
            Some(Code::SystemIoFailure) => EngineErrorKind::DiskFailure,
            _ => EngineErrorKind::Other,
        };
        Self { kind, message: error.to_string() }
    }
}

impl StoreError {
    /// The exit code of a command that ends with this error: 1 failed and unchanged, 2 wrong usage, 3 deviations, 4 newer
    /// than the program, 5 in use, 6 not ours, 7 no space or no permission.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 2,
            Self::Newer { .. } => 4,
            Self::InUse { .. } => 5,
            Self::NotOurs { .. } => 6,
            Self::NoSpace { .. } | Self::NoPermission { .. } => 7,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded => 7,
                _ => 1,
            },
            Self::Sqlite { source, .. } | Self::NotWritten { source } => match source.kind {
                EngineErrorKind::Busy => 5,
                EngineErrorKind::Full | EngineErrorKind::ReadOnly => 7,
                EngineErrorKind::NotADatabase => 6,
                _ => 1,
            },
            Self::MigrationFailed(failed) => failed.error.exit_code(),
            _ => 1,
        }
    }

    /// A short, stable name of the sort of error, for logs and JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::NotOurs { .. } => "not_ours",
            Self::Newer { .. } => "newer",
            Self::Damaged { .. } => "damaged",
            Self::InUse { .. } => "in_use",
            Self::NoSpace { .. } => "no_space",
            Self::NoPermission { .. } => "no_permission",
            Self::NameTaken { .. } => "name_taken",
            Self::MissingExtension { .. } => "missing_extension",
            Self::BackupUnverified { .. } => "backup_unverified",
            Self::NoBackup { .. } => "no_backup",
            Self::Deviates { .. } => "deviates",
            Self::StepFailed(_) => "step_failed",
            Self::Interrupted => "interrupted",
            Self::MigrationFailed(failed) => failed.error.code(),
            Self::MigrationNeeded { .. } => "migration_needed",
            Self::RetryLater { .. } => "retry_later",
            Self::RetriesStopped { .. } => "retries_stopped",
            Self::Io { .. } => "io",
            Self::Sqlite { .. } => "sqlite",
            Self::NotWritten { .. } => "not_written",
            Self::WriterBusy { .. } => "writer_busy",
            Self::WriterStopped => "writer_stopped",
            Self::WriterSlow { .. } => "writer_slow",
        }
    }

    /// What to do next, in a sentence with the command to run.
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound { .. } => "check the path; `riskd run` makes a new database at its first start".into(),
            Self::NotOurs { .. } => "nothing was written; check that the path is the right one".into(),
            Self::Newer { .. } => "upgrade riskd, or run `riskd db backups` and `riskd db restore BACKUP`".into(),
            Self::Damaged { .. } => "run `riskd db backups`, then `riskd db restore BACKUP`".into(),
            Self::NameTaken { .. } => "rename that object, then run the command again".into(),
            Self::MissingExtension { .. } => {
                "drop what needs it with the program that made it, run the command again, then make it again".into()
            }
            Self::InUse { .. } => "stop the process that has it, then run the command again".into(),
            Self::NoSpace { .. } => "free some space, then run the command again".into(),
            Self::NoPermission { .. } => "give this user the right to write there, then run the command again".into(),
            Self::NoBackup { .. } => "run `riskd db backups` to see what there is".into(),
            Self::BackupUnverified { .. } => "run `riskd db backups` to choose another".into(),
            Self::MigrationFailed(failed) => failed.error.hint(),
            Self::MigrationNeeded { .. } | Self::RetriesStopped { .. } => "run `riskd db migrate`".into(),
            Self::RetryLater { .. } => "wait, or run `riskd db migrate`".into(),
            _ => "run `riskd db verify`, then the command again".into(),
        }
    }

    /// Whether it comes from an interrupt rather than from a failure.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Sqlite { source, .. } => source.kind == EngineErrorKind::Interrupted,
            Self::MigrationFailed(failed) => failed.error.is_interrupt(),
            _ => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Wraps what SQLite said; an interrupt becomes [`StoreError::Interrupted`].
    pub(crate) fn sqlite(action: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> Self {
        move |error| {
            let source = EngineError::from(error);
            if source.kind == EngineErrorKind::Interrupted {
                return Self::Interrupted;
            }
            Self::Sqlite { action: action.into(), source }
        }
    }
}

fn in_use_by(pid: Option<u32>) -> String {
    pid.map_or_else(|| " by another program".to_owned(), |pid| format!(" by pid {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_document() {
        let path = || PathBuf::from("x.db");
        let sqlite =
            |kind| StoreError::Sqlite { action: "x".into(), source: EngineError { kind, message: "y".into() } };
        let io = |kind: io::ErrorKind| StoreError::Io { action: "write", path: path(), source: kind.into() };
        let cases = [
            (StoreError::StepFailed("x".into()), 1),
            (StoreError::Interrupted, 1),
            (StoreError::Damaged { path: path(), findings: vec![] }, 1),
            (sqlite(EngineErrorKind::Other), 1),
            (io(io::ErrorKind::NotFound), 1),
            (StoreError::NotFound { path: path() }, 2),
            (StoreError::Newer { path: path(), found: 3 }, 4),
            (StoreError::InUse { path: path(), pid: Some(7) }, 5),
            (sqlite(EngineErrorKind::Busy), 5),
            (StoreError::NotOurs { path: path(), reason: "x".into() }, 6),
            (sqlite(EngineErrorKind::NotADatabase), 6),
            (StoreError::NoSpace { path: path(), needed_bytes: 2, free_bytes: 1 }, 7),
            (StoreError::NoPermission { path: path(), reason: "x".into() }, 7),
            (io(io::ErrorKind::StorageFull), 7),
            (sqlite(EngineErrorKind::Full), 7),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit_code(), code, "{error}");
            let failed = FailedMigration {
                path: path(),
                version: 1,
                step: Step::Core,
                error,
                backup: None,
                record_error: None,
                in_doubt: false,
            };
            assert_eq!(StoreError::MigrationFailed(Box::new(failed)).exit_code(), code);
        }
    }
}
