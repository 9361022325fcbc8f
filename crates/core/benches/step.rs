//! What one quote costs the engine when 1, 100, 1,000 and 10,000 accounts hold its contract under per-position and total
//! limits: `cargo bench -p riskd-core --bench step`.
//!
//! Every quote is timed by itself; allocations are counted in a run of their own. In the scenario "calm" the price wanders
//! where no account is near a limit; in "busy" it goes through the bands of accounts that hold two contracts under one
//! total limit, so that their shares are reckoned anew all the time, without a breach.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)]

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use jiff::SignedDuration;
use riskd_core::engine::{
    AccountConfig, Action, Config, EngineState, Event, Hub, Input, Memory, Snapshot, start, step,
};
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const PER_POSITION: &str = r#"{
    "max_contracts": {"limit": 5},
    "daily_realized_loss": {"loss_limit": 500},
    "daily_unrealized_loss": {"loss_limit": 300, "scope": "per_position"},
    "max_unrealized_profit": {"profit_target": 1000}
}"#;

const TOTAL: &str = r#"{
    "max_contracts": {"limit": 5},
    "daily_realized_loss": {"loss_limit": 500},
    "daily_unrealized_loss": {"loss_limit": 300, "scope": "total", "lockout": true},
    "max_drawdown": {"limit": 2000, "mode": "trailing_end_of_day"}
}"#;

/// Every position has a stop that stands, and the price comes near enough to breakeven to be reckoned with.
const STOPS: &str = r#"{
    "trade_management": {
        "auto_stop_loss": true, "auto_breakeven": {"profit_trigger_ticks": 120}, "trailing_stop": {"activation_ticks": 200}
    }
}"#;

const MNQ: &str = "CON.F.US.MNQ.H26";
const MES: &str = "CON.F.US.MES.H26";
const QUOTES: usize = 20_000;

#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    rules: &'static str,
    /// Whether every account holds a second contract.
    two_contracts: bool,
    /// How far the price wanders from 20,000, in ticks.
    wander_ticks: i64,
}

fn main() {
    let scenarios = [
        Scenario { name: "per position, calm", rules: PER_POSITION, two_contracts: false, wander_ticks: 40 },
        Scenario { name: "stops, calm", rules: STOPS, two_contracts: false, wander_ticks: 40 },
        Scenario { name: "total, calm", rules: TOTAL, two_contracts: false, wander_ticks: 40 },
        Scenario { name: "total, busy", rules: TOTAL, two_contracts: true, wander_ticks: 380 },
    ];
    println!("| scenario | accounts | quotes/s | p50 | p99 | p99.9 | allocations a quote |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for scenario in scenarios {
        for accounts in [1, 100, 1_000, 10_000] {
            measure(scenario, accounts);
        }
    }
}

fn measure(scenario: Scenario, accounts: i64) {
    let (config, mut engine, begin) = engine_holding(scenario, accounts);
    let quotes = quotes(begin, scenario.wander_ticks);
    let mut actions = Vec::with_capacity(64);
    let mut took: Vec<u64> = Vec::with_capacity(QUOTES);
    let mut run = |engine: &mut EngineState, from: usize, took: Option<&mut Vec<u64>>| {
        let mut times = took;
        for input in &quotes[from..from + QUOTES] {
            let input = input.clone();
            let started = Instant::now();
            step(engine, &config, input, &mut actions);
            let elapsed = started.elapsed();
            if let Some(times) = times.as_deref_mut() {
                times.push(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
            }
            black_box(&actions);
            actions.clear();
        }
    };
    // Once to be warm, once to count allocations, once to take the time.
    run(&mut engine, 0, None);
    let region = Region::new(ALLOCATOR);
    run(&mut engine, QUOTES, None);
    let allocations = region.change().allocations as f64 / QUOTES as f64;
    run(&mut engine, 2 * QUOTES, Some(&mut took));
    let total: u64 = took.iter().sum();
    took.sort_unstable();
    let at = |share: f64| micros(took[((took.len() - 1) as f64 * share) as usize]);
    let rate = QUOTES as f64 / (total as f64 / 1e9);
    println!(
        "| {} | {accounts} | {rate:.0} | {} | {} | {} | {allocations:.4} |",
        scenario.name,
        at(0.5),
        at(0.99),
        at(0.999)
    );
}

fn micros(nanos: u64) -> String {
    format!("{:.2} µs", nanos as f64 / 1e3)
}

/// A price that wanders a tick at a time, back and forth within its bounds; the same in every run.
fn quotes(begin: Timestamp, wander_ticks: i64) -> Vec<Input> {
    let mut seed: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut ticks: i64 = 0;
    (1..=3 * QUOTES as i64)
        .map(|number| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            ticks = (ticks + (seed % 7) as i64 - 3).clamp(-wander_ticks, wander_ticks);
            let at = begin + SignedDuration::from_micros(100 * number);
            let last = Price::from_nanos(20_000_000_000_000 + ticks * 250_000_000);
            let draft = QuoteDraft { contract_id: id(MNQ), bid: None, ask: None, last: Some(last), timestamp: at };
            Input { at, event: Event::Quote(Quote::new(draft, &Checks::at(at)).expect("a quote")) }
        })
        .collect()
}

/// So many connected accounts, each with a contract of the same kind, at average prices that differ.
fn engine_holding(scenario: Scenario, accounts: i64) -> (Config, EngineState, Timestamp) {
    let at: Timestamp = "2026-03-10T14:00:00Z".parse().expect("a time");
    let rules: RulesConfig = serde_json::from_str(scenario.rules).expect("rules");
    let day_clock = TradingDayClock::new(jiff::civil::time(17, 0, 0, 0), jiff::tz::TimeZone::UTC);
    let account = AccountConfig { day_clock, rules: rules.build().expect("rules").into() };
    let ids = (1..=accounts).map(AccountId);
    let config = Config { accounts: ids.clone().map(|id| (id, account.clone())).collect(), ..Config::default() };
    let mut actions: Vec<Action> = Vec::new();
    let mut engine = start(&config, Memory::default(), at, &mut actions);
    let mut events = vec![
        Event::Link { hub: Hub::User, up: true },
        Event::Contract(contract(MNQ, 50)),
        Event::Contract(contract(MES, 125)),
    ];
    for account_id in ids {
        let mut positions = vec![position(account_id, MNQ, 20_000, at)];
        if scenario.two_contracts {
            positions.push(position(account_id, MES, 5_000, at));
        }
        events.push(Event::Account(
            Account::new(AccountDraft {
                id: account_id,
                name: String::new(),
                balance: Money::from_dollars(50_000),
                can_trade: Some(true),
                simulated: true,
            })
            .expect("an account"),
        ));
        events.push(Event::Snapshot(Box::new(Snapshot {
            account_id,
            asked_at: at,
            account: None,
            orders: if scenario.rules == STOPS { positions.iter().map(stop_of).collect() } else { Vec::new() },
            positions,
            trades: Vec::new(),
            trades_since: Some(at),
            refused: Vec::new(),
        })));
    }
    for (contract, points) in [(MNQ, 20_000), (MES, 5_000)] {
        let last = Some(Price::from_nanos(points * 1_000_000_000));
        let draft = QuoteDraft { contract_id: id(contract), bid: None, ask: None, last, timestamp: at };
        events.push(Event::Quote(Quote::new(draft, &Checks::at(at)).expect("a quote")));
    }
    for event in events {
        step(&mut engine, &config, Input { at, event }, &mut actions);
    }
    // Past the moment until which news settle, and past the looks that follow a start.
    let settled = at + SignedDuration::from_secs(10);
    step(&mut engine, &config, Input { at: settled, event: Event::TimePassed }, &mut actions);
    (config, engine, settled)
}

fn id(contract: &str) -> ContractId {
    ContractId::new(contract, Noun::Contract).expect("an id")
}

fn contract(contract: &str, tick_cents: i32) -> Contract {
    Contract::new(ContractDraft {
        contract_id: id(contract),
        symbol_id: String::new(),
        name: String::new(),
        tick_size: Price::parse("0.25").expect("a price"),
        tick_value: Money::from_cents(tick_cents),
        exchange: None,
        expiration: None,
        allows_negative_price: false,
    })
    .expect("a contract")
}

/// One contract, long for every other account and short for the rest, bought within ten points of `points`.
fn position(account_id: AccountId, contract: &str, points: i64, at: Timestamp) -> Position {
    let draft = PositionDraft {
        id: PositionId(account_id.0),
        account_id,
        contract_id: id(contract),
        position_type: if account_id.0 % 2 == 0 { PositionType::Long } else { PositionType::Short },
        size: 1,
        average_price: Price::from_nanos(points * 1_000_000_000 + (account_id.0 % 81 - 40) * 250_000_000),
        created_at: at,
        updated_at: at,
    };
    Position::new(draft, &Checks::at(at)).expect("a position")
}

/// A stop of the trader's, far away from the price.
fn stop_of(position: &Position) -> Order {
    let is_long = position.signed_size() > 0;
    let away = if is_long { -100_000_000_000 } else { 100_000_000_000 };
    let draft = OrderDraft {
        id: OrderId(position.account_id.0),
        account_id: position.account_id,
        contract_id: position.contract_id.clone(),
        order_type: OrderType::Stop,
        side: if is_long { Side::Sell } else { Side::Buy },
        size: position.size,
        state: OrderState::Working,
        limit_price: None,
        stop_price: Some(Price::from_nanos(position.average_price.nanos() + away)),
        trail_distance: None,
        fill_price: None,
        filled_size: 0,
        created_at: position.created_at,
        updated_at: position.updated_at,
        is_stop_loss: true,
        custom_tag: None,
    };
    Order::new(draft, &Checks::at(position.created_at)).expect("an order")
}
