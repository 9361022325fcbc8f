//! `riskd db backups`

use riskd_store::{BackupInfo, list_backups};
use serde::Serialize;

use super::{Context, Database, Exit, Failure, Target};
use crate::cli::{failures, words};

/// List the backups, newest first, with version, size, age and whether each was verified
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd db backups\nriskd db backups --json"))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
}

/// The answer with `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    directory: String,
    backups: &'a [BackupInfo],
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let backups = list_backups(&target.location).map_err(|error| failures::unchanged(&error))?;
    let directory = target.config.backup.directory.display().to_string();
    if backups.is_empty() {
        context.output.line(format_args!("No backups in {directory}"));
    } else {
        context.output.line(table(&backups, target.clock.now()).trim_fmt());
    }
    context.output.json(&Answer { directory, backups: &backups });
    Ok(Exit::DONE)
}

fn table(backups: &[BackupInfo], now: jiff::Timestamp) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["Backup", "Schema", "Size", "Age", "Verified", "Made"]);
    for backup in backups {
        table.add_row([
            words::path(&backup.path),
            backup.version.map_or_else(|| "unreadable".to_owned(), |version| format!("v{version}")),
            words::size(backup.size_bytes),
            words::ago(backup.created_at, now),
            if backup.verified { "yes" } else { "no" }.to_owned(),
            if backup.before_migration { "before a migration" } else { "by itself" }.to_owned(),
        ]);
    }
    table
}
