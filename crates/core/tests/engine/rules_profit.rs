//! RULE-005, both modes and scopes, both sides of each limit.

use riskd_core::engine::{Event, Goal};
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;
use serde_json::{Value, json};

use crate::build::*;
use crate::probe::Probe;

#[derive(Debug)]
enum Step {
    Hold(&'static str, i64, &'static str),
    Quote(&'static str, &'static str),
}
use Step::{Hold, Quote};

/// What each step led to: whether it was a breach.
fn play(section: &Value, steps: &[Step]) -> (Vec<bool>, Vec<crate::probe::Response>) {
    let mut probe = Probe::with_contracts(json!({"max_unrealized_profit": section}));
    let mut responses = Vec::new();
    let breached = steps
        .iter()
        .map(|step| {
            let response = match step {
                Hold(contract, size, average) => probe.hold(contract, *size, average),
                Quote(contract, last) => probe.quote(contract, last),
            };
            responses.extend(response.clone());
            !response.is_empty()
        })
        .collect();
    (breached, responses)
}

/// Each case: only the last step is a breach, or none is.
fn assert_last(cases: &[(Value, Vec<Step>, bool)]) {
    for (section, steps, last) in cases {
        let (breached, _) = play(section, steps);
        let mut expected = vec![false; steps.len()];
        *expected.last_mut().unwrap() = *last;
        assert_eq!(breached, expected, "{section} {steps:?}");
    }
}

#[test]
fn a_profit_is_taken_exactly_at_its_target() {
    // ES: $50 a point, $12.50 a tick.
    let target = |target: &str| json!({"profit_target": target});
    let total = json!({"profit_target": 1000, "scope": "total"});
    assert_last(&[
        (json!({}), vec![Hold(ES, 2, "5000"), Quote(ES, "5009.75")], false),
        (json!({}), vec![Hold(ES, 2, "5000"), Quote(ES, "5010")], true),
        (json!({"mode": "profit_target"}), vec![Hold(ES, 2, "5000"), Quote(ES, "5011")], true),
        (json!({}), vec![Hold(ES, -2, "5000"), Quote(ES, "4990.25")], false),
        (json!({}), vec![Hold(ES, -2, "5000"), Quote(ES, "4990")], true),
        (target("12.51"), vec![Hold(ES, 1, "5000"), Quote(ES, "5000.25")], false),
        (target("12.50"), vec![Hold(ES, 1, "5000"), Quote(ES, "5000.25")], true),
        // A loss is none, and each position is measured by itself.
        (json!({}), vec![Hold(ES, 2, "5000"), Quote(ES, "4900")], false),
        (
            json!({}),
            vec![Hold(ES, 1, "5000"), Hold(MES, 10, "5000"), Quote(ES, "5019.75"), Quote(MES, "5019.75")],
            false,
        ),
        // In total: $500 and $500.
        (
            total.clone(),
            vec![Hold(ES, 1, "5000"), Hold(MES, 10, "5000"), Quote(ES, "5010"), Quote(MES, "5009.75")],
            false,
        ),
        (total.clone(), vec![Hold(ES, 1, "5000"), Hold(MES, 10, "5000"), Quote(ES, "5010"), Quote(MES, "5010")], true),
        // Without a price a position is left out.
        (total, vec![Hold(ES, 1, "5000"), Hold(MES, 10, "5000"), Quote(MES, "5020")], true),
        // A position that grows into its target is asked about too.
        (json!({}), vec![Hold(ES, 1, "5000"), Quote(ES, "5010"), Hold(ES, 2, "5000")], true),
    ]);
}

#[test]
fn a_trade_ends_back_at_zero_only_after_it_was_away() {
    let plain = json!({"mode": "breakeven"});
    let ten = json!({"mode": "breakeven", "arm_ticks": 10});
    assert_last(&[
        // At zero from the start, never away: nothing.
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "5000")], false),
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "5000.75"), Quote(ES, "5000")], false),
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "5001"), Quote(ES, "5000.25")], false),
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "5001"), Quote(ES, "5000")], true),
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "5001"), Quote(ES, "4990")], true),
        // From a loss, too.
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "4999.25"), Quote(ES, "5000")], false),
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "4999"), Quote(ES, "4999.75")], false),
        (plain.clone(), vec![Hold(ES, 1, "5000"), Quote(ES, "4999"), Quote(ES, "5000")], true),
        // Shorts.
        (plain.clone(), vec![Hold(ES, -1, "5000"), Quote(ES, "4999"), Quote(ES, "5000")], true),
        (plain.clone(), vec![Hold(ES, -1, "5000"), Quote(ES, "4999.25"), Quote(ES, "5000")], false),
        // Ticks count, whatever the size.
        (ten.clone(), vec![Hold(ES, 3, "5000"), Quote(ES, "5002.25"), Quote(ES, "5000")], false),
        (ten, vec![Hold(ES, 3, "5000"), Quote(ES, "5002.5"), Quote(ES, "5000")], true),
        // Part of the position goes: it stays armed. A new average price begins anew.
        (plain.clone(), vec![Hold(ES, 3, "5000"), Quote(ES, "5001"), Hold(ES, 2, "5000"), Quote(ES, "5000")], true),
        (
            plain.clone(),
            vec![Hold(ES, 1, "5000"), Quote(ES, "5001"), Hold(ES, 2, "5000.5"), Quote(ES, "5000.5")],
            false,
        ),
        // What the position begins with counts: its own first price may arm it.
        (plain, vec![Hold(ES, 1, "4990"), Hold(ES, 1, "5000"), Quote(ES, "5002"), Quote(ES, "5000")], true),
    ]);
}

#[test]
fn a_total_ends_back_at_zero_when_every_price_is_known() {
    let section = json!({"mode": "breakeven", "scope": "total"});
    // Four ticks of one ES are $50, of two MES $10: $60 away arms both together.
    let hold = || vec![Hold(ES, 1, "5000"), Hold(MES, 2, "5000")];
    let with = |more: Vec<Step>| hold().into_iter().chain(more).collect::<Vec<_>>();
    assert_last(&[
        (section.clone(), with(vec![Quote(MES, "5000"), Quote(ES, "5001"), Quote(ES, "5000")]), false),
        (section.clone(), with(vec![Quote(MES, "5000"), Quote(ES, "5001.25"), Quote(ES, "5000")]), true),
        (section.clone(), with(vec![Quote(MES, "5001"), Quote(ES, "5001"), Quote(ES, "5000")]), false),
        (section.clone(), with(vec![Quote(MES, "5001"), Quote(ES, "5001"), Quote(ES, "4999.75")]), true),
        // One without a price: nobody knows the total.
        (section, with(vec![Quote(ES, "5002"), Quote(ES, "5000")]), false),
    ]);
}

#[test]
fn a_position_that_closes_and_opens_again_is_not_armed() {
    let mut probe = Probe::with_contracts(json!({"max_unrealized_profit": {"mode": "breakeven"}}));
    probe.hold(ES, 1, "5000");
    assert_eq!(probe.quote(ES, "5001"), []);
    assert_eq!(probe.feed(Event::PositionClosed { account_id: ALICE, contract_id: id(ES) }), []);
    assert_eq!(probe.quote(ES, "5000"), []);
    assert_eq!(probe.hold(ES, 1, "5000"), []);
    assert_eq!(probe.quote(ES, "5000.25"), []);
    assert_eq!(probe.quote(ES, "5000"), []);
}

#[test]
fn what_a_profit_leads_to() {
    let steps = [Hold(ES, 2, "5000"), Hold(MES, 1, "5000"), Quote(MES, "5000"), Quote(ES, "5010")];
    let cases = [
        (json!({}), EnforcementAction::ClosePosition, Goal::PositionClosed { contract_id: id(ES) }),
        (json!({"scope": "total"}), EnforcementAction::CloseAllPositions, Goal::Flat { cancel_orders: false }),
        (
            json!({"scope": "per_position", "action": "CLOSE_ALL_POSITIONS"}),
            EnforcementAction::CloseAllPositions,
            Goal::Flat { cancel_orders: false },
        ),
        (
            json!({"action": "CLOSE_ALL_POSITIONS"}),
            EnforcementAction::CloseAllPositions,
            Goal::Flat { cancel_orders: false },
        ),
    ];
    for (section, action, goal) in cases {
        let (_, responses) = play(&section, &steps);
        assert_eq!(responses.len(), 1, "{section}");
        assert_eq!((&responses[0].action, &responses[0].goal, responses[0].lock), (&action, &goal, None), "{section}");
        assert_eq!(responses[0].pnl, Some(dollars("1000")));
        assert_eq!(responses[0].rule, RuleId::MAX_UNREALIZED_PROFIT);
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    for (section, option) in [
        (json!({"profit_target": 0}), "profit_target"),
        (json!({"profit_target": -5}), "profit_target"),
        (json!({"mode": "breakeven", "arm_ticks": 0}), "arm_ticks"),
    ] {
        let config: RulesConfig = serde_json::from_value(json!({"max_unrealized_profit": section.clone()})).unwrap();
        assert_eq!(config.build().unwrap_err().option, option, "{section}");
    }
}
