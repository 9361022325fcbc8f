//! `riskd db doctor`

use riskd_store::{DoctorOptions, DoctorReport, TimeColumn, TimeForm};

use super::progress::Progress;
use super::{Consent, Context, Database, Exit, Failure, Target, interrupt};
use crate::cli::{failures, words};
use crate::config::{ApiKeySource, GatewayConfig};
use crate::daemon::negative_price_roots;
use crate::failure::FailureKind;
use crate::output::Output;

/// Find what is wrong with the database and around it; say the mend, and do it only with --fix
///
/// Without --fix it writes nothing, and works beside a running daemon. With --fix it refuses while anything has the
/// database open, makes a verified backup first, and changes only what has one right form. Every finding has a code,
/// explained in docs/doctor.md. Exit code 3 while findings remain.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help(EXAMPLES))]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    /// Mend what can be mended safely, behind a verified backup
    #[arg(long)]
    fix: bool,
    /// With --fix: rewrite times without a zone too. Only you can know that they are UTC
    #[arg(long, requires = "fix")]
    naive_times_are_utc: bool,
    #[command(flatten)]
    consent: Consent,
}

const EXAMPLES: &str = "\
    riskd db doctor                    what is wrong, and what to do about it
    riskd db doctor --fix              mend it, behind a verified backup
    riskd db doctor old/state.db --fix --yes --json";

/// More findings of one code than this are counted, not listed; `--json` has them all.
const MOST_LISTED: usize = 20;

pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let target = Target::of(&args.database, context)?;
    let gateway = GatewayConfig::load(&context.config)?;
    let key_file = gateway.and_then(|gateway| match gateway.api_key {
        ApiKeySource::File(file) => Some(file),
        ApiKeySource::Environment(_) | ApiKeySource::Default => None,
    });
    let options = DoctorOptions {
        interrupt: interrupt()?,
        features: target.features,
        private_files: key_file.into_iter().collect(),
        negative_price_roots: negative_price_roots(),
        naive_times_are_utc: args.naive_times_are_utc,
        retention: target.config.backup_retention(),
        ..DoctorOptions::new(target.clock.clone())
    };
    let mut report =
        riskd_store::diagnose(&target.location, &options).map_err(|error| failures::unchanged(&error))?;
    let mendable = report.findings.iter().filter(|finding| finding.mendable).count();
    if args.fix && mendable > 0 {
        ask(&target, args, context, mendable)?;
        let progress = Progress::new(&context.output);
        report = riskd_store::mend(&target.location, &options, &|event| progress.tell(event))
            .map_err(|error| failures::unchanged(&error))?;
    }
    context.output.json(&report);
    show(&report, args.fix, &context.output);
    Ok(if report.is_clean() { Exit::DONE } else { Exit::DEVIATIONS })
}

fn ask(target: &Target, args: &Args, context: &Context, mendable: usize) -> Result<(), Failure> {
    let findings = words::count(mendable, "finding");
    let question = format!("Mend {findings} in {}? A verified backup is made first.", target.path());
    let spared = args.consent.yes || context.output.is_json();
    if !spared && context.output.ask(&question) == Some(false) {
        return Err(Failure::new(FailureKind::Failed, "Nothing was done: the answer was no.")
            .meaning("The database is unchanged.")
            .next("run the command again when you are ready"));
    }
    Ok(())
}

fn show(report: &DoctorReport, was_fixing: bool, output: &Output) {
    let version = report.version.map_or_else(|| "schema unknown".to_owned(), |version| format!("schema v{version}"));
    let path = words::path(&report.path);
    if report.is_clean() {
        output.done(format_args!("{path}: {version}, nothing to mend"));
    } else {
        output.bad(format_args!("{path}: {version}, {}", words::count(report.findings.len(), "finding")));
    }
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    for code in codes {
        let of_code: Vec<_> = report.findings.iter().filter(|finding| finding.code == code).collect();
        for finding in of_code.iter().take(MOST_LISTED) {
            let count = finding.count.filter(|count| *count > 1).map(|count| format!(" ({count})")).unwrap_or_default();
            let (place, explanation) = (words::shortened(&finding.place), words::shortened(&finding.explanation));
            output.line(format_args!("  {code}  {place}{count}: {explanation}"));
            output.line(format_args!("      Mend: {}", words::shortened(&finding.mend)));
        }
        if let more @ 1.. = of_code.len().saturating_sub(MOST_LISTED) {
            output.line(format_args!("  {code}  and {more} more (--json lists them)"));
        }
    }
    for TimeColumn { table, column, forms } in report.times.iter().filter(|times| is_mixed(times)) {
        let forms: Vec<String> = forms.iter().map(|(form, count)| format!("{count} {}", form_in_words(*form))).collect();
        output.line(format_args!("Times in {table}.{column}: {}", forms.join(", ")));
    }
    for object in &report.own_objects {
        output.line(format_args!("Your own, left alone: {object}"));
    }
    if !was_fixing && report.findings.iter().any(|finding| finding.mendable) {
        output.line("Next: riskd db doctor --fix");
    }
}

fn is_mixed(times: &TimeColumn) -> bool {
    times.forms.len() > 1 || times.forms.iter().any(|(form, _)| !matches!(form, TimeForm::Own | TimeForm::Seconds))
}

fn form_in_words(form: TimeForm) -> &'static str {
    match form {
        TimeForm::Own => "in riskd's own form",
        TimeForm::Seconds => "to the second",
        TimeForm::Fraction => "with another fraction",
        TimeForm::Short => "without seconds",
        TimeForm::IsoNaive => "with T and no zone",
        TimeForm::ZoneUtc => "with Z or +00:00",
        TimeForm::ZoneOffset => "with another offset",
        TimeForm::DateWithTime => "dates with a time of day",
        TimeForm::Number => "numbers",
        TimeForm::Unreadable => "no time at all",
    }
}
