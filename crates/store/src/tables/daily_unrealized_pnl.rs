//! `daily_unrealized_pnl`: a snapshot at each daily reset, one row an account and day; there only where the feature was
//! ever turned on.

use riskd_core::model::{DailyUnrealizedPnl, DailyUnrealizedPnlDraft, Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table = Table {
    name: "daily_unrealized_pnl",
    noun: Noun::DailyUnrealizedPnl,
    columns: &["account_id", "timestamp", "unrealized_pnl", "positions_count", "total_exposure", "created_at"],
};

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<DailyUnrealizedPnl, Invalid> {
    DailyUnrealizedPnl::new(DailyUnrealizedPnlDraft {
        account_id: cells.account_id()?,
        date: DailyUnrealizedPnl::parse_date(cells.text("timestamp")?)?,
        unrealized_pnl: cells.money("unrealized_pnl")?,
        positions_count: cells.integer("positions_count")?,
        total_exposure: cells.optional_money("total_exposure")?,
        created_at: cells.time("created_at")?,
    })
}

/// Writes the snapshot. The later one of a day wins.
pub(crate) fn put(connection: &Connection, snapshot: &DailyUnrealizedPnl) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO daily_unrealized_pnl
                 (account_id, timestamp, unrealized_pnl, positions_count, total_exposure, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (account_id, timestamp) DO UPDATE SET
                 unrealized_pnl = excluded.unrealized_pnl, positions_count = excluded.positions_count,
                 total_exposure = excluded.total_exposure, created_at = excluded.created_at",
        )?
        .execute(params![
            snapshot.account_id.0,
            snapshot.date.to_string(),
            snapshot.unrealized_pnl.to_f64(),
            snapshot.positions_count,
            snapshot.total_exposure.map(riskd_core::model::Money::to_f64),
            to_text(snapshot.created_at),
        ])
}
