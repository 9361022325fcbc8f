//! One attempt to migrate a database that this process owns.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::Gauge;
use super::change::{feature_line, run_pieces, run_settings, unexpected_changes, use_write_ahead_log};
use super::gauge::{check_work, index_work, report};
use super::{Attempt, Ending, MigrateOptions, MigrationReport, OpenOutcome, Plan, Step, StepReport};
use crate::backup::{
    BackupInfo, Copy, Found, base_name, created_line, examine, examine_and_count, examine_open, info_of, list,
    proof_of, prove, prune, size_of_wal, write_down,
};
use crate::connection::{Database, Mode};
use crate::content::{Contents, check_readable, contents, contents_and_integrity, differences, digest};
use crate::context::{Event, Interrupt, Observer};
use crate::error::{EngineErrorKind, StoreError};
use crate::files::{Need, check_space, check_writable, existing_folder, make_folder, sync_folder};
use crate::location::Paths;
use crate::open::{DatabaseKind, classify, refuse};
use crate::schema::{
    FEATURES, HEAD_VERSION, Inventory, VERSIONS, VersionRow, VersionTable, applied_at, compare, expected_of,
    insert_baseline, record,
};
use crate::space::Needs;

/// Migrates. The caller holds the file lock.
pub(super) fn migrate_owned(
    paths: &Paths,
    options: &MigrateOptions,
    observer: Observer<'_>,
) -> Result<OpenOutcome, StoreError> {
    let mut run = Run::new(paths, options, observer);
    match run.attempt() {
        Ok(true) => Ok(OpenOutcome::Migrated(run.finish())),
        Ok(false) => Ok(OpenOutcome::Current { version: HEAD_VERSION }),
        Err(error) => Err(run.fail(error)),
    }
}

/// An attempt: what it works on, and how far it has come.
pub(super) struct Run<'a> {
    pub(super) paths: &'a Paths,
    pub(super) options: &'a MigrateOptions,
    observer: Observer<'a>,
    pub(super) started: Timestamp,
    pub(super) step: Step,
    step_started: Timestamp,
    pub(super) database: Option<Database>,
    /// Counts what runs on the database.
    gauge: Gauge,
    /// Known once the database is ours and its version is read under SQLite's lock.
    pub(super) from_version: Option<i64>,
    /// Made and not proved yet.
    pub(super) copy: Option<Copy>,
    pub(super) backup: Option<BackupInfo>,
    /// The version table as it was found.
    versions: VersionTable,
    steps: Vec<StepReport>,
    mended: Vec<String>,
    warnings: Vec<String>,
}

/// What the other core reads while this one changes.
enum Witness {
    /// A copy of the database, or a backup that is proved again.
    File(PathBuf),
    /// The database as it was, through a reader's snapshot.
    Snapshot(Database),
}

impl<'a> Run<'a> {
    fn new(paths: &'a Paths, options: &'a MigrateOptions, observer: Observer<'a>) -> Self {
        let started = options.clock.now();
        Self {
            paths,
            options,
            observer,
            started,
            step: Step::Own,
            step_started: started,
            database: None,
            gauge: Gauge::default(),
            from_version: None,
            copy: None,
            backup: None,
            versions: VersionTable::Absent,
            steps: Vec::new(),
            mended: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns false when somebody else brought the database to head meanwhile.
    fn attempt(&mut self) -> Result<bool, StoreError> {
        self.begin(Step::Own);
        let Some((before, versions)) = self.own()? else { return Ok(false) };
        self.end()?;
        self.begin(Step::Preflight);
        let plan = Plan::to_head(&before, &versions, self.options.features)?;
        self.versions = versions;
        self.make_room();
        self.preflight()?;
        self.end()?;
        self.begin(Step::Backup);
        let witness = self.back_up(&before)?;
        self.end()?;
        self.change_and_prove(&before, &plan, witness)?;
        self.begin(Step::Commit);
        self.options.interrupt.check()?;
        let database = self.database.as_mut().expect("opened by own");
        database.stop_on_nothing()?;
        if let Err(error) = commit(database, self.paths) {
            self.is_committed_nevertheless(error)?;
        }
        self.report_steps();
        Ok(true)
    }

    /// The disk may fail after the transaction has become part of the file, such as when a lock is given back. Then the
    /// new version is what every reader sees, and saying that nothing changed would be wrong.
    fn is_committed_nevertheless(&mut self, error: StoreError) -> Result<(), StoreError> {
        let database = self.database();
        let version = || VersionTable::read(database, &Inventory::read(database)?).map(|versions| versions.version());
        if !database.is_autocommit() || version().ok() != Some(HEAD_VERSION) {
            return Err(error);
        }
        self.warn(format!("the new version is in the file, although the disk reported a failure: {error}"));
        Ok(())
    }

    /// Opens the database, which recovers what a crash left, and takes SQLite's write lock.
    fn own(&mut self) -> Result<Option<(Inventory, VersionTable)>, StoreError> {
        let mut database = Database::open(&self.paths.database, Mode::ReadWrite)?;
        run_settings(&database)?;
        database.stop_on_and_count(&self.options.interrupt, &self.gauge)?;
        begin_immediate(&database, self.paths, &self.options.interrupt)?;
        let inventory = Inventory::read(&database)?;
        let versions = VersionTable::read(&database, &inventory)?;
        let kind = classify(&inventory, &versions)?;
        self.database = Some(database);
        match kind {
            DatabaseKind::Behind { version } => {
                self.from_version = Some(version);
                Ok(Some((inventory, versions)))
            }
            DatabaseKind::Current { .. } => Ok(None),
            kind => {
                refuse(&kind, &self.paths.database)?;
                Err(StoreError::StepFailed("the database was emptied meanwhile".into()))
            }
        }
    }

    /// Takes away old backups and what dead attempts left half written: a program that dies at every start, before it
    /// comes to tidying up, must not fill the disk.
    fn make_room(&mut self) {
        if let Err(error) = prune(self.paths, self.options.retention, self.started, self.observer) {
            self.warn(error.to_string());
        }
    }

    /// Whether there is room and permission for all that follows.
    fn preflight(&self) -> Result<(), StoreError> {
        let database = self.database();
        check_readable(database)?;
        let pages: u64 = database.pragma::<i64>("page_count")?.unsigned_abs();
        let bytes = pages * database.pragma::<i64>("page_size")?.unsigned_abs() + size_of_wal(self.paths);
        let needs = Needs::of(self.paths, bytes, self.options.create_backup);
        let needs: Vec<Need<'_>> = needs.list().collect();
        check_space(&needs, &self.options.faults)?;
        check_writable(existing_folder(&self.paths.backups))?;
        make_folder(&self.paths.backups)?;
        check_writable(&self.paths.backups)
    }

    /// Copies the snapshot, or finds the backup of an attempt before this one that still holds it.
    fn back_up(&mut self, before: &Inventory) -> Result<Witness, StoreError> {
        let mut reader = Database::open(&self.paths.database, Mode::ReadOnly)?;
        reader.stop_on(&self.options.interrupt)?;
        // The write lock is ours: what the reader sees first is what it will be until we commit.
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM main.sqlite_schema;")
            .map_err(StoreError::sqlite("begin to read"))?;
        if !self.options.create_backup {
            self.warn("no backup is made (disabled in config)".into());
            return Ok(Witness::Snapshot(reader));
        }
        if let Some(backup) = self.reusable_backup(&reader, before)? {
            let path = backup.path.clone();
            self.backup = Some(backup);
            return Ok(Witness::File(path));
        }
        let base = base_name(self.paths, self.started, true);
        let folder = &self.paths.backups;
        let copy = Copy::make(&reader, folder, &base, Step::Backup, &self.options.interrupt, self.observer)?;
        let path = copy.path().to_owned();
        self.copy = Some(copy);
        Ok(Witness::File(path))
    }

    /// The newest proved backup from before a migration, if it holds exactly what the database holds now.
    fn reusable_backup(&self, reader: &Database, before: &Inventory) -> Result<Option<BackupInfo>, StoreError> {
        let Some(candidate) = list(self.paths)?
            .into_iter()
            .find(|backup| backup.before_migration && backup.verified && backup.version == self.from_version)
        else {
            return Ok(None);
        };
        let Some(proof) = proof_of(self.paths, &candidate.path) else { return Ok(None) };
        let still_holds = || -> Result<bool, StoreError> {
            if digest(&contents(reader, before, &|_| ())?, before) != proof.digest {
                return Ok(false);
            }
            // The file itself may have gone bad since.
            let found = examine(&candidate.path, &self.options.interrupt, &|_| ())?;
            Ok(found.integrity.is_empty() && digest(&found.contents, &found.inventory) == proof.digest)
        };
        match still_holds() {
            Ok(holds) => Ok(holds.then_some(candidate)),
            Err(error) if error.is_interrupt() => Err(error),
            // What cannot be read through is not reused; a damaged database is for the integrity check to report.
            Err(_) => Ok(None),
        }
    }

    /// Changes everything on this core while the other reads the witness through; then compares the two.
    fn change_and_prove(&mut self, before: &Inventory, plan: &Plan, witness: Witness) -> Result<(), StoreError> {
        let interrupt = self.options.interrupt.clone();
        // What runs here is told of; once that is done, what the other core still has to read.
        let examiner = Gauge::default();
        examiner.begin(Step::Verification, check_work(self.database(), before));
        let gauges = vec![self.gauge.clone(), examiner.clone()];
        let (changed, found) = std::thread::scope(|scope| {
            let _until_done = report(scope, gauges, self.observer);
            let reading = scope.spawn(move || match witness {
                Witness::File(path) => examine_and_count(&path, &interrupt, &examiner),
                Witness::Snapshot(mut reader) => {
                    reader.stop_on_and_count(&interrupt, &examiner)?;
                    examine_open(&reader, &|_| ())
                }
            });
            let changed = self.change(before, plan);
            self.gauge.end();
            (changed, reading.join().expect("the examiner does not panic"))
        });
        if let Ok(Found { integrity, .. }) = &found
            && !integrity.is_empty()
        {
            // The copy has the pages of the database, so what is wrong with it is wrong with the database.
            self.step = Step::Preflight;
            self.copy = None;
            return Err(StoreError::Damaged { path: self.paths.database.clone(), findings: integrity.clone() });
        }
        let after = changed?;
        let found = found.inspect_err(|_| self.step = Step::Backup)?;
        self.prove_unchanged(before, &after, &found)?;
        if let Some(copy) = self.copy.take() {
            self.publish(copy, &found)?;
        }
        self.end()
    }

    /// Runs every piece, records the version, and checks the outcome. Returns the rows that are there now.
    fn change(&mut self, before: &Inventory, plan: &Plan) -> Result<Contents, StoreError> {
        let change_started = self.options.clock.now();
        self.begin(Step::Core);
        self.gauge.begin(Step::Core, index_work(self.database(), before, &plan.core));
        run_pieces(self.database(), plan.core_step())?;
        self.end_with(|duration_ms| format!("✓ Core migration successful ({duration_ms}ms)"))?;

        for parts in FEATURES {
            let (step, pieces) = (Step::of_feature(parts.feature), plan.of_feature(parts.feature));
            if step == Step::FeatureTables && pieces.is_empty() {
                continue;
            }
            self.begin(step);
            self.gauge.begin(step, index_work(self.database(), before, pieces));
            run_pieces(self.database(), pieces)?;
            self.end_with(feature_line(parts.name, self.options.features.has(parts.feature), pieces))?;
        }

        self.begin(Step::Record);
        self.record(plan, change_started)?;
        self.end()?;

        self.begin(Step::Verification);
        self.gauge.begin(Step::Verification, check_work(self.database(), before));
        self.mended = plan.pieces().filter_map(|piece| piece.mends.clone()).collect();
        self.check_definitions(before)?;
        // Not before: a sorter that keeps much in memory is the slower one.
        self.database().use_large_cache().map_err(StoreError::sqlite("prepare the connection"))?;
        let (after, findings) = contents_and_integrity(self.database(), before)?;
        if findings.is_empty() { Ok(after) } else { Err(StoreError::Deviates { deviations: findings }) }
    }

    fn record(&self, plan: &Plan, change_started: Timestamp) -> Result<(), StoreError> {
        let clock = &self.options.clock;
        let at = applied_at(clock.now());
        insert_baseline(self.database(), &at, None).map_err(StoreError::sqlite("record the baseline"))?;
        let first = self.from_version.unwrap_or(1) + 1;
        for version in VERSIONS.iter().filter(|version| version.number >= first) {
            let row = VersionRow {
                version: version.number,
                applied_at: at.clone(),
                description: version.description.into(),
                migration_script: Some(plan.migration_script(version.number, first)),
                rollback_script: Some(plan.rollback_script(version.number, first)),
                execution_time_ms: Some(clock.ms_since(change_started)),
                success: true,
                error_message: None,
            };
            let changed = record(self.database(), &row).map_err(StoreError::sqlite("record the version"))?;
            if !changed {
                return Err(StoreError::StepFailed(format!("v{} is applied already", version.number)));
            }
        }
        Ok(())
    }

    /// Definitions against what they must be; the user's own, and the history, against what they were.
    fn check_definitions(&self, before: &Inventory) -> Result<(), StoreError> {
        let database = self.database();
        let after = Inventory::read(database)?;
        let expected = expected_of(HEAD_VERSION, self.options.features);
        let mut deviations: Vec<String> = compare(&expected, &after).iter().map(ToString::to_string).collect();
        deviations.extend(unexpected_changes(before, &after, &expected));
        let versions = VersionTable::read(database, &after)?;
        if versions.version() != HEAD_VERSION {
            deviations.push(format!("the version reads as {}, expected {HEAD_VERSION}", versions.version()));
        }
        if !versions.rows().iter().any(|row| row.version == 1 && row.success) {
            deviations.push("the row of the baseline is missing".into());
        }
        if deviations.is_empty() { Ok(()) } else { Err(StoreError::Deviates { deviations }) }
    }

    /// The rows now against those of the witness. Where they differ, the source itself says which of the two is wrong.
    fn prove_unchanged(&self, before: &Inventory, after: &Contents, found: &Found) -> Result<(), StoreError> {
        let backup = self.copy.as_ref().map(|copy| copy.path().to_owned());
        let backup = backup.or_else(|| self.backup.as_ref().map(|backup| backup.path.clone()));
        // A backup of an attempt before this one does not have the row of that attempt's failure.
        let versions = self.copy.as_ref().map(|_| &self.versions);
        let lost = differences(&found.contents, after);
        if let Some(backup) = &backup {
            if lost.is_empty() {
                return prove(backup, found, before, after, versions);
            }
            let _ = self.database().execute_batch("ROLLBACK");
            prove(backup, found, before, &contents(self.database(), before, &|_| ())?, versions)?;
        }
        if lost.is_empty() { Ok(()) } else { Err(StoreError::Deviates { deviations: lost }) }
    }

    /// Gives the proved copy its name and tells of it.
    pub(super) fn publish(&mut self, copy: Copy, found: &Found) -> Result<(), StoreError> {
        let path = copy.publish(&self.paths.backups, &base_name(self.paths, self.started, true))?;
        write_down(self.paths, &path, found, applied_at(self.options.clock.now()))?;
        self.backup = Some(info_of(&path, found, self.started, true)?);
        Ok(())
    }

    /// Tells the lines of the steps, in the order of the user's document: only now are they true.
    fn report_steps(&mut self) {
        let line = match &self.backup {
            Some(backup) => created_line(backup),
            None => "⊘ Backup skipped (disabled in config)".to_owned(),
        };
        for step in &mut self.steps {
            if step.step == Step::Backup {
                step.line.clone_from(&line);
            }
        }
        self.steps.retain(|step| !step.line.is_empty());
        for StepReport { step, line, duration_ms } in &self.steps {
            (self.observer)(Event::StepDone { step: *step, line: line.clone(), duration_ms: *duration_ms });
        }
        for mended in &self.mended {
            (self.observer)(Event::Mended(mended.clone()));
        }
    }

    /// What is left to do after the commit; none of it can undo the migration.
    fn finish(mut self) -> MigrationReport {
        self.begin(Step::Tidy);
        if let Some(database) = self.database.take()
            && let Err(error) = use_write_ahead_log(&database)
        {
            self.warn(format!("the database keeps its journal mode: {error}"));
        }
        let now = self.options.clock.now();
        let tidied = [
            sync_folder(self.paths.folder()),
            prune(self.paths, self.options.retention, now, self.observer),
            super::write_attempt(self.paths, &self.line(Ending::Succeeded, None)),
        ];
        for error in tidied.into_iter().filter_map(Result::err) {
            self.warn(error.to_string());
        }
        MigrationReport {
            path: self.paths.database.clone(),
            from_version: self.from_version.unwrap_or(1),
            to_version: HEAD_VERSION,
            duration_ms: self.options.clock.ms_since(self.started),
            steps: self.steps,
            backup: self.backup,
            mended: self.mended,
            warnings: self.warnings,
        }
    }

    /// The line of this attempt for `migrations.jsonl`.
    pub(super) fn line(&self, ending: Ending, error: Option<&StoreError>) -> Attempt {
        let clock = &self.options.clock;
        Attempt {
            at: applied_at(clock.now()),
            database: super::in_words(&self.paths.database),
            trigger: self.options.trigger,
            from_version: self.from_version.unwrap_or(1),
            to_version: HEAD_VERSION,
            ending,
            step: error.map(|_| self.step),
            code: error.map(|error| error.code().to_owned()),
            error: error.map(ToString::to_string),
            backup: self.backup.as_ref().map(|backup| super::in_words(&backup.path)),
            duration_ms: clock.ms_since(self.started),
            pid: std::process::id(),
        }
    }

    pub(super) fn database(&self) -> &Database {
        self.database.as_ref().expect("opened by own")
    }

    fn begin(&mut self, step: Step) {
        self.step = step;
        self.step_started = self.options.clock.now();
        (self.observer)(Event::StepStarted(step));
    }

    /// Ends a step that prints nothing, or whose line is fixed.
    fn end(&mut self) -> Result<(), StoreError> {
        let line = if self.step == Step::Verification { "✓ Migration verification successful" } else { "" };
        self.end_with(|_| line.to_owned())
    }

    fn end_with(&mut self, line: impl FnOnce(i64) -> String) -> Result<(), StoreError> {
        let duration_ms = self.options.clock.ms_since(self.step_started);
        self.steps.push(StepReport { step: self.step, line: line(duration_ms), duration_ms });
        self.options.interrupt.check()?;
        match &self.options.faults.after_step {
            Some(fault) => fault(self.step).map_err(StoreError::StepFailed),
            None => Ok(()),
        }
    }

    fn warn(&mut self, warning: String) {
        (self.observer)(Event::Warning(warning.clone()));
        self.warnings.push(warning);
    }
}

/// Takes SQLite's write lock, waiting a few seconds for whoever has it.
pub(crate) fn begin_immediate(database: &Database, paths: &Paths, interrupt: &Interrupt) -> Result<(), StoreError> {
    // Each try waits for a quarter of a second, so that an interrupt is seen.
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        interrupt.check()?;
        match database.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::sqlite("take the write lock")) {
            Err(error) if is_busy(&error) => {}
            other => return other,
        }
    }
    Err(StoreError::InUse { path: paths.database.clone(), pid: None })
}

/// Commits, waiting a few seconds for readers that are in the way.
pub(crate) fn commit(database: &Database, paths: &Paths) -> Result<(), StoreError> {
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        match database.execute_batch("COMMIT").map_err(StoreError::sqlite("commit")) {
            // The busy time-out does not cover every way of being busy.
            Err(error) if is_busy(&error) => std::thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    Err(StoreError::InUse { path: Path::to_owned(&paths.database), pid: None })
}

fn is_busy(error: &StoreError) -> bool {
    matches!(error, StoreError::Sqlite { source, .. } if source.kind == EngineErrorKind::Busy)
}
