//! `daily_pnl`: realized P&L, one row an account and trading day. The number of trades is not stored and reads as 0.

use jiff::Timestamp;
use riskd_core::model::{DailyPnl, DailyPnlDraft, Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table =
    Table { name: "daily_pnl", noun: Noun::DailyPnl, columns: &["account_id", "date", "realized_pnl"] };

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<DailyPnl, Invalid> {
    DailyPnl::new(DailyPnlDraft {
        account_id: cells.account_id()?,
        date: cells.date("date")?,
        realized_pnl: cells.money("realized_pnl")?,
        trade_count: 0,
    })
}

/// Writes the day. A row that already holds the same amount is left untouched.
pub(crate) fn put(connection: &Connection, daily_pnl: &DailyPnl, at: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO daily_pnl (account_id, date, realized_pnl, last_updated) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account_id, date) DO UPDATE SET
                 realized_pnl = excluded.realized_pnl, last_updated = excluded.last_updated
             WHERE realized_pnl IS NOT excluded.realized_pnl",
        )?
        .execute(params![
            daily_pnl.account_id.0,
            daily_pnl.date.to_string(),
            daily_pnl.realized_pnl.to_f64(),
            to_text(at)
        ])
}
