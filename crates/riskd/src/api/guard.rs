//! Who may come in: by the right name, from the dashboard's own pages, not too often, and with a token where one is asked.
//!
//! Architecture invariant: every request passes here, and what it may do is decided by what it carries alone, never by
//! what it claims of its origin when a browser would have said otherwise.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use tracing::debug;

use super::extract::Client;
use super::problem::Problem;
use super::session::same_secret;
use super::shared::Shared;
use crate::config::ApiConfig;

/// The header that every change must carry: a page from elsewhere cannot set it without asking first, and is refused.
pub(super) const CUSTOM_HEADER: &str = "x-riskd";
/// The cookie that holds a trader's token.
pub(super) const TOKEN_COOKIE: &str = "riskd_token";
/// How long an answer may take.
const PATIENCE_WITH_AN_ANSWER: Duration = Duration::from_secs(15);

/// Sent with every answer.
const SECURITY_HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; \
         manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (header::X_DNS_PREFETCH_CONTROL, "off"),
];

/// Lets a request in, or says why not. Outermost: whatever is answered carries the security headers.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.traffic.requests.fetch_add(1, Ordering::Relaxed);
    let is_api = request.uri().path().starts_with("/api/") || request.uri().path() == "/metrics";
    let mut response = match admit(&shared, &request) {
        Ok(()) => match tokio::time::timeout(PATIENCE_WITH_AN_ANSWER, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::unavailable("The answer took too long.").named("timeout").into_response(),
        },
        Err(problem) => {
            shared.traffic.refused.fetch_add(1, Ordering::Relaxed);
            debug!(status = problem.status().as_u16(), path = request.uri().path(), "refused a request");
            problem.into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if shared.config.tls.is_some() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if is_api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn admit(shared: &Shared, request: &Request) -> Result<(), Problem> {
    let client = request.extensions().get::<Client>().copied();
    let client = client.ok_or_else(|| Problem::bad_request("It is not known where this request comes from."))?;
    let now = shared.clock.now();
    if let Err(wait) = shared.clients.admit(client.address, now) {
        return Err(Problem::too_many("Too many requests from this address.", wait));
    }
    let headers = request.headers();
    let host = host_of(request)?;
    refuse_foreign_host(&shared.config, host)?;
    refuse_other_sites(request, host, client.encrypted)?;
    if request.method() == Method::POST {
        refuse_plain_forms(headers)?;
    }
    if needs_token(&shared.config, request) {
        may_read(shared, headers, client.address)?;
    }
    Ok(())
}

/// The host that the request names. HTTP/1.1 requires one; a request without has no business here.
fn host_of(request: &Request) -> Result<&str, Problem> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let host = named.next().and_then(|host| host.to_str().ok());
    match (host, named.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Problem::bad_request("The request must name one host.")),
    }
}

/// DNS rebinding: a page whose name was made to point here arrives under that name, and is refused by it.
fn refuse_foreign_host(config: &ApiConfig, host: &str) -> Result<(), Problem> {
    let name = name_without_port(host).to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let is_known = match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => {
            let listens_everywhere = config.listen.ip().is_unspecified();
            address.is_loopback() || address == config.listen.ip() || listens_everywhere
        }
        Err(_) => name == "localhost" || config.allowed_hosts.iter().any(|allowed| allowed == name),
    };
    if is_known {
        return Ok(());
    }
    let detail = "This dashboard is not served under that name; api.allowed_hosts lists the names it is served under.";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, detail))
}

fn name_without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

/// A browser says which site a request comes from. Another site's may open the dashboard, and nothing else.
fn refuse_other_sites(request: &Request, host: &str, encrypted: bool) -> Result<(), Problem> {
    let refused = || Err(Problem::forbidden("Another site's page may not ask this.").named("cross-site"));
    let headers = request.headers();
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(origin) = text("origin") {
        let own = format!("{}://{host}", if encrypted { "https" } else { "http" });
        if !origin.eq_ignore_ascii_case(&own) {
            return refused();
        }
    }
    match text("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => {
            let path = request.uri().path();
            let opens_the_dashboard = request.method() == Method::GET
                && text("sec-fetch-mode") == Some("navigate")
                && text("sec-fetch-dest") == Some("document")
                && !path.starts_with("/api/");
            if opens_the_dashboard { Ok(()) } else { refused() }
        }
    }
}

/// What a form of another site could send is refused, whatever the browser says of its origin.
fn refuse_plain_forms(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(CUSTOM_HEADER).is_none_or(|value| value != "1") {
        return Err(Problem::forbidden("A change needs the header X-Riskd: 1.").named("header-missing"));
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let detail = "A change is sent as application/json.";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    Ok(())
}

/// Whether reading this needs a token: everything but the page itself, the probes, and logging in.
fn needs_token(config: &ApiConfig, request: &Request) -> bool {
    let path = request.uri().path();
    let is_private = path.starts_with("/api/") || path == "/metrics";
    // Administration asks for an admin's session itself.
    let logs_in = path == "/api/v1/session" || path.starts_with("/api/v1/admin/");
    config.token.is_some() && is_private && !logs_in
}

fn may_read(shared: &Shared, headers: &HeaderMap, address: IpAddr) -> Result<(), Problem> {
    let Some(token) = &shared.config.token else { return Ok(()) };
    let now = shared.clock.now();
    let shown = bearer(headers).or_else(|| cookie(headers, TOKEN_COOKIE));
    if let Some(shown) = shown {
        if let Err(wait) = shared.clients.may_try(address, now) {
            return Err(Problem::too_many("Too many wrong tokens from this address.", wait));
        }
        if same_secret(shown, token.expose_secret()) || shared.sessions.find(Some(shown), now).is_some() {
            shared.clients.tried(address, now, true);
            return Ok(());
        }
        shared.clients.tried(address, now, false);
        return Err(Problem::unauthorized("That token is not the one in api.token_file."));
    }
    // An admin sees whatever a trader sees.
    if shared.sessions.find(cookie(headers, super::session::ADMIN_COOKIE), now).is_some() {
        return Ok(());
    }
    Err(Problem::unauthorized("Reading needs the trader's token: Authorization: Bearer TOKEN."))
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A cookie's value.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}
