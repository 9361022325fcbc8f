//! RULE-015, every option, around single events and overlapping ones.

use std::sync::Arc;

use riskd_core::model::*;
use riskd_core::rules::{RuleSet, RulesConfig};
use serde_json::{Value, json};

use crate::build::*;
use crate::harness::World;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// 14:30 payrolls for all, 14:38 a speech for all, 16:00 oil stocks for crude oil, 18:00 something of little impact.
fn calendar() -> NewsCalendar {
    let event = |moment: &str, title: &str, impact, symbols: &[&str]| NewsEvent {
        at: at(&format!("2026-03-10T{moment}:00Z")),
        title: title.to_owned(),
        impact,
        symbols: symbols.iter().map(|root| (*root).to_owned()).collect(),
    };
    NewsCalendar::new(vec![
        event("18:00", "Beige Book", Impact::Low, &[]),
        event("16:00", "EIA stocks", Impact::Medium, &["CL"]),
        event("14:30", "Payrolls", Impact::High, &[]),
        event("14:38", "Speech", Impact::High, &[]),
    ])
}

fn news(section: Value) -> RuleSet {
    let mut section = section;
    section.as_object_mut().unwrap().entry("calendar").or_insert(json!("news.yaml"));
    let mut config: RulesConfig = serde_json::from_value(json!({"news_window": section})).unwrap();
    config.news_window.as_mut().unwrap().events = Some(Arc::new(calendar()));
    config.build().unwrap()
}

fn world(section: Value) -> World {
    let mut world = World::before_start(config(&[ALICE], news(section)));
    world.now = at("2026-03-10T14:00:00Z");
    world.start();
    world.run(1_000);
    world
}

fn run_until(world: &mut World, text: &str) {
    world.run(milliseconds_between(world.now, at(&format!("2026-03-10T{text}Z"))));
}

fn lock_end(world: &World) -> Option<Timestamp> {
    world.account(ALICE).locks.lockout().and_then(|lockout| lockout.locked_until)
}

/// Whether a fill at a moment is closed.
#[test]
fn a_fill_in_a_window_is_closed_and_one_outside_stays() {
    let high = json!({"impacts": ["high"]});
    let wide = json!({"minutes_before": 30, "minutes_after": 0});
    let cases = [
        (json!({}), "14:24:59", MNQ, false),
        (json!({}), "14:25:00", MNQ, true),
        (json!({}), "14:34:59", MNQ, true),
        // The windows of payrolls and speech overlap: 14:25 to 14:43.
        (json!({}), "14:42:59", MNQ, true),
        (json!({}), "14:43:00", MNQ, false),
        (json!({}), "16:00:00", MNQ, false),
        (json!({}), "16:00:00", CL, true),
        (json!({}), "18:00:00", MNQ, true),
        (high.clone(), "18:00:00", MNQ, false),
        (high, "16:00:00", CL, false),
        (wide.clone(), "14:00:05", MNQ, true),
        (wide, "14:38:00", MNQ, false),
    ];
    for (section, moment, contract, closed) in cases {
        let mut world = world(section.clone());
        run_until(&mut world, moment);
        world.trades(ALICE, contract, 1);
        world.run(1_500);
        assert_eq!(world.broker.is_flat(ALICE), closed, "{section} {moment} {contract}");
        assert!(!world.is_locked(ALICE), "block alone does not lock");
    }
}

#[test]
fn block_spares_what_was_held_and_cancels_orders_that_would_open() {
    let mut world = world(json!({}));
    world.trades(ALICE, MNQ, 2);
    let entry = world.places_order(ALICE, MES);
    run_until(&mut world, "14:29:00");
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 2);
    assert!(!world.broker.account(ALICE).orders.contains_key(&entry));
    world.trades(ALICE, MNQ, -1);
    world.run(2_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 1, "making it smaller is allowed");
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 0, "making it larger is not");
}

#[test]
fn block_and_flatten_locks_until_the_last_overlapping_window_closes() {
    let mut world = world(json!({"action": "block_and_flatten"}));
    world.trades(ALICE, MNQ, 2);
    run_until(&mut world, "14:24:59.500");
    assert!(!world.broker.is_flat(ALICE));
    run_until(&mut world, "14:25:02");
    assert!(world.broker.is_flat(ALICE));
    assert_eq!(lock_end(&world), Some(at("2026-03-10T14:43:00Z")));
    run_until(&mut world, "14:43:02");
    assert!(!world.is_locked(ALICE));
    assert_eq!(world.log(ALICE).len(), 1, "the second event adds nothing");
    world.trades(ALICE, MNQ, 1);
    world.run(2_000);
    assert!(!world.broker.is_flat(ALICE));
}

#[test]
fn an_event_of_some_products_touches_no_other() {
    let mut world = world(json!({"action": "BLOCK_AND_FLATTEN"}));
    run_until(&mut world, "15:00:00");
    world.trades(ALICE, MNQ, 1);
    world.trades(ALICE, CL, 1);
    run_until(&mut world, "15:55:02");
    assert_eq!((world.broker.size(ALICE, &id(MNQ)), world.broker.size(ALICE, &id(CL))), (1, 0));
    assert!(!world.is_locked(ALICE));
}

#[test]
fn a_flat_account_is_left_alone_and_a_missed_window_is_made_up_at_the_start() {
    let mut idle = world(json!({"action": "block_and_flatten"}));
    run_until(&mut idle, "18:30:00");
    assert!(idle.log(ALICE).is_empty());

    let mut down = world(json!({"action": "block_and_flatten"}));
    down.trades(ALICE, MNQ, 1);
    down.run(1_000);
    down.engine = None;
    down.now = at("2026-03-10T14:31:00Z");
    down.start();
    down.run(2_000);
    assert!(down.broker.is_flat(ALICE));
    assert_eq!(lock_end(&down), Some(at("2026-03-10T14:43:00Z")));
}

#[test]
fn a_calendar_that_ends_leaves_the_rule_not_armed() {
    let world = world(json!({}));
    let rules = &world.config.accounts[&ALICE].rules;
    let reason = |moment: &str| {
        let view = world.engine().view(ALICE, at(moment)).unwrap();
        rules.rules().next().unwrap().not_armed(&view)
    };
    assert_eq!(reason("2026-03-10T18:04:59Z"), None);
    let ended = "the calendar ends with \"Beige Book\" at 2026-03-10T18:00:00Z: later events are not known";
    assert_eq!(reason("2026-03-10T18:05:00Z").as_deref(), Some(ended));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let cases = [
        (json!({}), "calendar: must name the calendar file"),
        (json!({"calendar": "news.yaml"}), "calendar: the file was not read"),
    ];
    for (section, expected) in cases {
        let config: RulesConfig = serde_json::from_value(json!({"news_window": section})).unwrap();
        assert_eq!(config.build().unwrap_err().to_string(), format!("rules.news_window.{expected}"));
    }
    for (section, option) in [
        (json!({"minutes_before": -1}), "minutes_before"),
        (json!({"minutes_after": 1441}), "minutes_after"),
        (json!({"minutes_before": 0, "minutes_after": 0}), "minutes_after"),
    ] {
        let mut section = section;
        section["calendar"] = json!("news.yaml");
        let mut config: RulesConfig = serde_json::from_value(json!({"news_window": section})).unwrap();
        config.news_window.as_mut().unwrap().events = Some(Arc::new(calendar()));
        assert_eq!(config.build().unwrap_err().option, option);
    }
}
