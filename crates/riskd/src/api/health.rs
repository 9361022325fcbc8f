//! Whether the daemon lives, and whether it protects: for supervisors and load balancers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::overview::PhaseView;
use super::problem::Problem;
use super::shared::Shared;
use crate::daemon::Phase;

/// A loop that published nothing for so long does not turn: it publishes at least once a second.
const TURNS_WITHIN: Duration = Duration::from_secs(5);

/// Whether the loop turns.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// How far the daemon is.
    phase: PhaseView,
}

/// Why the daemon is not ready.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// Whether accounts are protected.
    ready: bool,
    /// Why not, a reason each.
    reasons: Vec<String>,
}

/// 200 while the loop turns.
#[utoipa::path(get, path = "/healthz", tag = "watch", responses(
    (status = 200, body = Health),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn healthz(state: State<Arc<Shared>>) -> Result<Json<Health>, Problem> {
    let phase = *state.0.phase.borrow();
    if phase == Phase::Watching && is_hung(&state.0) {
        return Err(Problem::unavailable("The daemon's loop has not turned for more than five seconds.").named("hung"));
    }
    Ok(Json(Health { status: "ok", phase: phase.into() }))
}

/// 200 when accounts are watched and the link to the broker is up, else 503 with the reasons.
#[utoipa::path(get, path = "/readyz", tag = "watch", responses(
    (status = 200, body = Readiness), (status = 503, body = Readiness),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn readyz(state: State<Arc<Shared>>) -> Response {
    let shared = &state.0;
    let mut reasons = Vec::new();
    match *shared.phase.borrow() {
        Phase::Opening => reasons.push("the state database is being opened".to_owned()),
        Phase::Connecting => reasons.push("the broker is being reached".to_owned()),
        Phase::Watching => match shared.picture() {
            None => reasons.push("the first look at the accounts is under way".to_owned()),
            Some(_) if is_hung(shared) => reasons.push("the daemon's loop does not turn".to_owned()),
            Some(picture) => {
                let links = [("user", picture.user_link), ("market", picture.market_link)];
                let down = links.iter().filter(|(_, link)| !link.up);
                reasons.extend(down.map(|(name, _)| format!("the broker's {name} hub is down")));
            }
        },
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, reasons })).into_response()
}

/// Whether the loop published once and then stopped.
pub(super) fn is_hung(shared: &Shared) -> bool {
    shared.seen.borrow().as_ref().is_some_and(|seen| seen.heard.elapsed() > TURNS_WITHIN)
}
