//! Asks the daemon, and listens to its stream for as long as the terminal is open.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::app::{Answer, Event, LOG_PAGE, Question};
use super::wire::Overview;
use crate::reach::Reach;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A stream that is silent for so long is opened anew.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// Time between two tries to reach the daemon.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The way to the daemon.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    reach: Reach,
    token: Option<SecretString>,
}

/// A message of the stream.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What the daemon says when it refuses.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

impl Client {
    /// A client of the daemon that is reached so.
    ///
    /// # Errors
    ///
    /// When the way cannot be used, in words.
    pub fn new(reach: Reach, token: Option<SecretString>) -> Result<Self, String> {
        let http = reach.http()?.connect_timeout(PATIENCE).timeout(PATIENCE).build();
        Ok(Self { http: http.map_err(|error| error.to_string())?, reach, token })
    }

    /// Where the daemon is asked.
    pub fn address(&self) -> String {
        self.reach.address()
    }

    /// How all is.
    ///
    /// # Errors
    ///
    /// Why there is no answer, in words.
    pub async fn overview(&self) -> Result<Overview, String> {
        self.get("overview").await
    }

    /// The overview as it came, for programs.
    ///
    /// # Errors
    ///
    /// Why there is no answer, in words.
    pub async fn overview_as_json(&self) -> Result<serde_json::Value, String> {
        self.get("overview").await
    }

    /// Asks one question.
    ///
    /// # Errors
    ///
    /// Why there is no answer, in words.
    pub async fn ask(&self, question: Question) -> Result<Answer, String> {
        Ok(match question {
            Question::Account(id) => Answer::Account(Box::new(self.get(&format!("accounts/{id}")).await?)),
            Question::Log { before } => {
                let before = before.map_or_else(String::new, |before| format!("&before={before}"));
                Answer::Log(self.get(&format!("enforcements?limit={LOG_PAGE}{before}")).await?)
            }
            Question::Rules => Answer::Rules(self.get("rules").await?),
            Question::Database => Answer::Database(self.get("database").await?),
        })
    }

    /// Listens for ever, reconnecting as often as it takes. Ends when nobody takes the events.
    pub async fn follow(self, events: mpsc::Sender<Event>) {
        while !events.is_closed() {
            let trouble = match self.overview().await {
                Ok(overview) => {
                    if events.send(Event::Overview(Box::new(overview))).await.is_err() {
                        return;
                    }
                    self.listen(&events).await.err()
                }
                Err(why) => Some(why),
            };
            if let Some(why) = trouble
                && events.send(Event::Unreachable(why)).await.is_err()
            {
                return;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn listen(&self, events: &mpsc::Sender<Event>) -> Result<(), String> {
        let address = self.address().replacen("http", "ws", 1) + "/api/v1/stream";
        let mut request = address.into_client_request().map_err(|error| error.to_string())?;
        if let Some(token) = &self.token {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|_| "the token has letters that no header can carry".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION.as_str(), value);
        }
        let connecting = tokio::time::timeout(PATIENCE, self.reach.stream(request));
        let mut socket = match connecting.await {
            Ok(Ok(connected)) => connected,
            Ok(Err(SocketError::Http(answer))) => return Err(refusal(answer.status().as_u16())),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("the stream did not open within {} s", PATIENCE.as_secs())),
        };
        loop {
            let message = match tokio::time::timeout(LONGEST_SILENCE, socket.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(error.to_string()),
                Ok(None) => return Err("riskd closed the stream".to_owned()),
                Err(_) => return Err(format!("the stream was silent for {} s", LONGEST_SILENCE.as_secs())),
            };
            if let Message::Text(text) = message
                && let Some(event) = event_of(text.as_str())
                && events.send(event).await.is_err()
            {
                return Ok(());
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let mut request = self.http.get(format!("{}/api/v1/{path}", self.address()));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| in_short(&error))?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| in_short(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| format!("its answer cannot be read: {error}"));
        }
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let said = problem.map(|problem| problem.detail.unwrap_or(problem.title)).filter(|said| !said.is_empty());
        Err(match said {
            Some(said) if status != StatusCode::UNAUTHORIZED => format!("{said} ({})", status.as_u16()),
            _ => refusal(status.as_u16()),
        })
    }
}

/// What a refusal means, and what to do.
fn refusal(status: u16) -> String {
    match status {
        401 | 403 => "riskd wants the trader's token: name its file with --token-file".to_owned(),
        404 => "this riskd does not know that question: is it older than this program?".to_owned(),
        429 => "too many questions; it goes on by itself".to_owned(),
        other => format!("riskd answered with HTTP {other}"),
    }
}

/// The innermost cause: `connection refused` rather than three layers of wrapping.
fn in_short(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", PATIENCE.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn event_of(text: &str) -> Option<Event> {
    let frame: Frame<'_> = serde_json::from_str(text).ok()?;
    match frame.kind.as_str() {
        "daemon_status" => {
            serde_json::from_str(frame.data.get()).ok().map(|overview| Event::Overview(Box::new(overview)))
        }
        "enforcement_action" | "lockout_set" | "lockout_cleared" | "daily_reset" => Some(Event::Happened),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_stream_is_understood_and_what_is_not_is_left_alone() {
        let status = r#"{"type":"daemon_status","account_id":null,"data":{"at":"2026-11-20T14:31:00Z","daemon":{},"accounts":[],"new":1}}"#;
        assert!(matches!(event_of(status), Some(Event::Overview(overview)) if overview.accounts.is_empty()));
        assert_eq!(event_of(r#"{"type":"enforcement_action","account_id":1,"data":{}}"#), Some(Event::Happened));
        for text in [r#"{"type":"MarketQuote","data":{}}"#, "{", "", r#"{"type":"daemon_status","data":{}}"#] {
            assert_eq!(event_of(text), None, "{text}");
        }
    }
}
