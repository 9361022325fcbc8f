//! Which orders a price reaches, and what a fill does.

use std::collections::BTreeSet;

use rand_chacha::rand_core::Rng;
use riskd_core::model::{AccountId, ContractId, Money, OrderId, OrderType, Price, Side, Timestamp};

use super::holding::Holding;
use super::records::{opposite, sign};
use super::{Exchange, ExchangeEvent, Liquidity, OrderRecord, OrderStatus, QuoteRecord, TradeRecord};

/// How an order meets the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    /// It has just come in or become working: what it finds is better than its limit or equal to it.
    Arriving,
    /// It was waiting: the market came to its price.
    Resting,
}

impl Exchange {
    /// Fills what the present prices of a contract reach, in the order the orders came in.
    pub(super) fn match_contract(&mut self, contract_id: &ContractId, now: Timestamp) {
        let mut seen = BTreeSet::new();
        let waiting = |order: &&OrderRecord| order.contract_id == *contract_id && order.status == OrderStatus::Open;
        let at_first: BTreeSet<OrderId> = self.alive.values().filter(waiting).map(|order| order.id).collect();
        // A fill can wake the children of a bracket: they are looked at in the same round.
        while let Some(id) = self.alive.values().filter(waiting).map(|order| order.id).find(|id| !seen.contains(id)) {
            seen.insert(id);
            let meeting = if at_first.contains(&id) { Meeting::Resting } else { Meeting::Arriving };
            self.try_fill(id, meeting, now);
        }
    }

    /// Fills an order as far as the present prices allow.
    pub(super) fn try_fill(&mut self, id: OrderId, meeting: Meeting, now: Timestamp) {
        let Some(contract_id) = self.alive.get(&id).map(|order| order.contract_id.clone()) else { return };
        let Some(quote) = self.quote(&contract_id).cloned().filter(|_| self.is_open) else { return };
        self.trail(id, &quote, now);
        let Some(order) = self.alive.get_mut(&id).filter(|order| order.status == OrderStatus::Open) else { return };
        order.triggered |= stop_is_reached(order, quote.last);
        let Some(price) = executable_price(order, &quote, meeting) else { return };
        let (account_id, side, remaining, reduces_only) =
            (order.account_id, order.side, order.remaining(), order.reduces_only);
        let mut size = remaining.min(self.available());
        if reduces_only {
            let against = -self.signed_size(account_id, &contract_id) * sign(side);
            if against <= 0 {
                self.finish(id, OrderStatus::Cancelled, now);
                return;
            }
            size = size.min(against);
        }
        self.fill(id, size, price, now);
    }

    /// Moves an order out of the living with this status, and with it what hangs on it.
    pub(super) fn finish(&mut self, id: OrderId, status: OrderStatus, now: Timestamp) {
        let Some(mut order) = self.alive.remove(&id) else { return };
        order.status = status;
        order.updated_at = now;
        self.events.push(ExchangeEvent::Order(order.clone()));
        self.finished.insert(id, order.clone());
        self.bracket_ticks.remove(&id);
        if order.filled_size > 0 {
            self.wake_children(&order, now);
        } else {
            self.finish_children(id, now);
        }
    }

    /// Lets a trailing stop follow a price that moves in favour of the position.
    fn trail(&mut self, id: OrderId, quote: &QuoteRecord, now: Timestamp) {
        let Some(order) = self.alive.get_mut(&id).filter(|order| order.status == OrderStatus::Open) else { return };
        let (OrderType::TrailingStop, Some(distance), Some(stop), false) =
            (order.order_type, order.trail_distance, order.stop_price, order.triggered)
        else {
            return;
        };
        let followed = Price::from_nanos(quote.last.nanos() + sign(order.side) * distance.nanos());
        let tighter = match order.side {
            Side::Buy => followed < stop,
            _ => followed > stop,
        };
        if tighter {
            order.stop_price = Some(followed);
            order.updated_at = now;
            self.events.push(ExchangeEvent::Order(order.clone()));
        }
    }

    fn available(&mut self) -> i64 {
        match self.liquidity {
            Liquidity::Unlimited => i64::MAX,
            Liquidity::AtMost(contracts) => contracts.max(1),
            Liquidity::UpTo(contracts) => {
                let choices = u64::try_from(contracts).unwrap_or(1).max(1);
                i64::try_from(self.chance.next_u64() % choices).unwrap_or(0) + 1
            }
        }
    }

    fn fill(&mut self, id: OrderId, size: i64, price: Price, now: Timestamp) {
        let Some(order) = self.alive.get_mut(&id) else { return };
        debug_assert!(size > 0 && size <= order.remaining());
        order.filled_size += size;
        order.filled_value_nanos += i128::from(price.nanos()) * i128::from(size);
        order.updated_at = now;
        let is_filled = order.remaining() == 0;
        if is_filled {
            order.status = OrderStatus::Filled;
        }
        let order = order.clone();
        self.events.push(ExchangeEvent::Order(order.clone()));
        if is_filled {
            self.alive.remove(&id);
            self.finished.insert(id, order.clone());
        }
        self.book(&order, size, price, now);
        if is_filled {
            self.wake_children(&order, now);
        }
        self.shrink_linked(&order, size, now);
        self.cancel_orphans(order.account_id, &order.contract_id, now);
    }

    /// Books a fill: lots, trades, position, balance. One that turns the position round is two trades: the part that
    /// closes has a P&L, the part that opens is a half-turn and has none.
    fn book(&mut self, order: &OrderRecord, size: i64, price: Price, now: Timestamp) {
        let Some(listing) = self.listings.get(&order.contract_id).cloned() else { return };
        let key = (order.account_id, order.contract_id.clone());
        let before = self.signed_size(order.account_id, &order.contract_id);
        let against = before.signum() * sign(order.side) < 0;
        let closing = if against { size.min(before.abs()) } else { 0 };
        let opening = size - closing;
        let mut change = Money::ZERO;
        let mut positions = Vec::new();
        if closing > 0
            && let Some(holding) = self.holdings.get_mut(&key)
        {
            let average = holding.average_price().unwrap_or_default();
            let realized = holding.close(closing, price, &listing.contract);
            positions.push(holding.record(order.account_id, &order.contract_id, average, now));
            if holding.signed_size() == 0 {
                self.holdings.remove(&key);
            }
            change += realized - self.record_trade(order, closing, price, Some(realized), listing.fee_per_side, now);
        }
        if opening > 0 {
            let new_id = if self.holdings.contains_key(&key) { None } else { Some(self.take_position_id()) };
            let holding = match new_id {
                Some(id) => self.holdings.entry(key).or_insert_with(|| Holding::open(id, now)),
                None => self.holdings.get_mut(&key).expect("a holding without a new id is there"),
            };
            holding.add(opening * sign(order.side), price);
            positions.push(holding.record(order.account_id, &order.contract_id, price, now));
            change -= self.record_trade(order, opening, price, None, listing.fee_per_side, now);
        }
        self.events.extend(positions.into_iter().map(ExchangeEvent::Position));
        self.change_balance(order.account_id, change);
    }

    /// Records a trade and says what its fees were.
    fn record_trade(
        &mut self,
        order: &OrderRecord,
        size: i64,
        price: Price,
        profit_and_loss: Option<Money>,
        fee_per_side: Money,
        now: Timestamp,
    ) -> Money {
        let fees = fee_per_side.times(size);
        let trade = TradeRecord {
            id: self.take_trade_id(),
            account_id: order.account_id,
            contract_id: order.contract_id.clone(),
            order_id: order.id,
            side: order.side,
            size,
            price,
            profit_and_loss,
            fees,
            created_at: now,
            voided: false,
        };
        self.events.push(ExchangeEvent::Trade(trade.clone()));
        self.trades.insert(trade.id, trade);
        fees
    }

    /// Lets the suspended children of a filled order work, priced from its fill and as large as what was filled.
    fn wake_children(&mut self, parent: &OrderRecord, now: Timestamp) {
        let Some(fill_price) = parent.fill_price() else { return };
        let Some(tick) = self.listings.get(&parent.contract_id).map(|listing| listing.contract.tick_size) else {
            return;
        };
        let fill_price = to_grid(fill_price, tick);
        for id in self.children_of(parent.id) {
            let ticks = self.bracket_ticks.remove(&id);
            let Some(child) = self.alive.get_mut(&id) else { continue };
            child.status = OrderStatus::Open;
            child.size = parent.filled_size;
            child.updated_at = now;
            if let Some(ticks) = ticks {
                set_bracket_price(child, fill_price, ticks, tick);
            }
            self.events.push(ExchangeEvent::Order(child.clone()));
        }
    }

    fn finish_children(&mut self, parent_id: OrderId, now: Timestamp) {
        for id in self.children_of(parent_id) {
            self.finish(id, OrderStatus::Cancelled, now);
        }
    }

    fn children_of(&self, parent_id: OrderId) -> Vec<OrderId> {
        let is_child =
            |order: &&OrderRecord| order.parent_order_id == Some(parent_id) && order.status == OrderStatus::Suspended;
        self.alive.values().filter(is_child).map(|order| order.id).collect()
    }

    /// One cancels the other: what one of a pair fills, the other gives up.
    fn shrink_linked(&mut self, order: &OrderRecord, filled: i64, now: Timestamp) {
        let Some(linked) = order.linked_order_id.and_then(|id| self.alive.get_mut(&id)) else { return };
        if linked.remaining() <= filled {
            let id = linked.id;
            self.finish(id, OrderStatus::Cancelled, now);
        } else {
            linked.size -= filled;
            linked.updated_at = now;
            self.events.push(ExchangeEvent::Order(linked.clone()));
        }
    }

    /// Once a position is flat, what is left of its brackets would open a new one: it goes.
    fn cancel_orphans(&mut self, account_id: AccountId, contract_id: &ContractId, now: Timestamp) {
        if self.signed_size(account_id, contract_id) != 0 {
            return;
        }
        let is_orphan = |order: &&OrderRecord| {
            order.account_id == account_id
                && order.contract_id == *contract_id
                && order.reduces_only
                && order.status == OrderStatus::Open
        };
        for id in self.alive.values().filter(is_orphan).map(|order| order.id).collect::<Vec<_>>() {
            self.finish(id, OrderStatus::Cancelled, now);
        }
    }
}

/// Prices a bracket child so many ticks from where its parent filled, or is expected to.
pub(super) fn set_bracket_price(child: &mut OrderRecord, from: Price, ticks: i64, tick: Price) {
    let distance = Price::from_nanos(tick.nanos() * ticks.abs());
    // The parent stands on the other side: a loss is where the child's own side points.
    let toward_loss = Price::from_nanos(from.nanos() + sign(child.side) * distance.nanos());
    let toward_profit = Price::from_nanos(from.nanos() + sign(opposite(child.side)) * distance.nanos());
    match child.order_type {
        OrderType::Limit => child.limit_price = Some(toward_profit),
        OrderType::TrailingStop => {
            child.stop_price = Some(toward_loss);
            child.trail_distance = Some(distance);
        }
        _ => child.stop_price = Some(toward_loss),
    }
}

/// Whether the last trade has reached the stop of an order that has one.
pub(super) fn stop_is_reached(order: &OrderRecord, last: Price) -> bool {
    let has_stop = matches!(order.order_type, OrderType::Stop | OrderType::StopLimit | OrderType::TrailingStop);
    has_stop
        && order.stop_price.is_some_and(|stop| match order.side {
            Side::Buy => last >= stop,
            _ => last <= stop,
        })
}

/// What a market order pays now: the ask for a buyer, the bid for a seller.
pub(super) fn market_price(side: Side, quote: &QuoteRecord) -> Price {
    match side {
        Side::Buy => quote.ask,
        _ => quote.bid,
    }
}

/// The price at which an order fills now; absent when the market is not there.
fn executable_price(order: &OrderRecord, quote: &QuoteRecord, meeting: Meeting) -> Option<Price> {
    let market = market_price(order.side, quote);
    let limited = || {
        let limit = order.limit_price?;
        let is_there = match order.side {
            Side::Buy => market <= limit,
            _ => market >= limit,
        };
        let price = if meeting == Meeting::Resting { limit } else { market };
        is_there.then_some(price)
    };
    match order.order_type {
        OrderType::Market => Some(market),
        OrderType::Limit | OrderType::JoinBid | OrderType::JoinAsk => limited(),
        OrderType::Stop | OrderType::TrailingStop => order.triggered.then_some(market),
        OrderType::StopLimit if order.triggered => limited(),
        OrderType::StopLimit | OrderType::Unknown(_) => None,
    }
}

/// The nearest price on the tick grid.
fn to_grid(price: Price, tick: Price) -> Price {
    let (nanos, tick) = (price.nanos(), tick.nanos());
    let below = nanos.div_euclid(tick) * tick;
    Price::from_nanos(if (nanos - below) * 2 >= tick { below + tick } else { below })
}
