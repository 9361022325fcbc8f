//! What the engine is told at its start.

use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::{AccountMemory, Goal, Memory, RecordedTrade};
use riskd_core::model::{AccountId, EnforcementLog, Invalid, truncate_to_millisecond};
use rusqlite::Connection;

use super::enforcements::last_id;
use super::{Reader, trades};
use crate::error::StoreError;
use crate::tables::{
    Cells, RowChecks, Rows, Table, Unreadable, contract_cache, daily_pnl, drawdown_marks, enforcement_log, exists,
    lockouts, orders, positions, reset_schedule, rule_commitments, schema_version,
};
use crate::timestamp::first_text;

/// Days of realized P&L told: enough to hold the present one in any time zone, and a weekend before it.
const DAYS_OF_PNL: i64 = 7;

/// How far back trades are told.
const TRADES_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(super) const PENDING: &str = "WHERE success = 0 AND details LIKE '%pending%'";

/// The same where it is known since when this program has written the log.
pub(super) const PENDING_SINCE: &str = "WHERE success = 0 AND timestamp >= ?1 AND details LIKE '%pending%'";

/// How much further back than the day on which the file came to v2 pending enforcements are looked for: the clock may have
/// been wrong on that day.
const BEFORE_V2: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What the file remembers, and what in it could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// For the engine.
    pub memory: Memory,
    /// Rows that could not be read. One of `positions` or `orders` makes its account uncertain; where not even the
    /// account could be read, it may be any of them.
    pub unreadable: Vec<Unreadable>,
}

impl Reader {
    /// What the file remembers of these accounts, all of it from one and the same moment.
    ///
    /// Pending enforcements are found through the index on success. Closed positions and finished orders that an older
    /// program left in their tables are left out.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn memory(&self, accounts: &[AccountId], now: Timestamp) -> Result<Remembered, StoreError> {
        let checks = self.checks(now);
        self.with_snapshot(|connection| remember(connection, accounts, &checks))
    }
}

fn remember(connection: &Connection, accounts: &[AccountId], checks: &RowChecks) -> Result<Remembered, StoreError> {
    let mut unreadable = Vec::new();
    let asked_for = |account_id: Option<AccountId>| account_id.is_none_or(|account| accounts.contains(&account));
    let mut note = |found: Vec<Unreadable>| {
        unreadable.extend(found.into_iter().filter(|row| asked_for(row.account_id)));
    };
    let contracts = contract_cache::TABLE
        .read(connection, "ORDER BY contract_id", [], |cells| contract_cache::from_cells(cells, checks))?;
    note(contracts.unreadable);
    // Read whole, not by account: a row whose account cannot be read must not be overlooked.
    let lockouts = lockouts::in_force(connection, checks.now)?;
    note(lockouts.unreadable);
    let positions =
        positions::TABLE.read(connection, "ORDER BY id", [], |cells| positions::from_cells(cells, checks))?;
    note(positions.unreadable);
    let orders = orders::TABLE.read(connection, "ORDER BY id", [], |cells| orders::from_cells(cells, checks))?;
    note(orders.unreadable);
    let schedules = reset_schedule::TABLE.read(connection, "ORDER BY account_id", [], reset_schedule::from_cells)?;
    note(schedules.unreadable);
    let pending = pending_enforcements(connection, checks.now)?;
    note(pending.unreadable);
    let marks = if_there(connection, &drawdown_marks::TABLE, "ORDER BY account_id", drawdown_marks::from_cells)?;
    note(marks.unreadable);
    let order = "ORDER BY account_id, rule";
    let commitments = if_there(connection, &rule_commitments::TABLE, order, rule_commitments::from_cells)?;
    note(commitments.unreadable);
    let mut memory = Memory {
        accounts: Vec::with_capacity(accounts.len()),
        contracts: contracts.rows,
        pending_enforcements: pending.rows.into_iter().filter(|(log, _)| accounts.contains(&log.account_id)).collect(),
        last_enforcement_id: last_id(connection)?,
        drawdown_marks: marks
            .rows
            .into_iter()
            .filter(|mark| accounts.contains(&mark.account_id))
            .map(|mark| (mark.account_id, mark))
            .collect(),
        commitments: of_account(&commitments.rows, |commitment| accounts.contains(&commitment.account_id)),
        unlocks: crate::audit::last_unlocks(connection, accounts)
            .map_err(StoreError::sqlite("read the last unlocks"))?,
    };
    for &account_id in accounts {
        let daily_pnl = daily_pnl::TABLE.read(
            connection,
            "WHERE account_id = ?1 ORDER BY date DESC LIMIT ?2",
            [account_id.0, DAYS_OF_PNL],
            daily_pnl::from_cells,
        )?;
        note(daily_pnl.unreadable);
        let recorded = recorded_trades(connection, account_id, checks.now)?;
        note(recorded.unreadable);
        memory.accounts.push(AccountMemory {
            account_id,
            lockout: lockouts.rows.iter().find(|lockout| lockout.account_id == account_id).cloned(),
            daily_pnl: daily_pnl.rows,
            recorded_trades: recorded.rows,
            positions: of_account(&positions.rows, |row| row.account_id == account_id && !row.is_closed()),
            orders: of_account(&orders.rows, |row| row.account_id == account_id && row.state.is_alive()),
            reset_schedule: schedules.rows.iter().find(|schedule| schedule.account_id == account_id).cloned(),
        });
    }
    Ok(Remembered { memory, unreadable })
}

/// Every row of a feature's table; none where the feature was never on.
fn if_there<T>(
    connection: &Connection,
    table: &Table,
    rest: &str,
    read: impl Fn(&Cells<'_>) -> Result<T, Invalid>,
) -> Result<Rows<T>, StoreError> {
    if exists(connection, table.name)? { table.read(connection, rest, [], read) } else { Ok(Rows::default()) }
}

/// Enforcements that still have something to reach, oldest first.
///
/// A log that came from v1 may hold many thousand failed rows, far apart in the file, and looking at each takes seconds on
/// a cold disk. Only a program of v2 leaves rows pending, so those from before the file came to v2 are not looked at.
fn pending_enforcements(connection: &Connection, now: Timestamp) -> Result<Rows<(EnforcementLog, Goal)>, StoreError> {
    let read = enforcement_log::pending_from_cells;
    let found = match schema_version::applied_at(connection, 2)? {
        // A file from the future says nothing of the past: then the clock is wrong, or was.
        Some(applied_at) if applied_at <= now => {
            let since = first_text(applied_at.checked_sub(BEFORE_V2).unwrap_or(Timestamp::MIN));
            enforcement_log::TABLE.read(connection, PENDING_SINCE, [since], read)?
        }
        _ => enforcement_log::TABLE.read(connection, PENDING, [], read)?,
    };
    let mut pending = Rows { rows: found.rows.into_iter().flatten().collect::<Vec<_>>(), unreadable: found.unreadable };
    pending.rows.sort_by_key(|(log, _)| (log.timestamp, log.id));
    Ok(pending)
}

fn recorded_trades(
    connection: &Connection,
    account_id: AccountId,
    now: Timestamp,
) -> Result<Rows<RecordedTrade>, StoreError> {
    let since = now.checked_sub(TRADES_BACK).unwrap_or(Timestamp::MIN);
    // A trade may carry a time slightly ahead of this clock, and a clock may have been set back: no upper end.
    let found = trades(connection, account_id, &(since..Timestamp::MAX))?;
    let recorded = |trade: crate::tables::trade_history::TradeRow| RecordedTrade {
        execution_time: truncate_to_millisecond(trade.execution_time),
        contract_id: trade.contract_id,
        profit_and_loss: trade.profit_and_loss,
    };
    Ok(Rows { rows: found.rows.into_iter().map(recorded).collect(), unreadable: found.unreadable })
}

fn of_account<T: Clone>(rows: &[T], wanted: impl Fn(&T) -> bool) -> Vec<T> {
    rows.iter().filter(|row| wanted(row)).cloned().collect()
}
