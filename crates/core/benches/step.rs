//! What one quote costs the engine when 1, 100 and 1,000 accounts hold its contract and none is in breach.
//!
//! Allocations are not counted here: a counting allocator needs `unsafe`, which the workspace forbids.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::SignedDuration;
use riskd_core::engine::{
    AccountConfig, Action, Config, EngineState, Event, Hub, Input, Memory, Snapshot, start, step,
};
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;

const RULES: &str = r#"{
    "max_contracts": {"limit": 5},
    "daily_realized_loss": {"loss_limit": 500},
    "daily_unrealized_loss": {"loss_limit": 300, "scope": "total", "lockout": true}
}"#;

fn quotes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("quote");
    for accounts in [1, 100, 1_000] {
        let (config, mut engine, mut at) = engine_holding(accounts);
        let mut actions = Vec::new();
        let mut up = false;
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::from_parameter(accounts), &accounts, |bencher, _| {
            bencher.iter(|| {
                at = at.checked_add(SignedDuration::from_micros(100)).expect("the benchmark ends before time does");
                up = !up;
                let event = Event::Quote(quote(at, if up { "20001" } else { "19999" }));
                step(&mut engine, &config, Input { at, event }, &mut actions);
                black_box(&actions);
                actions.clear();
            });
        });
    }
    group.finish();
}

/// So many connected accounts, each with one contract of the same kind.
fn engine_holding(accounts: i64) -> (Config, EngineState, Timestamp) {
    let at: Timestamp = "2026-03-10T14:00:00Z".parse().expect("a time");
    let rules: RulesConfig = serde_json::from_str(RULES).expect("rules");
    let day_clock = TradingDayClock::new(jiff::civil::time(17, 0, 0, 0), jiff::tz::TimeZone::UTC);
    let account = AccountConfig { day_clock, rules: rules.build().expect("rules").into() };
    let ids = (1..=accounts).map(AccountId);
    let config = Config { accounts: ids.clone().map(|id| (id, account.clone())).collect(), ..Config::default() };
    let mut actions: Vec<Action> = Vec::new();
    let mut engine = start(&config, Memory::default(), at, &mut actions);
    let known = [Event::Link { hub: Hub::User, up: true }, Event::Contract(contract())];
    let snapshots = ids.map(|account_id| {
        Event::Snapshot(Box::new(Snapshot {
            account_id,
            asked_at: at,
            account: None,
            positions: vec![position(account_id, at)],
            orders: Vec::new(),
            trades: Vec::new(),
            trades_since: Some(at),
            refused: Vec::new(),
        }))
    });
    for event in known.into_iter().chain(snapshots) {
        step(&mut engine, &config, Input { at, event }, &mut actions);
    }
    (config, engine, at)
}

fn contract_id() -> ContractId {
    ContractId::new("CON.F.US.MNQ.H26", Noun::Contract).expect("an id")
}

fn contract() -> Contract {
    Contract::new(ContractDraft {
        contract_id: contract_id(),
        symbol_id: "F.US.MNQ".to_owned(),
        name: "MNQH6".to_owned(),
        tick_size: Price::parse("0.25").expect("a price"),
        tick_value: Money::from_cents(50),
        exchange: None,
        expiration: None,
        allows_negative_price: false,
    })
    .expect("a contract")
}

fn position(account_id: AccountId, at: Timestamp) -> Position {
    let draft = PositionDraft {
        id: PositionId(account_id.0),
        account_id,
        contract_id: contract_id(),
        position_type: PositionType::Long,
        size: 1,
        average_price: Price::parse("20000").expect("a price"),
        created_at: at,
        updated_at: at,
    };
    Position::new(draft, &Checks::at(at)).expect("a position")
}

fn quote(at: Timestamp, last: &str) -> Quote {
    let last = Price::parse(last).expect("a price");
    let draft = QuoteDraft { contract_id: contract_id(), bid: None, ask: None, last: Some(last), timestamp: at };
    Quote::new(draft, &Checks::at(at)).expect("a quote")
}

criterion_group!(benches, quotes);
criterion_main!(benches);
