//! resets.
