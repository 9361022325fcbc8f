//! Payloads into nouns.
