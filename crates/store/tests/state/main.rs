//! The typed side of the state database, from outside: tables, reader, writer, retention.
#![allow(clippy::unwrap_used)]

mod analytics;
mod audit;
mod feature_tables;
mod memory;
mod pages;
mod python;
mod retention;
mod round_trip;
mod support;
mod unreadable;
mod writer;
