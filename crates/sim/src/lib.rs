//! A simulated ProjectX Gateway: an exchange, and the server that speaks the gateway's protocol in front of it.
//!
//! [`exchange`] keeps the books, without I/O. [`server`] puts REST and the two hubs in front of it. [`controls`] are the
//! levers of a running simulator, [`faults`] what can be made to go wrong, [`feed`] where prices come from, and
//! [`traders`] people with habits.
//!
//! Architecture invariant: nothing here knows a risk rule. What an account must not do is no business of its broker.

pub mod controls;
pub mod exchange;
pub mod faults;
pub mod feed;
pub mod server;
pub mod traders;

pub use controls::Controls;
pub use server::{Simulator, SimulatorConfig};
