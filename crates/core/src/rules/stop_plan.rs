//! What is to be done so that a position's stop stands where it belongs. A pure function of what is known; allocates nothing.
//!
//! The trader's own stops count: they are tightened, never loosened, never cancelled. What they leave uncovered is covered
//! by one stop that this program places. Where both stand, the one placed first counts; a later one of the trader's counts
//! only when it is at least as tight, so that nobody loosens a stop by placing another.
//!
//! A stop cannot stand where the market already is: then the position is closed, as the stop would have closed it. Where none
//! can be placed at all, the price is watched instead.

use super::trade_management::{Earned, StopLevels};
use crate::model::{Order, OrderId, OrderState, OrderType, Position, Price, time_after_ms};
use crate::state::{AccountView, is_tighter, protects};

/// How long after a position lost its cover, or never had one, the broker's books show whether it has one.
pub(crate) const SHOWS_AFTER_MS: i64 = 250;
/// How long the books are waited for.
pub(crate) const NOT_LONGER_THAN_MS: i64 = 3_000;

/// One thing to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Place a stop.
    Place {
        /// Contracts that no stop covers.
        size: i64,
        /// Where, in points.
        stop: Price,
        /// By what profit; absent where it is the first stop of all.
        earned: Option<Earned>,
    },
    /// Watch the price: a stop belongs there, and none can be placed.
    Watch {
        /// Where, in points.
        stop: Price,
    },
    /// Change a stop.
    Move {
        /// The order.
        order_id: OrderId,
        /// Its new size, with what is filled of it; absent where it stays.
        size: Option<i64>,
        /// Its new price, in points; absent where it stays.
        stop: Option<Price>,
        /// The new limit of a stop-limit order, in points.
        limit: Option<Price>,
        /// By what profit; absent where it follows the position's size or average price.
        earned: Option<Earned>,
    },
    /// Cancel a stop of ours that nothing needs.
    Cancel {
        /// The order.
        order_id: OrderId,
    },
    /// Close the position: the market is where the stop belongs, or beyond.
    Close {
        /// Where it belongs, in points.
        stop: Price,
    },
}

/// What a step would be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The stop that is to be placed in the contract.
    New,
    /// An order that stands.
    Order(OrderId),
    /// An order that stands, and of which nothing changes but its price, which follows the market.
    Trail(OrderId),
}

/// Whether something is on its way already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Nothing is.
    No,
    /// It must wait a moment; but what the market overtakes meanwhile is not waited for.
    Waits,
    /// A request is, and what comes of it is not known.
    OnItsWay,
}

/// The next step for a position; absent when its stop stands where it belongs, or everything is on its way.
pub(crate) fn next(
    view: &AccountView<'_>,
    position: &Position,
    levels: &StopLevels,
    busy: &dyn Fn(Subject) -> Busy,
) -> Option<Step> {
    let plan = Plan::of(view, position);
    let mut left = position.size;
    let mut after = None;
    while let Some(order) = plan.next_of_theirs(after).filter(|_| left > 0) {
        left -= order.remaining();
        after = Some(order);
        let step = levels.earned.and_then(|earned| plan.tighten(order, earned));
        let trails = levels.earned.is_some_and(|(_, by)| by == Earned::Trail);
        let subject = if trails { Subject::Trail(order.id) } else { Subject::Order(order.id) };
        if let Some(step) = step.and_then(|step| plan.at_this_moment(step, busy(subject))) {
            return Some(step);
        }
    }
    let needed = left.max(0);
    let earned = levels.earned.map(|(level, _)| level);
    let level = plan.tightest(levels.initial, earned);
    let by = levels.earned.filter(|(earned, _)| Some(*earned) == level).map(|(_, by)| by);
    let (step, subject) = match plan.ours {
        None => {
            let place = |stop| match plan.may_place() {
                true => Step::Place { size: needed, stop, earned: by },
                false => Step::Watch { stop },
            };
            (level.filter(|_| needed > 0 && plan.lacks_a_stop()).map(place), Subject::New)
        }
        Some(ours) => {
            let at = plan.tightest(ours.stop_price, level);
            let stop = at.filter(|at| ours.stop_price != Some(*at));
            let follows = ours.remaining() > needed || ours.remaining() < needed && plan.lacks_a_stop();
            let size = follows.then_some(ours.filled_size + needed);
            let change =
                Step::Move { order_id: ours.id, size, stop, limit: None, earned: by.filter(|_| stop.is_some()) };
            let step = match (needed, stop, size) {
                (0, _, _) => Some(Step::Cancel { order_id: ours.id }),
                (_, None, None) => None,
                _ => Some(change),
            };
            let trails = size.is_none() && by == Some(Earned::Trail);
            (step, if trails { Subject::Trail(ours.id) } else { Subject::Order(ours.id) })
        }
    };
    step.and_then(|step| plan.at_this_moment(step, busy(subject)))
}

/// A living stop of ours that protects nothing: its position is closed or turned round, or another of ours does its work.
pub(crate) fn stray<'a>(view: &AccountView<'a>, is_busy: impl Fn(OrderId) -> bool) -> Option<&'a Order> {
    let book = &view.account.book;
    let is_needed = |order: &Order| {
        let position = book.position(&order.contract_id).filter(|position| closes(order, position));
        position.is_some_and(|position| Plan::of(view, position).ours.is_some_and(|ours| ours.id == order.id))
    };
    // While nobody knows which side a position is on, its stop is left alone.
    let is_known = |order: &Order| book.position(&order.contract_id).is_none_or(Position::has_known_direction);
    book.orders().find(|order| order.is_our_stop() && is_known(order) && !is_needed(order) && !is_busy(order.id))
}

struct Plan<'a> {
    view: AccountView<'a>,
    position: &'a Position,
    is_long: bool,
    /// The last price, if it was made since the position was opened.
    price: Option<Price>,
    ours: Option<&'a Order>,
}

impl<'a> Plan<'a> {
    fn of(view: &AccountView<'a>, position: &'a Position) -> Self {
        let is_long = position.signed_size() > 0;
        let ours = view.account.book.orders().filter(|order| order.is_our_stop() && closes(order, position));
        let ours = ours.reduce(|one, other| match (one.stop_price, other.stop_price) {
            (Some(at), Some(other_at)) if is_tighter(is_long, other_at, at) => other,
            _ => one,
        });
        let market = view.markets.get(&position.contract_id);
        let price = market.and_then(|market| market.last_since(position.created_at));
        Self { view: *view, position, is_long, price, ours }
    }

    /// Whether a stop that nothing needs any more could be cancelled: only the orders of simulated accounts can. On a live
    /// one it would open a position the other way in the end.
    fn may_place(&self) -> bool {
        self.view.account.account.as_ref().is_none_or(|account| account.simulated)
    }

    /// Whether the position is certainly not covered: the broker's books were asked for a moment after it began to lack a
    /// stop. A bracket's child or the end of a position is told of later than what it belongs to, and a suspended child only
    /// the books show. Where they cannot be had, the wait is not longer than a few seconds.
    fn lacks_a_stop(&self) -> bool {
        let account = self.view.account;
        let since =
            account.tracking.position(&self.position.contract_id).and_then(|tracked| tracked.unprotected_since());
        since.is_some_and(|since| {
            account.looked_at.is_some_and(|looked_at| looked_at >= time_after_ms(since, SHOWS_AFTER_MS))
                || self.view.at >= time_after_ms(since, NOT_LONGER_THAN_MS)
        })
    }

    fn tightest(&self, one: Option<Price>, other: Option<Price>) -> Option<Price> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if is_tighter(self.is_long, other, one) { other } else { one }),
            (one, other) => one.or(other),
        }
    }

    /// The trader's stops that count, from the tightest on; one of which only the distance is known comes first.
    fn next_of_theirs(&self, after: Option<&Order>) -> Option<&'a Order> {
        let key = |order: &Order| {
            let toward = |price: Price| if self.is_long { -i128::from(price.nanos()) } else { price.nanos().into() };
            (order.stop_price.map_or(i128::MIN, toward), order.id)
        };
        let from = after.map(key);
        let orders = self.view.account.book.orders().filter(|order| self.is_theirs(order));
        orders.filter(|order| from.is_none_or(|from| key(order) > from)).min_by_key(|order| key(order))
    }

    fn is_theirs(&self, order: &Order) -> bool {
        if order.is_our_stop() || !protects(order, self.position, self.price) {
            return false;
        }
        self.ours.is_none_or(|ours| {
            let is_at_least_as_tight = match (order.stop_price, ours.stop_price) {
                (Some(theirs), Some(ours)) => !is_tighter(self.is_long, ours, theirs),
                _ => false,
            };
            order.id < ours.id || is_at_least_as_tight
        })
    }

    /// What moves a stop of the trader's. One that waits for its parent, or follows the market by itself, is left alone.
    fn tighten(&self, order: &Order, (level, earned): (Price, Earned)) -> Option<Step> {
        let at = order.stop_price?;
        let can_be_moved = matches!(order.order_type, OrderType::Stop | OrderType::StopLimit);
        if !can_be_moved || order.state != OrderState::Working || !is_tighter(self.is_long, level, at) {
            return None;
        }
        // The limit keeps its distance from the stop.
        let moved =
            |limit: Price| Price::from_nanos(limit.nanos().saturating_add(level.nanos().saturating_sub(at.nanos())));
        let limit = order.limit_price.filter(|_| order.order_type == OrderType::StopLimit).map(moved);
        Some(Step::Move { order_id: order.id, size: None, stop: Some(level), limit, earned: Some(earned) })
    }

    /// What a step is now: nothing while one is on its way, and a close where the market has overtaken it.
    fn at_this_moment(&self, step: Step, busy: Busy) -> Option<Step> {
        let stop = match step {
            Step::Place { stop, .. } | Step::Watch { stop } => Some(stop),
            Step::Move { stop, .. } => stop,
            Step::Cancel { .. } | Step::Close { .. } => None,
        };
        let is_past = |stop: &Price| self.price.is_some_and(|price| !is_tighter(self.is_long, price, *stop));
        match (busy, stop.filter(is_past)) {
            (Busy::OnItsWay, _) | (Busy::Waits, None) => None,
            (Busy::No | Busy::Waits, Some(stop)) => Some(Step::Close { stop }),
            (Busy::No, None) => Some(step),
        }
    }
}

/// Whether a fill of an order would make this position smaller, whose direction is known.
fn closes(order: &Order, position: &Position) -> bool {
    position.has_known_direction() && order.reduces(position)
}
