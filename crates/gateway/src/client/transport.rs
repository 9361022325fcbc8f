//! One call over HTTP: admitted by breaker and limiter, sent, and its answer told apart by what is known of its effect.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use riskd_core::model::milliseconds_between;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::breaker::{Breaker, BreakerLimits};
use super::config::{ClientConfig, ConfigError, RestTimeouts, is_loopback};
use super::limiter::{Admission, Limiter, Priority};
use super::{AnswerDate, CallError, Clock, DateSink};
use crate::protocol::redact::redact_known;
use crate::protocol::wire::{Endpoint, Envelope, Group, Meaning, PlaceOrderAnswer};

pub(super) struct Transport {
    http: reqwest::Client,
    base: Url,
    clock: Clock,
    dates: Option<DateSink>,
    timeouts: RestTimeouts,
    penalty_ms: u64,
    breaker_limits: BreakerLimits,
    limiter: Mutex<Limiter>,
    breakers: Mutex<BTreeMap<Group, Breaker>>,
    counts: Mutex<CallCounts>,
    api_key: SecretString,
}

/// Calls so far, by the endpoint's path and what became of them.
pub type CallCounts = BTreeMap<(&'static str, &'static str), u64>;

/// An answer with HTTP status 2xx.
pub(super) type Body = Vec<u8>;

impl Transport {
    pub(super) fn new(config: &ClientConfig, clock: Clock, dates: Option<DateSink>) -> Result<Self, ConfigError> {
        let base = config.rest_base()?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let reason = "no TLS crypto provider is installed; the program installs one when it starts".to_owned();
            return Err(ConfigError::Http { reason });
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(config.rest_timeouts.connect_ms))
            .timeout(Duration::from_millis(config.rest_timeouts.call_ms))
            // A redirection would carry the key or the token to another address.
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| ConfigError::Http { reason: chain(error) })?;
        Ok(Self {
            http,
            base,
            clock,
            dates,
            timeouts: config.rest_timeouts,
            penalty_ms: config.rate_limits.penalty_ms,
            breaker_limits: config.breaker,
            limiter: Mutex::new(Limiter::new(config.rate_limits)),
            breakers: Mutex::new(BTreeMap::new()),
            counts: Mutex::default(),
            api_key: config.api_key.clone(),
        })
    }

    /// Sends one call and reads its answer. Nothing is repeated. 401 comes back as [`CallError::Unauthorized`].
    pub(super) async fn call(
        &self,
        endpoint: Endpoint,
        token: Option<&SecretString>,
        body: Option<String>,
        priority: Priority,
    ) -> Result<Body, CallError> {
        let result = self.call_uncounted(endpoint, token, body, priority).await;
        let outcome = match &result {
            Ok(_) => "accepted",
            Err(CallError::Unauthorized { .. }) => "unauthorized",
            Err(CallError::RateLimited { .. }) => "rate_limited",
            Err(CallError::NotSent { .. }) => "not_sent",
            Err(CallError::Unknown { .. }) => "unknown",
            Err(_) => "refused",
        };
        *lock(&self.counts).entry((endpoint.path(), outcome)).or_default() += 1;
        result
    }

    /// Calls so far.
    pub(super) fn counts(&self) -> CallCounts {
        lock(&self.counts).clone()
    }

    async fn call_uncounted(
        &self,
        endpoint: Endpoint,
        token: Option<&SecretString>,
        body: Option<String>,
        priority: Priority,
    ) -> Result<Body, CallError> {
        self.pass_breaker(endpoint, priority)?;
        self.wait_for_room(endpoint, priority).await?;
        let sent = self.send(endpoint, token, body).await;
        let result = sent.and_then(|answer| self.judge(endpoint, answer, token));
        let failed = matches!(result, Err(CallError::NotSent { .. } | CallError::Unknown { .. }));
        self.breaker(endpoint.group(), |breaker| breaker.record((self.clock)(), !failed));
        if let Err(CallError::RateLimited { retry_after_ms, .. }) = &result {
            lock(&self.limiter).hold_back((self.clock)(), endpoint.group(), *retry_after_ms);
        }
        result
    }

    /// Calls that could go out at this moment.
    pub(super) fn room(&self, priority: Priority) -> usize {
        lock(&self.limiter).room((self.clock)(), priority)
    }

    fn pass_breaker(&self, endpoint: Endpoint, priority: Priority) -> Result<(), CallError> {
        let now = (self.clock)();
        self.breaker(endpoint.group(), |breaker| breaker.admit(now, priority)).map_err(|until| CallError::NotSent {
            endpoint,
            reason: format!("too many failures in a row; next trial in {} ms", milliseconds_between(now, until).max(0)),
        })
    }

    async fn wait_for_room(&self, endpoint: Endpoint, priority: Priority) -> Result<(), CallError> {
        let patience_ms = match priority {
            Priority::Enforcement => self.timeouts.urgent_room_ms,
            Priority::Ordinary | Priority::Snapshot => self.timeouts.room_ms,
        };
        let deadline = tokio::time::Instant::now() + Duration::from_millis(patience_ms);
        loop {
            let now = (self.clock)();
            let admission = lock(&self.limiter).admit(now, endpoint.group(), priority);
            let Admission::NotBefore(until) = admission else { return Ok(()) };
            let wait_ms = u64::try_from(milliseconds_between(now, until)).unwrap_or(0).max(1);
            let wake = tokio::time::Instant::now() + Duration::from_millis(wait_ms);
            if wake > deadline {
                return Err(CallError::RateLimited { endpoint, retry_after_ms: wait_ms });
            }
            tokio::time::sleep_until(wake).await;
        }
    }

    async fn send(
        &self,
        endpoint: Endpoint,
        token: Option<&SecretString>,
        body: Option<String>,
    ) -> Result<HttpAnswer, CallError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), endpoint.path()));
        let mut request = match endpoint {
            Endpoint::Ping => self.http.get(url),
            _ => self.http.post(url).header(CONTENT_TYPE, "application/json"),
        };
        request = request.header(ACCEPT, "application/json, text/plain");
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let asked = Instant::now();
        let answer = request.body(body.unwrap_or_default()).send().await;
        let answer = answer.map_err(|error| self.not_answered(endpoint, error, token))?;
        self.tell_date(answer.headers(), asked);
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_s: Option<u64> = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        let retry_after_ms = retry_after_s.map_or(self.penalty_ms, |seconds| seconds.saturating_mul(1_000));
        let body = answer.bytes().await.map_err(|error| self.not_answered(endpoint, error, token))?;
        Ok(HttpAnswer { status, retry_after_ms, body: body.to_vec() })
    }

    fn tell_date(&self, headers: &HeaderMap, asked: Instant) {
        let answered = Instant::now();
        if let Some(dates) = &self.dates
            && let Some(date) = headers.get(DATE).and_then(|value| date_of(value.as_bytes()))
        {
            dates(AnswerDate { date, asked, answered });
        }
    }

    fn not_answered(&self, endpoint: Endpoint, error: reqwest::Error, token: Option<&SecretString>) -> CallError {
        // Only a connection that never stood proves that nothing was sent.
        let was_sent = !(error.is_connect() || error.is_builder());
        let reason = self.clean(&chain(error), token);
        if was_sent { CallError::Unknown { endpoint, reason } } else { CallError::NotSent { endpoint, reason } }
    }

    fn judge(&self, endpoint: Endpoint, answer: HttpAnswer, token: Option<&SecretString>) -> Result<Body, CallError> {
        let HttpAnswer { status, retry_after_ms, body } = answer;
        let words = || self.clean(&String::from_utf8_lossy(&body), token);
        match status {
            200..=299 if endpoint == Endpoint::Ping => Ok(body),
            200..=299 => self.open_envelope(endpoint, body, token),
            401 => Err(CallError::Unauthorized { endpoint }),
            404 | 405 => Err(CallError::NoSuchEndpoint { endpoint, status }),
            429 => Err(CallError::RateLimited { endpoint, retry_after_ms }),
            300..=407 | 409..=499 => Err(CallError::Refused {
                endpoint,
                code: i32::from(status),
                meaning: Meaning::Unlisted,
                message: Some(format!("HTTP {status} {}", words()).trim_end().to_owned()),
            }),
            _ => {
                Err(CallError::Unknown { endpoint, reason: format!("HTTP {status} {}", words()).trim_end().to_owned() })
            }
        }
    }

    fn open_envelope(&self, endpoint: Endpoint, body: Body, token: Option<&SecretString>) -> Result<Body, CallError> {
        let envelope: Envelope = serde_json::from_slice(&body).map_err(|error| unreadable(endpoint, &error))?;
        if envelope.success {
            return Ok(body);
        }
        let mut message = envelope.error_message.map(|message| self.clean(&message, token));
        let placed = serde_json::from_slice::<PlaceOrderAnswer>(&body).ok().and_then(|answer| answer.order_id);
        if let (Endpoint::PlaceOrder, Some(order_id)) = (endpoint, placed.filter(|id| *id != 0)) {
            message = Some(format!("{} (order {order_id})", message.unwrap_or_default()).trim_start().to_owned());
        }
        Err(CallError::Refused {
            endpoint,
            code: envelope.error_code,
            meaning: endpoint.meaning(envelope.error_code),
            message,
        })
    }

    fn clean(&self, text: &str, token: Option<&SecretString>) -> String {
        let token = token.map_or("", |token| token.expose_secret());
        redact_known(text.trim(), &[token, self.api_key.expose_secret()])
    }

    fn breaker<R>(&self, group: Group, change: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut breakers = lock(&self.breakers);
        change(breakers.entry(group).or_insert_with(|| Breaker::new(self.breaker_limits)))
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Reads a `Date` header, `Tue, 10 Mar 2026 12:00:00 GMT` (RFC 9110, section 5.6.7).
fn date_of(header: &[u8]) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()
}

struct HttpAnswer {
    status: u16,
    retry_after_ms: u64,
    body: Body,
}

/// An answer whose text is not what the endpoint answers: what was done is anybody's guess.
pub(super) fn unreadable(endpoint: Endpoint, error: &serde_json::Error) -> CallError {
    CallError::Unknown { endpoint, reason: format!("the answer cannot be read: {error}") }
}

/// An error and its causes in one line. The address is left out.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

// Each critical section is one change of one machine, so a panic elsewhere cannot have left it half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::date_of;

    #[test]
    fn dates_of_answers_are_read_and_nonsense_is_none() {
        let noon = "2026-03-10T12:00:00Z".parse().ok();
        for (header, expected) in [
            ("Tue, 10 Mar 2026 12:00:00 GMT", noon),
            ("Tue, 10 Mar 2026 12:00:00 +0000", noon),
            ("Mon, 10 Mar 2026 12:00:00 GMT", None),
            ("2026-03-10T12:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(date_of(header.as_bytes()), expected, "{header:?}");
        }
    }
}
