//! The oracle's own books of one account, made from fills alone.
//!
//! Whole ticks in a queue, oldest first, in plain integers: no code of the exchange or the engine is used to reckon.

use std::collections::{BTreeMap, VecDeque};

use riskd_core::model::{ContractId, OrderId, OrderType, PositionId, Side, Timestamp, TradeId};

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
    /// Those of them that are stops, or in the market.
    stops: BTreeMap<OrderId, Stop>,
    /// The number of the last position in each contract.
    pub(super) position_ids: BTreeMap<ContractId, PositionId>,
}

/// A living stop.
#[derive(Debug, Clone)]
struct Stop {
    contract_id: ContractId,
    /// 1 buys, -1 sells.
    side: i64,
    remaining: i64,
    /// Whether the program placed it.
    is_the_programs: bool,
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
            self.stops.remove(&order.id);
            return;
        }
        // A market order that closes a position covers it, too.
        let covers = [OrderType::Stop, OrderType::StopLimit, OrderType::TrailingStop, OrderType::Market];
        if covers.contains(&order.order_type) {
            let stop = Stop {
                contract_id: order.contract_id.clone(),
                side: if order.side == Side::Buy { 1 } else { -1 },
                remaining: order.size - order.filled_size,
                is_the_programs: order.custom_tag.as_ref().is_some_and(|tag| tag.starts_with("riskd-stop-")),
            };
            self.stops.insert(order.id, stop);
        }
        self.orders.insert(order.id, order.contract_id.clone());
    }

    /// Positions that stops do not cover, with the contracts that they do.
    pub(super) fn uncovered(&self) -> impl Iterator<Item = (&ContractId, i64, i64)> {
        self.holdings().filter_map(|(contract_id, size)| {
            let closing = |stop: &&Stop| stop.contract_id == *contract_id && stop.side == -size.signum();
            let covered: i64 = self.stops.values().filter(closing).map(|stop| stop.remaining).sum();
            (covered < size.abs()).then_some((contract_id, size, covered))
        })
    }

    /// Stops of the program's.
    pub(super) fn stops_of_the_program(&self) -> impl Iterator<Item = OrderId> {
        self.stops.iter().filter(|(_, stop)| stop.is_the_programs).map(|(order_id, _)| *order_id)
    }

    /// Stops of the program's that no position of their contract needs.
    pub(super) fn strays(&self) -> impl Iterator<Item = OrderId> {
        let is_stray = |stop: &Stop| stop.is_the_programs && self.size(&stop.contract_id).signum() != -stop.side;
        self.stops.iter().filter(move |(_, stop)| is_stray(stop)).map(|(order_id, _)| *order_id)
    }

    /// Contracts held, with sign.
    pub(super) fn size(&self, contract_id: &ContractId) -> i64 {
        self.lots.get(contract_id).map_or(0, |lots| lots.iter().map(|(_, size)| size).sum())
    }

    /// Says what is wrong with closing `size` contracts, or all, beside what closes on their way will still buy or sell.
    pub(super) fn closing(
        &self,
        contract_id: &ContractId,
        size: Option<i64>,
        on_its_way: &[i64],
    ) -> Result<(), String> {
        let signed = self.size(contract_id);
        let held = signed.abs();
        let against: i64 =
            on_its_way.iter().filter(|close| close.signum() == -signed.signum()).map(|close| close.abs()).sum();
        let size = size.unwrap_or(held);
        if against == 0 || against + size <= held {
            return Ok(());
        }
        Err(format!("a close of {size} {contract_id} beside one of {against} that is on its way, of {held} held"))
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
