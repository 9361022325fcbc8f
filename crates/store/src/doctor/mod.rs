//! What is wrong with a database and what lies around it, in words and with a stable code; and mending what can be mended
//! safely.
//!
//! [`diagnose`] writes nothing, as [`crate::plan`] does. [`mend`] takes the file lock and a verified backup first, changes
//! in one transaction whatever is SQL, and examines again. Nothing is guessed: what has more than one meaning is left.

mod backups;
mod code;
mod files;
mod mend;
mod pages;
mod permissions;
mod rows;
mod schema;
mod statistics;
mod times;

use std::path::PathBuf;

use serde::Serialize;

use crate::backup::{BackupInfo, BackupRetention};
use crate::connection::Mode;
use crate::context::{Clock, Interrupt};
use crate::error::StoreError;
use crate::location::{Location, Paths};
use crate::open::{DatabaseKind, FileMark, Looked, Seen, look_untouched, refuse};
use crate::schema::Features;

pub use code::FindingCode;
pub use mend::mend;
pub use times::{TimeColumn, TimeForm};

/// How a database is examined and mended.
#[derive(Debug, Clone)]
pub struct DoctorOptions {
    /// The clock: names of backups, and the moment that times must not lie behind.
    pub clock: Clock,
    /// Stops the work when set; a mend that is not committed is rolled back.
    pub interrupt: Interrupt,
    /// What the config turns on.
    pub features: Features,
    /// Files beside the database's own that only their owner may read, such as the one that holds the API key.
    pub private_files: Vec<PathBuf>,
    /// Symbol roots of contracts that may trade at zero or below, such as `CL`: no column says so.
    pub negative_price_roots: Vec<String>,
    /// The user's word that times without a zone are UTC. Without it they are left as they are.
    pub naive_times_are_utc: bool,
    /// How long backups are kept, and files that a restore moved aside with them.
    pub retention: BackupRetention,
}

impl DoctorOptions {
    /// The defaults of the config.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            interrupt: Interrupt::new(),
            features: Features::default(),
            private_files: Vec::new(),
            negative_price_roots: Vec::new(),
            naive_times_are_utc: false,
            retention: BackupRetention::default(),
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which sort of thing; the name never changes.
    pub code: FindingCode,
    /// Where: a file, a table, a column, a row.
    pub place: String,
    /// What was found there and what it means.
    pub explanation: String,
    /// What to do about it.
    pub mend: String,
    /// Whether [`mend`] does that.
    pub mendable: bool,
    /// How many rows or pages it is about, where it is about many.
    pub count: Option<u64>,
}

/// Something that was mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mended {
    /// Which sort of thing.
    pub code: FindingCode,
    /// Where.
    pub place: String,
    /// What was done.
    pub did: String,
}

/// What an examination found, and what was mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// The file, with symlinks followed.
    pub path: PathBuf,
    /// Its version; absent when it could not be told.
    pub version: Option<i64>,
    /// What is not as it should be, now.
    pub findings: Vec<Finding>,
    /// The user's own objects: nothing is wrong with them.
    pub own_objects: Vec<String>,
    /// The forms in which each column of times is written.
    pub times: Vec<TimeColumn>,
    /// What was mended.
    pub mended: Vec<Mended>,
    /// The backup that was made before mending.
    pub backup: Option<BackupInfo>,
}

impl DoctorReport {
    /// Whether nothing is left to mend.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Examines a database and what lies around it without writing anything, also beside a running daemon.
///
/// # Errors
///
/// When the file is not ours, is newer, or cannot be read. Damage is a finding.
pub fn diagnose(location: &Location, options: &DoctorOptions) -> Result<DoctorReport, StoreError> {
    diagnose_as(location, options, false)
}

/// As [`diagnose`]; whoever holds the file lock for mending is not somebody who has the database open.
fn diagnose_as(location: &Location, options: &DoctorOptions, holds_lock: bool) -> Result<DoctorReport, StoreError> {
    const TRIES: u32 = 3;
    let paths = location.resolve()?;
    let mut tries = 0;
    loop {
        let before = FileMark::of(&paths.database);
        let looked = look_untouched(&paths.database)?;
        let without_locks = looked.seen.as_ref().is_some_and(|seen| seen.mode == Mode::Immutable);
        let report = examine(&paths, looked, options, holds_lock);
        tries += 1;
        // Read without locks, it says nothing when somebody wrote meanwhile.
        if tries >= TRIES || !without_locks || FileMark::of(&paths.database) == before {
            return report;
        }
    }
}

/// What every check is handed.
struct Patient<'a> {
    paths: &'a Paths,
    options: &'a DoctorOptions,
    seen: &'a Seen,
    version: i64,
}

fn examine(
    paths: &Paths,
    looked: Looked,
    options: &DoctorOptions,
    holds_lock: bool,
) -> Result<DoctorReport, StoreError> {
    let Looked { kind, seen } = looked;
    let mut report = DoctorReport {
        path: paths.database.clone(),
        version: None,
        findings: Vec::new(),
        own_objects: Vec::new(),
        times: Vec::new(),
        mended: Vec::new(),
        backup: None,
    };
    match kind {
        DatabaseKind::Damaged { reason } => report.findings.push(damaged(paths, &[reason])),
        DatabaseKind::NeedsRecovery => report.findings.push(needs_recovery(paths)),
        DatabaseKind::Fresh => {}
        DatabaseKind::Current { version } | DatabaseKind::Behind { version } => {
            let mut seen = seen.expect("a database of known version was seen");
            seen.database.stop_on(&options.interrupt)?;
            report.version = Some(version);
            inside(&Patient { paths, options, seen: &seen, version }, &mut report)?;
        }
        DatabaseKind::Missing | DatabaseKind::Newer { .. } | DatabaseKind::Foreign { .. } => {
            refuse(&kind, &paths.database)?;
        }
    }
    permissions::check(paths, options, &mut report.findings);
    files::check(paths, options, holds_lock, &mut report.findings);
    backups::check(paths, options, &mut report.findings)?;
    options.interrupt.check()?;
    Ok(report)
}

/// What can be told of a database whose inside can be read.
fn inside(patient: &Patient<'_>, report: &mut DoctorReport) -> Result<(), StoreError> {
    let integrity = crate::content::integrity_findings(&patient.seen.database)?;
    if !integrity.is_empty() {
        // Whatever else there is to say, a damaged file is not to be worked with.
        report.findings.push(damaged(patient.paths, &integrity));
        return Ok(());
    }
    report.own_objects = schema::own_objects(patient)?;
    schema::check(patient, &mut report.findings)?;
    report.times = times::check(patient, &mut report.findings)?;
    rows::check(patient, &mut report.findings)?;
    pages::check(patient, &mut report.findings)?;
    statistics::check(patient, &mut report.findings)
}

fn damaged(paths: &Paths, said: &[String]) -> Finding {
    let only_indexes = said.iter().all(|line| line.contains("index"));
    let rows = if only_indexes { " Only indexes are spoken of: the rows themselves may be whole." } else { "" };
    Finding {
        code: FindingCode::Damaged,
        place: paths.database.display().to_string(),
        explanation: format!("the file is damaged: {}.{rows}", said.join("; ")),
        mend: "run `riskd db backups`, then `riskd db restore BACKUP`".into(),
        mendable: false,
        count: None,
    }
}

fn needs_recovery(paths: &Paths) -> Finding {
    Finding {
        code: FindingCode::NeedsRecovery,
        place: paths.database.display().to_string(),
        explanation: "a program died in the middle of a transaction, and nobody has undone it yet".into(),
        mend: "run `riskd db migrate` or start the daemon: the next program that writes undoes it".into(),
        mendable: false,
        count: None,
    }
}
