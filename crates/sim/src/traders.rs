//! People with habits: scripted traders that act on the exchange as their own platforms would.
//!
//! A [`Trader`] goes through a plan step by step: it waits until a step's moment has come, then does it. The feed's own
//! time counts, not the server's, so a plan is the same at any speed. What a trader does depends on the plan, the seed,
//! the prices and the account, and on nothing else.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use riskd_core::model::{AccountId, ContractId, OrderType, Price, Side, Timestamp};

use crate::exchange::{Exchange, OrderTicket, opposite, sign};

/// When a step's moment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// This long after the feed began, in the feed's time.
    SinceStart(Duration),
    /// This long after the step before, in the feed's time.
    SincePrevious(Duration),
    /// The last trade is at this price or above.
    PriceAtOrAbove(Price),
    /// The last trade is at this price or below.
    PriceAtOrBelow(Price),
    /// The market has moved so many ticks, either way, since the step before.
    Moved(i64),
    /// The position would lose so many ticks a contract if it were closed now.
    LosingTicks(i64),
    /// The position would win so many ticks a contract if it were closed now.
    WinningTicks(i64),
    /// Nothing is held.
    Flat,
    /// Something is held.
    Holding,
    /// Each of these.
    All(Vec<When>),
    /// One of these.
    Any(Vec<When>),
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Buys at market.
    Buy(i64),
    /// Sells at market.
    Sell(i64),
    /// Buys or sells at market, as the seed has it.
    BuyOrSell(i64),
    /// Sells into a rise or buys into a fall, as the market moved since the step before.
    AgainstTheMove(i64),
    /// Adds to the position, whichever side it is on; does nothing without one.
    Add(i64),
    /// Adds to the position if closing it now would lose; does nothing if it would not.
    AddToLoser(i64),
    /// Places a protective stop for the whole position, so many ticks behind the last trade.
    PlaceStop(i64),
    /// Buys below or sells above the market with a limit order: contracts, and ticks away from the last trade.
    PlaceLimit(Side, i64, i64),
    /// Closes the position and cancels whatever works.
    GetOut,
    /// Closes the position; leaves orders as they are.
    Close,
    /// Cancels whatever works.
    CancelOrders,
    /// Goes back to this step of the plan, so many times; after that, goes on.
    Repeat {
        /// The step, counted from 0.
        from: usize,
        /// How many times.
        times: u32,
    },
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it is done.
    pub when: When,
    /// What is done.
    pub act: Act,
}

impl Step {
    /// A step.
    pub const fn new(when: When, act: Act) -> Self {
        Self { when, act }
    }
}

/// Something a trader did, or tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// When, on the server's clock.
    pub at: Timestamp,
    /// When, since the feed began, in the feed's time.
    pub elapsed: Duration,
    /// What, in a few words.
    pub what: String,
    /// Why the exchange refused it, where it did.
    pub refused: Option<String>,
}

/// A trader with a plan.
#[derive(Debug, Clone)]
pub struct Trader {
    /// What people call this kind of trader.
    pub name: String,
    /// The account traded.
    pub account_id: AccountId,
    /// The contract traded.
    pub contract_id: ContractId,
    plan: Vec<Step>,
    position_in_plan: usize,
    repeats: Vec<u32>,
    chance: ChaCha8Rng,
    previous: Option<(Duration, Price)>,
    deeds: Vec<Deed>,
    gives_up: bool,
    /// Whether the last thing this trader did was not to get out.
    wants_to_hold: bool,
    /// Whether this trader has seen the position they want.
    believes_to_hold: bool,
}

impl Trader {
    /// A trader who follows `plan`.
    pub fn new(name: &str, account_id: AccountId, contract_id: &ContractId, seed: u64, plan: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            account_id,
            contract_id: contract_id.clone(),
            repeats: vec![0; plan.len()],
            plan,
            position_in_plan: 0,
            // Two traders of one seed must not throw the same dice.
            chance: ChaCha8Rng::seed_from_u64(seed ^ account_id.0.unsigned_abs().rotate_left(32)),
            previous: None,
            deeds: Vec::new(),
            gives_up: false,
            wants_to_hold: false,
            believes_to_hold: false,
        }
    }

    /// The same trader, who stops for the day once somebody else has closed the position. Not for plans with stops of
    /// their own: a stop that fills looks the same.
    pub fn who_gives_up_when_closed(self) -> Self {
        Self { gives_up: true, ..self }
    }

    /// What this trader did so far.
    pub fn deeds(&self) -> &[Deed] {
        &self.deeds
    }

    /// Does every step whose moment has come. `elapsed` is the feed's time since it began.
    pub fn act(&mut self, exchange: &mut Exchange, elapsed: Duration, now: Timestamp) {
        let Some(last) = exchange.quote(&self.contract_id).map(|quote| quote.last) else { return };
        let holds = exchange.signed_size(self.account_id, &self.contract_id) != 0;
        if self.gives_up && self.believes_to_hold && !holds {
            self.plan.truncate(self.position_in_plan);
            return;
        }
        self.believes_to_hold = holds && self.wants_to_hold;
        let previous = *self.previous.get_or_insert((elapsed, last));
        // A plan that goes in circles without waiting stops for this price, so it cannot go on for ever.
        for _ in 0..=self.plan.len() {
            let Some(step) = self.plan.get(self.position_in_plan).cloned() else { return };
            let moment = Moment { exchange, trader: self, elapsed, last, previous: self.previous.unwrap_or(previous) };
            if !moment.has_come(&step.when) {
                return;
            }
            let seen = moment.seen();
            if let Act::Repeat { from, times } = step.act {
                let done = &mut self.repeats[self.position_in_plan];
                if *done < times {
                    *done += 1;
                    self.position_in_plan = from.min(self.position_in_plan);
                } else {
                    *done = 0;
                    self.position_in_plan += 1;
                }
                continue;
            }
            self.previous = Some((elapsed, last));
            self.position_in_plan += 1;
            if let Some((what, result)) = self.carry_out(&step.act, exchange, seen, now) {
                // From here on a position that goes away goes by this trader's own doing, or by somebody else's.
                self.wants_to_hold = !matches!(step.act, Act::Close | Act::GetOut);
                self.believes_to_hold &= self.wants_to_hold;
                self.deeds.push(Deed { at: now, elapsed, what, refused: result.err() });
            }
        }
    }

    /// Does one thing; says what it was and how it went. None when there was nothing to do.
    fn carry_out(
        &mut self,
        act: &Act,
        exchange: &mut Exchange,
        seen: Seen,
        now: Timestamp,
    ) -> Option<(String, Result<(), String>)> {
        let held = exchange.signed_size(self.account_id, &self.contract_id);
        let ticket = |side, size| OrderTicket::market(self.account_id, self.contract_id.clone(), side, size);
        let order = match act {
            Act::Buy(size) => ticket(Side::Buy, *size),
            Act::Sell(size) => ticket(Side::Sell, *size),
            Act::BuyOrSell(size) => {
                let side = if self.chance.next_u32().is_multiple_of(2) { Side::Buy } else { Side::Sell };
                ticket(side, *size)
            }
            Act::AgainstTheMove(size) => ticket(if seen.moved_nanos > 0 { Side::Sell } else { Side::Buy }, *size),
            Act::Add(size) => ticket(side_of(held)?, *size),
            Act::AddToLoser(size) => ticket(side_of(held).filter(|_| seen.is_losing)?, *size),
            Act::PlaceStop(ticks) => {
                let side = opposite(side_of(held)?);
                let price = self.away(exchange, sign(side) * *ticks)?;
                OrderTicket::stop(self.account_id, self.contract_id.clone(), side, held.abs(), price)
            }
            Act::PlaceLimit(side, size, ticks) => {
                let price = self.away(exchange, -sign(*side) * *ticks)?;
                OrderTicket::limit(self.account_id, self.contract_id.clone(), *side, *size, price)
            }
            Act::Close => return self.close(exchange, now),
            Act::CancelOrders => return self.cancel(exchange, now),
            Act::GetOut => {
                let cancelled = self.cancel(exchange, now);
                return self.close(exchange, now).or(cancelled);
            }
            Act::Repeat { .. } => return None,
        };
        let what = describe(&order);
        Some((what, exchange.place(order, now).map(drop).map_err(|refused| refused.reason)))
    }

    /// The price so many ticks above the last trade, or below it.
    fn away(&self, exchange: &Exchange, ticks: i64) -> Option<Price> {
        let tick = exchange.listing(&self.contract_id)?.contract.tick_size;
        Some(Price::from_nanos(exchange.quote(&self.contract_id)?.last.nanos() + ticks * tick.nanos()))
    }

    fn close(&self, exchange: &mut Exchange, now: Timestamp) -> Option<(String, Result<(), String>)> {
        let held = exchange.signed_size(self.account_id, &self.contract_id);
        side_of(held)?;
        let closed = exchange.close(self.account_id, &self.contract_id, now);
        Some((format!("closes {}", held.abs()), closed.map_err(|refusal| refusal.to_string())))
    }

    fn cancel(&self, exchange: &mut Exchange, now: Timestamp) -> Option<(String, Result<(), String>)> {
        let mut orders = exchange.living_orders(self.account_id);
        orders.retain(|order| order.contract_id == self.contract_id);
        let results: Vec<_> = orders.iter().map(|order| exchange.cancel(self.account_id, order.id, now)).collect();
        let result = results.into_iter().collect::<Result<Vec<()>, _>>();
        let count = orders.len();
        (count > 0)
            .then(|| (format!("cancels {count} orders"), result.map(drop).map_err(|refusal| refusal.to_string())))
    }
}

/// What of the moment matters to some of the things a trader does.
#[derive(Debug, Clone, Copy)]
struct Seen {
    moved_nanos: i64,
    is_losing: bool,
}

/// What a trader knows when deciding whether a moment has come.
struct Moment<'a> {
    exchange: &'a Exchange,
    trader: &'a Trader,
    elapsed: Duration,
    last: Price,
    previous: (Duration, Price),
}

impl Moment<'_> {
    fn has_come(&self, when: &When) -> bool {
        match when {
            When::Now => true,
            When::SinceStart(wait) => self.elapsed >= *wait,
            When::SincePrevious(wait) => self.elapsed >= self.previous.0 + *wait,
            When::PriceAtOrAbove(price) => self.last >= *price,
            When::PriceAtOrBelow(price) => self.last <= *price,
            When::Moved(ticks) => self.ticks(self.last.nanos() - self.previous.1.nanos()).abs() >= *ticks,
            When::LosingTicks(ticks) => self.open_ticks().is_some_and(|open| open <= -*ticks),
            When::WinningTicks(ticks) => self.open_ticks().is_some_and(|open| open >= *ticks),
            When::Flat => self.held() == 0,
            When::Holding => self.held() != 0,
            When::All(all) => all.iter().all(|when| self.has_come(when)),
            When::Any(any) => any.iter().any(|when| self.has_come(when)),
        }
    }

    fn seen(&self) -> Seen {
        let moved_nanos = self.last.nanos() - self.previous.1.nanos();
        Seen { moved_nanos, is_losing: self.open_ticks().is_some_and(|open| open < 0) }
    }

    fn held(&self) -> i64 {
        self.exchange.signed_size(self.trader.account_id, &self.trader.contract_id)
    }

    /// Ticks a contract that closing now would win, rounded down: a part of a tick lost counts as a tick.
    fn open_ticks(&self) -> Option<i64> {
        let side = side_of(self.held())?;
        let average = self.exchange.average_price(self.trader.account_id, &self.trader.contract_id)?;
        let quote = self.exchange.quote(&self.trader.contract_id)?;
        let exit = if side == Side::Buy { quote.bid } else { quote.ask };
        Some(self.ticks(sign(side) * (exit.nanos() - average.nanos())))
    }

    fn ticks(&self, nanos: i64) -> i64 {
        let tick =
            self.exchange.listing(&self.trader.contract_id).map_or(1, |listing| listing.contract.tick_size.nanos());
        nanos.div_euclid(tick)
    }
}

const fn side_of(held: i64) -> Option<Side> {
    match held {
        0 => None,
        1.. => Some(Side::Buy),
        _ => Some(Side::Sell),
    }
}

fn describe(order: &OrderTicket) -> String {
    let verb = if order.side == Side::Buy { "buys" } else { "sells" };
    let size = order.size;
    match (order.order_type, order.stop_price, order.limit_price) {
        (OrderType::Stop, Some(price), _) => format!("places a stop: {verb} {size} at {price}"),
        (_, _, Some(price)) => format!("places a limit: {verb} {size} at {price}"),
        _ => format!("{verb} {size} at market"),
    }
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Trades one contract with a stop eight ticks away, three times at most: loses little, and breaks no rule.
pub fn steady(account_id: AccountId, contract_id: &ContractId, seed: u64) -> Trader {
    let plan = vec![
        Step::new(When::SincePrevious(minutes(8)), Act::BuyOrSell(1)),
        Step::new(When::Holding, Act::PlaceStop(8)),
        Step::new(When::Any(vec![When::WinningTicks(8), When::Flat, When::SincePrevious(minutes(40))]), Act::GetOut),
        Step::new(When::Now, Act::Repeat { from: 0, times: 2 }),
    ];
    Trader::new("steady", account_id, contract_id, seed, plan)
}

/// Buys two, then two more, then three more: seven contracts where five are allowed (RULE-001).
pub fn over_sizer(account_id: AccountId, contract_id: &ContractId, seed: u64) -> Trader {
    let plan = vec![
        Step::new(When::SinceStart(minutes(5)), Act::Buy(2)),
        Step::new(When::SincePrevious(minutes(2)), Act::Add(2)),
        Step::new(When::SincePrevious(minutes(2)), Act::Add(3)),
    ];
    Trader::new("over-sizer", account_id, contract_id, seed, plan)
}

/// In and out at market with three contracts, a tick or so lost each time: bleeds trade by trade (RULE-003).
///
/// The spread alone costs a tick; small wins are taken early, and no loss is let run so far that the open loss is the
/// first thing to be noticed.
pub fn bleeder(account_id: AccountId, contract_id: &ContractId, seed: u64) -> Trader {
    let impatient = When::All(vec![When::LosingTicks(1), When::SincePrevious(seconds(15))]);
    let out =
        vec![impatient, When::LosingTicks(4), When::WinningTicks(2), When::SincePrevious(seconds(90)), When::Flat];
    let plan = vec![
        Step::new(When::SincePrevious(seconds(30)), Act::BuyOrSell(3)),
        Step::new(When::Any(out), Act::Close),
        Step::new(When::Now, Act::Repeat { from: 0, times: 120 }),
    ];
    Trader::new("bleeder", account_id, contract_id, seed, plan)
}

/// Trades against every move and takes small profits, but never a loss: adds to a loser and holds it (RULE-004).
pub fn holder(account_id: AccountId, contract_id: &ContractId, seed: u64) -> Trader {
    let decided = vec![When::LosingTicks(5), When::WinningTicks(4), When::Flat];
    let plan = vec![
        Step::new(When::Moved(6), Act::AgainstTheMove(2)),
        Step::new(When::Any(decided), Act::AddToLoser(1)),
        Step::new(When::Any(vec![When::WinningTicks(4), When::Flat]), Act::Close),
        Step::new(When::SincePrevious(minutes(1)), Act::Repeat { from: 0, times: 50 }),
    ];
    Trader::new("holder", account_id, contract_id, seed, plan)
}

/// Buys far too much, is closed, and comes back again and again, leaving orders about (RULE-001, then the lock).
pub fn re_enterer(account_id: AccountId, contract_id: &ContractId, seed: u64) -> Trader {
    let plan = vec![
        Step::new(When::SinceStart(minutes(10)), Act::Sell(6)),
        Step::new(When::All(vec![When::Flat, When::SincePrevious(seconds(60))]), Act::BuyOrSell(2)),
        Step::new(When::SincePrevious(seconds(20)), Act::PlaceLimit(Side::Buy, 1, 12)),
        Step::new(When::Now, Act::Repeat { from: 1, times: 5 }),
    ];
    Trader::new("re-enterer", account_id, contract_id, seed, plan)
}

/// Trades against a move, adds to the loser, and gets out of everything at the worst moment.
pub fn panicker(account_id: AccountId, contract_id: &ContractId, seed: u64) -> Trader {
    let decided = vec![When::LosingTicks(6), When::WinningTicks(8), When::Flat];
    let plan = vec![
        Step::new(When::Moved(4), Act::AgainstTheMove(1)),
        Step::new(When::Any(decided), Act::AddToLoser(1)),
        Step::new(When::Any(vec![When::LosingTicks(8), When::WinningTicks(2), When::Flat]), Act::GetOut),
        Step::new(When::SincePrevious(minutes(5)), Act::Repeat { from: 0, times: 3 }),
    ];
    Trader::new("panicker", account_id, contract_id, seed, plan)
}

#[cfg(test)]
mod tests;
