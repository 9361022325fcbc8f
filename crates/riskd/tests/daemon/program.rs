//! program.
