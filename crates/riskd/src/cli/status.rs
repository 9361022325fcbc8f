//! `riskd status`: how each account stands, on one screen.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use riskd_core::engine::ResetSchedule;
use riskd_core::model::{AccountId, EnforcementLog, Lockout, Money, Order, Position, PositionType, RuleId, TradingDayClock};
use riskd_store::Unreadable;
use riskd_store::reader::EnforcementFilter;
use serde::Serialize;

use super::state::{State, failed, now, warn_of};
use super::{Context, log, words};
use crate::failure::{Exit, Failure};

/// Show how each account stands: lock, day's P&L, positions, orders, last enforcement
///
/// Reads the state database, beside a running daemon too.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd status\nriskd status --json"))]
pub struct Args {
    /// Database file [default: database.path of config/database.yaml, or data/state.db]
    path: Option<PathBuf>,
}

/// How one account stands.
struct Standing {
    account_id: AccountId,
    lockout: Option<Lockout>,
    day: Option<Day>,
    next_reset: Option<Timestamp>,
    positions: Vec<Position>,
    orders: Vec<Order>,
    /// Rows of positions or orders that cannot be read, and may be this account's.
    uncertain_rows: usize,
    last_enforcement: Option<EnforcementLog>,
}

/// The present trading day.
#[derive(Clone, Copy)]
struct Day {
    date: Date,
    realized_pnl: Money,
}

/// The answer with `--json`.
#[derive(Serialize)]
struct Answer {
    database: String,
    schema_version: Option<i64>,
    daemon_pid: Option<u32>,
    accounts: Vec<AccountAnswer>,
    unreadable: Vec<String>,
}

#[derive(Serialize)]
struct AccountAnswer {
    account_id: AccountId,
    locked: bool,
    locked_until: Option<String>,
    lock_reason: Option<String>,
    lock_rule_id: Option<String>,
    trading_day: Option<String>,
    realized_pnl_dollars: Option<f64>,
    next_reset: Option<String>,
    open_positions: usize,
    living_orders: usize,
    certain: bool,
    last_enforcement_id: Option<i64>,
}

/// Shows the status.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let state = State::open(args.path.as_ref(), context)?;
    let now = now();
    let (standings, unreadable) = standings(&state, now).map_err(failed)?;
    warn_of(&unreadable, &context.output);
    context.output.json(&answer(&state, &standings, &unreadable));
    let output = &context.output;
    let version = state.status.version.unwrap_or_default();
    let size = words::size(state.status.size_bytes + state.status.wal_bytes);
    output.line(format_args!("Database  {} (schema v{version}, {size})", words::path(&state.status.path)));
    match state.status.owner_pid {
        Some(pid) => output.line(format_args!("Daemon    running, pid {pid}")),
        None => output.line("Daemon    NOT RUNNING: nothing protects these accounts now"),
    }
    if standings.is_empty() {
        output.line("No accounts yet: they appear once the daemon has seen them.");
    }
    for standing in &standings {
        for line in lines(standing, &state, now) {
            output.line(line);
        }
    }
    Ok(Exit::DONE)
}

fn standings(state: &State, now: Timestamp) -> Result<(Vec<Standing>, Vec<Unreadable>), riskd_store::StoreError> {
    let accounts = state.reader.accounts()?;
    let remembered = state.reader.memory(&accounts, now)?;
    let mut standings = Vec::with_capacity(accounts.len());
    for account in remembered.memory.accounts {
        let filter = EnforcementFilter { account_id: Some(account.account_id), ..EnforcementFilter::default() };
        let last_enforcement = state.reader.enforcements(&filter, None, 1)?.rows.pop();
        let date = account.reset_schedule.as_ref().and_then(|schedule| trading_day(schedule, now));
        let day = date.map(|date| Day {
            date,
            realized_pnl: account
                .daily_pnl
                .iter()
                .find(|day| day.date == date)
                .map_or(Money::ZERO, |day| day.realized_pnl),
        });
        standings.push(Standing {
            account_id: account.account_id,
            lockout: account.lockout,
            day,
            next_reset: account.reset_schedule.map(|schedule| schedule.next_reset_time),
            positions: account.positions,
            orders: account.orders,
            uncertain_rows: uncertain_rows(&remembered.unreadable, account.account_id),
            last_enforcement,
        });
    }
    Ok((standings, remembered.unreadable))
}

/// How many rows of positions or orders, that are or may be the account's, cannot be read.
fn uncertain_rows(unreadable: &[Unreadable], account_id: AccountId) -> usize {
    let concerns = |row: &&Unreadable| {
        matches!(row.table, "positions" | "orders") && row.account_id.is_none_or(|account| account == account_id)
    };
    unreadable.iter().filter(concerns).count()
}

/// The trading day that `now` belongs to on the account's clocks.
fn trading_day(schedule: &ResetSchedule, now: Timestamp) -> Option<Date> {
    let zone = jiff::tz::TimeZone::get(&schedule.timezone).ok()?;
    Some(TradingDayClock::new(schedule.reset_time, zone).day_of(now))
}

fn lines(standing: &Standing, state: &State, now: Timestamp) -> Vec<String> {
    let zone = state.zone(standing.account_id);
    let mut lines = vec![String::new(), format!("Account {}  {}", standing.account_id, lock(standing, state, now))];
    if let Some(Day { date, realized_pnl }) = standing.day {
        lines.push(format!("  Realized P&L      {} on the trading day {date}", words::dollars(realized_pnl)));
    }
    if let Some(next_reset) = standing.next_reset {
        let at = words::time(next_reset, zone);
        let when = if next_reset > now { at } else { format!("was due {at} and is not done yet") };
        lines.push(format!("  Next reset        {when}"));
    }
    lines.push(format!("  Open positions    {}", standing.positions.len()));
    lines.extend(standing.positions.iter().map(position));
    lines.push(format!("  Living orders     {}", standing.orders.len()));
    if standing.uncertain_rows > 0 {
        let rows = words::count(standing.uncertain_rows, "row");
        lines.push(format!("  State UNCERTAIN   {rows} of positions or orders cannot be read; only the broker knows"));
    }
    if let Some(log) = &standing.last_enforcement {
        lines.push(format!("  Last enforcement  {}", log::line(log, state)));
    }
    lines
}

fn lock(standing: &Standing, state: &State, now: Timestamp) -> String {
    let Some(lockout) = &standing.lockout else { return "free to trade".to_owned() };
    let until = match lockout.locked_until {
        None => "without end".to_owned(),
        Some(until) => {
            let at = words::time(until, state.zone(standing.account_id));
            match lockout.has_ended(now) {
                false => format!("until {at} ({} left)", words::span(until.duration_since(now))),
                // A daemon that watches the account would have unlocked it.
                true if state.status.owner_pid.is_some() => {
                    format!("until {at}, which is over: the daemon that runs does not watch this account")
                }
                true => format!("until {at}, which is over: the daemon unlocks it when it runs"),
            }
        }
    };
    let rule = match lockout.rule_id {
        RuleId::FOREIGN => String::new(),
        rule_id => format!(" ({rule_id})"),
    };
    format!("LOCKED {until}\n  Because           {}{rule}", lockout.reason)
}

fn position(position: &Position) -> String {
    let direction = match position.position_type {
        PositionType::Long => "long",
        PositionType::Short => "short",
        PositionType::Undefined | PositionType::Unknown(_) => "of unknown direction",
    };
    let contracts = words::count(usize::try_from(position.size).unwrap_or_default(), "contract");
    format!("    {}  {direction} {contracts} at {} points", position.contract_id, position.average_price)
}

fn answer(state: &State, standings: &[Standing], unreadable: &[Unreadable]) -> Answer {
    let account = |standing: &Standing| AccountAnswer {
        account_id: standing.account_id,
        // Whoever reads this must not take an account for free before the daemon has unlocked it.
        locked: standing.lockout.is_some(),
        locked_until: standing.lockout.as_ref().and_then(|lockout| lockout.locked_until).map(|until| until.to_string()),
        lock_reason: standing.lockout.as_ref().map(|lockout| lockout.reason.clone()),
        lock_rule_id: standing.lockout.as_ref().map(|lockout| lockout.rule_id.to_string()),
        trading_day: standing.day.map(|day| day.date.to_string()),
        realized_pnl_dollars: standing.day.map(|day| day.realized_pnl.to_f64()),
        next_reset: standing.next_reset.map(|next| next.to_string()),
        open_positions: standing.positions.len(),
        living_orders: standing.orders.len(),
        certain: standing.uncertain_rows == 0,
        last_enforcement_id: standing.last_enforcement.as_ref().and_then(|log| log.id).map(|id| id.0),
    };
    Answer {
        database: state.status.path.display().to_string(),
        schema_version: state.status.version,
        daemon_pid: state.status.owner_pid,
        accounts: standings.iter().map(account).collect(),
        unreadable: unreadable.iter().map(ToString::to_string).collect(),
    }
}
