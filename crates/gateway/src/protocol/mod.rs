//! What goes over the wire, in both directions, and what it means. No I/O, no clock.
//!
//! [`frames`] cuts the hubs' byte stream into records and names the messages in them. [`wire`] has every request and
//! answer as the gateway spells it. [`parse`] turns payloads into the nouns and events of the engine.

pub mod frames;
pub mod parse;
pub mod redact;
pub mod wire;
