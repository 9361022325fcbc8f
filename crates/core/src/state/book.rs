//! The positions and living orders of one account, and when each was last heard of.
//!
//! Two sources speak of the same things: the hub, event by event, and now and then a look at the broker's books, which
//! shows how they were when it was asked for. So the book remembers when it heard of each thing, of what is gone too: an
//! old look must neither bring back a position that the hub closed since, nor take away one that it opened since.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{ContractId, Order, OrderId, Position, milliseconds_between};

/// How long it is remembered that something is gone: longer than any answer of the broker's can be old.
const REMEMBER_GONE_MS: i64 = 120_000;

/// A value and when this program last heard of it.
#[derive(Debug, Clone)]
pub struct Heard<T> {
    /// The value; absent when the news was that it is gone.
    pub value: Option<T>,
    /// When the news came.
    pub heard_at: Timestamp,
}

/// Positions by contract (the gateway keeps one a contract) and living orders by id.
#[derive(Debug, Clone, Default)]
pub struct Book {
    positions: BTreeMap<ContractId, Heard<Position>>,
    orders: BTreeMap<OrderId, Heard<Order>>,
}

impl Book {
    /// The open position in a contract.
    pub fn position(&self, contract_id: &ContractId) -> Option<&Position> {
        self.positions.get(contract_id)?.value.as_ref()
    }

    /// Every open position, in the order of contracts.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        self.positions.values().filter_map(|heard| heard.value.as_ref())
    }

    /// A living order.
    pub fn order(&self, order_id: OrderId) -> Option<&Order> {
        self.orders.get(&order_id)?.value.as_ref()
    }

    /// Every living order, in the order of ids.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values().filter_map(|heard| heard.value.as_ref())
    }

    /// Whether no position is open.
    pub fn has_no_positions(&self) -> bool {
        self.positions().next().is_none()
    }

    /// Whether no order is alive.
    pub fn has_no_orders(&self) -> bool {
        self.orders().next().is_none()
    }

    /// Whether news of this contract's position came after `asked_at`: then an answer asked for at that time is older.
    pub fn position_heard_after(&self, contract_id: &ContractId, asked_at: Timestamp) -> bool {
        self.positions.get(contract_id).is_some_and(|heard| heard.heard_at > asked_at)
    }

    /// Whether news of this order came after `asked_at`.
    pub fn order_heard_after(&self, order_id: OrderId, asked_at: Timestamp) -> bool {
        self.orders.get(&order_id).is_some_and(|heard| heard.heard_at > asked_at)
    }

    /// Takes over an open position; gives back what was known before.
    pub(crate) fn put_position(&mut self, position: Position, at: Timestamp) -> Option<Position> {
        let contract_id = position.contract_id.clone();
        let heard = Heard { value: Some(position), heard_at: at };
        self.positions.insert(contract_id, heard).and_then(|before| before.value)
    }

    /// Takes over that a position is closed; gives back what was known before.
    pub(crate) fn close_position(&mut self, contract_id: &ContractId, at: Timestamp) -> Option<Position> {
        let gone = Heard { value: None, heard_at: at };
        self.positions.insert(contract_id.clone(), gone).and_then(|before| before.value)
    }

    /// Takes over a living order; gives back what was known before.
    pub(crate) fn put_order(&mut self, order: Order, at: Timestamp) -> Option<Order> {
        let order_id = order.id;
        let heard = Heard { value: Some(order), heard_at: at };
        self.orders.insert(order_id, heard).and_then(|before| before.value)
    }

    /// Takes over that an order is gone; gives back what was known before.
    pub(crate) fn remove_order(&mut self, order_id: OrderId, at: Timestamp) -> Option<Order> {
        self.orders.insert(order_id, Heard { value: None, heard_at: at }).and_then(|before| before.value)
    }

    /// Forgets what has been gone for long.
    pub(crate) fn forget_what_is_long_gone(&mut self, at: Timestamp) {
        let recent = |heard_at: Timestamp| milliseconds_between(heard_at, at) < REMEMBER_GONE_MS;
        self.positions.retain(|_, heard| heard.value.is_some() || recent(heard.heard_at));
        self.orders.retain(|_, heard| heard.value.is_some() || recent(heard.heard_at));
    }
}
