//! `riskd rules …`: the rules as they are configured, and whether they are fed.

mod check;
mod explain;

use std::sync::Arc;

use clap::Subcommand;

use super::Context;
use crate::config::{AccountConfig, ArmedRules, load_accounts, load_rules};
use crate::failure::{Exit, Failure, FailureKind};

/// Check the rules' config, say each rule in a sentence, and prove that every rule is fed
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = super::help("riskd rules check\nriskd rules check --live\nriskd rules explain"))]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Explain(explain::Args),
}

/// Runs one of the commands of the rules.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Check(args) => check::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
    }
}

/// The rules of one account, or of every account that has none of its own.
struct RulesOf {
    /// The account; absent for every account without rules of its own.
    account: Option<AccountConfig>,
    rules: Arc<ArmedRules>,
}

impl RulesOf {
    fn name(&self) -> String {
        match &self.account {
            Some(account) => format!("Account {} ({})", account.id, account.name),
            None => "Every account of the login".to_owned(),
        }
    }
}

/// Reads the rules of every account. Needs neither credentials nor a database.
fn all_rules(context: &Context) -> Result<Vec<RulesOf>, Failure> {
    let read = |file: Option<&std::path::Path>| -> Result<Arc<ArmedRules>, Failure> {
        let named = file.map_or_else(|| context.config.file("risk_config.yaml"), std::path::Path::to_owned);
        let rules = load_rules(&context.config, Some(&named))?;
        rules.map(Arc::new).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("{} is not there.", named.display()))
                .meaning("Without rules nothing is protected.")
                .next("start from the commented example in the repository")
        })
    };
    let accounts = load_accounts(&context.config)?;
    if accounts.is_empty() {
        return Ok(vec![RulesOf { account: None, rules: read(None)? }]);
    }
    let of = |account: AccountConfig| {
        let rules = read(account.risk_config.as_deref())?;
        Ok(RulesOf { account: Some(account), rules })
    };
    accounts.into_iter().map(of).collect()
}
