//! `orders`: what can still fill. A finished order leaves the table.
//!
//! The table has no columns for the trailing distance, what was filled, and whether the order protects a position. They
//! read as none, nothing, and "it is a stop". A trailing stop that was stored with a distance and no stop price is
//! therefore refused on reading, and its account is uncertain until the broker has been asked, as it is at any start.

use riskd_core::model::{Invalid, Noun, Order, OrderDraft, OrderId, OrderState, OrderType, Price, Side};
use rusqlite::{Connection, params};

use super::{Cells, RowChecks, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table = Table {
    name: "orders",
    noun: Noun::Order,
    columns: &[
        "id",
        "account_id",
        "contract_id",
        "type",
        "side",
        "size",
        "limit_price",
        "stop_price",
        "state",
        "created_at",
        "updated_at",
    ],
};

pub(crate) fn from_cells(cells: &Cells<'_>, checks: &RowChecks) -> Result<Order, Invalid> {
    let contract_id = cells.contract_id()?;
    let checks = checks.of(&contract_id);
    let order_type = OrderType::from_code(cells.code("type")?);
    let draft = OrderDraft {
        id: OrderId(cells.integer("id")?),
        account_id: cells.account_id()?,
        contract_id,
        order_type,
        side: Side::from_code(cells.code("side")?),
        size: cells.integer("size")?,
        state: OrderState::from_database_code(i64::from(cells.code("state")?)),
        limit_price: cells.optional_price("limit_price")?,
        stop_price: cells.optional_price("stop_price")?,
        trail_distance: None,
        fill_price: None,
        filled_size: 0,
        created_at: cells.time("created_at")?,
        updated_at: cells.time("updated_at")?,
        is_stop_loss: order_type.is_stop(),
        custom_tag: None,
    };
    Order::new(draft, &checks)
}

/// Writes the order. A row that already says the same is left untouched.
pub(crate) fn put(connection: &Connection, order: &Order) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO orders (id, account_id, contract_id, type, side, size, limit_price, stop_price, state,
                 created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET
                 account_id = excluded.account_id, contract_id = excluded.contract_id, type = excluded.type,
                 side = excluded.side, size = excluded.size, limit_price = excluded.limit_price,
                 stop_price = excluded.stop_price, state = excluded.state,
                 created_at = excluded.created_at, updated_at = excluded.updated_at
             WHERE (account_id, contract_id, type, side, size, limit_price, stop_price, state, created_at, updated_at)
                 IS NOT (excluded.account_id, excluded.contract_id, excluded.type, excluded.side, excluded.size,
                     excluded.limit_price, excluded.stop_price, excluded.state, excluded.created_at,
                     excluded.updated_at)",
        )?
        .execute(params![
            order.id.0,
            order.account_id.0,
            order.contract_id.as_str(),
            order.order_type.code(),
            order.side.code(),
            order.size,
            order.limit_price.map(Price::to_f64),
            order.stop_price.map(Price::to_f64),
            order.state.database_code(),
            to_text(order.created_at),
            to_text(order.updated_at),
        ])
}

/// Takes a finished order away. Without a row, nothing happens.
pub(crate) fn remove(connection: &Connection, id: OrderId) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM orders WHERE id = ?1")?.execute([id.0])
}
