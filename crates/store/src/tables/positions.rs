//! `positions`: what is open. A flat position leaves the table.

use riskd_core::model::{Invalid, Noun, Position, PositionDraft, PositionId, PositionType};
use rusqlite::{Connection, params};

use super::{Cells, RowChecks, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table = Table {
    name: "positions",
    noun: Noun::Position,
    columns: &["id", "account_id", "contract_id", "type", "size", "average_price", "created_at", "updated_at"],
};

pub(crate) fn from_cells(cells: &Cells<'_>, checks: &RowChecks) -> Result<Position, Invalid> {
    let contract_id = cells.contract_id()?;
    let checks = checks.of(&contract_id);
    let draft = PositionDraft {
        id: PositionId(cells.integer("id")?),
        account_id: cells.account_id()?,
        contract_id,
        position_type: PositionType::from_code(cells.code("type")?),
        size: cells.integer("size")?,
        average_price: cells.price("average_price")?,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
    };
    Position::new(draft, &checks)
}

/// Writes the position. A row that already says the same is left untouched.
pub(crate) fn put(connection: &Connection, position: &Position) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO positions
                 (id, account_id, contract_id, type, size, average_price, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (id) DO UPDATE SET
                 account_id = excluded.account_id, contract_id = excluded.contract_id, type = excluded.type,
                 size = excluded.size, average_price = excluded.average_price,
                 created_at = excluded.created_at, updated_at = excluded.updated_at
             WHERE (account_id, contract_id, type, size, average_price, created_at, updated_at) IS NOT
                 (excluded.account_id, excluded.contract_id, excluded.type, excluded.size,
                  excluded.average_price, excluded.created_at, excluded.updated_at)",
        )?
        .execute(params![
            position.id.0,
            position.account_id.0,
            position.contract_id.as_str(),
            position.position_type.code(),
            position.size,
            position.average_price.to_f64(),
            to_text(position.created_at),
            to_text(position.updated_at),
        ])
}

/// Takes a flat position away. Without a row, nothing happens.
pub(crate) fn remove(connection: &Connection, id: PositionId) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM positions WHERE id = ?1")?.execute([id.0])
}
