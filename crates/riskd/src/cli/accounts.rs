//! `riskd accounts …`.

use std::sync::Arc;

use clap::Subcommand;
use jiff::Timestamp;
use riskd_core::model::{Account, AccountId};
use riskd_gateway::client::Gateway;
use serde::Serialize;

use super::Context;
use crate::config::Surroundings;
use crate::daemon::{AccountSetup, Setup};
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;

/// The accounts of this login at the broker, and which of them are protected
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = super::help("riskd accounts list\nriskd accounts show 123456"))]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Show(Show),
}

/// List the accounts that the login sees, and say which of them the config protects
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd accounts list\nriskd accounts list --all --json"))]
struct List {
    /// Those that are no longer active, too
    #[arg(long)]
    all: bool,
}

/// Show one account: what the broker says of it, when its day turns, which rules watch it
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd accounts show 123456"))]
struct Show {
    /// The broker's number of the account
    id: i64,
}

#[derive(Serialize)]
struct Answer {
    id: i64,
    name: String,
    balance_dollars: f64,
    can_trade: Option<bool>,
    simulated: bool,
    protected: bool,
    reset: Option<String>,
    rules: Vec<String>,
    not_armed: Vec<String>,
}

/// Runs one of the commands of the accounts.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Errors)?;
    let setup = Setup::load(&context.config, &Surroundings::of_this_process())?;
    match args.command {
        Command::List(List { all }) => list(&setup, !all, context),
        Command::Show(Show { id }) => show(&setup, AccountId(id), context),
    }
}

fn list(setup: &Setup, only_active: bool, context: &Context) -> Result<Exit, Failure> {
    let accounts = ask(setup, only_active)?;
    let answers: Vec<Answer> = accounts.iter().map(|account| answer(account, setup)).collect();
    context.output.json(&answers);
    if answers.is_empty() {
        context.output.line("The login sees no active account.");
    }
    for account in &answers {
        let line = format!("{}  {}  {}", account.id, account.name, kind(account));
        if account.protected { context.output.done(format!("{line}  protected")) } else { context.output.skipped(format!("{line}  NOT PROTECTED: not in accounts.yaml")) }
    }
    for configured in &setup.accounts {
        if !accounts.iter().any(|account| account.id == configured.id()) {
            context.output.bad(format!("{}  {}  in accounts.yaml, and the login does not see it", configured.id(), configured.account.name));
        }
    }
    Ok(Exit::DONE)
}

fn show(setup: &Setup, id: AccountId, context: &Context) -> Result<Exit, Failure> {
    let accounts = ask(setup, false)?;
    let Some(account) = accounts.iter().find(|account| account.id == id) else {
        return Err(Failure::new(FailureKind::Failed, format!("The login does not see account {id}."))
            .next("riskd accounts list --all names those it sees"));
    };
    let answer = answer(account, setup);
    context.output.json(&answer);
    let output = &context.output;
    output.line(format!("Account {}  {}", answer.id, answer.name));
    output.line(format!("  Balance     {:#}", account.balance));
    output.line(format!("  Broker      {}", kind(&answer)));
    match &answer.reset {
        None => output.line("  Protection  NONE: it is not in accounts.yaml"),
        Some(reset) => {
            output.line("  Protection  riskd run watches it");
            output.line(format!("  Day turns   {reset}"));
        }
    }
    answer.rules.iter().for_each(|rule| output.line(format!("  Armed       {rule}")));
    answer.not_armed.iter().for_each(|rule| output.line(format!("  NOT ARMED   {rule}")));
    Ok(Exit::DONE)
}

fn kind(account: &Answer) -> String {
    let kind = if account.simulated { "simulated" } else { "live" };
    let trades = match account.can_trade {
        Some(false) => "may not trade",
        _ => "may trade",
    };
    format!("{kind}, {trades}")
}

fn answer(account: &Account, setup: &Setup) -> Answer {
    let configured = setup.accounts.iter().find(|configured| configured.id() == account.id);
    // Without accounts.yaml every active account is watched.
    let of_the_login = setup.accounts.is_empty().then(|| AccountSetup {
        account: crate::config::AccountConfig::of_the_login(account.id, account.name.clone()),
        rules: Arc::clone(&setup.rules),
    });
    let watched = configured.or(of_the_login.as_ref());
    let rules = watched.map(|watched| &watched.rules.set);
    Answer {
        id: account.id.0,
        name: account.name.clone(),
        balance_dollars: account.balance.to_f64(),
        can_trade: account.can_trade,
        simulated: account.simulated,
        protected: watched.is_some(),
        reset: watched.map(|watched| {
            let day = watched.trading_day();
            format!("{} {}", day.reset_time().strftime("%H:%M"), day.timezone_name())
        }),
        rules: rules
            .map(|rules| rules.rules().map(|rule| format!("{} {}: {}", rule.id(), rule.key(), rule.sentence())).collect())
            .unwrap_or_default(),
        not_armed: rules
            .map(|rules| rules.idle().iter().map(|idle| format!("{} {}: {}", idle.rule_id, idle.key, idle.reason)).collect())
            .unwrap_or_default(),
    }
}

/// Asks the broker.
fn ask(setup: &Setup, only_active: bool) -> Result<Vec<Account>, Failure> {
    let failed = |what: String| Failure::new(FailureKind::Failed, what);
    let gateway = Gateway::new(setup.gateway.clone(), Arc::new(Timestamp::now)).map_err(|error| failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("the program could not start its threads: {error}")))?;
    runtime.block_on(async {
        let listed = gateway.search_accounts(only_active).await;
        // The session ends by itself if this fails.
        let _in_vain = gateway.log_out().await;
        listed.map(|listed| listed.rows).map_err(|error| {
            failed(format!("The broker does not list the accounts: {error}."))
                .next("check the network, the user name in gateway.yaml and the API key")
        })
    })
}
