//! The engine: everything that can happen goes in, everything that must be done comes out.
//!
//! [`step`] is the only place where choices are made. It reads no clock and does no I/O: time comes in with every
//! [`Input`], and what must be done goes out as [`Action`]s, in the order in which it must be done.

mod action;
mod config;
mod desk;
mod durable;
mod enforce;
mod input;
mod memory;
mod observe;
mod outbox;
mod pursue;
mod reconcile;
mod start;
mod step;
mod timers;
mod trades;

pub use crate::rules::Goal;
pub use action::{Action, Notice, Request, RequestId, RequestKind, ResetSchedule, Severity, Write};
pub use config::{AccountConfig, Config, EnforcementTiming};
pub use input::{Event, Hub, Input, Refusal, RequestFailure, Snapshot};
pub use memory::{AccountMemory, Memory, RecordedTrade};
pub use start::start;
pub use step::{EngineState, step};
