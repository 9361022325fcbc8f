//! A simulated ProjectX Gateway: an exchange, and the server that speaks the gateway's protocol in front of it.
//!
//! [`exchange`] keeps the books, without I/O. [`server`] puts REST and the two hubs in front of it. [`controls`] are the
//! levers of a running simulator, [`faults`] what can be made to go wrong, [`feed`] where prices come from, and
//! [`traders`] people with habits. [`world`] plays whole weeks of it in virtual time with everything that can go wrong, and
//! [`oracle`] judges them.
//!
//! Architecture invariant: nothing but [`oracle`] knows a risk rule, and that shares no code with them. What an account must
//! not do is no business of its broker.

pub mod controls;
pub mod exchange;
pub mod faults;
pub mod feed;
pub mod oracle;
pub mod server;
pub mod traders;
pub mod world;

pub use controls::Controls;
pub use server::{Simulator, SimulatorConfig};
