//! What only an admin may do. Each act goes to the loop, is in the audit trail, and is answered once it is durable.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use riskd_core::model::AdminActKind;
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::ToSchema;

use super::admin::require_admin;
use super::extract::{Body, Client, OptionalBody};
use super::problem::Problem;
use super::shared::Shared;
use crate::alerts::Tried;
use crate::daemon::Phase;
use crate::daemon::admin::{AdminRefusal, AdminWish};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonGiven {
    /// Why, in the admin's words: for the audit trail.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// Why, if anybody wants to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReasonMaybe {
    /// Why, in the admin's words: for the audit trail.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// In a sentence.
    done: String,
}

/// What the alert channels answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertsTried {
    /// Each channel.
    channels: Vec<ChannelTried>,
}

/// What an alert channel answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelTried {
    /// Its name.
    channel: String,
    /// Its kind.
    kind: &'static str,
    /// Whether it took the message.
    delivered: bool,
    /// What it answered, in words.
    answer: String,
    /// How long that took, in milliseconds.
    took_ms: u64,
}

/// Stops the daemon in order: enforcements under way are seen through first. NOTHING IS PROTECTED then.
#[utoipa::path(post, path = "/admin/stop", tag = "admin", request_body = ReasonGiven,
    params(("x-riskd" = String, Header, description = "Must be 1")),
    responses(
        (status = 202, description = "It is stopping", body = Done),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn stop(
    state: State<Arc<Shared>>,
    client: Client,
    headers: HeaderMap,
    Body(given): Body<ReasonGiven>,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let shared = &state.0;
    require_admin(shared, &headers)?;
    let reason = checked(&given.reason)?;
    record(shared, client, AdminActKind::Stop, Some(reason), None).await;
    shared.stop.ask();
    let done =
        "The daemon is stopping; enforcements under way are seen through first. Nothing is protected after that.";
    Ok((StatusCode::ACCEPTED, Json(Done { done: done.to_owned() })))
}

/// Sends a test message through every alert channel.
#[utoipa::path(post, path = "/admin/alerts/test", tag = "admin",
    params(("x-riskd" = String, Header, description = "Must be 1")),
    responses(
        (status = 200, body = AlertsTried),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn test_alerts(
    state: State<Arc<Shared>>,
    client: Client,
    headers: HeaderMap,
    OptionalBody(given): OptionalBody<ReasonMaybe>,
) -> Result<Json<AlertsTried>, Problem> {
    let shared = &state.0;
    require_admin(shared, &headers)?;
    let reason = given.reason.as_deref().map(checked).transpose()?;
    let picture = shared.picture().ok_or_else(|| refused(AdminRefusal::NotWatching))?;
    let alerts = picture.alerts.clone().ok_or_else(|| refused(AdminRefusal::NotWatching))?;
    let detail = Some("tried the alert channels out".to_owned());
    record(shared, client, AdminActKind::Admin, reason, detail).await;
    let channel = |tried: Tried| ChannelTried {
        channel: tried.channel,
        kind: tried.kind,
        delivered: tried.delivered,
        answer: tried.answer,
        took_ms: tried.took_ms,
    };
    Ok(Json(AlertsTried { channels: alerts.test().await.into_iter().map(channel).collect() }))
}

/// Keeps a record of an act that the loop itself does not do. That it could not be kept stops nothing: it is in the log.
pub(super) async fn record(
    shared: &Shared,
    client: Client,
    kind: AdminActKind,
    reason: Option<String>,
    detail: Option<String>,
) {
    let wish = AdminWish::Record { kind, reason, detail };
    // Before the loop runs nobody keeps records, and nobody need wait for that.
    let kept = match *shared.phase.borrow() {
        Phase::Watching => Ok(()),
        Phase::Opening | Phase::Connecting => Err(AdminRefusal::NotWatching),
    };
    let kept = match kept {
        Ok(()) => shared.admin.ask(actor(client), wish).await,
        refused => refused,
    };
    if let Err(error) = kept {
        error!(%error, act = kind.as_str(), "an act of administration is not in the audit trail");
    }
}

/// Who acts, as the audit trail names them: there is one admin, who may come from several places.
fn actor(client: Client) -> String {
    format!("admin at {}", client.address)
}

fn checked(reason: &str) -> Result<String, Problem> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        let detail = format!("reason must have from 1 to {LONGEST_REASON} characters: it stays in the audit trail.");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    if reason.chars().any(|character| character.is_control() && character != '\n') {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "reason must not hold control characters."));
    }
    Ok(reason.to_owned())
}

fn refused(refusal: AdminRefusal) -> Problem {
    let detail = format!("Not done: {refusal}.");
    Problem::unavailable(detail)
}
