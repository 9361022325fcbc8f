//! The arming self-test: each thing a rule needs, taken away and given back.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::World;

const HELD_UP: i64 = 11_000;

fn world() -> World {
    World::new(&[ALICE, BOB], json!({"max_contracts": {}, "daily_unrealized_loss": {}}))
}

/// Rules of an account that are not armed, and why.
fn not_armed(world: &World, account_id: AccountId) -> Vec<(String, String)> {
    let arming = world.engine().arming_of(&world.config, account_id, world.now);
    let missing = |rule: RuleArming| Some((rule.rule_id.to_string(), rule.not_armed?));
    arming.into_iter().filter_map(missing).collect()
}

/// What was told of arming, oldest first.
fn told(world: &World) -> Vec<(AccountId, String, bool)> {
    world
        .notices()
        .filter_map(|notice| match notice {
            Notice::ArmingChanged { account_id, rule_id, reason } => {
                Some((*account_id, rule_id.to_string(), reason.is_some()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_connected_account_is_armed_and_nothing_is_said() {
    let mut world = world();
    world.trades(ALICE, MNQ, 1);
    world.run(60_000);
    assert_eq!(not_armed(&world, ALICE), []);
    assert_eq!(told(&world), []);
    assert_eq!(world.engine().arming(&world.config, world.now).len(), 4, "two rules of two accounts");
}

#[test]
fn before_the_brokers_first_word_nothing_is_armed() {
    let mut world = World::before_start(config(&[ALICE], rules(json!({"max_contracts": {}}))));
    world.user_hub_up = false;
    world.start();
    let first = "the broker has not said yet what the account holds".to_owned();
    assert_eq!(not_armed(&world, ALICE), [("RULE-001".to_owned(), first)]);
    world.run(HELD_UP);
    assert_eq!(told(&world), [(ALICE, "RULE-001".to_owned(), true)], "the hub never came up");
}

#[test]
fn a_hub_that_is_down_disarms_and_is_told_once_after_a_while() {
    let mut world = world();
    world.user_link(false);
    world.run(5_000);
    assert_eq!(not_armed(&world, ALICE).len(), 2);
    assert_eq!(told(&world), [], "a short gap is no news");
    world.run(60_000);
    assert_eq!(told(&world).len(), 4, "each rule of each account, once");
    world.user_link(true);
    world.run(5_000);
    assert_eq!(not_armed(&world, ALICE), []);
    assert_eq!(told(&world)[4..].iter().filter(|(.., missing)| !missing).count(), 4);
}

#[test]
fn only_rules_that_reckon_with_prices_miss_them() {
    let mut world = world();
    world.market_hub_up = false;
    world.feed(Event::Link { hub: Hub::Market, up: false });
    world.trades(ALICE, MNQ, 1);
    world.run(1_000);
    let down = "the market hub is down: prices stand still".to_owned();
    assert_eq!(not_armed(&world, ALICE), [("RULE-004".to_owned(), down)]);
    assert_eq!(not_armed(&world, BOB), [], "who holds nothing misses nothing");
    world.feed(Event::Link { hub: Hub::Market, up: true });
    let unpriced = format!("the position in {MNQ} cannot be priced: a quote is missing");
    assert_eq!(not_armed(&world, ALICE), [("RULE-004".to_owned(), unpriced)]);
    world.market_hub_up = true;
    world.quotes(MNQ, "20000");
    world.run(100);
    assert_eq!(not_armed(&world, ALICE), []);
}
