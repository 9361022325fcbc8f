//! What is said of a value that is refused.

/// The types that can refuse a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Noun {
    /// [`super::Account`]
    Account,
    /// [`super::Contract`]
    Contract,
    /// [`super::Order`]
    Order,
    /// [`super::Position`]
    Position,
    /// [`super::Trade`]
    Trade,
    /// [`super::Quote`]
    Quote,
    /// [`super::Lockout`]
    Lockout,
    /// [`super::EnforcementLog`]
    EnforcementLog,
    /// [`super::DailyPnl`]
    DailyPnl,
    /// [`super::DailyUnrealizedPnl`]
    DailyUnrealizedPnl,
    /// When an account's trading session began, as a row keeps it.
    SessionState,
    /// [`crate::engine::ResetSchedule`]
    ResetSchedule,
    /// [`super::DrawdownMark`]
    DrawdownMark,
    /// [`super::Commitment`]
    Commitment,
}

impl Noun {
    /// The type's name, as errors, logs and metrics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Contract => "Contract",
            Self::Order => "Order",
            Self::Position => "Position",
            Self::Trade => "Trade",
            Self::Quote => "Quote",
            Self::Lockout => "Lockout",
            Self::EnforcementLog => "EnforcementLog",
            Self::DailyPnl => "DailyPnl",
            Self::DailyUnrealizedPnl => "DailyUnrealizedPnl",
            Self::DrawdownMark => "DrawdownMark",
            Self::Commitment => "Commitment",
            Self::SessionState => "SessionState",
            Self::ResetSchedule => "ResetSchedule",
        }
    }
}

impl std::fmt::Display for Noun {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A refused value: which type, which field, which value, and the rule it broke.
///
/// Reads `Order.size = 0: must be greater than 0`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{noun}.{field} = {value}: {rule}")]
pub struct Invalid {
    /// The type that refused.
    pub noun: Noun,
    /// The field, as the type spells it.
    pub field: &'static str,
    /// The value, as text; `absent` where there is none.
    pub value: String,
    /// The rule it broke. Also the stable label under which refusals are counted.
    pub rule: &'static str,
}

impl Invalid {
    /// Says that `value` of `noun.field` broke `rule`.
    pub fn new(noun: Noun, field: &'static str, value: impl std::fmt::Display, rule: &'static str) -> Self {
        Self { noun, field, value: value.to_string(), rule }
    }

    /// Says that a field which must be there is not.
    pub fn absent(noun: Noun, field: &'static str, rule: &'static str) -> Self {
        Self::new(noun, field, "absent", rule)
    }

    /// Says why a number was refused.
    pub fn number(noun: Noun, field: &'static str, value: impl std::fmt::Display, error: super::NumberError) -> Self {
        let rule = match error {
            super::NumberError::NotANumber => "must be a decimal number",
            super::NumberError::NotFinite => "must be finite",
            super::NumberError::OutOfRange => "must fit the range of amounts",
        };
        Self::new(noun, field, value, rule)
    }
}
