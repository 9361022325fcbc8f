//! A seeded futures exchange without I/O: accounts, orders, fills, positions and P&L, exact to the tick.
//!
//! Every action takes the present moment as an argument and is carried out at once. What changed is collected as
//! [`ExchangeEvent`]s, in order, until [`Exchange::take_events`] fetches them.
//!
//! Architecture invariant: no clock, no socket, no thread, no float, and no randomness but what the seed gives. The same
//! actions at the same moments leave the same books.

mod closing;
mod contracts;
mod holding;
mod market;
mod matching;
mod orders;
mod records;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use riskd_core::model::{AccountId, ContractId, Money, OrderId, PositionId, Price, Timestamp, TradeId};

use self::closing::Closing;
pub use self::contracts::{Listing, contract_id, listings};
use self::holding::Holding;
pub use self::market::{Bar, BarSpan};
use self::market::{Market, Spread};
pub use self::records::{
    AccountRecord, Bracket, ExchangeEvent, OrderChange, OrderRecord, OrderStatus, OrderTicket, PositionRecord,
    QuoteRecord, TradeRecord,
};
pub(crate) use self::records::{opposite, sign};
pub use self::refusal::{CloseRefusal, OrderRefusal, PlaceRefusal, PlaceRefused};

/// How an exchange is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeConfig {
    /// Where all chance comes from: the first ids, and how much of an order a price takes.
    pub seed: u64,
    /// The accounts. Of two with the same id the later one wins.
    pub accounts: Vec<AccountRecord>,
    /// The contracts traded.
    pub listings: Vec<Listing>,
    /// How far apart bid and ask stand, in ticks. With 0, everything fills at the last trade.
    pub spread_ticks: u32,
    /// How much of an order one change of price can fill.
    pub liquidity: Liquidity,
    /// Whether an order is refused when the account's cash does not cover the margin.
    pub checks_margin: bool,
    /// Milliseconds between a closing that was accepted and its order reaching the market.
    pub close_delay_ms: i64,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            accounts: vec![AccountRecord::new(1001, "SIM-1001")],
            listings: listings(),
            spread_ticks: 1,
            liquidity: Liquidity::Unlimited,
            checks_margin: false,
            close_delay_ms: 0,
        }
    }
}

/// How many contracts of one order a single change of price can fill; the rest waits for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liquidity {
    /// As many as are wanted.
    Unlimited,
    /// At most so many; at least 1.
    AtMost(i64),
    /// From 1 to so many, as the seed has it.
    UpTo(i64),
}

/// The contract is not on this exchange's list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contract {0} is not traded on this exchange")]
pub struct UnknownContract(pub ContractId);

/// The exchange.
#[derive(Debug)]
pub struct Exchange {
    chance: ChaCha8Rng,
    spread_ticks: u32,
    liquidity: Liquidity,
    checks_margin: bool,
    close_delay_ms: i64,
    is_open: bool,
    orders_to_reject: u32,
    accounts: BTreeMap<AccountId, AccountRecord>,
    listings: BTreeMap<ContractId, Listing>,
    markets: BTreeMap<ContractId, Market>,
    holdings: BTreeMap<(AccountId, ContractId), Holding>,
    /// Orders that can still fill. An order is here or in `finished`, never in both.
    alive: BTreeMap<OrderId, OrderRecord>,
    finished: BTreeMap<OrderId, OrderRecord>,
    /// Distances in ticks of suspended bracket children whose prices follow their parent's fill.
    bracket_ticks: BTreeMap<OrderId, i64>,
    custom_tags: BTreeSet<(AccountId, String)>,
    trades: BTreeMap<TradeId, TradeRecord>,
    closings: BTreeMap<(Timestamp, u64), Closing>,
    next_order: i64,
    next_trade: i64,
    next_position: i64,
    next_closing: u64,
    events: Vec<ExchangeEvent>,
}

impl Exchange {
    /// An exchange with nothing traded yet.
    pub fn new(config: ExchangeConfig) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(config.seed);
        let mut first_id = |base: i64| base + i64::from(chance.next_u32() % 1_000_000);
        let (next_order, next_trade, next_position) =
            (first_id(10_000_000), first_id(20_000_000), first_id(30_000_000));
        let listings: BTreeMap<_, _> =
            config.listings.into_iter().map(|listing| (listing.contract.contract_id.clone(), listing)).collect();
        let markets = listings.keys().map(|id| (id.clone(), Market::default())).collect();
        Self {
            chance,
            spread_ticks: config.spread_ticks,
            liquidity: config.liquidity,
            checks_margin: config.checks_margin,
            close_delay_ms: config.close_delay_ms,
            is_open: true,
            orders_to_reject: 0,
            accounts: config.accounts.into_iter().map(|account| (account.id, account)).collect(),
            listings,
            markets,
            holdings: BTreeMap::new(),
            alive: BTreeMap::new(),
            finished: BTreeMap::new(),
            bracket_ticks: BTreeMap::new(),
            custom_tags: BTreeSet::new(),
            trades: BTreeMap::new(),
            closings: BTreeMap::new(),
            next_order,
            next_trade,
            next_position,
            next_closing: 0,
            events: Vec::new(),
        }
    }

    /// What changed since this was last asked, in order.
    pub fn take_events(&mut self) -> Vec<ExchangeEvent> {
        std::mem::take(&mut self.events)
    }

    /// Every account, by number.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountRecord> {
        self.accounts.values()
    }

    /// One account.
    pub fn account(&self, id: AccountId) -> Option<&AccountRecord> {
        self.accounts.get(&id)
    }

    /// Every contract on the list, by id.
    pub fn listings(&self) -> impl Iterator<Item = &Listing> {
        self.listings.values()
    }

    /// One contract.
    pub fn listing(&self, id: &ContractId) -> Option<&Listing> {
        self.listings.get(id)
    }

    /// The prices of a contract; absent before its first trade.
    pub fn quote(&self, id: &ContractId) -> Option<&QuoteRecord> {
        self.markets.get(id).and_then(Market::quote)
    }

    /// Bars of a contract between two times, newest first.
    pub fn bars(&self, id: &ContractId, span: BarSpan, from: Timestamp, to: Timestamp, limit: usize) -> Vec<Bar> {
        self.markets.get(id).map_or_else(Vec::new, |market| market.bars(span, from, to, limit))
    }

    /// The open positions of an account.
    pub fn positions(&self, account_id: AccountId) -> Vec<PositionRecord> {
        self.holdings
            .iter()
            .filter(|((holder, _), _)| *holder == account_id)
            .map(|((_, contract_id), holding)| {
                let updated_at = self.last_trade_time(account_id, contract_id);
                holding.record(account_id, contract_id, Price::default(), updated_at)
            })
            .collect()
    }

    /// Contracts held, with sign: positive long, negative short.
    pub fn signed_size(&self, account_id: AccountId, contract_id: &ContractId) -> i64 {
        self.holdings.get(&(account_id, contract_id.clone())).map_or(0, Holding::signed_size)
    }

    /// Average entry price of a position, in points.
    pub fn average_price(&self, account_id: AccountId, contract_id: &ContractId) -> Option<Price> {
        self.holdings.get(&(account_id, contract_id.clone())).and_then(Holding::average_price)
    }

    /// Whether an account holds nothing.
    pub fn is_flat(&self, account_id: AccountId) -> bool {
        !self.holdings.keys().any(|(holder, _)| *holder == account_id)
    }

    /// Every order of an account, by number, alive or finished.
    pub fn orders(&self, account_id: AccountId) -> Vec<OrderRecord> {
        let mut orders: Vec<_> =
            self.alive.values().chain(self.finished.values()).filter(|order| order.account_id == account_id).collect();
        orders.sort_by_key(|order| order.id);
        orders.into_iter().cloned().collect()
    }

    /// The orders of an account that can still fill, suspended ones too, by number.
    pub fn living_orders(&self, account_id: AccountId) -> Vec<OrderRecord> {
        self.alive.values().filter(|order| order.account_id == account_id).cloned().collect()
    }

    /// One order, alive or finished.
    pub fn order(&self, id: OrderId) -> Option<&OrderRecord> {
        self.alive.get(&id).or_else(|| self.finished.get(&id))
    }

    /// Every fill of an account, oldest first, voided ones too.
    pub fn trades(&self, account_id: AccountId) -> Vec<TradeRecord> {
        self.trades.values().filter(|trade| trade.account_id == account_id).cloned().collect()
    }

    /// The fills of an account from a moment on, oldest first, voided ones too.
    pub fn trades_since(&self, account_id: AccountId, since: Timestamp) -> Vec<TradeRecord> {
        // Fills are numbered as they happen.
        let recent = self.trades.values().rev().take_while(|trade| trade.created_at >= since);
        let mut trades: Vec<_> = recent.filter(|trade| trade.account_id == account_id).cloned().collect();
        trades.reverse();
        trades
    }

    /// Realized P&L of an account in dollars, gross of fees, voided trades left out.
    pub fn realized_pnl(&self, account_id: AccountId) -> Money {
        let of_account = |trade: &&TradeRecord| trade.account_id == account_id && !trade.voided;
        self.trades.values().filter(of_account).filter_map(|trade| trade.profit_and_loss).sum()
    }

    /// Lets an account trade or not. Closing and cancelling stay possible.
    pub fn set_can_trade(&mut self, account_id: AccountId, can_trade: bool) {
        if let Some(account) = self.accounts.get_mut(&account_id) {
            account.can_trade = can_trade;
            self.events.push(ExchangeEvent::Account(account.clone()));
        }
    }

    /// Takes a contract off trading, or puts it back.
    pub fn set_active(&mut self, contract_id: &ContractId, active: bool) {
        if let Some(listing) = self.listings.get_mut(contract_id) {
            listing.active = active;
        }
    }

    /// Opens or shuts the exchange. While shut, nothing is placed, closed or filled.
    pub fn set_open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    /// Rejects the next orders that are placed, each with a number of its own.
    pub fn reject_next_orders(&mut self, count: u32) {
        self.orders_to_reject = count;
    }

    /// Sets the milliseconds between a closing that was accepted and its order reaching the market.
    pub fn set_close_delay_ms(&mut self, delay_ms: i64) {
        self.close_delay_ms = delay_ms;
    }

    /// Takes a trade back: its P&L and fees leave the balance, the position stays. Says whether there was such a trade.
    pub fn void_trade(&mut self, trade_id: TradeId) -> bool {
        let Some(trade) = self.trades.get_mut(&trade_id).filter(|trade| !trade.voided) else {
            return false;
        };
        trade.voided = true;
        let trade = trade.clone();
        let taken_back = trade.fees - trade.profit_and_loss.unwrap_or_default();
        self.events.push(ExchangeEvent::Trade(trade.clone()));
        self.change_balance(trade.account_id, taken_back);
        true
    }

    /// Ends the working orders of an account as if their day were over.
    pub fn expire_orders(&mut self, account_id: AccountId, now: Timestamp) {
        for id in
            self.alive.values().filter(|order| order.account_id == account_id).map(|order| order.id).collect::<Vec<_>>()
        {
            self.finish(id, OrderStatus::Expired, now);
        }
    }

    /// One contract traded at `price`: the quote follows, and every order that this reaches fills.
    pub fn tick(&mut self, contract_id: &ContractId, price: Price, now: Timestamp) -> Result<(), UnknownContract> {
        let listing = self.listings.get(contract_id).ok_or_else(|| UnknownContract(contract_id.clone()))?;
        let spread = Spread { ticks: self.spread_ticks, tick_size: listing.contract.tick_size };
        let market = self.markets.entry(contract_id.clone()).or_default();
        market.trade(contract_id, price, spread, now);
        self.events.extend(market.quote().cloned().map(ExchangeEvent::Quote));
        self.events.push(ExchangeEvent::MarketTrade { contract_id: contract_id.clone(), price, size: 1, at: now });
        self.match_contract(contract_id, now);
        Ok(())
    }

    /// Sets bid, ask and last as they are given, and fills what this reaches.
    pub fn set_quote(
        &mut self,
        contract_id: &ContractId,
        bid: Price,
        ask: Price,
        last: Price,
        now: Timestamp,
    ) -> Result<(), UnknownContract> {
        if !self.listings.contains_key(contract_id) {
            return Err(UnknownContract(contract_id.clone()));
        }
        let market = self.markets.entry(contract_id.clone()).or_default();
        market.set(contract_id, bid, ask, last, now, 0);
        self.events.extend(market.quote().cloned().map(ExchangeEvent::Quote));
        self.match_contract(contract_id, now);
        Ok(())
    }

    fn last_trade_time(&self, account_id: AccountId, contract_id: &ContractId) -> Timestamp {
        let of_position = |trade: &&TradeRecord| trade.account_id == account_id && trade.contract_id == *contract_id;
        self.trades.values().rev().find(of_position).map_or(Timestamp::UNIX_EPOCH, |trade| trade.created_at)
    }

    fn change_balance(&mut self, account_id: AccountId, change: Money) {
        if let Some(account) = self.accounts.get_mut(&account_id) {
            account.balance += change;
            self.events.push(ExchangeEvent::Account(account.clone()));
        }
    }

    fn take_order_id(&mut self) -> OrderId {
        self.next_order += 1;
        OrderId(self.next_order)
    }

    fn take_trade_id(&mut self) -> TradeId {
        self.next_trade += 1;
        TradeId(self.next_trade)
    }

    fn take_position_id(&mut self) -> PositionId {
        self.next_position += 1;
        PositionId(self.next_position)
    }
}

#[cfg(test)]
mod tests;
