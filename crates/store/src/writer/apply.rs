//! One write of the engine, as statements.

use jiff::Timestamp;
use riskd_core::engine::Write;
use rusqlite::Connection;

use crate::tables::{
    contract_cache, daily_pnl, daily_unrealized_pnl, enforcement_log, lockouts, orders, positions, reset_schedule,
    session_state, trade_history,
};

/// Carries out one write inside the transaction of its batch. `now` is for columns that the write has no time for.
pub(super) fn apply(connection: &Connection, write: &Write, now: Timestamp) -> rusqlite::Result<()> {
    match write {
        Write::PutLockout(lockout) => lockouts::put(connection, lockout, now),
        Write::ClearLockout { account_id, at } => lockouts::clear(connection, *account_id, *at),
        Write::PutDailyPnl { daily_pnl, at } => daily_pnl::put(connection, daily_pnl, *at),
        Write::PutContract { contract, at } => contract_cache::put(connection, contract, *at),
        Write::AppendTrade(trade) => trade_history::append(connection, trade, now),
        Write::RemoveTrade(trade) => trade_history::remove(connection, trade),
        Write::PutSessionState { account_id, session_start, at } => {
            session_state::put(connection, *account_id, *session_start, *at)
        }
        Write::PutPosition(position) => positions::put(connection, position),
        Write::RemovePosition(id) => positions::remove(connection, *id),
        Write::PutOrder(order) => orders::put(connection, order),
        Write::RemoveOrder(id) => orders::remove(connection, *id),
        Write::PutEnforcement { log, goal } => enforcement_log::put(connection, log, goal.as_ref()),
        Write::PutResetSchedule(schedule) => reset_schedule::put(connection, schedule),
        // The table belongs to a feature that may be off: then there is nothing to write, and no reason to lose the batch.
        Write::PutDailyUnrealizedPnl(snapshot) => {
            if connection.table_exists(None, daily_unrealized_pnl::TABLE.name)? {
                daily_unrealized_pnl::put(connection, snapshot)
            } else {
                tracing::debug!("no table for snapshots of unrealized P&L: none is kept");
                Ok(0)
            }
        }
    }
    .map(drop)
}
