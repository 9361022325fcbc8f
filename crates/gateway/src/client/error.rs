//! Why a call did not succeed, told apart by what is known of its effect.

use riskd_core::engine::RequestFailure;

use crate::protocol::wire::{Endpoint, Meaning};

/// A call that did not succeed. Texts carry no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The gateway answered and refused: nothing was done.
    #[error("{endpoint} refused (code {code}, {meaning}){}", in_words(.message, *.meaning))]
    Refused {
        /// The endpoint, on which the meaning of the code depends.
        endpoint: Endpoint,
        /// The gateway's error code; for a refusal by HTTP status, that status.
        code: i32,
        /// What the code means.
        meaning: Meaning,
        /// The gateway's words, if it had any.
        message: Option<String>,
    },
    /// The gateway knows no such endpoint: nothing was done.
    #[error("{endpoint} does not exist on this gateway (HTTP {status})")]
    NoSuchEndpoint {
        /// The endpoint.
        endpoint: Endpoint,
        /// 404 or 405.
        status: u16,
    },
    /// The token was refused twice, the second time being new: nothing was done.
    #[error("{endpoint} refused the token, also a new one")]
    Unauthorized {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// There is no token, so nothing was sent.
    #[error("not logged in: {reason}")]
    NotLoggedIn {
        /// Why the login did not succeed.
        reason: String,
        /// Whether the gateway answered and refused the credentials, rather than not answering.
        refused: bool,
    },
    /// Too many calls, by the gateway's count: nothing was done.
    #[error("{endpoint} was refused because of too many calls; again in {retry_after_ms} ms")]
    RateLimited {
        /// The endpoint.
        endpoint: Endpoint,
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// It never left this machine: nothing was done.
    #[error("{endpoint} was not sent: {reason}")]
    NotSent {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        reason: String,
    },
    /// It was sent and no usable answer came: nobody knows whether it was done.
    #[error("{endpoint} has no known outcome: {reason}")]
    Unknown {
        /// The endpoint.
        endpoint: Endpoint,
        /// What happened.
        reason: String,
    },
}

impl CallError {
    /// What the engine needs to know of it.
    pub fn to_failure(&self) -> RequestFailure {
        match self {
            Self::Refused { code, .. } => RequestFailure::Refused { code: *code, message: self.to_string() },
            Self::Unknown { .. } => RequestFailure::Unknown { message: self.to_string() },
            Self::NoSuchEndpoint { .. }
            | Self::Unauthorized { .. }
            | Self::NotLoggedIn { .. }
            | Self::RateLimited { .. }
            | Self::NotSent { .. } => RequestFailure::NotSent { message: self.to_string() },
        }
    }

    /// What a refusal means; absent for everything that is not the gateway's refusal.
    pub fn meaning(&self) -> Option<Meaning> {
        match self {
            Self::Refused { meaning, .. } => Some(*meaning),
            _ => None,
        }
    }

    /// Whether asking a query again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unknown { .. } | Self::RateLimited { .. } | Self::NotSent { .. } => true,
            Self::Refused { .. }
            | Self::NoSuchEndpoint { .. }
            | Self::Unauthorized { .. }
            | Self::NotLoggedIn { .. } => false,
        }
    }
}

/// The gateway's own words, unless they only repeat what the code means.
fn in_words(message: &Option<String>, meaning: Meaning) -> String {
    message
        .as_ref()
        .filter(|message| !message.eq_ignore_ascii_case(&meaning.to_string()))
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}
