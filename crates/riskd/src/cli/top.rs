//! `riskd top`.

use std::path::PathBuf;

use clap::ValueEnum;
use secrecy::SecretString;

use super::Context;
use super::reach_options::ReachOptions;
use crate::config::{Surroundings, read_token_file};
use crate::failure::{Exit, Failure, FailureKind};
use crate::tui::{self, Client, Tab};

/// The environment variable with the trader's token, where no file is named.
const TOKEN_VARIABLE: &str = "RISKD_TOKEN";

/// Watch every account at a terminal: limits, locks, positions, the enforcement log, live
///
/// Asks the running daemon over its API; nothing can be changed from here. Keys: ? shows them all, q leaves.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd top\nriskd top --once --tab log\nriskd top --url https://desk.example:8765 --token-file secrets/trader.token --ca-file desk-ca.pem"))]
pub struct Args {
    #[command(flatten)]
    reach: ReachOptions,
    /// File with the trader's token, readable by you alone [default: RISKD_TOKEN, or as config/api.yaml says]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Tab to begin with
    #[arg(long, value_enum, default_value_t = First::Accounts)]
    tab: First,
    /// Account to show in the tab Account [default: the one nearest to a limit]
    #[arg(long, value_name = "ID")]
    account: Option<i64>,
    /// Print one frame as text and end
    #[arg(long)]
    once: bool,
}

/// For tests, and in their builds alone: so many frames, then a panic.
fn fail_after() -> Option<u32> {
    if !cfg!(debug_assertions) {
        return None;
    }
    Surroundings::of_this_process().get("RISKD_TEST_FAIL_AFTER_FRAMES")?.parse().ok()
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum First {
    Accounts,
    Account,
    Log,
    Rules,
    Database,
}

impl First {
    fn tab(self) -> Tab {
        match self {
            Self::Accounts => Tab::Accounts,
            Self::Account => Tab::Account,
            Self::Log => Tab::Log,
            Self::Rules => Tab::Rules,
            Self::Database => Tab::Database,
        }
    }
}

/// Shows the dashboard until it is left.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let of_environment = || Surroundings::of_this_process().get(TOKEN_VARIABLE).map(SecretString::from);
    let (reach, of_config) = args.reach.reach(context)?;
    let token = match &args.token_file {
        Some(file) => Some(read_token_file(file)?),
        None => of_environment().or(of_config),
    };
    let client = Client::new(reach, token).map_err(|error| Failure::new(FailureKind::Usage, error))?;
    let failed = |error: String| Failure::new(FailureKind::Failed, error);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| failed(format!("the program could not start its threads: {error}")))?;
    if args.once || context.output.is_json() {
        return runtime.block_on(once(&args, &client, context));
    }
    if !context.output.is_terminal() {
        return Err(Failure::new(FailureKind::Usage, "riskd top needs a terminal.")
            .next("riskd top --once prints one frame as text; riskd status --json is for programs"));
    }
    let colour = context.output.style().colour;
    let shown = runtime.block_on(tui::run(client, args.tab.tab(), colour, fail_after()));
    runtime.shutdown_background();
    shown.map_err(|error| failed(format!("The terminal cannot be used: {error}")))?;
    Ok(Exit::DONE)
}

async fn once(args: &Args, client: &Client, context: &Context) -> Result<Exit, Failure> {
    let unreachable = |why: String| {
        Failure::new(FailureKind::Failed, format!("riskd at {} does not answer: {why}.", client.address()))
            .meaning("If it does not run, nothing is protected.")
            .next("look with riskd status; start it with riskd run")
    };
    if context.output.is_json() {
        let overview = client.overview_as_json().await.map_err(unreachable)?;
        context.output.json(&overview);
        return Ok(Exit::DONE);
    }
    let width = ratatui::crossterm::terminal::size().map_or(100, |(width, _)| width);
    let text = tui::once(client, args.tab.tab(), args.account, width).await.map_err(unreachable)?;
    context.output.line(text);
    Ok(Exit::DONE)
}
