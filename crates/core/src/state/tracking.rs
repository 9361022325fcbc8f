//! What must be known of open positions beyond the broker's word: since when one is unprotected, how far one has been
//! from where it began.
//!
//! None of it is stored. After a restart the time without a stop counts from the position's opening, unless the database
//! remembers a stop that stood to the last; and what was armed by the way prices went is not armed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Book, Markets};
use crate::model::{ContractId, Order, Position, PositionId, PositionType, Price, Side};

/// The open positions of one account, as they are followed.
#[derive(Debug, Clone, Default)]
pub struct Tracking {
    positions: BTreeMap<ContractId, Tracked>,
    total_strayed: Strayed,
}

/// What is known of one open position.
#[derive(Debug, Clone)]
pub struct Tracked {
    position_id: PositionId,
    position_type: PositionType,
    average_price: Price,
    unprotected_since: Option<Timestamp>,
    strayed: Strayed,
    best: Option<Price>,
}

/// Whether a P&L has been far above or far below zero since the position got its present average price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strayed {
    /// Far in profit.
    pub above: bool,
    /// Far in loss.
    pub below: bool,
}

impl Strayed {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self { above: self.above || other.above, below: self.below || other.below }
    }
}

impl Tracked {
    /// Since when the position has had no protective stop without a break; absent while it has one.
    pub fn unprotected_since(&self) -> Option<Timestamp> {
        self.unprotected_since
    }

    /// The best price that a rule had remembered while the position has been on this side, in points.
    pub fn best(&self) -> Option<Price> {
        self.best
    }

    /// Whether its P&L has been far from zero.
    pub fn strayed(&self) -> Strayed {
        self.strayed
    }
}

impl Tracking {
    /// What is known of the position in a contract.
    pub fn position(&self, contract_id: &ContractId) -> Option<&Tracked> {
        self.positions.get(contract_id)
    }

    /// Whether the sum of all P&L has been far from zero since any position got its present average price.
    pub fn total_strayed(&self) -> Strayed {
        self.total_strayed
    }

    /// Keeps that the P&L of a position, or the sum of all, has been far from zero.
    pub(crate) fn stray(&mut self, contract_id: Option<&ContractId>, strayed: Strayed) {
        let before = match contract_id {
            Some(contract_id) => self.positions.get_mut(contract_id).map(|tracked| &mut tracked.strayed),
            None => Some(&mut self.total_strayed),
        };
        if let Some(before) = before {
            *before = before.and(strayed);
        }
    }

    /// Keeps the best price of a position.
    pub(crate) fn improve(&mut self, contract_id: &ContractId, price: Price) {
        if let Some(tracked) = self.positions.get_mut(contract_id) {
            tracked.best = Some(price);
        }
    }

    /// Takes over what the database remembers: of a position that had its stop to the last, that it had.
    pub(crate) fn remember(&mut self, book: &Book, markets: &Markets) {
        for position in book.positions().filter(|position| is_protected(book, markets, position)) {
            self.positions.insert(position.contract_id.clone(), Tracked::new(position));
        }
    }

    /// Follows the book. `from_the_books` says that the broker was asked: then a position may be older than its news.
    pub(crate) fn follow(&mut self, book: &Book, markets: &Markets, at: Timestamp, from_the_books: bool) {
        let before = self.positions.len();
        self.positions.retain(|contract_id, _| book.position(contract_id).is_some());
        if self.positions.len() != before {
            self.total_strayed = Strayed::default();
        }
        for position in book.positions() {
            let is_new = self.positions.get(&position.contract_id).is_none_or(|known| known.position_id != position.id);
            let tracked = self
                .positions
                .entry(position.contract_id.clone())
                .and_modify(|known| {
                    if !known.is_of(position) {
                        let is_turned =
                            known.position_id != position.id || known.position_type != position.position_type;
                        let best = known.best.filter(|_| !is_turned);
                        let unprotected_since = known.unprotected_since;
                        *known = Tracked { unprotected_since, best, ..Tracked::new(position) };
                        self.total_strayed = Strayed::default();
                    }
                })
                .or_insert_with(|| {
                    self.total_strayed = Strayed::default();
                    Tracked::new(position)
                });
            if is_protected(book, markets, position) {
                tracked.unprotected_since = None;
            } else if is_new {
                tracked.unprotected_since = Some(if from_the_books { position.created_at.min(at) } else { at });
            } else {
                tracked.unprotected_since.get_or_insert(at);
            }
        }
    }
}

impl Tracked {
    fn new(position: &Position) -> Self {
        Self {
            position_id: position.id,
            position_type: position.position_type,
            average_price: position.average_price,
            unprotected_since: None,
            strayed: Strayed::default(),
            best: None,
        }
    }

    fn is_of(&self, position: &Position) -> bool {
        self.position_id == position.id
            && self.position_type == position.position_type
            && self.average_price == position.average_price
    }
}

/// Whether a stop at `one` lets go of less than one at `other`.
pub(crate) fn is_tighter(is_long: bool, one: Price, other: Price) -> bool {
    if is_long { one > other } else { one < other }
}

/// Whether stops that can still fill cover the whole position. Several that add up to its size cover it.
pub(crate) fn is_protected(book: &Book, markets: &Markets, position: &Position) -> bool {
    let price = markets.get(&position.contract_id).and_then(|market| market.price_for(position));
    let covered = book
        .orders()
        .filter(|order| protects(order, position, price))
        .fold(0, |covered: i64, order| covered.saturating_add(order.size - order.filled_size));
    covered >= position.size
}

/// Whether an order is a stop that limits what the position can lose from here.
///
/// It must close the position, and stand on the losing side of the average price. On the winning side, where a stop that
/// follows a profit comes to stand, it counts only when the market is known to be beyond it. A trailing stop of which
/// only the distance is known follows the market from the losing side.
pub(crate) fn protects(order: &Order, position: &Position, price: Option<Price>) -> bool {
    let is_below = match (position.position_type, order.side) {
        (PositionType::Long, Side::Sell) => true,
        (PositionType::Short, Side::Buy) => false,
        _ => return false,
    };
    if order.contract_id != position.contract_id || !order.order_type.is_stop() {
        return false;
    }
    let Some(stop) = order.stop_price else { return true };
    let is_before = |reference: Price| if is_below { stop < reference } else { stop > reference };
    is_before(position.average_price) || price.is_some_and(is_before)
}
