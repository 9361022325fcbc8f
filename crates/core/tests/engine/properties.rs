//! What must hold whatever happens. A failure prints its smallest case and the seed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::{Look, Outcome, World};
use crate::probe::Probe;

pub const CONTRACTS: [(&str, f64); 2] = [(MNQ, 2.0), (MES, 5.0)];

#[derive(Debug, Clone)]
pub enum Happening {
    Wait(i64),
    Trade {
        contract: usize,
        change: i64,
    },
    Order {
        contract: usize,
    },
    /// The price, in points from the start.
    Quote {
        contract: usize,
        points: i64,
    },
    Realize {
        dollars: i64,
    },
    Link(bool),
    Outcome(Outcome),
    Look(Look),
    Refused,
    FillAfter(i64),
}

pub fn happening() -> impl Strategy<Value = Happening> {
    let contract = 0..CONTRACTS.len();
    let change = prop_oneof![-3..=-1_i64, 1..=3_i64];
    let outcome = prop_oneof![
        Just(Outcome::AcceptedNotDone),
        Just(Outcome::Refused(5)),
        Just(Outcome::AnswerLost),
        Just(Outcome::RequestLost),
        Just(Outcome::NotSent),
    ];
    let look = prop_oneof![
        Just(Look::Failed),
        Just(Look::PositionsUnreadable),
        Just(Look::OrdersUnreadable),
        Just(Look::TradeUnreadable),
    ];
    prop_oneof![
        4 => prop_oneof![0..30_i64, 0..3_000_i64].prop_map(Happening::Wait),
        4 => (contract.clone(), change).prop_map(|(contract, change)| Happening::Trade { contract, change }),
        1 => contract.clone().prop_map(|contract| Happening::Order { contract }),
        4 => (contract, -60..60_i64).prop_map(|(contract, points)| Happening::Quote { contract, points }),
        1 => (-300..200_i64).prop_map(|dollars| Happening::Realize { dollars }),
        1 => any::<bool>().prop_map(Happening::Link),
        2 => outcome.prop_map(Happening::Outcome),
        1 => look.prop_map(Happening::Look),
        1 => Just(Happening::Refused),
        1 => prop_oneof![Just(0), Just(30), Just(700)].prop_map(Happening::FillAfter),
    ]
}

pub fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec(happening(), 1..40)
}

pub fn start_price(contract: usize) -> i64 {
    [20_000, 5_000][contract]
}

pub fn happen(world: &mut World, happening: &Happening) {
    match happening {
        Happening::Wait(milliseconds) => world.run(*milliseconds),
        Happening::Trade { contract, change } => world.trades(ALICE, CONTRACTS[*contract].0, *change),
        Happening::Order { contract } => {
            world.places_order(ALICE, CONTRACTS[*contract].0);
        }
        Happening::Quote { contract, points } => {
            world.quotes(CONTRACTS[*contract].0, &(start_price(*contract) + points).to_string());
        }
        Happening::Realize { dollars } => {
            world.realizes(ALICE, &dollars.to_string());
        }
        Happening::Link(up) => world.user_link(*up),
        Happening::Outcome(outcome) => world.broker.outcomes.push_back(*outcome),
        Happening::Look(look) => world.broker.looks.push_back(*look),
        Happening::Refused => {
            let invalid = Invalid::new(Noun::Position, "size", "x", "must be a decimal number");
            world.feed(Event::Refused(Refusal { account_id: Some(ALICE), invalid }));
        }
        Happening::FillAfter(milliseconds) => world.broker.fill_ms = *milliseconds,
    }
}

/// Lets everything happen, then lets the broker behave and things settle.
pub fn live(rules: serde_json::Value, happenings: &[Happening], crash_at: Option<usize>) -> World {
    let mut world = World::new(&[ALICE], rules);
    world.crash_at = crash_at;
    for each in happenings {
        happen(&mut world, each);
    }
    world.broker.outcomes.clear();
    world.broker.looks.clear();
    world.broker.fill_ms = 0;
    world.user_link(true);
    world.run(120_000);
    world
}

fn strict_rules() -> serde_json::Value {
    json!({
        "max_contracts": {"limit": 6, "count_type": "gross", "lockout_on_breach": true},
        "daily_realized_loss": {"loss_limit": 500},
        "daily_unrealized_loss": {"loss_limit": 300, "action": "CLOSE_ALL_AND_LOCKOUT"},
    })
}

/// The broker's own books, reckoned without any of the engine's code: (contracts, unrealized, realized).
fn truth(world: &World) -> (i64, f64, f64) {
    let account = &world.broker.accounts[&ALICE];
    let contracts = account.positions.values().map(|held| held.size.abs()).sum();
    let unrealized = CONTRACTS
        .iter()
        .filter_map(|(contract, point_value)| {
            let held = account.positions.get(&id(contract))?;
            let points = (world.broker.prices[&id(contract)].nanos() - held.average.nanos()) as f64 / 1e9;
            Some(points * point_value * held.size as f64)
        })
        .sum();
    let realized =
        account.trades.values().filter_map(|trade| trade.profit_and_loss).map(|pnl| pnl.micros() as f64 / 1e6).sum();
    (contracts, unrealized, realized)
}

/// Nothing is left that a rule forbids, and every lock is kept and proven.
fn assert_protected(world: &World) {
    let (contracts, unrealized, realized) = truth(world);
    let books = format!("{contracts} contracts, unrealized {unrealized}, realized {realized}");
    if world.is_locked(ALICE) {
        assert!(world.broker.is_flat(ALICE), "locked and not flat: {books}");
        assert!(world.broker.accounts[&ALICE].orders.is_empty(), "locked with orders");
        assert!(world.disk.lockouts.contains_key(&ALICE), "the lock is not durable");
    } else {
        assert!(contracts <= 6, "{books}");
        assert!(unrealized > -300.01, "{books}");
        assert!(realized > -500.01, "{books}");
    }
    assert_eq!(world.engine().pending_enforcements(ALICE), 0);
    assert!(world.log(ALICE).iter().all(|row| row.success), "{:#?}", world.log(ALICE));
}

/// A program that has just started and cannot read the broker's books closes rather than waits: it may then close beside
/// an order of its last life that still works. In every other case there is one close at a time.
fn assert_nothing_doubled(world: &World, happenings: &[Happening]) {
    let died_and_could_not_read = world.crash_at.is_some()
        && happenings
            .iter()
            .any(|each| matches!(each, Happening::Look(Look::OrdersUnreadable | Look::PositionsUnreadable)));
    assert!(died_and_could_not_read || !world.doubled, "two closes at once: {:#?}", world.protective_sends());
}

/// The smallest limits that no order of the same happenings could reach.
fn rules_nobody_can_breach(happenings: &[Happening]) -> serde_json::Value {
    let turnover: i64 =
        happenings.iter().map(|each| if let Happening::Trade { change, .. } = each { change.abs() } else { 0 }).sum();
    let losses: i64 = happenings
        .iter()
        .map(|each| if let Happening::Realize { dollars } = each { (-dollars).max(0) } else { 0 })
        .sum();
    let (low, high) = happenings.iter().fold((0, 0), |(low, high), each| match each {
        Happening::Quote { points, .. } => (low.min(*points), high.max(*points)),
        _ => (low, high),
    });
    let swing = turnover * (high - low) * 5;
    json!({
        "max_contracts": {"limit": turnover, "count_type": "gross", "lockout_on_breach": true},
        "daily_realized_loss": {"loss_limit": losses + swing + 1},
        "daily_unrealized_loss": {"loss_limit": swing + 1, "lockout": true, "scope": "total"},
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_breached_account_ends_flat_and_locked_and_no_close_is_doubled(happenings in happenings()) {
        let world = live(strict_rules(), &happenings, None);
        assert_protected(&world);
        assert_nothing_doubled(&world, &happenings);
        if happenings.iter().all(|each| !matches!(each, Happening::FillAfter(milliseconds) if *milliseconds > 0)) {
            prop_assert!(!world.crossed_zero, "a position was turned round");
        }
    }

    #[test]
    fn a_death_at_any_action_changes_nothing_of_that(happenings in happenings(), moment in any::<Index>()) {
        let undisturbed = live(strict_rules(), &happenings, None);
        let crash_at = moment.index(undisturbed.carried_out.max(1)) + 1;
        let world = live(strict_rules(), &happenings, Some(crash_at));
        assert_protected(&world);
        assert_nothing_doubled(&world, &happenings);
    }

    #[test]
    fn a_lasting_breach_ends_the_same_whenever_the_program_dies(
        happenings in prop::collection::vec(happening(), 1..10), moment in any::<Index>()
    ) {
        let mut happenings = happenings;
        happenings.push(Happening::Realize { dollars: -3_000 });
        let undisturbed = live(strict_rules(), &happenings, None);
        prop_assert!(undisturbed.is_locked(ALICE) && undisturbed.broker.is_flat(ALICE));
        let world = live(strict_rules(), &happenings, Some(moment.index(undisturbed.carried_out) + 1));
        prop_assert!(world.is_locked(ALICE));
        assert_protected(&world);
    }

    #[test]
    fn a_reduction_never_turns_a_position_round(happenings in happenings()) {
        let rules = json!({"max_contracts": {"limit": 2, "count_type": "gross", "reduce_to_limit": true}});
        let world = live(rules, &happenings, None);
        prop_assert!(truth(&world).0 <= 2);
        assert_nothing_doubled(&world, &happenings);
        prop_assert!(!world.is_locked(ALICE));
    }

    #[test]
    fn a_healthy_account_is_left_alone(happenings in happenings(), moment in any::<Index>()) {
        let rules = rules_nobody_can_breach(&happenings);
        let world = live(rules.clone(), &happenings, None);
        let crash_at = moment.index(world.carried_out.max(1)) + 1;
        for world in [&world, &live(rules, &happenings, Some(crash_at))] {
            prop_assert_eq!(world.protective_sends(), []);
            prop_assert!(world.log(ALICE).is_empty() && !world.is_locked(ALICE));
            prop_assert!(world.account(ALICE).certain);
            // And what is known is what is.
            let known: Vec<_> = world.account(ALICE).book.positions().cloned().collect();
            prop_assert_eq!(known, world.broker.positions(ALICE));
            let (_, _, realized) = truth(world);
            prop_assert!((world.account(ALICE).session.realized_pnl().to_f64() - realized).abs() < 0.001);
            prop_assert_eq!(world.disk.trades.len(), world.broker.accounts[&ALICE].trades.len());
        }
    }

    #[test]
    fn equal_inputs_give_equal_actions(happenings in happenings()) {
        let once = live(strict_rules(), &happenings, None);
        let again = live(strict_rules(), &happenings, None);
        prop_assert_eq!(&once.done, &again.done);
        let replay = |inputs: &[Input]| {
            let mut actions = Vec::new();
            let mut engine = start(&once.config, Memory::default(), noon(), &mut actions);
            for input in inputs {
                step(&mut engine, &once.config, input.clone(), &mut actions);
            }
            actions
        };
        prop_assert_eq!(replay(&once.inputs), replay(&once.inputs));
        // What was carried out is what the replay asks for, up to the order of writes within a step.
        prop_assert_eq!(replay(&once.inputs).len(), once.done.len());
    }

    #[test]
    fn the_order_of_independent_events_does_not_matter(
        alice in prop::collection::vec(independent(), 1..25),
        bob in prop::collection::vec(independent(), 1..25),
        choices in prop::collection::vec(any::<bool>(), 50),
    ) {
        let mine = |account_id: AccountId, list: &[Independent]| -> Vec<Event> {
            list.iter().enumerate().map(|(index, each)| event_of(account_id, index as i64, each)).collect()
        };
        let (alice, bob) = (mine(ALICE, &alice), mine(BOB, &bob));
        let in_turn = alice.iter().chain(&bob).cloned().collect::<Vec<_>>();
        let (mut left, mut right) = (alice.iter(), bob.iter());
        let mut mixed = Vec::new();
        for choice in choices {
            mixed.extend(if choice { left.next() } else { right.next() }.cloned());
        }
        mixed.extend(left.cloned());
        mixed.extend(right.cloned());
        prop_assert_eq!(outcome(&in_turn), outcome(&mixed));
    }
}

/// Something about one account or one contract that only this account holds.
#[derive(Debug, Clone)]
enum Independent {
    Position(i64),
    Order(i64),
    Trade(i64),
    Quote(i64),
}

fn independent() -> impl Strategy<Value = Independent> {
    prop_oneof![
        (-8..8_i64).prop_map(Independent::Position),
        (0..4_i64).prop_map(Independent::Order),
        (-300..200_i64).prop_map(Independent::Trade),
        (4_900..5_100_i64).prop_map(Independent::Quote),
    ]
}

fn event_of(account_id: AccountId, index: i64, event: &Independent) -> Event {
    let contract = if account_id == ALICE { MNQ } else { MES };
    match event {
        Independent::Position(size) => Event::Position(position(account_id, contract, *size, "5000")),
        Independent::Order(order_id) => Event::Order(limit_order(account_id.0 + order_id, account_id, contract)),
        Independent::Trade(pnl) => {
            Event::Trade(trade(account_id.0 + index, account_id, Some(&pnl.to_string()), noon()))
        }
        Independent::Quote(last) => Event::Quote(quote(contract, &last.to_string(), noon())),
    }
}

/// What was asked for each account, and about each contract, with the engine's own numbers out.
fn outcome(events: &[Event]) -> BTreeMap<String, Vec<String>> {
    let config = config(&[ALICE, BOB], rules(strict_rules()));
    let mut actions = Vec::new();
    let mut engine = start(&config, Memory::default(), noon(), &mut actions);
    let empty = |account_id| {
        Event::Snapshot(Box::new(Snapshot {
            account_id,
            asked_at: noon(),
            account: None,
            positions: Vec::new(),
            orders: Vec::new(),
            trades: Vec::new(),
            trades_since: Some(Timestamp::MIN),
            refused: Vec::new(),
        }))
    };
    let known = [Event::Contract(contract(MNQ)), Event::Contract(contract(MES)), empty(ALICE), empty(BOB)];
    for event in known.iter().chain(events) {
        step(&mut engine, &config, Input { at: noon(), event: event.clone() }, &mut actions);
    }
    let mut by_owner: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for action in actions {
        let text = match action {
            Action::Send(request) => format!("{:?} {:?}", request.account_id, request.kind),
            Action::Store(Write::PutEnforcement { log, goal }) => {
                let mut draft = log.into_draft();
                draft.id = None;
                format!("{draft:?} {goal:?}")
            }
            other => format!("{other:?}"),
        };
        // Bob's numbers begin with 20; only his contract speaks for him where no account is named.
        let names_bob = ["AccountId(202)", "RemovePosition(PositionId(20", "RemoveOrder(OrderId(20"];
        let is_bobs = names_bob.iter().any(|name| text.contains(name))
            || (text.contains(MES) && !text.contains("AccountId(101)"));
        let owner = if is_bobs { "Bob" } else { "Alice" };
        by_owner.entry(owner.to_owned()).or_default().push(text);
    }
    by_owner
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_in_which_trades_come_changes_no_lock(
        (in_turn, mixed) in prop::collection::vec((0..30_000_i64, -400..300_i64), 1..14).prop_flat_map(|trades| {
            let numbered: Vec<_> = trades.into_iter().enumerate().collect();
            (Just(numbered.clone()), Just(numbered).prop_shuffle())
        })
    ) {
        prop_assert_eq!(locks_after(&in_turn), locks_after(&mixed));
    }
}

/// The lockouts after these trades (milliseconds and dollars), which all lie in the last half minute.
fn locks_after(trades: &[(usize, (i64, i64))]) -> BTreeMap<RuleId, Option<Timestamp>> {
    let mut probe = Probe::new(json!({
        "trade_frequency_limit": {"limits": {"per_minute": 3, "per_hour": 6, "per_session": 9}},
        "cooldown_after_loss": {"loss_thresholds": [
            {"loss_amount": 100, "cooldown_duration": 300}, {"loss_amount": 300, "cooldown_duration": 120}]},
    }));
    probe.at = after(noon(), 60_000);
    for (index, (milliseconds, dollars)) in trades {
        let executed = after(noon(), 30_000 + milliseconds);
        probe.feed(Event::Trade(trade(*index as i64 + 1, ALICE, Some(&dollars.to_string()), executed)));
    }
    let locks = &probe.engine.account(ALICE).unwrap().locks;
    locks.causes().map(|lockout| (lockout.rule_id, lockout.locked_until)).collect()
}
