//! RULE-009, every option, on both sides of a session's end.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::date;
use jiff::tz::TimeZone;
use riskd_core::engine::*;
use riskd_core::model::*;
use riskd_core::rules::{RuleSet, RulesConfig};
use serde_json::{Value, json};

use crate::build::*;
use crate::harness::World;
use crate::probe::Probe;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn holidays() -> HolidayCalendar {
    let days = BTreeMap::from([
        (date(2026, 3, 11), Holiday::ClosesAt(jiff::civil::time(12, 0, 0, 0))),
        (date(2026, 3, 12), Holiday::Closed),
    ]);
    HolidayCalendar { timezone: TimeZone::get("America/Chicago").unwrap(), days }
}

fn session(section: Value) -> RuleSet {
    let mut config: RulesConfig = serde_json::from_value(json!({"session_block_outside": section})).unwrap();
    config.session_block_outside.as_mut().unwrap().calendar = Some(Arc::new(holidays()));
    config.build().unwrap()
}

/// New York's day session, as every test uses it unless it says otherwise.
fn day_session() -> Value {
    json!({"allowed_hours": {"start": "09:30", "end": "16:00"}, "timezone": "America/New_York"})
}

fn with(mut section: Value, more: Value) -> Value {
    section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    section
}

/// A world that starts at a moment, under these rules.
fn world_at(start: &str, rules: RuleSet) -> World {
    let mut world = World::before_start(config(&[ALICE], rules));
    world.now = at(start);
    world.start();
    world.run(1_000);
    world
}

fn run_until(world: &mut World, text: &str) {
    world.run(milliseconds_between(world.now, at(text)));
}

fn lock_end(world: &World) -> Option<Timestamp> {
    world.account(ALICE).locks.lockout().and_then(|lockout| lockout.locked_until)
}

#[test]
fn the_sessions_end_closes_cancels_and_locks_until_the_next_one() {
    let both = [
        day_session(),
        json!({"global_session": {"enabled": true, "start": "09:30", "end": "16:00", "timezone": "America/New_York"}}),
    ];
    for section in both {
        let mut world = world_at("2026-03-10T14:00:00Z", session(section));
        world.trades(ALICE, MNQ, 2);
        world.trades(ALICE, ES, -1);
        world.places_order(ALICE, MES);
        run_until(&mut world, "2026-03-10T19:59:59.900Z");
        assert!(!world.is_locked(ALICE) && !world.broker.is_flat(ALICE));
        run_until(&mut world, "2026-03-10T20:00:00Z");
        assert_eq!(lock_end(&world), Some(at("2026-03-11T13:30:00Z")), "at the very moment");
        world.run(2_000);
        assert!(world.broker.is_flat(ALICE) && world.broker.account(ALICE).orders.is_empty());
        let log = world.log(ALICE);
        assert_eq!(log.len(), 1, "{log:?}");
        assert_eq!((log[0].action.as_str(), log[0].positions_closed), ("CLOSE_ALL_AND_LOCKOUT", 2));
        assert!(log[0].reason.contains("the next one starts Wed 2026-03-11 09:30 EDT"), "{}", log[0].reason);
        // A fill while locked is closed; the next session starts free.
        world.trades(ALICE, MNQ, 1);
        world.run(2_000);
        assert!(world.broker.is_flat(ALICE));
        run_until(&mut world, "2026-03-11T13:30:01Z");
        assert!(!world.is_locked(ALICE));
        world.trades(ALICE, MNQ, 1);
        world.run(5_000);
        assert!(!world.broker.is_flat(ALICE), "inside the session nothing is touched");
    }
}

#[test]
fn a_flat_account_is_left_alone() {
    let mut world = world_at("2026-03-10T14:00:00Z", session(day_session()));
    run_until(&mut world, "2026-03-14T14:00:00Z");
    assert!(world.log(ALICE).is_empty() && !world.is_locked(ALICE));
    assert!(world.protective_sends().is_empty());
}

/// Where the account was locked to, by a fill at each moment; absent: nothing happened.
#[test]
fn a_fill_outside_is_closed_and_locks_until_the_next_session() {
    let night = json!({"allowed_hours": {"start": "18:00", "end": "17:00", "timezone": "America/New_York"}});
    let with_holidays = with(day_session(), json!({"holidays": "holidays.yaml"}));
    let without = with(with_holidays.clone(), json!({"respect_holidays": false}));
    let cases = [
        (day_session(), "2026-03-10T13:29:00Z", Some("2026-03-10T13:30:00Z")),
        (day_session(), "2026-03-10T13:30:00Z", None),
        (day_session(), "2026-03-13T20:30:00Z", Some("2026-03-16T13:30:00Z")),
        (night.clone(), "2026-03-10T04:30:00Z", None),
        (night.clone(), "2026-03-10T21:30:00Z", Some("2026-03-10T22:00:00Z")),
        (night.clone(), "2026-03-14T12:00:00Z", Some("2026-03-15T22:00:00Z")),
        // Over each change of the clocks.
        (night.clone(), "2026-03-07T12:00:00Z", Some("2026-03-08T22:00:00Z")),
        (night, "2026-10-31T12:00:00Z", Some("2026-11-01T23:00:00Z")),
        // An early close at noon in Chicago, then a day without a session.
        (with_holidays.clone(), "2026-03-11T16:30:00Z", None),
        (with_holidays.clone(), "2026-03-11T17:30:00Z", Some("2026-03-13T13:30:00Z")),
        (with_holidays, "2026-03-12T15:00:00Z", Some("2026-03-13T13:30:00Z")),
        (without, "2026-03-12T15:00:00Z", None),
    ];
    for (section, moment, expected) in cases {
        let mut world = world_at(moment, session(section.clone()));
        world.trades(ALICE, MNQ, 1);
        world.run(2_000);
        assert_eq!(lock_end(&world), expected.map(at), "{moment} {section}");
        assert_eq!(world.broker.is_flat(ALICE), expected.is_some(), "{moment} {section}");
    }
}

#[test]
fn an_order_outside_is_cancelled() {
    let mut world = world_at("2026-03-10T21:00:00Z", session(day_session()));
    world.places_order(ALICE, MNQ);
    world.run(2_000);
    assert!(world.broker.account(ALICE).orders.is_empty());
    assert_eq!(lock_end(&world), Some(at("2026-03-11T13:30:00Z")));

    let free = with(day_session(), json!({"lockout_outside_session": false}));
    let mut world = world_at("2026-03-10T21:00:00Z", session(free));
    world.places_order(ALICE, MNQ);
    world.run(2_000);
    assert!(world.broker.account(ALICE).orders.is_empty() && !world.is_locked(ALICE));
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    assert!(world.broker.is_flat(ALICE) && !world.is_locked(ALICE));
    let actions: Vec<_> = world.log(ALICE).iter().map(|log| log.action.to_string()).collect();
    assert_eq!(actions, ["CANCEL_ORDERS", "CLOSE_ALL_POSITIONS"]);
}

#[test]
fn missed_while_down_is_made_up_at_the_start() {
    let mut world = world_at("2026-03-10T19:00:00Z", session(day_session()));
    world.trades(ALICE, MNQ, 1);
    world.run(1_000);
    world.engine = None;
    world.now = at("2026-03-10T20:45:00Z");
    world.start();
    world.run(2_000);
    assert!(world.broker.is_flat(ALICE));
    assert_eq!(lock_end(&world), Some(at("2026-03-11T13:30:00Z")));
}

#[test]
fn positions_may_stay_where_the_config_says_so_and_nothing_may_be_added() {
    let keeps = with(day_session(), json!({"close_positions_at_session_end": false, "lockout_outside_session": false}));
    let mut world = world_at("2026-03-10T14:00:00Z", session(keeps));
    world.trades(ALICE, MNQ, 2);
    let entry = world.places_order(ALICE, MES);
    run_until(&mut world, "2026-03-10T20:30:00Z");
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2, "held over");
    assert!(!world.broker.account(ALICE).orders.contains_key(&entry), "an order that would open something is gone");
    // Making it smaller is no breach.
    world.trades(ALICE, MNQ, -1);
    world.run(2_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 1);
    // Making it larger is, and so is a position in another product, which goes alone.
    world.broker.prices.insert(id(ES), price("5000"));
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 0, "enlarged outside the session");
    assert!(!world.is_locked(ALICE));
}

#[test]
fn sessions_of_single_products_act_on_these_alone_and_together_when_they_end_together() {
    let instruments = json!({
        "ES": {"start": "18:00", "end": "17:00", "timezone": "America/New_York"},
        "MNQ": {"start": "09:30", "end": "16:00", "timezone": "America/New_York"},
        "MES": {"start": "08:30", "end": "15:00", "timezone": "America/Chicago"},
    });
    for sessions in [instruments.clone(), json!({"enabled": true, "sessions": instruments})] {
        let mut world = world_at("2026-03-10T14:00:00Z", session(json!({"per_instrument_sessions": sessions})));
        for contract in [MNQ, MES, ES, CL] {
            world.trades(ALICE, contract, 1);
        }
        run_until(&mut world, "2026-03-10T20:00:05Z");
        let held: Vec<_> = world.broker.positions(ALICE).iter().map(|held| held.contract_id.to_string()).collect();
        assert_eq!(held, [CL, ES], "CL has no session here, ES is still in its own");
        let log = world.log(ALICE);
        assert_eq!(log.len(), 1, "closed at once: {log:?}");
        assert_eq!((log[0].action.as_str(), log[0].positions_closed), ("CLOSE_POSITION", 2));
        assert!(!world.is_locked(ALICE));
        // A fill in a closed product is closed, in an open one it stays.
        world.trades(ALICE, MNQ, 1);
        world.trades(ALICE, ES, 1);
        world.run(2_000);
        assert_eq!(world.broker.size(ALICE, &id(MNQ)), 0);
        assert_eq!(world.broker.size(ALICE, &id(ES)), 2);
        run_until(&mut world, "2026-03-10T21:00:05Z");
        assert_eq!(world.broker.size(ALICE, &id(ES)), 0, "17:00 in New York");
        assert_eq!(world.broker.size(ALICE, &id(CL)), 1);
    }
}

#[test]
fn products_without_a_session_of_their_own_are_under_the_global_one() {
    let section = with(day_session(), json!({"per_instrument_sessions": {"ES": {"start": "18:00", "end": "17:00"}}}));
    let mut world = world_at("2026-03-10T14:00:00Z", session(section));
    world.trades(ALICE, MNQ, 1);
    world.trades(ALICE, ES, 1);
    run_until(&mut world, "2026-03-10T20:00:05Z");
    assert_eq!((world.broker.size(ALICE, &id(MNQ)), world.broker.size(ALICE, &id(ES))), (0, 1));
    assert!(!world.is_locked(ALICE), "the account can go on trading ES");
}

#[test]
fn a_market_order_is_left_to_fill_and_one_that_hangs_is_cancelled() {
    let mut probe = Probe::with_config(config(&[ALICE], session(day_session())));
    probe.at = at("2026-03-10T21:00:00Z");
    let mut draft = order(1, ALICE, MNQ, OrderType::Market, Side::Buy, 1, OrderState::Working).into_draft();
    draft.created_at = probe.at;
    let fresh = Order::new(draft, &checks()).unwrap();
    assert_eq!(probe.feed(Event::Order(fresh)), []);
    probe.at = at("2026-03-10T21:00:06Z");
    let responses = probe.feed(Event::TimePassed);
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].goal, Goal::Flat { cancel_orders: true });
}

#[test]
fn a_calendar_that_ends_leaves_the_rule_not_armed() {
    let section = with(day_session(), json!({"holidays_file": "holidays.yaml"}));
    let probe = Probe::with_config(config(&[ALICE], session(section)));
    let rules = &probe.config.accounts[&ALICE].rules;
    let reason = |moment: &str| {
        let view = probe.engine.view(ALICE, at(moment)).unwrap();
        rules.rules().next().unwrap().not_armed(&view)
    };
    assert_eq!(reason("2026-03-12T23:00:00Z"), None);
    let ended = "the holiday calendar ends on 2026-03-12: later holidays are not known";
    assert_eq!(reason("2026-03-13T05:00:00Z").as_deref(), Some(ended));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let hours = json!({"start": "09:30", "end": "16:00"});
    let cases = [
        (json!({}), "allowed_hours: no session is given"),
        (json!({"allowed_hours": hours, "global_session": hours}), "global_session: stands beside allowed_hours"),
        (json!({"allowed_hours": {"start": "9h", "end": "16:00"}}), "allowed_hours: \"9h\" is not a time of day"),
        (
            json!({"allowed_hours": hours, "timezone": "New_York"}),
            "allowed_hours: \"New_York\" is not the name of a time zone",
        ),
        (
            json!({"per_instrument_sessions": {"ES": {"start": "09:30", "end": "4pm"}}}),
            "per_instrument_sessions: ES: \"4pm\" is not a time of day",
        ),
        (json!({"allowed_hours": hours, "holidays": "none.yaml"}), "holidays: the file was not read"),
        (json!({"per_instrument_sessions": {"enabled": false, "ES": hours}}), "allowed_hours: no session is given"),
    ];
    for (section, expected) in cases {
        let config: RulesConfig = serde_json::from_value(json!({"session_block_outside": section})).unwrap();
        let error = config.build().expect_err(expected).to_string();
        assert!(error.starts_with(&format!("rules.session_block_outside.{expected}")), "{error}");
    }
    for section in [json!({"allowed_hours": {"start": "09:30"}}), json!({"per_instrument_sessions": 3})] {
        assert!(serde_json::from_value::<RulesConfig>(json!({"session_block_outside": section})).is_err());
    }
}

#[test]
fn the_sentence_says_the_hours_and_what_is_done() {
    let cases = [
        (
            day_session(),
            "Outside the session (09:30–16:00 America/New_York, Monday to Friday), everything is closed and the account \
             locked until the next session.",
        ),
        (
            json!({"per_instrument_sessions": {"ES": {"start": "18:00", "end": "17:00"}}}),
            "Outside the session (ES 18:00–17:00 America/New_York, Monday to Friday), everything in the product is closed \
             and cancelled.",
        ),
    ];
    for (section, sentence) in cases {
        let mut config: RulesConfig = serde_json::from_value(json!({"session_block_outside": section})).unwrap();
        config.session_block_outside.as_mut().unwrap().calendar = None;
        assert_eq!(config.build().unwrap().rules().next().unwrap().sentence(), sentence);
    }
}
