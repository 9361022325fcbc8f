//! RULE-001, every option, both sides of the limit.

use riskd_core::engine::Goal;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::probe::Probe;

/// Holds the positions one after another; gives the responses to the last one. The others must be within.
fn respond(section: serde_json::Value, held: &[(&str, i64)]) -> Vec<crate::probe::Response> {
    let mut probe = Probe::new(json!({"max_contracts": section}));
    let (last, before) = held.split_last().unwrap();
    for (contract, size) in before {
        assert_eq!(probe.hold(contract, *size, "100"), [], "{contract} {size} is within");
    }
    probe.hold(last.0, last.1, "100")
}

#[test]
fn only_more_than_the_limit_is_a_breach() {
    type Case<'a> = (&'a str, i64, &'a [(&'a str, i64)], bool);
    let cases: &[Case<'_>] = &[
        ("net", 5, &[(MNQ, 5)], false),
        ("net", 5, &[(MNQ, 6)], true),
        ("net", 5, &[(MNQ, -5)], false),
        ("net", 5, &[(MNQ, -6)], true),
        ("net", 5, &[(MNQ, 3), (ES, 2)], false),
        ("net", 5, &[(MNQ, 3), (ES, 3)], true),
        ("net", 5, &[(MNQ, 5), (ES, -5)], false),
        ("net", 5, &[(MNQ, 5), (ES, -10)], false),
        ("net", 5, &[(MNQ, 5), (ES, -11)], true),
        ("gross", 5, &[(MNQ, 5)], false),
        ("gross", 5, &[(MNQ, -6)], true),
        ("gross", 5, &[(MNQ, 3), (ES, -2)], false),
        ("gross", 5, &[(MNQ, 3), (ES, -3)], true),
        ("gross", 0, &[(MNQ, 1)], true),
        ("net", 0, &[(MNQ, -1)], true),
    ];
    for (count_type, limit, held, breached) in cases {
        let responses = respond(json!({"limit": limit, "count_type": count_type}), held);
        assert_eq!(!responses.is_empty(), *breached, "{count_type} {limit} {held:?}");
    }
}

#[test]
fn each_response_does_what_it_says() {
    let reset: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
    let flat = |cancel_orders| Goal::Flat { cancel_orders };
    let cases = [
        (json!({"limit": 2}), EnforcementAction::CloseAllPositions, flat(false), None),
        (json!({"limit": 2, "close_all": true}), EnforcementAction::CloseAllPositions, flat(false), None),
        (
            json!({"limit": 2, "reduce_to_limit": true}),
            EnforcementAction::ReduceToLimit,
            Goal::Reduced { targets: vec![(id(MNQ), 2)] },
            None,
        ),
        (
            json!({"limit": 2, "close_all": false, "reduce_to_limit": true}),
            EnforcementAction::ReduceToLimit,
            Goal::Reduced { targets: vec![(id(MNQ), 2)] },
            None,
        ),
        (
            json!({"limit": 2, "lockout_on_breach": true}),
            EnforcementAction::CloseAllAndLockout,
            flat(true),
            Some(Some(reset)),
        ),
    ];
    for (section, action, goal, lock) in cases {
        let responses = respond(section.clone(), &[(MNQ, 3)]);
        assert_eq!(responses.len(), 1, "{section}");
        assert_eq!((&responses[0].action, &responses[0].goal, responses[0].lock), (&action, &goal, lock), "{section}");
        assert_eq!(responses[0].rule, RuleId::MAX_CONTRACTS);
        assert_eq!(responses[0].reason, "3 contracts held (net), limit 2");
    }
}

#[test]
fn a_reduction_takes_from_the_largest_first_and_of_equals_from_the_first() {
    let target = |list: &[(&str, i64)]| Goal::Reduced {
        targets: list.iter().map(|(contract, size)| (id(contract), *size)).collect(),
    };
    // In the order of ids: CLE, EP, MES, MNQ.
    type Case<'a> = (&'a str, i64, &'a [(&'a str, i64)], &'a [(&'a str, i64)]);
    let cases: &[Case<'_>] = &[
        ("gross", 4, &[(MNQ, 3), (ES, 2)], &[(MNQ, 2)]),
        ("gross", 2, &[(ES, 2), (MNQ, 3)], &[(MNQ, 0)]),
        ("gross", 3, &[(MES, 2), (MNQ, 2)], &[(MES, 1)]),
        ("gross", 4, &[(MNQ, -4), (ES, 1)], &[(MNQ, 3)]),
        // Shorts offset longs: only the heavier side is worth reducing.
        ("net", 2, &[(ES, -2), (MNQ, 5)], &[(MNQ, 4)]),
        ("net", 2, &[(MNQ, 2), (ES, -6)], &[(ES, 4)]),
        ("net", 1, &[(MES, 1), (MNQ, 1)], &[(MES, 0)]),
    ];
    for (count_type, limit, held, targets) in cases {
        let section = json!({"limit": limit, "count_type": count_type, "reduce_to_limit": true});
        let responses = respond(section, held);
        assert_eq!(responses.len(), 1, "{count_type} {limit} {held:?}");
        assert_eq!(responses[0].goal, target(targets), "{count_type} {limit} {held:?}");
    }
}

#[test]
fn a_reduction_over_several_positions_ends_exactly_at_the_limit() {
    // Everything appears in one snapshot, far beyond the limit.
    let mut probe = Probe::new(json!({"max_contracts": {"limit": 3, "count_type": "gross", "reduce_to_limit": true}}));
    let snapshot = riskd_core::engine::Snapshot {
        account_id: ALICE,
        asked_at: after(probe.at, 1),
        account: None,
        positions: vec![position(ALICE, MNQ, 5, "1"), position(ALICE, ES, -5, "1"), position(ALICE, MES, 2, "1")],
        orders: Vec::new(),
        trades: Vec::new(),
        trades_since: Some(Timestamp::MIN),
        refused: Vec::new(),
    };
    let responses = probe.feed(riskd_core::engine::Event::Snapshot(Box::new(snapshot)));
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].goal, Goal::Reduced { targets: vec![(id(ES), 0), (id(MNQ), 1)] });
}

#[test]
fn sizes_beyond_all_sense_still_breach() {
    for count_type in ["net", "gross"] {
        let held = [(MNQ, 3), (ES, i64::MAX)];
        assert_eq!(respond(json!({"limit": 5, "count_type": count_type}), &held).len(), 1, "{count_type}");
    }
}

#[test]
fn a_closed_or_shrinking_position_is_no_breach() {
    let mut probe = Probe::new(json!({"max_contracts": {"limit": 5}}));
    assert_eq!(probe.hold(MNQ, 5, "100"), []);
    assert_eq!(probe.hold(MNQ, 5, "101"), []);
    assert_eq!(probe.hold(MNQ, 2, "100"), []);
    assert_eq!(probe.hold(MNQ, 0, "100"), []);
    assert_eq!(probe.hold(MNQ, 5, "100"), []);
}
