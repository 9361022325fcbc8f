//! Free pages: room inside the file that deleted rows have left.

use super::{Finding, FindingCode, Patient};
use crate::error::StoreError;
use crate::schema::{Inventory, Table};

/// Giving back less than so many bytes, or than this part of the file, is not worth writing the file anew.
const LEAST_BYTES: u64 = 1 << 20;
const LEAST_PART: f64 = 0.25;

/// Whether giving the free pages back pays.
pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let database = &patient.seen.database;
    let ask = |name: &str| database.pragma::<i64>(name).map(i64::unsigned_abs);
    let (free, all, page_bytes) = (ask("freelist_count")?, ask("page_count")?, ask("page_size")?);
    let bytes = free * page_bytes;
    if bytes < LEAST_BYTES || (free as f64) < all as f64 * LEAST_PART {
        return Ok(());
    }
    let hindrance = table_with_loose_ids(&patient.seen.inventory);
    let mend = match &hindrance {
        None => "`riskd db doctor --fix` writes the file anew without them (VACUUM)".to_owned(),
        Some(table) => format!(
            "run VACUUM by hand if nothing of yours remembers row ids of {table}: it has no INTEGER PRIMARY KEY, so \
             they may change"
        ),
    };
    findings.push(Finding {
        code: FindingCode::FreePages,
        place: patient.paths.database.display().to_string(),
        explanation: format!("{free} of {all} pages are free: {bytes} bytes that new rows fill before the file grows"),
        mend,
        mendable: hindrance.is_none(),
        count: Some(free),
    });
    Ok(())
}

/// A table of the user's own whose rows have ids that nothing writes down: VACUUM may number them anew.
fn table_with_loose_ids(inventory: &Inventory) -> Option<&str> {
    let is_ours = |key: &str| {
        crate::schema::NINE_TABLES.contains(&key)
            || key == crate::schema::VERSION_TABLE
            || key == "daily_unrealized_pnl"
            || key.starts_with("sqlite_")
    };
    let is_loose = |table: &Table| {
        let keys: Vec<_> = table.columns.iter().filter(|column| column.key_position > 0).collect();
        let has_id = keys.len() == 1 && keys[0].declared_type.eq_ignore_ascii_case("INTEGER");
        !(table.without_rowid || has_id)
    };
    inventory.tables.iter().find(|(key, table)| !is_ours(key) && is_loose(table)).map(|(_, table)| table.name.as_str())
}
