//! Follows every pending enforcement until the broker shows its goal.
//!
//! Wanted is derived, never scripted: the pending goals and the book say what should still be closed and cancelled, and
//! what is on its way already is not sent twice. A request is repeated only after a fresh look at the broker's books, so
//! a close that was carried out though its answer was lost never becomes a position the other way.
//!
//! The life of one close: sent → answered → (a moment to take effect) → looked at → sent again if the position is still
//! too large. A refused one needs no moment, and no look where the broker answers none. An enforcement is over when a look shows its goal, whatever the answers were.

use super::action::{Notice, RequestId, RequestKind, Write};
use super::desk::{Context, Desk};
use super::enforce::revise;
use super::input::RequestFailure;
use super::outbox::{Attempt, is_market_order_on_its_way};
use crate::model::{
    ContractId, EnforcementStatus, Order, OrderId, Position, Timestamp, milliseconds_between, time_after_ms,
};

/// Waits before the first, second, … fresh look of an enforcement, in milliseconds; the last one repeats.
const LOOK_AFTER_MS: [i64; 6] = [100, 250, 500, 1_000, 2_000, 5_000];
/// How long a close that was answered whole may take to show in the broker's books, in milliseconds.
const CLOSE_SHOWS_MS: i64 = 250;
/// The same of a part, and of a close without an answer: a second one too early would close too much.
const CLOSE_SETTLES_MS: i64 = 1_000;

/// What a look can prove: when it was asked for, and what of it is certain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Proof {
    pub(super) asked_at: Timestamp,
    /// Every position could be read, and no later news contradicts them.
    pub(super) positions: bool,
    /// The same of orders.
    pub(super) orders: bool,
}

impl Desk {
    /// Sends what is wanted and not on its way, and plans the next look.
    pub(super) fn pursue(&mut self, context: &mut Context<'_>) {
        self.hold_lockout(context);
        self.keep_stops(context);
        self.outbox.forget_what_is_reached(&self.state.book);
        self.cancel_exits(context);
        if self.outbox.enforcements.is_empty() || !self.heard_from_the_broker {
            return;
        }
        self.send_closes(context);
        self.send_cancels(context);
        self.plan_look(context.at);
    }

    fn send_closes(&mut self, context: &mut Context<'_>) {
        let wanted: Vec<_> = self
            .state
            .book
            .positions()
            .filter(|position| !self.outbox.closing.contains_key(&position.contract_id))
            .filter_map(|position| {
                let largest = self.outbox.largest_size(&position.contract_id)?;
                let size = position.size - largest;
                let whole = largest == 0 || self.outbox.closed_whole_only.contains(&position.contract_id);
                let contract_id = position.contract_id.clone();
                let kind = if whole {
                    RequestKind::ClosePosition(contract_id.clone())
                } else {
                    RequestKind::ReducePosition { contract_id: contract_id.clone(), size }
                };
                (size > 0).then(|| (contract_id, kind, self.is_being_closed(position, context.at)))
            })
            .collect();
        for (contract_id, kind, is_being_closed) in wanted {
            if matches!(kind, RequestKind::ClosePosition(_)) {
                self.note_exits(&contract_id, context.at);
            }
            let attempt = if is_being_closed {
                Attempt::seen_at_the_broker(context.at)
            } else {
                Attempt::sent(context.send(Some(self.id()), kind))
            };
            self.outbox.closing.insert(contract_id, attempt);
        }
    }

    /// Remembers which orders would close a position that is about to be closed whole. Stops of ours see to themselves.
    fn note_exits(&mut self, contract_id: &ContractId, at: Timestamp) {
        let book = &self.state.book;
        let Some(position) = book.position(contract_id) else { return };
        let closes =
            |order: &&Order| order.reduces(position) && !order.is_our_stop() && !is_market_order_on_its_way(order, at);
        let exits = book.orders().filter(closes).map(|order| order.id);
        self.outbox.exits.entry(contract_id.clone()).or_default().extend(exits);
    }

    /// Cancels what would have closed a position, now that a close of ours has: its fill would open one the other way. In
    /// a position that was not closed in the end, or was opened anew, nothing of this is touched.
    fn cancel_exits(&mut self, context: &mut Context<'_>) {
        if self.outbox.exits.is_empty() {
            return;
        }
        let (book, outbox) = (&self.state.book, &mut self.outbox);
        let mut exits = std::mem::take(&mut outbox.exits);
        exits.retain(|contract_id, order_ids| {
            order_ids.retain(|order_id| book.order(*order_id).is_some());
            let is_wanted = book.position(contract_id).is_none() || outbox.largest_size(contract_id) == Some(0);
            is_wanted && !order_ids.is_empty()
        });
        let gone = exits.iter().filter(|(contract_id, _)| book.position(contract_id).is_none());
        let due: Vec<OrderId> = gone.flat_map(|(_, order_ids)| order_ids.iter().copied()).collect();
        outbox.exits = exits;
        for order_id in due {
            if !self.outbox.cancelling.contains_key(&order_id) {
                let request_id = context.send(Some(self.id()), RequestKind::CancelOrder(order_id));
                self.outbox.cancelling.insert(order_id, Attempt::sent(request_id));
            }
        }
    }

    /// Whether a market order on its way makes the position smaller: a close of ours whose answer this program did not
    /// live to see, or the trader's own. A second close beside it could turn the position round.
    pub(super) fn is_being_closed(&self, position: &Position, at: Timestamp) -> bool {
        self.state.book.orders().any(|order| is_market_order_on_its_way(order, at) && order.reduces(position))
    }

    /// Contracts whose position a market order on its way makes smaller.
    pub(super) fn contracts_being_closed(&self, at: Timestamp) -> Vec<ContractId> {
        let positions = self.state.book.positions().filter(|position| self.is_being_closed(position, at));
        positions.map(|position| position.contract_id.clone()).collect()
    }

    fn send_cancels(&mut self, context: &mut Context<'_>) {
        let book = &self.state.book;
        let wanted: Vec<_> = book
            .orders()
            .filter(|order| self.outbox.cancels(order) && !self.outbox.cancelling.contains_key(&order.id))
            .filter(|order| {
                let closes = book.position(&order.contract_id).is_some_and(|position| order.reduces(position));
                !(closes && is_market_order_on_its_way(order, context.at))
            })
            .map(|order| order.id)
            .collect();
        for order_id in wanted {
            let request_id = context.send(Some(self.id()), RequestKind::CancelOrder(order_id));
            self.outbox.cancelling.insert(order_id, Attempt::sent(request_id));
        }
    }

    /// Plans the next look: at once for the first proof, then with longer and longer waits until the goal is shown.
    ///
    /// One falls on the first moment at which it may lead to another request: the waits that have grown meanwhile must
    /// not keep a position open. What only proves waits while the account has used up its share of the request budget.
    fn plan_look(&mut self, at: Timestamp) {
        if let Some(repeat_at) = self.outbox.next_repeat(at) {
            self.reconciliation.glance_by(repeat_at);
        }
        if self.reconciliation.outstanding.is_some() {
            return;
        }
        let seems_reached = self.outbox.enforcements.iter().any(|pending| pending.is_reached(&self.state.book, at));
        let wait = if seems_reached && self.outbox.looks == 0 {
            0
        } else {
            LOOK_AFTER_MS[self.outbox.looks.min(LOOK_AFTER_MS.len() - 1)]
        };
        let within_the_share = self.reconciliation.budget.earliest(at);
        self.reconciliation.glance_by(time_after_ms(at, wait).max(within_the_share));
    }

    /// Takes over the answer to a request of an enforcement.
    pub(super) fn observe_answer(
        &mut self,
        context: &mut Context<'_>,
        request_id: RequestId,
        kind: &RequestKind,
        failure: Option<&RequestFailure>,
    ) {
        let attempt = match kind {
            RequestKind::ClosePosition(contract_id) | RequestKind::ReducePosition { contract_id, .. } => {
                self.outbox.closing.get_mut(contract_id)
            }
            RequestKind::CancelOrder(order_id) => self.outbox.cancelling.get_mut(order_id),
            RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) => None,
            RequestKind::PlaceStop { .. } | RequestKind::MoveStop { .. } | RequestKind::FindOrder { .. } => None,
        };
        if let Some(look_at) = self.stops.answered(request_id, failure, context.at) {
            self.reconciliation.glance_by(look_at);
        }
        if let Some(attempt) = attempt.filter(|attempt| attempt.request_id == Some(request_id)) {
            let settles_ms = match (kind, failure) {
                (RequestKind::CancelOrder(_), _)
                | (_, Some(RequestFailure::Refused { .. } | RequestFailure::NotSent { .. })) => 0,
                (RequestKind::ClosePosition(_), None) => CLOSE_SHOWS_MS,
                (_, Some(RequestFailure::Unknown { .. }) | None) => CLOSE_SETTLES_MS,
            };
            attempt.repeat_after = Some(time_after_ms(context.at, settles_ms));
            attempt.nothing_was_done =
                matches!(failure, Some(RequestFailure::Refused { .. } | RequestFailure::NotSent { .. }));
        }
        if let (RequestKind::CancelOrder(order_id), Some(RequestFailure::Refused { .. })) = (kind, failure) {
            self.outbox.leave_exit(*order_id);
        }
        if let (RequestKind::ReducePosition { contract_id, .. }, Some(RequestFailure::Refused { .. })) = (kind, failure)
        {
            self.outbox.closed_whole_only.insert(contract_id.clone());
        }
        if let Some(failure) = failure {
            let message = failure.to_string();
            for pending in &mut self.outbox.enforcements {
                revise(&mut pending.log, |draft| draft.error_message = Some(message.clone()));
            }
        }
    }

    /// After a look: confirms every enforcement whose goal it shows. Says whether there was one.
    pub(super) fn confirm(&mut self, context: &mut Context<'_>, proof: Proof) -> bool {
        let at = context.at;
        let being_closed = self.contracts_being_closed(at);
        self.stops.settle(&self.state.book, context.account_count);
        self.stops.looked(proof.asked_at, at);
        self.outbox.looked(proof.asked_at, &being_closed, time_after_ms(at, CLOSE_SETTLES_MS));
        let book = &self.state.book;
        let (done, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.outbox.enforcements).into_iter().partition(|pending| {
                proof.asked_at >= pending.log.timestamp
                    && proof.positions
                    && (proof.orders || !pending.goal.speaks_of_orders())
                    && pending.is_reached(book, at)
            });
        self.outbox.enforcements = pending;
        let confirmed = !done.is_empty();
        for mut enforcement in done {
            revise(&mut enforcement.log, |draft| {
                draft.success = true;
                draft.status = EnforcementStatus::Confirmed;
                draft.execution_time_ms = Some(milliseconds_between(draft.timestamp, at).max(0));
            });
            context.store(Write::PutEnforcement { log: enforcement.log.clone(), goal: None });
            context.tell(Notice::EnforcementConfirmed(enforcement.log));
        }
        confirmed
    }
}
