//! Identifiers. Numbers are the broker's own; a rule's is ours.

use std::sync::Arc;

use super::invalid::{Invalid, Noun};

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

numeric_id!(
    /// A trading account, as the gateway numbers it.
    AccountId
);
numeric_id!(
    /// An order, as the gateway numbers it.
    OrderId
);
numeric_id!(
    /// A position, as the gateway numbers it.
    PositionId
);
numeric_id!(
    /// A trade (one fill), as the gateway numbers it.
    TradeId
);
numeric_id!(
    /// A row of `enforcement_log`: the engine hands out the numbers, going on from the highest in the file.
    EnforcementId
);

/// A contract as the gateway spells it, such as `CON.F.US.MNQ.U25`. Never empty. Cloning it does not allocate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ContractId(Arc<str>);

impl ContractId {
    /// Refuses an empty or blank id, in the name of the noun that carries it.
    pub fn new(text: &str, noun: Noun) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::new(noun, "contract_id", format_args!("{text:?}"), "must not be empty"));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The id as the gateway spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ContractId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ContractId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ContractId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(&text, Noun::Contract).map_err(serde::de::Error::custom)
    }
}

/// The stable code of a risk rule, `RULE-001` to `RULE-015`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(u8);

impl RuleId {
    /// RULE-000: not a rule of this program. Stands in a lockout whose row names none, or one that cannot be read: the
    /// account is locked all the same. No rule can be configured under it, and [`RuleId::parse`] refuses it.
    pub const FOREIGN: Self = Self(0);
    /// RULE-001, `max_contracts`.
    pub const MAX_CONTRACTS: Self = Self(1);
    /// RULE-002, `max_contracts_per_instrument`.
    pub const MAX_CONTRACTS_PER_INSTRUMENT: Self = Self(2);
    /// RULE-003, `daily_realized_loss`.
    pub const DAILY_REALIZED_LOSS: Self = Self(3);
    /// RULE-004, `daily_unrealized_loss`.
    pub const DAILY_UNREALIZED_LOSS: Self = Self(4);
    /// RULE-006, `trade_frequency_limit`.
    pub const TRADE_FREQUENCY_LIMIT: Self = Self(6);
    /// RULE-007, `cooldown_after_loss`.
    pub const COOLDOWN_AFTER_LOSS: Self = Self(7);
    /// RULE-010, `auth_loss_guard`.
    pub const AUTH_LOSS_GUARD: Self = Self(10);
    /// RULE-011, `symbol_blocks`.
    pub const SYMBOL_BLOCKS: Self = Self(11);
    /// RULE-013, `daily_realized_profit`.
    pub const DAILY_REALIZED_PROFIT: Self = Self(13);
    /// RULE-005, `max_unrealized_profit`.
    pub const MAX_UNREALIZED_PROFIT: Self = Self(5);
    /// RULE-008, `no_stop_loss_grace`.
    pub const NO_STOP_LOSS_GRACE: Self = Self(8);
    /// RULE-009, `session_block_outside`.
    pub const SESSION_BLOCK_OUTSIDE: Self = Self(9);
    /// RULE-012, `trade_management`.
    pub const TRADE_MANAGEMENT: Self = Self(12);
    /// RULE-014, `max_drawdown`.
    pub const MAX_DRAWDOWN: Self = Self(14);
    /// RULE-015, `news_window`.
    pub const NEWS_WINDOW: Self = Self(15);
    /// The highest number that names a rule.
    pub const LAST: u8 = 15;

    /// The rule of that number, where there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= Self::LAST { Some(Self(number)) } else { None }
    }

    /// Reads `RULE-003`; refuses anything that names no rule, in the name of the noun that carries it.
    pub fn parse(text: &str, noun: Noun) -> Result<Self, Invalid> {
        text.strip_prefix("RULE-")
            .filter(|digits| digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse::<u8>().ok())
            .and_then(Self::from_number)
            .ok_or_else(|| {
                Invalid::new(noun, "rule_id", format_args!("{text:?}"), "must be a known rule, RULE-001 to RULE-015")
            })
    }
}

impl std::fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RULE-{:03}", self.0)
    }
}

impl serde::Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
