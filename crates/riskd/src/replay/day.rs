//! An exported day: an account's fills and a contract's prices, with a small broker that carries out what is asked.

use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::{
    self, Action, Config, EngineState, Event, Hub, Input, Memory, Request, RequestFailure, RequestKind, Snapshot,
};
use riskd_core::model::{
    AccountId, Contract, ContractId, Money, OrderId, Position, PositionDraft, PositionId, PositionType, Price, Quote,
    QuoteDraft, Side, Trade, TradeDraft, TradeId,
};

use super::fills::Fill;
use super::stops::Stops;
use super::wire::CHECKS;
use super::{Collector, Decision};

/// What a day is made of.
#[derive(Debug, Clone)]
pub struct Day {
    /// The account the fills are of.
    pub account_id: AccountId,
    /// The contract the prices are of.
    pub contract: Contract,
    /// Its trades, the earliest first.
    pub prices: Vec<(Timestamp, Price)>,
    /// The account's fills, the earliest first.
    pub fills: Vec<Fill>,
}

/// What a day came to.
#[derive(Debug, Clone, PartialEq)]
pub struct DayResult {
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// Realized P&L of the fills as they were, in dollars, before fees.
    pub pnl_as_it_was: Money,
    /// Realized P&L with what the rules closed, in dollars, before fees.
    pub pnl_under_the_rules: Money,
    /// Contracts still held at the end under the rules.
    pub held_at_the_end: i64,
}

/// Plays a day under a config. A close fills at the last price; fills of the account come as they were, locked or not.
pub fn replay_day(day: &Day, config: &Config) -> DayResult {
    let begins_at = [day.prices.first().map(|(at, _)| *at), day.fills.first().map(|fill| fill.at)];
    let begins_at = begins_at.into_iter().flatten().min().unwrap_or(Timestamp::UNIX_EPOCH);
    let mut play = Play::begin(day, config, earlier(begins_at));
    let (mut prices, mut fills) = (day.prices.iter().peekable(), day.fills.iter().peekable());
    loop {
        // At one moment the price comes first: the fill was made at it.
        let price_is_next = match (prices.peek(), fills.peek()) {
            (None, None) => break,
            (Some((at, _)), Some(fill)) => *at <= fill.at,
            (Some(_), None) => true,
            (None, Some(_)) => false,
        };
        if price_is_next {
            if let Some((at, price)) = prices.next() {
                play.pass_time_until(*at);
                play.quote(*at, *price);
            }
        } else if let Some(fill) = fills.next() {
            play.pass_time_until(fill.at);
            play.fill(fill);
        }
    }
    let end = play.now.saturating_add(SignedDuration::from_secs(10)).unwrap_or(play.now);
    play.pass_time_until(end);
    DayResult {
        decisions: play.collector.decisions,
        pnl_as_it_was: play.as_it_was.realized + play.only_realized,
        pnl_under_the_rules: play.books.realized + play.only_realized,
        held_at_the_end: play.books.signed_size.abs(),
    }
}

fn earlier(at: Timestamp) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(at)
}

/// What is held in the contract, and what was realized.
#[derive(Debug, Clone, Default)]
struct Books {
    signed_size: i64,
    average: Option<Price>,
    opened_at: Option<Timestamp>,
    realized: Money,
}

impl Books {
    /// Fills so many contracts; gives what that realized, absent for an opening.
    fn fill(&mut self, contract: &Contract, change: i64, price: Price, at: Timestamp) -> Option<Money> {
        let before = self.signed_size;
        let average = self.average.unwrap_or(price);
        let closed = if before.signum() * change.signum() < 0 { change.abs().min(before.abs()) } else { 0 };
        let realized = (closed > 0).then(|| contract.value_between(average, price, closed * before.signum()));
        self.realized += realized.unwrap_or_default();
        self.signed_size = before.saturating_add(change);
        if self.signed_size == 0 {
            self.average = None;
            self.opened_at = None;
        } else if before.signum() != self.signed_size.signum() {
            self.average = Some(price);
            self.opened_at = Some(at);
        } else if closed == 0 {
            self.average = Some(weighted(average, before.abs(), price, change.abs()));
        }
        realized
    }
}

fn weighted(one: Price, one_size: i64, other: Price, other_size: i64) -> Price {
    let sum = i128::from(one.nanos()) * i128::from(one_size) + i128::from(other.nanos()) * i128::from(other_size);
    let mean = sum / i128::from(one_size.saturating_add(other_size)).max(1);
    Price::from_nanos(i64::try_from(mean).unwrap_or(one.nanos()))
}

struct Play<'a> {
    day: &'a Day,
    config: &'a Config,
    engine: EngineState,
    actions: Vec<Action>,
    collector: Collector,
    /// As the account stands under the rules.
    books: Books,
    /// As it stood.
    as_it_was: Books,
    /// Realized by rows that say nothing else.
    only_realized: Money,
    last: Option<Price>,
    stops: Stops,
    trades: Vec<Trade>,
    next_number: i64,
    now: Timestamp,
}

impl<'a> Play<'a> {
    fn begin(day: &'a Day, config: &'a Config, at: Timestamp) -> Self {
        let mut actions = Vec::new();
        let engine = engine::start(config, Memory::default(), at, &mut actions);
        let mut play = Self {
            day,
            config,
            engine,
            actions,
            collector: Collector::default(),
            books: Books::default(),
            as_it_was: Books::default(),
            only_realized: Money::ZERO,
            last: None,
            stops: Stops::default(),
            trades: Vec::new(),
            next_number: 0,
            now: at,
        };
        play.answer();
        for hub in [Hub::User, Hub::Market] {
            play.feed(Event::Link { hub, up: true });
        }
        play.feed(Event::Contract(day.contract.clone()));
        play
    }

    fn contract_id(&self) -> &ContractId {
        &self.day.contract.contract_id
    }

    /// Lets everything happen that falls due before a moment.
    fn pass_time_until(&mut self, at: Timestamp) {
        loop {
            let due = self.engine.next_deadline();
            if due >= at {
                break;
            }
            self.now = self.now.max(due);
            self.feed(Event::TimePassed);
        }
        self.now = self.now.max(at);
    }

    fn quote(&mut self, at: Timestamp, price: Price) {
        self.last = Some(price);
        self.fill_stops(price);
        let draft = QuoteDraft {
            contract_id: self.contract_id().clone(),
            bid: None,
            ask: None,
            last: Some(price),
            timestamp: at,
        };
        if let Ok(quote) = Quote::new(draft, &CHECKS) {
            self.feed(Event::Quote(quote));
        }
    }

    /// Stops fill at the price that reaches them, and never more than closes the position.
    fn fill_stops(&mut self, price: Price) {
        for order in self.stops.reached(price) {
            let (size, side) = (order.size, if order.side == Side::Sell { -1 } else { 1 });
            self.feed(Event::Order(order));
            let held = self.books.signed_size;
            let closable = if held.signum() * side < 0 { held.abs() } else { 0 };
            if closable > 0 {
                self.trade(side * size.min(closable), price);
            }
        }
    }

    fn fill(&mut self, fill: &Fill) {
        match fill.traded {
            Some(traded) => {
                let change = self.under_the_rules(traded.signed_size);
                self.as_it_was.fill(&self.day.contract, traded.signed_size, traded.price, fill.at);
                self.last.get_or_insert(traded.price);
                if change != 0 {
                    self.trade(change, traded.price);
                }
            }
            None => {
                let pnl = fill.pnl.unwrap_or_default();
                self.only_realized += pnl;
                let price = self.last.unwrap_or(self.day.contract.tick_size);
                self.book_trade(1, price, Some(pnl));
            }
        }
    }

    /// What of a fill would still have been made: nobody closes what the rules have closed already.
    fn under_the_rules(&self, change: i64) -> i64 {
        let closable = |held: i64| if held.signum() * change.signum() < 0 { held.abs() } else { 0 };
        let closed = change.abs().min(closable(self.as_it_was.signed_size));
        let opened = change.abs() - closed;
        change.signum() * (opened + closed.min(closable(self.books.signed_size)))
    }

    /// Fills at a price and says so, trade first, as the gateway does.
    fn trade(&mut self, change: i64, price: Price) {
        let realized = self.books.fill(&self.day.contract, change, price, self.now);
        self.book_trade(change, price, realized);
        let event = match self.position() {
            Some(position) => Event::Position(position),
            None => Event::PositionClosed { account_id: self.day.account_id, contract_id: self.contract_id().clone() },
        };
        self.feed(event);
    }

    fn book_trade(&mut self, change: i64, price: Price, pnl: Option<Money>) {
        self.next_number += 1;
        let draft = TradeDraft {
            id: TradeId(self.next_number),
            account_id: self.day.account_id,
            contract_id: self.contract_id().clone(),
            quantity: change.abs().max(1),
            profit_and_loss: pnl,
            fees: Money::ZERO,
            side: if change < 0 { Side::Sell } else { Side::Buy },
            price,
            execution_time: self.now,
            entry_price: None,
            exit_price: None,
            voided: false,
            order_id: OrderId(self.next_number),
        };
        if let Ok(trade) = Trade::new(draft, &CHECKS) {
            self.trades.push(trade.clone());
            self.feed(Event::Trade(trade));
        }
    }

    fn position(&self) -> Option<Position> {
        let average_price = self.books.average.filter(|_| self.books.signed_size != 0)?;
        let opened_at = self.books.opened_at.unwrap_or(self.now);
        let draft = PositionDraft {
            // One number a position: it is another after it was flat.
            id: PositionId(opened_at.as_millisecond()),
            account_id: self.day.account_id,
            contract_id: self.contract_id().clone(),
            position_type: if self.books.signed_size < 0 { PositionType::Short } else { PositionType::Long },
            size: self.books.signed_size.abs(),
            average_price,
            created_at: opened_at,
            updated_at: self.now,
        };
        Position::new(draft, &CHECKS).ok()
    }

    fn feed(&mut self, event: Event) {
        engine::step(&mut self.engine, self.config, Input { at: self.now, event }, &mut self.actions);
        self.answer();
    }

    /// Notes what was decided, and carries out what was asked.
    fn answer(&mut self) {
        let actions = std::mem::take(&mut self.actions);
        let mut requests = Vec::new();
        for action in &actions {
            self.collector.look_at(self.now, action);
            match action {
                Action::Send(request) => requests.push(request.clone()),
                Action::Store(engine::Write::ClearLockout { account_id, .. }) => {
                    self.feed(Event::LockoutCleared { account_id: *account_id });
                }
                Action::Store(_) | Action::WatchQuotes(_) | Action::Notice(_) => {}
            }
        }
        for request in requests {
            let result = self.carry_out(&request);
            self.feed(Event::Answer { request_id: request.id, result });
        }
    }

    fn carry_out(&mut self, request: &Request) -> Result<(), RequestFailure> {
        match &request.kind {
            RequestKind::Snapshot { trades_since } => {
                let snapshot = Snapshot {
                    account_id: request.account_id.unwrap_or(self.day.account_id),
                    asked_at: self.now,
                    account: None,
                    positions: self.position().into_iter().collect(),
                    orders: self.stops.orders(),
                    trades: match trades_since {
                        Some(since) => {
                            self.trades.iter().filter(|trade| trade.execution_time >= *since).cloned().collect()
                        }
                        None => Vec::new(),
                    },
                    trades_since: *trades_since,
                    refused: Vec::new(),
                };
                self.feed(Event::Snapshot(Box::new(snapshot)));
                Ok(())
            }
            RequestKind::ClosePosition(contract_id) if contract_id == self.contract_id() => {
                self.close(self.books.signed_size.abs())
            }
            RequestKind::ReducePosition { contract_id, size } if contract_id == self.contract_id() => {
                self.close((*size).min(self.books.signed_size.abs()))
            }
            RequestKind::DescribeContract(contract_id) if contract_id == self.contract_id() => {
                self.feed(Event::Contract(self.day.contract.clone()));
                Ok(())
            }
            // No answer is ever lost here: nothing is asked after.
            RequestKind::FindOrder { .. } => Ok(()),
            kind => {
                self.next_number += 1;
                let (id, account_id) = (OrderId(self.next_number), self.day.account_id);
                let order = self.stops.carry_out(kind, id, account_id, self.last, self.now)?;
                self.feed(Event::Order(order));
                Ok(())
            }
        }
    }

    fn close(&mut self, size: i64) -> Result<(), RequestFailure> {
        let (Some(price), true) = (self.last, size > 0) else {
            return Err(RequestFailure::Refused { code: 2, message: "nothing is held".to_owned() });
        };
        self.trade(-self.books.signed_size.signum() * size, price);
        Ok(())
    }
}
