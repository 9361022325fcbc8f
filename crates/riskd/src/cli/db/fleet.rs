//! `riskd db migrate` of many databases: each by itself, several at a time, and a table at the end.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use riskd_store::{DatabaseKind, HEAD_VERSION, Location, MigrateOptions, OpenOutcome};
use serde::Serialize;

use super::migrate::{failure, migrate_options, warn_of_verify_after};
use super::progress::Progress;
use super::{Consent, Context, Database, Exit, Failure, Target};
use crate::cli::{failures, words};
use crate::failure::FailureKind;
use crate::output::Output;

/// How a fleet is migrated.
pub(super) struct Options<'a> {
    pub(super) jobs: NonZeroUsize,
    pub(super) events: bool,
    pub(super) consent: &'a Consent,
}

/// The answer of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// The worst of all.
    exit_code: u8,
    counts: Counts,
    databases: Vec<Entry>,
    duration_ms: u64,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    migrated: usize,
    created: usize,
    features_added: usize,
    current: usize,
    failed: usize,
    not_begun: usize,
}

/// What became of one database.
#[derive(Debug, Serialize)]
struct Entry {
    path: PathBuf,
    exit_code: u8,
    duration_ms: u64,
    #[serde(flatten)]
    end: End,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum End {
    /// What `riskd db migrate PATH --json` answers.
    Done(OpenOutcome),
    Failed(Failure),
    /// Somebody asked to stop before its turn came.
    NotBegun(&'static str),
}

/// The exit codes from the worst to the best: what may be lost or half done before what is merely not ours.
const WORST_FIRST: [FailureKind; 7] = [
    FailureKind::Failed,
    FailureKind::NoSpaceOrPermission,
    FailureKind::InUse,
    FailureKind::NewerDatabase,
    FailureKind::NotOurs,
    FailureKind::Deviations,
    FailureKind::Usage,
];

pub(super) fn run(databases: Vec<PathBuf>, options: &Options<'_>, context: &Context) -> Result<Exit, Failure> {
    let began = Instant::now();
    let target = Target::of(&Database { path: None }, context)?;
    ask(&databases, &target, options, context)?;
    warn_of_verify_after(&target, context);
    let fleet = Fleet {
        migrate: migrate_options(&target)?,
        output: &context.output,
        events: options.events,
        bar: bar(&context.output, databases.len()),
        databases,
        next: AtomicUsize::new(0),
        ended: Mutex::default(),
    };
    let jobs = options.jobs.get().min(fleet.databases.len());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| fleet.work());
        }
    });
    fleet.bar.finish_and_clear();
    let mut entries = fleet.ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let worst = worst(&entries);
    let report = Report {
        exit_code: worst.map_or(0, FailureKind::exit_code),
        counts: counts(&entries),
        databases: entries,
        duration_ms: milliseconds(began.elapsed()),
    };
    context.output.line(table(&report));
    context.output.line(summary(&report));
    context.output.json(&report);
    Ok(worst.map_or(Exit::DONE, Exit::worst))
}

/// One question for all of them.
fn ask(databases: &[PathBuf], target: &Target, options: &Options<'_>, context: &Context) -> Result<(), Failure> {
    let behind = |path: &PathBuf| {
        let status = riskd_store::status(&Location::new(path), target.features);
        status.is_ok_and(|status| matches!(status.kind, DatabaseKind::Behind { .. }))
    };
    let count = databases.iter().filter(|path| behind(path)).count();
    if count == 0 {
        return Ok(());
    }
    let safety = if target.config.wants_backup() {
        "A verified backup of each is made first."
    } else {
        "NO backups are made: the config forbids it."
    };
    let question = format!("Migrate {count} of {} databases to v{HEAD_VERSION}? {safety}", databases.len());
    target.ask(options.consent, context, &question)
}

struct Fleet<'a> {
    databases: Vec<PathBuf>,
    migrate: MigrateOptions,
    output: &'a Output,
    events: bool,
    bar: ProgressBar,
    /// The place of the next database that nobody works on.
    next: AtomicUsize,
    ended: Mutex<Vec<Entry>>,
}

impl Fleet<'_> {
    /// Works on one database after the other until none is left.
    fn work(&self) {
        while let Some(path) = self.databases.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let end = if self.migrate.interrupt.is_set() {
                End::NotBegun("somebody asked to stop before its turn came")
            } else {
                // A mistake of this program over one file is no reason to leave the others.
                catch_unwind(AssertUnwindSafe(|| self.migrate(path))).unwrap_or_else(|_| {
                    let what = "The program made a mistake and gave this database up.";
                    End::Failed(Failure::new(FailureKind::Failed, what).meaning("It is a whole v1 or a whole v2."))
                })
            };
            let exit_code = end.failed().map_or(0, FailureKind::exit_code);
            let entry = Entry { path: path.clone(), exit_code, duration_ms: milliseconds(began.elapsed()), end };
            self.tell(&entry);
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        }
    }

    /// Migrates one. Its backups go to `backups/` beside it, whatever the config says of the configured one: two databases
    /// may have the same name, and their backups must not meet.
    fn migrate(&self, path: &Path) -> End {
        let location = Location::new(path);
        let version = match riskd_store::status(&location, self.migrate.features) {
            Ok(status) => status.version,
            Err(error) => return End::Failed(failures::unchanged(&error)),
        };
        let progress = self.events.then(|| Progress::of_events(self.output, path));
        let observer = |event| match &progress {
            Some(progress) => progress.tell(event),
            None => {
                if let riskd_store::Event::Warning(warning) = event {
                    self.bar.suspend(|| self.output.warn(format!("{}: {warning}", words::path(path))));
                }
            }
        };
        match riskd_store::migrate(&location, &self.migrate, &observer) {
            Ok(outcome) => End::Done(outcome),
            Err(error) => End::Failed(failure(&error, version)),
        }
    }

    /// A line for one that has ended.
    fn tell(&self, entry: &Entry) {
        let (path, text) = (words::path(&entry.path), entry.end.words());
        self.bar.suspend(|| match &entry.end {
            End::Done(OpenOutcome::Current { .. }) | End::NotBegun(_) => self.output.skipped(format!("{path}: {text}")),
            End::Done(_) => self.output.done(format!("{path}: {text} ({} ms)", entry.duration_ms)),
            End::Failed(failure) => {
                self.output.bad(format!("{path}: {text}"));
                if let Some(next) = &failure.next {
                    self.output.line(format!("  Next: {next}"));
                }
            }
        });
        self.bar.inc(1);
    }
}

impl End {
    /// How it failed, if it did.
    fn failed(&self) -> Option<FailureKind> {
        match self {
            Self::Done(_) => None,
            Self::Failed(failure) => Some(failure.kind),
            Self::NotBegun(_) => Some(FailureKind::Failed),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Done(OpenOutcome::Created { .. }) => format!("created, v{HEAD_VERSION}"),
            Self::Done(OpenOutcome::Current { version }) => format!("v{version} (current)"),
            Self::Done(OpenOutcome::FeaturesAdded { version, .. }) => format!("v{version}, features added"),
            Self::Done(OpenOutcome::Migrated(report)) => {
                let backup = match &report.backup {
                    Some(backup) => format!(", backup {}", words::path(&backup.path)),
                    None => String::new(),
                };
                format!("v{} to v{}{backup}", report.from_version, report.to_version)
            }
            Self::Failed(failure) => {
                let meaning = failure.meaning.as_deref().unwrap_or_default();
                format!("{} {meaning}", failure.what).trim_end().to_owned()
            }
            Self::NotBegun(why) => format!("not begun: {why}"),
        }
    }

    /// The word of the table.
    fn word(&self) -> &'static str {
        match self {
            Self::Done(OpenOutcome::Created { .. }) => "created",
            Self::Done(OpenOutcome::Current { .. }) => "current",
            Self::Done(OpenOutcome::FeaturesAdded { .. }) => "features added",
            Self::Done(OpenOutcome::Migrated(_)) => "migrated",
            Self::Failed(_) => "FAILED",
            Self::NotBegun(_) => "not begun",
        }
    }
}

fn worst(entries: &[Entry]) -> Option<FailureKind> {
    WORST_FIRST.into_iter().find(|kind| entries.iter().any(|entry| entry.end.failed() == Some(*kind)))
}

fn counts(entries: &[Entry]) -> Counts {
    let mut counts = Counts::default();
    for entry in entries {
        *match &entry.end {
            End::Done(OpenOutcome::Migrated(_)) => &mut counts.migrated,
            End::Done(OpenOutcome::Created { .. }) => &mut counts.created,
            End::Done(OpenOutcome::FeaturesAdded { .. }) => &mut counts.features_added,
            End::Done(OpenOutcome::Current { .. }) => &mut counts.current,
            End::Failed(_) => &mut counts.failed,
            End::NotBegun(_) => &mut counts.not_begun,
        } += 1;
    }
    counts
}

fn table(report: &Report) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(["Database", "Result", "Exit code", "Time"]);
    for entry in &report.databases {
        table.add_row([
            words::path(&entry.path),
            entry.end.word().to_owned(),
            entry.exit_code.to_string(),
            format!("{} ms", entry.duration_ms),
        ]);
    }
    table
}

fn summary(report: &Report) -> String {
    let Counts { migrated, created, features_added, current, failed, not_begun } = &report.counts;
    let parts = [
        (migrated, "migrated"),
        (created, "created"),
        (features_added, "with features added"),
        (current, "current already"),
        (failed, "FAILED"),
        (not_begun, "not begun"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| **count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let again = if failed + not_begun > 0 { "; run the same command again to do what is left" } else { "" };
    format!("{} databases: {}{again}", report.databases.len(), said.join(", "))
}

fn bar(output: &Output, count: usize) -> ProgressBar {
    if !output.style().progress {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("Databases [{bar:30}] {pos}/{len}, {elapsed} so far, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr_with_hz(10));
    bar.with_style(style)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
