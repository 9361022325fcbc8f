//! `riskd top`: the dashboard at a terminal, over the API.
//!
//! `app` is the state and what changes it, `pages` the text of each tab, `draw` the screen, all pure; `client` asks the
//! daemon, `terminal` takes the terminal and gives it back, whatever happens.

mod app;
mod client;
mod draw;
mod keys;
mod pages;
mod run;
mod terminal;
pub mod wire;
mod words;

pub use app::{Answer, App, Event, Question, STALE_AFTER, Tab, Typing};
pub use client::Client;
pub use draw::draw;
pub use keys::{Command, of_key, of_mouse};
pub use pages::{Page, Row};
pub use run::{once, run};
