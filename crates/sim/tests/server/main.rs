//! The simulator over loopback, as a client sees it: REST, both hubs, and every fault at least once.
#![allow(clippy::unwrap_used)]

mod faults;
mod hubs;
mod rest;
mod support;
