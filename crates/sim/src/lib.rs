//! A simulated ProjectX Gateway: an exchange, and the server that speaks the gateway's protocol in front of it.

pub mod exchange;
