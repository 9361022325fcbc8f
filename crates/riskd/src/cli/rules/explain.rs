//! `riskd rules explain`.

use serde::Serialize;

use super::{RulesOf, all_rules};
use crate::cli::Context;
use crate::failure::{Exit, Failure};

/// Say each rule in a sentence with its numbers, in order of precedence
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd rules explain\nriskd rules explain --json"))]
pub(super) struct Args {}

/// The answer with `--json`.
#[derive(Serialize)]
struct Explained {
    /// Absent: every account of the login.
    account_id: Option<i64>,
    name: Option<String>,
    day_turns: String,
    strict_mode: bool,
    rules: Vec<ExplainedRule>,
}

#[derive(Serialize)]
struct ExplainedRule {
    rule_id: String,
    rule: &'static str,
    available: bool,
    sentence: String,
}

impl Explained {
    fn of(of: &RulesOf) -> Self {
        let set = &of.rules.set;
        let available = set.rules().map(|rule| ExplainedRule {
            rule_id: rule.id().to_string(),
            rule: rule.key(),
            available: true,
            sentence: rule.sentence(),
        });
        let idle = set.idle().iter().map(|idle| ExplainedRule {
            rule_id: idle.rule_id.to_string(),
            rule: idle.key,
            available: false,
            sentence: format!("NOT ARMED: {}", idle.reason),
        });
        let login = crate::config::AccountConfig::of_the_login(riskd_core::model::AccountId(1), String::new());
        let day = of.account.as_ref().unwrap_or(&login).trading_day_under(Some(&of.rules));
        Self {
            account_id: of.account.as_ref().map(|account| account.id.0),
            name: of.account.as_ref().map(|account| account.name.clone()),
            day_turns: format!("{} {}", day.reset_time().strftime("%H:%M"), day.timezone_name()),
            strict_mode: set.strict_mode(),
            rules: available.chain(idle).collect(),
        }
    }
}

/// Says every rule.
pub(super) fn run(_args: &Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(crate::logging::LogDetail::Warnings)?;
    let all = all_rules(context)?;
    let output = &context.output;
    let explained: Vec<Explained> = all.iter().map(Explained::of).collect();
    if output.is_json() {
        output.json(&explained);
        return Ok(Exit::DONE);
    }
    for (of, explained) in all.iter().zip(&explained) {
        output.line(format!("{}, day turns at {}", of.name(), explained.day_turns));
        if explained.strict_mode {
            output.line("  Strict mode: any breach closes everything and locks the account without end.");
        }
        for rule in &explained.rules {
            match rule.available {
                true => output.line(format!("  {} {}: {}", rule.rule_id, rule.rule, rule.sentence)),
                false => output.bad(format!("{} {}: {}", rule.rule_id, rule.rule, rule.sentence)),
            }
        }
    }
    Ok(Exit::DONE)
}
