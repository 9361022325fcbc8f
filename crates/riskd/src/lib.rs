//! The program `riskd`: config, command line, log and output. `main.rs` only calls [`cli::main`].

pub mod alerts;
pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod failure;
pub mod logging;
pub mod output;
pub mod reach;
pub mod replay;
pub mod tui;
