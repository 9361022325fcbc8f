//! stops.
