//! RULE-012 against a broker: stops that are placed, follow, and are cancelled, whatever becomes of the requests.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::{Value, json};

use crate::build::*;
use crate::harness::{Look, Outcome, World};

/// A stop ten ticks away, to the average at ten, following ten behind from twenty on. A tick of MNQ is 0.25.
fn all() -> Value {
    json!({"trade_management": {
        "auto_stop_loss": true, "stop_loss_ticks": 10, "auto_breakeven": true, "trailing_stop": true,
    }})
}

fn only_stop() -> Value {
    json!({"trade_management": {"auto_stop_loss": true}})
}

fn world(rules: Value) -> World {
    World::new(&[ALICE], rules)
}

/// The stops of MNQ at the broker: size, price, whether it is ours.
fn stops(world: &World) -> Vec<(i64, String, bool)> {
    world.stops(ALICE).into_iter().map(|(_, _, size, at, ours)| (size, at, ours)).collect()
}

fn ours(size: i64, at: &str) -> (i64, String, bool) {
    (size, at.to_owned(), true)
}

fn theirs(size: i64, at: &str) -> (i64, String, bool) {
    (size, at.to_owned(), false)
}

fn sent(world: &World, wanted: impl Fn(&RequestKind) -> bool) -> usize {
    world.protective_sends().iter().filter(|(_, kind)| wanted(kind)).count()
}

fn placed(world: &World) -> usize {
    sent(world, |kind| matches!(kind, RequestKind::PlaceStop { .. }))
}

fn moved(world: &World) -> usize {
    sent(world, |kind| matches!(kind, RequestKind::MoveStop { .. }))
}

fn closed(world: &World) -> usize {
    sent(world, |kind| matches!(kind, RequestKind::ClosePosition(_)))
}

fn rows(world: &World) -> Vec<String> {
    let row = |log: &EnforcementLog| format!("{} {}", log.action, if log.success { "done" } else { "pending" });
    world.log(ALICE).iter().map(row).collect()
}

#[test]
fn a_position_without_a_stop_gets_one_on_either_side() {
    for (change, at, side) in [(2, "19997.5", Side::Sell), (-2, "20002.5", Side::Buy)] {
        let mut world = world(only_stop());
        world.trades(ALICE, MNQ, change);
        world.run(2_000);
        assert_eq!(world.stops(ALICE), [(MNQ.to_owned(), side, 2, at.to_owned(), true)]);
        assert_eq!((placed(&world), rows(&world)), (1, vec!["PLACE_STOP done".to_owned()]));
        world.run(120_000);
        assert_eq!((placed(&world), moved(&world), closed(&world)), (1, 0, 0), "and nothing more");
    }
}

#[test]
fn the_size_follows_the_position_and_the_end_of_it_ends_the_stop() {
    let mut world = world(only_stop());
    world.trades(ALICE, MNQ, 2);
    world.run(2_000);
    world.trades(ALICE, MNQ, 3);
    world.run(2_000);
    assert_eq!(stops(&world), [ours(5, "19997.5")], "grown");
    world.trades(ALICE, MNQ, -4);
    world.run(2_000);
    assert_eq!(stops(&world), [ours(1, "19997.5")], "partly closed");
    world.trades(ALICE, MNQ, -1);
    world.run(2_000);
    assert_eq!(stops(&world), [], "closed");
    assert!(world.log(ALICE).iter().all(|row| row.success), "{:#?}", world.log(ALICE));
    assert_eq!(placed(&world), 1);
}

#[test]
fn a_position_turned_round_gets_a_stop_on_the_other_side() {
    let mut world = world(only_stop());
    world.trades(ALICE, MNQ, 2);
    world.run(2_000);
    world.trades(ALICE, MNQ, -5);
    world.run(2_000);
    assert_eq!(world.stops(ALICE), [(MNQ.to_owned(), Side::Buy, 3, "20002.5".to_owned(), true)]);
    assert_eq!(placed(&world), 2);
    assert!(!world.crossed_zero);
}

#[test]
fn a_stop_moves_to_the_average_and_follows_the_best_price_and_never_goes_back() {
    for (change, sign) in [(1, 1.0), (-1, -1.0)] {
        let mut world = world(all());
        let at = |ticks: i32| (20_000.0 + f64::from(ticks) * 0.25 * sign).to_string();
        world.trades(ALICE, MNQ, change);
        world.run(2_000);
        // The price in ticks of profit, and where the stop is two seconds later.
        let steps =
            [(5, -10), (9, -10), (10, 0), (3, 0), (19, 0), (20, 10), (21, 11), (30, 20), (25, 20), (30, 20), (31, 21)];
        for (profit, stop) in steps {
            world.quotes(MNQ, &at(profit));
            world.run(2_000);
            assert_eq!(stops(&world), [ours(1, &at(stop))], "{change}: at {profit} ticks of profit");
        }
        let moves = rows(&world).iter().filter(|row| *row == "MOVE_STOP done").count();
        assert_eq!((moves, moved(&world)), (2, 5), "the average, the first of the trail: {:#?}", world.log(ALICE));
        assert_eq!(closed(&world), 0);
        // It is filled where it stands.
        world.quotes(MNQ, &at(21));
        world.run(2_000);
        assert!(world.broker.is_flat(ALICE) && stops(&world).is_empty());
        assert!(!world.crossed_zero && closed(&world) == 0);
    }
}

#[test]
fn moves_that_follow_the_price_are_spaced_and_seldom_logged() {
    let mut world = world(all());
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    for tick in 20..620 {
        world.quotes(MNQ, &(20_000.0 + f64::from(tick) * 0.25).to_string());
        world.run(200);
    }
    world.run(2_000);
    assert_eq!(stops(&world), [ours(1, "20152.25")], "619 − 10 ticks");
    // Two minutes of ticks: a move a second, and a row a minute.
    assert!((100..=124).contains(&moved(&world)), "{} moves", moved(&world));
    let moves = rows(&world).iter().filter(|row| row.starts_with("MOVE_STOP")).count();
    assert!((2..=4).contains(&moves), "{moves} rows: {:#?}", rows(&world));
}

#[test]
fn a_fall_between_two_moves_closes_the_position() {
    let mut world = world(all());
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    world.quotes(MNQ, "20005");
    world.run(300);
    assert_eq!(stops(&world), [ours(1, "20002.5")]);
    // Higher within the second in which no second move goes out, and down again: the stop would stand at 20007.5.
    world.quotes(MNQ, "20010");
    world.run(100);
    world.quotes(MNQ, "20007.5");
    world.run(2_000);
    assert!(world.broker.is_flat(ALICE), "{:#?}", world.log(ALICE));
    assert_eq!((closed(&world), stops(&world)), (1, vec![]));
    assert!(!world.crossed_zero);
}

#[test]
fn a_price_beyond_the_stop_closes_and_one_before_it_does_not() {
    // The stop of the trader's is out of the way of the price; ours would be ten ticks below.
    for (last, is_closed) in [("19997.75", false), ("19997.5", true)] {
        let mut world = world(only_stop());
        world.broker.outcomes.push_back(Outcome::Refused(2));
        world.trades(ALICE, MNQ, 1);
        world.run(600);
        assert_eq!((placed(&world), stops(&world)), (1, vec![]), "refused once");
        world.quotes(MNQ, last);
        world.run(3_000);
        assert_eq!(world.broker.is_flat(ALICE), is_closed, "at {last}");
    }
}

#[test]
fn a_lost_answer_is_asked_after_and_nothing_is_placed_twice() {
    // What becomes of the first request; how many are sent in all.
    for (outcome, sends) in
        [(Outcome::AnswerLost, 1), (Outcome::RequestLost, 2), (Outcome::NotSent, 2), (Outcome::AcceptedNotDone, 2)]
    {
        let mut world = world(only_stop());
        // The hub says nothing: only the question tells.
        world.trades(ALICE, MNQ, 2);
        world.run(200);
        world.broker.outcomes.push_back(outcome);
        world.run(15_000);
        assert_eq!(stops(&world), [ours(2, "19997.5")], "{outcome:?}");
        assert_eq!(placed(&world), sends, "{outcome:?}");
        assert_eq!(rows(&world), ["PLACE_STOP done"], "{outcome:?}");
        let tags: std::collections::BTreeSet<_> = world
            .protective_sends()
            .into_iter()
            .filter_map(|(_, kind)| if let RequestKind::PlaceStop { tag, .. } = kind { Some(tag) } else { None })
            .collect();
        let one_tag = !matches!(outcome, Outcome::AcceptedNotDone);
        assert_eq!(tags.len() == 1, one_tag, "{outcome:?}: {tags:?}");
    }
}

#[test]
fn a_refused_stop_is_tried_again_and_after_half_a_minute_the_position_is_closed() {
    for (refusals, ends_flat) in [(3, false), (40, true)] {
        let mut world = world(only_stop());
        world.trades(ALICE, MNQ, 2);
        world.run(200);
        world.broker.outcomes.extend(std::iter::repeat_n(Outcome::Refused(2), refusals));
        world.run(29_000);
        assert!(!world.broker.is_flat(ALICE), "not before half a minute: {:#?}", world.protective_sends());
        world.broker.outcomes.clear();
        if !ends_flat {
            assert_eq!((placed(&world), stops(&world)), (4, vec![ours(2, "19997.5")]));
            continue;
        }
        assert!((3..=6).contains(&placed(&world)), "with longer and longer waits: {}", placed(&world));
        assert!(world.notices().any(|notice| matches!(notice, Notice::EnforcementSlow { .. })), "told");
        world.run(3_000);
        assert!(world.broker.is_flat(ALICE), "{:#?}", rows(&world));
        world.run(3_000);
        assert_eq!((closed(&world), rows(&world)), (1, vec!["PLACE_STOP done".into(), "CLOSE_POSITION done".into()]));
    }
}

#[test]
fn a_move_whatever_becomes_of_it_is_read_back() {
    let outcomes =
        [Outcome::AnswerLost, Outcome::RequestLost, Outcome::NotSent, Outcome::Refused(3), Outcome::AcceptedNotDone];
    for outcome in outcomes {
        let mut world = world(all());
        world.trades(ALICE, MNQ, 2);
        world.run(2_000);
        world.broker.outcomes.push_back(outcome);
        world.quotes(MNQ, "20002.5");
        world.run(15_000);
        assert_eq!(stops(&world), [ours(2, "20000")], "{outcome:?}");
        let most = if outcome == Outcome::AnswerLost { 1 } else { 2 };
        assert_eq!((moved(&world), closed(&world)), (most, 0), "{outcome:?}");
        assert_eq!(rows(&world), ["PLACE_STOP done", "MOVE_STOP done"], "{outcome:?}");
    }
}

#[test]
fn what_was_earned_once_is_done_though_the_average_changes_before_the_stop_is_moved() {
    let mut world = world(all());
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    world.broker.outcomes.push_back(Outcome::RequestLost);
    world.quotes(MNQ, "20002.5");
    world.run(3);
    // The average price rises, so that the profit is less than the trigger again.
    world.trades(ALICE, MNQ, 1);
    world.run(20_000);
    assert_eq!(stops(&world), [ours(2, "20000")]);
    assert!(world.log(ALICE).iter().all(|row| row.success), "{:#?}", world.log(ALICE));
}

#[test]
fn the_traders_own_stop_counts_and_is_tightened_never_loosened() {
    // Where his stop is, and where it is once the price has earned the average price.
    for (at, then) in [("19990", "20000"), ("19999.75", "20000"), ("20001", "20001")] {
        let mut world = world(all());
        world.quotes(MNQ, "20001.25");
        world.run(100);
        world.broker.prices.insert(id(MNQ), price("20000"));
        world.trades(ALICE, MNQ, 2);
        world.broker.prices.insert(id(MNQ), price("20001.25"));
        let his = world.places_stop(ALICE, MNQ, Side::Sell, 2, at);
        world.run(2_000);
        assert_eq!(stops(&world), [theirs(2, at)], "his counts: none is placed");
        world.quotes(MNQ, "20002.5");
        world.run(2_000);
        assert_eq!(stops(&world), [theirs(2, then)], "{at}");
        assert!(world.broker.accounts[&ALICE].orders.contains_key(&his));
        assert_eq!(placed(&world), 0);
    }
}

#[test]
fn what_the_traders_stop_leaves_uncovered_is_covered() {
    let mut world = world(only_stop());
    world.trades(ALICE, MNQ, 3);
    world.places_stop(ALICE, MNQ, Side::Sell, 1, "19990");
    world.run(2_000);
    assert_eq!(stops(&world), [theirs(1, "19990"), ours(2, "19997.5")]);
    // A looser one that he places afterwards takes nothing from ours; one as tight does.
    world.places_stop(ALICE, MNQ, Side::Sell, 2, "19980");
    world.run(2_000);
    assert_eq!(stops(&world), [theirs(1, "19990"), ours(2, "19997.5"), theirs(2, "19980")]);
    world.places_stop(ALICE, MNQ, Side::Sell, 2, "19998");
    world.run(2_000);
    assert_eq!(stops(&world), [theirs(1, "19990"), theirs(2, "19980"), theirs(2, "19998")]);
}

#[test]
fn a_suspended_child_that_only_the_books_show_counts() {
    let mut world = world(only_stop());
    let draft = OrderDraft {
        stop_price: Some(price("19980")),
        ..order(900, ALICE, MNQ, OrderType::Stop, Side::Sell, 2, OrderState::Pending).into_draft()
    };
    let child = Order::new(draft, &checks()).unwrap();
    world.broker.account(ALICE).orders.insert(child.id, child);
    world.trades(ALICE, MNQ, 2);
    world.run(5_000);
    assert_eq!((placed(&world), stops(&world)), (0, vec![theirs(2, "19980")]));
}

#[test]
fn a_restart_never_loosens_and_never_places_twice() {
    for crash_after_ms in [0, 1, 5, 8, 12, 20, 400, 5_000] {
        let mut world = world(all());
        world.trades(ALICE, MNQ, 2);
        world.run(300 + crash_after_ms);
        world.crash();
        world.run(10_000);
        assert_eq!(stops(&world), [ours(2, "19997.5")], "{crash_after_ms}");
        world.quotes(MNQ, "20007.5");
        world.run(2_000);
        assert_eq!(stops(&world), [ours(2, "20005")], "{crash_after_ms}");
        world.crash();
        world.run(10_000);
        // The best price is forgotten, and the stop is not.
        world.quotes(MNQ, "20006");
        world.run(5_000);
        assert_eq!(stops(&world), [ours(2, "20005")], "{crash_after_ms}");
        world.quotes(MNQ, "20008");
        world.run(5_000);
        assert_eq!(stops(&world), [ours(2, "20005.5")], "and follows again: {crash_after_ms}");
        assert_eq!(closed(&world), 0);
        assert!(world.log(ALICE).iter().all(|row| row.success), "{:#?}", world.log(ALICE));
    }
}

#[test]
fn a_gap_hides_a_stop_and_the_books_show_it() {
    let mut world = world(only_stop());
    world.trades(ALICE, MNQ, 2);
    world.run(200);
    world.user_link(false);
    world.run(20_000);
    assert_eq!(stops(&world), [ours(2, "19997.5")], "also while the hub is down");
    world.user_link(true);
    world.run(20_000);
    assert_eq!((placed(&world), stops(&world)), (1, vec![ours(2, "19997.5")]));
}

#[test]
fn in_a_cooldown_a_position_that_may_stay_keeps_its_stop_and_gets_one() {
    let mut rules = all();
    rules["cooldown_after_loss"] = json!({"loss_threshold": 100, "cooldown_seconds": 300});
    let mut world = world(rules);
    world.trades(ALICE, MNQ, 2);
    world.run(200);
    world.realizes(ALICE, "-150");
    world.run(5_000);
    assert!(world.is_locked(ALICE));
    assert_eq!(stops(&world), [ours(2, "19997.5")], "placed in the cooldown");
    world.quotes(MNQ, "20002.5");
    world.run(2_000);
    assert_eq!(stops(&world), [ours(2, "20000")], "and moved");
    world.crash();
    world.run(10_000);
    assert!(world.is_locked(ALICE));
    assert_eq!(stops(&world), [ours(2, "20000")], "also after a restart");
    assert_eq!((closed(&world), placed(&world)), (0, 1));
    assert_eq!(sent(&world, |kind| matches!(kind, RequestKind::CancelOrder(_))), 0);
}

#[test]
fn a_lock_closes_and_cancels_our_stop_like_any_other() {
    let mut rules = all();
    rules["daily_realized_loss"] = json!({"loss_limit": 500});
    let mut world = world(rules);
    world.trades(ALICE, MNQ, 2);
    world.run(2_000);
    world.realizes(ALICE, "-600");
    world.run(5_000);
    assert!(world.is_locked(ALICE) && world.broker.is_flat(ALICE));
    assert_eq!(stops(&world), []);
    world.trades(ALICE, MNQ, 1);
    world.run(5_000);
    assert_eq!((stops(&world), placed(&world)), (vec![], 1), "none is placed for what must go");
    assert!(world.broker.is_flat(ALICE) && !world.crossed_zero);
}

#[test]
fn our_stop_satisfies_the_rule_that_wants_one() {
    let mut rules = only_stop();
    rules["no_stop_loss_grace"] = json!({"grace_period_seconds": 5});
    let mut world = world(rules);
    world.trades(ALICE, MNQ, 2);
    world.run(120_000);
    assert_eq!((closed(&world), stops(&world)), (0, vec![ours(2, "19997.5")]));
}

#[test]
fn a_look_that_fails_does_not_keep_a_position_open_without_a_stop() {
    let mut world = world(only_stop());
    world.broker.looks.extend([Look::Failed; 8]);
    world.trades(ALICE, MNQ, 2);
    world.run(2_900);
    assert_eq!(placed(&world), 0, "the books are waited for");
    world.run(1_000);
    assert_eq!((placed(&world), stops(&world)), (1, vec![ours(2, "19997.5")]), "but not for ever");
}

#[test]
fn strict_mode_makes_no_lock_of_a_stop() {
    let mut world = World::before_start(config(&[ALICE], rules(all()).with_strict_mode(true)));
    world.start();
    world.run(1_000);
    world.trades(ALICE, MNQ, 2);
    world.run(2_000);
    assert_eq!((world.is_locked(ALICE), stops(&world)), (false, vec![ours(2, "19997.5")]));
}
