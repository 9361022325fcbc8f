//! Holds the lockouts in force: whatever appears in a locked account is cleared away, at once, whole.
//!
//! Two kinds: most lockouts keep the account flat. A cooldown closes nothing that was there when it began: positions keep
//! their size and orders stand; what is opened or grown beyond that is closed back, a new order is cancelled. Whoever makes
//! a position smaller makes the smaller size the new measure.

use super::desk::{Context, Desk};
use super::enforce::WHILE_LOCKED_BY;
use super::outbox::is_market_order_on_its_way;
use crate::model::{ContractId, EnforcementAction, Order, OrderId, Position, RuleId, Timestamp, time_after_ms};
use crate::rules::{Breach, Goal, LockTerm};
use crate::state::{Holds, Standing};

/// Wait before a market order in a locked account is looked at, in milliseconds.
const LOOK_AT_MARKET_ORDER_MS: i64 = 1_000;

impl Desk {
    /// While the account is locked, nothing may stay: begins to clear away whatever has appeared.
    ///
    /// A market order is left to become a position, which is then closed; one that hangs is cancelled.
    pub(super) fn hold_lockout(&mut self, context: &mut Context<'_>) {
        if self.state.locks.is_ending(context.at) {
            return;
        }
        let goal = Goal::Flat { cancel_orders: true };
        let lockout = match self.state.locks.holding().filter(|_| self.heard_from_the_broker) {
            Some((lockout, Holds::Flat)) => lockout,
            Some((_, Holds::NothingNew)) => return self.hold_cooldown(context),
            None => return,
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

    /// Begins a cooldown, or makes the one in force longer. One that is as long already is no news.
    pub(super) fn begin_cooldown(&mut self, context: &mut Context<'_>, rule_id: RuleId, mut breach: Breach) {
        let Some(LockTerm::Until(until)) = breach.lock else {
            return;
        };
        if !self.lock(context, rule_id, Some(until), &breach.reason) {
            return;
        }
        let (book, fills) = (&self.state.book, &self.state.fills);
        let standing = self.state.locks.standing.get_or_insert_with(|| fills.standing(book, context.at));
        breach.goal = nothing_beyond(standing);
        self.open(context, rule_id, Some(until), breach);
    }

    /// During a cooldown nothing new may stay.
    fn hold_cooldown(&mut self, context: &mut Context<'_>) {
        let (Some((lockout, _)), Some(standing)) = (self.state.locks.holding(), self.state.locks.standing()) else {
            return;
        };
        let book = &self.state.book;
        let grown: Vec<&Position> =
            book.positions().filter(|position| position.size > standing.largest_size(position)).collect();
        // A stop of ours belongs to a position that may stay; one that does not is cancelled elsewhere.
        let is_new = |order: &&Order| !standing.has_order(order.id) && !order.is_our_stop();
        let resting: Vec<&Order> =
            book.orders().filter(is_new).filter(|order| !is_market_order_on_its_way(order, context.at)).collect();
        if grown.is_empty() && resting.is_empty() {
            if book.orders().any(|order| is_new(&order)) {
                self.reconciliation.glance_by(time_after_ms(context.at, LOOK_AT_MARKET_ORDER_MS));
            }
            return;
        }
        let is_dealt_with = self.outbox.enforcements.iter().any(|pending| {
            let closes = |position: &&Position| {
                pending
                    .goal
                    .largest_size(&position.contract_id)
                    .is_some_and(|most| most <= standing.largest_size(position))
            };
            grown.iter().all(closes) && resting.iter().all(|order| pending.goal.cancels(order))
        });
        if is_dealt_with {
            return;
        }
        let (found, action) = match (grown.first(), resting.first()) {
            (Some(position), _) => {
                let may_stay = standing.largest_size(position);
                let (what, action) = match may_stay {
                    0 => ("new position".to_owned(), EnforcementAction::ClosePosition),
                    _ => (
                        format!("position grown from {may_stay} to {}", position.size),
                        EnforcementAction::ReduceToLimit,
                    ),
                };
                (format!("{what} in {}", position.contract_id), action)
            }
            (None, Some(order)) => {
                (format!("new order {} in {}", order.id, order.contract_id), EnforcementAction::CancelOrders)
            }
            (None, None) => return,
        };
        let (rule_id, lockout_until) = (lockout.rule_id, lockout.locked_until);
        let goal = nothing_beyond_of(standing, &grown);
        let until = lockout_until.map_or_else(|| "without end".to_owned(), |until| self.until(context, until));
        let reason = format!("{found} {WHILE_LOCKED_BY} {rule_id} {until}");
        self.open(context, rule_id, lockout_until, Breach { action, goal, lock: None, reason, pnl: None });
    }

    /// Judges, at the broker's first word, what of it was there before: when a cooldown began that is still in force, and
    /// when the rules were armed.
    pub(super) fn judge_what_stood(&mut self) {
        let book = &self.state.book;
        self.state.standing = if self.is_first_run {
            Standing::of(book)
        } else {
            self.state.standing.after_restart(book, Timestamp::MIN)
        };
        let began =
            self.state.locks.causes().filter(|lockout| lockout.is_cooldown()).map(|lockout| lockout.locked_at).min();
        if let (Some(standing), Some(began)) = (&self.state.locks.standing, began) {
            self.state.locks.standing = Some(standing.after_restart(book, began));
        }
    }

    /// Whether the rule is not to be asked: it has locked the account, and its term is not over. One that pauses is asked
    /// all the same, for a pause may have to grow.
    pub(super) fn is_latched(&self, rule_id: RuleId, at: Timestamp) -> bool {
        let pauses = self.state.locks.causes().any(|lockout| lockout.rule_id == rule_id && lockout.is_cooldown());
        !pauses && self.state.locks.is_latched(rule_id, at)
    }
}

/// What a cooldown demands of the broker's books.
fn nothing_beyond(standing: &Standing) -> Goal {
    Goal::NothingBeyond { contract_id: None, sizes: standing.sizes(), order_ids: standing.orders() }
}

/// The same, knowing which positions are new or were turned round: of those nothing may stay.
fn nothing_beyond_of(standing: &Standing, grown: &[&Position]) -> Goal {
    let most = |contract_id: &ContractId, size: i64| {
        let position = grown.iter().find(|position| position.contract_id == *contract_id);
        position.map_or(size, |position| standing.largest_size(position))
    };
    let sizes = standing.sizes().into_iter().map(|(contract_id, size)| {
        let size = most(&contract_id, size);
        (contract_id, size)
    });
    let order_ids: Vec<OrderId> = standing.orders();
    Goal::NothingBeyond { contract_id: None, sizes: sizes.collect(), order_ids }
}
