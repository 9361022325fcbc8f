//! A scripted broker and a disk around the engine, in virtual time.
//!
//! The broker is the worst that is still lawful: a close is a market order whose size is fixed when the broker accepts
//! it, so two of them on their way at once would turn the position round. [`World::crossed_zero`] tells if one did.

mod broker;
mod disk;
mod world;

pub use broker::{Look, Outcome};
pub use world::World;
