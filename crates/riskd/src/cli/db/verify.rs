//! `riskd db verify`

use riskd_store::HEAD_VERSION;

use super::progress::Progress;
use super::{Context, Database, Exit, Failure, Target, interrupt};
use crate::cli::failures;

/// Check version, tables, columns, indexes, recorded scripts and integrity; name each deviation
///
/// Writes nothing, and works beside a running daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd db verify\nriskd db verify /mnt/safe/state.db"))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let progress = Progress::new(&context.output);
    let report =
        riskd_store::verify(&target.location, target.features, &interrupt()?, &|event| progress.tell(event))
            .map_err(|error| failures::unchanged(&error))?;
    progress.line(&report.line());
    context.output.json(&report);
    if let Some(audit) = &report.audit {
        context.output.line(format_args!("  {}", audit.line()));
    }
    if report.is_clean() {
        return Ok(Exit::DONE);
    }
    for deviation in &report.deviations {
        context.output.line(format_args!("  {deviation}"));
    }
    if (1..HEAD_VERSION).contains(&report.version) {
        context.output.line("  Next: run `riskd db migrate`");
    }
    Ok(Exit::DEVIATIONS)
}
