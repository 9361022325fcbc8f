//! A trader's token, shown once and kept by the browser in a cookie that no script can read.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Body, Client};
use super::guard::TOKEN_COOKIE;
use super::problem::Problem;
use super::session::same_secret;
use super::shared::Shared;

/// How long the browser keeps the cookie, in seconds: thirty days.
const KEPT_S: u32 = 30 * 24 * 3_600;

/// The token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenShown {
    /// What `api.token_file` holds.
    #[schema(value_type = String, format = Password)]
    token: SecretString,
}

/// Shows the trader's token, to be kept in a cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body = TokenShown,
    params(("x-riskd" = String, Header, description = "Must be 1")),
    responses(
        (status = 204, description = "The cookie is set"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn begin(
    state: State<Arc<Shared>>,
    client: Client,
    Body(shown): Body<TokenShown>,
) -> Result<Response, Problem> {
    let shared = &state.0;
    let Some(token) = &shared.config.token else {
        return Err(Problem::new(StatusCode::CONFLICT, "No token is asked for here: reading is free."));
    };
    let now = shared.clock.now();
    if let Err(wait) = shared.clients.may_try(client.address, now) {
        return Err(Problem::too_many("Too many wrong tokens from this address.", wait));
    }
    let right = same_secret(shown.token.expose_secret().trim(), token.expose_secret());
    shared.clients.tried(client.address, now, right);
    if !right {
        return Err(Problem::unauthorized("That token is not the one in api.token_file."));
    }
    let secure = if client.encrypted { "; Secure" } else { "" };
    let cookie = format!(
        "{TOKEN_COOKIE}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={KEPT_S}{secure}",
        token.expose_secret()
    );
    let cookie = HeaderValue::from_str(&cookie)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The token does not fit into a cookie."))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}
