//! Living a life again: the same log gives the same state, and the order of independent events does not matter.

use std::collections::BTreeMap;

use riskd_core::engine::{Action, Config, EngineState, Event, Input, start, step};
use riskd_core::model::AccountId;
use riskd_sim::world::{Life, Plan, engine_config, run};

/// A world with several accounts trading at once, whose last life is kept.
fn life(seed: u64) -> (Config, Life) {
    let plan = Plan { days: 2, records: true, ..Plan::new(seed) };
    (engine_config(&plan), run(&plan).life.unwrap())
}

fn begin(config: &Config, life: &Life) -> EngineState {
    let mut actions = Vec::new();
    let engine = start(config, life.memory.clone(), life.started_at, &mut actions);
    assert_eq!(actions, life.first_actions, "the start");
    engine
}

fn accounts(engine: &EngineState) -> String {
    format!("{:?}", engine.accounts().collect::<Vec<_>>())
}

#[test]
fn replaying_the_log_of_events_gives_the_same_actions_and_the_same_state() {
    for seed in [11, 12, 13] {
        let (config, life) = life(seed);
        let mut engine = begin(&config, &life);
        assert!(life.steps.len() > 1_000, "seed {seed}: a life worth living again");
        for (index, (input, expected)) in life.steps.iter().enumerate() {
            let mut actions = Vec::new();
            step(&mut engine, &config, input.clone(), &mut actions);
            assert_eq!(actions, *expected, "seed {seed}, step {index}: {input:?}");
        }
        assert_eq!(accounts(&engine), life.accounts, "seed {seed}");
    }
}

/// The account an event is about, when it is about one alone.
fn account_of(event: &Event) -> Option<AccountId> {
    match event {
        Event::Account(account) => Some(account.id),
        Event::Position(position) => Some(position.account_id),
        Event::PositionClosed { account_id, .. } => Some(*account_id),
        Event::Order(order) => Some(order.account_id),
        Event::Trade(trade) => Some(trade.account_id),
        _ => None,
    }
}

/// What was asked for, without the numbers that are handed out in turn, and in an order of its own.
fn without_numbers(actions: &[Action]) -> Vec<String> {
    let text = |action: &Action| match action {
        Action::Send(request) => format!("{:?} {:?}", request.account_id, request.kind),
        other => {
            let text = format!("{other:?}");
            let mut parts = text.split("EnforcementId(");
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |text, part| text + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
        }
    };
    let mut texts: Vec<String> = actions.iter().map(text).collect();
    texts.sort();
    texts
}

fn take_in(engine: &mut EngineState, config: &Config, burst: &[Input]) -> (String, Vec<String>) {
    let mut actions = Vec::new();
    for input in burst {
        step(engine, config, input.clone(), &mut actions);
    }
    (accounts(engine), without_numbers(&actions))
}

/// Each account of a burst, and its events in their order.
fn by_account(burst: &[Input]) -> BTreeMap<Option<AccountId>, Vec<Input>> {
    let mut sorted: BTreeMap<_, Vec<Input>> = BTreeMap::new();
    for input in burst {
        sorted.entry(account_of(&input.event)).or_default().push(input.clone());
    }
    sorted
}

/// Events of one moment that are about different accounts may come in any order: each account's outcome is the same.
#[test]
fn the_order_of_independent_events_does_not_change_the_outcome() {
    let mut turned = 0;
    for seed in [21, 22, 24] {
        let (config, life) = life(seed);
        let mut engine = begin(&config, &life);
        let inputs: Vec<Input> = life.steps.into_iter().map(|(input, _)| input).collect();
        let mut rest = inputs.as_slice();
        while let Some(first) = rest.first() {
            let alike = |input: &&Input| input.at == first.at && account_of(&input.event).is_some();
            let length = rest.iter().take_while(alike).count().max(1);
            let (burst, later) = rest.split_at(length);
            rest = later;
            let sorted = by_account(burst);
            if sorted.len() < 2 {
                burst.iter().for_each(|input| step(&mut engine, &config, input.clone(), &mut Vec::new()));
                continue;
            }
            let before = engine.clone();
            let expected = take_in(&mut engine, &config, burst);
            let forward: Vec<Input> = sorted.values().flatten().cloned().collect();
            let backward: Vec<Input> = sorted.values().rev().flatten().cloned().collect();
            for order in [forward, backward] {
                turned += usize::from(order != burst);
                assert_eq!(take_in(&mut before.clone(), &config, &order), expected, "seed {seed}: {burst:#?}");
            }
        }
    }
    assert!(turned > 20, "{turned} bursts were turned round");
}
