//! The steps of a planned migration, what each takes, and what others notice of it.

use super::measure::Measures;
use super::{MigrationPlan, PlanOptions, PlannedStep};
use crate::files::check_writable;
use crate::files::existing_folder;
use crate::location::Paths;
use crate::migrate::{Piece, Plan, Step};
use crate::schema::{FEATURES, Features, HEAD_VERSION, VERSIONS};

/// How long each kind of work takes for the same bytes, as a multiple of one pass as the probe makes it. Measured on a
/// million enforcements; only the probe's speed belongs to this disk and this file. `docs/plan.md` explains them.
mod ratio {
    /// Copying every page and syncing the copy.
    pub(super) const COPY: f64 = 0.3;
    /// `integrity_check` and hashing of every row.
    pub(super) const READ_THROUGH: f64 = 2.0;
    /// Sorting the rows of an index's table and writing the index, by the bytes of the index.
    pub(super) const INDEX: f64 = 2.5;
    /// Syncing what was written.
    pub(super) const WRITE: f64 = 0.5;
}

/// What opening, locking and syncing take however small the file is.
const LEAST_SECONDS: f64 = 0.02;

/// The steps for a database whose inside was read.
pub(super) fn list(plan: &Plan, measures: &Measures, migrates: bool, options: &PlanOptions) -> Vec<PlannedStep> {
    let mut steps = vec![step(
        Step::Own,
        "take the file lock beside the database, then SQLite's write lock",
        vec!["BEGIN IMMEDIATE;\n".into()],
    )];
    if migrates {
        steps.push(step(Step::Preflight, "check permission and room on every file system concerned", Vec::new()));
        steps.push(backup_step(measures, options));
        steps.push(change_step(
            Step::Core,
            "bring tables, columns and indexes to the new version",
            &plan.core,
            measures,
        ));
    }
    for parts in FEATURES {
        let (enabled, pieces) = (options.features.has(parts.feature), plan.of_feature(parts.feature));
        let made = parts.table.map_or("make the analytics indexes".into(), |table| format!("make the table {table}"));
        let does = match (enabled, pieces.is_empty()) {
            (false, _) => "skipped: disabled in config",
            (true, true) => "nothing: it is there already",
            (true, false) => &made,
        };
        let which = Step::of_feature(parts.feature);
        if (migrates && which != Step::FeatureTables) || !pieces.is_empty() {
            steps.push(change_step(which, does, pieces, measures));
        }
    }
    if migrates {
        let does = format!("write the rows 1 to {HEAD_VERSION} of schema_version, with the scripts and the time");
        steps.push(step(Step::Record, &does, Vec::new()));
        steps.push(PlannedStep {
            reads: measures.all_rows(),
            seconds: pass_seconds(measures) * ratio::READ_THROUGH,
            ..step(
                Step::Verification,
                "compare definitions, every row, the user's own objects and the backup; check the integrity",
                vec!["PRAGMA main.integrity_check(100);\n".into()],
            )
        });
    }
    let written = measures.index_bytes() as f64 / measures.probe.bytes_per_second * ratio::WRITE;
    let commit = step(Step::Commit, "make all of it last, at once", vec!["COMMIT;\n".into()]);
    steps.push(PlannedStep { seconds: written + LEAST_SECONDS, ..commit });
    if migrates {
        let does = "switch to the write-ahead log, delete backups beyond their number and age";
        steps.push(step(Step::Tidy, does, vec!["PRAGMA main.journal_mode = WAL;\n".into()]));
    }
    steps
}

/// What all takes: the backup is read through on the other core while this one changes and verifies.
pub(super) fn elapsed_seconds(steps: &[PlannedStep], measures: &Measures, migrates: bool) -> f64 {
    let witness = if migrates { pass_seconds(measures) * ratio::READ_THROUGH } else { 0.0 };
    let (mut beside, mut alone) = (0.0, 0.0);
    for step in steps {
        match step.step {
            Step::Core
            | Step::AnalyticsIndexes
            | Step::DailyUnrealizedPnl
            | Step::FeatureTables
            | Step::Record
            | Step::Verification => beside += step.seconds,
            _ => alone += step.seconds,
        }
    }
    alone + f64::max(beside, witness)
}

/// Plans for an empty file.
pub(super) fn of_fresh(planned: &mut MigrationPlan, features: Features) {
    let mut sql: Vec<String> =
        VERSIONS.iter().map(|version| version.script.map_or(version.schema, |script| script.up).to_owned()).collect();
    sql.extend(features.parts().map(|parts| parts.script.up.to_owned()));
    planned.migration_script = sql[1..].concat();
    let does = format!("make a new database at v{HEAD_VERSION} in the empty file");
    planned.steps = vec![PlannedStep { seconds: LEAST_SECONDS, ..step(Step::Core, &does, sql) }];
    planned.seconds = LEAST_SECONDS;
}

/// Plans for a file that nobody can read before a crash is undone.
pub(super) fn before_recovery(planned: &mut MigrationPlan) {
    planned.steps = vec![step(
        Step::Own,
        "undo the transaction that a crash left half done; then plan by what is there",
        Vec::new(),
    )];
    planned.notices.push(
        "What comes after the crash is undone cannot be told without undoing it, and a plan writes nothing.".into(),
    );
}

/// What readers, writers and a running daemon would notice.
pub(super) fn notices(planned: &MigrationPlan, is_wal: bool, migrates: bool, create_backup: bool) -> Vec<String> {
    let seconds = in_words(planned.seconds);
    let mut notices = vec![if is_wal {
        "Readers go on reading throughout; they see the old version until the commit and the new one after it."
            .to_owned()
    } else {
        "Readers go on reading until the commit, which waits for them to finish; during it they wait for a moment."
            .into()
    }];
    notices
        .push(format!("Writers wait from before the backup to the commit, about {seconds}; most give up as locked."));
    if migrates {
        if !is_wal {
            notices.push(
                "The file is switched to the write-ahead log: a -wal and a -shm lie beside it while it is open.".into(),
            );
        }
        notices.push("Programs of v1 find every table, column and row as it was; what is new is only added.".into());
    }
    if migrates && !create_backup {
        notices.push("No backup is made: the config forbids it.".into());
    }
    notices
}

/// What would make `migrate` refuse, as things are now.
pub(super) fn find_obstacles(planned: &mut MigrationPlan, paths: &Paths, migrates: bool) {
    if let Some(pid) = planned.owner_pid {
        planned.obstacles.push(format!("pid {pid} has the database: stop it first"));
    }
    for forecast in planned.space.iter().filter(|forecast| !forecast.fits()) {
        let missing = forecast.needed_bytes - forecast.free_bytes;
        planned
            .obstacles
            .push(format!("{missing} bytes are missing on the file system of {}", forecast.folder.display()));
    }
    let mut written = vec![paths.database.as_path(), paths.folder()];
    if migrates {
        written.push(existing_folder(&paths.backups));
    }
    written.dedup();
    planned
        .obstacles
        .extend(written.into_iter().filter_map(|path| check_writable(path).err()).map(|error| error.to_string()));
}

fn backup_step(measures: &Measures, options: &PlanOptions) -> PlannedStep {
    if !options.create_backup {
        return step(Step::Backup, "skipped: disabled in config", Vec::new());
    }
    let does = "copy every page to a verified backup, unless one that holds exactly these rows is there already";
    PlannedStep {
        reads: measures.all_rows(),
        seconds: pass_seconds(measures) * ratio::COPY + LEAST_SECONDS,
        ..step(Step::Backup, does, Vec::new())
    }
}

fn change_step(which: Step, does: &str, pieces: &[Piece], measures: &Measures) -> PlannedStep {
    let sql = pieces.iter().filter(|piece| !piece.already_done).map(|piece| piece.up.clone()).collect();
    let reads = measures.reads_of(pieces);
    let made =
        measures.indexes.iter().filter(|index| reads.iter().any(|read| read.index.as_ref() == Some(&index.name)));
    let bytes: u64 = made.map(|index| index.bytes).sum();
    let seconds = bytes as f64 / measures.probe.bytes_per_second * ratio::INDEX;
    PlannedStep { reads, seconds, ..step(which, does, sql) }
}

/// One pass over all of the file at the probe's speed.
fn pass_seconds(measures: &Measures) -> f64 {
    measures.bytes as f64 / measures.probe.bytes_per_second
}

fn step(which: Step, does: &str, sql: Vec<String>) -> PlannedStep {
    PlannedStep { step: which, does: does.to_owned(), sql, reads: Vec::new(), seconds: 0.0 }
}

fn in_words(seconds: f64) -> String {
    if seconds < 1.0 { "less than a second".into() } else { format!("{seconds:.0} s") }
}
