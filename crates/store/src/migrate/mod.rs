//! Bringing a database to head, and making a new one.

mod attempts;
mod change;
mod failure;
mod gauge;
mod plan;
mod run;
mod start;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backup::{BackupInfo, BackupRetention};
use crate::context::{Clock, Interrupt};
use crate::file_lock::FileLock;
use crate::schema::{Feature, Features};

pub(crate) use attempts::{Attempt, Ending, in_words, write as write_attempt};
pub(crate) use gauge::Gauge;
pub(crate) use plan::{Piece, Plan};
pub(crate) use run::{begin_immediate, commit};
pub use start::{migrate, open};

/// A step of a migration, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Tell what the file is, own it, recover what a crash left, take SQLite's write lock.
    Own,
    /// Space, permission, names.
    Preflight,
    /// Copy the database to a backup.
    Backup,
    /// Tables and columns of the new version, and indexes of the old one that are missing or wrong.
    Core,
    /// The analytics indexes.
    AnalyticsIndexes,
    /// The table of unrealized P&L by day.
    DailyUnrealizedPnl,
    /// The tables of later features, where the config turns them on.
    FeatureTables,
    /// The rows of `schema_version`.
    Record,
    /// The changed database against what it must be and the rows it had, and the backup against the snapshot.
    Verification,
    /// Make it last.
    Commit,
    /// Write-ahead log, old backups. The migration is done; nothing here can undo it.
    Tidy,
    /// Put a backup back.
    Restore,
}

impl Step {
    /// The steps of every migration after whose end it can still fail and leave the old version.
    pub const BEFORE_COMMIT: [Self; 8] = [
        Self::Own,
        Self::Preflight,
        Self::Backup,
        Self::Core,
        Self::AnalyticsIndexes,
        Self::DailyUnrealizedPnl,
        Self::Record,
        Self::Verification,
    ];

    /// The step in which a feature is made. The first two are those of the user's document, told of whether or not they
    /// are on; the others are told of where there is something to make.
    pub(crate) const fn of_feature(feature: Feature) -> Self {
        match feature {
            Feature::AnalyticsIndexes => Self::AnalyticsIndexes,
            Feature::DailyUnrealizedPnl => Self::DailyUnrealizedPnl,
            Feature::DrawdownMarks | Feature::RuleCommitments | Feature::AuditTrail => Self::FeatureTables,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Own => "Taking the database",
            Self::Preflight => "Preflight",
            Self::Backup => "Backup",
            Self::Core => "Core migration",
            Self::AnalyticsIndexes => "Analytics indexes",
            Self::DailyUnrealizedPnl => "Optional daily_unrealized_pnl table",
            Self::FeatureTables => "Optional tables",
            Self::Record => "Recording the version",
            Self::Verification => "Migration verification",
            Self::Commit => "Commit",
            Self::Tidy => "Tidying up",
            Self::Restore => "Restore",
        })
    }
}

/// Who asked for the migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person, by command: always tried.
    Command,
    /// A start of the daemon: held back after failures, and stopped after three alike in a row.
    Automatic,
}

/// Says at the end of a step whether it shall have failed, and with which words.
pub type StepFault = Arc<dyn Fn(Step) -> Result<(), String> + Send + Sync>;

/// Answers for the free bytes of the file system that holds a path.
pub type SpaceAnswer = Arc<dyn Fn(&Path) -> u64 + Send + Sync>;

/// Places where drills and tests make a migration fail.
#[derive(Clone, Default)]
pub struct Faults {
    /// Called at the end of each step; an error makes the step fail.
    pub after_step: Option<StepFault>,
    /// Answers for the free bytes of the file system that holds a path.
    pub free_bytes: Option<SpaceAnswer>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after_step, free_bytes } = self;
        write!(formatter, "Faults({}, {})", after_step.is_some(), free_bytes.is_some())
    }
}

/// How a database is opened or migrated.
#[derive(Debug, Clone)]
pub struct MigrateOptions {
    /// The clock.
    pub clock: Clock,
    /// Stops the work when set.
    pub interrupt: Interrupt,
    /// Who asks.
    pub trigger: Trigger,
    /// What the config turns on.
    pub features: Features,
    /// `auto_migrate`: whether [`open`] may migrate.
    pub auto_migrate: bool,
    /// `backup_before_migrate` and `create_backup`; without it the user is warned.
    pub create_backup: bool,
    /// Whether a file that does not exist, or is empty, becomes a new database.
    pub create_if_missing: bool,
    /// Which old backups go.
    pub retention: BackupRetention,
    /// For drills and tests.
    pub faults: Faults,
}

impl MigrateOptions {
    /// The defaults of the config, asked for by a command.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            interrupt: Interrupt::new(),
            trigger: Trigger::Command,
            features: Features::default(),
            auto_migrate: true,
            create_backup: true,
            create_if_missing: false,
            retention: BackupRetention::default(),
            faults: Faults::default(),
        }
    }
}

/// What a step of a migration did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// The line that a command prints.
    pub line: String,
    /// What it took.
    pub duration_ms: i64,
}

/// A migration that went well.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MigrationReport {
    /// The database, with symlinks followed.
    pub path: PathBuf,
    /// The version before.
    pub from_version: i64,
    /// The version now.
    pub to_version: i64,
    /// The steps, with the lines to print, in order.
    pub steps: Vec<StepReport>,
    /// The backup, unless it was forbidden.
    pub backup: Option<BackupInfo>,
    /// What was mended on the way: indexes made again or replaced, columns added, the version table widened.
    pub mended: Vec<String>,
    /// What the person should know.
    pub warnings: Vec<String>,
    /// What it took in all.
    pub duration_ms: i64,
}

/// What [`open`] and [`migrate`] found and did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum OpenOutcome {
    /// There was no database, or an empty file: a new one was made, at head.
    Created {
        /// The database.
        path: PathBuf,
    },
    /// It was at head already; nothing was written.
    Current {
        /// Its version.
        version: i64,
    },
    /// It was at head; a feature that the config turned on was added. The text says which.
    FeaturesAdded {
        /// Its version.
        version: i64,
        /// The lines that a command prints.
        lines: Vec<String>,
    },
    /// It was behind and was migrated.
    Migrated(MigrationReport),
}

/// A database that this process owns, at head, for as long as this value lives.
#[derive(Debug)]
pub struct OwnedDatabase {
    path: PathBuf,
    _lock: FileLock,
}

impl OwnedDatabase {
    /// The file, with symlinks followed: absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
