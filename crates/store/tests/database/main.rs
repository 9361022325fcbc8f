//! The store against databases that others made, with Python's `sqlite3` and the `sqlite3` shell as writers and witnesses.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod backups;
mod crashes;
mod doctor;
mod doctor_mends;
mod failures;
mod features;
mod forms;
mod plan;
mod refusals;
mod restores;
mod support;
mod traps;
