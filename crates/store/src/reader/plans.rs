//! How SQLite carries out the queries that indexes were made for.

use jiff::Timestamp;
use riskd_core::model::{AccountId, RuleId};
use rusqlite::Connection;

use super::enforcements::keys_sql;
use super::{EnforcementFilter, Reader, analytics, memory};
use crate::error::StoreError;
use crate::tables::{daily_unrealized_pnl, enforcement_log, exists, orders};

/// How SQLite carries out one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPlan {
    /// What the query is for.
    pub query: &'static str,
    /// The indexes that can serve it: one of these must be used.
    pub served_by: &'static [&'static str],
    /// SQLite's own words, a line a step.
    pub plan: Vec<String>,
}

impl QueryPlan {
    /// Whether one of the indexes made for the query is used, and nothing is scanned without one.
    pub fn uses_its_index(&self) -> bool {
        let uses = |line: &str| {
            self.served_by
                .iter()
                .any(|index| line.contains(&format!("INDEX {index} ")) || line.ends_with(&format!("INDEX {index}")))
        };
        let scans = |line: &str| line.starts_with("SCAN") && !line.contains(" INDEX ");
        self.plan.iter().any(|line| uses(line)) && !self.plan.iter().any(|line| scans(line))
    }

    /// Whether rows come out of the index in order, so that a first page need not read everything.
    pub fn sorts(&self) -> bool {
        self.plan.iter().any(|line| line.contains("USE TEMP B-TREE"))
    }
}

impl Reader {
    /// The plans of the queries that the second version of the schema has indexes for, on this file as it is.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn query_plans(&self) -> Result<Vec<QueryPlan>, StoreError> {
        self.with_snapshot(plans_of)
    }
}

/// The plans on what `connection` sees.
pub(crate) fn plans_of(connection: &Connection) -> Result<Vec<QueryPlan>, StoreError> {
    let mut queries = queries();
    if !exists(connection, daily_unrealized_pnl::TABLE.name)? {
        queries.retain(|(_, sql, _)| !sql.contains(daily_unrealized_pnl::TABLE.name));
    }
    let plan =
        |(query, sql, served_by): (_, String, _)| Ok(QueryPlan { query, served_by, plan: explain(connection, &sql)? });
    queries.into_iter().map(plan).collect::<rusqlite::Result<_>>().map_err(StoreError::sqlite("explain the queries"))
}

fn queries() -> Vec<(&'static str, String, &'static [&'static str])> {
    let failed = EnforcementFilter { only_failed: true, ..EnforcementFilter::default() };
    let of_rule = EnforcementFilter { rule_id: Some(RuleId::DAILY_REALIZED_LOSS), ..failed };
    let slow = EnforcementFilter { slower_than_ms: Some(1000), ..EnforcementFilter::default() };
    let everything = EnforcementFilter {
        account_id: Some(AccountId(1)),
        since: Some(Timestamp::UNIX_EPOCH),
        only_failed: false,
        ..of_rule
    };
    const BY_SUCCESS: &[&str] = &["idx_enforcement_log_success"];
    const BY_TIME: &[&str] = &["idx_enforcement_timestamp"];
    const UNREALIZED: &[&str] = &["idx_daily_unrealized_pnl_account_date", "sqlite_autoindex_daily_unrealized_pnl_1"];
    vec![
        ("failed enforcements, newest first", keys_sql(&failed, false), BY_SUCCESS),
        ("failed enforcements, next page", keys_sql(&failed, true), BY_SUCCESS),
        ("failed enforcements of one rule", keys_sql(&of_rule, false), BY_SUCCESS),
        ("enforcements of one rule and account since a time", keys_sql(&everything, true), BY_TIME),
        ("slow enforcements", keys_sql(&slow, false), BY_TIME),
        ("pending enforcements", enforcement_log::TABLE.select(memory::PENDING), BY_SUCCESS),
        ("pending enforcements since v2", enforcement_log::TABLE.select(memory::PENDING_SINCE), BY_SUCCESS),
        ("positions updated lately", analytics::POSITIONS_UPDATED.to_owned(), &["idx_positions_updated"]),
        (
            "working orders of an account",
            orders::TABLE.select(analytics::ORDERS_IN_STATE),
            &["idx_orders_state_account"],
        ),
        ("execution times by rule", analytics::EXECUTION_TIMES_EVER.to_owned(), &["idx_enforcement_rule"]),
        ("execution times by rule or day within a range", analytics::EXECUTION_TIMES.to_owned(), BY_TIME),
        ("unrealized P&L of an account", daily_unrealized_pnl::TABLE.select(analytics::UNREALIZED_HISTORY), UNREALIZED),
    ]
}

fn explain(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    // The parameters stay unbound: a plan does not depend on them, except through statistics on ranges.
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut rows = statement.raw_query();
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        lines.push(row.get(3)?);
    }
    Ok(lines)
}
