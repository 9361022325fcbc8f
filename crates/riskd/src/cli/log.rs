//! `riskd log`: the enforcement log.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use riskd_core::model::{AccountId, EnforcementId, EnforcementLog, EnforcementStatus, Money, Noun, RuleId};
use riskd_store::reader::EnforcementFilter;
use serde::Serialize;

use super::state::{State, failed, now, warn_of};
use super::{Context, words};
use crate::failure::{Exit, Failure};

/// How often `--follow` looks for something new.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Rows looked at in one look of `--follow`, at most.
const ROWS_A_LOOK: usize = 1000;

/// Show the enforcement log, newest first; beside a running daemon too
#[derive(Debug, clap::Args)]
#[command(after_help = super::help(EXAMPLES))]
pub struct Args {
    /// Database file [default: database.path of config/database.yaml, or data/state.db]
    path: Option<PathBuf>,
    /// Only those that failed, or are not confirmed yet
    #[arg(long)]
    failed: bool,
    /// Only those of one rule: RULE-003, or 3
    #[arg(long, value_name = "RULE", value_parser = rule)]
    rule: Option<RuleId>,
    /// Only those of one account
    #[arg(long, value_name = "ID")]
    account: Option<i64>,
    /// Only those decided since a time (2026-11-22, 2026-11-22T14:30, in UTC unless it says otherwise) or a span (90m, 12h, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
    /// Only those that took longer than so many milliseconds [default: 1000]
    #[arg(long, value_name = "MS", num_args = 0..=1, require_equals = true, default_missing_value = "1000")]
    slow: Option<u32>,
    /// Rows to show at most
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 50)]
    limit: usize,
    /// Go on with what is new, oldest first, until interrupted
    #[arg(short, long)]
    follow: bool,
}

const EXAMPLES: &str = "\
    riskd log --failed --since 7d
    riskd log --rule RULE-003 --account 123 --json
    riskd log --slow=2000
    riskd log --follow";

/// Since when rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Time(Timestamp),
    Span(SignedDuration),
}

/// A row as `--json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    id: Option<EnforcementId>,
    timestamp: String,
    account_id: AccountId,
    rule_id: RuleId,
    action: &'a str,
    reason: &'a str,
    success: bool,
    status: &'static str,
    error_message: Option<&'a str>,
    positions_closed: i64,
    orders_cancelled: i64,
    lockout_until: Option<String>,
    pnl_at_enforcement: Option<f64>,
    execution_time_ms: Option<i64>,
}

/// The answer with `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    enforcements: Vec<Row<'a>>,
    /// Whether there are older rows than those shown.
    more: bool,
    unreadable: Vec<String>,
}

/// Shows the log.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let state = State::open(args.path.as_ref(), context)?;
    let filter = filter(&args, now());
    // Before the first look, so that nothing falls between it and the next.
    let last = state.reader.last_enforcement_id().map_err(failed)?;
    let page = state.reader.enforcements(&filter, None, args.limit).map_err(failed)?;
    warn_of(&page.unreadable, &context.output);
    if args.follow {
        page.rows.iter().rev().for_each(|log| show_one(log, &state, context));
        let pending = page.rows.iter().filter(|log| is_pending(log)).filter_map(|log| log.id).collect();
        return follow(&state, &filter, last, pending, context);
    }
    context.output.json(&Answer {
        enforcements: page.rows.iter().map(row).collect(),
        more: page.next.is_some(),
        unreadable: page.unreadable.iter().map(ToString::to_string).collect(),
    });
    for log in &page.rows {
        context.output.line(line(log, &state));
    }
    if page.rows.is_empty() {
        context.output.line("No enforcements.");
    } else if page.next.is_some() {
        context.output.line(format_args!("… older ones not shown; --limit {} shows more", args.limit.max(1) * 10));
    }
    Ok(Exit::DONE)
}

/// Shows what is new, and again what was pending once it no longer is, until nobody reads any more.
fn follow(
    state: &State,
    filter: &EnforcementFilter,
    mut last: EnforcementId,
    mut pending: Vec<EnforcementId>,
    context: &Context,
) -> Result<Exit, Failure> {
    while !context.output.is_closed() {
        let mut still_pending = Vec::new();
        for id in pending {
            let found = state.reader.enforcement(id).map_err(failed)?;
            for log in &found.rows {
                if is_pending(log) {
                    still_pending.push(id);
                } else {
                    show_one(log, state, context);
                }
            }
        }
        let new = state.reader.enforcements_after(last, ROWS_A_LOOK).map_err(failed)?;
        warn_of(&new.unreadable, &context.output);
        let highest = new.rows.iter().filter_map(|log| log.id).chain(new.unreadable.iter().map(|row| EnforcementId(row.rowid)));
        last = highest.max().unwrap_or(last).max(last);
        for log in new.rows.iter().filter(|log| lets_through(filter, log)) {
            show_one(log, state, context);
            still_pending.extend(log.id.filter(|_| is_pending(log)));
        }
        pending = still_pending;
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(Exit::DONE)
}

fn show_one(log: &EnforcementLog, state: &State, context: &Context) {
    context.output.line(line(log, state));
    context.output.json(&row(log));
}

fn filter(args: &Args, now: Timestamp) -> EnforcementFilter {
    EnforcementFilter {
        only_failed: args.failed,
        rule_id: args.rule,
        account_id: args.account.map(AccountId),
        since: args.since.map(|since| match since {
            Since::Time(time) => time,
            Since::Span(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
        }),
        slower_than_ms: args.slow.map(i64::from),
    }
}

/// The same choice as the database's, for a row that came by itself.
fn lets_through(filter: &EnforcementFilter, log: &EnforcementLog) -> bool {
    (!filter.only_failed || !log.success)
        && filter.rule_id.is_none_or(|rule| rule == log.rule_id)
        && filter.account_id.is_none_or(|account| account == log.account_id)
        && filter.since.is_none_or(|since| log.timestamp >= since)
        && filter.slower_than_ms.is_none_or(|least| log.execution_time_ms.is_some_and(|took| took > least))
}

fn is_pending(log: &EnforcementLog) -> bool {
    !log.success && log.status == EnforcementStatus::Pending
}

/// `2026-11-22 09:31:00 EST  account 123  RULE-003  CLOSE_ALL_AND_LOCKOUT  confirmed in 412 ms  the reason`
pub(super) fn line(log: &EnforcementLog, state: &State) -> String {
    let error = log.error_message.as_deref().map(|error| format!(" (last error: {error})")).unwrap_or_default();
    format!(
        "{}  account {}  {}  {:<21}  {:<20}  {}{error}",
        words::time(log.timestamp, state.zone(log.account_id)),
        log.account_id,
        log.rule_id,
        log.action.as_str(),
        outcome(log),
        log.reason,
    )
}

/// How far an enforcement has come.
fn outcome(log: &EnforcementLog) -> String {
    match (log.success, log.status, log.execution_time_ms) {
        (true, _, Some(took)) => format!("confirmed in {took} ms"),
        (true, _, None) => "confirmed".to_owned(),
        (false, EnforcementStatus::Pending, _) => "pending".to_owned(),
        (false, EnforcementStatus::Confirmed, Some(took)) => format!("FAILED after {took} ms"),
        (false, EnforcementStatus::Confirmed, None) => "FAILED".to_owned(),
    }
}

fn row(log: &EnforcementLog) -> Row<'_> {
    Row {
        id: log.id,
        timestamp: log.timestamp.to_string(),
        account_id: log.account_id,
        rule_id: log.rule_id,
        action: log.action.as_str(),
        reason: &log.reason,
        success: log.success,
        status: log.status.as_str(),
        error_message: log.error_message.as_deref(),
        positions_closed: log.positions_closed,
        orders_cancelled: log.orders_cancelled,
        lockout_until: log.lockout_until.map(|until| until.to_string()),
        pnl_at_enforcement: log.pnl_at_enforcement.map(Money::to_f64),
        execution_time_ms: log.execution_time_ms,
    }
}

fn rule(text: &str) -> Result<RuleId, String> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_prefix("RULE-").unwrap_or(&upper);
    digits
        .parse()
        .ok()
        .and_then(RuleId::from_number)
        .ok_or_else(|| format!("must be a rule, RULE-001 to RULE-{:03}", RuleId::LAST))
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = riskd_store::timestamp::from_text(text, Noun::EnforcementLog, "since") {
        return Ok(Since::Time(time));
    }
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => 0,
    };
    match number.parse::<u32>() {
        Ok(number) if seconds > 0 => Ok(Since::Span(SignedDuration::from_secs(i64::from(number) * seconds))),
        _ => Err("must be a time, such as 2026-11-22 or 2026-11-22T14:30, or a span, such as 90m, 12h or 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rules_are_named_by_code_or_number() {
        for text in ["RULE-003", "rule-003", "3", "003"] {
            assert_eq!(rule(text), Ok(RuleId::DAILY_REALIZED_LOSS), "{text}");
        }
        for text in ["", "0", "16", "RULE-", "daily", "-3"] {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn since_takes_times_and_spans() {
        let span = |seconds| Ok(Since::Span(SignedDuration::from_secs(seconds)));
        for (text, seconds) in [("90s", 90), ("90m", 5_400), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)] {
            assert_eq!(since(text), span(seconds));
        }
        assert_eq!(since("2026-11-22"), Ok(Since::Time("2026-11-22T00:00:00Z".parse().unwrap())));
        assert_eq!(since("2026-11-22T09:30-05:00"), Ok(Since::Time("2026-11-22T14:30:00Z".parse().unwrap())));
        for text in ["", "d", "7", "7y", "-7d", "yesterday", "é", "7é"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
