//! Administration: logging in with the password, and what only an admin may do.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use riskd_core::model::AdminActKind;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};
use utoipa::ToSchema;

use super::acts::record;
use super::extract::{Asked, Body, Client};
use super::guard::{bearer, cookie};
use super::password::{PasswordError, is_password};
use super::problem::Problem;
use super::session::ADMIN_COOKIE;
use super::shared::Shared;
use super::wire::time;

/// How long a login waits for its turn: passwords are looked at one after another, since each takes 19 MiB.
const PATIENCE_WITH_A_TURN: Duration = Duration::from_secs(5);

/// The password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordShown {
    /// The admin's password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// How the session is handed over.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LoginAsked {
    /// Whether the session is wanted as a token in the answer instead of a cookie: for programs.
    token: Option<bool>,
}

/// An admin's session.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// When it ends if nothing is done.
    #[schema(format = DateTime)]
    expires_at: String,
    /// The token, when asked for: to be sent as `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Whether somebody is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// Whether this is an open session of an admin.
    logged_in: bool,
    /// When it ends if nothing is done.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// Logs an admin in.
///
/// After five wrong passwords from one address, each further one makes that address wait, up to a quarter of an hour.
#[utoipa::path(post, path = "/admin/login", tag = "admin", request_body = PasswordShown,
    params(LoginAsked, ("x-riskd" = String, Header, description = "Must be 1")),
    responses(
        (status = 200, body = LoggedIn),
        (status = 401, description = "Wrong password", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "No password is set", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong ones", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn login(
    state: State<Arc<Shared>>,
    client: Client,
    Asked(asked): Asked<LoginAsked>,
    Body(shown): Body<PasswordShown>,
) -> Result<Response, Problem> {
    let shared = &state.0;
    let turn = tokio::time::timeout(PATIENCE_WITH_A_TURN, shared.password_turn.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(Problem::too_many("Too many log in at the same time.", PATIENCE_WITH_A_TURN));
    };
    // Asked once it is this login's turn: those before it may have used up the attempts.
    let now = shared.clock.now();
    if let Err(wait) = shared.clients.may_try(client.address, now) {
        warn!(address = %client.address, "an admin's login was put off: too many wrong passwords");
        return Err(Problem::too_many("Too many wrong passwords from this address.", wait));
    }
    let file = shared.config.admin_password_file.clone();
    let looked_at = tokio::task::spawn_blocking(move || is_password(&file, &shown.password)).await;
    let right = match looked_at {
        Ok(Ok(right)) => right,
        Ok(Err(PasswordError::NotSet)) => {
            let detail = "No admin password is set: run `riskd admin set-password` on the daemon's machine.";
            return Err(Problem::new(StatusCode::CONFLICT, detail).named("no-password"));
        }
        Ok(Err(error)) => return Err(unusable(&error)),
        Err(error) => return Err(unusable(&error)),
    };
    shared.clients.tried(client.address, now, right);
    if !right {
        warn!(address = %client.address, "wrong admin password");
        record(shared, client, AdminActKind::LogInRefused, None, None).await;
        return Err(Problem::unauthorized("That is not the admin's password.").named("wrong-password"));
    }
    info!(address = %client.address, "an admin logged in");
    record(shared, client, AdminActKind::LogIn, None, None).await;
    let (token, ends_at) = shared.sessions.begin(now);
    let expires_at = time(ends_at);
    if asked.token == Some(true) {
        return Ok(Json(LoggedIn { expires_at, token: Some(token.expose_secret().to_owned()) }).into_response());
    }
    let cookie = admin_cookie(token.expose_secret(), None, client.encrypted)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(LoggedIn { expires_at, token: None })).into_response())
}

/// Logs out, whoever was logged in.
#[utoipa::path(post, path = "/admin/logout", tag = "admin",
    params(("x-riskd" = String, Header, description = "Must be 1")),
    responses(
        (status = 204, description = "Nobody is logged in"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn logout(state: State<Arc<Shared>>, client: Client, headers: HeaderMap) -> Result<Response, Problem> {
    let shared = &state.0;
    shared.sessions.end(session_token(&headers), shared.clock.now());
    let cookie = admin_cookie("", Some(0), client.encrypted)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Whether an admin is logged in, and until when.
#[utoipa::path(get, path = "/admin/session", tag = "admin", responses(
    (status = 200, body = SessionView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn session(state: State<Arc<Shared>>, headers: HeaderMap) -> Json<SessionView> {
    let shared = &state.0;
    let ends_at = shared.sessions.find(session_token(&headers), shared.clock.now());
    Json(SessionView { logged_in: ends_at.is_some(), expires_at: ends_at.map(time) })
}

/// Lets only admins go on; what they do prolongs their session.
pub(super) fn require_admin(shared: &Shared, headers: &HeaderMap) -> Result<(), Problem> {
    match shared.sessions.use_now(session_token(headers), shared.clock.now()) {
        Some(_) => Ok(()),
        None => Err(Problem::unauthorized("Only an admin may do this: log in first.").named("not-admin")),
    }
}

fn session_token(headers: &HeaderMap) -> Option<&str> {
    bearer(headers).or_else(|| cookie(headers, ADMIN_COOKIE))
}

/// Sent along within this site only, and out of reach for scripts. Gone when the browser is closed.
fn admin_cookie(value: &str, max_age_s: Option<u32>, encrypted: bool) -> Result<HeaderValue, Problem> {
    let secure = if encrypted { "; Secure" } else { "" };
    let max_age = max_age_s.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{ADMIN_COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/{max_age}{secure}"))
        .map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::fmt::Display) -> Problem {
    error!(%error, "the admin's password cannot be looked at");
    Problem::unavailable("The admin's password cannot be looked at; the daemon's log says why.")
}
