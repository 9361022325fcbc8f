//! `riskd alerts`.

use clap::Subcommand;

use super::Context;
use crate::alerts::{Alerts, Tried};
use crate::config::{Surroundings, load_alerts};
use crate::daemon::steady_clock;
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;

/// Try out the ways by which people are told that something is wrong
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Test(Test),
}

/// Send a test message through every channel of config/alerts.yaml, and say what each answered
///
/// A running daemon is not asked and not disturbed.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd alerts test\nriskd alerts test --json"))]
struct Test {}

/// Runs a command of the family.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Test(Test {}) => test(context),
    }
}

fn test(context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Errors)?;
    let config = load_alerts(&context.config, &Surroundings::of_this_process())?;
    if config.channels.is_empty() {
        return Err(Failure::new(FailureKind::Usage, "No channel is configured.")
            .meaning("Alerts stand in the log alone: nobody is told.")
            .next("name a channel in config/alerts.yaml; docs/alerts.md shows each kind"));
    }
    let failed = |error: String| Failure::new(FailureKind::Failed, error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("the program could not start its threads: {error}")))?;
    let tried = runtime.block_on(async {
        let alerts = Alerts::start(&config, steady_clock()).map_err(failed)?;
        Ok::<_, Failure>(alerts.test().await)
    })?;
    context.output.json(&tried);
    tried.iter().for_each(|tried| say(tried, context));
    let silent: Vec<&str> = tried.iter().filter(|tried| !tried.delivered).map(|tried| tried.channel.as_str()).collect();
    if silent.is_empty() {
        return Ok(Exit::DONE);
    }
    Err(Failure::new(FailureKind::Failed, format!("Alerts do not get through to {}.", silent.join(", ")))
        .meaning("When something is wrong with your account, nobody is told there.")
        .next("correct the address or the token its file holds, then: riskd alerts test"))
}

fn say(tried: &Tried, context: &Context) {
    let line = format!("{} ({}): {} [{} ms]", tried.channel, tried.kind, tried.answer, tried.took_ms);
    if tried.delivered { context.output.done(line) } else { context.output.bad(line) }
}
