//! What is on its way for the stops that this program places and moves, and what failed.
//!
//! The life of one that is placed: sent → answered → seen (the hub or a look shows the order with its tag). A lost answer is
//! asked after by the tag; only what is not found is sent again, with the same tag, which the broker takes once. The life of
//! a move: sent → answered → read back. What was refused waits, longer each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::action::RequestId;
use super::input::RequestFailure;
use crate::model::{
    ContractId, EnforcementLog, Order, OrderId, OrderState, Position, PositionId, Price, time_after_ms,
};
use crate::rules::Goal;
use crate::rules::stop_plan::{Busy, Subject};
use crate::state::Book;

/// Waits after the first, second, … failure in a row, in milliseconds; the last one repeats.
const AGAIN_AFTER_MS: [i64; 5] = [1_000, 2_000, 5_000, 10_000, 30_000];
/// How long what was accepted may take to show in the broker's books, in milliseconds.
const SHOWS_MS: i64 = 250;
/// The same of what has no answer.
const SETTLES_MS: i64 = 1_000;
/// Shortest time between two moves of one stop that follows the price, in milliseconds, for each account there is: all of
/// them together may use a third of the calls.
const TRAILS_EVERY_MS: i64 = 1_000;
/// How much earlier than this program's clock an order may be dated, in milliseconds.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// The stops of one account.
#[derive(Debug, Clone, Default)]
pub(super) struct Stops {
    placing: BTreeMap<ContractId, Placing>,
    changing: BTreeMap<OrderId, Changing>,
    trails_every_ms: i64,
    pub(super) cares: BTreeMap<ContractId, Care>,
}

/// What is remembered of the stop of one position.
#[derive(Debug, Clone)]
pub(super) struct Care {
    position_id: PositionId,
    is_long: bool,
    failures: usize,
    again_at: Option<Timestamp>,
    /// A failure is followed by a look, and the next attempt by that.
    failed_at: Option<Timestamp>,
    /// Since when the broker has refused to place one.
    pub(super) refused_since: Option<Timestamp>,
    /// When a move that follows the price was last written down.
    pub(super) trail_logged_at: Option<Timestamp>,
    /// A tag that was sent, and of which the broker knows nothing.
    unused_tag: Option<Arc<str>>,
}

/// A stop that was placed and not seen yet.
#[derive(Debug, Clone)]
struct Placing {
    tag: Arc<str>,
    sent_at: Timestamp,
    phase: Phase,
    failures: usize,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Sent(RequestId),
    /// Accepted: a look from then on shows it.
    Accepted {
        shows_at: Timestamp,
    },
    /// No answer: the broker is asked by the tag.
    Unknown {
        ask_at: Timestamp,
    },
    Asking(RequestId),
}

/// A change of an order.
#[derive(Debug, Clone, Copy, Default)]
struct Changing {
    request_id: Option<RequestId>,
    /// Answered: a look from then on shows what became of it.
    shows_at: Option<Timestamp>,
    size: Option<i64>,
    stop: Option<Price>,
    failures: usize,
    again_at: Option<Timestamp>,
    changed_at: Option<Timestamp>,
}

impl Changing {
    fn is_on_its_way(&self) -> bool {
        self.request_id.is_some() || self.shows_at.is_some()
    }

    fn is_done(&self, order: &Order) -> bool {
        (self.size.is_some() || self.stop.is_some())
            && self.size.is_none_or(|size| order.size == size)
            && self.stop.is_none_or(|stop| order.stop_price == Some(stop))
    }

    fn failed(&mut self, at: Timestamp) {
        (self.request_id, self.shows_at) = (None, None);
        self.again_at = Some(again_at(self.failures, at));
        self.failures += 1;
    }
}

impl Care {
    fn of(position: &Position) -> Self {
        Self {
            position_id: position.id,
            is_long: position.signed_size() > 0,
            failures: 0,
            again_at: None,
            failed_at: None,
            refused_since: None,
            trail_logged_at: None,
            unused_tag: None,
        }
    }

    fn failed(&mut self, refused: bool, at: Timestamp) {
        self.again_at = Some(again_at(self.failures, at));
        self.failures += 1;
        self.failed_at = Some(at);
        if refused {
            self.refused_since.get_or_insert(at);
        }
    }

    fn stands(&mut self) {
        (self.failures, self.again_at, self.failed_at) = (0, None, None);
        (self.refused_since, self.unused_tag) = (None, None);
    }
}

impl Stops {
    /// What the last run may have sent: of that, the broker is asked first.
    pub(super) fn remembered(pending: &[(EnforcementLog, Goal)], at: Timestamp) -> Self {
        let mut stops = Self::default();
        for (log, goal) in pending {
            if let Goal::StopStands { contract_id, tag: Some(tag), .. } = goal {
                let (tag, phase) = (Arc::from(tag.as_str()), Phase::Unknown { ask_at: at });
                let placing = Placing { tag, sent_at: log.timestamp, phase, failures: 0 };
                stops.placing.insert(contract_id.clone(), placing);
            }
        }
        stops
    }

    /// Whether nothing is on its way and nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.placing.is_empty() && self.changing.is_empty() && self.cares.is_empty()
    }

    /// Whether a step may be taken now.
    pub(super) fn busy(
        &self,
        contract_id: &ContractId,
        subject: Subject,
        looked_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Busy {
        let waits =
            |until: Option<Timestamp>| if until.is_some_and(|until| until > at) { Busy::Waits } else { Busy::No };
        let order = |order_id: &OrderId| self.changing.get(order_id);
        match subject {
            Subject::New if self.placing.contains_key(contract_id) => Busy::OnItsWay,
            Subject::New => {
                let care = self.cares.get(contract_id);
                let unseen = care.and_then(|care| care.failed_at).filter(|failed_at| looked_at < Some(*failed_at));
                match unseen {
                    Some(_) => Busy::Waits,
                    None => waits(care.and_then(|care| care.again_at)),
                }
            }
            Subject::Order(order_id) | Subject::Trail(order_id) => match order(&order_id) {
                Some(changing) if changing.is_on_its_way() => Busy::OnItsWay,
                Some(changing) => {
                    let trails_again = changing.changed_at.filter(|_| matches!(subject, Subject::Trail(_)));
                    let trails_again = trails_again.map(|changed_at| time_after_ms(changed_at, self.trails_every_ms));
                    waits(changing.again_at.max(trails_again))
                }
                None => Busy::No,
            },
        }
    }

    /// What is remembered of a position; anew when it is another one or was turned round.
    pub(super) fn care(&mut self, position: &Position) -> &mut Care {
        let care = self.cares.entry(position.contract_id.clone()).or_insert_with(|| Care::of(position));
        if care.position_id != position.id || care.is_long != (position.signed_size() > 0) {
            *care = Care::of(position);
        }
        care
    }

    /// Whether the last attempt at an order failed.
    pub(super) fn has_failed(&self, order_id: OrderId) -> bool {
        self.changing.get(&order_id).is_some_and(|changing| changing.failures > 0)
    }

    /// The tag of the next stop in a contract: one that was sent in vain is used again.
    pub(super) fn tag(&mut self, position: &Position, fresh: impl FnOnce() -> Arc<str>) -> Arc<str> {
        self.care(position).unused_tag.take().unwrap_or_else(fresh)
    }

    pub(super) fn sent_place(&mut self, contract_id: ContractId, tag: Arc<str>, request_id: RequestId, at: Timestamp) {
        let placing = Placing { tag, sent_at: at, phase: Phase::Sent(request_id), failures: 0 };
        self.placing.insert(contract_id, placing);
    }

    pub(super) fn sent_change(
        &mut self,
        order_id: OrderId,
        request_id: RequestId,
        size: Option<i64>,
        stop: Option<Price>,
        at: Timestamp,
    ) {
        let failures = self.changing.get(&order_id).map_or(0, |before| before.failures);
        let (request_id, changed_at) = (Some(request_id), Some(at));
        let changing = Changing { request_id, changed_at, size, stop, failures, ..Changing::default() };
        self.changing.insert(order_id, changing);
    }

    /// What is to be asked after now: the contract, the tag, and since when it may be there.
    pub(super) fn to_ask_after(&self, at: Timestamp) -> Option<(ContractId, Arc<str>, Timestamp)> {
        self.placing.iter().find_map(|(contract_id, placing)| match placing.phase {
            Phase::Unknown { ask_at } if ask_at <= at => {
                let since = time_after_ms(placing.sent_at, -CLOCKS_DIFFER_MS);
                Some((contract_id.clone(), placing.tag.clone(), since))
            }
            _ => None,
        })
    }

    pub(super) fn asked_after(&mut self, contract_id: &ContractId, request_id: RequestId) {
        if let Some(placing) = self.placing.get_mut(contract_id) {
            placing.phase = Phase::Asking(request_id);
        }
    }

    /// Takes over an order that the broker tells of: one that is finished answers for itself.
    pub(super) fn note(&mut self, order: &Order, at: Timestamp) {
        let Some(tag) = order.custom_tag.as_ref().filter(|_| !order.state.is_alive()) else { return };
        let contract_id = &order.contract_id;
        if self.placing.get(contract_id).is_none_or(|placing| placing.tag != *tag) {
            return;
        }
        self.placing.remove(contract_id);
        if let Some(care) = self.cares.get_mut(contract_id) {
            match order.state {
                OrderState::Rejected => care.failed(true, at),
                _ => care.stands(),
            }
        }
    }

    /// Takes over an answer. Gives when a look should follow.
    pub(super) fn answered(
        &mut self,
        request_id: RequestId,
        failure: Option<&RequestFailure>,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let mut changing = self.changing.values_mut();
        if let Some(changing) = changing.find(|changing| changing.request_id == Some(request_id)) {
            changing.request_id = None;
            match failure {
                None => changing.shows_at = Some(time_after_ms(at, SHOWS_MS)),
                Some(RequestFailure::Unknown { .. }) => {
                    changing.shows_at = Some(time_after_ms(at, SETTLES_MS));
                }
                Some(RequestFailure::Refused { .. } | RequestFailure::NotSent { .. }) => {
                    changing.failed(at);
                    return Some(time_after_ms(at, SHOWS_MS));
                }
            }
            return None;
        }
        let is_meant =
            |placing: &Placing| matches!(placing.phase, Phase::Sent(id) | Phase::Asking(id) if id == request_id);
        let (contract_id, placing) = self.placing.iter_mut().find(|(_, placing)| is_meant(placing))?;
        let was_asked = matches!(placing.phase, Phase::Asking(_));
        match failure {
            None if !was_asked => {
                let shows_at = time_after_ms(at, SHOWS_MS);
                placing.phase = Phase::Accepted { shows_at };
                None
            }
            Some(_) if was_asked => {
                let ask_at = again_at(placing.failures, at);
                placing.failures += 1;
                placing.phase = Phase::Unknown { ask_at };
                None
            }
            Some(RequestFailure::Unknown { .. }) => {
                placing.phase = Phase::Unknown { ask_at: time_after_ms(at, SETTLES_MS) };
                None
            }
            // Refused, never sent, or not found: nothing stands.
            None | Some(RequestFailure::Refused { .. } | RequestFailure::NotSent { .. }) => {
                let refused = matches!(failure, Some(RequestFailure::Refused { .. }));
                let contract_id = contract_id.clone();
                let placing = self.placing.remove(&contract_id)?;
                if let Some(care) = self.cares.get_mut(&contract_id) {
                    care.failed(refused, at);
                    care.unused_tag = Some(placing.tag).filter(|_| !refused);
                    if was_asked {
                        care.again_at = None;
                    }
                }
                Some(at)
            }
        }
    }

    /// From when on a look shows what became of something that was answered, and that nobody told of since: the first moment
    /// of those that have come.
    pub(super) fn unseen_since(&self, at: Timestamp) -> Option<Timestamp> {
        let placed = self.placing.values().filter_map(|placing| match placing.phase {
            Phase::Accepted { shows_at } => Some(shows_at),
            _ => None,
        });
        let changed = self.changing.values().filter_map(|changing| changing.shows_at);
        placed.chain(changed).filter(|shows_at| *shows_at <= at).min()
    }

    /// A look asked for at `asked_at` was taken over: what should have shown by then and did not, did not happen.
    pub(super) fn looked(&mut self, asked_at: Timestamp, at: Timestamp) {
        let is_over = |placing: &Placing| matches!(placing.phase, Phase::Accepted { shows_at } if shows_at <= asked_at);
        self.placing.retain(|contract_id, placing| {
            let is_over = is_over(placing);
            if let Some(care) = self.cares.get_mut(contract_id).filter(|_| is_over) {
                care.failed(false, at);
            }
            !is_over
        });
        for changing in self.changing.values_mut() {
            if changing.shows_at.is_some_and(|shows_at| shows_at <= asked_at) {
                changing.failed(at);
            }
        }
    }

    /// Drops what the book shows to be done, and what is of no position or order any more.
    pub(super) fn settle(&mut self, book: &Book, account_count: usize) {
        self.trails_every_ms = TRAILS_EVERY_MS.saturating_mul(account_count as i64);
        for (contract_id, care) in &mut self.cares {
            let stands = |tag: &Arc<str>| book.orders().any(|order| order.custom_tag.as_ref() == Some(tag));
            if self.placing.get(contract_id).is_some_and(|placing| stands(&placing.tag)) {
                self.placing.remove(contract_id);
                care.stands();
            }
        }
        self.placing.retain(|contract_id, placing| {
            self.cares.contains_key(contract_id)
                || !book.orders().any(|order| order.custom_tag.as_ref() == Some(&placing.tag))
        });
        self.changing.retain(|order_id, changing| {
            let order = book.order(*order_id);
            if changing.request_id.is_none() && order.is_some_and(|order| changing.is_done(order)) {
                let changed_at = changing.changed_at;
                *changing = Changing { changed_at, ..Changing::default() };
            }
            order.is_some() || changing.request_id.is_some()
        });
        self.cares.retain(|contract_id, _| book.position(contract_id).is_some());
    }

    /// The next moment at which time alone lets something be done.
    pub(super) fn next_at(&self, at: Timestamp) -> Option<Timestamp> {
        let asks = self.placing.values().filter_map(|placing| match placing.phase {
            Phase::Unknown { ask_at } => Some(ask_at),
            Phase::Accepted { shows_at } => Some(shows_at),
            _ => None,
        });
        let changes = self.changing.values().flat_map(|changing| {
            let trails_again = changing.changed_at.map(|changed_at| time_after_ms(changed_at, self.trails_every_ms));
            [changing.shows_at, changing.again_at, trails_again]
        });
        let again = self.cares.values().map(|care| care.again_at);
        asks.chain(changes.chain(again).flatten()).filter(|moment| *moment > at).min()
    }
}

fn again_at(failures: usize, at: Timestamp) -> Timestamp {
    time_after_ms(at, AGAIN_AFTER_MS[failures.min(AGAIN_AFTER_MS.len() - 1)])
}
