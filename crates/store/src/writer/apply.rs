//! One write of the engine, as statements.

use jiff::Timestamp;
use riskd_core::engine::Write;
use rusqlite::Connection;

use crate::audit::Trail;
use crate::tables::{
    Table, contract_cache, daily_pnl, daily_unrealized_pnl, drawdown_marks, enforcement_log, lockouts, orders,
    positions, reset_schedule, rule_commitments, session_state, trade_history,
};

/// Carries out one write inside the transaction of its batch. `now` is for columns that the write has no time for.
///
/// What the audit trail attests is appended to it in the same transaction; `trail` is absent where none is kept.
pub(super) fn apply(
    connection: &Connection,
    write: &Write,
    now: Timestamp,
    trail: Option<&mut Trail>,
) -> rusqlite::Result<()> {
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
        Write::PutEnforcement { log, goal } => {
            enforcement_log::put(connection, log, goal.as_ref())?;
            let id = log.id.map_or_else(|| connection.last_insert_rowid(), |id| id.0);
            trail.map_or(Ok(0), |trail| trail.attest(connection, id, now))
        }
        Write::PutResetSchedule(schedule) => reset_schedule::put(connection, schedule),
        Write::PutDailyUnrealizedPnl(snapshot) => {
            if_there(connection, &daily_unrealized_pnl::TABLE, || daily_unrealized_pnl::put(connection, snapshot))
        }
        Write::PutDrawdownMark(mark) => {
            if_there(connection, &drawdown_marks::TABLE, || drawdown_marks::put(connection, mark))
        }
        Write::PutCommitment(commitment) => {
            if_there(connection, &rule_commitments::TABLE, || rule_commitments::put(connection, commitment))
        }
        Write::RemoveCommitment { account_id, rule } => {
            if_there(connection, &rule_commitments::TABLE, || rule_commitments::remove(connection, *account_id, rule))
        }
        Write::AppendAudit(act) => match trail {
            Some(trail) => trail.record(connection, act),
            None => {
                tracing::debug!(?act, "no audit trail is kept");
                Ok(0)
            }
        },
    }
    .map(drop)
}

/// Writes to the table of a feature. The feature may be off: then there is nothing to write, and no reason to lose the
/// batch.
fn if_there(
    connection: &Connection,
    table: &Table,
    put: impl FnOnce() -> rusqlite::Result<usize>,
) -> rusqlite::Result<usize> {
    if connection.table_exists(None, table.name)? {
        return put();
    }
    tracing::debug!(table = table.name, "there is no such table: nothing is kept in it");
    Ok(0)
}
