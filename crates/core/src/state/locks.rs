//! The lockout in force of one account. A lock never shortens.

use jiff::Timestamp;

use crate::model::{Lockout, RuleId};

/// The strictest lockout, and which rules are latched.
///
/// A rule that locked the account is latched until the end it asked for: it does not fire again on the same facts.
#[derive(Debug, Clone, Default)]
pub struct Locks {
    lockout: Option<Lockout>,
    latched: Vec<(RuleId, Option<Timestamp>)>,
    /// Whether the end of the lockout is on its way to the disk.
    pub(crate) clearing: bool,
    /// When clearing is tried again after the disk refused.
    pub(crate) retry_at: Option<Timestamp>,
}

impl Locks {
    /// The lockout in force. It stays in force past its end until that end is durable.
    pub fn lockout(&self) -> Option<&Lockout> {
        self.lockout.as_ref()
    }

    /// Whether the account is locked.
    pub fn is_locked(&self) -> bool {
        self.lockout.is_some()
    }

    /// Whether the rule has locked the account and its own term is not over.
    pub fn is_latched(&self, rule_id: RuleId, at: Timestamp) -> bool {
        self.latched.iter().any(|(rule, until)| *rule == rule_id && until.is_none_or(|until| until > at))
    }

    /// Whether the rule has locked the account since it was last free.
    pub(crate) fn has_been_locked_by(&self, rule_id: RuleId) -> bool {
        self.latched.iter().any(|(rule, _)| *rule == rule_id)
    }

    /// Forgets that the rule has locked the account if the term it asked for is over; says whether it was.
    pub(crate) fn take_ended_latch(&mut self, rule_id: RuleId, at: Timestamp) -> bool {
        let before = self.latched.len();
        self.latched.retain(|(rule, until)| *rule != rule_id || until.is_none_or(|until| until > at));
        self.latched.len() != before
    }

    /// Sets a lockout. The strictest is kept; says whether it is this one.
    pub(crate) fn set(&mut self, lockout: Lockout) -> bool {
        self.latched.retain(|(rule, _)| *rule != lockout.rule_id);
        self.latched.push((lockout.rule_id, lockout.locked_until));
        let keeps_the_old = self.lockout.as_ref().is_some_and(|current| !lockout.is_stricter_than(current));
        if !keeps_the_old {
            self.lockout = Some(lockout);
            self.clearing = false;
            self.retry_at = None;
        }
        !keeps_the_old
    }

    /// Ends the lockout.
    pub(crate) fn clear(&mut self, at: Timestamp) {
        self.lockout = None;
        self.clearing = false;
        self.retry_at = None;
        self.latched.retain(|(_, until)| until.is_some_and(|until| until > at));
    }
}
