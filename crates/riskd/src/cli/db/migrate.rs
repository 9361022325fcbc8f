//! `riskd db migrate`

use riskd_store::{DatabaseKind, HEAD_VERSION, MigrateOptions, OpenOutcome, StoreError};

use super::progress::Progress;
use super::{Consent, Context, Database, Exit, Failure, Target, interrupt};
use crate::cli::failures;

/// Bring the database to the current schema: backed up, in one verified transaction, or not at all
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help(EXAMPLES))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    consent: Consent,
}

const EXAMPLES: &str = "\
    riskd db migrate                  the configured database
    riskd db migrate old/state.db     another one; its backup goes to old/backups/
    riskd db migrate --yes --json     for a script";

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
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
    if !target.config.migration.verify_after {
        context.output.warn("verify_after is false in the config, but a migration is always verified before it counts");
    }
    let options = MigrateOptions {
        interrupt: interrupt()?,
        features: target.features,
        create_backup: target.config.wants_backup(),
        retention: target.backup_retention(),
        ..MigrateOptions::new(target.clock.clone())
    };
    let progress = Progress::new(&context.output);
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

/// Says of every failure in what state the file is, and whether there is a backup.
fn failure(error: &StoreError, version: Option<i64>) -> Failure {
    let failure = failures::unchanged(error);
    match (error, version) {
        (StoreError::MigrationFailed(_) | StoreError::NotFound { .. }, _) | (_, None) => failure,
        (_, Some(version)) => failure.meaning(format!("The database is unchanged, still v{version}. No backup was made.")),
    }
}
