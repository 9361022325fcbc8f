//! `riskd unlock`.

use serde_json::json;

use super::Context;
use super::remote::RemoteOptions;
use crate::failure::{Exit, Failure};

/// End the lockout of an account before its time: admin password needed
///
/// The running daemon is asked; it answers once the end is on record, with the reason, in the audit trail. A breach that
/// the unlock forgives does not lock again unless it gets worse.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd unlock 1001 --reason \"limit agreed with the desk\"\nriskd unlock 1001 --reason \"wrong day\" --password-file admin.txt"))]
pub struct Args {
    /// The account's number
    #[arg(value_name = "ACCOUNT")]
    account: i64,
    /// Why: it stays in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// Unlocks it.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let path = format!("admin/accounts/{}/unlock", args.account);
    let answer = args.remote.post(context, &path, &json!({ "reason": args.reason }))?;
    context.output.json(&answer);
    context.output.done(format!("Account {} is unlocked", args.account));
    for lockout in answer["ended"].as_array().into_iter().flatten() {
        let (rule, reason) = (lockout["rule_id"].as_str(), lockout["reason"].as_str());
        context.output.line(format!("  {}: {}", rule.unwrap_or_default(), reason.unwrap_or_default()));
    }
    Ok(Exit::DONE)
}
