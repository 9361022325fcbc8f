//! The commands that work on the state database, as people and scripts meet them: the real program is run.
#![allow(clippy::unwrap_used)]

mod exit_codes;
mod fleet;
mod follow;
mod json;
mod plan_and_doctor;
mod progress;
mod rules;
mod support;
mod terminal;
mod texts;
