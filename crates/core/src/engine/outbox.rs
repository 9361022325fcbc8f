//! What was asked of the broker and is not yet confirmed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::action::{RequestId, Severity};
use crate::model::{ContractId, EnforcementLog, Order, OrderId, RuleId, SymbolRoot};
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
    /// Contracts of which the broker refused to close a part: there the whole is closed.
    pub(super) closed_whole_only: BTreeSet<ContractId>,
    /// Fresh looks asked for since the last enforcement began; spaces the next one.
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
    /// The request; absent when it is known only by the order it made.
    pub(super) request_id: Option<RequestId>,
    /// From when on a look that still shows the need may lead to another request; absent until the answer came.
    pub(super) repeat_after: Option<Timestamp>,
    /// Whether the answer proves that nothing was done: refused, or never sent.
    pub(super) nothing_was_done: bool,
    /// Whether the user hub was down since: then what it became of may have gone unheard, and only a look tells.
    pub(super) out_of_sight: bool,
}

impl Attempt {
    pub(super) fn sent(request_id: RequestId) -> Self {
        Self { request_id: Some(request_id), repeat_after: None, nothing_was_done: false, out_of_sight: false }
    }

    /// Somebody's market order that does what is wanted: only a look after `at` may lead to a request of ours.
    pub(super) fn seen_at_the_broker(at: Timestamp) -> Self {
        Self { request_id: None, repeat_after: Some(at), nothing_was_done: false, out_of_sight: false }
    }

    fn is_answered(&self) -> bool {
        self.repeat_after.is_some()
    }

    fn may_be_repeated_after_a_look_at(&self, asked_at: Timestamp) -> bool {
        self.repeat_after.is_some_and(|repeat_after| asked_at >= repeat_after)
    }
}

impl Enforcement {
    /// Whether the book shows what was to be reached, and no market order is about to change that.
    pub(super) fn is_reached(&self, book: &Book, at: Timestamp) -> bool {
        self.goal.is_met_by(book)
            && !book.orders().any(|order| {
                is_market_order_on_its_way(order, at) && self.goal.largest_size(&order.contract_id).is_some()
            })
    }
}

impl Outbox {
    /// The largest size that may stay in a contract under every pending goal; absent when none speaks of it.
    pub(super) fn largest_size(&self, contract_id: &ContractId) -> Option<i64> {
        self.enforcements.iter().filter_map(|enforcement| enforcement.goal.largest_size(contract_id)).min()
    }

    /// Whether any pending goal wants an order gone.
    pub(super) fn cancels(&self, order: &Order) -> bool {
        self.enforcements.iter().any(|enforcement| enforcement.goal.cancels(order))
    }

    /// Whether a breach of this rule with this goal is being dealt with already. While a reduction is under way its rule
    /// is not asked again: half-way sizes would lead it to other targets.
    pub(super) fn is_dealing_with(&self, rule_id: RuleId, goal: &Goal) -> bool {
        self.enforcements.iter().any(|pending| {
            pending.log.rule_id == rule_id && (pending.goal.covers(goal) || includes(rule_id, pending, goal))
        })
    }

    /// A look asked for at `asked_at` was taken: what had been settled by then may be sent again if it is still needed.
    /// A close whose order is in the market is not settled: its fill is told of before the position that it closed.
    pub(super) fn looked(&mut self, asked_at: Timestamp, being_closed: &[ContractId], settles_at: Timestamp) {
        self.closing.retain(|contract_id, attempt| {
            if attempt.is_answered() && being_closed.contains(contract_id) {
                attempt.repeat_after = Some(settles_at);
            }
            !attempt.may_be_repeated_after_a_look_at(asked_at)
        });
        self.cancelling.retain(|_, attempt| !attempt.may_be_repeated_after_a_look_at(asked_at));
    }

    /// The next moment from which a look may lead to a request being sent again.
    pub(super) fn next_repeat(&self, at: Timestamp) -> Option<Timestamp> {
        let attempts = self.closing.values().chain(self.cancelling.values());
        attempts.filter_map(|attempt| attempt.repeat_after).filter(|repeat_after| *repeat_after > at).min()
    }

    /// The user hub went down or came up: of closes on their way, what it would have told may be lost.
    pub(super) fn lost_sight(&mut self) {
        self.closing.values_mut().for_each(|attempt| attempt.out_of_sight = true);
    }

    /// A look was not answered. What certainly was not done may be sent again without one: a broker that is too busy to be
    /// looked at, for a minute after one "too many requests", must not keep an account open as long. Nor must somebody's
    /// market order that a close was left to, once the hub told of its end.
    pub(super) fn could_not_look(&mut self, being_closed: &[ContractId]) {
        self.closing.retain(|contract_id, attempt| {
            let left_to_an_order_that_is_gone = attempt.request_id.is_none() && !being_closed.contains(contract_id);
            !attempt.nothing_was_done && !left_to_an_order_that_is_gone
        });
        self.cancelling.retain(|_, attempt| !attempt.nothing_was_done);
    }

    /// Drops the answered attempts whose aim the book shows.
    pub(super) fn forget_what_is_reached(&mut self, book: &Book) {
        let mut closing = std::mem::take(&mut self.closing);
        closing.retain(|contract_id, attempt| {
            let size = book.position(contract_id).map_or(0, |position| position.size);
            !attempt.is_answered()
                || attempt.out_of_sight && !attempt.nothing_was_done
                || self.largest_size(contract_id).is_some_and(|largest| size > largest)
        });
        self.closing = closing;
        self.cancelling.retain(|order_id, attempt| !attempt.is_answered() || book.order(*order_id).is_some());
        if self.enforcements.is_empty() {
            self.closed_whole_only.clear();
        }
    }
}

/// Whether a reduction stands in the way of a new goal of the same rule. One rule reduces over the whole account, one
/// over each instrument by itself; of any other, what is asked for already need not be asked for again.
fn includes(rule_id: RuleId, pending: &Enforcement, goal: &Goal) -> bool {
    let is_reduction = |goal: &Goal| matches!(goal, Goal::Reduced { .. });
    if !is_reduction(&pending.goal) && !is_reduction(goal) {
        return false;
    }
    let (before, now) = (sizes(&pending.goal), sizes(goal));
    match rule_id {
        RuleId::MAX_CONTRACTS_PER_INSTRUMENT => {
            let root = |(contract_id, _): &(ContractId, i64)| SymbolRoot::of_contract_id(contract_id).0.to_owned();
            now.iter().any(|wanted| before.iter().any(|target| root(target) == root(wanted)))
        }
        RuleId::NO_STOP_LOSS_GRACE => now
            .iter()
            .all(|(contract_id, size)| pending.goal.largest_size(contract_id).is_some_and(|most| most <= *size)),
        _ => true,
    }
}

/// The contracts that a goal names, and the largest size that may stay in each.
fn sizes(goal: &Goal) -> Vec<(ContractId, i64)> {
    match goal {
        Goal::PositionClosed { contract_id } => vec![(contract_id.clone(), 0)],
        Goal::Reduced { targets } => targets.clone(),
        Goal::ContractsFlat { contract_ids } => {
            contract_ids.iter().map(|contract_id| (contract_id.clone(), 0)).collect()
        }
        Goal::NothingBeyond { sizes, .. } => sizes.clone(),
        Goal::Flat { .. } | Goal::OrdersGone { .. } | Goal::StopStands { .. } => Vec::new(),
    }
}

/// Whether this is a market order that should fill at any moment.
///
/// A close is such an order: to cancel it would undo the close, to close again beside it would turn the position round.
/// Ours cannot be told from the trader's; both are left to fill.
pub(super) fn is_market_order_on_its_way(order: &Order, at: Timestamp) -> bool {
    order.is_about_to_fill(at)
}
