//! A cooldown holds what is new and leaves alone what was there.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::World;

fn pausing() -> serde_json::Value {
    json!({"cooldown_after_loss": {"loss_threshold": 100, "cooldown_seconds": 300}})
}

/// Alice holds 2 MNQ and a resting order when a loss begins a pause of five minutes.
fn paused() -> (World, OrderId) {
    let mut world = World::new(&[ALICE], pausing());
    world.trades(ALICE, MNQ, 2);
    let order_id = world.places_order(ALICE, MNQ);
    world.run(1_000);
    world.realizes(ALICE, "-100");
    world.run(1_000);
    assert!(world.is_locked(ALICE));
    (world, order_id)
}

#[test]
fn what_was_there_stays_and_the_row_is_proven_by_a_look() {
    let (mut world, order_id) = paused();
    world.run(60_000);
    assert!(world.protective_sends().is_empty(), "{:#?}", world.protective_sends());
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2);
    assert!(world.broker.accounts[&ALICE].orders.contains_key(&order_id));
    let log = world.log(ALICE);
    assert_eq!(log.len(), 1);
    assert_eq!((&log[0].action, log[0].success), (&EnforcementAction::Cooldown, true));
    assert!(log[0].execution_time_ms.is_some() && log[0].lockout_until.is_some());
}

#[test]
fn what_is_new_is_closed_back_or_cancelled_at_once_and_logged() {
    let (mut world, _) = paused();
    world.trades(ALICE, MNQ, 3);
    world.run(3);
    let reduce = RequestKind::ReducePosition { contract_id: id(MNQ), size: 3 };
    assert_eq!(world.protective_sends(), [(world.now, reduce)]);
    world.run(3_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2, "back to what it was");
    world.trades(ALICE, MES, -1);
    let order_id = world.places_order(ALICE, ES);
    world.run(3_000);
    assert_eq!(world.broker.size(ALICE, &id(MES)), 0);
    assert!(!world.broker.accounts[&ALICE].orders.contains_key(&order_id));
    assert_eq!(world.broker.accounts[&ALICE].orders.len(), 1, "the old order stands");
    let log = world.log(ALICE);
    assert!(log.iter().all(|row| row.success), "{log:#?}");
    assert!(log[1].reason.contains("position grown from 2 to 5") && log[1].reason.contains("while locked by RULE-007"));
    assert!(!world.doubled && !world.crossed_zero);
}

#[test]
fn several_new_things_are_dealt_with_at_once() {
    let (mut world, _) = paused();
    world.broker.fill_ms = 50;
    world.trades(ALICE, MES, 1);
    world.trades(ALICE, ES, 1);
    world.trades(ALICE, MNQ, 1);
    let order_id = world.places_order(ALICE, CL);
    world.run(3);
    let kinds: Vec<_> = world.protective_sends().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds.len(), 4, "all at once: {kinds:#?}");
    assert!(kinds.contains(&RequestKind::CancelOrder(order_id)));
    world.run(5_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2);
    assert!(world.log(ALICE).iter().all(|row| row.success), "{:#?}", world.log(ALICE));
}

#[test]
fn whoever_reduces_by_hand_is_left_alone_and_may_not_grow_again() {
    let (mut world, _) = paused();
    world.trades(ALICE, MNQ, -1);
    world.run(5_000);
    assert!(world.protective_sends().is_empty(), "{:#?}", world.protective_sends());
    world.trades(ALICE, MNQ, 1);
    world.run(5_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 1, "the smaller size is the measure");
    // Turned round: nothing of the short may stay.
    world.trades(ALICE, MNQ, -3);
    world.run(5_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 0);
    // Closed by now: nothing may come back.
    world.trades(ALICE, MNQ, 1);
    world.run(5_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 0);
    assert!(world.log(ALICE).iter().all(|row| row.success));
}

#[test]
fn the_fill_that_begins_a_pause_was_there_before_it() {
    // The trade is told of first, the position that it made only afterwards.
    let mut world = World::new(&[ALICE], json!({"trade_frequency_limit": {"limits": {"per_minute": 1}}}));
    world.trades(ALICE, MNQ, 1);
    world.run(1_000);
    world.trades(ALICE, MNQ, 1);
    world.run(30_000);
    assert!(world.is_locked(ALICE));
    assert!(world.protective_sends().is_empty(), "{:#?}", world.protective_sends());
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2);
    // The next one was not: it and the close that takes it back make the pause longer.
    world.trades(ALICE, MNQ, 1);
    world.run(5_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2);
}

#[test]
fn a_pause_ends_by_time_and_then_everything_is_free() {
    let (mut world, _) = paused();
    let end = world.account(ALICE).locks.lockout().unwrap().locked_until.unwrap();
    world.run(milliseconds_between(world.now, end) - 10);
    world.trades(ALICE, MES, 1);
    world.run(3);
    assert_eq!(world.protective_sends().len(), 1, "held to the last");
    world.run(2_000);
    assert!(!world.is_locked(ALICE));
    world.trades(ALICE, MES, 1);
    world.trades(ALICE, MNQ, 1);
    world.run(60_000);
    assert_eq!((world.broker.size(ALICE, &id(MES)), world.broker.size(ALICE, &id(MNQ))), (1, 3));
    assert!(!world.is_locked(ALICE), "the same loss does not pause again");
}

#[test]
fn a_pause_holds_over_a_restart_by_what_was_remembered() {
    let (mut world, order_id) = paused();
    world.crash();
    // While nobody watches, the trader adds to one position, opens another, and places an order.
    world.trades(ALICE, MNQ, 1);
    world.trades(ALICE, MES, 1);
    let mut late = limit_order(77, ALICE, ES).into_draft();
    late.created_at = after(world.now, 1);
    late.updated_at = late.created_at;
    let late = Order::new(late, &checks()).unwrap();
    world.broker.account(ALICE).orders.insert(late.id, late.clone());
    world.run(20_000);
    assert!(world.is_locked(ALICE));
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2, "what was there stays");
    assert!(world.broker.accounts[&ALICE].orders.contains_key(&order_id));
    assert!(!world.broker.accounts[&ALICE].orders.contains_key(&late.id));
    let log = world.log(ALICE);
    assert!(log.iter().all(|row| row.success), "{log:#?}");
    let pauses = log.iter().filter(|row| row.action == EnforcementAction::Cooldown).count();
    assert_eq!(pauses, 1, "one row for one pause: {log:#?}");
}

#[test]
fn a_program_that_was_down_finds_the_pause() {
    for (down_ms, paused) in [(60_000, true), (299_000, true), (400_000, false)] {
        let mut world = World::new(&[ALICE], pausing());
        world.trades(ALICE, MNQ, 1);
        world.run(1_000);
        world.engine = None;
        world.realizes(ALICE, "-100");
        world.now = after(world.now, down_ms);
        world.start();
        world.run(500);
        assert_eq!(world.is_locked(ALICE), paused, "down for {down_ms} ms");
        assert_eq!(world.broker.size(ALICE, &id(MNQ)), 1);
    }
}

#[test]
fn a_program_that_was_down_over_the_reset_finds_the_pause_of_the_day_before() {
    let rules = json!({"trade_frequency_limit": {"limits": {"per_session": 2}}});
    let mut world = World::new(&[ALICE], rules);
    world.run(1_000);
    world.engine = None;
    let reset: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
    // Three trades ten minutes before the reset; the program comes back ten minutes after it.
    world.now = after(reset, -600_000);
    for _ in 0..3 {
        world.realizes(ALICE, "1");
    }
    let ends: Timestamp = after(world.now, 3_600_000);
    world.now = after(reset, 600_000);
    world.start();
    world.run(1_000);
    assert_eq!(world.account(ALICE).locks.lockout().unwrap().locked_until, Some(ends));
    assert_eq!(world.account(ALICE).session.realized_pnl(), Money::ZERO, "they are not today's");
}

#[test]
fn a_lock_that_keeps_flat_comes_before_a_pause() {
    let mut rules = pausing();
    rules["daily_realized_loss"] = json!({"loss_limit": 500});
    let mut world = World::new(&[ALICE], rules);
    world.trades(ALICE, MNQ, 2);
    world.run(1_000);
    world.realizes(ALICE, "-100");
    world.run(1_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2);
    world.realizes(ALICE, "-400");
    world.run(5_000);
    assert!(world.broker.is_flat(ALICE));
    let rules: Vec<_> = world.account(ALICE).locks.causes().map(|lockout| lockout.rule_id).collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert_eq!(world.disk.lockouts[&ALICE].rule_id, RuleId::DAILY_REALIZED_LOSS);
    // The pause ends; the lock does not.
    world.run(600_000);
    assert!(world.is_locked(ALICE));
    assert_eq!(world.disk.lockouts[&ALICE].rule_id, RuleId::DAILY_REALIZED_LOSS);
}

#[test]
fn under_strict_mode_a_pause_is_a_lock_without_end() {
    let mut world = World::before_start(config(&[ALICE], rules(pausing()).with_strict_mode(true)));
    world.start();
    world.run(1_000);
    world.trades(ALICE, MNQ, 2);
    world.run(1_000);
    world.realizes(ALICE, "-100");
    world.run(5_000);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, None);
}
