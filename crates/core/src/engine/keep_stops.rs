//! Keeps the stops of open positions where a rule wants them: places one, moves one, cancels what protects nothing.
//!
//! Like closes, what is wanted is derived and never scripted: the rule's levels and the book say what is still to be done
//! (`rules::stop_plan`), and what is on its way is not sent twice (`stops`). Nothing is done while a position is being
//! closed, in an account that must be flat, or on the strength of books that are not known for certain.
//!
//! A row of the log is written for each stop that is placed, for each move to the average price or with the size, and for
//! moves that follow the price once a minute at most; a move that failed is always written, so that its delay is told.

use jiff::Timestamp;

use super::action::{RequestKind, Write};
use super::config::Config;
use super::desk::{Context, Desk};
use crate::model::{
    ContractId, EnforcementAction, Money, OrderId, Position, Price, RuleId, Side, milliseconds_between, stop_tag,
    time_after_ms,
};
use crate::rules::stop_plan::{self, Busy, NOT_LONGER_THAN_MS, SHOWS_AFTER_MS, Step};
use crate::rules::{Breach, Earned, Goal, StopLevels};
use crate::state::{AccountView, Holds, is_tighter};

/// How long the broker may refuse to place a stop before the position is closed, in milliseconds.
const REFUSED_FOR_MS: i64 = 30_000;
/// Shortest time between two rows of one position that say that its stop follows the price, in milliseconds.
const TRAIL_LOGGED_EVERY_MS: i64 = 60_000;
/// For how long a look counts as the present while the hubs say nothing, in milliseconds.
const LOOK_IS_FRESH_MS: i64 = 2_000;

impl Desk {
    /// Whether a price leads to something that is to be done for a stop. Allocates nothing.
    pub(super) fn stop_is_due(&self, config: &Config, view: &AccountView<'_>, contract_id: &ContractId) -> bool {
        let Some(position) = view.account.book.position(contract_id) else { return false };
        self.stop_levels(config, view, position).is_some_and(|levels| {
            self.may_keep_stops(view.at)
                && !self.is_left_alone(position, view.at)
                && self.next_step(view, position, &levels).is_some_and(|step| !matches!(step, Step::Watch { .. }))
        })
    }

    /// Does what is to be done for the stops of the account.
    pub(super) fn keep_stops(&mut self, context: &mut Context<'_>) {
        let has_ours = || self.state.book.orders().any(|order| order.is_our_stop());
        if !self.heard_from_the_broker || self.stops.is_empty() && !self.has_a_stop_rule(context.config) && !has_ours()
        {
            return;
        }
        self.stops.settle(&self.state.book, context.account_count);
        if let Some(shows_at) = self.stops.unseen_since(context.at) {
            self.look_from(shows_at, context.at);
        }
        while let Some((contract_id, tag, since)) = self.stops.to_ask_after(context.at) {
            let request_id = context.send(Some(self.id()), RequestKind::FindOrder { tag, since });
            self.stops.asked_after(&contract_id, request_id);
        }
        if !self.may_keep_stops(context.at) {
            return;
        }
        self.cancel_strays(context);
        let held: Vec<Position> = self.state.book.positions().cloned().collect();
        for position in held {
            self.keep_stop(context, &position);
        }
    }

    /// When something is next to be done for a stop by time alone.
    pub(super) fn next_of_a_stop(&self, config: &Config, at: Timestamp) -> Option<Timestamp> {
        if !self.has_a_stop_rule(config) {
            return self.stops.next_at(at);
        }
        let tracking = &self.state.tracking;
        let lacking = self.state.book.positions().filter_map(|position| {
            let since = tracking.position(&position.contract_id)?.unprotected_since()?;
            Some([time_after_ms(since, SHOWS_AFTER_MS), time_after_ms(since, NOT_LONGER_THAN_MS)])
        });
        let refused = self.stops.cares.values().filter_map(|care| care.refused_since);
        let refused = refused.map(|since| time_after_ms(since, REFUSED_FOR_MS));
        let hanging = self.state.book.orders().filter_map(|order| order.hangs_at(at));
        let all = lacking.flatten().chain(refused).chain(hanging).chain(self.stops.next_at(at));
        all.filter(|moment| *moment > at).min()
    }

    fn has_a_stop_rule(&self, config: &Config) -> bool {
        let account = self.account_config(config);
        account.is_some_and(|account| account.rules.rules().any(|rule| rule.id() == RuleId::TRADE_MANAGEMENT))
    }

    fn stop_levels(&self, config: &Config, view: &AccountView<'_>, position: &Position) -> Option<StopLevels> {
        let rules = &self.account_config(config)?.rules;
        let mut levels = rules.rules().find_map(|rule| rule.stop_levels(view, position))?;
        let is_long = position.signed_size() > 0;
        for decided in self.outbox.enforcements.iter().filter_map(|pending| decided_for(&pending.goal, position)) {
            if levels.earned.is_none_or(|(level, _)| is_tighter(is_long, decided, level)) {
                levels.earned = Some((decided, Earned::Breakeven));
            }
        }
        Some(levels)
    }

    /// Whether a move of a stop in the contract has been decided and not been seen yet.
    pub(super) fn awaits_a_stop(&self, contract_id: &ContractId) -> bool {
        let of_it = |goal: &Goal| matches!(goal, Goal::StopStands { contract_id: of, .. } if of == contract_id);
        self.outbox.enforcements.iter().any(|pending| of_it(&pending.goal))
    }

    fn next_step(&self, view: &AccountView<'_>, position: &Position, levels: &StopLevels) -> Option<Step> {
        let busy = |subject| self.stops.busy(&position.contract_id, subject, view.account.looked_at, view.at);
        stop_plan::next(view, position, levels, &busy)
    }

    /// Whether the books are known well enough, and the account need not be flat.
    fn may_keep_stops(&self, at: Timestamp) -> bool {
        let must_be_flat = matches!(self.state.locks.holding(), Some((_, Holds::Flat)));
        let is_fresh = |looked_at| milliseconds_between(looked_at, at) < LOOK_IS_FRESH_MS;
        !must_be_flat && (self.state.certain || self.state.looked_at.is_some_and(is_fresh))
    }

    /// Whether a position is being closed or made smaller, by whomever.
    fn is_left_alone(&self, position: &Position, at: Timestamp) -> bool {
        self.outbox.largest_size(&position.contract_id).is_some_and(|most| most < position.size)
            || self.is_being_closed(position, at)
    }

    fn cancel_strays(&mut self, context: &mut Context<'_>) {
        loop {
            let view = self.view(context.markets, context.at);
            let is_busy = |order_id| {
                let subject = stop_plan::Subject::Order(order_id);
                let order = self.state.book.order(order_id);
                order.is_none_or(|order| {
                    self.outbox.cancels(order)
                        || self.stops.busy(&order.contract_id, subject, None, context.at) != Busy::No
                })
            };
            let Some(order_id) = stop_plan::stray(&view, is_busy).map(|order| order.id) else { return };
            self.cancel_stop(context, order_id);
        }
    }

    fn cancel_stop(&mut self, context: &mut Context<'_>, order_id: OrderId) {
        let request_id = context.send(Some(self.id()), RequestKind::CancelOrder(order_id));
        self.stops.sent_change(order_id, request_id, None, None, context.at);
    }

    fn keep_stop(&mut self, context: &mut Context<'_>, position: &Position) {
        loop {
            let view = self.view(context.markets, context.at);
            if self.is_left_alone(position, context.at) {
                return;
            }
            let Some(levels) = self.stop_levels(context.config, &view, position) else { return };
            let pnl = view.position_pnl(position);
            if self.is_refused_for_too_long(&view, position, &levels) {
                let seconds = REFUSED_FOR_MS / 1_000;
                let contract_id = &position.contract_id;
                let reason = format!("the broker has refused a stop for {contract_id} for {seconds} s");
                return self.close_for_its_stop(context, position, reason, pnl);
            }
            match self.next_step(&view, position, &levels) {
                None | Some(Step::Watch { .. }) => return self.look_for_a_stop(context, position),
                Some(Step::Place { size, stop, .. }) => self.place_stop(context, position, size, stop, pnl),
                Some(step @ Step::Move { .. }) => self.move_stop(context, position, step, pnl),
                Some(Step::Cancel { order_id }) => self.cancel_stop(context, order_id),
                Some(Step::Close { stop }) => {
                    let contract_id = &position.contract_id;
                    let price = view.last_price(contract_id).unwrap_or_default();
                    let reason =
                        format!("{contract_id} is at {price} and its stop belongs at {stop}: it is too late for one");
                    return self.close_for_its_stop(context, position, reason, pnl);
                }
            }
        }
    }

    /// A position that lacks a stop is looked at before one is placed: the books may show one.
    fn look_for_a_stop(&mut self, context: &mut Context<'_>, position: &Position) {
        let tracked = self.state.tracking.position(&position.contract_id);
        let Some(since) = tracked.and_then(|tracked| tracked.unprotected_since()) else { return };
        let shows_at = time_after_ms(since, SHOWS_AFTER_MS);
        if self.state.looked_at < Some(shows_at) {
            self.look_from(shows_at, context.at);
        }
    }

    /// Plans a look from `shows_at` on, unless one is on its way or is tried again already.
    fn look_from(&mut self, shows_at: Timestamp, at: Timestamp) {
        let outstanding = self.reconciliation.asked_at.filter(|_| self.reconciliation.outstanding.is_some());
        if outstanding < Some(shows_at) && self.reconciliation.failures == 0 {
            self.reconciliation.glance_by(shows_at.max(at));
        }
    }

    fn is_refused_for_too_long(&self, view: &AccountView<'_>, position: &Position, levels: &StopLevels) -> bool {
        let care = self.stops.cares.get(&position.contract_id);
        let refused_since = care.and_then(|care| care.refused_since);
        let is_over = refused_since.is_some_and(|since| milliseconds_between(since, view.at) >= REFUSED_FOR_MS);
        let is_on_its_way = self.stops.busy(&position.contract_id, stop_plan::Subject::New, None, view.at);
        is_over
            && is_on_its_way != Busy::OnItsWay
            && matches!(stop_plan::next(view, position, levels, &|_| Busy::No), Some(Step::Place { .. }))
    }

    fn place_stop(
        &mut self,
        context: &mut Context<'_>,
        position: &Position,
        size: i64,
        stop: Price,
        pnl: Option<Money>,
    ) {
        let contract_id = position.contract_id.clone();
        let (at, number) = (context.at, context.numbers.last_request + 1);
        let tag = self.stops.tag(position, || stop_tag(at, number));
        let average = position.average_price;
        let reason = format!("{size} {contract_id} without a stop: one at {stop}, average price {average}");
        let goal = goal(position, stop, None, Some(tag.to_string()));
        self.write_down(context, EnforcementAction::PlaceStop, goal, reason, pnl);
        let side = if position.signed_size() > 0 { Side::Sell } else { Side::Buy };
        let kind =
            RequestKind::PlaceStop { contract_id: contract_id.clone(), side, size, stop_price: stop, tag: tag.clone() };
        let request_id = context.send(Some(self.id()), kind);
        self.stops.sent_place(contract_id, tag, request_id, at);
    }

    fn move_stop(&mut self, context: &mut Context<'_>, position: &Position, step: Step, pnl: Option<Money>) {
        let Step::Move { order_id, size, stop, limit, earned } = step else { return };
        let standing = self.state.book.order(order_id).and_then(|order| order.stop_price);
        let (Some(target), Some(standing)) = (stop.or(standing), standing) else { return };
        let has_failed = self.stops.has_failed(order_id);
        let care = self.stops.care(position);
        let due = |logged_at| milliseconds_between(logged_at, context.at) >= TRAIL_LOGGED_EVERY_MS;
        let trails = earned == Some(Earned::Trail) && size.is_none();
        if !trails || has_failed || care.trail_logged_at.is_none_or(due) {
            if trails {
                care.trail_logged_at = Some(context.at);
            }
            let contract_id = &position.contract_id;
            let of = format!("stop {order_id} of {} {contract_id}", position.size);
            let reason = match (earned, size) {
                (Some(Earned::Breakeven), _) => format!("{of} from {standing} to {target}: the profit earned it"),
                (Some(Earned::Trail), _) => format!("{of} from {standing} to {target}: it follows the best price"),
                (None, Some(_)) => format!("{of} at {target}: it follows the size"),
                (None, None) => format!("{of} from {standing} to {target}: it follows the average price"),
            };
            let goal = goal(position, target, Some(order_id), None);
            self.write_down(context, EnforcementAction::MoveStop, goal, reason, pnl);
        }
        let kind = RequestKind::MoveStop { order_id, size, stop_price: stop, limit_price: limit };
        let request_id = context.send(Some(self.id()), kind);
        self.stops.sent_change(order_id, request_id, size, stop, context.at);
    }

    /// Closes a position, as its stop would have.
    fn close_for_its_stop(
        &mut self,
        context: &mut Context<'_>,
        position: &Position,
        reason: String,
        pnl: Option<Money>,
    ) {
        let goal = Goal::PositionClosed { contract_id: position.contract_id.clone() };
        let breach = Breach { action: EnforcementAction::ClosePosition, goal, lock: None, reason, pnl };
        self.open(context, RuleId::TRADE_MANAGEMENT, None, breach);
    }

    /// One row at a time for each stop: what it waits for already is not written again.
    fn write_down(
        &mut self,
        context: &mut Context<'_>,
        action: EnforcementAction,
        goal: Goal,
        reason: String,
        pnl: Option<Money>,
    ) {
        let pending = self.outbox.enforcements.iter_mut().find(|pending| is_of_the_same_stop(&pending.goal, &goal));
        let Some(pending) = pending else {
            let breach = Breach { action, goal, lock: None, reason, pnl };
            return self.open(context, RuleId::TRADE_MANAGEMENT, None, breach);
        };
        if pending.log.action == action && pending.goal != goal && action == EnforcementAction::PlaceStop {
            pending.goal = goal;
            let (log, goal) = (pending.log.clone(), Some(pending.goal.clone()));
            context.store(Write::PutEnforcement { log, goal });
        }
    }
}

fn goal(position: &Position, stop: Price, order_id: Option<OrderId>, tag: Option<String>) -> Goal {
    Goal::StopStands {
        contract_id: position.contract_id.clone(),
        position_id: position.id,
        is_long: position.signed_size() > 0,
        stop,
        order_id,
        tag,
    }
}

/// Where a stop of the position was decided to be moved. That stands until it is done, also where the average price has
/// changed since, or the program was started anew.
fn decided_for(goal: &Goal, position: &Position) -> Option<Price> {
    match goal {
        Goal::StopStands { contract_id, position_id, is_long, stop, order_id: Some(_), .. } => {
            let is_of_it = (contract_id, position_id) == (&position.contract_id, &position.id);
            (is_of_it && *is_long == (position.signed_size() > 0)).then_some(*stop)
        }
        _ => None,
    }
}

fn is_of_the_same_stop(one: &Goal, other: &Goal) -> bool {
    match (one, other) {
        (
            Goal::StopStands { contract_id, position_id, is_long, order_id, .. },
            Goal::StopStands {
                contract_id: other_contract,
                position_id: other_position,
                is_long: other_side,
                order_id: other_order,
                ..
            },
        ) => (contract_id, position_id, is_long, order_id) == (other_contract, other_position, other_side, other_order),
        _ => false,
    }
}
