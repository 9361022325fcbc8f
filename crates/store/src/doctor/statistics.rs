//! Statistics of the query planner: worth something only where a documented query does not find its index without them,
//! or because of them.

use rusqlite::Connection;

use super::{Finding, FindingCode, Patient};
use crate::error::StoreError;
use crate::reader::plans_of;
use crate::schema::{Deviation, HEAD_VERSION};
use crate::tables::exists;
use crate::verify::definition_drift;

/// Queries that do not use the index made for them, though it is there.
pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    if patient.version < HEAD_VERSION {
        return Ok(());
    }
    let astray = queries_astray(&patient.seen.database, patient)?;
    let has_statistics = exists(&patient.seen.database, STATISTICS)?;
    let why = if has_statistics { "the statistics in the file mislead the planner" } else { "statistics are missing" };
    findings.extend(astray.into_iter().map(|query| Finding {
        code: FindingCode::StatisticsMislead,
        place: query.to_owned(),
        explanation: format!("this query reads a whole table instead of its index: {why}"),
        mend: "`riskd db doctor --fix` takes them anew (ANALYZE), or away where that does not help".into(),
        mendable: true,
        count: None,
    }));
    Ok(())
}

const STATISTICS: &str = "sqlite_stat1";

/// Takes the statistics anew; where queries go astray all the same, takes them away. Returns whether it did anything.
pub(super) fn renew(connection: &Connection, patient: &Patient<'_>) -> Result<bool, StoreError> {
    if patient.version < HEAD_VERSION || queries_astray(connection, patient)?.is_empty() {
        return Ok(false);
    }
    let failed = || StoreError::sqlite("renew the statistics");
    connection.execute_batch("ANALYZE main; ANALYZE sqlite_schema;").map_err(failed())?;
    if !queries_astray(connection, patient)?.is_empty() {
        connection.execute_batch("DELETE FROM main.sqlite_stat1; ANALYZE sqlite_schema;").map_err(failed())?;
    }
    Ok(true)
}

/// Queries whose index is there and is not used.
fn queries_astray(connection: &Connection, patient: &Patient<'_>) -> Result<Vec<&'static str>, StoreError> {
    let drift = definition_drift(&patient.seen.inventory, patient.version, patient.options.features)?;
    let is_index =
        |deviation: &Deviation| matches!(deviation, Deviation::MissingIndex { .. } | Deviation::OtherIndex { .. });
    if !drift.iter().all(is_index) {
        // A query that names what is not there has no plan.
        return Ok(Vec::new());
    }
    let indexes = &patient.seen.inventory.indexes;
    let is_there = |index: &&str| indexes.contains_key(*index) || index.starts_with("sqlite_autoindex_");
    let plans = plans_of(connection)?;
    let astray = plans.iter().filter(|plan| plan.served_by.iter().any(&is_there) && !plan.uses_its_index());
    Ok(astray.map(|plan| plan.query).collect())
}
