//! `riskd rules check`.

use std::time::Duration;

use comfy_table::{Table, presets};
use riskd_core::engine::RuleArming;
use serde::Serialize;

use super::all_rules;
use crate::cli::Context;
use crate::config::Surroundings;
use crate::daemon::{Setup, prove_arming};
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;

/// Check the rules' config; with --live, log in and prove that every rule of every account is fed
///
/// Each mistake in a file is named with its line, its key and what was probably meant. With --live nothing is ever sent
/// that changes anything: no close, no cancel. The subscriptions are made, the books are asked for, and what each rule
/// needs is waited for. A rule that could not fire is named with the reason.
///
/// Exit code 0: all is well. 2: a file cannot be used. 3: a rule is not armed.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd rules check\nriskd rules check --live\nriskd rules check --live --timeout 60 --json"))]
pub(super) struct Args {
    /// Log in at the broker and prove that each rule is fed
    #[arg(long)]
    live: bool,
    /// How long to wait for the proof, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600), requires = "live")]
    timeout: u64,
}

/// The answer with `--json`.
#[derive(Serialize)]
struct Checked {
    live: bool,
    rules: Vec<CheckedRule>,
}

#[derive(Serialize)]
struct CheckedRule {
    account_id: Option<i64>,
    rule_id: String,
    rule: &'static str,
    armed: bool,
    reason: Option<String>,
}

impl From<RuleArming> for CheckedRule {
    fn from(rule: RuleArming) -> Self {
        Self {
            account_id: Some(rule.account_id.0),
            rule_id: rule.rule_id.to_string(),
            rule: rule.key,
            armed: rule.not_armed.is_none(),
            reason: rule.not_armed,
        }
    }
}

/// Checks the files, and on request the feed.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Warnings)?;
    let rules = if args.live { proved(args, context)? } else { loaded(context)? };
    let all_armed = rules.iter().all(|rule| rule.armed);
    if context.output.is_json() {
        context.output.json(&Checked { live: args.live, rules });
    } else {
        show(args.live, &rules, context);
    }
    Ok(if all_armed { Exit::DONE } else { Exit::DEVIATIONS })
}

/// What the files alone can tell: a rule of which nothing is switched on is never armed.
fn loaded(context: &Context) -> Result<Vec<CheckedRule>, Failure> {
    let mut checked = Vec::new();
    for of in all_rules(context)? {
        let account_id = of.account.as_ref().map(|account| account.id.0);
        let rule = |rule_id: String, rule, reason: Option<&str>| CheckedRule {
            account_id,
            rule_id,
            rule,
            armed: reason.is_none(),
            reason: reason.map(str::to_owned),
        };
        checked.extend(of.rules.set.rules().map(|armed| rule(armed.id().to_string(), armed.key(), None)));
        let idle = of.rules.set.idle().iter();
        checked.extend(idle.map(|idle| rule(idle.rule_id.to_string(), idle.key, Some(idle.reason))));
    }
    Ok(checked)
}

fn proved(args: &Args, context: &Context) -> Result<Vec<CheckedRule>, Failure> {
    let setup = Setup::load(&context.config, &Surroundings::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::Failed, format!("the program could not start its threads: {error}")))?;
    let proof = runtime.block_on(prove_arming(setup, Duration::from_secs(args.timeout)))?;
    Ok(proof.into_iter().map(CheckedRule::from).collect())
}

fn show(live: bool, rules: &[CheckedRule], context: &Context) {
    let output = &context.output;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["account", "rule", "", "state", "reason"]);
    for rule in rules {
        let account = rule.account_id.map_or_else(|| "every".to_owned(), |account_id| account_id.to_string());
        let state = match (rule.armed, live) {
            (true, true) => "armed",
            (true, false) => "loads",
            (false, _) => "NOT ARMED",
        };
        let reason = rule.reason.clone().unwrap_or_default();
        table.add_row([account, rule.rule_id.clone(), rule.rule.to_owned(), state.to_owned(), reason]);
    }
    output.line(table.trim_fmt());
    let missing = rules.iter().filter(|rule| !rule.armed).count();
    match (missing, live) {
        (0, true) => output.done("Every rule of every account is fed"),
        (0, false) => output.done("The config loads; riskd rules check --live proves that every rule is fed"),
        (missing, _) => output.bad(format!("{missing} rules are NOT ARMED: they protect nothing")),
    }
}
