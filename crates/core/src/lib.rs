//! The pure heart of riskd: nouns, state, rules and the engine's step.
//!
//! Architecture invariant: no clock, no I/O, no randomness, no threads, and nothing that depends on the order of a
//! hash map. Time comes in with every input; the same inputs give the same actions, always. `clippy.toml` of this crate
//! and the boundary test of the workspace hold it to that.

pub mod clock;
pub mod engine;
pub mod model;
pub mod rules;
pub mod state;
