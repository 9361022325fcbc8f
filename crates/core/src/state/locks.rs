//! The lockouts in force of one account, each with its own cause. A lock never shortens.

use jiff::Timestamp;

use super::Standing;
use crate::model::{Lockout, Money, Noun, RuleId};

/// Every lockout in force, one a rule. The database holds the strictest; the others are remembered here, so that the end
/// of one does not end another.
///
/// A rule that locked the account is latched until the end it asked for: it does not fire again on the same facts.
#[derive(Debug, Clone, Default)]
pub struct Locks {
    causes: Vec<Cause>,
    /// Ends on their way to the disk that have not been answered.
    clears_outstanding: u32,
    clear_failed: bool,
    /// Until when lockouts whose time is over hold nothing back while their end is on its way to the disk.
    lenient_until: Option<Timestamp>,
    /// When clearing is tried again after the disk refused.
    pub(crate) retry_at: Option<Timestamp>,
    /// What was there when the cooldown in force began.
    pub(crate) standing: Option<Standing>,
    pardoned_at: Option<Timestamp>,
    pardons: Vec<Pardon>,
}

#[derive(Debug, Clone)]
struct Cause {
    lockout: Lockout,
    /// Whether what led to it is over, before its time.
    over: bool,
    /// Whether its end is on its way to the disk.
    ending: bool,
}

/// What a lockout demands while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// No position and no order.
    Flat,
    /// Nothing beyond what was there when it began.
    NothingNew,
}

/// A breach that an admin's unlock forgave: the rule does not lock again before things get worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pardon {
    /// The rule.
    pub rule_id: RuleId,
    /// The P&L that breached, in dollars, where the rule measures one.
    pub pnl: Option<Money>,
}

impl Pardon {
    /// Whether what it forgives is not measured over one day: canTrade, and a drawdown.
    fn outlasts_the_day(self) -> bool {
        matches!(self.rule_id, RuleId::AUTH_LOSS_GUARD | RuleId::MAX_DRAWDOWN)
    }
}

/// An unlock by an admin: when, and what it forgives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// When it was asked for.
    pub at: Timestamp,
    /// The breaches that stood then.
    pub pardons: Vec<Pardon>,
}

impl Unlocked {
    /// Reads what [`Unlocked::detail`] wrote; words that name no rule are left out.
    pub fn read(at: Timestamp, detail: &str) -> Self {
        let pardon = |word: &str| {
            let (rule, pnl) = word.split_once('=').map_or((word, None), |(rule, pnl)| (rule, Some(pnl)));
            let rule_id = RuleId::parse(rule, Noun::Lockout).ok()?;
            let pnl = pnl.map(Money::parse).transpose().ok()?;
            Some(Pardon { rule_id, pnl })
        };
        Self { at, pardons: detail.split_whitespace().filter_map(pardon).collect() }
    }

    /// What is forgiven, for the audit trail: `RULE-003=-512.50 RULE-010`.
    pub fn detail(&self) -> String {
        let word = |pardon: &Pardon| match pardon.pnl {
            Some(pnl) => format!("{}={pnl}", pardon.rule_id),
            None => pardon.rule_id.to_string(),
        };
        self.pardons.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

/// What became of the end of the lockouts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Cleared {
    /// Nothing yet: another end is on its way to the disk.
    Waits,
    /// The disk refused: nothing ended.
    Refused,
    /// These ended.
    Ended(Vec<Lockout>),
}

/// What setting a lockout changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// It is the strictest now, and stands in the database.
    Strictest,
    /// A stricter one stands in the database; this one is remembered.
    Beside,
    /// The same rule holds a lockout that is at least as strict.
    Nothing,
}

impl Locks {
    /// The strictest lockout in force. It stays in force past its end until that end is durable.
    pub fn lockout(&self) -> Option<&Lockout> {
        strictest(self.causes.iter())
    }

    /// Every lockout in force, one a rule, in the order in which they were set.
    pub fn causes(&self) -> impl Iterator<Item = &Lockout> {
        self.causes.iter().map(|cause| &cause.lockout)
    }

    /// Whether the account is locked.
    pub fn is_locked(&self) -> bool {
        !self.causes.is_empty()
    }

    /// What the lockouts in force demand, and the strictest of those that demand it.
    pub fn holding(&self) -> Option<(&Lockout, Holds)> {
        let of_kind = |cooldown| strictest(self.causes.iter().filter(|cause| cause.lockout.is_cooldown() == cooldown));
        let flat = of_kind(false).map(|lockout| (lockout, Holds::Flat));
        flat.or_else(|| of_kind(true).map(|lockout| (lockout, Holds::NothingNew)))
    }

    /// Whether the rule has locked the account and its own term is not over.
    pub fn is_latched(&self, rule_id: RuleId, at: Timestamp) -> bool {
        self.cause(rule_id).is_some_and(|cause| !cause.over && !cause.lockout.has_ended(at))
    }

    /// When an admin last unlocked the account: what happened until then locks it no more.
    pub fn pardoned_at(&self) -> Option<Timestamp> {
        self.pardoned_at
    }

    /// The breaches that the last unlock forgave, as far as they stand.
    pub fn pardons(&self) -> &[Pardon] {
        &self.pardons
    }

    /// Whether a breach of this rule with this P&L is no worse than one that an admin forgave.
    pub fn is_pardoned(&self, rule_id: RuleId, pnl: Option<Money>) -> bool {
        self.pardons.iter().any(|pardon| pardon.rule_id == rule_id && !is_worse(pnl, pardon.pnl))
    }

    /// What stood when the cooldown in force began.
    pub fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// Whether every lockout is over and its end on its way to the disk, which has not taken too long for it yet. What
    /// appears meanwhile is let be: a slow disk must not cost anybody a position that is free to be held.
    pub(crate) fn is_ending(&self, at: Timestamp) -> bool {
        self.is_clearing()
            && self.lenient_until.is_some_and(|until| at < until)
            && self.causes.iter().all(|cause| cause.is_over(at))
    }

    /// Whether an end is on its way to the disk.
    pub(crate) fn is_clearing(&self) -> bool {
        self.clears_outstanding > 0
    }

    /// The lockout that the database must hold: the strictest whose end is not on its way to it.
    pub(crate) fn lasting(&self) -> Option<&Lockout> {
        strictest(self.causes.iter().filter(|cause| !cause.ending))
    }

    /// Sets a lockout beside those of other rules; says what that changed.
    pub(crate) fn set(&mut self, lockout: Lockout) -> Set {
        let known = self.cause(lockout.rule_id).filter(|cause| !cause.over && !cause.ending);
        if known.is_some_and(|known| !lockout.is_stricter_than(&known.lockout)) {
            return Set::Nothing;
        }
        self.causes.retain(|cause| cause.lockout.rule_id != lockout.rule_id);
        let is_strictest = self.lasting().is_none_or(|other| lockout.is_stricter_than(other));
        self.causes.push(Cause { lockout, over: false, ending: false });
        if is_strictest { Set::Strictest } else { Set::Beside }
    }

    /// Takes over that what led to the rule's lockout is over. Says whether there was one.
    pub(crate) fn release(&mut self, rule_id: RuleId) -> bool {
        let cause = self.causes.iter_mut().find(|cause| cause.lockout.rule_id == rule_id && !cause.over);
        cause.map(|cause| cause.over = true).is_some()
    }

    /// Drops what is over where another lockout goes on. Says whether the database holds another one now.
    pub(crate) fn drop_what_is_over(&mut self, at: Timestamp) -> bool {
        if self.causes.iter().all(|cause| cause.is_over(at)) {
            return false;
        }
        let before = self.lasting().map(|lockout| lockout.rule_id);
        self.causes.retain(|cause| cause.ending || !cause.is_over(at));
        self.forget_standing();
        before != self.lasting().map(|lockout| lockout.rule_id)
    }

    /// Whether nothing holds the account any more, and no end is on its way to the disk.
    pub(crate) fn is_due_to_end(&self, at: Timestamp) -> bool {
        self.is_locked()
            && !self.is_clearing()
            && self.retry_at.is_none_or(|retry_at| retry_at <= at)
            && self.causes.iter().all(|cause| cause.is_over(at))
    }

    /// When the next of the lockouts ends by time, or holds again because the disk takes too long; absent while none does.
    pub(crate) fn next_end(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_clearing() {
            return self.lenient_until.filter(|until| *until > at);
        }
        let end = |cause: &Cause| if cause.over { Some(at) } else { cause.lockout.locked_until };
        self.causes.iter().filter_map(end).min()
    }

    /// Takes over that the end of every lockout is on its way to the disk. Those whose time is over hold nothing back
    /// before `lenient_until`.
    pub(crate) fn begin_clearing(&mut self, lenient_until: Timestamp) {
        self.clears_outstanding += 1;
        self.lenient_until.get_or_insert(lenient_until);
        self.retry_at = None;
        self.causes.iter_mut().for_each(|cause| cause.ending = true);
    }

    /// Takes over whether an end became durable.
    pub(crate) fn cleared(&mut self, durable: bool, retry_at: Timestamp) -> Cleared {
        let Some(outstanding) = self.clears_outstanding.checked_sub(1) else {
            return Cleared::Waits;
        };
        self.clears_outstanding = outstanding;
        self.clear_failed |= !durable;
        if self.clears_outstanding > 0 {
            return Cleared::Waits;
        }
        self.lenient_until = None;
        if std::mem::take(&mut self.clear_failed) {
            self.causes.iter_mut().for_each(|cause| cause.ending = false);
            self.retry_at = Some(retry_at);
            return Cleared::Refused;
        }
        self.retry_at = None;
        let ended = self.causes.extract_if(.., |cause| cause.ending).map(|cause| cause.lockout).collect();
        self.forget_standing();
        Cleared::Ended(ended)
    }

    /// Takes over what an admin's unlock forgives.
    pub(crate) fn pardon(&mut self, at: Timestamp, pardons: Vec<Pardon>) {
        self.pardoned_at = Some(at);
        self.pardons = pardons;
    }

    /// Takes over that the trading day turned: what was measured over the day is measured anew.
    pub(crate) fn day_turned(&mut self) {
        self.pardons.retain(|pardon| pardon.outlasts_the_day());
    }

    /// Takes over what an unlock of an earlier run forgives still. `day_began` is the start of the present trading day.
    pub(crate) fn remember_pardon(&mut self, unlocked: Unlocked, day_began: Timestamp) {
        self.pardon(unlocked.at, unlocked.pardons);
        if unlocked.at < day_began {
            self.day_turned();
        }
    }

    /// Takes over that a forgiven breach is over: the next one is new.
    pub(crate) fn forget_pardon(&mut self, rule_id: RuleId) {
        self.pardons.retain(|pardon| pardon.rule_id != rule_id);
    }

    fn cause(&self, rule_id: RuleId) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.lockout.rule_id == rule_id)
    }

    fn forget_standing(&mut self) {
        if !self.causes.iter().any(|cause| cause.lockout.is_cooldown()) {
            self.standing = None;
        }
    }
}

impl Cause {
    fn is_over(&self, at: Timestamp) -> bool {
        self.over || self.lockout.has_ended(at)
    }
}

fn strictest<'a>(causes: impl Iterator<Item = &'a Cause>) -> Option<&'a Lockout> {
    causes.map(|cause| &cause.lockout).reduce(|one, other| if other.is_stricter_than(one) { other } else { one })
}

/// Whether a P&L lies further beyond its limit than the one that was forgiven: a larger loss, or a larger profit.
fn is_worse(pnl: Option<Money>, forgiven: Option<Money>) -> bool {
    match (pnl, forgiven) {
        (Some(pnl), Some(forgiven)) => pnl.abs() > forgiven.abs() || pnl.is_negative() != forgiven.is_negative(),
        _ => false,
    }
}
