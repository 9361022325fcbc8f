//! `config/database.yaml`: the state database, and how enforcement times are judged.

use std::path::{Path, PathBuf};

use croner::Cron;
use riskd_store::{BackupRetention, Feature, Features, Location, Retention};
use serde::Deserialize;

use super::checks;
use super::document::Document;
use super::error::ConfigError;
use super::folder::ConfigFolder;

/// The schema this program writes. A config that names another one was written for another program.
pub const SCHEMA_VERSION: u32 = 2;

/// Everything `config/database.yaml` says, with defaults for what it leaves out, and paths resolved.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// Whether there is a file at all.
    is_written: bool,
    /// The state database.
    pub path: PathBuf,
    /// What happens to an older database at the daemon's start.
    pub schema: SchemaConfig,
    /// Whether `daily_unrealized_pnl` is kept.
    pub track_unrealized_pnl: bool,
    /// Whether `drawdown_marks` is kept even though no rule needs it.
    pub track_drawdown: bool,
    /// Whether `rule_commitments` is kept, so that a looser config waits for the next reset.
    pub track_commitments: bool,
    /// Whether enforcements and acts of administrators are attested in `audit_trail`.
    pub audit_trail: bool,
    /// How long rows are kept.
    pub retention: RetentionConfig,
    /// When rows that are too old are deleted: five cron fields, in UTC.
    pub cleanup_schedule: Cron,
    /// The analytics indexes.
    pub indexes: IndexesConfig,
    /// Where backups go and how many are kept.
    pub backup: BackupConfig,
    /// How `riskd db migrate` works.
    pub migration: MigrationConfig,
    /// How long an enforcement may take.
    pub enforcement: EnforcementConfig,
}

/// `database.schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaConfig {
    /// The schema version expected; always this program's.
    #[serde(deserialize_with = "schema_version")]
    pub current_version: u32,
    /// Whether the daemon migrates an older database at its start; if not, it stops with the command to run.
    pub auto_migrate: bool,
    /// Whether the daemon's migration makes a backup first.
    pub backup_before_migrate: bool,
}

/// `database.retention`, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days that `trade_history` keeps.
    #[serde(rename = "trade_history", deserialize_with = "checks::days")]
    pub trade_history_days: u32,
    /// Days that `daily_pnl` keeps.
    #[serde(rename = "daily_pnl", deserialize_with = "checks::days")]
    pub daily_pnl_days: u32,
    /// Days that `enforcement_log` keeps.
    #[serde(rename = "enforcement_log", deserialize_with = "checks::days")]
    pub enforcement_log_days: u32,
    /// Days that `daily_unrealized_pnl` keeps.
    #[serde(rename = "daily_unrealized_pnl", deserialize_with = "checks::days")]
    pub daily_unrealized_pnl_days: u32,
}

/// `database.indexes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexesConfig {
    /// Whether the three analytics indexes are made.
    pub analytics_enabled: bool,
    /// Whether slow queries are counted and logged.
    pub monitor_usage: bool,
    /// From how many milliseconds on a query is slow.
    #[serde(deserialize_with = "checks::milliseconds")]
    pub slow_query_threshold_ms: u64,
}

/// `database.backup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupConfig {
    /// The folder of backups.
    pub directory: PathBuf,
    /// Days a backup is kept.
    pub retention_days: u32,
    /// How many backups are kept.
    pub max_backups: u32,
}

/// `database.migration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MigrationConfig {
    /// Whether the command asks before it migrates; only on a terminal.
    pub require_confirmation: bool,
    /// Whether a backup is made first.
    pub create_backup: bool,
    /// Whether the migrated file is verified once more after the commit, as `riskd db verify` does it. The check inside
    /// the transaction, without which nothing is committed, always happens.
    pub verify_after: bool,
}

/// `monitoring.enforcement`, in milliseconds from decision to confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnforcementConfig {
    /// From here on an enforcement is slow.
    #[serde(deserialize_with = "checks::milliseconds")]
    pub slow_threshold_ms: u64,
    /// From here on it is critical.
    #[serde(deserialize_with = "checks::milliseconds")]
    pub critical_threshold_ms: u64,
    /// From here on it counts as failed so far; the attempts go on.
    #[serde(deserialize_with = "checks::milliseconds")]
    pub timeout_ms: u64,
}

impl DatabaseConfig {
    /// Where the database and its backups are.
    pub fn location(&self) -> Location {
        Location::new(&self.path).with_backups(&self.backup.directory)
    }

    /// What the config turns on beyond the schema version, for commands. Without a file, what the user's document asks for
    /// and no more.
    pub fn features(&self) -> Features {
        Features::NONE
            .with(Feature::AnalyticsIndexes, self.indexes.analytics_enabled)
            .with(Feature::DailyUnrealizedPnl, self.track_unrealized_pnl)
            .with(Feature::DrawdownMarks, self.track_drawdown)
            .with(Feature::RuleCommitments, self.track_commitments && self.is_written)
            .with(Feature::AuditTrail, self.audit_trail && self.is_written)
    }

    /// What the daemon works with: whatever the config does not turn off, and what the rules need. `drawdown` says whether
    /// RULE-014 `max_drawdown` is enabled: its mark is kept whether or not the key asks for it.
    pub fn features_with(&self, drawdown: bool) -> Features {
        self.features()
            .with(Feature::DrawdownMarks, self.track_drawdown || drawdown)
            .with(Feature::RuleCommitments, self.track_commitments)
            .with(Feature::AuditTrail, self.audit_trail)
    }

    /// Which backups are kept.
    pub fn backup_retention(&self) -> BackupRetention {
        BackupRetention {
            retention_days: self.backup.retention_days,
            max_backups: usize::try_from(self.backup.max_backups).unwrap_or(usize::MAX),
        }
    }

    /// Which rows are kept. With the feature off, `daily_unrealized_pnl` is left alone.
    pub fn row_retention(&self) -> Retention {
        let kept = &self.retention;
        Retention {
            trade_history_days: kept.trade_history_days,
            daily_pnl_days: kept.daily_pnl_days,
            enforcement_log_days: kept.enforcement_log_days,
            daily_unrealized_pnl_days: self.track_unrealized_pnl.then_some(kept.daily_unrealized_pnl_days),
        }
    }
}

impl Default for SchemaConfig {
    fn default() -> Self {
        Self { current_version: SCHEMA_VERSION, auto_migrate: true, backup_before_migrate: true }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { trade_history_days: 7, daily_pnl_days: 90, enforcement_log_days: 365, daily_unrealized_pnl_days: 7 }
    }
}

impl Default for IndexesConfig {
    fn default() -> Self {
        Self { analytics_enabled: true, monitor_usage: true, slow_query_threshold_ms: 10 }
    }
}

impl Default for MigrationConfig {
    fn default() -> Self {
        Self { require_confirmation: true, create_backup: true, verify_after: true }
    }
}

impl Default for EnforcementConfig {
    fn default() -> Self {
        Self { slow_threshold_ms: 500, critical_threshold_ms: 2_000, timeout_ms: 5_000 }
    }
}

impl DatabaseConfig {
    /// Reads `database.yaml` of the folder; what it leaves out has its default, and so has all of it when it is absent.
    ///
    /// `path_argument` is a database named on the command line: it replaces `database.path`, is relative to the working
    /// folder, and its backups go to `backups/` beside it unless the file names a folder for them.
    pub fn load(folder: &ConfigFolder, path_argument: Option<&Path>) -> Result<Self, ConfigError> {
        let document = folder.document("database.yaml")?;
        let file: File = document.as_ref().map(Document::read).transpose()?.unwrap_or_default();
        if let Some(document) = &document {
            check_order_of_thresholds(document, &file.monitoring.enforcement)?;
        }
        let is_written = document.is_some();
        Ok(file.database.resolve(folder, path_argument, file.monitoring.enforcement, is_written))
    }

    /// Whether `riskd db migrate` makes a backup: both keys that speak of it must agree to it.
    pub fn wants_backup(&self) -> bool {
        self.migration.create_backup && self.schema.backup_before_migrate
    }
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    database: DatabaseSection,
    monitoring: MonitoringSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DatabaseSection {
    #[serde(deserialize_with = "checks::optional_path")]
    path: Option<PathBuf>,
    schema: SchemaConfig,
    track_unrealized_pnl: bool,
    track_drawdown: bool,
    track_commitments: Option<bool>,
    audit_trail: Option<bool>,
    retention: RetentionConfig,
    cleanup: CleanupSection,
    indexes: IndexesConfig,
    backup: BackupSection,
    migration: MigrationConfig,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CleanupSection {
    #[serde(deserialize_with = "checks::schedule")]
    schedule: Cron,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BackupSection {
    #[serde(deserialize_with = "checks::optional_path")]
    directory: Option<PathBuf>,
    #[serde(deserialize_with = "checks::days")]
    retention_days: u32,
    #[serde(deserialize_with = "checks::count")]
    max_backups: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MonitoringSection {
    enforcement: EnforcementConfig,
}

impl Default for CleanupSection {
    fn default() -> Self {
        Self { schedule: "0 2 * * *".parse().expect("the default schedule is one") }
    }
}

impl Default for BackupSection {
    fn default() -> Self {
        Self { directory: None, retention_days: 30, max_backups: 10 }
    }
}

impl DatabaseSection {
    fn resolve(
        self,
        folder: &ConfigFolder,
        path_argument: Option<&Path>,
        enforcement: EnforcementConfig,
        is_written: bool,
    ) -> DatabaseConfig {
        let named = self.backup.directory.map(|directory| folder.resolve(&directory));
        let (path, directory) = match path_argument {
            Some(path) => (path.to_owned(), named.unwrap_or_else(|| beside(path))),
            None => (
                folder.resolve(self.path.as_deref().unwrap_or(Path::new("data/state.db"))),
                named.unwrap_or_else(|| folder.resolve(Path::new("data/backups"))),
            ),
        };
        DatabaseConfig {
            is_written,
            path,
            schema: self.schema,
            track_unrealized_pnl: self.track_unrealized_pnl,
            track_drawdown: self.track_drawdown,
            track_commitments: self.track_commitments.unwrap_or(true),
            audit_trail: self.audit_trail.unwrap_or(true),
            retention: self.retention,
            cleanup_schedule: self.cleanup.schedule,
            indexes: self.indexes,
            backup: BackupConfig {
                directory,
                retention_days: self.backup.retention_days,
                max_backups: self.backup.max_backups,
            },
            migration: self.migration,
            enforcement,
        }
    }
}

/// `backups/` beside a database, on the far side of a symlink: that is where the database is.
fn beside(path: &Path) -> PathBuf {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    target.parent().unwrap_or(Path::new("")).join("backups")
}

fn schema_version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = checks::count(deserializer)?;
    if version == SCHEMA_VERSION {
        return Ok(version);
    }
    Err(serde::de::Error::custom(format!(
        "must be {SCHEMA_VERSION}, the schema of this program, not {version}: leave the key out, or use the program that goes with v{version}"
    )))
}

fn check_order_of_thresholds(document: &Document, times: &EnforcementConfig) -> Result<(), ConfigError> {
    for (key, value, least_key, least) in [
        ("critical_threshold_ms", times.critical_threshold_ms, "slow_threshold_ms", times.slow_threshold_ms),
        ("timeout_ms", times.timeout_ms, "critical_threshold_ms", times.critical_threshold_ms),
    ] {
        if value < least {
            let key = format!("monitoring.enforcement.{key}");
            return Err(document.refuse_key(&key, format!("must not be below {least_key} ({least}), but is {value}")));
        }
    }
    Ok(())
}
