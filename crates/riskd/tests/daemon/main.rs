//! The daemon against the simulator, over loopback. What happened is asked of the exchange's own books and of the
//! database as Python's `sqlite3` reads it, never of the daemon.
#![allow(clippy::unwrap_used)]

mod admin_commands;
mod alerts;
mod broker_trouble;
mod clock;
mod disk;
mod kept;
mod kills;
mod links;
mod locked;
mod payloads;
mod process;
mod program;
mod proof;
mod replay;
mod resets;
mod rules;
#[path = "../alerts/server.rs"]
#[allow(dead_code)]
mod server;
mod starts;
mod stops;
mod stops_and_marks;
mod support;
mod trade_management;
mod watchdog;
mod witness;
