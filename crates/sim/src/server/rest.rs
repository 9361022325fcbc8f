//! The REST interface: who may ask, how often, what goes wrong on request; the answers are made next door.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Extracted;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use riskd_gateway::protocol::redact::redact;
use riskd_gateway::protocol::wire::Endpoint;

use super::LoggedRequest;
use super::endpoints::{Outcome, answer, refusal};
use super::shared::Shared;
use crate::faults::{RestEffect, take_rest_effect};

/// Answers everything below `/api`, and dates each answer by the exchange's clock, as the gateway does.
pub(super) async fn handle(
    shared: Extracted<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let clock = Arc::clone(&shared);
    let mut response = answer_request(shared, method, uri, headers, body).await;
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&clock.now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn answer_request(
    Extracted(shared): Extracted<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    let Some(endpoint) = Endpoint::ALL.into_iter().find(|endpoint| endpoint.path().eq_ignore_ascii_case(path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let expected = if endpoint == Endpoint::Ping { Method::GET } else { Method::POST };
    if method != expected {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let effect = shared.change(|state, now| {
        let body = redact(&String::from_utf8_lossy(&body));
        state.requests.push(LoggedRequest { at: now, endpoint, body });
        take_rest_effect(&mut state.rest_faults, endpoint)
    });
    let act = || act(&shared, endpoint, bearer(&headers), &body);
    match effect {
        None => respond(act()),
        Some(RestEffect::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Some(RestEffect::Refuse(meaning)) => respond(refusal(endpoint, meaning, None)),
        Some(RestEffect::HangBeforeActing) => std::future::pending().await,
        Some(RestEffect::HangAfterActing) => {
            act();
            std::future::pending().await
        }
        Some(RestEffect::AnswerAfter(delay)) => {
            let outcome = act();
            tokio::time::sleep(delay).await;
            respond(outcome)
        }
        Some(RestEffect::AnswerWith(text)) => {
            act();
            respond(Outcome::Json(text))
        }
    }
}

/// The token of a bearer header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn act(shared: &Arc<Shared>, endpoint: Endpoint, token: Option<&str>, body: &[u8]) -> Outcome {
    shared.change(|state, now| {
        // Login and ping need no token; validation says itself what is wrong with one.
        let is_open = matches!(endpoint, Endpoint::LoginKey | Endpoint::Validate | Endpoint::Ping);
        let user = state.tokens.user_of(token, now).map(str::to_owned);
        if user.is_none() && !is_open {
            return Outcome::Status(StatusCode::UNAUTHORIZED);
        }
        if !state.limiter.admits(user.as_deref().unwrap_or("nobody"), endpoint, now) {
            return Outcome::Status(StatusCode::TOO_MANY_REQUESTS);
        }
        answer(state, endpoint, token, body, now).unwrap_or_else(Outcome::BadRequest)
    })
}

fn respond(outcome: Outcome) -> Response {
    const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    match outcome {
        Outcome::Json(text) => (JSON, text).into_response(),
        Outcome::Text(text) => text.into_response(),
        Outcome::Status(status) => status.into_response(),
        Outcome::BadRequest(reason) => {
            let problem = serde_json::json!({
                "title": "One or more validation errors occurred.",
                "status": 400,
                "errors": { "request": [reason] },
            });
            (StatusCode::BAD_REQUEST, JSON, problem.to_string()).into_response()
        }
    }
}
