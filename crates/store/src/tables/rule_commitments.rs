//! `rule_commitments`: the rules as they are in force for an account, whatever the config says by now; there only where
//! the feature was ever turned on.

use riskd_core::model::{AccountId, Commitment, Invalid, Noun};
use rusqlite::{Connection, params};

use super::{Cells, Table};
use crate::timestamp::{to_text, to_text_rounded_up};

pub(crate) const TABLE: Table = Table {
    name: "rule_commitments",
    noun: Noun::Commitment,
    columns: &["account_id", "rule", "config", "armed_at", "loosens_at"],
};

pub(crate) fn from_cells(cells: &Cells<'_>) -> Result<Commitment, Invalid> {
    Ok(Commitment {
        account_id: cells.account_id()?,
        rule: cells.text("rule")?.to_owned(),
        config: cells.text("config")?.to_owned(),
        armed_at: cells.time("armed_at")?,
        loosens_at: cells.optional_time("loosens_at")?,
    })
}

/// Writes what an account is committed to. A waiting looser config never takes effect early, so its time is rounded up.
pub(crate) fn put(connection: &Connection, commitment: &Commitment) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO rule_commitments (account_id, rule, config, armed_at, loosens_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account_id, rule) DO UPDATE SET
                 config = excluded.config, armed_at = excluded.armed_at, loosens_at = excluded.loosens_at",
        )?
        .execute(params![
            commitment.account_id.0,
            commitment.rule,
            commitment.config,
            to_text(commitment.armed_at),
            commitment.loosens_at.map(to_text_rounded_up),
        ])
}

/// Takes a commitment away; one that is not there is no error.
pub(crate) fn remove(connection: &Connection, account_id: AccountId, rule: &str) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM rule_commitments WHERE account_id = ?1 AND rule = ?2")?
        .execute(params![account_id.0, rule])
}
