//! `riskd stop`.

use serde_json::json;

use super::Context;
use super::remote::RemoteOptions;
use crate::failure::{Exit, Failure};

/// Stop the running daemon in order: admin password needed
///
/// Enforcements under way are seen through first. NOTHING IS PROTECTED once it has stopped; a service manager may start it
/// again.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd stop --reason \"moving to another machine\""))]
pub struct Args {
    /// Why: it stays in the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    remote: RemoteOptions,
}

/// Stops it.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let answer = args.remote.post(context, "admin/stop", &json!({ "reason": args.reason }))?;
    context.output.json(&answer);
    context.output.done(answer["done"].as_str().unwrap_or("The daemon is stopping"));
    Ok(Exit::DONE)
}
