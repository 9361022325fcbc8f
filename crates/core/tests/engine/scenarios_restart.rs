//! What a restart finds on the disk, and what the broker says.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::{Look, Outcome, World};

fn loss_rules() -> serde_json::Value {
    json!({
        "daily_realized_loss": {"loss_limit": 500},
        "daily_unrealized_loss": {"loss_limit": 300, "action": "CLOSE_ALL_AND_LOCKOUT"},
    })
}

fn restart(world: &mut World) {
    world.crash();
    world.run(200);
}

#[test]
fn a_restart_at_any_action_of_a_flatten_ends_flat_locked_and_logged() {
    for outcomes in [vec![], vec![Outcome::Refused(5), Outcome::AnswerLost], vec![Outcome::RequestLost]] {
        for fill_ms in [0, 40, 700] {
            let run = |crash_at: Option<usize>| {
                let mut world = World::new(&[ALICE], loss_rules());
                world.broker.outcomes.extend(outcomes.clone());
                world.broker.fill_ms = fill_ms;
                world.trades(ALICE, MNQ, 2);
                world.places_order(ALICE, MES);
                world.run(500);
                world.crash_at = crash_at;
                world.quotes(MNQ, "19920");
                world.run(90_000);
                world
            };
            let last = run(None).carried_out;
            for crash_at in 1..=last {
                let world = run(Some(crash_at));
                let case = format!("{outcomes:?}, fills after {fill_ms} ms, dies at action {crash_at} of {last}");
                assert!(world.broker.is_flat(ALICE), "flat: {case}");
                assert!(world.broker.accounts[&ALICE].orders.is_empty(), "no orders: {case}");
                assert!(world.is_locked(ALICE) && world.disk.lockouts.contains_key(&ALICE), "locked: {case}");
                assert!(world.log(ALICE).iter().all(|row| row.success), "{case}: {:#?}", world.log(ALICE));
                assert!(!world.doubled, "closed twice: {case}: {:#?}", world.protective_sends());
                assert!(!world.crossed_zero, "turned round: {case}: {:#?}", world.protective_sends());
            }
        }
    }
}

#[test]
fn remembered_positions_lead_to_nothing_before_the_brokers_word() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.user_hub_up = false;
    world.broker.looks.extend([Look::Failed; 6]);
    restart(&mut world);
    world.quotes(MNQ, "19000");
    world.run(1_000);
    assert!(world.protective_sends().is_empty(), "{:#?}", world.protective_sends());
    assert!(!world.engine().has_heard_from_the_broker(ALICE));
    assert_eq!(world.account(ALICE).book.positions().count(), 1, "remembered");
    world.run(60_000);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
}

#[test]
fn a_remembered_position_that_is_gone_is_forgotten_with_a_difference() {
    let mut world = World::new(&[ALICE], json!({"max_contracts": {"limit": 1}}));
    world.config.accounts.get_mut(&ALICE).unwrap().rules =
        std::sync::Arc::new(rules(json!({"max_contracts": {"limit": 5}})));
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.crash();
    world.trades(ALICE, MNQ, -2);
    world.config.accounts.get_mut(&ALICE).unwrap().rules =
        std::sync::Arc::new(rules(json!({"max_contracts": {"limit": 1}})));
    world.run(5_000);
    assert!(world.log(ALICE).is_empty(), "the remembered size breached nothing");
    assert!(world.disk.positions.is_empty());
    let told = world
        .notices()
        .any(|notice| matches!(notice, Notice::Difference { what, .. } if what.contains("closed at the broker")));
    assert!(told);
}

#[test]
fn the_hubs_word_before_the_first_look_is_newer_than_memory_and_than_the_look() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 2);
    let order_id = world.places_order(ALICE, MES);
    world.run(500);
    world.look_delay_ms = 100;
    world.crash();
    world.run(250);
    assert!(!world.engine().has_heard_from_the_broker(ALICE), "the first look is on its way back");
    // The trader closes and cancels: the hub tells, the look was made before.
    world.trades(ALICE, MNQ, -2);
    world.broker.account(ALICE).orders.clear();
    let mut cancelled = limit_order(order_id.0, ALICE, MES).into_draft();
    cancelled.state = OrderState::Cancelled;
    world.feed(Event::Order(Order::new(cancelled, &checks()).unwrap()));
    world.run(70);
    assert!(world.engine().has_heard_from_the_broker(ALICE));
    assert!(world.account(ALICE).book.has_no_positions(), "an old look does not resurrect a position");
    assert!(world.account(ALICE).book.has_no_orders(), "nor an order");
    assert!(world.disk.positions.is_empty() && world.disk.orders.is_empty());
    world.quotes(MNQ, "19000");
    world.run(5_000);
    assert!(world.protective_sends().is_empty());
}

#[test]
fn a_lock_from_memory_holds() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.realizes(ALICE, "-500");
    world.run(1_000);
    world.crash();
    world.trades(ALICE, MNQ, 3);
    world.places_order(ALICE, ES);
    world.run(10_000);
    assert!(world.is_locked(ALICE) && world.broker.is_flat(ALICE));
    assert!(world.broker.accounts[&ALICE].orders.is_empty());
    assert!(world.log(ALICE).iter().all(|row| row.success));
}

#[test]
fn a_lock_whose_time_ended_while_nobody_watched_is_cleared_through_the_disk() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.realizes(ALICE, "-500");
    world.run(1_000);
    world.engine = None;
    world.now = "2026-03-11T09:00:00Z".parse().unwrap();
    world.clearings.push_back(false);
    world.start();
    assert!(world.is_locked(ALICE));
    world.run(500);
    assert!(world.is_locked(ALICE), "the first attempt failed");
    world.run(2_000);
    assert!(!world.is_locked(ALICE) && !world.disk.lockouts.contains_key(&ALICE));
}

#[test]
fn trades_are_counted_and_recorded_once_over_restarts() {
    let mut world = World::new(&[ALICE], loss_rules());
    for pnl in ["-100", "-100", "40"] {
        world.realizes(ALICE, pnl);
    }
    // Two that the history table cannot tell apart: same moment, contract and P&L.
    world.run(100);
    for _ in 0..3 {
        restart(&mut world);
        world.run(5_000);
        assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-160"));
        assert_eq!(world.disk.trades.len(), 3);
    }
    assert_eq!(world.disk.daily_pnl.values().map(|day| day.realized_pnl).collect::<Vec<_>>(), [dollars("-160")]);
    assert!(world.log(ALICE).is_empty());
}

#[test]
fn a_refused_trade_row_does_not_count_the_remembered_day_twice() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.realizes(ALICE, "-300");
    world.run(100);
    world.broker.looks.push_back(Look::TradeUnreadable);
    restart(&mut world);
    world.run(5_000);
    assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-300"));
    assert!(!world.is_locked(ALICE), "a healthy account was locked");
}

#[test]
fn the_days_loss_is_remembered_while_trades_cannot_be_listed() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.realizes(ALICE, "-300");
    world.run(100);
    world.broker.looks.extend([Look::Failed; 3]);
    restart(&mut world);
    world.realizes(ALICE, "-150");
    world.run(300);
    assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-450"));
    world.realizes(ALICE, "-50");
    world.run(10_000);
    assert!(world.is_locked(ALICE));
}

#[test]
fn a_trade_voided_while_nobody_watched_is_taken_back() {
    let mut world = World::new(&[ALICE], loss_rules());
    let trade_id = world.realizes(ALICE, "-300");
    world.run(100);
    world.crash();
    let known = world.broker.account(ALICE).trades[&trade_id].clone();
    let mut draft = known.into_draft();
    draft.voided = true;
    world.broker.account(ALICE).trades.insert(trade_id, Trade::new(draft, &checks()).unwrap());
    world.run(5_000);
    assert_eq!(world.account(ALICE).session.realized_pnl(), Money::ZERO);
    assert!(world.disk.trades.is_empty());
    assert_eq!(world.disk.daily_pnl.values().next().unwrap().realized_pnl, Money::ZERO);
}

#[test]
fn a_restart_with_the_broker_down_neither_spins_nor_hammers() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.broker.fill_ms = 5_000;
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(50);
    world.user_hub_up = false;
    world.broker.looks.extend([Look::Failed; 30]);
    world.crash();
    let before = world.looks();
    world.run(10_200);
    let looks = world.looks() - before;
    assert!((5..=10).contains(&looks), "{looks} looks in ten seconds");
    assert_eq!(world.protective_sends().len(), 1, "nothing is sent on the strength of memory");
    world.run(300_000);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
    assert!(world.log(ALICE)[0].success);
}

#[test]
fn rows_go_on_from_the_highest_number() {
    let mut world = World::new(&[ALICE, BOB], loss_rules());
    world.realizes(ALICE, "-500");
    world.run(1_000);
    restart(&mut world);
    world.realizes(BOB, "-500");
    world.run(1_000);
    assert_eq!(world.disk.enforcements.keys().map(|id| id.0).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_close_still_working_from_the_last_life_is_not_doubled() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.broker.fill_ms = 700;
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(20);
    assert_eq!(world.protective_sends().len(), 1);
    world.crash();
    world.run(30_000);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
    assert!(!world.doubled && !world.crossed_zero);
    assert_eq!(world.protective_sends().len(), 1, "{:#?}", world.protective_sends());
    assert!(world.log(ALICE)[0].success);
}
