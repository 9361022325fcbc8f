//! Placing, changing and cancelling orders.

use riskd_core::model::{AccountId, ContractId, OrderId, OrderType, Price, Side, Timestamp};

use super::matching::{Meeting, market_price, set_bracket_price, stop_is_reached};
use super::records::{opposite, sign};
use super::{
    Exchange, ExchangeEvent, Listing, OrderChange, OrderRecord, OrderRefusal, OrderStatus, OrderTicket, PlaceRefusal,
    PlaceRefused, QuoteRecord,
};

impl Exchange {
    /// Takes an order and fills it as far as the market allows. A market order that finds nobody waits.
    ///
    /// Refused with a number: the order is on record as rejected, and an event says so. Refused without one: there was
    /// no account, contract, side, type or size to record.
    pub fn place(&mut self, ticket: OrderTicket, now: Timestamp) -> Result<OrderId, PlaceRefused> {
        let listing = self.listing_for(&ticket)?;
        let id = self.take_order_id();
        let mut order = new_order(id, &ticket, now);
        if let Err((kind, reason)) = self.check(&ticket, &listing, &mut order) {
            order.status = OrderStatus::Rejected;
            order.rejection = Some(reason.clone());
            self.events.push(ExchangeEvent::Order(order.clone()));
            self.finished.insert(id, order);
            return Err(PlaceRefused { order_id: Some(id), kind, reason });
        }
        if let Some(tag) = &ticket.custom_tag {
            self.custom_tags.insert((ticket.account_id, tag.clone()));
        }
        self.events.push(ExchangeEvent::Order(order.clone()));
        self.alive.insert(id, order);
        if let Some(linked) = ticket.linked_order_id.and_then(|id| self.alive.get_mut(&id)) {
            linked.linked_order_id = Some(id);
            self.events.push(ExchangeEvent::Order(linked.clone()));
        }
        self.suspend_brackets(id, &ticket, &listing, now);
        self.try_fill(id, Meeting::Arriving, now);
        self.match_woken(&ticket.contract_id, id, now);
        Ok(id)
    }

    /// Changes a living order. A size counts what is filled already; a stop may not be set where it is already reached.
    pub fn modify(
        &mut self,
        account_id: AccountId,
        order_id: OrderId,
        change: OrderChange,
        now: Timestamp,
    ) -> Result<(), OrderRefusal> {
        let order = self.living(account_id, order_id)?;
        let tick = self.listings.get(&order.contract_id).map(|listing| listing.contract.tick_size);
        let last = self.quote(&order.contract_id).map(|quote| quote.last);
        let mut changed = order.clone();
        if let Some(size) = change.size {
            changed.size = size;
        }
        for (wanted, has) in
            [(change.limit_price, &mut changed.limit_price), (change.stop_price, &mut changed.stop_price)]
        {
            if let Some(price) = wanted {
                // A price that the order's type does not have cannot be given to it.
                *has = Some(has.map(|_| price).ok_or(OrderRefusal::Rejected)?);
            }
        }
        if let Some(trail_price) = change.trail_price {
            let last = last.filter(|_| order.order_type == OrderType::TrailingStop).ok_or(OrderRefusal::Rejected)?;
            changed.stop_price = Some(trail_price);
            changed.trail_distance = Some(Price::from_nanos((last.nanos() - trail_price.nanos()).abs()));
        }
        let on_grid =
            |price: Option<Price>| price.zip(tick).is_none_or(|(price, tick)| price.nanos() % tick.nanos() == 0);
        let stop_moved = changed.stop_price != order.stop_price && changed.status == OrderStatus::Open;
        let passed = stop_moved && last.is_some_and(|last| stop_is_reached(&changed, last));
        if changed.remaining() <= 0 || passed || !on_grid(changed.limit_price) || !on_grid(changed.stop_price) {
            return Err(OrderRefusal::Rejected);
        }
        changed.updated_at = now;
        if change.limit_price.is_some() || change.stop_price.is_some() || change.trail_price.is_some() {
            self.bracket_ticks.remove(&order_id);
        }
        self.events.push(ExchangeEvent::Order(changed.clone()));
        let contract_id = changed.contract_id.clone();
        self.alive.insert(order_id, changed);
        self.try_fill(order_id, Meeting::Arriving, now);
        self.match_woken(&contract_id, order_id, now);
        Ok(())
    }

    /// Cancels a living order, and the children that wait for it. Live accounts cannot.
    pub fn cancel(&mut self, account_id: AccountId, order_id: OrderId, now: Timestamp) -> Result<(), OrderRefusal> {
        let order = self.living(account_id, order_id)?;
        if !self.accounts.get(&account_id).is_some_and(|account| account.simulated) {
            return Err(OrderRefusal::Rejected);
        }
        self.finish(order.id, OrderStatus::Cancelled, now);
        Ok(())
    }

    fn living(&self, account_id: AccountId, order_id: OrderId) -> Result<OrderRecord, OrderRefusal> {
        if !self.accounts.contains_key(&account_id) {
            return Err(OrderRefusal::AccountNotFound);
        }
        let order = self.alive.get(&order_id).filter(|order| order.account_id == account_id);
        order.cloned().ok_or(OrderRefusal::OrderNotFound)
    }

    fn listing_for(&self, ticket: &OrderTicket) -> Result<Listing, PlaceRefused> {
        let refused = |kind, reason: &str| Err(PlaceRefused { order_id: None, kind, reason: reason.to_owned() });
        if !self.accounts.contains_key(&ticket.account_id) {
            return refused(PlaceRefusal::AccountNotFound, "account not found");
        }
        let Some(listing) = self.listings.get(&ticket.contract_id) else {
            return refused(PlaceRefusal::ContractNotFound, "contract not found");
        };
        if ticket.size <= 0 {
            return refused(PlaceRefusal::Rejected, "size must be greater than 0");
        }
        if matches!(ticket.side, Side::Unknown(_)) || matches!(ticket.order_type, OrderType::Unknown(_)) {
            return refused(PlaceRefusal::Rejected, "unknown side or order type");
        }
        missing_price(ticket).map_or_else(|| Ok(listing.clone()), |reason| refused(PlaceRefusal::Rejected, reason))
    }

    /// Checks an order that can be recorded, and gives it the prices that depend on the market.
    fn check(
        &mut self,
        ticket: &OrderTicket,
        listing: &Listing,
        order: &mut OrderRecord,
    ) -> Result<(), (PlaceRefusal, String)> {
        use PlaceRefusal::{AccountRejected, ContractNotActive, InsufficientFunds, OutsideTradingHours, Rejected};
        let refused = |kind, reason: &str| Err((kind, reason.to_owned()));
        if !listing.active {
            return refused(ContractNotActive, "contract is not active");
        }
        if !self.accounts.get(&ticket.account_id).is_some_and(|account| account.can_trade) {
            return refused(AccountRejected, "account is not permitted to trade");
        }
        if !self.is_open {
            return refused(OutsideTradingHours, "outside of trading hours");
        }
        if self.orders_to_reject > 0 {
            self.orders_to_reject -= 1;
            return refused(Rejected, "rejected on request");
        }
        for (name, price) in [("limit", ticket.limit_price), ("stop", ticket.stop_price), ("trail", ticket.trail_price)]
        {
            let Some(price) = price else { continue };
            if !listing.contract.is_on_tick_grid(price) {
                return Err((Rejected, format!("{name} price {price} is not a multiple of the tick size")));
            }
            if !price.is_positive() && !listing.contract.allows_negative_price {
                return Err((Rejected, format!("{name} price {price} must be greater than 0")));
            }
        }
        if let Some(tag) = &ticket.custom_tag
            && self.custom_tags.contains(&(ticket.account_id, tag.clone()))
        {
            return Err((Rejected, format!("custom tag {tag:?} has been used before")));
        }
        let links = |id| self.alive.get(&id).is_some_and(|order| order.account_id == ticket.account_id);
        if !ticket.linked_order_id.is_none_or(links) {
            return refused(Rejected, "the linked order is not there");
        }
        let quote = self.quote(&ticket.contract_id).cloned();
        price_from_market(order, ticket, quote.as_ref()).map_err(|reason| (Rejected, reason.to_owned()))?;
        if self.checks_margin && self.margin_after(ticket, listing) {
            return refused(InsufficientFunds, "insufficient funds");
        }
        Ok(())
    }

    /// Whether this order, with everything that works on its side, could tie up more than the account has.
    fn margin_after(&self, ticket: &OrderTicket, listing: &Listing) -> bool {
        let same = |order: &&OrderRecord| {
            order.account_id == ticket.account_id
                && order.contract_id == ticket.contract_id
                && order.side == ticket.side
                && order.status == OrderStatus::Open
        };
        let working: i64 = self.alive.values().filter(same).map(OrderRecord::remaining).sum();
        let held = self.signed_size(ticket.account_id, &ticket.contract_id);
        let after = (held + (working + ticket.size) * sign(ticket.side)).abs();
        after > held.abs()
            && self
                .accounts
                .get(&ticket.account_id)
                .is_some_and(|account| listing.margin.times(after) > account.balance)
    }

    /// Puts the bracket's children on the book, suspended until their parent fills.
    fn suspend_brackets(&mut self, parent_id: OrderId, ticket: &OrderTicket, listing: &Listing, now: Timestamp) {
        let tick = listing.contract.tick_size;
        let quote = self.quote(&ticket.contract_id);
        let expected = ticket.limit_price.or(ticket.stop_price).or(ticket.trail_price);
        let Some(expected) = expected.or_else(|| quote.map(|quote| market_price(ticket.side, quote))) else { return };
        let loss_type = |bracket: super::Bracket| match bracket.order_type {
            OrderType::TrailingStop => OrderType::TrailingStop,
            _ => OrderType::Stop,
        };
        let wanted = [
            ticket.stop_loss.map(|bracket| (bracket.ticks, loss_type(bracket))),
            ticket.take_profit.map(|bracket| (bracket.ticks, OrderType::Limit)),
        ];
        let mut children: Vec<OrderRecord> = Vec::new();
        for (ticks, order_type) in wanted.into_iter().flatten() {
            let id = self.take_order_id();
            let base =
                OrderTicket::market(ticket.account_id, ticket.contract_id.clone(), opposite(ticket.side), ticket.size);
            let mut child = new_order(id, &OrderTicket { order_type, ..base }, now);
            child.status = OrderStatus::Suspended;
            child.parent_order_id = Some(parent_id);
            child.reduces_only = true;
            set_bracket_price(&mut child, expected, ticks, tick);
            self.bracket_ticks.insert(id, ticks);
            children.push(child);
        }
        if let [first, second] = children.as_mut_slice() {
            first.linked_order_id = Some(second.id);
            second.linked_order_id = Some(first.id);
        }
        for child in children {
            self.events.push(ExchangeEvent::Order(child.clone()));
            self.alive.insert(child.id, child);
        }
    }

    /// Children that a fill has just woken meet the market at once.
    pub(super) fn match_woken(&mut self, contract_id: &ContractId, parent_id: OrderId, now: Timestamp) {
        let woken = |order: &&OrderRecord| {
            order.parent_order_id == Some(parent_id)
                && order.contract_id == *contract_id
                && order.status == OrderStatus::Open
        };
        for id in self.alive.values().filter(woken).map(|order| order.id).collect::<Vec<_>>() {
            self.try_fill(id, Meeting::Arriving, now);
        }
    }
}

pub(super) fn new_order(id: OrderId, ticket: &OrderTicket, now: Timestamp) -> OrderRecord {
    OrderRecord {
        id,
        account_id: ticket.account_id,
        contract_id: ticket.contract_id.clone(),
        order_type: ticket.order_type,
        side: ticket.side,
        size: ticket.size,
        status: OrderStatus::Open,
        limit_price: ticket.limit_price,
        stop_price: ticket.stop_price,
        trail_distance: None,
        filled_size: 0,
        filled_value_nanos: 0,
        custom_tag: ticket.custom_tag.clone(),
        parent_order_id: None,
        linked_order_id: ticket.linked_order_id,
        created_at: now,
        updated_at: now,
        reduces_only: false,
        triggered: false,
        rejection: None,
    }
}

fn missing_price(ticket: &OrderTicket) -> Option<&'static str> {
    match ticket.order_type {
        OrderType::Limit if ticket.limit_price.is_none() => Some("a limit order needs a limit price"),
        OrderType::Stop if ticket.stop_price.is_none() => Some("a stop order needs a stop price"),
        OrderType::StopLimit if ticket.limit_price.is_none() || ticket.stop_price.is_none() => {
            Some("a stop-limit order needs a limit price and a stop price")
        }
        OrderType::TrailingStop if ticket.trail_price.is_none() => Some("a trailing stop needs a trail price"),
        _ => None,
    }
}

/// Works out the prices an order takes from the market, and refuses a stop that is already reached.
fn price_from_market(
    order: &mut OrderRecord,
    ticket: &OrderTicket,
    quote: Option<&QuoteRecord>,
) -> Result<(), &'static str> {
    let needed = || quote.ok_or("the contract has no price yet");
    match order.order_type {
        OrderType::Market => {
            needed()?;
            (order.limit_price, order.stop_price) = (None, None);
        }
        OrderType::JoinBid => order.limit_price = Some(needed()?.bid),
        OrderType::JoinAsk => order.limit_price = Some(needed()?.ask),
        OrderType::TrailingStop => {
            let (last, start) = (needed()?.last, ticket.trail_price.unwrap_or_default());
            order.stop_price = Some(start);
            order.trail_distance = Some(Price::from_nanos((last.nanos() - start.nanos()).abs()));
        }
        OrderType::Limit => order.stop_price = None,
        OrderType::Stop => order.limit_price = None,
        OrderType::StopLimit | OrderType::Unknown(_) => {}
    }
    if quote.is_some_and(|quote| stop_is_reached(order, quote.last)) {
        return Err("the stop price is already reached");
    }
    Ok(())
}
