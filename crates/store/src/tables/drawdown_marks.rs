//! `drawdown_marks`: from where each account's drawdown is reckoned; there only where the feature was ever turned on.

use riskd_core::model::{DrawdownMark, Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table = Table {
    name: "drawdown_marks",
    noun: Noun::DrawdownMark,
    columns: &["account_id", "starting_balance", "high_water_mark", "day", "updated_at"],
};

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<DrawdownMark, Invalid> {
    Ok(DrawdownMark {
        account_id: cells.account_id()?,
        starting_balance: cells.money("starting_balance")?,
        high_water_mark: cells.money("high_water_mark")?,
        day: cells.date("day")?,
        updated_at: cells.time("updated_at")?,
    })
}

/// Writes the mark of an account, in place of the one before.
pub(crate) fn put(connection: &Connection, mark: &DrawdownMark) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO drawdown_marks (account_id, starting_balance, high_water_mark, day, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account_id) DO UPDATE SET
                 starting_balance = excluded.starting_balance, high_water_mark = excluded.high_water_mark,
                 day = excluded.day, updated_at = excluded.updated_at",
        )?
        .execute(params![
            mark.account_id.0,
            mark.starting_balance.to_f64(),
            mark.high_water_mark.to_f64(),
            mark.day.to_string(),
            to_text(mark.updated_at),
        ])
}
