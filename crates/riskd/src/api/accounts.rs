//! One account: its state, its day's curve, its history.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::SignedDuration;
use jiff::civil::Date;
use riskd_core::rules::Reading;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Asked, Id};
use super::overview::Overview;
use super::problem::Problem;
use super::shared::Shared;
use super::wire::{AccountDetail, dollars};

/// Days of history that one request may ask for.
const MOST_DAYS: u32 = 366;

/// The daemon and every account.
///
/// Accounts that are locked, or have an enforcement under way, come first; then those nearest to a limit.
#[utoipa::path(get, path = "/overview", tag = "read", responses(
    (status = 200, body = Overview), (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn overview(state: State<Arc<Shared>>) -> Json<Overview> {
    let shared = &state.0;
    Json(Overview::of(shared.picture().as_deref(), &shared.frame()))
}

/// One account.
#[utoipa::path(get, path = "/accounts/{id}", tag = "read",
    params(("id" = i64, Path, description = "The broker's number of the account")),
    responses(
        (status = 200, body = AccountDetail),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn account(state: State<Arc<Shared>>, Id(id): Id) -> Result<Json<AccountDetail>, Problem> {
    let (_, account) = state.0.account(id)?;
    Ok(Json(AccountDetail::of(&account)))
}

/// The day's P&L of an account, and the limits it may run into.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurveView {
    /// Milliseconds since 1970, realized and unrealized P&L in dollars; oldest first, at most 2000.
    points: Vec<(i64, f64, f64)>,
    /// Limits in dollars.
    limits: Vec<LimitView>,
}

/// A limit on the P&L of the whole account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LimitView {
    /// The rule.
    rule_id: String,
    /// Its key in the config.
    rule: String,
    /// Which line of the curve it is for.
    of: CurveLine,
    /// Dollars of P&L at which it is broken; negative for losses.
    value: f64,
}

/// A line of the curve.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CurveLine {
    /// Realized P&L.
    Realized,
    /// Unrealized P&L.
    Unrealized,
}

/// The present trading day of an account, point by point.
#[utoipa::path(get, path = "/accounts/{id}/curve", tag = "read",
    params(("id" = i64, Path, description = "The broker's number of the account")),
    responses(
        (status = 200, body = CurveView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn curve(state: State<Arc<Shared>>, Id(id): Id) -> Result<Json<CurveView>, Problem> {
    let (_, account) = state.0.account(id)?;
    let of_the_account = account.gauges.iter().filter(|gauge| gauge.gauge.contract_id.is_none());
    let limits = of_the_account.filter_map(|gauge| {
        let Reading::Dollars { limit, .. } = gauge.gauge.reading else { return None };
        let is_profit = gauge.key.contains("profit");
        Some(LimitView {
            rule_id: gauge.rule_id.to_string(),
            rule: gauge.key.to_owned(),
            of: if gauge.key.contains("unrealized") { CurveLine::Unrealized } else { CurveLine::Realized },
            value: dollars(if is_profit { limit } else { -limit }),
        })
    });
    Ok(Json(CurveView { points: state.0.curves().points(account.account_id), limits: limits.collect() }))
}

/// How far back.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryAsked {
    /// Days up to and including the present trading day, at most 366.
    #[param(minimum = 1, maximum = 366, default = 30)]
    days: Option<u32>,
}

/// An account's days.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryView {
    /// The days there are, newest first.
    days: Vec<DayView>,
    /// The day with the most realized.
    best: Option<ExtremeDay>,
    /// The day with the least realized.
    worst: Option<ExtremeDay>,
}

/// A trading day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DayView {
    /// The date on which it ended.
    #[schema(format = Date)]
    date: String,
    /// Realized P&L, in dollars.
    realized_pnl: f64,
    /// Unrealized P&L at the reset, in dollars; null where it was not kept.
    unrealized_pnl: Option<f64>,
}

/// The best or the worst day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExtremeDay {
    /// The day.
    #[schema(format = Date)]
    date: String,
    /// Its realized P&L, in dollars.
    pnl: f64,
}

/// Realized and unrealized P&L of an account, day by day.
#[utoipa::path(get, path = "/accounts/{id}/history", tag = "read",
    params(("id" = i64, Path, description = "The broker's number of the account"), HistoryAsked),
    responses(
        (status = 200, body = HistoryView),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn history(
    state: State<Arc<Shared>>,
    Id(id): Id,
    Asked(asked): Asked<HistoryAsked>,
) -> Result<Json<HistoryView>, Problem> {
    let days = asked.days.unwrap_or(30);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::bad_request(format!("days must be from 1 to {MOST_DAYS}, not {days}.")));
    }
    let (_, account) = state.0.account(id)?;
    let (account_id, last, phase) = (account.account_id, account.trading_day, *state.0.phase.borrow());
    let first = last.checked_sub(SignedDuration::from_hours(24 * (i64::from(days) - 1))).unwrap_or(Date::MIN);
    let (realized, unrealized) = state
        .0
        .store
        .ask(phase, "history", move |reader| {
            Ok((reader.daily_pnl(account_id, first, last)?, reader.unrealized_history(account_id, last, days)?))
        })
        .await?;
    let mut by_date: BTreeMap<Date, (f64, Option<f64>)> = BTreeMap::new();
    for day in &realized.rows {
        by_date.entry(day.date).or_default().0 = dollars(day.realized_pnl);
    }
    for day in &unrealized.days.rows {
        by_date.entry(day.date).or_default().1 = Some(dollars(day.unrealized_pnl));
    }
    let extreme =
        |day: &riskd_core::model::DailyPnl| ExtremeDay { date: day.date.to_string(), pnl: dollars(day.realized_pnl) };
    Ok(Json(HistoryView {
        days: by_date
            .into_iter()
            .rev()
            .map(|(date, (realized_pnl, unrealized_pnl))| DayView {
                date: date.to_string(),
                realized_pnl,
                unrealized_pnl,
            })
            .collect(),
        best: realized.rows.iter().rev().max_by_key(|day| day.realized_pnl).map(extreme),
        worst: realized.rows.iter().min_by_key(|day| day.realized_pnl).map(extreme),
    }))
}
