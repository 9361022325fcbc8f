//! Alerts: what is wrong is kept on one board, and told to the log and to the configured channels.
//!
//! The `board` decides what is worth telling and when, a `mailbox` a channel when it goes out; both are pure and are
//! handed the time. Each channel is a task of its own behind a bounded queue: one that hangs delays nothing, and what it
//! costs is counted and told.

mod board;
mod channel;
mod code;
mod desk;
mod mailbox;
mod message;
mod refusals;

use std::time::Duration;

pub use board::{Alarm, Board, Signal, Thresholds};
pub use channel::{ChannelConfig, Target};
pub use code::{AlarmCode, Severity};
pub use desk::{Alerts, ChannelHealth, Tried};
pub use mailbox::{Mailbox, Outcome};
pub use message::{Batch, Message, State};

/// What `config/alerts.yaml` says, with the secrets read.
#[derive(Debug, Clone)]
pub struct AlertsConfig {
    /// From when on what is told.
    pub thresholds: Thresholds,
    /// What comes within this time goes out together.
    pub gather: Duration,
    /// The ways to people; none is a log only.
    pub channels: Vec<ChannelConfig>,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self { thresholds: Thresholds::default(), gather: Duration::from_millis(1_500), channels: Vec::new() }
    }
}
