//! The price index against the plain engine that asks every holder at every price: they must do the same, always.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::{Value, json};

use crate::build::*;

const CONTRACTS: [(&str, i64, i64); 3] = [(MNQ, 20_000, 25), (ES, 5_000, 25), (CL, 60, 1)];

/// Every rule that watches prices, in every mode, alone and together.
fn rule_sets() -> Vec<Value> {
    let all = json!({
        "daily_unrealized_loss": {"loss_limit": 700, "scope": "total", "lockout": true},
        "max_unrealized_profit": {"profit_target": 900, "scope": "per_position"},
        "max_drawdown": {"limit": 800, "lockout_until": "daily_reset"},
    });
    vec![
        json!({"daily_unrealized_loss": {"loss_limit": 300}}),
        json!({"daily_unrealized_loss": {"loss_limit": 300, "scope": "total"}}),
        json!({"max_unrealized_profit": {"profit_target": 400}}),
        json!({"max_unrealized_profit": {"profit_target": 400, "scope": "total"}}),
        json!({"max_unrealized_profit": {"mode": "breakeven", "arm_ticks": 6}}),
        json!({"max_unrealized_profit": {"mode": "breakeven", "arm_ticks": 6, "scope": "total"}}),
        json!({"max_drawdown": {"limit": 600}}),
        json!({"max_drawdown": {"limit": 600, "mode": "trailing_end_of_day"}}),
        json!({"max_drawdown": {"limit": 600, "mode": "static", "lockout_until": "daily_reset"}}),
        json!({"trade_management": {"auto_stop_loss": true}}),
        json!({"trade_management": {"auto_breakeven": {"profit_trigger_ticks": 4, "offset_ticks": 1}}}),
        json!({"trade_management": {"trailing_stop": {"activation_ticks": 6, "trail_distance_ticks": 3}}}),
        json!({
            "trade_management": {
                "auto_stop_loss": true, "stop_loss_ticks": 12, "auto_breakeven": {"profit_trigger_ticks": 3},
                "trailing_stop": {"activation_ticks": 8, "trail_distance_ticks": 10},
            },
            "daily_unrealized_loss": {"loss_limit": 700},
        }),
        all,
    ]
}

#[derive(Debug, Clone)]
enum Happening {
    Wait(i64),
    /// Which contract, ticks from the start, whether a last price comes with it.
    Quote(usize, i64, bool),
    /// Which account, which contract, size, ticks of the average price from the start.
    Position(usize, usize, i64, i64),
    Trade(usize, i64),
    Balance(usize, i64),
    /// The broker's books, as they are known, or flat.
    Look(usize, bool),
    Described(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let account = 0..rule_sets().len();
    let contract = 0..CONTRACTS.len();
    let ticks = prop_oneof![3 => -8..=8_i64, 2 => -60..=60_i64, 1 => -9_000..=9_000_i64];
    prop_oneof![
        2 => prop_oneof![0..50_i64, 500..4_000_i64, Just(25_000_000)].prop_map(Happening::Wait),
        24 => (contract.clone(), ticks, 0..8_u8).prop_map(|(contract, ticks, kind)| {
            Happening::Quote(contract, ticks, kind > 0)
        }),
        8 => (account.clone(), contract.clone(), -4..=4_i64, -6..=6_i64)
            .prop_map(|(account, contract, size, ticks)| Happening::Position(account, contract, size, ticks)),
        2 => (account.clone(), -300..300_i64).prop_map(|(account, pnl)| Happening::Trade(account, pnl)),
        2 => (account.clone(), 49_000..51_000_i64).prop_map(|(account, balance)| Happening::Balance(account, balance)),
        3 => (account, any::<bool>()).prop_map(|(account, flat)| Happening::Look(account, flat)),
        1 => contract.prop_map(Happening::Described),
    ]
}

fn price_at(contract: usize, ticks: i64) -> Price {
    let (_, start, tick_hundredths) = CONTRACTS[contract];
    Price::from_nanos(start * 1_000_000_000 + ticks * tick_hundredths * 10_000_000)
}

fn account_id(index: usize) -> AccountId {
    AccountId(101 + index as i64)
}

/// What a happening is to the engine.
fn event_of(happening: &Happening, number: i64, at: Timestamp, engine: &EngineState) -> Event {
    match happening {
        Happening::Wait(_) => Event::TimePassed,
        Happening::Quote(contract, ticks, has_last) => {
            let price = price_at(*contract, *ticks).to_string();
            let last = has_last.then_some(price.as_str());
            Event::Quote(quote_of(CONTRACTS[*contract].0, Some(&price), Some(&price), last, at))
        }
        Happening::Position(account, contract, size, ticks) => {
            let average = price_at(*contract, *ticks).to_string();
            Event::Position(position(account_id(*account), CONTRACTS[*contract].0, *size, &average))
        }
        Happening::Trade(account, pnl) => Event::Trade(trade(number, account_id(*account), Some(&pnl.to_string()), at)),
        Happening::Balance(account, balance) => {
            let draft = AccountDraft {
                id: account_id(*account),
                name: String::new(),
                balance: dollars(&balance.to_string()),
                can_trade: Some(true),
                simulated: true,
            };
            Event::Account(Account::new(draft).unwrap())
        }
        Happening::Look(account, flat) => {
            let known = engine.account(account_id(*account)).unwrap().book.positions().cloned();
            Event::Snapshot(Box::new(Snapshot {
                account_id: account_id(*account),
                asked_at: at,
                account: None,
                positions: known.filter(|_| !flat).collect(),
                orders: Vec::new(),
                trades: Vec::new(),
                trades_since: None,
                refused: Vec::new(),
            }))
        }
        Happening::Described(contract) => Event::Contract(contract_of(*contract)),
    }
}

fn contract_of(index: usize) -> Contract {
    contract(CONTRACTS[index].0)
}

/// Plays a day; gives every action, step by step.
fn play(happenings: &[Happening], plain: bool) -> Vec<(usize, Action)> {
    let accounts: BTreeMap<_, _> = rule_sets()
        .into_iter()
        .enumerate()
        .map(|(index, section)| {
            (account_id(index), AccountConfig { day_clock: new_york(), rules: Arc::new(rules(section)) })
        })
        .collect();
    let config = Config { accounts, ..Config::default() };
    let mut actions = Vec::new();
    let mut engine = start(&config, Memory::default(), noon(), &mut actions);
    if plain {
        engine.ask_everyone_at_every_price();
    }
    let mut at = noon();
    let mut happened = vec![Event::Link { hub: Hub::User, up: true }];
    happened.extend((0..rule_sets().len()).map(|index| event_of(&Happening::Look(index, true), 0, at, &engine)));
    for event in happened {
        step(&mut engine, &config, Input { at, event }, &mut actions);
    }
    let mut all: Vec<(usize, Action)> = actions.drain(..).map(|action| (0, action)).collect();
    for (number, happening) in happenings.iter().enumerate() {
        at = after(at, if let Happening::Wait(milliseconds) = happening { *milliseconds } else { 1 });
        let event = event_of(happening, number as i64 + 1, at, &engine);
        step(&mut engine, &config, Input { at, event }, &mut actions);
        let cleared: Vec<AccountId> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Store(Write::ClearLockout { account_id, .. }) => Some(*account_id),
                _ => None,
            })
            .collect();
        for account_id in cleared {
            step(&mut engine, &config, Input { at, event: Event::LockoutCleared { account_id } }, &mut actions);
        }
        all.extend(actions.drain(..).map(|action| (number + 1, action)));
    }
    all
}

/// Contracts are known and quoted from the start in most days, and not in some.
fn day() -> impl Strategy<Value = Vec<Happening>> {
    let known =
        || (0..CONTRACTS.len()).flat_map(|index| [Happening::Described(index), Happening::Quote(index, 0, true)]);
    (any::<u8>(), prop::collection::vec(happening(), 1..160)).prop_map(move |(kind, happenings)| {
        let before: Vec<_> = if kind % 8 == 0 { Vec::new() } else { known().collect() };
        before.into_iter().chain(happenings).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn an_indexed_engine_does_what_a_plain_one_does(happenings in day()) {
        let (indexed, plain) = (play(&happenings, false), play(&happenings, true));
        let differs = indexed.iter().zip(&plain).position(|(one, other)| one != other);
        let first = differs.unwrap_or(indexed.len().min(plain.len()));
        prop_assert_eq!(indexed.get(first), plain.get(first), "action {}", first);
    }
}

/// The property above is worth something only if breaches happen in it.
#[test]
fn the_days_of_the_comparison_hold_breaches_of_every_rule() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut breached: BTreeMap<RuleId, usize> = BTreeMap::new();
    for _ in 0..160 {
        let happenings = day().new_tree(&mut runner).unwrap().current();
        for (_, action) in play(&happenings, false) {
            if let Action::Notice(Notice::Breach { rule_id, .. }) = action {
                *breached.entry(rule_id).or_default() += 1;
            }
        }
    }
    let watch_prices =
        [RuleId::DAILY_UNREALIZED_LOSS, RuleId::MAX_UNREALIZED_PROFIT, RuleId::MAX_DRAWDOWN, RuleId::TRADE_MANAGEMENT];
    for rule_id in watch_prices {
        assert!(breached.get(&rule_id).is_some_and(|times| *times > 50), "{rule_id}: {breached:?}");
    }
}
