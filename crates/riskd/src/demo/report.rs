//! What came of it: who breached what, what was done and how fast, and what the broker itself says now.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use jiff::Timestamp;
use riskd_core::engine::WHILE_LOCKED_BY;
use riskd_core::model::{AccountId, EnforcementLog, Money};
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::Simulator;
use riskd_sim::traders::Trader;
use riskd_store::reader::EnforcementFilter;
use riskd_store::{Reader, ReaderOptions, StoreError, VersionRow};
use serde::Serialize;

use super::morning::STEADY;
use super::{Cast, Plan};
use crate::daemon::{Setup, Summary};
use crate::failure::{Failure, FailureKind};

/// Columns of the tables where there is no terminal.
const WIDTH_WITHOUT_A_TERMINAL: u16 = 150;
/// Rows of the log that one demonstration can have.
const MOST_ROWS: usize = 1_000;

/// What came of a demonstration.
#[derive(Debug, Serialize)]
pub struct Report {
    accounts: Vec<AccountReport>,
    enforcements: Vec<EnforcementReport>,
    migration_history: Vec<VersionRow>,
    decisions: DecisionReport,
    files: FilesReport,
    /// What should not have come out so; empty when all is well.
    pub faults: Vec<String>,
}

#[derive(Debug, Serialize)]
struct AccountReport {
    id: AccountId,
    name: String,
    habit: &'static str,
    orders_by_the_trader: usize,
    #[serde(serialize_with = "dollars")]
    realized_pnl: Money,
    enforcements: usize,
    slowest_ms: Option<i64>,
    locked_until: Option<String>,
    contracts_at_the_broker: i64,
    living_orders_at_the_broker: usize,
}

#[derive(Debug, Serialize)]
struct EnforcementReport {
    at: String,
    account_id: AccountId,
    rule: String,
    action: String,
    reason: String,
    positions_closed: i64,
    orders_cancelled: i64,
    confirmed: bool,
    execution_time_ms: Option<i64>,
}

#[derive(Debug, Serialize)]
struct DecisionReport {
    events: u64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    requests_to_the_broker: usize,
    close_requests: usize,
}

#[derive(Debug, Serialize)]
struct FilesReport {
    folder: String,
    database: String,
    backups: Vec<String>,
}

impl EnforcementReport {
    fn holds_a_lockout(&self) -> bool {
        self.reason.contains(WHILE_LOCKED_BY)
    }
}

impl Report {
    /// Asks the database and the exchange, which know nothing of each other, and compares what they say.
    pub(super) fn gather(
        setup: &Setup,
        cast: &Cast,
        simulator: &Simulator,
        traders: &[Trader],
        began: Timestamp,
        summary: &Summary,
        plan: &Plan,
    ) -> Result<Self, Failure> {
        let database = &setup.database;
        let read = || -> Result<_, StoreError> {
            let reader = Reader::open(&database.path, ReaderOptions::default())?;
            let filter = EnforcementFilter { since: Some(began), ..EnforcementFilter::default() };
            let mut log = reader.enforcements(&filter, None, MOST_ROWS)?.rows;
            log.reverse();
            let lockouts = reader.lockouts(Timestamp::now())?.rows;
            let status = riskd_store::status(&database.location(), database.features())?;
            Ok((log, lockouts, status.history, riskd_store::list_backups(&database.location())?))
        };
        let (log, lockouts, migration_history, backups) =
            read().map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
        let controls = &simulator.controls;
        let accounts = cast.traders.iter().zip(&cast.habits).map(|(trader, habit)| {
            let mine: Vec<_> = log.iter().filter(|row| row.account_id == trader.account_id).collect();
            let lockout = lockouts.iter().find(|lockout| lockout.account_id == trader.account_id);
            let deeds = traders.iter().find(|played| played.account_id == trader.account_id);
            AccountReport {
                id: trader.account_id,
                name: trader.name.clone(),
                habit,
                orders_by_the_trader: deeds.map_or(0, |played| played.deeds().len()),
                realized_pnl: controls.realized_pnl(trader.account_id),
                enforcements: mine.len(),
                slowest_ms: mine.iter().filter_map(|row| row.execution_time_ms).max(),
                locked_until: lockout.map(|lockout| {
                    lockout.locked_until.map_or_else(
                        || "without end".to_owned(),
                        |until| local(until, setup, trader.account_id, "%b %d %H:%M %Z"),
                    )
                }),
                contracts_at_the_broker: controls.exchange(|it| it.signed_size(trader.account_id, &cast.contract_id)),
                living_orders_at_the_broker: controls.living_orders(trader.account_id).len(),
            }
        });
        let accounts: Vec<_> = accounts.collect();
        let requests = controls.requests();
        let microseconds = |percentile| summary.decision_time(percentile).as_nanos() as f64 / 1_000.0;
        Ok(Self {
            faults: faults(&accounts, &log, &migration_history, summary),
            enforcements: log.iter().map(|row| enforcement(row, setup)).collect(),
            accounts,
            migration_history,
            decisions: DecisionReport {
                events: summary.events(),
                p50_us: microseconds(50.0),
                p99_us: microseconds(99.0),
                p999_us: microseconds(99.9),
                requests_to_the_broker: requests.len(),
                close_requests: requests.iter().filter(|request| closes(request.endpoint)).count(),
            },
            files: FilesReport {
                folder: plan.folder.display().to_string(),
                database: database.path.display().to_string(),
                backups: backups.iter().map(|backup| backup.path.display().to_string()).collect(),
            },
        })
    }

    /// The report as people read it, as wide as the terminal.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["What was breached, and what was done".to_owned()];
        lines.extend(self.enforcement_table().lines());
        lines.extend(self.accounts.iter().filter_map(|account| self.held_lockout(account.id)));
        lines.push(String::new());
        lines.push("Every account, as the broker has it now".to_owned());
        lines.extend(self.account_table().lines());
        lines.push(String::new());
        lines.push("Migration history".to_owned());
        for row in &self.migration_history {
            let took = row.execution_time_ms.map_or_else(String::new, |took| format!(" ({took} ms)"));
            lines.push(format!("  v{}  {}  {}{took}", row.version, row.applied_at, row.description));
        }
        let decisions = &self.decisions;
        lines.push(String::new());
        lines.push(format!(
            "From event to decision, over {} events: median {:.1} µs, 99 % within {:.1} µs, 99.9 % within {:.1} µs",
            decisions.events, decisions.p50_us, decisions.p99_us, decisions.p999_us
        ));
        lines.push(format!(
            "Requests to the broker: {}, of them {} to close",
            decisions.requests_to_the_broker, decisions.close_requests
        ));
        lines.push(String::new());
        lines.push(format!("Everything is kept in {}", self.files.folder));
        lines.push(format!("  database  {}", self.files.database));
        lines.extend(self.files.backups.iter().map(|backup| format!("  backup    {backup}")));
        let config = format!("{}/config", self.files.folder);
        lines.push(format!("Look around: riskd --config {config} status   riskd --config {config} log"));
        lines
    }

    /// What appeared in a locked account and was cleared away, in one line.
    fn held_lockout(&self, account_id: AccountId) -> Option<String> {
        let held: Vec<_> =
            self.enforcements.iter().filter(|row| row.account_id == account_id && row.holds_a_lockout()).collect();
        let slowest = held.iter().filter_map(|row| row.execution_time_ms).max()?;
        let closed: i64 = held.iter().map(|row| row.positions_closed).sum();
        let cancelled: i64 = held.iter().map(|row| row.orders_cancelled).sum();
        Some(format!(
            "Locked account {account_id} was traded in again: {closed} positions closed, {cancelled} orders cancelled, \
             each within {slowest} ms"
        ))
    }

    fn enforcement_table(&self) -> Table {
        let mut table = table(["Time", "Account", "Rule", "Action", "Why", "Closed", "Cancelled", "Confirmed in"]);
        for row in self.enforcements.iter().filter(|row| !row.holds_a_lockout()) {
            let confirmed = match (row.confirmed, row.execution_time_ms) {
                (true, Some(took)) => format!("{took} ms"),
                (true, None) => "yes".to_owned(),
                (false, _) => "NOT CONFIRMED".to_owned(),
            };
            table.add_row([
                row.at.clone(),
                row.account_id.to_string(),
                row.rule.clone(),
                row.action.clone(),
                row.reason.clone(),
                row.positions_closed.to_string(),
                row.orders_cancelled.to_string(),
                confirmed,
            ]);
        }
        align_right(&mut table, &[5, 6, 7]);
        table
    }

    fn account_table(&self) -> Table {
        let head =
            ["Account", "Who", "Habit", "Realized", "Enforced", "Slowest", "Locked until", "Contracts", "Orders"];
        let mut table = table(head);
        for account in &self.accounts {
            table.add_row([
                account.id.to_string(),
                account.name.clone(),
                account.habit.to_owned(),
                format!("{:#}", account.realized_pnl),
                if account.enforcements == 0 { "never".to_owned() } else { format!("{} ×", account.enforcements) },
                account.slowest_ms.map_or_else(|| "–".to_owned(), |slowest| format!("{slowest} ms")),
                account.locked_until.clone().unwrap_or_else(|| "–".to_owned()),
                account.contracts_at_the_broker.to_string(),
                account.living_orders_at_the_broker.to_string(),
            ]);
        }
        align_right(&mut table, &[3, 4, 5, 7, 8]);
        table
    }
}

fn table<const COLUMNS: usize>(head: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(WIDTH_WITHOUT_A_TERMINAL);
    }
    table.set_header(head);
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn closes(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::ClosePosition | Endpoint::PartialClosePosition)
}

fn enforcement(row: &EnforcementLog, setup: &Setup) -> EnforcementReport {
    EnforcementReport {
        at: local(row.timestamp, setup, row.account_id, "%H:%M:%S%.3f"),
        account_id: row.account_id,
        rule: row.rule_id.to_string(),
        action: row.action.to_string(),
        reason: row.reason.clone(),
        positions_closed: row.positions_closed,
        orders_cancelled: row.orders_cancelled,
        confirmed: row.success,
        execution_time_ms: row.execution_time_ms,
    }
}

fn local(at: Timestamp, setup: &Setup, account_id: AccountId, format: &str) -> String {
    let account = setup.accounts.iter().find(|account| account.id() == account_id);
    let zone = account.map_or(jiff::tz::TimeZone::UTC, |account| account.trading_day().timezone().clone());
    at.to_zoned(zone).strftime(format).to_string()
}

fn dollars<S: serde::Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(amount.to_f64())
}

/// What should not have come out so.
fn faults(
    accounts: &[AccountReport],
    log: &[EnforcementLog],
    history: &[VersionRow],
    summary: &Summary,
) -> Vec<String> {
    let mut faults = Vec::new();
    for account in accounts {
        let locked = account.locked_until.is_some();
        if locked && (account.contracts_at_the_broker != 0 || account.living_orders_at_the_broker != 0) {
            faults.push(format!("account {} is locked and not flat at the broker", account.id));
        }
        if account.id == STEADY && account.enforcements > 0 {
            faults.push(format!("account {} broke no rule and was touched", account.id));
        }
        if account.id != STEADY && account.enforcements == 0 {
            faults.push(format!("account {} ({}) should have breached a rule", account.id, account.name));
        }
        if account.realized_pnl <= Money::from_dollars(-500) && !locked {
            faults.push(format!("account {} lost {:#} and is not locked", account.id, -account.realized_pnl));
        }
    }
    let unconfirmed = log.iter().filter(|row| !row.success).count();
    if unconfirmed > 0 || summary.left_pending {
        faults.push(format!("{unconfirmed} enforcements are not confirmed"));
    }
    if history.last().map(|row| (row.version, row.success)) != Some((riskd_store::HEAD_VERSION, true)) {
        faults.push("the database is not at the current version".to_owned());
    }
    faults
}
