//! From a breach to an enforcement: log row, lockout, goal.

use super::action::{Notice, Write};
use super::config::AccountConfig;
use super::desk::{Context, Desk};
use super::outbox::Enforcement;
use crate::model::{
    EnforcementAction, EnforcementLog, EnforcementLogDraft, EnforcementStatus, Lockout, LockoutDraft, RuleId, Timestamp,
};
use crate::rules::{Breach, LockTerm, Trigger, Verdict};
use crate::state::Set;

/// Stands in the reason of every enforcement that only holds a lockout: something appeared in a locked account.
pub const WHILE_LOCKED_BY: &str = "while locked by";

impl Desk {
    /// Asks every rule that watches one of the triggers, in order of precedence, and begins what its breach demands.
    ///
    /// Not before the broker's first word: half a book can look like a breach.
    pub(super) fn ask_rules(&mut self, context: &mut Context<'_>, triggers: &[Trigger]) {
        self.restart_ended_drawdown(context);
        self.keep_track(context, triggers, false);
        let Some(account) = self.account_config(context.config).filter(|_| self.heard_from_the_broker) else {
            return;
        };
        for rule in account.rules.rules() {
            for trigger in triggers {
                if !rule.watches(trigger) || self.is_latched(rule.id(), context.at) {
                    continue;
                }
                match rule.check(&self.view(context.markets, context.at), trigger) {
                    Verdict::Breached(breach) => self.begin(context, account, rule.id(), *breach),
                    Verdict::Within => self.state.locks.forget_pardon(rule.id()),
                }
            }
        }
    }

    /// Whether a breach calls for anything that is not being done already.
    pub(super) fn is_news(&self, rule_id: RuleId, breach: &Breach) -> bool {
        let nothing_to_do = breach.lock.is_none() && breach.goal.is_met_by(&self.state.book);
        let is_forgiven = breach.lock.is_some() && self.state.locks.is_pardoned(rule_id, breach.pnl);
        // What is being closed already need not be locked already: that may have ended, or never have become durable.
        let locks = breach.lock.is_some();
        !nothing_to_do && !is_forgiven && (locks || !self.outbox.is_dealing_with(rule_id, &breach.goal))
    }

    /// Asks every rule about everything.
    pub(super) fn ask_rules_about_everything(&mut self, context: &mut Context<'_>) {
        let triggers = self.triggers_of_everything();
        self.ask_rules(context, &triggers);
    }

    /// Everything that rules may look at.
    pub(super) fn triggers_of_everything(&self) -> Vec<Trigger> {
        let mut triggers = vec![Trigger::Trades, Trigger::Account, Trigger::Time];
        triggers.extend(self.state.book.positions().map(|position| Trigger::Position(position.contract_id.clone())));
        triggers.extend(self.state.book.orders().map(|order| Trigger::Order(order.id)));
        triggers
    }

    /// `until 2026-11-22 17:00 EST`, on the clocks of the account's time zone.
    pub(super) fn until(&self, context: &Context<'_>, until: Timestamp) -> String {
        let zone = self.account_config(context.config).map(|account| account.day_clock.timezone().clone());
        let local = until.to_zoned(zone.unwrap_or(jiff::tz::TimeZone::UTC));
        format!("until {}", local.strftime("%Y-%m-%d %H:%M %Z"))
    }

    fn begin(&mut self, context: &mut Context<'_>, account: &AccountConfig, rule_id: RuleId, breach: Breach) {
        let breach = if account.rules.strict_mode() {
            Breach::close_all_and_lock(LockTerm::WithoutEnd, breach.reason, breach.pnl)
        } else {
            breach
        };
        if breach.action == EnforcementAction::Cooldown {
            return self.begin_cooldown(context, rule_id, breach);
        }
        if self.is_latched(rule_id, context.at) || !self.is_news(rule_id, &breach) {
            return;
        }
        let lockout_until = match breach.lock {
            Some(LockTerm::UntilDailyReset) => Some(account.day_clock.next_reset(context.at)),
            Some(LockTerm::Until(until)) => Some(until),
            Some(LockTerm::WithoutEnd) | None => None,
        };
        if breach.lock.is_some() {
            self.lock(context, rule_id, lockout_until, &breach.reason);
        }
        if !self.outbox.is_dealing_with(rule_id, &breach.goal) {
            self.open(context, rule_id, lockout_until, breach);
        }
    }

    /// Locks beside whatever else locks the account. Says whether that is news.
    pub(super) fn lock(
        &mut self,
        context: &mut Context<'_>,
        rule_id: RuleId,
        until: Option<Timestamp>,
        reason: &str,
    ) -> bool {
        let draft = LockoutDraft {
            account_id: self.id(),
            reason: reason.to_owned(),
            rule_id,
            locked_at: context.at,
            locked_until: until,
        };
        let Ok(lockout) = Lockout::new(draft) else {
            // Its end is not after the present: over before it began.
            return false;
        };
        match self.state.locks.set(lockout.clone()) {
            Set::Nothing => false,
            Set::Beside => true,
            Set::Strictest => {
                context.store(Write::PutLockout(lockout.clone()));
                context.tell(Notice::LockoutSet(lockout));
                true
            }
        }
    }

    pub(super) fn open(
        &mut self,
        context: &mut Context<'_>,
        rule_id: RuleId,
        lockout_until: Option<Timestamp>,
        breach: Breach,
    ) {
        let log = EnforcementLog::new(EnforcementLogDraft {
            id: Some(context.numbers.next_enforcement()),
            timestamp: context.at,
            account_id: self.id(),
            rule_id,
            action: breach.action.clone(),
            reason: breach.reason.clone(),
            success: false,
            status: EnforcementStatus::Pending,
            error_message: None,
            positions_closed: 0,
            orders_cancelled: 0,
            lockout_until,
            pnl_at_enforcement: breach.pnl,
            execution_time_ms: None,
        })
        .expect("a new row has counts of zero");
        context.store(Write::PutEnforcement { log: log.clone(), goal: Some(breach.goal.clone()) });
        context.tell(Notice::Breach { account_id: self.id(), rule_id, action: breach.action, reason: breach.reason });
        self.outbox.looks = 0;
        self.outbox.enforcements.push(Enforcement { log, goal: breach.goal, told: None });
    }
}

/// Changes a row of the log through its constructor.
pub(super) fn revise(log: &mut EnforcementLog, change: impl Fn(&mut EnforcementLogDraft)) {
    let mut draft = (**log).clone();
    change(&mut draft);
    *log = EnforcementLog::new(draft).expect("counts only go up and time does not go back");
}
