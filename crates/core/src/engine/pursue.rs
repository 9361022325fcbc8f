//! Follows every pending enforcement until the broker shows its goal.
//!
//! Wanted is derived, never scripted: the pending goals and the book say what should still be closed and cancelled, and
//! what is on its way already is not sent twice. A request is repeated only after a fresh look at the broker's books, so
//! a close that was carried out though its answer was lost never becomes a position the other way.

use super::action::{Notice, RequestId, RequestKind, Write};
use super::desk::{Context, Desk};
use super::enforce::revise;
use super::input::RequestFailure;
use super::outbox::Attempt;
use crate::model::{EnforcementStatus, Timestamp, milliseconds_between, time_after_ms};

/// Waits before the first, second, … fresh look of an enforcement, in milliseconds; the last one repeats.
const LOOK_AFTER_MS: [i64; 6] = [100, 250, 500, 1_000, 2_000, 5_000];

impl Desk {
    /// Sends what is wanted and not on its way, and plans the next look.
    pub(super) fn pursue(&mut self, context: &mut Context<'_>) {
        self.hold_lockout(context);
        if self.outbox.enforcements.is_empty() {
            self.outbox.looks = 0;
            return;
        }
        if !self.has_heard_from_the_broker() {
            self.reconciliation.look_by(context.at);
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
            .filter_map(|position| {
                let largest = self.outbox.largest_size(&position.contract_id)?;
                let attempt = self.outbox.closing.get(&position.contract_id);
                let part_refused = attempt.is_some_and(|attempt| attempt.part_refused);
                let excess = position.size - largest;
                (excess > 0 && (attempt.is_none() || part_refused))
                    .then(|| (position.contract_id.clone(), excess, largest == 0 || part_refused))
            })
            .collect();
        for (contract_id, size, whole) in wanted {
            let kind = if whole {
                RequestKind::ClosePosition(contract_id.clone())
            } else {
                RequestKind::ReducePosition { contract_id: contract_id.clone(), size }
            };
            let request_id = context.send(Some(self.id()), kind);
            self.outbox.closing.insert(contract_id, Attempt::sent(request_id));
        }
    }

    fn send_cancels(&mut self, context: &mut Context<'_>) {
        if !self.outbox.cancels_orders() {
            return;
        }
        let wanted: Vec<_> = self
            .state
            .book
            .orders()
            .map(|order| order.id)
            .filter(|order_id| !self.outbox.cancelling.contains_key(order_id))
            .collect();
        for order_id in wanted {
            let request_id = context.send(Some(self.id()), RequestKind::CancelOrder(order_id));
            self.outbox.cancelling.insert(order_id, Attempt::sent(request_id));
        }
    }

    /// The broker's books are looked at as proof once everything seems reached, and to find out what happened once
    /// everything sent was answered.
    fn plan_look(&mut self, at: Timestamp) {
        if self.reconciliation.outstanding.is_some() {
            return;
        }
        let wait = LOOK_AFTER_MS[self.outbox.looks.min(LOOK_AFTER_MS.len() - 1)];
        let seems_reached = self.outbox.enforcements.iter().any(|pending| pending.is_reached(&self.state.book));
        if seems_reached && !self.outbox.awaits_answers() {
            let first = self.outbox.looks == 0;
            self.reconciliation.look_by(if first { at } else { time_after_ms(at, wait) });
        } else if !self.outbox.awaits_answers() {
            self.reconciliation.look_by(time_after_ms(self.outbox.last_answer().unwrap_or(at), wait));
        }
    }

    /// Takes over the answer to a request of an enforcement.
    pub(super) fn observe_answer(
        &mut self,
        context: &mut Context<'_>,
        request_id: RequestId,
        kind: &RequestKind,
        failure: Option<&RequestFailure>,
    ) {
        let at = context.at;
        let attempt = match kind {
            RequestKind::ClosePosition(contract_id) | RequestKind::ReducePosition { contract_id, .. } => {
                self.outbox.closing.get_mut(contract_id)
            }
            RequestKind::CancelOrder(order_id) => self.outbox.cancelling.get_mut(order_id),
            RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) => None,
        };
        if let Some(attempt) = attempt.filter(|attempt| attempt.request_id == request_id) {
            attempt.answered_at = Some(at);
            attempt.part_refused =
                matches!((kind, failure), (RequestKind::ReducePosition { .. }, Some(RequestFailure::Refused { .. })));
        }
        if let Some(failure) = failure {
            let message = failure.to_string();
            for pending in &mut self.outbox.enforcements {
                revise(&mut pending.log, |draft| draft.error_message = Some(message.clone()));
            }
        }
        self.outbox.forget_what_is_gone(&self.state.book);
    }

    /// After a look that was asked for at `asked_at`: confirms every enforcement whose goal the broker shows. Says
    /// whether there was one.
    pub(super) fn confirm(&mut self, context: &mut Context<'_>, asked_at: Timestamp) -> bool {
        self.outbox.looked(asked_at);
        let at = context.at;
        if self.outbox.enforcements.iter().any(|pending| asked_at >= pending.log.timestamp) {
            self.outbox.looks += 1;
        }
        let settled = !self.outbox.has_attempts();
        let book = &self.state.book;
        let (done, pending): (Vec<_>, Vec<_>) = std::mem::take(&mut self.outbox.enforcements)
            .into_iter()
            .partition(|pending| settled && asked_at >= pending.log.timestamp && pending.is_reached(book));
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
