//! What was asked of the broker and is not yet confirmed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::action::{RequestId, Severity};
use crate::model::{ContractId, EnforcementLog, OrderId, RuleId};
use crate::rules::Goal;
use crate::state::Book;

/// The enforcements of one account that the broker has not confirmed, and the requests on their way for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    pub(super) enforcements: Vec<Enforcement>,
    /// Requests to close or reduce, one a contract at a time: a second one is sent only after a fresh look.
    pub(super) closing: BTreeMap<ContractId, Attempt>,
    /// Requests to cancel, one an order at a time.
    pub(super) cancelling: BTreeMap<OrderId, Attempt>,
    /// Fresh looks taken since the outbox was last empty; spaces the next one.
    pub(super) looks: usize,
}

/// One enforcement on its way.
#[derive(Debug, Clone)]
pub(super) struct Enforcement {
    pub(super) log: EnforcementLog,
    pub(super) goal: Goal,
    /// The worst that was said of its delay.
    pub(super) told: Option<Severity>,
}

/// One request on its way, or answered but not yet looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) request_id: RequestId,
    pub(super) answered_at: Option<Timestamp>,
    /// The broker refused to close a part: the whole must be closed.
    pub(super) part_refused: bool,
}

impl Attempt {
    pub(super) fn sent(request_id: RequestId) -> Self {
        Self { request_id, answered_at: None, part_refused: false }
    }
}

impl Enforcement {
    /// Whether the book shows what was to be reached.
    pub(super) fn is_reached(&self, book: &Book) -> bool {
        let orders_gone = !self.goal.cancels_orders() || book.has_no_orders();
        orders_gone
            && book.positions().all(|position| match self.goal.largest_size(&position.contract_id) {
                Some(largest) => position.size <= largest,
                None => true,
            })
    }
}

impl Outbox {
    /// The largest size that may stay in a contract under every pending goal; absent when none speaks of it.
    pub(super) fn largest_size(&self, contract_id: &ContractId) -> Option<i64> {
        self.enforcements.iter().filter_map(|enforcement| enforcement.goal.largest_size(contract_id)).min()
    }

    /// Whether any pending goal wants orders gone.
    pub(super) fn cancels_orders(&self) -> bool {
        self.enforcements.iter().any(|enforcement| enforcement.goal.cancels_orders())
    }

    /// Whether a breach of this rule with this goal is being dealt with already. While a reduction is under way its rule
    /// is not asked again: half-way sizes would lead it to other targets.
    pub(super) fn is_dealing_with(&self, rule_id: RuleId, goal: &Goal) -> bool {
        self.enforcements.iter().any(|pending| {
            pending.log.rule_id == rule_id
                && (pending.goal == *goal
                    || matches!((&pending.goal, goal), (Goal::Reduced { .. }, _) | (_, Goal::Reduced { .. })))
        })
    }

    /// Whether anything was sent that nobody has answered.
    pub(super) fn awaits_answers(&self) -> bool {
        self.attempts().any(|attempt| attempt.answered_at.is_none())
    }

    /// Whether anything was sent that no fresh look has followed.
    pub(super) fn has_attempts(&self) -> bool {
        self.attempts().next().is_some()
    }

    /// When the last answer came, if any is still waiting for a look.
    pub(super) fn last_answer(&self) -> Option<Timestamp> {
        self.attempts().filter_map(|attempt| attempt.answered_at).max()
    }

    /// A look asked for at `asked_at` was taken: what had been answered by then may be sent again if it is still needed.
    /// Whatever is gone from the book and answered needs no further thought.
    pub(super) fn looked(&mut self, asked_at: Timestamp) {
        let unseen = |attempt: &Attempt| attempt.answered_at.is_none_or(|answered_at| answered_at > asked_at);
        self.closing.retain(|_, attempt| unseen(attempt) || attempt.part_refused);
        self.cancelling.retain(|_, attempt| unseen(attempt));
    }

    /// Drops the attempts whose aim is gone from the book.
    pub(super) fn forget_what_is_gone(&mut self, book: &Book) {
        self.closing
            .retain(|contract_id, attempt| attempt.answered_at.is_none() || book.position(contract_id).is_some());
        self.cancelling.retain(|order_id, attempt| attempt.answered_at.is_none() || book.order(*order_id).is_some());
    }

    fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.closing.values().chain(self.cancelling.values())
    }
}
