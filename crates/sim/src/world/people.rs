//! Those who trade in a world: scripted traders with habits, wild ones, and one kind that is careful.

use std::time::Duration;

use riskd_core::model::{AccountId, ContractId, OrderType, Price, Side, Timestamp};

use super::chance::Chance;
use crate::exchange::{Bracket, Exchange, OrderChange, OrderTicket};
use crate::traders::{self, Trader};

/// Makes a trader of a kind.
type Habit = fn(AccountId, &ContractId, u64) -> Trader;

/// Kinds of scripted traders.
const HABITS: [Habit; 6] =
    [traders::steady, traders::over_sizer, traders::bleeder, traders::holder, traders::re_enterer, traders::panicker];

/// How somebody trades.
#[derive(Debug)]
enum Style {
    /// One micro contract at a time.
    Careful,
    /// Whatever comes to mind.
    Wild,
    /// By plan; a new one each time the market wakes up.
    Scripted { trader: Box<Trader>, began: Timestamp },
}

/// Somebody with an account.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) account_id: AccountId,
    style: Style,
    contracts: Vec<ContractId>,
    /// Whether orders that rest can be cancelled on this account: without, none are left about.
    can_cancel: bool,
    chance: Chance,
}

impl Person {
    pub(super) fn careful(account_id: AccountId, contract: ContractId, seed: u64) -> Self {
        let chance = Chance::new(seed, 100 + account_id.0.unsigned_abs());
        Self { account_id, style: Style::Careful, contracts: vec![contract], can_cancel: true, chance }
    }

    pub(super) fn wild(account_id: AccountId, contracts: &[ContractId], can_cancel: bool, seed: u64) -> Self {
        let chance = Chance::new(seed, 100 + account_id.0.unsigned_abs());
        Self { account_id, style: Style::Wild, contracts: contracts.to_vec(), can_cancel, chance }
    }

    /// The market wakes up: some follow a plan from here on.
    pub(super) fn begin(&mut self, now: Timestamp) {
        if matches!(self.style, Style::Careful) || !self.can_cancel {
            return;
        }
        self.style = if self.chance.once_in(2) {
            let habit = *self.chance.pick(&HABITS);
            let contract = self.chance.pick(&self.contracts).clone();
            // Plans are of hours: here they go four times as fast.
            Style::Scripted {
                trader: Box::new(habit(self.account_id, &contract, self.chance.below(1 << 32))),
                began: now,
            }
        } else {
            Style::Wild
        };
    }

    /// Milliseconds until they think of something again.
    pub(super) fn pause_ms(&mut self) -> i64 {
        match self.style {
            Style::Scripted { .. } => 2_000,
            Style::Careful => self.chance.between(10_000, 90_000),
            Style::Wild if self.chance.once_in(4) => self.chance.between(50, 2_000),
            Style::Wild => self.chance.between(3_000, 60_000),
        }
    }

    /// Does something, or thinks better of it.
    pub(super) fn act(&mut self, exchange: &mut Exchange, now: Timestamp) {
        match &mut self.style {
            Style::Scripted { trader, began } => {
                let since = Duration::try_from(now.duration_since(*began)).unwrap_or_default();
                trader.act(exchange, since * 4, now);
            }
            Style::Careful => self.act_carefully(exchange, now),
            Style::Wild => self.act_wildly(exchange, now),
        }
    }

    fn act_carefully(&mut self, exchange: &mut Exchange, now: Timestamp) {
        let contract = self.contracts[0].clone();
        if exchange.signed_size(self.account_id, &contract) != 0 {
            let _ = exchange.close(self.account_id, &contract, now);
        } else {
            let side = self.side();
            let _ = exchange.place(OrderTicket::market(self.account_id, contract, side, 1), now);
        }
    }

    fn act_wildly(&mut self, exchange: &mut Exchange, now: Timestamp) {
        let contract = self.chance.pick(&self.contracts).clone();
        let held = exchange.signed_size(self.account_id, &contract);
        let (side, size) = (self.side(), self.chance.between(1, 3));
        let market = OrderTicket::market(self.account_id, contract.clone(), side, size);
        // What is refused is refused: traders try things.
        // The firm takes permission away, and gives it back sooner.
        let may = exchange.account(self.account_id).is_some_and(|account| account.can_trade);
        if self.chance.once_in(if may { 80 } else { 4 }) {
            exchange.set_can_trade(self.account_id, !may);
            return;
        }
        match self.chance.below(16) {
            0..=4 => {
                let _ = exchange.place(market, now);
            }
            5 | 6 => {
                let _ = exchange.close(self.account_id, &contract, now);
            }
            7 if held.abs() > 1 => {
                let part = self.chance.between(1, held.abs());
                let _ = exchange.close_part(self.account_id, &contract, part, now);
            }
            8 if self.chance.once_in(6) => {
                let last = exchange.trades(self.account_id).last().map(|trade| trade.id);
                let _ = last.map(|trade_id| exchange.void_trade(trade_id));
            }
            _ if !self.can_cancel => {}
            9 | 10 => {
                let _ = self.rest(exchange, market, now);
            }
            11 => {
                let loss = Bracket { ticks: self.chance.between(4, 60), order_type: OrderType::Stop };
                let profit = Bracket { ticks: self.chance.between(4, 60), order_type: OrderType::Limit };
                let ticket = OrderTicket { stop_loss: Some(loss), take_profit: Some(profit), ..market };
                let _ = exchange.place(ticket, now);
            }
            12 | 13 => {
                let orders = exchange.living_orders(self.account_id);
                if !orders.is_empty() {
                    let order_id = self.chance.pick(&orders).id;
                    let _ = exchange.cancel(self.account_id, order_id, now);
                }
            }
            14 => {
                let orders = exchange.living_orders(self.account_id);
                if !orders.is_empty() {
                    let change = OrderChange { size: Some(self.chance.between(1, 4)), ..OrderChange::default() };
                    let order_id = self.chance.pick(&orders).id;
                    let _ = exchange.modify(self.account_id, order_id, change, now);
                }
            }
            _ => {}
        }
    }

    /// Leaves a limit or a stop in the market, near the price.
    fn rest(&mut self, exchange: &mut Exchange, market: OrderTicket, now: Timestamp) -> Option<()> {
        let tick = exchange.listing(&market.contract_id)?.contract.tick_size.nanos();
        let last = exchange.quote(&market.contract_id)?.last.nanos();
        let away = self.chance.between(-6, 30) * tick;
        let toward_profit = if market.side == Side::Buy { -away } else { away };
        let price = |offset: i64| Some(Price::from_nanos(last + offset));
        let ticket = if self.chance.once_in(2) {
            OrderTicket { order_type: OrderType::Limit, limit_price: price(toward_profit), ..market }
        } else {
            OrderTicket { order_type: OrderType::Stop, stop_price: price(-toward_profit), ..market }
        };
        exchange.place(ticket, now).ok().map(drop)
    }

    fn side(&mut self) -> Side {
        if self.chance.once_in(2) { Side::Buy } else { Side::Sell }
    }
}
