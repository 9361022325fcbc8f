//! How lockouts end: by time, by the broker letting the account trade again, by an admin. Nothing else ends one.
//!
//! An end is written first; the account is free only once that is durable. While a lockout whose time is over waits for
//! that, it holds nothing back for a few seconds: the disk may be slow, and the trader is free by the clock. A disk that
//! refuses, or hangs, lets it hold again.

use super::action::{Notice, UnlockOutcome, Write};
use super::desk::{Context, Desk};
use crate::model::{AdminAct, AdminActKind, Money, Timestamp, time_after_ms};
use crate::rules::Verdict;
use crate::state::{Cleared, Pardon, Unlocked};

/// Wait before the end of a lockout is written again, in milliseconds.
const CLEAR_AGAIN_MS: i64 = 1_000;
/// How long the disk may take to write the end of lockouts whose time is over before they hold again, in milliseconds.
const LENIENT_MS: i64 = 5_000;

/// An unlock that is on its way to the disk.
#[derive(Debug, Clone)]
pub(super) struct PendingUnlock {
    unlocked: Unlocked,
    actor: String,
    reason: String,
}

impl Desk {
    /// Ends what is over: by itself where another lockout goes on, else through the disk.
    pub(super) fn end_lockouts_if_due(&mut self, context: &mut Context<'_>) {
        self.release_what_is_over(context);
        let at = context.at;
        if self.state.locks.drop_what_is_over(at)
            && let Some(lockout) = self.state.locks.lasting().cloned()
        {
            context.store(Write::PutLockout(lockout.clone()));
            context.tell(Notice::LockoutSet(lockout));
        }
        if self.state.locks.is_due_to_end(at) {
            self.state.locks.begin_clearing(time_after_ms(at, LENIENT_MS));
            context.store(Write::ClearLockout { account_id: self.id(), at });
        }
    }

    /// Asks the rules that end their own lockout whether it is over.
    fn release_what_is_over(&mut self, context: &Context<'_>) {
        let Some(account) = self.account_config(context.config).filter(|_| self.heard_from_the_broker) else {
            return;
        };
        if !self.state.locks.is_locked() {
            return;
        }
        for rule in account.rules.rules() {
            if self.state.locks.is_latched(rule.id(), context.at)
                && rule.releases(&self.view(context.markets, context.at))
            {
                self.state.locks.release(rule.id());
            }
        }
    }

    /// An admin ends every lockout of the account. It counts once it is durable, together with its line in the audit.
    pub(super) fn unlock(&mut self, context: &mut Context<'_>, actor: String, reason: String) {
        let at = context.at;
        if !self.state.locks.is_locked() {
            return self.answer_unlock(context, actor, reason, UnlockOutcome::NotLocked);
        }
        let unlocked = Unlocked { at, pardons: self.standing_breaches(context) };
        self.state.locks.begin_clearing(time_after_ms(at, LENIENT_MS));
        context.store(Write::ClearLockout { account_id: self.id(), at });
        context.store(Write::AppendAudit(AdminAct {
            at,
            actor: actor.clone(),
            kind: AdminActKind::Unlock,
            account_id: Some(self.id()),
            reason: Some(reason.clone()),
            detail: Some(unlocked.detail()),
        }));
        self.unlocks.push(PendingUnlock { unlocked, actor, reason });
    }

    /// Takes over whether the end of a lockout became durable.
    pub(super) fn observe_lockout_cleared(&mut self, context: &mut Context<'_>, durable: bool) {
        let ended = match self.state.locks.cleared(durable, time_after_ms(context.at, CLEAR_AGAIN_MS)) {
            Cleared::Waits => return,
            Cleared::Refused => {
                for PendingUnlock { actor, reason, .. } in std::mem::take(&mut self.unlocks) {
                    self.answer_unlock(context, actor, reason, UnlockOutcome::NotDurable);
                }
                return;
            }
            Cleared::Ended(ended) => ended,
        };
        if !self.state.locks.is_locked() {
            context.tell(Notice::LockoutCleared(self.id()));
        }
        for PendingUnlock { unlocked, actor, reason } in std::mem::take(&mut self.unlocks) {
            self.state.locks.pardon(unlocked.at, unlocked.pardons);
            self.answer_unlock(context, actor, reason, UnlockOutcome::Ended(ended.clone()));
        }
        self.ask_rules_about_everything(context);
    }

    fn answer_unlock(&self, context: &mut Context<'_>, actor: String, reason: String, outcome: UnlockOutcome) {
        context.tell(Notice::Unlock { account_id: self.id(), actor, reason, outcome });
    }

    /// Every breach that locks and stands now, the worst of each rule: what an unlock forgives.
    fn standing_breaches(&self, context: &Context<'_>) -> Vec<Pardon> {
        let mut pardons: Vec<Pardon> = Vec::new();
        let Some(account) = self.account_config(context.config) else {
            return pardons;
        };
        let triggers = self.triggers_of_everything();
        let view = self.view(context.markets, context.at);
        for rule in account.rules.rules() {
            let breaches = triggers.iter().filter(|trigger| rule.watches(trigger)).filter_map(|trigger| {
                match rule.check(&view, trigger) {
                    Verdict::Breached(breach) => Some(breach),
                    Verdict::Within => None,
                }
            });
            let locking = breaches.filter(|breach| breach.lock.is_some() || account.rules.strict_mode());
            let worst = locking.map(|breach| breach.pnl).max_by_key(|pnl| pnl.map(Money::abs));
            pardons.extend(worst.map(|pnl| Pardon { rule_id: rule.id(), pnl }));
        }
        pardons
    }

    /// When a lockout next ends by time, or its end is written again.
    pub(super) fn next_end_of_a_lockout(&self, at: Timestamp) -> Option<Timestamp> {
        let locks = &self.state.locks;
        let end = locks.next_end(at)?;
        Some(locks.retry_at.map_or(end, |retry_at| end.max(retry_at)))
    }
}
