//! The API and the stream, as a browser, a program and an attacker meet them: a daemon in this process between the
//! simulator and a real socket.
#![allow(clippy::unwrap_used)]

mod admin;
mod client;
mod desk;
#[path = "../daemon/support.rs"]
#[allow(dead_code)]
mod ground;
mod guard;
mod listener;
mod reading;
mod stream;
mod watching;
