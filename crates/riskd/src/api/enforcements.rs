//! The enforcement log, a page at a time, and how long enforcements took.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use riskd_core::model::{AccountId, EnforcementId, EnforcementLog, Noun, RuleId};
use riskd_store::reader::EnforcementFilter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::Asked;
use super::problem::Problem;
use super::shared::Shared;
use super::wire::{dollars, time};

/// Rows of a page unless asked otherwise, and at most.
const USUAL_PAGE: usize = 100;
const LARGEST_PAGE: usize = 500;
/// Days of the trend of execution times.
const TREND_DAYS: i64 = 30;

/// Which rows of the log are wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogAsked {
    /// Only those of this account.
    account: Option<i64>,
    /// Only those of this rule, such as `RULE-003`.
    #[param(pattern = "^RULE-0(0[1-9]|1[0-5])$")]
    rule: Option<String>,
    /// Only those without success: failed, or not confirmed yet.
    failed: Option<bool>,
    /// Only those that took longer than so many milliseconds.
    #[param(minimum = 0)]
    slow_ms: Option<i64>,
    /// Only those decided at or after this time, RFC 3339.
    #[param(format = DateTime)]
    since: Option<String>,
    /// Only those before this row: `next_before` of the page before.
    before: Option<i64>,
    /// Rows of a page, at most 500.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<usize>,
}

/// A page of the log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogPage {
    /// The rows.
    items: Vec<EnforcementView>,
    /// What to ask for as `before` to get the next page; null on the last.
    next_before: Option<i64>,
}

/// A row of the enforcement log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct EnforcementView {
    /// The row.
    id: Option<i64>,
    /// When it was decided.
    #[schema(format = DateTime)]
    at: String,
    /// The account it protects.
    account_id: i64,
    /// The rule that was breached.
    rule_id: String,
    /// What is done about it.
    action: String,
    /// Why, with the numbers.
    reason: String,
    /// Whether the broker showed the result.
    success: bool,
    /// `pending` or `confirmed`.
    status: &'static str,
    /// Milliseconds from decision to confirmed.
    execution_time_ms: Option<i64>,
    /// Positions closed or reduced.
    positions_closed: i64,
    /// Orders cancelled.
    orders_cancelled: i64,
    /// End of the lockout it set.
    #[schema(format = DateTime)]
    lockout_until: Option<String>,
    /// The P&L that breached, in dollars.
    pnl: Option<f64>,
    /// The last thing that went wrong.
    error: Option<String>,
}

impl EnforcementView {
    pub(super) fn of(log: &EnforcementLog) -> Self {
        Self {
            id: log.id.map(|id| id.0),
            at: time(log.timestamp),
            account_id: log.account_id.0,
            rule_id: log.rule_id.to_string(),
            action: log.action.to_string(),
            reason: log.reason.clone(),
            success: log.success,
            status: log.status.as_str(),
            execution_time_ms: log.execution_time_ms,
            positions_closed: log.positions_closed,
            orders_cancelled: log.orders_cancelled,
            lockout_until: log.lockout_until.map(time),
            pnl: log.pnl_at_enforcement.map(dollars),
            error: log.error_message.clone(),
        }
    }
}

impl LogAsked {
    fn filter(&self) -> Result<EnforcementFilter, Problem> {
        let rule = self.rule.as_deref().map(|rule| RuleId::parse(rule, Noun::EnforcementLog)).transpose();
        let rule_id = rule.map_err(|invalid| Problem::bad_request(format!("rule {invalid}.")))?;
        let since = self.since.as_deref().map(str::parse::<Timestamp>).transpose();
        let since = since.map_err(|_| {
            Problem::bad_request("since must be a time such as 2026-11-22T14:30:00Z (a + is written %2B).")
        })?;
        Ok(EnforcementFilter {
            only_failed: self.failed.unwrap_or(false),
            rule_id,
            account_id: self.account.map(AccountId),
            since,
            slower_than_ms: self.slow_ms,
        })
    }

    fn size(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(USUAL_PAGE) {
            size @ 1..=LARGEST_PAGE => Ok(size),
            size => Err(Problem::bad_request(format!("limit must be from 1 to {LARGEST_PAGE}, not {size}."))),
        }
    }
}

/// The enforcement log, newest first.
#[utoipa::path(get, path = "/enforcements", tag = "read", params(LogAsked), responses(
    (status = 200, body = LogPage),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn log(state: State<Arc<Shared>>, Asked(asked): Asked<LogAsked>) -> Result<Json<LogPage>, Problem> {
    let (filter, size, before) = (asked.filter()?, asked.size()?, asked.before.map(EnforcementId));
    let phase = *state.0.phase.borrow();
    let page = state
        .0
        .store
        .ask(phase, "enforcements", move |reader| {
            let before = match before {
                None => None,
                Some(id) => match reader.enforcement_key(id)? {
                    Some(key) => Some(key),
                    None => return Ok(None),
                },
            };
            reader.enforcements(&filter, before, size).map(Some)
        })
        .await?;
    let gone = || Problem::not_found("The row named by before is not in the log any more: begin again without it.");
    let page = page.ok_or_else(gone)?;
    Ok(Json(LogPage {
        items: page.rows.iter().map(EnforcementView::of).collect(),
        next_before: page.next.map(|key| key.id),
    }))
}

/// How long enforcements took, from decision to confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatencyView {
    /// By rule, over everything in the log.
    rules: Vec<RuleLatency>,
    /// By day in UTC, oldest first, of the last thirty.
    trend: Vec<DayLatency>,
}

/// How long the enforcements of a rule took.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleLatency {
    /// The rule, as the log spells it.
    rule_id: String,
    /// Enforcements whose time is known.
    count: i64,
    /// Mean, in milliseconds.
    mean_ms: f64,
    /// The fastest, in milliseconds.
    min_ms: i64,
    /// The slowest, in milliseconds.
    max_ms: i64,
}

/// How long the enforcements of a day took.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DayLatency {
    /// The day, in UTC.
    #[schema(format = Date)]
    day: String,
    /// Enforcements whose time is known.
    count: i64,
    /// Mean, in milliseconds.
    mean_ms: f64,
    /// The slowest, in milliseconds.
    max_ms: i64,
}

/// Execution times by rule and by day.
#[utoipa::path(get, path = "/enforcements/latency", tag = "read", responses(
    (status = 200, body = LatencyView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn latency(state: State<Arc<Shared>>) -> Result<Json<LatencyView>, Problem> {
    let (now, phase) = (state.0.clock.now(), *state.0.phase.borrow());
    let since = now.saturating_sub(SignedDuration::from_hours(24 * TREND_DAYS)).unwrap_or(now);
    // What was decided in this very moment belongs to it too.
    let until = now.saturating_add(SignedDuration::from_mins(1)).unwrap_or(now);
    let (rules, trend) = state
        .0
        .store
        .ask(phase, "latency", move |reader| {
            Ok((reader.execution_times_by_rule(None)?, reader.execution_time_trend(since..until)?))
        })
        .await?;
    let rule = |rule: riskd_store::reader::ExecutionTimesOfRule| RuleLatency {
        rule_id: rule.rule_id,
        count: rule.enforcements,
        mean_ms: rule.mean_ms,
        min_ms: rule.min_ms,
        max_ms: rule.max_ms,
    };
    let day = |day: riskd_store::reader::ExecutionTimeOfDay| DayLatency {
        day: day.date.to_string(),
        count: day.enforcements,
        mean_ms: day.mean_ms,
        max_ms: day.max_ms,
    };
    Ok(Json(LatencyView { rules: rules.into_iter().map(rule).collect(), trend: trend.into_iter().map(day).collect() }))
}
