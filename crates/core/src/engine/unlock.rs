//! How lockouts end: by time, by the broker letting the account trade again, by an admin. Nothing else ends one.
//!
//! An end is written first; the account is free only once that is durable.

use super::action::{Notice, Write};
use super::desk::{Context, Desk};
use crate::model::{Timestamp, time_after_ms};

/// Wait before the end of a lockout is written again, in milliseconds.
const CLEAR_AGAIN_MS: i64 = 1_000;

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
            self.state.locks.begin_clearing();
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

    /// Takes over whether the end of a lockout became durable.
    pub(super) fn observe_lockout_cleared(&mut self, context: &mut Context<'_>, durable: bool) {
        let Some(_ended) = self.state.locks.cleared(durable, time_after_ms(context.at, CLEAR_AGAIN_MS)) else {
            return;
        };
        if !self.state.locks.is_locked() {
            context.tell(Notice::LockoutCleared(self.id()));
        }
        self.ask_rules_about_everything(context);
    }

    /// When a lockout next ends by time, or its end is written again.
    pub(super) fn next_end_of_a_lockout(&self, at: Timestamp) -> Option<Timestamp> {
        let locks = &self.state.locks;
        if locks.is_clearing() {
            return None;
        }
        let end = locks.next_end(at)?;
        Some(locks.retry_at.map_or(end, |retry_at| end.max(retry_at)))
    }
}
