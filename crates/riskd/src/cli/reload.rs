//! `riskd reload`.

use serde_json::{Value, json};

use super::Context;
use super::remote::RemoteOptions;
use crate::failure::{Exit, Failure};

/// Let the running daemon read its config files again: admin password needed
///
/// All of them are read and checked; one error, and nothing changes. What is stricter than before holds at once, and what is
/// looser waits for the account's next reset, unless global.commitment is false. Accounts and rules are taken over; the other
/// files are checked, and taken over at the next start.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd reload\nriskd reload --reason \"smaller size for the FOMC week\""))]
pub struct Args {
    /// Why: it stays in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// Reloads them.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let answer = args.remote.post(context, "admin/reload", &json!({ "reason": args.reason }))?;
    context.output.json(&answer);
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (at_once, waiting, later) = (list("at_once"), list("waiting"), list("at_the_next_start"));
    if at_once.is_empty() && waiting.is_empty() && later.is_empty() {
        context.output.done("The config files load, and nothing in them has changed");
        return Ok(Exit::DONE);
    }
    for change in at_once {
        context.output.done(format!("Account {}: {} holds now", change["account_id"], text(&change["section"])));
    }
    for change in waiting {
        let (section, until) = (text(&change["section"]), text(&change["until"]));
        context.output.skipped(format!("Account {}: {section} is looser, and waits until {until}", change["account_id"]));
    }
    for change in later {
        context.output.skipped(format!("Account {}: taken over at the next start", change["account_id"]));
    }
    Ok(Exit::DONE)
}
