//! The turn of the trading day.

use jiff::civil::date;
use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::World;

fn realized() -> serde_json::Value {
    json!({"daily_realized_loss": {"loss_limit": 500}})
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn run_until(world: &mut World, text: &str) {
    let wait = milliseconds_between(world.now, at(text));
    assert!(wait >= 0);
    world.run(wait);
}

fn resets(world: &World) -> Vec<(Timestamp, Date, Money)> {
    world
        .done
        .iter()
        .filter_map(|(when, action)| match action {
            Action::Notice(Notice::DailyReset { day, realized_pnl, .. }) => Some((*when, *day, *realized_pnl)),
            _ => None,
        })
        .collect()
}

#[test]
fn the_day_turns_at_the_reset_and_counters_start_afresh() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-499.99");
    run_until(&mut world, "2026-03-10T20:59:59.999Z");
    assert!(resets(&world).is_empty());
    world.run(1);
    assert_eq!(resets(&world), [(at("2026-03-10T21:00:00Z"), date(2026, 3, 10), dollars("-499.99"))]);
    assert_eq!(world.account(ALICE).session.day(), date(2026, 3, 11));
    assert_eq!(world.account(ALICE).session.realized_pnl(), Money::ZERO);
    world.realizes(ALICE, "-499.99");
    world.run(1_000);
    assert!(!world.is_locked(ALICE));
    let schedule = &world.disk.schedules[&ALICE];
    assert_eq!(schedule.last_reset_date, date(2026, 3, 10));
    assert_eq!(schedule.next_reset_time, at("2026-03-11T21:00:00Z"));
    assert_eq!(schedule.timezone, "America/New_York");
    assert_eq!(world.disk.sessions[&ALICE], at("2026-03-10T21:00:00Z"));
}

#[test]
fn the_day_turns_before_an_event_of_the_same_moment() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-400");
    run_until(&mut world, "2026-03-10T20:59:59.999Z");
    world.now = at("2026-03-10T21:00:05Z");
    // No quiet moment for the timer: the loss of the new day arrives first.
    world.feed(Event::Trade(trade(900, ALICE, Some("-400"), at("2026-03-10T21:00:04Z"))));
    assert_eq!(world.account(ALICE).session.day(), date(2026, 3, 11));
    assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-400"));
    assert!(!world.is_locked(ALICE));
}

#[test]
fn no_event_of_the_new_day_is_judged_by_the_old_one_however_near_the_reset_it_comes() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-500");
    run_until(&mut world, "2026-03-10T20:59:50Z");
    assert!(world.is_locked(ALICE));
    // A fill less than a millisecond before the reset is told of at once, another one just after the reset.
    for (trade_id, moment) in [(900, "2026-03-10T20:59:59.9996Z"), (901, "2026-03-10T21:00:00.0002Z")] {
        world.now = at(moment);
        world.feed(Event::Trade(trade(trade_id, ALICE, None, at("2026-03-10T20:59:59.999Z"))));
    }
    world.run(10_000);
    assert!(!world.is_locked(ALICE), "{:?}", world.disk.lockouts);
    assert_eq!(world.account(ALICE).session.day(), date(2026, 3, 11));
}

#[test]
fn a_trade_dated_past_the_reset_waits_for_it() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-300");
    run_until(&mut world, "2026-03-10T20:59:59.500Z");
    let early = trade(900, ALICE, Some("-300"), at("2026-03-10T21:00:00Z"));
    world.feed(Event::Trade(early.clone()));
    world.feed(Event::Trade(early));
    assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-300"), "not of this day");
    run_until(&mut world, "2026-03-10T21:00:01Z");
    assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-300"), "of the new day, once");
    assert!(!world.is_locked(ALICE));
    assert_eq!(world.disk.daily_pnl[&(ALICE, date(2026, 3, 10))].realized_pnl, dollars("-300"));
    assert_eq!(world.disk.daily_pnl[&(ALICE, date(2026, 3, 11))].realized_pnl, dollars("-300"));
}

#[test]
fn a_breach_dated_past_the_reset_locks_at_the_turn() {
    let mut world = World::new(&[ALICE], realized());
    run_until(&mut world, "2026-03-10T20:59:59.500Z");
    world.feed(Event::Trade(trade(900, ALICE, Some("-500"), at("2026-03-10T21:00:00Z"))));
    assert!(!world.is_locked(ALICE));
    run_until(&mut world, "2026-03-10T21:00:01Z");
    assert!(world.is_locked(ALICE));
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, Some(at("2026-03-11T21:00:00Z")));
}

#[test]
fn a_late_trade_counts_in_its_own_day_only() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-300");
    run_until(&mut world, "2026-03-10T21:00:10Z");
    let late = |voided| trade_with(900, ALICE, Some("-300"), "0", at("2026-03-10T20:59:59Z"), voided);
    world.feed(Event::Trade(late(false)));
    world.feed(Event::Trade(late(false)));
    assert_eq!(world.account(ALICE).session.realized_pnl(), Money::ZERO);
    let of_the_day = |world: &World| world.disk.daily_pnl[&(ALICE, date(2026, 3, 10))].realized_pnl;
    assert_eq!(of_the_day(&world), dollars("-600"));
    assert_eq!(world.disk.trades.len(), 2);
    assert!(!world.is_locked(ALICE));
    // Two days on, the exchange takes it back.
    run_until(&mut world, "2026-03-12T21:00:10Z");
    world.feed(Event::Trade(late(true)));
    assert_eq!(of_the_day(&world), dollars("-300"));
    assert_eq!(world.disk.trades.len(), 1);
    world.feed(Event::Trade(late(true)));
    assert_eq!(of_the_day(&world), dollars("-300"));
}

#[test]
fn unrealized_pnl_is_snapshotted_before_counters_clear_and_only_when_enabled() {
    for enabled in [true, false] {
        let mut world = World::new(&[ALICE, BOB], realized());
        world.config.track_unrealized_pnl = enabled;
        world.trades(ALICE, MNQ, 2);
        world.trades(ALICE, ES, -1);
        world.run(500);
        world.quotes(MNQ, "20010");
        world.quotes(ES, "5001");
        run_until(&mut world, "2026-03-10T21:00:01Z");
        if !enabled {
            assert!(world.disk.unrealized.is_empty());
            continue;
        }
        let snapshot = &world.disk.unrealized[&(ALICE, date(2026, 3, 10))];
        assert_eq!(snapshot.unrealized_pnl, dollars("-10"), "2 × 10 points × $2 − 1 point × $50");
        assert_eq!(snapshot.positions_count, 2);
        assert_eq!(snapshot.total_exposure, Some(dollars("330000")), "2 × 20000 × $2 + 5000 × $50");
        let flat = &world.disk.unrealized[&(BOB, date(2026, 3, 10))];
        assert_eq!((flat.positions_count, flat.unrealized_pnl), (0, Money::ZERO));
        let index = |wanted: fn(&Action) -> bool| world.done.iter().position(|(_, action)| wanted(action)).unwrap();
        let snapshotted = index(|action| matches!(action, Action::Store(Write::PutDailyUnrealizedPnl(_))));
        let told = index(|action| matches!(action, Action::Notice(Notice::DailyReset { .. })));
        assert!(snapshotted < told);
    }
}

#[test]
fn a_missed_reset_happens_once() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-400");
    world.run(1_000);
    world.engine = None;
    // Away for three resets.
    world.now = at("2026-03-13T12:00:00Z");
    world.done.clear();
    world.start();
    world.run(10_000);
    assert_eq!(
        resets(&world).iter().map(|(_, day, pnl)| (*day, *pnl)).collect::<Vec<_>>(),
        [(date(2026, 3, 10), dollars("-400"))]
    );
    assert_eq!(world.account(ALICE).session.realized_pnl(), Money::ZERO);
    world.crash();
    world.run(10_000);
    assert_eq!(resets(&world).len(), 1);
    assert_eq!(world.disk.schedules[&ALICE].next_reset_time, at("2026-03-13T21:00:00Z"));
}

#[test]
fn the_reset_follows_the_wall_clock_through_both_changes() {
    // (start, resets expected, in UTC): New York goes to summer time on 8 March and back on 1 November 2026.
    let cases = [
        ("2026-03-07T12:00:00Z", ["2026-03-07T22:00:00Z", "2026-03-08T21:00:00Z", "2026-03-09T21:00:00Z"]),
        ("2026-10-31T12:00:00Z", ["2026-10-31T21:00:00Z", "2026-11-01T22:00:00Z", "2026-11-02T22:00:00Z"]),
    ];
    for (start, expected) in cases {
        let mut world = World::before_start(config(&[ALICE], rules(realized())));
        world.now = at(start);
        world.start();
        for _ in 0..72 {
            world.now = after(world.now, 3_600_000);
            world.feed(Event::TimePassed);
        }
        let seen: Vec<_> = resets(&world).into_iter().map(|(when, ..)| when).collect();
        assert_eq!(seen, expected.map(at));
    }
}

#[test]
fn a_lock_set_on_the_eve_of_a_change_ends_with_the_wall_clock() {
    let mut world = World::before_start(config(&[ALICE], rules(realized())));
    world.now = at("2026-03-08T02:00:00Z");
    world.start();
    world.run(1_000);
    world.realizes(ALICE, "-500");
    world.run(1_000);
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, Some(at("2026-03-08T21:00:00Z")), "a day of 23 hours");
    run_until(&mut world, "2026-03-08T21:00:01Z");
    assert!(!world.is_locked(ALICE));
}

#[test]
fn a_machine_that_slept_for_days_turns_the_day_once() {
    let mut world = World::new(&[ALICE], realized());
    world.realizes(ALICE, "-500");
    world.run(1_000);
    assert!(world.is_locked(ALICE));
    world.now = at("2026-03-13T12:00:00Z");
    world.run(5_000);
    assert_eq!(resets(&world).len(), 1);
    assert_eq!(world.account(ALICE).session.day(), date(2026, 3, 13));
    assert!(!world.is_locked(ALICE));
}

#[test]
fn an_input_dated_before_the_last_one_happens_now() {
    let mut world = World::new(&[ALICE], realized());
    run_until(&mut world, "2026-03-10T21:00:10Z");
    world.now = at("2026-03-10T20:00:00Z");
    world.feed(Event::Trade(trade(900, ALICE, Some("-500"), at("2026-03-10T21:00:05Z"))));
    assert_eq!(world.account(ALICE).session.day(), date(2026, 3, 11), "the day does not turn back");
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, Some(at("2026-03-11T21:00:00Z")));
    assert_eq!(world.log(ALICE)[0].timestamp, at("2026-03-10T21:00:10Z"));
}
