//! How far prices may go before a rule must be asked again.

use crate::model::Money;

/// How much the P&L of one position may still lose and gain, in dollars, before a rule's verdict or its note may change,
/// while nothing but prices changes. May say less than there is, never more.
///
/// A rule over several positions gives each its share of the whole: as long as none has used up its own, the whole is not
/// used up. Zero or less on a side means: ask at every price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slack {
    /// What it may lose.
    pub loss: Money,
    /// What it may gain.
    pub gain: Money,
}

const NO_LIMIT: Money = Money::from_micros(i64::MAX);

impl Slack {
    /// Prices do not matter.
    pub const UNLIMITED: Self = Self { loss: NO_LIMIT, gain: NO_LIMIT };
    /// Every price matters.
    pub const NONE: Self = Self { loss: Money::ZERO, gain: Money::ZERO };

    /// Only what is lost matters.
    pub const fn of_loss(loss: Money) -> Self {
        Self { loss, ..Self::UNLIMITED }
    }

    /// Only what is gained matters.
    pub const fn of_gain(gain: Money) -> Self {
        Self { gain, ..Self::UNLIMITED }
    }

    /// What is left under both.
    pub fn and(self, other: Self) -> Self {
        Self { loss: self.loss.min(other.loss), gain: self.gain.min(other.gain) }
    }

    /// The equal share of each of so many positions.
    pub fn shared(self, positions: usize) -> Self {
        let positions = i64::try_from(positions).unwrap_or(i64::MAX).max(1);
        let share = |amount: Money| match amount {
            NO_LIMIT => NO_LIMIT,
            amount => Money::from_micros(amount.micros().div_euclid(positions)),
        };
        Self { loss: share(self.loss), gain: share(self.gain) }
    }

    /// Whether a side has no limit.
    pub(crate) fn is_unlimited(amount: Money) -> bool {
        amount == NO_LIMIT
    }
}
