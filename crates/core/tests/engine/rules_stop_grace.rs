//! RULE-008: what protects, how long the grace lasts, and where nothing is certain.

use riskd_core::engine::{Event, Goal, Hub};
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;
use serde_json::json;

use crate::build::*;
use crate::probe::Probe;

/// A stop of a long or short ES position: type, side, size, stop price, state.
fn stop(order_id: i64, order_type: OrderType, side: Side, size: i64, at: Option<&str>, state: OrderState) -> Order {
    let mut draft = order(order_id, ALICE, ES, OrderType::Stop, side, size, state).into_draft();
    draft.order_type = order_type;
    if order_type == OrderType::Limit {
        draft.limit_price = Some(price("5010"));
    }
    if order_type.is_stop() {
        draft.stop_price = at.map(price);
    }
    if order_type == OrderType::StopLimit {
        draft.limit_price = at.map(price);
    }
    if order_type == OrderType::TrailingStop {
        draft.trail_distance = Some(price("5"));
    }
    Order::new(draft, &checks()).unwrap()
}

fn sell_stop(order_id: i64, size: i64, at: &str) -> Order {
    stop(order_id, OrderType::Stop, Side::Sell, size, Some(at), OrderState::Working)
}

fn probe() -> Probe {
    Probe::with_contracts(json!({"no_stop_loss_grace": {"grace_period_seconds": 30}}))
}

#[test]
fn what_protects_a_position_and_what_does_not() {
    use OrderState::{Pending, Unknown, Working};
    use OrderType::{Limit, Market, Stop, StopLimit, TrailingStop};
    use Side::{Buy, Sell};
    type Given = (OrderType, Side, i64, Option<&'static str>, OrderState);
    let cases: Vec<(i64, Vec<Given>, bool)> = vec![
        (2, vec![], false),
        (2, vec![(Stop, Sell, 2, Some("4990"), Working)], true),
        (2, vec![(StopLimit, Sell, 2, Some("4990"), Working)], true),
        (2, vec![(TrailingStop, Sell, 2, Some("4990"), Working)], true),
        (2, vec![(TrailingStop, Sell, 2, None, Working)], true),
        (2, vec![(Stop, Sell, 3, Some("4990"), Working)], true),
        (-2, vec![(Stop, Buy, 2, Some("5010"), Working)], true),
        // Suspended children count while the broker shows them; a status nobody knows counts as working.
        (2, vec![(Stop, Sell, 2, Some("4990"), Pending)], true),
        (2, vec![(Stop, Sell, 2, Some("4990"), Unknown(42))], true),
        // The full size, by several together.
        (2, vec![(Stop, Sell, 1, Some("4990"), Working)], false),
        (2, vec![(Stop, Sell, 1, Some("4990"), Working), (TrailingStop, Sell, 1, None, Working)], true),
        // The wrong kind, the wrong side.
        (2, vec![(Limit, Sell, 2, None, Working)], false),
        (2, vec![(Market, Sell, 2, None, Working)], false),
        (2, vec![(Stop, Buy, 2, Some("5010"), Working)], false),
        (2, vec![(Stop, Side::Unknown(7), 2, Some("4990"), Working)], false),
        (-2, vec![(Stop, Sell, 2, Some("4990"), Working)], false),
        // On the average price or on the winning side, while no price says that the market is beyond it.
        (2, vec![(Stop, Sell, 2, Some("5000"), Working)], false),
        (2, vec![(Stop, Sell, 2, Some("4999.75"), Working)], true),
        (2, vec![(Stop, Sell, 2, Some("5010"), Working)], false),
        (-2, vec![(Stop, Buy, 2, Some("5000"), Working)], false),
        (-2, vec![(Stop, Buy, 2, Some("5000.25"), Working)], true),
    ];
    for (size, given, protected) in cases {
        let mut probe = probe();
        assert_eq!(probe.hold(ES, size, "5000"), []);
        for (number, (order_type, side, size, at, state)) in given.iter().enumerate() {
            let order = stop(number as i64 + 1, *order_type, *side, *size, *at, *state);
            assert_eq!(probe.feed(Event::Order(order)), [], "{given:?}");
        }
        assert_eq!(probe.wait(30_100).is_empty(), protected, "{size} {given:?}");
    }
}

#[test]
fn a_stop_that_follows_a_profit_protects_while_the_market_is_beyond_it() {
    for (last, protected) in [("5020", true), ("5010.25", true), ("5010", false), ("5000", false)] {
        let mut probe = probe();
        probe.hold(ES, 2, "5000");
        probe.quote(ES, last);
        probe.feed(Event::Order(sell_stop(1, 2, "5010")));
        assert_eq!(probe.wait(31_000).is_empty(), protected, "{last}");
    }
}

#[test]
fn the_grace_ends_to_the_millisecond_and_runs_without_a_break() {
    let mut probe = probe();
    probe.hold(ES, 2, "5000");
    assert_eq!(probe.wait(29_999), []);
    let responses = probe.wait(1);
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].goal, Goal::PositionClosed { contract_id: id(ES) });
    assert_eq!(responses[0].reason, format!("2 {ES} without a protective stop for 30 s"));
    assert_eq!((responses[0].rule, responses[0].lock), (RuleId::NO_STOP_LOSS_GRACE, None));

    // A stop in between, be it for a moment, begins a new grace.
    let mut probe = self::probe();
    probe.hold(ES, 2, "5000");
    assert_eq!(probe.wait(20_000), []);
    probe.feed(Event::Order(sell_stop(1, 2, "4990")));
    assert_eq!(probe.wait(60_000), []);
    let mut cancelled = sell_stop(1, 2, "4990").into_draft();
    cancelled.state = OrderState::Cancelled;
    assert_eq!(probe.feed(Event::Order(Order::new(cancelled, &checks()).unwrap())), []);
    assert_eq!(probe.wait(29_999), []);
    assert_eq!(probe.wait(1).len(), 1, "from losing its stop");

    // A position that outgrows its stop is unprotected from then on.
    let mut probe = self::probe();
    probe.hold(ES, 1, "5000");
    probe.feed(Event::Order(sell_stop(1, 1, "4990")));
    assert_eq!(probe.wait(60_000), []);
    probe.hold(ES, 2, "5000");
    assert_eq!(probe.wait(29_999), []);
    assert_eq!(probe.wait(1).len(), 1);
}

#[test]
fn each_position_has_its_own_grace() {
    let mut probe = probe();
    probe.hold(ES, 2, "5000");
    assert_eq!(probe.wait(10_000), []);
    probe.hold(MES, 1, "5000");
    assert_eq!(probe.wait(20_000).len(), 1);
    assert_eq!(probe.feed(Event::PositionClosed { account_id: ALICE, contract_id: id(ES) }), []);
    probe.look(vec![position(ALICE, MES, 1, "5000")], vec![]);
    let responses = probe.wait(10_000);
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].goal, Goal::PositionClosed { contract_id: id(MES) });

    // Two at one moment: both are closed.
    let mut probe = self::probe();
    let asked = probe.at;
    assert_eq!(probe.look(vec![position(ALICE, ES, 1, "5000"), position(ALICE, MES, 1, "5000")], vec![]), []);
    let waited = 30_000 - milliseconds_between(noon(), asked);
    let responses = probe.wait(waited);
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].goal, Goal::Reduced { targets: vec![(id(ES), 0), (id(MES), 0)] });
}

#[test]
fn a_position_found_in_the_books_has_its_grace_from_its_opening() {
    let opened = |at: Timestamp| {
        let mut draft = position(ALICE, ES, 1, "5000").into_draft();
        (draft.created_at, draft.updated_at) = (at, at);
        Position::new(draft, &checks()).unwrap()
    };
    let mut probe = probe();
    let now = probe.at;
    assert_eq!(probe.look(vec![opened(after(now, -29_000))], vec![]), []);
    assert_eq!(probe.wait(900), []);
    assert_eq!(probe.wait(200).len(), 1);
    let mut probe = self::probe();
    let now = probe.at;
    assert_eq!(probe.look(vec![opened(after(now, -31_000))], vec![]).len(), 1, "its grace is long over");
    // One that the broker's clock dates ahead counts from now.
    let mut probe = self::probe();
    let now = probe.at;
    assert_eq!(probe.look(vec![opened(after(now, 9_000))], vec![]), []);
    assert_eq!(probe.wait(29_999), []);
    assert_eq!(probe.wait(1_000).len(), 1);
}

#[test]
fn while_orders_are_uncertain_the_books_must_show_it() {
    let mut probe = probe();
    probe.hold(ES, 2, "5000");
    probe.feed(Event::Link { hub: Hub::User, up: false });
    assert_eq!(probe.wait(30_000), [], "a stop may stand that nobody heard of");
    let held = position(ALICE, ES, 2, "5000");
    let found = sell_stop(1, 2, "4990");
    let mut protected = (probe.config.clone(), probe.engine.clone(), probe.at);
    assert_eq!(probe.look(vec![held.clone()], vec![]).len(), 1, "none stands");
    std::mem::swap(&mut probe.engine, &mut protected.1);
    probe.at = protected.2;
    assert_eq!(probe.look(vec![held.clone()], vec![found]), [], "it stands");
    assert_eq!(probe.look(vec![held.clone()], vec![]), [], "it is gone: a new grace");
    assert_eq!(probe.wait(31_000), []);
    assert_eq!(probe.look(vec![held], vec![]).len(), 1);
}

#[test]
fn what_the_end_of_the_grace_leads_to() {
    let reset: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
    let cases = [
        (json!({}), EnforcementAction::ClosePosition, None),
        (json!({"action": "CLOSE_POSITION"}), EnforcementAction::ClosePosition, None),
        (json!({"action": "CLOSE_ALL_AND_LOCKOUT"}), EnforcementAction::CloseAllAndLockout, Some(Some(reset))),
        (
            json!({"action": "CLOSE_ALL_AND_LOCKOUT", "lockout_until": "permanent"}),
            EnforcementAction::CloseAllAndLockout,
            Some(None),
        ),
    ];
    for (section, action, lock) in cases {
        let mut probe = Probe::with_contracts(json!({"no_stop_loss_grace": section}));
        probe.hold(ES, 2, "5000");
        assert_eq!(probe.wait(29_999), [], "30 s by default");
        let responses = probe.wait(1);
        assert_eq!(responses.len(), 1, "{section}");
        assert_eq!((&responses[0].action, responses[0].lock), (&action, lock), "{section}");
    }
    for seconds in [0, -1, 604_801] {
        let section = json!({"no_stop_loss_grace": {"grace_period_seconds": seconds}});
        let config: RulesConfig = serde_json::from_value(section).unwrap();
        assert_eq!(config.build().unwrap_err().option, "grace_period_seconds", "{seconds}");
    }
}
