//! `riskd db backup`

use std::path::PathBuf;

use riskd_store::BackupOptions;

use super::progress::Progress;
use super::{Context, Database, Exit, Failure, Target, interrupt};
use crate::cli::failures;
use crate::failure::FailureKind;

/// Make a verified backup, also while the daemon is at work
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd db backup\nriskd db backup --to /mnt/safe/state.db"))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    /// Write to this file, which must not exist, instead of the folder of backups
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    if let Some(to) = args.to.as_ref().filter(|to| to.exists()) {
        return Err(Failure::new(FailureKind::Usage, format!("{} is there already.", to.display()))
            .meaning("Nothing was written: a backup never takes the place of a file.")
            .next("name another file with --to"));
    }
    let options = BackupOptions {
        interrupt: interrupt()?,
        to: args.to,
        retention: target.config.backup_retention(),
        ..BackupOptions::new(target.clock.clone())
    };
    let progress = Progress::new(&context.output);
    let backup = riskd_store::backup(&target.location, &options, &|event| progress.tell(event))
        .map_err(|error| failures::unchanged(&error))?;
    context.output.json(&backup);
    Ok(Exit::DONE)
}
