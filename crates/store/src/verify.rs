//! Whether a database is what it must be.

use std::path::PathBuf;

use crate::audit::{self, AuditSummary};
use crate::connection::Mode;
use crate::content::integrity_findings;
use crate::context::{Event, Interrupt, Observer};
use crate::error::StoreError;
use crate::location::Location;
use crate::migrate::Step;
use crate::open::{DatabaseKind, FileMark, Looked, look, refuse};
use crate::schema::{
    Deviation, Feature, Features, HEAD_VERSION, Inventory, VERSIONS, VersionTable, compare, expected_of,
};

/// What a check of a database found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// The file.
    pub path: PathBuf,
    /// Its version; 0 when it could not be told.
    pub version: i64,
    /// Each deviation, naming the object; empty when all is well.
    pub deviations: Vec<String>,
    /// How many tables were checked.
    pub tables: usize,
    /// How many indexes were checked.
    pub indexes: usize,
    /// What the walk along the audit trail found; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditSummary>,
}

impl VerifyReport {
    fn of_defect(path: PathBuf, reason: String) -> Self {
        Self { path, version: 0, deviations: vec![reason], tables: 0, indexes: 0, audit: None }
    }

    /// The line that a command prints.
    pub fn line(&self) -> String {
        let Self { version, tables, indexes, deviations, .. } = self;
        if self.is_clean() {
            format!("✓ Database schema v{version}: {tables} tables and {indexes} indexes as they must be, integrity ok")
        } else {
            format!("✗ Database schema v{version}: {} deviation(s)", deviations.len())
        }
    }

    /// Whether nothing deviates.
    pub fn is_clean(&self) -> bool {
        self.deviations.is_empty()
    }

    /// The exit code of the command: 0, or 3 when something deviates.
    pub fn exit_code(&self) -> u8 {
        if self.is_clean() { 0 } else { 3 }
    }
}

/// Checks version, tables, columns, index definitions, recorded scripts and integrity, without writing.
///
/// # Errors
///
/// When the file is not ours, is newer, or cannot be read. Damage and differences are deviations, no errors.
pub fn verify(
    location: &Location,
    features: Features,
    interrupt: &Interrupt,
    observer: Observer<'_>,
) -> Result<VerifyReport, StoreError> {
    const TRIES: u32 = 3;
    let path = location.resolve()?.database;
    observer(Event::StepStarted(Step::Verification));
    let mut tries = 0;
    let report = loop {
        let before = FileMark::of(&path);
        let looked = look(&path)?;
        let without_locks = looked.seen.as_ref().is_some_and(|seen| seen.mode == Mode::Immutable);
        let report = report_of(path.clone(), looked, features, interrupt);
        tries += 1;
        // Read without locks, it says nothing when somebody wrote meanwhile.
        if tries >= TRIES || !without_locks || FileMark::of(&path) == before {
            break report?;
        }
    };
    observer(Event::StepDone { step: Step::Verification, line: report.line(), duration_ms: 0 });
    Ok(report)
}

fn report_of(
    path: PathBuf,
    looked: Looked,
    features: Features,
    interrupt: &Interrupt,
) -> Result<VerifyReport, StoreError> {
    let Looked { kind, seen } = looked;
    let version = match &kind {
        DatabaseKind::Damaged { reason } => return Ok(VerifyReport::of_defect(path, reason.clone())),
        DatabaseKind::Fresh => return Ok(VerifyReport::of_defect(path, "the database is empty".into())),
        DatabaseKind::NeedsRecovery => {
            let reason = "a transaction that a crash left half done waits to be undone".to_owned();
            return Ok(VerifyReport::of_defect(path, reason));
        }
        DatabaseKind::Current { version } | DatabaseKind::Behind { version } => *version,
        DatabaseKind::Missing | DatabaseKind::Newer { .. } | DatabaseKind::Foreign { .. } => {
            return Err(refuse(&kind, &path).expect_err("these kinds are refused"));
        }
    };
    let mut seen = seen.expect("a database of known version was seen");
    seen.database.stop_on(interrupt)?;
    let mut deviations = Vec::new();
    if version != HEAD_VERSION {
        deviations.push(format!("the schema version is {version}, expected {HEAD_VERSION}"));
    }
    deviations.extend(definition_drift(&seen.inventory, version, features)?.iter().map(ToString::to_string));
    if version >= 2 {
        deviations.extend(history_deviations(&seen.versions));
    }
    deviations.extend(integrity_findings(&seen.database)?.into_iter().map(|finding| format!("integrity: {finding}")));
    let audit = if has_trail(&seen.inventory)? {
        let (summary, found) = audit::check(&seen.database)?;
        deviations.extend(found);
        Some(summary)
    } else {
        None
    };
    let expected = expected_of(version, features);
    let tables = expected.tables.keys().filter(|key| !key.starts_with("sqlite_")).count();
    Ok(VerifyReport { path, version, deviations, tables, indexes: expected.indexes.len(), audit })
}

/// Whether there is an audit trail with all its columns, and a log that it can be held against.
fn has_trail(found: &Inventory) -> Result<bool, StoreError> {
    let expected = expected_of(HEAD_VERSION, Features::NONE.with(Feature::AuditTrail, true));
    let lacks = |table: &str| {
        compare(&expected, found).into_iter().any(|deviation| match deviation {
            Deviation::MissingTable { table: lacking } | Deviation::MissingColumn { table: lacking, .. } => {
                lacking == table
            }
            _ => false,
        })
    };
    Ok(!lacks(audit::TABLE) && !lacks("enforcement_log"))
}

/// How definitions differ. What belongs to a feature that is off may be missing, but not wrong.
pub(crate) fn definition_drift(
    found: &Inventory,
    version: i64,
    features: Features,
) -> Result<Vec<Deviation>, StoreError> {
    let mut required = compare(&expected_of(version, features), found);
    let wrong: Vec<Deviation> = compare(&expected_of(version, Features::ALL), found)
        .into_iter()
        .filter(|deviation| {
            let is_missing = matches!(
                deviation,
                Deviation::MissingIndex { .. } | Deviation::MissingTable { .. } | Deviation::MissingColumn { .. }
            );
            !is_missing && !required.contains(deviation)
        })
        .collect();
    required.extend(wrong);
    Ok(required)
}

/// What is wrong with the rows of `schema_version`.
pub(crate) fn history_deviations(versions: &VersionTable) -> Vec<String> {
    let mut deviations = Vec::new();
    for version in VERSIONS {
        let place = format!("row {} of schema_version", version.number);
        let Some(row) = versions.rows().iter().find(|row| row.version == version.number && row.success) else {
            deviations.push(format!("{place} is missing"));
            continue;
        };
        let Some(script) = version.script else { continue };
        match &row.migration_script {
            None => deviations.push(format!("{place} has no migration_script")),
            Some(text) if !text.contains(script.up) => {
                deviations.push(format!("migration_script in {place} is not the released one"));
            }
            Some(_) => {}
        }
        match &row.rollback_script {
            None => deviations.push(format!("{place} has no rollback_script")),
            Some(text) if !text.contains(script.down) => {
                deviations.push(format!("rollback_script in {place} is not the released one"));
            }
            Some(_) => {}
        }
    }
    deviations
}
