//! From a breach to an enforcement: log row, lockout, goal.

use super::action::{Notice, Write};
use super::config::AccountConfig;
use super::desk::{Context, Desk};
use super::outbox::{Enforcement, is_market_order_on_its_way};
use crate::model::{
    EnforcementAction, EnforcementLog, EnforcementLogDraft, EnforcementStatus, Lockout, LockoutDraft, RuleId,
    Timestamp, time_after_ms,
};
use crate::rules::{Breach, Goal, LockTerm, Trigger, Verdict};

/// Stands in the reason of every enforcement that only holds a lockout: something appeared in a locked account.
pub const WHILE_LOCKED_BY: &str = "while locked by";
/// Wait before a market order in a locked account is looked at, in milliseconds.
const LOOK_AT_MARKET_ORDER_MS: i64 = 1_000;

impl Desk {
    /// Asks every rule that watches one of the triggers, in order of precedence, and begins what its breach demands.
    ///
    /// Not before the broker's first word: half a book can look like a breach.
    pub(super) fn ask_rules(&mut self, context: &mut Context<'_>, triggers: &[Trigger]) {
        self.keep_track(context, triggers, false);
        let Some(account) = self.account_config(context.config).filter(|_| self.heard_from_the_broker) else {
            return;
        };
        for rule in account.rules.rules() {
            for trigger in triggers {
                if !rule.watches(trigger) || self.state.locks.is_latched(rule.id(), context.at) {
                    continue;
                }
                if let Verdict::Breached(breach) = rule.check(&self.view(context.markets, context.at), trigger) {
                    self.begin(context, account, rule.id(), *breach);
                }
            }
        }
    }

    /// Whether a breach calls for anything that is not being done already.
    pub(super) fn is_news(&self, rule_id: RuleId, breach: &Breach) -> bool {
        let nothing_to_do = breach.lock.is_none() && breach.goal.is_met_by(&self.state.book);
        !nothing_to_do && !self.outbox.is_dealing_with(rule_id, &breach.goal)
    }

    /// Asks every rule about everything.
    pub(super) fn ask_rules_about_everything(&mut self, context: &mut Context<'_>) {
        let mut triggers = vec![Trigger::Trades, Trigger::Account, Trigger::Time];
        triggers.extend(self.state.book.positions().map(|position| Trigger::Position(position.contract_id.clone())));
        triggers.extend(self.state.book.orders().map(|order| Trigger::Order(order.id)));
        self.ask_rules(context, &triggers);
    }

    /// While the account is locked, nothing may stay: begins to clear away whatever has appeared.
    ///
    /// A market order is left to become a position, which is then closed; one that hangs is cancelled.
    pub(super) fn hold_lockout(&mut self, context: &mut Context<'_>) {
        let goal = Goal::Flat { cancel_orders: true };
        let Some(lockout) = self.state.locks.lockout().filter(|_| self.heard_from_the_broker) else {
            return;
        };
        let book = &self.state.book;
        let resting = book.orders().find(|order| !is_market_order_on_its_way(order, context.at));
        if book.has_no_positions() && resting.is_none() {
            if !book.has_no_orders() {
                // Most are ours, told of after a look had shown their end: the next look shows it again.
                self.reconciliation.glance_by(time_after_ms(context.at, LOOK_AT_MARKET_ORDER_MS));
            }
            return;
        }
        if self.outbox.enforcements.iter().any(|pending| pending.goal == goal) {
            return;
        }
        let until = lockout.locked_until.map_or_else(|| "without end".to_owned(), |until| self.until(context, until));
        let action = if book.has_no_positions() {
            EnforcementAction::CancelOrders
        } else {
            EnforcementAction::CloseAllPositions
        };
        let found = match (book.positions().next(), resting) {
            (Some(position), _) => format!("position in {}", position.contract_id),
            (None, Some(order)) => format!("order {} in {}", order.id, order.contract_id),
            (None, None) => return,
        };
        let rule_id = lockout.rule_id;
        let reason = format!("{found} {WHILE_LOCKED_BY} {rule_id} {until}");
        let lockout_until = lockout.locked_until;
        self.open(context, rule_id, lockout_until, Breach { action, goal, lock: None, reason, pnl: None });
    }

    /// `until 2026-11-22 17:00 EST`, on the clocks of the account's time zone.
    fn until(&self, context: &Context<'_>, until: Timestamp) -> String {
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
        if self.state.locks.is_latched(rule_id, context.at) || !self.is_news(rule_id, &breach) {
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
        self.open(context, rule_id, lockout_until, breach);
    }

    fn lock(&mut self, context: &mut Context<'_>, rule_id: RuleId, until: Option<Timestamp>, reason: &str) {
        let draft = LockoutDraft {
            account_id: self.id(),
            reason: reason.to_owned(),
            rule_id,
            locked_at: context.at,
            locked_until: until,
        };
        let lockout = Lockout::new(draft).expect("the next reset is after the present");
        if self.state.locks.set(lockout.clone()) {
            context.store(Write::PutLockout(lockout.clone()));
            context.tell(Notice::LockoutSet(lockout));
        }
    }

    fn open(&mut self, context: &mut Context<'_>, rule_id: RuleId, lockout_until: Option<Timestamp>, breach: Breach) {
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
