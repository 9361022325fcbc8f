//! What only an admin may do. Each act goes to the loop, is in the audit trail, and is answered once it is durable.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use riskd_core::engine::{Change, Effect};
use riskd_core::model::{AccountId, AdminActKind};
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::ToSchema;

use super::admin::require_admin;
use super::extract::{Body, Client, Id, OptionalBody};
use super::problem::Problem;
use super::shared::Shared;
use super::wire::{LockView, time};
use crate::alerts::Tried;
use crate::daemon::Phase;
use crate::daemon::admin::{AdminDone, AdminRefusal, AdminWish};

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

/// What was unlocked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unlocked {
    /// The account.
    account_id: i64,
    /// The lockouts that ended.
    ended: Vec<LockView>,
}

/// What a reload came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reloaded {
    /// Sections that hold now.
    at_once: Vec<ChangeView>,
    /// Looser sections, which wait for the account's next reset; what was in force stays until then.
    waiting: Vec<WaitingView>,
    /// Accounts that were added or taken away, which the next start takes over.
    at_the_next_start: Vec<ChangeView>,
}

/// A section that changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeView {
    /// The account.
    account_id: i64,
    /// The rule's key, `global`, `trading_day`, or `account`.
    section: String,
}

/// A section that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingView {
    /// The account.
    account_id: i64,
    /// The rule's key, `global` or `trading_day`.
    section: String,
    /// When it takes effect.
    #[schema(format = DateTime)]
    until: String,
}

impl Reloaded {
    fn of(changes: &[Change]) -> Self {
        let mut reloaded = Self { at_once: Vec::new(), waiting: Vec::new(), at_the_next_start: Vec::new() };
        for Change { account_id, section, effect } in changes {
            let (account_id, section) = (account_id.0, section.clone());
            match effect {
                Effect::Now => reloaded.at_once.push(ChangeView { account_id, section }),
                Effect::AtReset(from) => reloaded.waiting.push(WaitingView { account_id, section, until: time(*from) }),
                Effect::AtTheNextStart => reloaded.at_the_next_start.push(ChangeView { account_id, section }),
            }
        }
        reloaded
    }
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

/// Ends every lockout of an account, once that is durable.
///
/// A breach that stands is forgiven: its rule does not lock again unless it gets worse.
#[utoipa::path(post, path = "/admin/accounts/{id}/unlock", tag = "admin", request_body = ReasonGiven,
    params(
        ("id" = i64, Path, description = "The broker's number of the account"),
        ("x-riskd" = String, Header, description = "Must be 1"),
    ),
    responses(
        (status = 200, body = Unlocked),
        (status = 409, description = "Not locked", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn unlock(
    state: State<Arc<Shared>>,
    client: Client,
    headers: HeaderMap,
    Id(id): Id,
    Body(given): Body<ReasonGiven>,
) -> Result<Json<Unlocked>, Problem> {
    let shared = &state.0;
    require_admin(shared, &headers)?;
    let reason = checked(&given.reason)?;
    let wish = AdminWish::Unlock { account_id: AccountId(id), reason };
    let ended = match shared.admin.ask(actor(client), wish).await.map_err(refused)? {
        AdminDone::Unlocked(ended) => ended.iter().map(LockView::of).collect(),
        AdminDone::Recorded | AdminDone::Reloaded(_) => Vec::new(),
    };
    Ok(Json(Unlocked { account_id: id, ended }))
}

/// Reads every config file again: all of them load, or nothing changes.
///
/// What is stricter holds at once, what is looser waits for the account's next reset, unless nobody is committed.
#[utoipa::path(post, path = "/admin/reload", tag = "admin", request_body = ReasonMaybe,
    params(("x-riskd" = String, Header, description = "Must be 1")),
    responses(
        (status = 200, body = Reloaded),
        (status = 422, description = "A file cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn reload(
    state: State<Arc<Shared>>,
    client: Client,
    headers: HeaderMap,
    OptionalBody(given): OptionalBody<ReasonMaybe>,
) -> Result<Json<Reloaded>, Problem> {
    let shared = &state.0;
    require_admin(shared, &headers)?;
    let reason = given.reason.as_deref().map(checked).transpose()?;
    let picture = shared.picture().ok_or_else(|| refused(AdminRefusal::NotWatching))?;
    let read = Arc::clone(&shared.read_config);
    let loaded = tokio::task::spawn_blocking(move || {
        let watched = picture.accounts.iter().map(|account| (account.account_id, account.name.clone()));
        read().map(|setup| setup.config_for(watched))
    });
    let wanted = match loaded.await {
        Ok(Ok(wanted)) => Box::new(wanted),
        Ok(Err(error)) => {
            let detail = Some(format!("refused: {error}"));
            record(shared, client, AdminActKind::Reload, reason, detail).await;
            let detail = format!("Nothing was changed: {error}.");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).named("config-refused"));
        }
        Err(error) => {
            error!(%error, "reading the config files ended with a panic");
            return Err(Problem::unavailable("The config files could not be read; the daemon's log says why."));
        }
    };
    let wish = AdminWish::Reload { wanted, reason };
    match shared.admin.ask(actor(client), wish).await.map_err(refused)? {
        AdminDone::Reloaded(changes) => Ok(Json(Reloaded::of(&changes))),
        AdminDone::Recorded | AdminDone::Unlocked(_) => Ok(Json(Reloaded::of(&[]))),
    }
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
        Ok(()) => shared.admin.ask(actor(client), wish).await.map(|_| ()),
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
    match refusal {
        AdminRefusal::UnknownAccount => Problem::not_found(detail),
        AdminRefusal::NotLocked => Problem::new(StatusCode::CONFLICT, detail).named("not-locked"),
        AdminRefusal::NotDurable => Problem::unavailable(detail).named("not-durable"),
        AdminRefusal::NotWatching | AdminRefusal::NoAnswer => Problem::unavailable(detail),
    }
}
