//! ProjectX Gateway: its protocol, and a client of it.
//!
//! [`protocol`] knows what goes over the wire and what it means; the simulator speaks it from the other side. [`client`]
//! logs in, asks, listens and reconnects.
//!
//! Architecture invariant: no clock is read and no random number drawn here unless it was handed in, and nothing here
//! decides what to do about an account: it turns bytes into the engine's events and the engine's requests into bytes.

pub mod client;
pub mod protocol;
