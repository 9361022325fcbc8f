//! The world and its time: whatever is due next happens next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::{Config, Event, Hub, Request, RequestFailure, RequestId, Snapshot};
use riskd_core::model::{AccountId, ContractId, Price, milliseconds_between};
use riskd_gateway::client::limiter::{Limiter, RateLimits};
use riskd_gateway::protocol::parse::Parser;

use super::broker::Fate;
use super::calendar::{self, Window};
use super::chance::Chance;
use super::clock::Clock;
use super::disk::Disk;
use super::hubs::{Link, Message};
use super::people::Person;
use super::program::Program;
use super::weather::{Fault, Weather};
use super::{Life, Plan, Report, after_ms, setup};
use crate::exchange::{AccountRecord, Exchange, ExchangeConfig, Liquidity, contract_id};
use crate::oracle::{AccountTerms, BOUND_MS, Oracle, Seen};

/// Contracts traded, with a price to begin with in ticks.
const CONTRACTS: [(&str, i64); 4] = [("ES", 20_000), ("NQ", 72_000), ("MES", 20_000), ("CL", 7_000)];
/// The longest sleep while people trade, in milliseconds.
const LONGEST_SLEEP_MS: i64 = 1_000;
/// How long the program sleeps in quiet hours, in milliseconds.
const QUIET_SLEEP_MS: i64 = 1_800_000;
/// How long before the end of a window people and prices rest, so that all news has arrived at its end.
const REST_MS: i64 = 2_000;
/// Time between two looks of the oracle at everything, in milliseconds.
const ORACLE_LOOKS_EVERY_MS: i64 = 1_000;

/// What is to happen.
#[derive(Debug)]
pub(super) enum Task {
    /// A contract trades.
    Tick(usize),
    /// Somebody thinks of something.
    Act(usize),
    /// A hub's message arrives.
    Message(Box<Message>),
    /// A request leaves, or tries to.
    Depart { life: u64, request: Request, asked_at: Option<Timestamp>, calls_left: u32 },
    /// A request arrives at the broker.
    Arrive { life: u64, request: Request, asked_at: Timestamp, fate: Fate },
    /// An answer arrives.
    Answer(Box<Answer>),
    /// The disk is done with the oldest batch.
    Settle { life: u64 },
    /// Requests do not wait for a batch any longer.
    OutOfPatience { life: u64, batch: u64 },
    /// A hub's connection is tried.
    Connect { life: u64, hub: Hub },
    /// A fault strikes by itself.
    Strike(Fault),
    /// A connection that carries nothing is given up.
    GiveUp { life: u64, hub: Hub },
    /// The storm is over.
    StormEnds,
    /// The program starts.
    Start,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) life: u64,
    pub(super) request_id: RequestId,
    /// What was learned, before the answer itself.
    pub(super) learned: Option<Event>,
    pub(super) seen: Option<(AccountId, Seen)>,
    pub(super) result: Result<(), RequestFailure>,
}

/// Everything there is.
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now: Timestamp,
    pub(super) clock: Clock,
    queue: BTreeMap<(Timestamp, u64), Task>,
    queued: u64,
    pub(super) exchange: Exchange,
    pub(super) oracle: Oracle,
    pub(super) weather: Weather,
    pub(super) config: Config,
    pub(super) disk: Disk,
    /// The program's number of lives; what belongs to an earlier one is lost.
    pub(super) life: u64,
    pub(super) program: Option<Program>,
    pub(super) user: Link,
    pub(super) market: Link,
    pub(super) parser: Parser,
    pub(super) limiter: Limiter,
    /// Closes of the program that the exchange took, by the order each made, with the life and the time.
    pub(super) our_closes: BTreeMap<riskd_core::model::OrderId, (u64, Timestamp)>,
    /// Rows of trades that were read before.
    pub(super) trades_read: BTreeMap<riskd_core::model::TradeId, riskd_core::model::Trade>,
    market_chance: Chance,
    contracts: Vec<(ContractId, i64)>,
    people: Vec<Person>,
    window: Option<Window>,
    oracle_looks_at: Timestamp,
    pub(super) starts: u64,
    pub(super) inputs: u64,
    pub(super) recording: Option<Life>,
}

impl World {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut chance = Chance::new(plan.seed, 0);
        let windows = calendar::windows(plan.days, plan.faults, &mut chance);
        let now = calendar::begins(&windows);
        let (terms, config) = setup::accounts(plan);
        let exchange = exchange(plan.seed, &terms, &mut chance);
        let contracts: Vec<(ContractId, i64)> =
            CONTRACTS.iter().filter_map(|(root, ticks)| Some((contract_id(root)?, *ticks))).collect();
        let people = people(plan.seed, &terms, &contracts);
        let mut world = Self {
            plan: plan.clone(),
            now,
            clock: Clock::new(now),
            queue: BTreeMap::new(),
            queued: 0,
            oracle: Oracle::new(terms, exchange.listings(), now),
            exchange,
            weather: Weather::new(plan.seed),
            config,
            disk: Disk::in_memory(),
            life: 0,
            program: None,
            user: Link::new(),
            market: Link::new(),
            parser: Parser::default(),
            limiter: Limiter::new(RateLimits::default()),
            our_closes: BTreeMap::new(),
            trades_read: BTreeMap::new(),
            market_chance: Chance::new(plan.seed, 3),
            contracts,
            people,
            window: None,
            oracle_looks_at: now,
            starts: 0,
            inputs: 0,
            recording: None,
        };
        if plan.sqlite {
            let folder = std::env::temp_dir().join(format!("riskd-world-{}-{}", std::process::id(), plan.seed));
            match Disk::in_a_file(folder, now) {
                Ok(disk) => world.disk = disk,
                Err(error) => world.oracle.violation(now, None, &format!("no database could be made: {error}")),
            }
        }
        world
    }

    /// Plays everything.
    pub(super) fn play(mut self) -> Report {
        let mut chance = Chance::new(self.plan.seed, 0);
        let windows = calendar::windows(self.plan.days, self.plan.faults, &mut chance);
        self.plan_task(0, Task::Start);
        for window in windows {
            self.advance(window.begins);
            self.open(window);
            self.advance(window.ends);
            self.window = None;
            self.audit();
            if self.oracle.has_seen_enough() {
                break;
            }
        }
        // A while of peace more, and everything must be in order.
        let end = after_ms(self.now, 2 * BOUND_MS);
        self.window = Some(Window { begins: self.now, ends: end, storm: None });
        self.advance(end);
        self.audit();
        self.report()
    }

    /// After so many milliseconds.
    pub(super) fn plan_task(&mut self, milliseconds: i64, task: Task) {
        self.queued += 1;
        self.queue.insert((after_ms(self.now, milliseconds.max(0)), self.queued), task);
    }

    /// How long the program sleeps at most.
    pub(super) fn longest_sleep_ms(&self) -> i64 {
        if self.window.is_some() { LONGEST_SLEEP_MS } else { QUIET_SLEEP_MS }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.window.is_none()
    }

    /// People begin to trade.
    fn open(&mut self, window: Window) {
        self.window = Some(window);
        if let Some(program) = &mut self.program {
            program.wake_at = self.now;
        }
        for index in 0..self.contracts.len() {
            self.plan_task(0, Task::Tick(index));
        }
        for index in 0..self.people.len() {
            self.people[index].begin(self.now);
            let pause_ms = self.people[index].pause_ms();
            self.plan_task(pause_ms, Task::Act(index));
        }
        if let Some((comes_up, over)) = window.storm {
            self.begin_storm(comes_up, over);
        }
    }

    fn begin_storm(&mut self, comes_up: Timestamp, over: Timestamp) {
        let alone = self.weather.begin();
        let (from_ms, to_ms) = (milliseconds_between(self.now, comes_up), milliseconds_between(self.now, over));
        for fault in alone {
            let strike_ms = self.weather.chance.between(from_ms, to_ms);
            self.plan_task(strike_ms, Task::Strike(fault));
        }
        self.plan_task(to_ms, Task::StormEnds);
    }

    /// Lets time pass until `end`.
    fn advance(&mut self, end: Timestamp) {
        while !self.oracle.has_seen_enough() {
            let task_at = self.queue.first_key_value().map(|((due, _), _)| *due);
            let wake_at = self.program.as_ref().map(|program| program.wake_at);
            let exchange_at = self.exchange.next_deadline();
            let due = task_at.into_iter().chain(wake_at).chain(exchange_at).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            if task_at.is_some_and(|at| at <= self.now) {
                if let Some(entry) = self.queue.first_entry() {
                    let task = entry.remove();
                    self.deliver(task);
                }
            } else if exchange_at.is_some_and(|at| at <= self.now) {
                self.exchange.advance(self.now);
                self.spread();
            } else {
                self.feed(Event::TimePassed);
            }
            self.tell_the_oracle();
        }
        self.now = self.now.max(end);
    }

    fn tell_the_oracle(&mut self) {
        if self.is_impeded() {
            self.oracle.impeded(self.now);
        }
        if self.oracle_looks_at <= self.now {
            self.oracle_looks_at = after_ms(self.now, ORACLE_LOOKS_EVERY_MS);
            let clock = self.clock.read(self.now);
            self.oracle.time_passed(self.now, clock);
        }
    }

    /// Whether anything stands between the program and the truth.
    fn is_impeded(&mut self) -> bool {
        let Some(program) = &self.program else { return true };
        let is_known = |account_id: &AccountId| {
            program.engine.has_heard_from_the_broker(*account_id)
                && program.engine.account(*account_id).is_some_and(|account| account.certain)
        };
        self.is_quiet()
            || !self.weather.is_calm(self.now)
            || program.journal.is_failing()
            || !self.user.is_up
            || !self.market.is_up
            || !self.config.accounts.keys().all(is_known)
            || !self.clock.is_right(self.now)
    }

    fn deliver(&mut self, task: Task) {
        match task {
            Task::Tick(index) => self.tick(index),
            Task::Act(index) => self.act(index),
            Task::Message(message) => self.receive(*message),
            Task::Depart { life, request, asked_at, calls_left } => self.depart(life, request, asked_at, calls_left),
            Task::Arrive { life, request, asked_at, fate } => self.arrive(life, request, asked_at, fate),
            Task::Answer(answer) => self.answered(*answer),
            Task::Settle { life } => self.settle(life),
            Task::OutOfPatience { life, batch } => self.out_of_patience(life, batch),
            Task::Connect { life, hub } => self.connect(life, hub),
            Task::GiveUp { life, hub } if life == self.life => self.drop_link(hub),
            Task::GiveUp { .. } => {}
            Task::Strike(fault) => self.strike(fault),
            Task::StormEnds => self.end_storm(),
            Task::Start => self.start(),
        }
    }

    fn tick(&mut self, index: usize) {
        let Some(window) = self.window.filter(|window| self.now < window.ends) else { return };
        let chance = &mut self.market_chance;
        let (contract_id, ticks) = &mut self.contracts[index];
        let jumps = chance.once_in(60);
        let step = if jumps { chance.between(10, 60) } else { chance.between(0, 3) };
        *ticks = (*ticks + if chance.once_in(2) { step } else { -step }).max(1_000);
        let tick_size = self.exchange.listing(contract_id).map_or(1, |listing| listing.contract.tick_size.nanos());
        let pause_ms = chance.between(600, 3_500);
        let price = Price::from_nanos(*ticks * tick_size);
        let contract_id = contract_id.clone();
        if self.exchange.tick(&contract_id, price, self.now).is_err() {
            self.oracle.violation(self.now, None, "a contract of the world is not listed");
        }
        self.spread();
        if after_ms(self.now, pause_ms + REST_MS) < window.ends {
            self.plan_task(pause_ms, Task::Tick(index));
        }
    }

    fn act(&mut self, index: usize) {
        let Some(window) = self.window else { return };
        self.people[index].act(&mut self.exchange, self.now);
        self.spread();
        let pause_ms = self.people[index].pause_ms();
        if after_ms(self.now, pause_ms + REST_MS) < window.ends {
            self.plan_task(pause_ms, Task::Act(index));
        }
    }

    fn strike(&mut self, fault: Fault) {
        self.weather.note(fault);
        match fault {
            Fault::HubClose => {
                let hub = if self.weather.chance.once_in(2) { Hub::User } else { Hub::Market };
                self.drop_link(hub);
            }
            Fault::HubSilence => {
                // A dead connection is noticed after thirty seconds without a ping.
                self.weather.silent_until = after_ms(self.now, 30_000);
                for hub in [Hub::User, Hub::Market] {
                    self.plan_task(30_000, Task::GiveUp { life: self.life, hub });
                }
            }
            Fault::GatewayRestart => {
                let away_ms = self.weather.chance.between(500, 90_000);
                self.weather.gateway_back_at = after_ms(self.now, away_ms);
                self.drop_link(Hub::User);
                self.drop_link(Hub::Market);
            }
            Fault::SlowClose => {
                let delay_ms = self.weather.chance.between(50, 900);
                self.exchange.set_close_delay_ms(delay_ms);
            }
            Fault::Kill => self.kill(),
            Fault::DiskHangs | Fault::DiskFails => {
                let away_ms = self.weather.chance.between(100, 20_000);
                self.weather.disk_back_at = after_ms(self.now, away_ms);
            }
            Fault::ClockSet => {
                let forward = self.weather.chance.once_in(2);
                let (least, most) = if forward { (1_000, 600_000) } else { (-30_000, -200) };
                self.clock.ahead = SignedDuration::from_millis(self.weather.chance.between(least, most));
            }
            other => debug_assert!(false, "{other:?} does not strike by itself"),
        }
    }

    fn end_storm(&mut self) {
        self.weather.end();
        self.exchange.set_close_delay_ms(0);
        self.clock.ahead = SignedDuration::ZERO;
    }

    fn report(mut self) -> Report {
        let judgement = self.oracle.judgement();
        let fills = self.config.accounts.keys().map(|id| self.exchange.trades(*id).len() as u64).sum();
        if let (Some(life), Some(program)) = (&mut self.recording, &self.program) {
            life.accounts = format!("{:?}", program.engine.accounts().collect::<Vec<_>>());
        }
        Report {
            seed: self.plan.seed,
            account_days: u64::from(self.plan.accounts) * u64::from(self.plan.days),
            violations: judgement.violations,
            breaches: judgement.breaches,
            confirmed: judgement.confirmed,
            starts: self.starts,
            inputs: self.inputs,
            fills,
            broken: judgement.broken,
            faults: self.weather.struck,
            life: self.recording,
        }
    }
}

fn exchange(seed: u64, terms: &BTreeMap<AccountId, AccountTerms>, chance: &mut Chance) -> Exchange {
    let accounts = terms.iter().map(|(id, terms)| AccountRecord {
        simulated: terms.can_cancel,
        ..AccountRecord::new(id.0, &format!("SIM-{id}"))
    });
    let liquidity = match chance.below(4) {
        0 => Liquidity::UpTo(2),
        1 => Liquidity::UpTo(4),
        _ => Liquidity::Unlimited,
    };
    Exchange::new(ExchangeConfig { seed, accounts: accounts.collect(), liquidity, ..ExchangeConfig::default() })
}

fn people(seed: u64, terms: &BTreeMap<AccountId, AccountTerms>, contracts: &[(ContractId, i64)]) -> Vec<Person> {
    let all: BTreeSet<ContractId> = contracts.iter().map(|(contract_id, _)| contract_id.clone()).collect();
    let all: Vec<ContractId> = all.into_iter().collect();
    let micro = contract_id("MES").unwrap_or_else(|| all[0].clone());
    terms
        .iter()
        .map(|(account_id, terms)| match terms.healthy {
            true => Person::careful(*account_id, micro.clone(), seed),
            false => Person::wild(*account_id, &all, terms.can_cancel, seed),
        })
        .collect()
}

/// A snapshot in the form in which the engine is told of it.
pub(super) fn told(snapshot: Snapshot) -> Event {
    Event::Snapshot(Box::new(snapshot))
}
