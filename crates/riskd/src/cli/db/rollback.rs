//! `riskd db rollback`

use riskd_store::{RestoreOptions, list_backups};

use super::progress::Progress;
use super::{Consent, Context, Database, Exit, Failure, Target, interrupt};
use crate::cli::failures;

/// Put the newest backup from before a migration back; the present file is moved aside, and nothing is deleted
///
/// What was written since that migration is in the file moved aside, not in the one put back.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd db rollback\nriskd db rollback data/state.db --yes"))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    consent: Consent,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let failed = |error| failures::while_restoring(&error, &target.location, target.features);
    let backups = list_backups(&target.location).map_err(failed)?;
    if backups.iter().any(|backup| backup.before_migration) {
        let question = format!(
            "Put the newest backup from before a migration in the place of {}? What was written since is moved aside.",
            target.path()
        );
        target.ask(&args.consent, context, &question)?;
    }
    let options = RestoreOptions { interrupt: interrupt()?, ..RestoreOptions::new(target.clock.clone()) };
    let progress = Progress::new(&context.output);
    let report =
        riskd_store::rollback(&target.location, &options, &|event| progress.tell(event)).map_err(failed)?;
    super::restore::tell_of_old_version(report.version, context);
    context.output.json(&report);
    Ok(Exit::DONE)
}
