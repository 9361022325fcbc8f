//! The SQLite state database: opening, migrating, backing up, verifying, reading and writing it.

mod error;
pub mod reader;
pub mod retention;
pub mod tables;
pub mod timestamp;
pub mod writer;

pub use error::StoreError;
