//! The oracle's own books of one account, made from fills alone.
//!
//! Whole ticks in a queue, oldest first, in plain integers: no code of the exchange or the engine is used to reckon.

use std::collections::{BTreeMap, VecDeque};

use riskd_core::model::{ContractId, OrderId, Side, Timestamp, TradeId};

use crate::exchange::{OrderRecord, TradeRecord};

/// What a contract is worth: the rule book of the exchange, in plain numbers.
#[derive(Debug, Clone)]
pub(super) struct Worth {
    /// A tick, in billionths of a point.
    pub(super) tick_nanos: i64,
    /// What a tick is worth, in millionths of a dollar.
    pub(super) tick_micros: i64,
    /// The exchange's root: `ES`, where the gateway says `EP`.
    pub(super) root: String,
    /// Last trade, in billionths of a point; absent before the first.
    pub(super) last_nanos: Option<i64>,
}

/// One fill, as far as rules care.
#[derive(Debug, Clone)]
pub(super) struct Fill {
    pub(super) at: Timestamp,
    /// Dollars in millionths; absent for one that opens.
    pub(super) pnl_micros: Option<i64>,
    pub(super) fees_micros: i64,
    pub(super) voided: bool,
}

/// What an account holds and did.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    lots: BTreeMap<ContractId, VecDeque<(i64, i64)>>,
    pub(super) fills: BTreeMap<TradeId, Fill>,
    /// Whether the firm lets the account trade no more.
    pub(super) may_not_trade: bool,
    /// Living orders and their contracts, suspended ones too.
    pub(super) orders: BTreeMap<OrderId, ContractId>,
}

impl Books {
    /// Books a fill, or takes a voided one back. Says what is wrong when the exchange reckoned another P&L.
    pub(super) fn fill(&mut self, trade: &TradeRecord, worth: &Worth) -> Result<(), String> {
        if let Some(known) = self.fills.get_mut(&trade.id) {
            known.voided = trade.voided;
            return Ok(());
        }
        let side = if trade.side == Side::Buy { 1 } else { -1 };
        let price = trade.price.nanos();
        let lots = self.lots.entry(trade.contract_id.clone()).or_default();
        let mut realized: Option<i64> = None;
        for _ in 0..trade.size {
            match lots.front_mut().filter(|(_, size)| size.signum() != side) {
                Some((entry, size)) => {
                    let ticks = (price - *entry) / worth.tick_nanos * size.signum();
                    *realized.get_or_insert(0) += ticks * worth.tick_micros;
                    *size += side;
                    if *size == 0 {
                        lots.pop_front();
                    }
                }
                None => match lots.back_mut().filter(|(entry, _)| *entry == price) {
                    Some((_, size)) => *size += side,
                    None => lots.push_back((price, side)),
                },
            }
        }
        if lots.is_empty() {
            self.lots.remove(&trade.contract_id);
        }
        let fill =
            Fill { at: trade.created_at, pnl_micros: realized, fees_micros: trade.fees.micros(), voided: trade.voided };
        self.fills.insert(trade.id, fill);
        let told = trade.profit_and_loss.map(|pnl| pnl.micros());
        if told == realized { Ok(()) } else { Err(format!("the exchange says {told:?} of a fill worth {realized:?}")) }
    }

    /// Takes over an order, alive or finished.
    pub(super) fn order(&mut self, order: &OrderRecord) {
        if !order.status.is_alive() {
            self.orders.remove(&order.id);
            return;
        }
        self.orders.insert(order.id, order.contract_id.clone());
    }

    /// Contracts held, with sign.
    pub(super) fn size(&self, contract_id: &ContractId) -> i64 {
        self.lots.get(contract_id).map_or(0, |lots| lots.iter().map(|(_, size)| size).sum())
    }

    /// Every contract held, with its signed size.
    pub(super) fn holdings(&self) -> impl Iterator<Item = (&ContractId, i64)> {
        self.lots.iter().map(|(contract_id, lots)| (contract_id, lots.iter().map(|(_, size)| size).sum()))
    }

    /// Whether nothing is held.
    pub(super) fn is_flat(&self) -> bool {
        self.lots.is_empty()
    }

    /// Unrealized P&L of a contract in millionths of a dollar, exact over the lots; absent without a price.
    pub(super) fn unrealized_micros(&self, contract_id: &ContractId, worth: &Worth) -> Option<i64> {
        let last = worth.last_nanos?;
        let lots = self.lots.get(contract_id)?;
        let ticks: i64 = lots.iter().map(|(entry, size)| (last - entry) / worth.tick_nanos * size).sum();
        Some(ticks * worth.tick_micros)
    }

    /// Realized P&L and fees between two moments, the second left out, in millionths of a dollar.
    pub(super) fn realized_micros(&self, from: Timestamp, to: Timestamp) -> (i64, i64) {
        let within = self.fills.values().rev().take_while(|fill| fill.at >= from);
        within
            .filter(|fill| fill.at < to && !fill.voided)
            .fold((0, 0), |(pnl, fees), fill| (pnl + fill.pnl_micros.unwrap_or(0), fees + fill.fees_micros))
    }
}
