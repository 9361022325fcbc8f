//! What publishing costs the event loop with 400 accounts that hold a contract: a turn with nothing due, a slice of a
//! picture, a whole picture, and the picture that a lockout brings at once.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use riskd::daemon::Counts;
use riskd::daemon::publish::{Message, Published, Publisher, Surroundings, publishing};
use riskd_core::engine::{
    AccountConfig, Action, Config, EngineState, Event, Hub, Input, Memory, Notice, Snapshot, start, step,
};
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;
use riskd_gateway::client::event_queue;

const ACCOUNTS: i64 = 400;
const RULES: &str = r#"{
    "max_contracts": {"limit": 5},
    "daily_realized_loss": {"loss_limit": 500},
    "daily_unrealized_loss": {"loss_limit": 300, "scope": "total", "lockout": true}
}"#;

fn publish(criterion: &mut Criterion) {
    let (config, engine, at) = engine_holding(ACCOUNTS);
    let (events, inbox) = event_queue(8_192);
    let counts = Counts::default();
    let around = Surroundings { counts: &counts, journal_failing: false, inbox: &inbox, gateway: None, alerts: None };
    let mut group = criterion.benchmark_group("publishing");
    group.bench_function("turn with nothing due", |bencher| {
        let (mut publisher, published) = publishing();
        let mut published = finish(&mut publisher, published, &engine, &config, at, &around);
        publisher.put_off();
        bencher.iter(|| publisher.turn(black_box(&engine), &config, at, &around));
        drain(&mut published);
    });
    group.bench_function("slice of a picture", |bencher| {
        let (mut publisher, mut published) = publishing();
        bencher.iter(|| {
            publisher.due_now();
            publisher.turn(black_box(&engine), &config, at, &around);
            drain(&mut published);
        });
    });
    group.bench_function("whole picture", |bencher| {
        let (mut publisher, published) = publishing();
        let mut published = Some(published);
        bencher.iter(|| {
            publisher.due_now();
            let taken = published.take().expect("it was put back");
            published = Some(finish(&mut publisher, taken, &engine, &config, at, &around));
        });
    });
    group.bench_function("picture after a lockout", |bencher| {
        let (mut publisher, published) = publishing();
        let mut published = finish(&mut publisher, published, &engine, &config, at, &around);
        let cleared = Action::Notice(Notice::LockoutCleared(AccountId(7)));
        publisher.put_off();
        bencher.iter(|| {
            publisher.observe(&cleared, at);
            publisher.turn(black_box(&engine), &config, at, &around);
            drain(&mut published);
        });
    });
    group.finish();
    drop(events);
}

/// Turns until a picture is there.
fn finish(
    publisher: &mut Publisher,
    mut published: Published,
    engine: &EngineState,
    config: &Config,
    at: Timestamp,
    around: &Surroundings<'_>,
) -> Published {
    loop {
        publisher.turn(black_box(engine), config, at, around);
        if let Ok(Message::Picture(picture)) = published.messages.try_recv() {
            black_box(picture);
            return published;
        }
    }
}

fn drain(published: &mut Published) {
    while let Ok(message) = published.messages.try_recv() {
        black_box(message);
    }
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

criterion_group!(benches, publish);
criterion_main!(benches);
