//! `riskd top`: what is on the screen at several sizes, what keys and mouse do, and that the terminal is given back.
#![allow(clippy::unwrap_used)]

mod given_back;
mod keys;
mod once;
mod scene;
mod screens;
