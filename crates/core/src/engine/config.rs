//! What the engine is told by the config files, resolved and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{AccountId, TradingDayClock};
use crate::rules::RuleSet;

/// The engine's config.
#[derive(Debug, Clone)]
pub struct Config {
    /// The accounts to protect.
    pub accounts: BTreeMap<AccountId, AccountConfig>,
    /// What waits for an account's next reset, because it is looser than what is in force.
    pub waiting: BTreeMap<AccountId, Waiting>,
    /// Whether unrealized P&L is snapshotted at each daily reset.
    pub track_unrealized_pnl: bool,
    /// Age from which the quotes of a held contract are flagged, in milliseconds; they are used all the same.
    pub quote_stale_after_ms: i64,
    /// How long an enforcement may take.
    pub enforcement: EnforcementTiming,
}

/// One account's config.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// When its trading day turns.
    pub day_clock: TradingDayClock,
    /// Its rules.
    pub rules: Arc<RuleSet>,
}

/// A looser config of an account, and when it takes effect.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The account's next reset.
    pub from: Timestamp,
    /// Its config from then on.
    pub account: AccountConfig,
}

/// How long an enforcement may take before somebody is told, in milliseconds from the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnforcementTiming {
    /// From here on it is slow.
    pub slow_after_ms: i64,
    /// From here on it is critical.
    pub critical_after_ms: i64,
    /// From here on it counts as failed so far; the attempts go on.
    pub failed_after_ms: i64,
}

impl Default for EnforcementTiming {
    fn default() -> Self {
        Self { slow_after_ms: 500, critical_after_ms: 2_000, failed_after_ms: 5_000 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            track_unrealized_pnl: false,
            quote_stale_after_ms: 10_000,
            enforcement: EnforcementTiming::default(),
        }
    }
}
