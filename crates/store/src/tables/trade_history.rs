//! `trade_history`: one row a fill. The table keeps neither the broker's id nor quantity, price, fees, side or order, so
//! a row makes a [`TradeRow`], not a trade.

use jiff::Timestamp;
use riskd_core::model::{AccountId, ContractId, Invalid, Money, Noun, Trade, truncate_to_millisecond};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::{end_text, first_text, to_text};

/// A row of trade history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeRow {
    /// The row's own number; not the broker's.
    pub id: i64,
    /// The account.
    pub account_id: AccountId,
    /// When it was executed.
    pub execution_time: Timestamp,
    /// The contract traded.
    pub contract_id: ContractId,
    /// Realized P&L in dollars, gross of fees; absent for a half-turn.
    pub profit_and_loss: Option<Money>,
}

pub(crate) const TABLE: Table = Table {
    name: "trade_history",
    noun: Noun::Trade,
    columns: &["id", "account_id", "timestamp", "contract_id", "pnl"],
};

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<TradeRow, Invalid> {
    Ok(TradeRow {
        id: cells.integer("id")?,
        account_id: cells.account_id()?,
        execution_time: cells.time("timestamp")?,
        contract_id: cells.contract_id()?,
        profit_and_loss: cells.optional_money("pnl")?,
    })
}

/// Adds a row for a trade.
pub(crate) fn append(connection: &Connection, trade: &Trade, now: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO trade_history (account_id, timestamp, contract_id, pnl, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            trade.account_id.0,
            to_text(trade.execution_time),
            trade.contract_id.as_str(),
            trade.profit_and_loss.map(Money::to_f64),
            to_text(now),
        ])
}

/// Takes away the newest row like this trade, whichever form its time was written in. Without one, nothing happens.
pub(crate) fn remove(connection: &Connection, trade: &Trade) -> rusqlite::Result<usize> {
    let wanted = truncate_to_millisecond(trade.execution_time);
    let found: Option<i64> = {
        let mut statement = connection.prepare_cached(
            &TABLE.select("WHERE account_id = ?1 AND timestamp >= ?2 AND timestamp < ?3 ORDER BY id DESC"),
        )?;
        let mut rows = statement.query(params![trade.account_id.0, first_text(wanted), end_text(wanted)])?;
        loop {
            let Some(row) = rows.next()? else { break None };
            // A row that cannot be read is not like any trade.
            let Ok(candidate) = TABLE.read_row(row, from_cells) else { continue };
            if candidate.contract_id == trade.contract_id
                && candidate.profit_and_loss == trade.profit_and_loss
                && truncate_to_millisecond(candidate.execution_time) == wanted
            {
                break Some(candidate.id);
            }
        }
    };
    match found {
        Some(id) => connection.prepare_cached("DELETE FROM trade_history WHERE id = ?1")?.execute([id]),
        None => Ok(0),
    }
}
