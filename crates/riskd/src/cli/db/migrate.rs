//! `riskd db migrate`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use riskd_store::{DatabaseKind, HEAD_VERSION, MigrateOptions, OpenOutcome, StoreError};

use super::expand::{expand, means_many};
use super::progress::Progress;
use super::{Consent, Context, Database, Exit, Failure, Target, fleet, interrupt};
use crate::cli::failures;
use crate::failure::FailureKind;

/// Bring the database to the current schema: backed up, in one verified transaction, or not at all
///
/// With several paths, a folder or a pattern, each database is migrated by itself, with its own lock and its own backup in
/// `backups/` beside it. One that fails does not stop the rest, and a second run does only what is left. The exit code is
/// that of the worst, in this order: 1, 7, 5, 4, 6, 2, 0.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help(EXAMPLES))]
pub(super) struct Args {
    /// Database files, folders of databases, or patterns [default: database.path of config/database.yaml, or
    /// data/state.db]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How many databases are migrated at the same time [default: as many as there are processors]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// With --json: tell what happens meanwhile too, one JSON object a line, before the answer (docs/progress.md)
    #[arg(long)]
    events: bool,
    #[command(flatten)]
    consent: Consent,
}

const EXAMPLES: &str = "\
    riskd db migrate                  the configured database
    riskd db migrate old/state.db     another one; its backup goes to old/backups/
    riskd db migrate --yes --json     for a script
    riskd db migrate traders --jobs 4      every database in the folder traders and below
    riskd db migrate 'traders/*/state.db'  those that fit the pattern";

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if args.events && !context.output.is_json() {
        return Err(Failure::new(FailureKind::Usage, "--events tells in JSON, and --json was not asked for.")
            .meaning("Nothing was done.")
            .next("add --json, or leave --events out: people are shown progress anyway"));
    }
    if args.paths.len() > 1 || args.paths.iter().any(|path| means_many(path)) {
        let databases = expand(&args.paths).map_err(|error| {
            Failure::new(FailureKind::NoSpaceOrPermission, format!("A folder cannot be read: {error}"))
                .meaning("Nothing was done.")
                .next("check the folder's permissions")
        })?;
        // A folder without databases is what it always was: not a database.
        if args.paths.len() > 1 || !databases.is_empty() {
            return fleet::run(databases, &fleet_options(args), context);
        }
        if !args.paths[0].is_dir() {
            return Err(Failure::new(FailureKind::Usage, format!("No file fits {}.", args.paths[0].display()))
                .meaning("Nothing was done.")
                .next("check the pattern; quote it, so that the shell leaves it alone"));
        }
    }
    run_one(args, context)
}

fn fleet_options(args: &Args) -> fleet::Options<'_> {
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    fleet::Options { jobs, events: args.events, consent: &args.consent }
}

fn run_one(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&Database { path: args.paths.first().cloned() }, context)?;
    let before = riskd_store::status(&target.location, target.features).map_err(|error| failures::unchanged(&error))?;
    if let DatabaseKind::Behind { version } = before.kind {
        let safety = if target.config.wants_backup() {
            "A verified backup is made first."
        } else {
            "NO backup is made: the config forbids it."
        };
        let question = format!("Migrate {} from v{version} to v{HEAD_VERSION}? {safety}", target.path());
        target.ask(&args.consent, context, &question)?;
    }
    warn_of_verify_after(&target, context);
    let options = migrate_options(&target)?;
    let progress = if args.events {
        Progress::of_events(&context.output, target.location.database())
    } else {
        Progress::new(&context.output)
    };
    let outcome = riskd_store::migrate(&target.location, &options, &|event| progress.tell(event));
    let outcome = outcome.map_err(|error| failure(&error, before.version))?;
    match &outcome {
        OpenOutcome::Created { .. } => {
            progress.line(&format!("✓ Database created: {} (schema v{HEAD_VERSION})", target.path()));
        }
        OpenOutcome::Current { version } => progress.line(&format!("✓ Database schema v{version} (current)")),
        OpenOutcome::FeaturesAdded { lines, .. } => lines.iter().for_each(|line| progress.line(line)),
        OpenOutcome::Migrated(report) => report.steps.iter().for_each(|step| progress.line(&step.line)),
    }
    context.output.json(&outcome);
    Ok(Exit::DONE)
}

/// What the config says about how to migrate; Ctrl-C and SIGTERM interrupt.
pub(super) fn migrate_options(target: &Target) -> Result<MigrateOptions, Failure> {
    Ok(MigrateOptions {
        interrupt: interrupt()?,
        features: target.features,
        create_backup: target.config.wants_backup(),
        retention: target.config.backup_retention(),
        ..MigrateOptions::new(target.clock.clone())
    })
}

pub(super) fn warn_of_verify_after(target: &Target, context: &Context) {
    if !target.config.migration.verify_after {
        context.output.warn("verify_after is false in the config, but a migration is always verified before it counts");
    }
}

/// Says of every failure in what state the file is, and whether there is a backup.
pub(super) fn failure(error: &StoreError, version: Option<i64>) -> Failure {
    let failure = failures::unchanged(error);
    match (error, version) {
        (StoreError::MigrationFailed(_) | StoreError::NotFound { .. }, _) | (_, None) => failure,
        (_, Some(version)) => failure.meaning(format!("The database is unchanged, still v{version}. No backup was made.")),
    }
}
