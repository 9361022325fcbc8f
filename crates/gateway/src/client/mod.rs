//! A client of the gateway: logs in, asks, listens and reconnects.
//!
//! [`Gateway`] is the REST side, shared by cloning. [`hub::run`] keeps one hub connected for ever and puts what it says
//! into an [`EventSender`]. [`limiter`], [`breaker`] and [`reconnect`] are machines without I/O that are told the time.
//!
//! Architecture invariant: no secret is ever written to a log or an error; URLs of the hubs, which carry the token, are
//! never formatted at all. Closing, cancelling and placing are never repeated here: only the engine decides that.

mod auth;
pub mod breaker;
mod config;
mod error;
mod executor;
pub mod hub;
mod jitter;
pub mod limiter;
mod queue;
pub mod reconnect;
mod rest;
mod retry;
mod snapshot;
mod transport;

pub use config::{ClientConfig, ConfigError, HubTimeouts, RestTimeouts, RetryPolicy, TokenLife};
pub use error::CallError;
pub use limiter::Priority;
pub use queue::{EventReceiver, EventSender, event_queue};
pub use rest::{Gateway, Rows};
pub use transport::CallCounts;

/// The program's one clock, handed in. Must never go back.
pub type Clock = std::sync::Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// What an answer of the REST interface says of the time: its `Date` header, between two moments of this machine.
#[derive(Debug, Clone, Copy)]
pub struct AnswerDate {
    /// The broker's clock when it made the answer, cut down to whole seconds.
    pub date: jiff::Timestamp,
    /// When the request went out.
    pub asked: std::time::Instant,
    /// When the answer came in.
    pub answered: std::time::Instant,
}

/// Is told the date of every answer.
pub type DateSink = std::sync::Arc<dyn Fn(AnswerDate) + Send + Sync>;
