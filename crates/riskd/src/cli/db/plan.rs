//! `riskd db plan`

use riskd_store::{DatabaseKind, MigrationPlan, PlanOptions, PlannedStep, RowsRead, SpaceForecast, SpacePurpose};

use super::{Context, Database, Exit, Failure, Target, interrupt};
use crate::cli::{failures, words};
use crate::output::Output;

/// Show the exact SQL and steps of a migration, the rows it reads, the room and the time it takes
///
/// Writes nothing, not one byte, and works beside a running daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd db plan\nriskd db plan old/state.db --json"))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let options = PlanOptions {
        interrupt: interrupt()?,
        features: target.features,
        create_backup: target.config.wants_backup(),
        ..PlanOptions::new(target.clock.clone())
    };
    let plan = riskd_store::plan(&target.location, &options).map_err(|error| failures::unchanged(&error))?;
    context.output.json(&plan);
    show(&plan, &context.output);
    Ok(Exit::DONE)
}

fn show(plan: &MigrationPlan, output: &Output) {
    let path = words::path(&plan.path);
    if plan.is_empty() && plan.obstacles.is_empty() {
        output.line(format_args!("{path}: schema v{} (current), nothing to do", plan.to_version));
        return;
    }
    output.line(match (&plan.kind, plan.from_version) {
        (DatabaseKind::Current { version }, _) => format!("{path}: schema v{version}, features to add"),
        (_, Some(version)) => format!("{path}: schema v{version} to v{}", plan.to_version),
        (DatabaseKind::NeedsRecovery, None) => format!("{path}: unknown until a crash is undone"),
        (_, None) => format!("{path}: empty, to v{}", plan.to_version),
    });
    for (number, step) in (1..).zip(&plan.steps) {
        show_step(number, step, output);
    }
    for mend in &plan.mends {
        output.line(format_args!("Mends: {mend}"));
    }
    if !plan.steps.is_empty() {
        show_costs(plan, output);
    }
    for notice in &plan.notices {
        output.line(format_args!("Notice: {notice}"));
    }
    for obstacle in &plan.obstacles {
        output.bad(format_args!("As things are now `riskd db migrate` refuses: {}", words::shortened(obstacle)));
    }
    output.line("Nothing was written.");
}

fn show_step(number: usize, step: &PlannedStep, output: &Output) {
    let time = if step.seconds > 0.0 { format!(" ({})", seconds(step.seconds)) } else { String::new() };
    output.line(format_args!("{number}. {}: {}{time}", step.step, step.does));
    for line in step.sql.iter().flat_map(|sql| sql.lines()) {
        output.line(format_args!("     {line}"));
    }
    let (for_indexes, all): (Vec<_>, Vec<_>) = step.reads.iter().partition(|read| read.index.is_some());
    for RowsRead { table, index, rows, counted } in for_indexes {
        let about = if *counted { "" } else { "about " };
        let index = index.as_deref().unwrap_or_default();
        output.line(format_args!("   reads {about}{rows} rows of {table} for {index}"));
    }
    if !all.is_empty() {
        let rows: u64 = all.iter().map(|read| read.rows).sum();
        let about = if all.iter().all(|read| read.counted) { "" } else { "about " };
        output.line(format_args!("   reads {about}{rows} rows of {}", words::count(all.len(), "table")));
    }
}

fn show_costs(plan: &MigrationPlan, output: &Output) {
    for SpaceForecast { folder, parts, needed_bytes, free_bytes, .. } in &plan.space {
        let parts: Vec<String> = parts
            .iter()
            .filter(|part| part.bytes > 0)
            .map(|part| format!("{} {}", purpose(part.purpose), words::size(part.bytes)))
            .collect();
        let (needed, free) = (words::size(*needed_bytes), words::size(*free_bytes));
        let folder = words::path(folder);
        output.line(format_args!("Room on the file system of {folder}: {needed} needed, {free} free ({})", parts.join(", ")));
    }
    let speed = plan.probe.as_ref().map(|probe| {
        let speed = words::size(probe.bytes_per_second as u64);
        if probe.measured { format!(", at {speed} a second as just measured") } else { ", too small to measure".into() }
    });
    output.line(format_args!("Time: about {}{}", seconds(plan.seconds), speed.unwrap_or_default()));
}

fn purpose(purpose: SpacePurpose) -> &'static str {
    match purpose {
        SpacePurpose::Backup => "backup",
        SpacePurpose::WriteAheadLog => "write-ahead log",
        SpacePurpose::RollbackJournal => "rollback journal",
        SpacePurpose::NewIndexes => "new tables and indexes",
        SpacePurpose::SorterFiles => "sorter files",
    }
}

fn seconds(seconds: f64) -> String {
    match seconds {
        0.0..0.1 => "under 0.1 s".to_owned(),
        0.1..10.0 => format!("{seconds:.1} s"),
        _ => words::span(jiff::SignedDuration::from_secs(seconds.ceil() as i64)),
    }
}
