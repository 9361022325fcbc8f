//! Lockouts: held, never shortened, ended only when that is durable.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::World;

fn realized() -> serde_json::Value {
    json!({"daily_realized_loss": {"loss_limit": 500}})
}

/// A world where Alice was locked by RULE-003 while flat.
fn locked() -> World {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-500");
    world.run(1_000);
    assert!(world.is_locked(ALICE));
    world
}

#[test]
fn a_breach_on_a_flat_account_locks_and_is_proven_without_a_request() {
    let world = locked();
    let log = world.log(ALICE);
    assert_eq!(log.len(), 1);
    assert!(log[0].success);
    assert_eq!(log[0].execution_time_ms, Some(10), "one look");
    assert_eq!(log[0].lockout_until, Some("2026-03-10T21:00:00Z".parse().unwrap()));
    assert_eq!(log[0].action, EnforcementAction::CloseAllAndLockout);
    assert!(world.protective_sends().is_empty());
}

#[test]
fn a_fill_while_locked_is_closed_at_once_and_logged() {
    let mut world = locked();
    world.trades(ALICE, MNQ, -2);
    world.run(3);
    assert_eq!(world.protective_sends(), [(world.now, RequestKind::ClosePosition(id(MNQ)))]);
    world.run(2_000);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
    let log = world.log(ALICE);
    assert_eq!(log.len(), 2);
    assert!(log[1].success && log[1].reason.contains("while locked by RULE-003"), "{}", log[1].reason);
    assert_eq!((log[1].positions_closed, log[1].rule_id), (1, RuleId::DAILY_REALIZED_LOSS));
}

#[test]
fn an_order_placed_while_locked_is_cancelled_at_once_and_logged() {
    let mut world = locked();
    let order_id = world.places_order(ALICE, ES);
    world.run(3);
    assert_eq!(world.protective_sends(), [(world.now, RequestKind::CancelOrder(order_id))]);
    world.run(2_000);
    let log = world.log(ALICE);
    assert_eq!(log.len(), 2);
    assert_eq!(log[1].action, EnforcementAction::CancelOrders);
    assert!(log[1].success && log[1].orders_cancelled == 1);
}

#[test]
fn a_stubborn_trader_does_not_use_up_the_looks_of_the_others() {
    let mut world = locked();
    let looks = |world: &World| {
        let is_look =
            |action: &Action| matches!(action, Action::Send(Request { kind: RequestKind::Snapshot { .. }, .. }));
        world.done.iter().filter(|(_, action)| is_look(action)).count()
    };
    let before = looks(&world);
    for _ in 0..120 {
        world.places_order(ALICE, ES);
        world.run(1_000);
    }
    let asked = looks(&world) - before;
    assert!(asked <= 20 + 2 * 24 + 2, "{asked} looks in two minutes");
    world.run(10_000);
    let log = world.log(ALICE);
    assert!(log.len() > 40 && log.iter().all(|row| row.success), "every order was cancelled, and that was proven");
}

#[test]
fn a_weaker_lock_after_a_stronger_is_recorded_in_the_log_only() {
    let mut world = World::new(
        &[ALICE],
        json!({
            "daily_realized_loss": {"loss_limit": 500},
            "daily_unrealized_loss": {"loss_limit": 300, "lockout": true, "lockout_until": "permanent"},
        }),
    );
    world.trades(ALICE, MNQ, 2);
    world.run(100);
    world.quotes(MNQ, "19750");
    world.run(5_000);
    // The close realized −$500: RULE-003 is breached by what RULE-004 did.
    assert_eq!(world.log(ALICE).len(), 2);
    assert_eq!(world.disk.lockouts[&ALICE].rule_id, RuleId::DAILY_UNREALIZED_LOSS);
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, None);
    let lockouts = world.done.iter().filter(|(_, action)| matches!(action, Action::Store(Write::PutLockout(_))));
    assert_eq!(lockouts.count(), 1);
    // After the reset it still holds.
    world.now = "2026-03-11T12:00:00Z".parse().unwrap();
    world.feed(Event::TimePassed);
    assert!(world.is_locked(ALICE));
}

#[test]
fn a_stronger_lock_replaces_a_weaker() {
    let mut world = World::new(
        &[ALICE],
        json!({
            "daily_realized_loss": {"loss_limit": 500},
            "max_contracts": {"limit": 0},
            "daily_unrealized_loss": {"loss_limit": 300, "lockout": true, "lockout_until": "permanent"},
        }),
    );
    world.trades(ALICE, MNQ, 1);
    world.broker.fill_ms = 400;
    world.realizes(ALICE, "-500");
    world.run(100);
    assert_eq!(world.disk.lockouts[&ALICE].rule_id, RuleId::DAILY_REALIZED_LOSS);
    world.quotes(MNQ, "19850");
    world.run(5_000);
    assert_eq!(world.disk.lockouts[&ALICE].rule_id, RuleId::DAILY_UNREALIZED_LOSS);
    assert!(world.log(ALICE).iter().all(|row| row.success));
}

#[test]
fn a_lock_ends_at_the_reset_and_not_before_that_is_durable() {
    let mut world = locked();
    world.clearings.extend([false, false]);
    let end: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
    world.run(milliseconds_between(world.now, end) - 1);
    assert!(world.is_locked(ALICE));
    let is_clear = |action: &Action| matches!(action, Action::Store(Write::ClearLockout { .. }));
    assert!(!world.done.iter().any(|(_, action)| is_clear(action)));
    world.run(1);
    assert!(world.is_locked(ALICE), "asked to be cleared, not yet durable");
    // Held even now.
    world.trades(ALICE, MNQ, 1);
    world.run(500);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
    world.run(5_000);
    assert!(!world.is_locked(ALICE));
    assert!(!world.disk.lockouts.contains_key(&ALICE));
    let clears: Vec<_> = world
        .done
        .iter()
        .filter(|(_, action)| is_clear(action))
        .map(|(at, _)| milliseconds_between(end, *at))
        .collect();
    assert_eq!(clears, [0, 1_001, 2_002], "tried again a second after each failure");
    let cleared = world.notices().filter(|notice| **notice == Notice::LockoutCleared(ALICE));
    assert_eq!(cleared.count(), 1);
    // A new day: the old loss does not lock again, and trading is free.
    world.trades(ALICE, MNQ, 1);
    world.run(60_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 1);
}

#[test]
fn a_breach_while_the_end_is_on_its_way_to_the_disk_locks_again() {
    let mut world = locked();
    let end: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
    world.run(milliseconds_between(world.now, end));
    // The end is being written; the answer is one millisecond away. A loss of the new day comes first.
    world.feed(Event::Trade(trade(900, ALICE, Some("-600"), world.now)));
    world.run(1_000);
    assert!(world.is_locked(ALICE));
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, Some("2026-03-11T21:00:00Z".parse().unwrap()));
}

#[test]
fn a_slow_disk_costs_nobody_a_position_held_after_the_end_and_one_that_hangs_lets_the_lock_hold_again() {
    for (clearing_ms, stays) in [(4_999, true), (5_001, false)] {
        let mut world = locked();
        world.clearing_ms = clearing_ms;
        let end: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
        world.run(milliseconds_between(world.now, end));
        world.trades(ALICE, MNQ, 1);
        world.run(4_998);
        assert_eq!(world.broker.size(ALICE, &id(MNQ)), 1, "let be while the disk is at it");
        assert!(world.is_locked(ALICE), "and not free before that is durable");
        world.run(10_000);
        assert_eq!(world.broker.is_flat(ALICE), !stays);
        assert!(!world.is_locked(ALICE));
    }
}

#[test]
fn a_lock_that_is_not_over_holds_while_an_admins_unlock_is_on_its_way_to_the_disk() {
    let mut world = locked();
    world.clearing_ms = 3_000;
    world.feed(Event::Unlock { account_id: ALICE, actor: "admin".to_owned(), reason: "asked".to_owned() });
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    assert!(world.broker.is_flat(ALICE));
    world.run(2_000);
    assert!(!world.is_locked(ALICE));
}

#[test]
fn stray_words_about_clearing_change_nothing() {
    let mut world = locked();
    world.feed(Event::LockoutCleared { account_id: ALICE });
    world.feed(Event::LockoutNotCleared { account_id: ALICE });
    world.feed(Event::LockoutCleared { account_id: BOB });
    assert!(world.is_locked(ALICE));
}

#[test]
fn one_accounts_lock_leaves_the_other_free() {
    let mut world = World::new(&[ALICE, BOB], realized());
    world.trades(BOB, MNQ, 2);
    world.realizes(ALICE, "-500");
    world.run(5_000);
    assert!(world.is_locked(ALICE) && !world.is_locked(BOB));
    assert_eq!(world.broker.size(BOB, &id(MNQ)), 2);
    assert!(world.log(BOB).is_empty());
}
