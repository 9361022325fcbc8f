//! `contract_cache`: what the gateway said of each contract. Exchange, expiration and whether prices may be negative have
//! no column: they read as unknown, and as configured by symbol root.

use jiff::Timestamp;
use riskd_core::model::{Contract, ContractDraft, Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, RowChecks, Table};
use crate::timestamp::to_text;

pub(crate) const TABLE: Table = Table {
    name: "contract_cache",
    noun: Noun::Contract,
    columns: &["contract_id", "tick_size", "tick_value", "symbol_id", "name"],
};

pub(crate) fn from_cells(cells: &Cells<'_>, checks: &RowChecks) -> Result<Contract, Invalid> {
    let contract_id = cells.contract_id()?;
    Contract::new(ContractDraft {
        symbol_id: cells.text("symbol_id")?.to_owned(),
        name: cells.optional_text("name")?.unwrap_or_default().to_owned(),
        tick_size: cells.price("tick_size")?,
        tick_value: cells.money("tick_value")?,
        exchange: None,
        expiration: None,
        allows_negative_price: checks.allows_negative_price(&contract_id),
        contract_id,
    })
}

/// Writes the contract and when it was told.
pub(crate) fn put(connection: &Connection, contract: &Contract, at: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO contract_cache (contract_id, tick_size, tick_value, symbol_id, name, cached_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (contract_id) DO UPDATE SET
                 tick_size = excluded.tick_size, tick_value = excluded.tick_value,
                 symbol_id = excluded.symbol_id, name = excluded.name, cached_at = excluded.cached_at
             WHERE (tick_size, tick_value, symbol_id, name, cached_at) IS NOT
                 (excluded.tick_size, excluded.tick_value, excluded.symbol_id, excluded.name, excluded.cached_at)",
        )?
        .execute(params![
            contract.contract_id.as_str(),
            contract.tick_size.to_f64(),
            contract.tick_value.to_f64(),
            contract.symbol_id,
            contract.name,
            to_text(at),
        ])
}
