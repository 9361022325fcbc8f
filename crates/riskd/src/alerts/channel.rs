//! The ways to people: Discord, Telegram, and any address that takes JSON.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use super::code::Severity;
use super::mailbox::Outcome;
use super::message::Batch;

/// How long a connection may take.
const PATIENCE_WITH_CONNECTION: Duration = Duration::from_secs(5);
/// How long a channel may take for one batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// As much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 4096;
/// As much of an answer is shown, in characters.
const LONGEST_SHOWN: usize = 200;
/// The longest message Discord takes, in characters.
const DISCORD_LIMIT: usize = 2000;
/// The longest message Telegram takes, in characters; it counts some signs twice.
const TELEGRAM_LIMIT: usize = 3900;
/// Discord's flag for a message without a notification.
const DISCORD_SILENT: u32 = 1 << 12;
/// What stands in place of a secret.
const MASK: &str = "[REDACTED]";

/// Where a channel's messages go. Every secret in it is one.
#[derive(Debug, Clone)]
pub enum Target {
    /// A Discord webhook. Whoever knows its address can write there.
    Discord {
        /// The address.
        address: SecretString,
    },
    /// A Telegram chat, through a bot.
    Telegram {
        /// The address of the Bot API, without a slash at its end.
        api_url: String,
        /// The bot's token.
        token: SecretString,
        /// The chat's number or `@name`.
        chat_id: String,
    },
    /// An address that takes JSON.
    Webhook {
        /// The address.
        address: SecretString,
        /// Sent as `Authorization: Bearer …`, where there is one.
        token: Option<SecretString>,
    },
}

impl Target {
    /// Its kind, as the config spells it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Discord { .. } => "discord",
            Self::Telegram { .. } => "telegram",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// What must not be seen in anything that is shown.
    fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Discord { address } => vec![address.expose_secret()],
            Self::Telegram { token, .. } => vec![token.expose_secret()],
            Self::Webhook { address, token } => {
                let token = token.iter().map(|token| token.expose_secret());
                std::iter::once(address.expose_secret()).chain(token).collect()
            }
        }
    }
}

/// One way to people, as configured.
#[derive(Debug, Clone)]
pub struct ChannelConfig {
    /// What people call it.
    pub name: String,
    /// Where it leads.
    pub target: Target,
    /// Messages below this are not sent.
    pub least_severity: Severity,
}

/// One way to people.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) config: ChannelConfig,
    http: reqwest::Client,
}

/// What a generic webhook is sent.
#[derive(Serialize)]
struct Document<'a> {
    source: &'static str,
    version: &'static str,
    severity: Severity,
    dropped: u64,
    text: String,
    messages: &'a [super::message::Message],
}

impl Channel {
    /// # Errors
    ///
    /// When no HTTP client can be made: no TLS is installed.
    pub(super) fn new(config: ChannelConfig) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .connect_timeout(PATIENCE_WITH_CONNECTION)
            .timeout(PATIENCE)
            // A redirection would carry the secret to another address.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("riskd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { config, http })
    }

    /// Sends a batch and tells what became of it. Never takes longer than ten seconds.
    pub(super) async fn send(&self, batch: &Batch) -> Outcome {
        match tokio::time::timeout(PATIENCE, self.attempt(batch)).await {
            Ok(outcome) => outcome,
            Err(_) => try_again(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn attempt(&self, batch: &Batch) -> Outcome {
        // The address is a secret: it is taken out of whatever the client says.
        let mut response = match self.request(batch).send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                return Outcome::Refused { why: "its address cannot be used".to_owned() };
            }
            Err(error) => return try_again(self.redacted(&chain(&error.without_url()))),
        };
        let status = response.status();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(seconds);
        let mut body = Vec::new();
        while let Ok(Some(piece)) = response.chunk().await {
            body.extend_from_slice(&piece[..piece.len().min(LONGEST_ANSWER - body.len())]);
            if body.len() >= LONGEST_ANSWER {
                break;
            }
        }
        self.judge(status, header, &String::from_utf8_lossy(&body))
    }

    fn request(&self, batch: &Batch) -> RequestBuilder {
        match &self.config.target {
            Target::Discord { address } => {
                let flags = if batch.is_quiet() { DISCORD_SILENT } else { 0 };
                // Nobody is mentioned, whatever a broker's text holds.
                let mentions = json!({ "parse": [] });
                let body =
                    json!({ "content": batch.text(DISCORD_LIMIT), "flags": flags, "allowed_mentions": mentions });
                self.http.post(address.expose_secret()).json(&body)
            }
            Target::Telegram { api_url, token, chat_id } => {
                let body = json!({
                    "chat_id": chat_id,
                    "text": batch.text(TELEGRAM_LIMIT),
                    "disable_notification": batch.is_quiet(),
                    "link_preview_options": { "is_disabled": true },
                });
                self.http.post(format!("{api_url}/bot{}/sendMessage", token.expose_secret())).json(&body)
            }
            Target::Webhook { address, token } => {
                let severity = batch.messages.iter().map(|message| message.severity).max().unwrap_or(Severity::Info);
                let document = Document {
                    source: "riskd",
                    version: env!("CARGO_PKG_VERSION"),
                    severity,
                    dropped: batch.dropped,
                    text: batch.text(DISCORD_LIMIT),
                    messages: &batch.messages,
                };
                let request = self.http.post(address.expose_secret()).json(&document);
                match token {
                    Some(token) => request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret())),
                    None => request,
                }
            }
        }
    }

    fn judge(&self, status: StatusCode, retry_after: Option<Duration>, body: &str) -> Outcome {
        if status.is_success() {
            return Outcome::Delivered;
        }
        let shown: String = body.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_SHOWN).collect();
        let why = self.redacted(&if shown.is_empty() { status.to_string() } else { format!("{status}: {shown}") });
        let busy =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY);
        if busy || status.is_server_error() {
            return Outcome::TryAgain { why, after: retry_after.or_else(|| asked_in_body(body)) };
        }
        Outcome::Refused { why }
    }

    fn redacted(&self, text: &str) -> String {
        let secrets = self.config.target.secrets().into_iter();
        secrets.filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

fn try_again(why: String) -> Outcome {
    Outcome::TryAgain { why, after: None }
}

/// Seconds, with a fraction perhaps.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// Discord says `retry_after`, Telegram `parameters.retry_after`, both in seconds.
fn asked_in_body(body: &str) -> Option<Duration> {
    let body: Value = serde_json::from_str(body).ok()?;
    let asked = body.get("retry_after").or_else(|| body.pointer("/parameters/retry_after"))?;
    Duration::try_from_secs_f64(asked.as_f64()?).ok()
}

/// An error with its causes, `error sending request: connection refused`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn channel(target: Target) -> Channel {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        Channel::new(ChannelConfig { name: "n".to_owned(), target, least_severity: Severity::Info }).unwrap()
    }

    #[test]
    fn answers_are_told_apart() {
        let telegram = channel(Target::Telegram {
            api_url: "http://127.0.0.1:1".to_owned(),
            token: SecretString::from("12:s3cret"),
            chat_id: "1".to_owned(),
        });
        let again = |seconds: Option<f64>| Some(seconds.map(Duration::from_secs_f64));
        let table = [
            // status, Retry-After, body, try again (and after how long)
            (500, None, "", again(None)),
            (503, Some(7.0), "", again(Some(7.0))),
            (429, None, r#"{"retry_after": 1.5}"#, again(Some(1.5))),
            (429, None, r#"{"ok":false,"parameters":{"retry_after":33}}"#, again(Some(33.0))),
            (429, Some(2.0), r#"{"retry_after": 9}"#, again(Some(2.0))),
            (429, None, r#"{"retry_after": -9}"#, again(None)),
            (408, None, "", again(None)),
            (302, None, "", None),
            (400, None, "chat not found", None),
            (401, None, "no such bot 12:s3cret", None),
        ];
        for (status, header, body, expected) in table {
            let header = header.map(Duration::from_secs_f64);
            let outcome = telegram.judge(StatusCode::from_u16(status).unwrap(), header, body);
            let found = match &outcome {
                Outcome::TryAgain { after, .. } => Some(*after),
                Outcome::Refused { why } => {
                    assert!(!why.contains("s3cret"), "{why}");
                    None
                }
                Outcome::Delivered => panic!("{status} is no success"),
            };
            assert_eq!(found, expected, "{status} {body}");
        }
        assert_eq!(telegram.judge(StatusCode::NO_CONTENT, None, ""), Outcome::Delivered);
        assert_eq!(
            (seconds("1.5"), seconds("Wed, 21 Oct"), seconds("-1")),
            (Some(Duration::from_millis(1500)), None, None)
        );
    }

    #[test]
    fn no_secret_is_shown() {
        let target = Target::Webhook {
            address: SecretString::from("https://h/s3cret"),
            token: Some(SecretString::from("t0ken")),
        };
        assert!(!format!("{target:?}").contains("s3cret"));
        let channel = channel(target);
        assert_eq!(channel.redacted("to https://h/s3cret with t0ken"), "to [REDACTED] with [REDACTED]");
    }
}
