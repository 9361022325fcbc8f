//! A trader's lockout: the account is kept flat until it ends.

use jiff::Timestamp;

use super::{AccountId, Invalid, Noun, RuleId, reads_as_draft};

/// The fields of a [`Lockout`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockoutDraft {
    /// The account that is locked.
    pub account_id: AccountId,
    /// Why, in a sentence for the trader.
    pub reason: String,
    /// The rule that locked it.
    pub rule_id: RuleId,
    /// Since when.
    pub locked_at: Timestamp,
    /// Until when; absent means without end.
    pub locked_until: Option<Timestamp>,
}

/// A lockout that ends after it begins, or never.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockout(LockoutDraft);
reads_as_draft!(Lockout, LockoutDraft);

impl Lockout {
    /// Refuses a lockout that ends before or when it begins.
    pub fn new(draft: LockoutDraft) -> Result<Self, Invalid> {
        match draft.locked_until {
            Some(until) if until <= draft.locked_at => {
                Err(Invalid::new(Noun::Lockout, "locked_until", until, "must be after locked_at"))
            }
            _ => Ok(Self(draft)),
        }
    }

    /// Whether this one holds longer than the other: no end beats the later end.
    pub fn is_stricter_than(&self, other: &Self) -> bool {
        match (self.locked_until, other.locked_until) {
            (None, Some(_)) => true,
            (Some(mine), Some(theirs)) => mine > theirs,
            (_, None) => false,
        }
    }

    /// Whether it is a pause: what was there may stay, nothing new may come. Any other lockout keeps the account flat.
    ///
    /// The table has no column for that: it follows from the rule, and from there being an end (`strict_mode` locks
    /// without one, and then nothing may stay).
    pub fn is_cooldown(&self) -> bool {
        self.locked_until.is_some()
            && matches!(self.rule_id, RuleId::TRADE_FREQUENCY_LIMIT | RuleId::COOLDOWN_AFTER_LOSS)
    }

    /// Whether its time is over at `now`.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| until <= now)
    }
}
