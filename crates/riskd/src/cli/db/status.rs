//! `riskd db status`

use riskd_store::{BackupInfo, DatabaseKind, HEAD_VERSION, Status, StoreError, VersionRow};

use super::{Context, Database, Exit, Failure, Target};
use crate::cli::{failures, words};
use crate::output::Output;

/// Show version, history, pending steps, size, journal mode and the last backup
///
/// Writes nothing, and works beside a running daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd db status\nriskd db status data/state.db --json"))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let status =
        riskd_store::status(&target.location, target.features).map_err(|error| failures::unchanged(&error))?;
    context.output.json(&status);
    refuse(&status)?;
    show(&status, &context.output, target.clock.now());
    Ok(Exit::DONE)
}

/// What is no database of ours, or none that this program can use, is a failure with its own exit code.
fn refuse(status: &Status) -> Result<(), Failure> {
    let path = status.path.clone();
    let error = match &status.kind {
        DatabaseKind::Missing => StoreError::NotFound { path },
        DatabaseKind::Newer { version } => StoreError::Newer { path, found: *version },
        DatabaseKind::Foreign { reason } => StoreError::NotOurs { path, reason: reason.clone() },
        DatabaseKind::Damaged { reason } => StoreError::Damaged { path, findings: vec![reason.clone()] },
        DatabaseKind::Fresh
        | DatabaseKind::Current { .. }
        | DatabaseKind::Behind { .. }
        | DatabaseKind::NeedsRecovery => return Ok(()),
    };
    Err(failures::unchanged(&error))
}

fn show(status: &Status, output: &Output, now: jiff::Timestamp) {
    let say = |name: &str, value: String| output.line(format_args!("{name:<13} {value}"));
    say("Database", words::path(&status.path));
    say("Schema", schema(&status.kind));
    let wal = if status.wal_bytes > 0 { format!(" + {} not merged yet", words::size(status.wal_bytes)) } else { String::new() };
    say("Size", format!("{}{wal}", words::size(status.size_bytes)));
    say("Journal mode", status.journal_mode.clone().unwrap_or_else(|| "unknown".to_owned()));
    say("In use by", status.owner_pid.map_or_else(|| "nobody".to_owned(), |pid| format!("pid {pid}")));
    say("Last backup", status.last_backup.as_ref().map_or_else(|| "none".to_owned(), |backup| last(backup, now)));
    say("Backups in", words::path(&status.backup_directory));
    // A file that lacks much has many: a line each.
    let mut pending = status.pending.iter();
    say("Pending", pending.next().cloned().unwrap_or_else(|| "nothing".to_owned()));
    pending.for_each(|step| say("", step.clone()));
    if !status.history.is_empty() {
        output.line("History");
    }
    for row in &status.history {
        history(row, output);
    }
}

fn schema(kind: &DatabaseKind) -> String {
    match kind {
        DatabaseKind::Current { version } => format!("v{version} (current)"),
        DatabaseKind::Behind { version } => format!("v{version}, behind v{HEAD_VERSION}: run `riskd db migrate`"),
        DatabaseKind::Newer { version } => format!("v{version}, newer than this program (v{HEAD_VERSION})"),
        DatabaseKind::Missing => "no file".to_owned(),
        DatabaseKind::Fresh => "empty: the first start makes it".to_owned(),
        DatabaseKind::Foreign { reason } | DatabaseKind::Damaged { reason } => reason.clone(),
        DatabaseKind::NeedsRecovery => "unknown until a crash is undone: run `riskd db migrate`".to_owned(),
    }
}

fn last(backup: &BackupInfo, now: jiff::Timestamp) -> String {
    let version = backup.version.map_or_else(|| "unreadable".to_owned(), |version| format!("v{version}"));
    let verified = if backup.verified { "verified" } else { "not verified" };
    let (size, age) = (words::size(backup.size_bytes), words::ago(backup.created_at, now));
    format!("{} ({version}, {size}, {verified}, {age})", words::path(&backup.path))
}

fn history(row: &VersionRow, output: &Output) {
    let took = row.execution_time_ms.map(|milliseconds| format!(" ({milliseconds} ms)")).unwrap_or_default();
    let VersionRow { version, applied_at, description, .. } = row;
    let line = format!("v{version}  {applied_at}  {description}{took}");
    match &row.error_message {
        None if row.success => output.line(format_args!("  ✓ {line}")),
        error => output.line(format_args!("  ✗ {line}: {}", error.as_deref().unwrap_or("it failed"))),
    }
}
