//! What stood at a certain moment: the measure by which something is told to be new.
//!
//! A cooldown closes nothing. What was there when it began may stay, and every position or order beyond that is new. The
//! same measure tells a rule that spares what existed when it was armed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Book;
use crate::model::{ContractId, OrderId, Position, PositionId, milliseconds_between};

/// How long a fill may be told of before the position that it made, in milliseconds.
const FILL_BEFORE_POSITION_MS: i64 = 2_000;

/// Positions by their largest allowed size, and orders, that were there at a certain moment.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    positions: BTreeMap<ContractId, Stood>,
    orders: BTreeSet<OrderId>,
}

/// What may stay of one position.
#[derive(Debug, Clone, Copy)]
struct Stood {
    /// The position; absent when only its fill was told of yet.
    position_id: Option<PositionId>,
    size: i64,
    /// 1 long, −1 short, 0 while nobody knows.
    direction: i64,
}

impl Standing {
    /// Everything that the book holds.
    pub fn of(book: &Book) -> Self {
        Self {
            positions: book.positions().map(|position| (position.contract_id.clone(), Stood::of(position))).collect(),
            orders: book.orders().map(|order| order.id).collect(),
        }
    }

    /// The largest size, without sign, that may stay of this position. 0 when it is new, or has been turned round.
    pub fn largest_size(&self, position: &Position) -> i64 {
        self.positions.get(&position.contract_id).map_or(0, |stood| {
            let direction = position.signed_size().signum();
            let turned_round = direction * stood.direction < 0;
            if turned_round { 0 } else { stood.size }
        })
    }

    /// Whether the order was there.
    pub fn has_order(&self, order_id: OrderId) -> bool {
        self.orders.contains(&order_id)
    }

    /// Contracts and the largest sizes that may stay.
    pub fn sizes(&self) -> Vec<(ContractId, i64)> {
        let some = self.positions.iter().filter(|(_, stood)| stood.size > 0);
        some.map(|(contract_id, stood)| (contract_id.clone(), stood.size)).collect()
    }

    /// The orders that were there.
    pub fn orders(&self) -> Vec<OrderId> {
        self.orders.iter().copied().collect()
    }

    /// What of the book stood before this run: what is `self`, the last run's word, and the broker's creation times say
    /// so. Anything in doubt is new.
    pub(crate) fn after_restart(&self, book: &Book, since: Timestamp) -> Self {
        let mut standing = Self::default();
        for position in book.positions() {
            let was_there = position.created_at <= since;
            let size = match self.positions.get(&position.contract_id) {
                Some(stood) if stood.position_id == Some(position.id) || was_there => {
                    self.largest_size(position).min(position.size)
                }
                None if was_there => position.size,
                Some(_) | None => 0,
            };
            if size > 0 {
                standing.positions.insert(position.contract_id.clone(), Stood { size, ..Stood::of(position) });
            }
        }
        let orders = book.orders().filter(|order| self.has_order(order.id) || order.created_at <= since);
        standing.orders = orders.map(|order| order.id).collect();
        standing
    }

    /// Takes over that a position changed. Whoever makes it smaller, the smaller size is the new measure.
    pub(crate) fn observe(&mut self, contract_id: &ContractId, before: Option<&Position>, after: Option<&Position>) {
        let Some(stood) = self.positions.get_mut(contract_id) else {
            return;
        };
        let Some(after) = after else {
            self.positions.remove(contract_id);
            return;
        };
        let direction = after.signed_size().signum();
        if direction * stood.direction < 0 {
            self.positions.remove(contract_id);
            return;
        }
        if stood.direction == 0 {
            stood.direction = direction;
        }
        stood.position_id = Some(after.id);
        if before.is_some_and(|before| after.size < before.size) {
            stood.size = stood.size.min(after.size);
        }
    }

    /// Counts in a fill whose position is not told of yet: it came before the moment.
    fn admit(&mut self, contract_id: &ContractId, book: &Book, fill: i64) {
        let held = book.position(contract_id).map_or(0, |position| position.signed_size());
        if held.signum() * fill.signum() < 0 {
            return;
        }
        let position_id = book.position(contract_id).map(|position| position.id);
        let stood = Stood { position_id, size: (held + fill).abs(), direction: fill.signum() };
        self.positions.insert(contract_id.clone(), stood);
    }
}

impl Stood {
    fn of(position: &Position) -> Self {
        Self { position_id: Some(position.id), size: position.size, direction: position.signed_size().signum() }
    }
}

/// Fills that the hub told of and whose position it has not shown yet: a fill that leads to a cooldown was there before
/// it, though its position is told of a moment later.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnseenFills {
    by_contract: BTreeMap<ContractId, (i64, Timestamp)>,
}

impl UnseenFills {
    /// Takes over a fill: positive bought, negative sold.
    pub(crate) fn filled(&mut self, contract_id: &ContractId, quantity: i64, at: Timestamp) {
        self.change(contract_id, quantity, at);
    }

    /// Takes over that a position changed by so much.
    pub(crate) fn shown(&mut self, contract_id: &ContractId, change: i64, at: Timestamp) {
        self.change(contract_id, change.saturating_neg(), at);
    }

    fn change(&mut self, contract_id: &ContractId, by: i64, at: Timestamp) {
        self.by_contract.retain(|_, (_, last)| milliseconds_between(*last, at) < FILL_BEFORE_POSITION_MS);
        let (sum, last) = self.by_contract.entry(contract_id.clone()).or_insert((0, at));
        *sum = sum.saturating_add(by);
        *last = at;
    }

    /// Everything that stands at `at`, with the fills that the book does not show yet.
    pub(crate) fn standing(&self, book: &Book, at: Timestamp) -> Standing {
        let mut standing = Standing::of(book);
        for (contract_id, (sum, last)) in &self.by_contract {
            if *sum != 0 && milliseconds_between(*last, at) < FILL_BEFORE_POSITION_MS {
                standing.admit(contract_id, book, *sum);
            }
        }
        standing
    }
}
