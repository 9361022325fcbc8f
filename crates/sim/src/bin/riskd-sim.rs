//! Plays worlds in virtual time and says what went wrong in them.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use riskd_sim::world::{Life, Plan, Report, run};

#[derive(Parser)]
#[command(name = "riskd-sim", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play the world of a seed, or of several: the same seed, the same world. Exit code 1 when anything went wrong in it.
    Run {
        /// Where all chance comes from
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds, one after the other
        #[arg(long, default_value_t = 1)]
        count: u64,
        /// Trading days
        #[arg(long)]
        days: Option<u32>,
        /// Accounts
        #[arg(long)]
        accounts: Option<u32>,
        /// Give every account every rule
        #[arg(long)]
        every_rule: bool,
        /// Let accounts have stops placed and moved for them (RULE-012)
        #[arg(long)]
        stops: bool,
        /// Let nothing go wrong
        #[arg(long)]
        no_faults: bool,
        /// Print each report as one line of JSON
        #[arg(long)]
        json: bool,
        /// Print what the program was told of this account in its last life, and what it did
        #[arg(long, value_name = "ACCOUNT")]
        steps: Option<i64>,
    },
}

fn main() -> std::io::Result<ExitCode> {
    let Command::Run { seed, count, days, accounts, every_rule, stops, no_faults, json, steps } =
        Arguments::parse().command;
    let mut out = std::io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for seed in seed..seed.saturating_add(count) {
        let mut plan = Plan { every_rule, stops, faults: !no_faults, records: steps.is_some(), ..Plan::new(seed) };
        plan.days = days.unwrap_or(plan.days);
        plan.accounts = accounts.unwrap_or(plan.accounts);
        let report = run(&plan);
        if !report.violations.is_empty() {
            code = ExitCode::from(1);
        }
        if let (Some(account), Some(life)) = (steps, &report.life) {
            print_steps(&mut out, account, life)?;
        }
        if json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            print(&mut out, &plan, &report)?;
        }
    }
    Ok(code)
}

/// Every step that speaks of an account.
fn print_steps(out: &mut impl Write, account: i64, life: &Life) -> std::io::Result<()> {
    let name = format!("AccountId({account})");
    for (input, actions) in &life.steps {
        let event = format!("{:?}", input.event);
        let actions: Vec<String> = actions.iter().map(|action| format!("{action:?}")).collect();
        if event.contains(&name) || actions.iter().any(|action| action.contains(&name)) {
            writeln!(out, "{} {event}", input.at)?;
            for action in actions.iter().filter(|action| action.contains(&name)) {
                writeln!(out, "    {action}")?;
            }
        }
    }
    Ok(())
}

fn print(out: &mut impl Write, plan: &Plan, report: &Report) -> std::io::Result<()> {
    writeln!(
        out,
        "seed {}: {} account-days, {} fills, {} breaches decided, {} enforcements confirmed, {} starts, {} inputs",
        report.seed, report.account_days, report.fills, report.breaches, report.confirmed, report.starts, report.inputs
    )?;
    let broken: Vec<String> = report.broken.iter().map(|(rule_id, times)| format!("{rule_id} {times}")).collect();
    let faults: Vec<String> = report.faults.iter().map(|(fault, times)| format!("{fault:?} {times}")).collect();
    writeln!(out, "  broken in the books: {}", broken.join(", "))?;
    writeln!(out, "  faults: {}", faults.join(", "))?;
    for violation in &report.violations {
        writeln!(out, "  WRONG: {violation}")?;
    }
    if !report.violations.is_empty() {
        writeln!(out, "  again: {}", plan.command())?;
    }
    Ok(())
}
