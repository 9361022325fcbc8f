//! RULE-002, every option, both sides of the limit.

use riskd_core::engine::{Event, Goal};
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;
use serde_json::{Value, json};

use crate::build::*;
use crate::probe::{Probe, Response};

const NEXT_MNQ: &str = "CON.F.US.MNQ.M26";
const STRANGE: &str = "CON.F.US.QWERTY.M26";

/// Holds the positions one after another with every contract described; gives the responses to the last one.
fn respond(section: Value, held: &[(&str, i64)]) -> Vec<Response> {
    let mut probe = Probe::with_contracts(json!({"max_contracts_per_instrument": section}));
    let (last, before) = held.split_last().unwrap();
    for (contract, size) in before {
        assert_eq!(probe.hold(contract, *size, "100"), [], "{contract} {size} is within");
    }
    probe.hold(last.0, last.1, "100")
}

fn reduced(targets: &[(&str, i64)]) -> Goal {
    Goal::Reduced { targets: targets.iter().map(|(contract, size)| (id(contract), *size)).collect() }
}

fn closed(contract: &str) -> Goal {
    Goal::PositionClosed { contract_id: id(contract) }
}

#[test]
fn only_more_than_an_instruments_own_limit_is_a_breach() {
    type Case<'a> = (Value, &'a [(&'a str, i64)], Option<Goal>);
    let limits = json!({"limits": {"MNQ": 2, "ES": 1}});
    let all = json!({"limits": {"MNQ": 2, "ES": 1}, "enforcement": "close_all"});
    let cases: &[Case<'_>] = &[
        (limits.clone(), &[(MNQ, 2)], None),
        (limits.clone(), &[(MNQ, 3)], Some(reduced(&[(MNQ, 2)]))),
        (limits.clone(), &[(MNQ, -2)], None),
        (limits.clone(), &[(MNQ, -5)], Some(reduced(&[(MNQ, 2)]))),
        (limits.clone(), &[(MNQ, 2), (ES, 1)], None),
        (limits.clone(), &[(MNQ, 2), (ES, 2)], Some(reduced(&[(ES, 1)]))),
        (all.clone(), &[(MNQ, 2)], None),
        (all.clone(), &[(MNQ, 3)], Some(closed(MNQ))),
        (all.clone(), &[(ES, 2)], Some(closed(ES))),
        // Every expiry of the instrument counts, longs and shorts alike; the largest gives first.
        (limits.clone(), &[(MNQ, 1), (NEXT_MNQ, 1)], None),
        (limits.clone(), &[(MNQ, 1), (NEXT_MNQ, 2)], Some(reduced(&[(NEXT_MNQ, 1)]))),
        (limits.clone(), &[(MNQ, 1), (NEXT_MNQ, -2)], Some(reduced(&[(NEXT_MNQ, 1)]))),
        (limits.clone(), &[(MNQ, 2), (NEXT_MNQ, 2)], Some(reduced(&[(MNQ, 0)]))),
        (all, &[(MNQ, 2), (NEXT_MNQ, 1)], Some(reduced(&[(MNQ, 0), (NEXT_MNQ, 0)]))),
        // EP is ES, in the gateway's spelling and in the exchange's; MES is not ES.
        (json!({"limits": {"EP": 1}}), &[(ES, 2)], Some(reduced(&[(ES, 1)]))),
        (json!({"limits": {"es": 1}}), &[(ES, 2)], Some(reduced(&[(ES, 1)]))),
        (json!({"limits": {"ES": 0, "MES": 9}}), &[(MES, 9)], None),
        (json!({"limits": {"ES": 9, "MES": 0}}), &[(ES, 9)], None),
        (json!({"limits": {"ES": 9, "MES": 0}}), &[(MES, 1)], Some(closed(MES))),
        // Sizes beyond all sense still breach.
        (limits, &[(MNQ, 1), (NEXT_MNQ, i64::MAX)], Some(reduced(&[(NEXT_MNQ, 2)]))),
    ];
    for (section, held, goal) in cases {
        let responses = respond(section.clone(), held);
        let goals: Vec<_> = responses.iter().map(|response| response.goal.clone()).collect();
        assert_eq!(goals, goal.iter().cloned().collect::<Vec<_>>(), "{section} {held:?}");
    }
}

#[test]
fn an_instrument_without_a_limit_is_dealt_with_as_the_config_says() {
    let with = |action: Value| json!({"limits": {"MNQ": 2}, "unknown_symbol_action": action});
    let cases = [
        (json!({"limits": {"MNQ": 2}}), 1, Some(closed(CL))),
        (with(json!("block")), 1, Some(closed(CL))),
        (with(json!("allow_with_limit:3")), 3, None),
        (with(json!("allow_with_limit:3")), 4, Some(reduced(&[(CL, 3)]))),
        (with(json!("allow_with_limit: 3")), -4, Some(reduced(&[(CL, 3)]))),
        (with(json!({"allow_with_limit": 3})), 4, Some(reduced(&[(CL, 3)]))),
        (with(json!("allow_with_limit:0")), 1, Some(closed(CL))),
        (with(json!("allow_unlimited")), 1_000, None),
        (json!({"unknown_symbol_action": "allow_with_limit:3"}), 4, Some(reduced(&[(CL, 3)]))),
    ];
    for (section, size, goal) in cases {
        let responses = respond(section.clone(), &[(CL, size)]);
        let goals: Vec<_> = responses.iter().map(|response| response.goal.clone()).collect();
        assert_eq!(goals, goal.into_iter().collect::<Vec<_>>(), "{section} {size}");
    }
}

#[test]
fn what_is_done_is_logged_with_the_numbers() {
    let response = |section, held: &[(&str, i64)]| respond(section, held).remove(0);
    let reduced = response(json!({"limits": {"MNQ": 2}}), &[(MNQ, 3)]);
    assert_eq!(
        (reduced.rule, reduced.action, reduced.reason.as_str(), reduced.lock),
        (
            RuleId::MAX_CONTRACTS_PER_INSTRUMENT,
            EnforcementAction::ReduceToLimit,
            "3 contracts of MNQ held, limit 2",
            None
        )
    );
    let blocked = response(json!({"limits": {"MNQ": 2}}), &[(ES, 1)]);
    assert_eq!(
        (blocked.action, blocked.reason.as_str()),
        (EnforcementAction::ClosePosition, "1 contracts of ES held, which may not be traded")
    );
}

#[test]
fn a_contract_nobody_described_is_not_closed_for_want_of_its_name() {
    let mut probe = Probe::new(json!({"max_contracts_per_instrument": {"limits": {"ZW": 2, "MNQ": 2}}}));
    assert_eq!(probe.hold(STRANGE, 3, "100"), []);
    let rules = rules(json!({"max_contracts_per_instrument": {"limits": {"ZW": 2}}}));
    let view = probe.engine.view(ALICE, probe.at).unwrap();
    let not_armed = rules.rules().next().unwrap().not_armed(&view).unwrap();
    assert!(not_armed.contains(STRANGE), "{not_armed}");
    // What the config names by the id itself, and what the table knows, needs no description.
    assert_eq!(probe.hold(MNQ, 3, "100").len(), 1);
    assert_eq!(probe.hold("CON.F.US.TYA.M26", 1, "100").len(), 1);
    // The description tells: three ZW, two allowed.
    let mut draft = contract(MNQ).into_draft();
    (draft.contract_id, draft.name) = (id(STRANGE), "ZWM6".to_owned());
    let responses = probe.feed(Event::Contract(Contract::new(draft).unwrap()));
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].goal, reduced(&[(STRANGE, 2)]));
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let cases = [
        (json!({"limits": {"MNQ": -1}}), "limits"),
        (json!({"limits": {" ": 1}}), "limits"),
        (json!({"limits": {"ES": 1, "EP": 2}}), "limits"),
        (json!({"limits": {"ES": 1, "es": 1}}), "limits"),
        (json!({}), "limits"),
        (json!({"unknown_symbol_action": "allow_unlimited"}), "limits"),
        (json!({"limits": {"ES": 1}, "unknown_symbol_action": "allow_with_limit:-1"}), "unknown_symbol_action"),
    ];
    for (section, option) in cases {
        let config: RulesConfig =
            serde_json::from_value(json!({"max_contracts_per_instrument": section.clone()})).unwrap();
        assert_eq!(config.build().unwrap_err().option, option, "{section}");
    }
    for action in ["allow", "allow_with_limit", "allow_with_limit:", "allow_with_limit:x", "BLOCK!"] {
        let section = json!({"max_contracts_per_instrument": {"limits": {"ES": 1}, "unknown_symbol_action": action}});
        let error = serde_json::from_value::<RulesConfig>(section).unwrap_err().to_string();
        assert!(error.contains("expected block, allow_unlimited or allow_with_limit:N"), "{action}: {error}");
    }
}

#[test]
fn gauges_and_sentences_say_the_numbers() {
    let section = json!({"max_contracts_per_instrument": {"limits": {"MNQ": 2, "ES": 1}}});
    let rules = rules(section.clone());
    let rule = rules.rules().next().unwrap();
    assert_eq!(rule.sentence(), "Above 1 ES, 2 MNQ contracts, the excess is closed. Any other instrument is closed.");
    let mut probe = Probe::with_contracts(section);
    probe.hold(MNQ, 1, "100");
    let gauges = rule.gauges(&probe.engine.view(ALICE, probe.at).unwrap());
    assert_eq!(gauges, [riskd_core::rules::Gauge::contracts(1, 2).of(id(MNQ))]);
}
