//! The engine: everything that can happen goes in, everything that must be done comes out.
//!
//! [`step`] is the only place where choices are made. It reads no clock and does no I/O: time comes in with every
//! [`Input`], and what must be done goes out as [`Action`]s, in the order in which it must be done.
//!
//! Each account has a desk of its own: its state, as rules may see it, and an outbox of enforcements that the broker has
//! not confirmed. One event goes through a desk in this order:
//!
//! 1. `timers`: whatever fell due before it happens first (the day turns, a lockout's end is written).
//! 2. `observe`, `trades`, `reconcile`: the event is taken over into the state, and what changed is written down.
//! 3. `enforce`: rules that watch the change are asked; a breach becomes a row of the log, a goal, and maybe a lockout.
//! 4. `pursue`: what the goals still want and is not on its way is sent, and a look at the broker's books is planned.
//!
//! An enforcement ends in one place only, `pursue::confirm`: when a look that was asked for after the decision shows its
//! goal. That a request was accepted proves nothing.

mod action;
mod arming;
mod commitment;
mod config;
mod desk;
mod drawdown;
mod durable;
mod enforce;
mod hold;
mod input;
mod keep_stops;
mod look_budget;
mod memory;
mod observe;
mod outbox;
mod price_index;
mod prices;
mod pursue;
mod reconcile;
mod start;
mod step;
mod stops;
mod timers;
mod track;
mod trades;
mod unlock;

pub use crate::rules::Goal;
pub use action::{Action, Notice, Request, RequestId, RequestKind, ResetSchedule, Severity, UnlockOutcome, Write};
pub use arming::RuleArming;
pub use commitment::{Change, Effect, Restore, hold_commitments};
pub use config::{AccountConfig, Config, EnforcementTiming, Waiting};
pub use enforce::WHILE_LOCKED_BY;
pub use input::{Event, Hub, Input, Refusal, RequestFailure, Snapshot};
pub use memory::{AccountMemory, Memory, RecordedTrade};
pub use start::start;
pub use step::{EngineState, step};
