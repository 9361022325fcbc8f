//! What `migrate` would do to this very file: the SQL, the rows it reads, the room and the time it takes.
//!
//! Architecture invariant: nothing here writes. The file is opened so that SQLite cannot write either, not even to a
//! `-shm`, no lock file is made and nothing is synced. Speed is therefore told from reading a part of the file, and what
//! writing costs from stored ratios.

mod measure;
mod room;
mod steps;

use std::path::PathBuf;

use serde::Serialize;

use crate::backup::size_of_wal;
use crate::connection::Mode;
use crate::context::{Clock, Interrupt};
use crate::error::StoreError;
use crate::file_lock::FileLock;
use crate::location::{Location, Paths};
use crate::migrate::{Plan, Step};
use crate::open::{DatabaseKind, FileMark, Looked, Seen, look_untouched, refuse};
use crate::schema::{Features, HEAD_VERSION};

pub use measure::Probe;
pub use room::{SpaceForecast, SpacePart, SpacePurpose};

use measure::Measures;

/// How a migration is planned: what it would be run with.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The clock, by which the probe is timed.
    pub clock: Clock,
    /// Stops the work when set.
    pub interrupt: Interrupt,
    /// What the config turns on.
    pub features: Features,
    /// Whether a backup would be made.
    pub create_backup: bool,
}

impl PlanOptions {
    /// The defaults of the config.
    pub fn new(clock: Clock) -> Self {
        Self { clock, interrupt: Interrupt::new(), features: Features::default(), create_backup: true }
    }
}

/// What `migrate` would do to a database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MigrationPlan {
    /// The file, with symlinks followed.
    pub path: PathBuf,
    /// What it is.
    pub kind: DatabaseKind,
    /// Its version; absent before there is one.
    pub from_version: Option<i64>,
    /// The version it would have.
    pub to_version: i64,
    /// The steps in their order; none when there is nothing to do.
    pub steps: Vec<PlannedStep>,
    /// What `schema_version.migration_script` would hold.
    pub migration_script: String,
    /// What `schema_version.rollback_script` would hold.
    pub rollback_script: String,
    /// What would be mended on the way.
    pub mends: Vec<String>,
    /// Each file system concerned.
    pub space: Vec<SpaceForecast>,
    /// What all would take, in seconds.
    pub seconds: f64,
    /// How fast this disk and this file were found to be.
    pub probe: Option<Probe>,
    /// What readers, writers and a running daemon would notice.
    pub notices: Vec<String>,
    /// What would make `migrate` refuse, as things are now.
    pub obstacles: Vec<String>,
    /// The process that owns the database.
    pub owner_pid: Option<u32>,
}

/// A step of a planned migration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedStep {
    /// The step.
    pub step: Step,
    /// What it does, in words.
    pub does: String,
    /// The SQL that it runs, a piece an entry.
    pub sql: Vec<String>,
    /// The rows that it reads.
    pub reads: Vec<RowsRead>,
    /// What it would take, in seconds.
    pub seconds: f64,
}

/// Rows of one table that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowsRead {
    /// The table.
    pub table: String,
    /// The index they are read for; absent where all of the table is read for itself.
    pub index: Option<String>,
    /// How many.
    pub rows: u64,
    /// Whether they were counted; a table too large to count in a moment is estimated by its highest row id.
    pub counted: bool,
}

impl MigrationPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Plans the migration of a database without writing anything, also beside a running daemon.
///
/// # Errors
///
/// What [`crate::migrate`] refuses about the file itself; a name that is taken, missing room and an owner are obstacles
/// in the plan.
pub fn plan(location: &Location, options: &PlanOptions) -> Result<MigrationPlan, StoreError> {
    const TRIES: u32 = 3;
    let paths = location.resolve()?;
    let mut tries = 0;
    loop {
        let before = FileMark::of(&paths.database);
        let looked = look_untouched(&paths.database)?;
        let without_locks = looked.seen.as_ref().is_some_and(|seen| seen.mode == Mode::Immutable);
        let planned = plan_of(&paths, looked, options);
        tries += 1;
        // Read without locks, it says nothing when somebody wrote meanwhile.
        if tries >= TRIES || !without_locks || FileMark::of(&paths.database) == before {
            return planned;
        }
    }
}

fn plan_of(paths: &Paths, looked: Looked, options: &PlanOptions) -> Result<MigrationPlan, StoreError> {
    let Looked { kind, seen } = looked;
    refuse(&kind, &paths.database)?;
    let mut planned = MigrationPlan {
        path: paths.database.clone(),
        kind: kind.clone(),
        from_version: None,
        to_version: HEAD_VERSION,
        steps: Vec::new(),
        migration_script: String::new(),
        rollback_script: String::new(),
        mends: Vec::new(),
        space: Vec::new(),
        seconds: 0.0,
        probe: None,
        notices: Vec::new(),
        obstacles: Vec::new(),
        owner_pid: FileLock::owner(paths),
    };
    match (&kind, seen) {
        (DatabaseKind::Behind { version } | DatabaseKind::Current { version }, Some(seen)) => {
            planned.from_version = Some(*version);
            of_seen(&mut planned, paths, seen, options)?;
        }
        (DatabaseKind::NeedsRecovery, _) => steps::before_recovery(&mut planned),
        _ => steps::of_fresh(&mut planned, options.features),
    }
    Ok(planned)
}

/// Plans for a database whose inside could be read.
fn of_seen(
    planned: &mut MigrationPlan,
    paths: &Paths,
    mut seen: Seen,
    options: &PlanOptions,
) -> Result<(), StoreError> {
    let first = match planned.kind {
        DatabaseKind::Behind { version } => Some(version + 1),
        _ => None,
    };
    let migrates = first.is_some();
    let plan = if migrates {
        Plan::to_head(&seen.inventory, &seen.versions, options.features)
    } else {
        Plan::of_features(&seen.inventory, options.features)
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            planned.obstacles.push(error.to_string());
            return Ok(());
        }
    };
    if !migrates && plan.pieces().next().is_none() {
        return Ok(());
    }
    planned.mends = plan.pieces().filter_map(|piece| piece.mends.clone()).collect();
    if let Some(first) = first {
        planned.migration_script =
            (first..=HEAD_VERSION).map(|version| plan.migration_script(version, first)).collect();
        // Undone in the opposite order.
        planned.rollback_script =
            (first..=HEAD_VERSION).rev().map(|version| plan.rollback_script(version, first)).collect();
    }
    let pages = seen.database.pragma::<i64>("page_count")?.unsigned_abs();
    let page_bytes = seen.database.pragma::<i64>("page_size")?.unsigned_abs();
    let bytes = pages * page_bytes + size_of_wal(paths);
    let is_wal = is_write_ahead(&seen);
    let measures = Measures::take(&mut seen, bytes, page_bytes, &plan, options)?;
    planned.steps = steps::list(&plan, &measures, migrates, options);
    planned.seconds = steps::elapsed_seconds(&planned.steps, &measures, migrates);
    planned.space = room::forecast(paths, &measures, migrates, is_wal, options.create_backup)?;
    planned.notices = steps::notices(planned, is_wal, migrates, options.create_backup);
    steps::find_obstacles(planned, paths, migrates);
    planned.probe = Some(measures.probe);
    Ok(())
}

fn is_write_ahead(seen: &Seen) -> bool {
    // Only a file in write-ahead mode is read as one that nobody writes.
    seen.mode == Mode::Immutable
        || seen.database.pragma::<String>("journal_mode").is_ok_and(|mode| mode.eq_ignore_ascii_case("wal"))
}
