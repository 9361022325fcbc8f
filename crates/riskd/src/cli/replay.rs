//! `riskd replay`.

use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use jiff::tz::TimeZone;
use riskd_core::engine::Config;
use riskd_core::model::{AccountId, Contract, ContractDraft, ContractId, Money, Noun, Price, SymbolRoot, same_product};
use riskd_sim::exchange::listings;
use riskd_sim::feed::Feed;
use serde::Serialize;

use crate::cli::Context;
use crate::daemon::offline_config;
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;
use crate::replay::{self, Day, Decision, Fill, ReplayError, What};

/// Run a recorded or exported day through the rules offline: what would have happened under this config
///
/// FILE is a recording that `riskd run --record FILE` wrote (JSON lines): it is fed to the rules as it was. Or, with --fills, a
/// CSV of prices (`timestamp,price`, plain or gzip): then the fills of an account, as a platform exports them (CSV or JSON with
/// time, contract, side, size, price), are played against these prices, and what the rules close is closed at them.
///
/// Nothing is sent anywhere, no database is opened. Equal files and configs give equal answers.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd replay monday.jsonl\nriskd --config strict replay monday.jsonl --json\nriskd replay prices.csv.gz --fills fills.csv --contract ES"))]
pub struct Args {
    /// The recording, or with --fills the prices
    file: PathBuf,
    /// Fills of an account, CSV or JSON; FILE holds the prices
    #[arg(long, value_name = "FILE")]
    fills: Option<PathBuf>,
    /// The contract the prices are of: a root such as ES, or ID:TICK_SIZE:TICK_VALUE; fills of others are left out
    #[arg(long, value_name = "CONTRACT", default_value = "ES", requires = "fills")]
    contract: String,
    /// Only fills of this account, under its own rules where it has some [default: all fills, as of one account]
    #[arg(long, value_name = "NUMBER", requires = "fills", value_parser = clap::value_parser!(i64).range(1..))]
    account: Option<i64>,
    /// The time zone of fills whose times say none
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "fills")]
    timezone: String,
}

/// The answer with `--json`.
#[derive(Serialize)]
struct Answer {
    decisions: Vec<Row>,
    #[serde(flatten)]
    result: Result,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Result {
    Recording { inputs: u64, left_out: u64, from: String, to: String },
    Day { pnl_as_it_was: f64, pnl_under_the_rules: f64, held_at_the_end: i64, fills: usize, fills_of_others: usize },
}

#[derive(Serialize)]
struct Row {
    at: String,
    account_id: AccountId,
    what: &'static str,
    rule_id: Option<String>,
    action: Option<String>,
    pnl: Option<f64>,
    until: Option<String>,
    reason: Option<String>,
}

impl From<&Decision> for Row {
    fn from(decision: &Decision) -> Self {
        let bare = Self {
            at: decision.at.to_string(),
            account_id: decision.account_id,
            what: "",
            rule_id: None,
            action: None,
            pnl: None,
            until: None,
            reason: None,
        };
        match &decision.what {
            What::Enforcement { rule_id, action, reason, pnl } => Self {
                what: "enforcement",
                rule_id: Some(rule_id.to_string()),
                action: Some(action.to_string()),
                pnl: pnl.map(Money::to_f64),
                reason: Some(reason.clone()),
                ..bare
            },
            What::Locked { rule_id, until } => Self {
                what: "locked",
                rule_id: Some(rule_id.to_string()),
                until: Some(until.map_or_else(|| "without end".to_owned(), |until| until.to_string())),
                ..bare
            },
            What::Unlocked => Self { what: "unlocked", ..bare },
            What::DayEnded { realized_pnl } => {
                Self { what: "day_ended", pnl: Some(realized_pnl.to_f64()), ..bare }
            }
        }
    }
}

/// Replays a day.
pub fn run(args: Args, context: &Context) -> std::result::Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Warnings)?;
    let answer = match &args.fills {
        Some(fills) => of_a_day(&args, fills, context)?,
        None => of_a_recording(&args.file, context)?,
    };
    if context.output.is_json() {
        context.output.json(&answer);
    } else {
        show(&answer, context);
    }
    Ok(Exit::DONE)
}

fn of_a_recording(file: &Path, context: &Context) -> std::result::Result<Answer, Failure> {
    let accounts = replay::accounts_of_recording(file).map_err(unreadable)?;
    let config = offline_config(&context.config, &accounts)?;
    let result = replay::replay_recording(file, &config).map_err(unreadable)?;
    let (from, to) = result.span;
    Ok(Answer {
        decisions: result.decisions.iter().map(Row::from).collect(),
        result: Result::Recording {
            inputs: result.inputs,
            left_out: result.left_out,
            from: from.to_string(),
            to: to.to_string(),
        },
    })
}

fn of_a_day(args: &Args, fills: &Path, context: &Context) -> std::result::Result<Answer, Failure> {
    let zone = TimeZone::get(&args.timezone).map_err(|_| {
        usage(format!("{:?} is not the name of a time zone, such as America/New_York.", args.timezone))
    })?;
    let contract = contract(&args.contract)?;
    let prices = Feed::read(&args.file).map_err(|error| usage(error.to_string()))?;
    let read = replay::read_fills(fills, &zone).map_err(unreadable)?;
    let (all, named) = (read.len(), fills);
    let account_id = AccountId(args.account.unwrap_or(1));
    let mine = |fill: &Fill| {
        fill.account_id.is_none_or(|of| args.account.is_none() || of == account_id) && names(&fill.contract, &contract)
    };
    let fills: Vec<Fill> = read.into_iter().filter(mine).collect();
    if fills.is_empty() {
        return Err(usage(format!("No fill of {} is in {}.", contract.name, named.display())));
    }
    let config: Config = offline_config(&context.config, &[account_id])?;
    let played = fills.len();
    let prices = prices.ticks().iter().map(|tick| (tick.at, tick.price)).collect();
    let result = replay::replay_day(&Day { account_id, contract, prices, fills }, &config);
    Ok(Answer {
        decisions: result.decisions.iter().map(Row::from).collect(),
        result: Result::Day {
            pnl_as_it_was: result.pnl_as_it_was.to_f64(),
            pnl_under_the_rules: result.pnl_under_the_rules.to_f64(),
            held_at_the_end: result.held_at_the_end,
            fills: played,
            fills_of_others: all - played,
        },
    })
}

/// Whether a fill's spelling names the contract: its id, its name, or its root.
fn names(spelled: &str, contract: &Contract) -> bool {
    if spelled.eq_ignore_ascii_case(contract.contract_id.as_str()) || spelled.eq_ignore_ascii_case(&contract.name) {
        return true;
    }
    let of_id = ContractId::new(spelled, Noun::Contract).ok();
    let of_id = of_id.as_ref().map(SymbolRoot::of_contract_id);
    let root = SymbolRoot::of_contract_name(spelled).or(of_id).unwrap_or(SymbolRoot(spelled));
    same_product(root, &contract.contract_id, Some(contract))
}

/// A known root, or `ID:TICK_SIZE:TICK_VALUE`.
fn contract(text: &str) -> std::result::Result<Contract, Failure> {
    if let Some(listed) = listings().into_iter().find(|listed| names(text, &listed.contract)) {
        return Ok(listed.contract);
    }
    let parts: Vec<&str> = text.split(':').collect();
    let own = match parts.as_slice() {
        [id, tick_size, tick_value] => (|| {
            let contract_id = ContractId::new(id, Noun::Contract).ok()?;
            Contract::new(ContractDraft {
                symbol_id: SymbolRoot::of_contract_id(&contract_id).0.to_owned(),
                name: SymbolRoot::of_contract_id(&contract_id).0.to_owned(),
                contract_id,
                tick_size: Price::parse(tick_size).ok()?,
                tick_value: Money::parse(tick_value).ok()?,
                exchange: None,
                expiration: None,
                allows_negative_price: true,
            })
            .ok()
        })(),
        _ => None,
    };
    own.ok_or_else(|| {
        usage(format!("{text:?} is no contract known here."))
            .next("name ES, MES, NQ, MNQ, CL or RTY, or spell it out: --contract CON.F.US.GCE.Z26:0.1:10")
    })
}

fn show(answer: &Answer, context: &Context) {
    let output = &context.output;
    if answer.decisions.is_empty() {
        output.line("No rule would have been broken.");
    } else {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["time (UTC)", "account", "what", "rule", "P&L", "until / why"]);
        for row in &answer.decisions {
            let what = row.action.clone().unwrap_or_else(|| row.what.replace('_', " "));
            let pnl = row.pnl.map_or_else(String::new, |pnl| format!("{pnl:.2}"));
            let why = row.until.clone().map(|until| format!("until {until}")).or(row.reason.clone()).unwrap_or_default();
            let rule = row.rule_id.clone().unwrap_or_default();
            table.add_row([row.at.clone(), row.account_id.to_string(), what, rule, pnl, why]);
        }
        output.line(table.trim_fmt());
    }
    match &answer.result {
        Result::Recording { inputs, left_out, from, to } => {
            output.done(format!("{inputs} inputs from {from} to {to}"));
            if *left_out > 0 {
                output.warn(format!("the recording left out {left_out} inputs: decisions may be missing"));
            }
        }
        Result::Day { pnl_as_it_was, pnl_under_the_rules, held_at_the_end, fills, fills_of_others } => {
            output.done(format!(
                "{fills} fills; realized P&L as it was ${pnl_as_it_was:.2}, under these rules ${pnl_under_the_rules:.2}"
            ));
            if *held_at_the_end > 0 {
                output.line(format!("{held_at_the_end} contracts are still held at the end"));
            }
            if *fills_of_others > 0 {
                output.warn(format!("{fills_of_others} fills of other contracts or accounts were left out"));
            }
        }
    }
}

fn unreadable(error: ReplayError) -> Failure {
    usage(format!("{error}."))
}

fn usage(what: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Usage, what).meaning("Nothing was replayed.")
}
