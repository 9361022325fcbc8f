//! The last unlock of each account by an administrator: what it forgave is forgiven after a restart, too.

use std::collections::BTreeMap;

use riskd_core::model::{AccountId, AdminActKind, Noun};
use riskd_core::state::Unlocked;
use rusqlite::{Connection, OptionalExtension, params};

use super::TABLE;
use crate::timestamp::from_text;

/// The last unlock of each of these accounts; none where no trail was kept. One that cannot be read forgives nothing.
pub(crate) fn last_unlocks(
    connection: &Connection,
    accounts: &[AccountId],
) -> rusqlite::Result<BTreeMap<AccountId, Unlocked>> {
    let mut unlocks = BTreeMap::new();
    if !connection.table_exists(None, TABLE)? {
        return Ok(unlocks);
    }
    let query =
        "SELECT timestamp, content FROM audit_trail WHERE kind = ?1 AND account_id = ?2 ORDER BY id DESC LIMIT 1";
    let mut statement = connection.prepare(query)?;
    for account_id in accounts {
        let found: Option<(String, String)> = statement
            .query_row(params![AdminActKind::Unlock.as_str(), account_id.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let unlocked = found.and_then(|(at, content)| {
            let content: serde_json::Value = serde_json::from_str(&content).ok()?;
            let at = from_text(&at, Noun::Lockout, "timestamp").ok()?;
            Some(Unlocked::read(at, content["detail"].as_str()?))
        });
        unlocks.extend(unlocked.map(|unlocked| (*account_id, unlocked)));
    }
    Ok(unlocks)
}
