//! The token: got by logging in, exchanged before its end, replaced once when it is refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use riskd_core::model::milliseconds_between;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::CallError;
use super::config::{ClientConfig, TokenLife};
use super::limiter::Priority;
use super::transport::{Transport, unreadable};
use crate::protocol::wire::{Endpoint, LoginAnswer, LoginKeyRequest, ValidateAnswer};

/// A token, and which one it is.
pub(super) struct Token {
    pub(super) secret: SecretString,
    /// Counts up with every new token, so that many calls that were refused the same one cause one login.
    pub(super) generation: u64,
    obtained_at: Timestamp,
}

/// The one token store of REST and hubs.
pub(super) struct Auth {
    transport: Arc<Transport>,
    user_name: String,
    api_key: SecretString,
    life: TokenLife,
    current: Mutex<Option<Arc<Token>>>,
    /// Held while a token is fetched: whoever comes second finds the work done.
    renewal: tokio::sync::Mutex<Renewal>,
    /// Logins that ended, well or badly.
    logins: AtomicU64,
}

#[derive(Default)]
struct Renewal {
    generation: u64,
    /// The last login failed like this, and why. Absent after a success.
    failure: Option<Failure>,
    no_refresh_before: Option<Timestamp>,
}

struct Failure {
    reason: CallError,
    no_login_before: Option<Timestamp>,
}

impl Auth {
    pub(super) fn new(config: &ClientConfig, transport: Arc<Transport>) -> Self {
        Self {
            transport,
            user_name: config.user_name.clone(),
            api_key: config.api_key.clone(),
            life: config.token,
            current: Mutex::new(None),
            renewal: tokio::sync::Mutex::new(Renewal::default()),
            logins: AtomicU64::new(0),
        }
    }

    /// A token that should be accepted: the present one, exchanged first when its end is near, or a new one.
    ///
    /// An enforcement never waits for an exchange while the present token still holds.
    pub(super) async fn token(&self, priority: Priority) -> Result<Arc<Token>, CallError> {
        let logins_seen = self.logins.load(Ordering::Acquire);
        let now = self.transport.now();
        if let Some(token) = self.current()
            && (!self.is_due(&token, now) || (priority == Priority::Enforcement && !self.is_over(&token, now)))
        {
            return Ok(token);
        }
        let mut renewal = self.renewal.lock().await;
        let now = self.transport.now();
        match self.current() {
            Some(token) if !self.is_due(&token, now) => Ok(token),
            Some(token) if !self.is_over(&token, now) => Ok(self.refresh(&mut renewal, token).await),
            _ => self.log_in(&mut renewal, logins_seen).await,
        }
    }

    /// A token other than the refused one: fetched by a login, unless another call did so in the meantime.
    pub(super) async fn renew(&self, refused_generation: u64) -> Result<Arc<Token>, CallError> {
        let logins_seen = self.logins.load(Ordering::Acquire);
        let mut renewal = self.renewal.lock().await;
        if let Some(token) = self.current().filter(|token| token.generation != refused_generation) {
            return Ok(token);
        }
        self.log_in(&mut renewal, logins_seen).await
    }

    /// Forgets this token, so that the next call logs in. A newer one stays.
    pub(super) fn forget(&self, generation: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|token| token.generation == generation) {
            *current = None;
        }
    }

    pub(super) fn current(&self) -> Option<Arc<Token>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn log_in(&self, renewal: &mut Renewal, logins_seen: u64) -> Result<Arc<Token>, CallError> {
        if let Some(failure) = &renewal.failure {
            let just_failed = self.logins.load(Ordering::Acquire) != logins_seen;
            let too_early = failure.no_login_before.is_some_and(|until| self.transport.now() < until);
            if just_failed || too_early {
                return Err(failure.reason.clone());
            }
        }
        let result = self.ask_for_login().await;
        self.logins.fetch_add(1, Ordering::Release);
        match result {
            Ok(secret) => {
                renewal.failure = None;
                Ok(self.keep(renewal, secret))
            }
            Err(error) => {
                // A refused login repeated at once gets an account locked; a lost one does not.
                let is_refusal = !error.is_passing();
                let pause = is_refusal.then(|| self.after_pause());
                let reason = CallError::NotLoggedIn { reason: error.to_string(), refused: is_refusal };
                tracing::warn!(error = %error, "the login failed");
                renewal.failure = Some(Failure { reason: reason.clone(), no_login_before: pause });
                Err(reason)
            }
        }
    }

    /// Exchanges the token; when that is refused, logs in; when nothing helps, goes on with the present one.
    async fn refresh(&self, renewal: &mut Renewal, token: Arc<Token>) -> Arc<Token> {
        if renewal.no_refresh_before.is_some_and(|until| self.transport.now() < until) {
            return token;
        }
        let refusal = match self.ask_for_exchange(&token).await {
            Ok(secret) => {
                renewal.no_refresh_before = None;
                return self.keep(renewal, secret);
            }
            Err(error) => error,
        };
        tracing::warn!(error = %refusal, "the token could not be exchanged");
        renewal.no_refresh_before = Some(self.after_pause());
        if refusal.is_passing() {
            return token;
        }
        let logins_seen = self.logins.load(Ordering::Acquire);
        self.log_in(renewal, logins_seen).await.unwrap_or(token)
    }

    async fn ask_for_login(&self) -> Result<SecretString, CallError> {
        let request =
            LoginKeyRequest { user_name: self.user_name.clone(), api_key: self.api_key.expose_secret().to_owned() };
        // Only strings: they can always be written as JSON.
        let body = serde_json::to_string(&request).unwrap_or_default();
        let answer: LoginAnswer = self.ask(Endpoint::LoginKey, None, Some(body)).await?;
        present(Endpoint::LoginKey, answer.token)
    }

    async fn ask_for_exchange(&self, token: &Token) -> Result<SecretString, CallError> {
        let answer: ValidateAnswer = self.ask(Endpoint::Validate, Some(&token.secret), None).await?;
        present(Endpoint::Validate, answer.new_token)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        token: Option<&SecretString>,
        body: Option<String>,
    ) -> Result<T, CallError> {
        // Without a token nothing can be enforced, so fetching one is as urgent as enforcing.
        let answer = self.transport.call(endpoint, token, body, Priority::Enforcement).await?;
        serde_json::from_slice(&answer).map_err(|error| unreadable(endpoint, &error))
    }

    fn keep(&self, renewal: &mut Renewal, secret: SecretString) -> Arc<Token> {
        renewal.generation += 1;
        let token = Arc::new(Token { secret, generation: renewal.generation, obtained_at: self.transport.now() });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
        token
    }

    fn is_due(&self, token: &Token, now: Timestamp) -> bool {
        self.age_ms(token, now) >= self.life.lifetime_ms - self.life.refresh_before_ms
    }

    fn is_over(&self, token: &Token, now: Timestamp) -> bool {
        self.age_ms(token, now) >= self.life.lifetime_ms
    }

    fn age_ms(&self, token: &Token, now: Timestamp) -> i64 {
        milliseconds_between(token.obtained_at, now)
    }

    fn after_pause(&self) -> Timestamp {
        let pause = jiff::SignedDuration::from_millis(self.life.retry_after_ms);
        self.transport.now().checked_add(pause).unwrap_or(Timestamp::MAX)
    }
}

fn present(endpoint: Endpoint, token: Option<String>) -> Result<SecretString, CallError> {
    match token.filter(|token| !token.is_empty()) {
        Some(token) => Ok(token.into()),
        None => Err(CallError::Unknown { endpoint, reason: "the answer carries no token".to_owned() }),
    }
}
