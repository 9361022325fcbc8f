//! `riskd db restore`

use std::path::PathBuf;

use riskd_store::{HEAD_VERSION, RestoreOptions};

use super::progress::Progress;
use super::{Consent, Context, Database, Exit, Failure, Target, backup_named, interrupt};
use crate::cli::failures;

/// Put a backup back in the database's place; the present file is moved aside, and nothing is deleted
///
/// Refuses while anything has the database open. The backup is verified first.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help(EXAMPLES))]
pub(super) struct Args {
    /// The backup: a file, or its name in the folder of backups
    backup: PathBuf,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    consent: Consent,
}

const EXAMPLES: &str = "\
    riskd db restore state_20261122_190000.db
    riskd db restore /mnt/safe/state.db data/state.db";

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let backup = backup_named(&args.backup, &target)?;
    let question =
        format!("Put {} in the place of {}? The present file is moved aside.", backup.display(), target.path());
    target.ask(&args.consent, context, &question)?;
    let options = RestoreOptions { interrupt: interrupt()?, ..RestoreOptions::new(target.clock.clone()) };
    let progress = Progress::new(&context.output);
    let report = riskd_store::restore(&target.location, &backup, &options, &|event| progress.tell(event))
        .map_err(|error| failures::while_restoring(&error, &target.location, target.features))?;
    tell_of_old_version(report.version, context);
    context.output.json(&report);
    Ok(Exit::DONE)
}

/// Whoever goes back to an older version must know that this program does not stay there by itself.
pub(super) fn tell_of_old_version(version: i64, context: &Context) {
    if version < HEAD_VERSION {
        context.output.line(format_args!(
            "  Next: run the program that goes with v{version}; this one migrates the database again at its next \
             start, unless database.schema.auto_migrate is false"
        ));
    }
}
