//! starts.
