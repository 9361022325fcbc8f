//! RULE-003 and RULE-004, every option, both sides of the limit.

use riskd_core::engine::{Event, Goal};
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::probe::Probe;

fn reset() -> Option<Option<Timestamp>> {
    Some(Some("2026-03-10T21:00:00Z".parse().unwrap()))
}

#[test]
fn a_realized_loss_breaches_exactly_at_the_limit() {
    type Case<'a> = (serde_json::Value, &'a [(Option<&'a str>, &'a str)], bool);
    let cases: &[Case<'_>] = &[
        (json!({}), &[(Some("-499.999999"), "0")], false),
        (json!({}), &[(Some("-500"), "0")], true),
        (json!({"loss_limit": 500}), &[(Some("-499.99"), "0")], false),
        (json!({"loss_limit": 500}), &[(Some("-500.00"), "0")], true),
        (json!({"loss_limit": "250.50"}), &[(Some("-250.50"), "0")], true),
        (json!({"limit": -500}), &[(Some("-499.99"), "0")], false),
        (json!({"limit": -500}), &[(Some("-500"), "0")], true),
        (json!({"limit": -500}), &[(Some("500"), "0")], false),
        // Sums, without drift: ten times ten cents are a dollar.
        (json!({"loss_limit": 1}), &[(Some("-0.1"), "0"); 9], false),
        (json!({"loss_limit": 1}), &[(Some("-0.1"), "0"); 10], true),
        (json!({}), &[(Some("200"), "0"), (Some("-699.99"), "0")], false),
        (json!({}), &[(Some("200"), "0"), (Some("-700"), "0")], true),
        // Half-turns carry no P&L.
        (json!({}), &[(None, "0"), (Some("-499"), "0"), (None, "0")], false),
        // Fees count only when they are to be included, those of half-turns too.
        (json!({}), &[(Some("-499"), "2")], false),
        (json!({"include_fees": true}), &[(Some("-498"), "1.99")], false),
        (json!({"include_fees": true}), &[(Some("-498"), "2")], true),
        (json!({"include_fees": true}), &[(Some("-498"), "1"), (None, "1")], true),
    ];
    for (section, trades, breached) in cases {
        let mut probe = Probe::new(json!({"daily_realized_loss": section}));
        let (last, before) = trades.split_last().unwrap();
        for (pnl, fees) in before {
            assert_eq!(probe.realize(*pnl, fees), [], "{section} {trades:?}");
        }
        let responses = probe.realize(last.0, last.1);
        assert_eq!(!responses.is_empty(), *breached, "{section} {trades:?}");
    }
}

#[test]
fn what_a_realized_loss_leads_to() {
    let cases = [
        (json!({}), EnforcementAction::CloseAllAndLockout, reset()),
        (json!({"lockout_until": "daily_reset"}), EnforcementAction::CloseAllAndLockout, reset()),
        (json!({"lockout_until": "permanent"}), EnforcementAction::CloseAllAndLockout, Some(None)),
        (json!({"action": "CLOSE_ALL_POSITIONS"}), EnforcementAction::CloseAllPositions, None),
    ];
    for (section, action, lock) in cases {
        let mut probe = Probe::new(json!({"daily_realized_loss": section}));
        probe.hold(MNQ, 1, "100");
        let responses = probe.realize(Some("-500"), "0");
        assert_eq!(responses.len(), 1, "{section}");
        assert_eq!((&responses[0].action, responses[0].lock), (&action, lock), "{section}");
        assert_eq!(responses[0].goal, Goal::Flat { cancel_orders: lock.is_some() });
        assert_eq!(responses[0].pnl, Some(dollars("-500")));
        assert_eq!(responses[0].reason, "realized P&L of the day -$500.00, limit -$500.00");
    }
}

#[test]
fn without_a_lock_a_position_opened_below_the_limit_is_closed_though_its_trade_came_first() {
    let mut probe = Probe::new(json!({"daily_realized_loss": {"action": "CLOSE_ALL_POSITIONS"}}));
    assert_eq!(probe.realize(Some("-500"), "0"), [], "nothing is held: nothing is to be closed");
    assert_eq!(probe.realize(None, "0.37"), [], "the trade that opens is told of before the position");
    let responses = probe.hold(MNQ, 1, "100");
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].action, EnforcementAction::CloseAllPositions);
}

#[test]
fn voided_trades_never_count_and_are_taken_back() {
    let mut probe = Probe::new(json!({"daily_realized_loss": {}}));
    let at = probe.at;
    let of = |trade_id, pnl, voided| Event::Trade(trade_with(trade_id, ALICE, Some(pnl), "0", at, voided));
    assert_eq!(probe.feed(of(1, "-9000", true)), []);
    assert_eq!(probe.feed(of(1, "-9000", false)), [], "voided stays voided, whatever comes later");
    assert_eq!(probe.feed(of(2, "-400", false)), []);
    assert_eq!(probe.feed(of(2, "-400", true)), []);
    assert_eq!(probe.feed(of(3, "-499", false)), [], "the voided one was taken back");
    assert_eq!(probe.feed(of(4, "-1", false)).len(), 1);
}

#[test]
fn a_trade_seen_twice_counts_once_and_a_corrected_one_as_corrected() {
    let mut probe = Probe::new(json!({"daily_realized_loss": {}}));
    let at = probe.at;
    let of = |pnl| Event::Trade(trade(1, ALICE, Some(pnl), at));
    for _ in 0..5 {
        assert_eq!(probe.feed(of("-300")), []);
    }
    assert_eq!(probe.feed(of("-499")), []);
    assert_eq!(probe.feed(of("-500")).len(), 1);
}

#[test]
fn trades_of_other_days_do_not_count_today() {
    let mut probe = Probe::new(json!({"daily_realized_loss": {}}));
    // The day runs from the 9th 21:00Z (17:00 in New York) to the 10th 21:00Z.
    let cases = [
        ("2026-03-09T20:59:59.999Z", false),
        ("2026-03-01T00:00:00Z", false),
        ("2026-03-10T21:00:00Z", false),
        ("2026-03-09T21:00:00Z", true),
    ];
    for (index, (at, counts)) in cases.into_iter().enumerate() {
        let late = trade(index as i64, ALICE, Some("-500"), at.parse().unwrap());
        assert_eq!(!probe.feed(Event::Trade(late)).is_empty(), counts, "{at}");
    }
}

#[test]
fn a_locking_rule_fires_once_for_the_term_of_its_lock() {
    let mut probe = Probe::new(json!({"daily_realized_loss": {}}));
    assert_eq!(probe.realize(Some("-500"), "0").len(), 1);
    assert_eq!(probe.realize(Some("-500"), "0"), []);
}

#[test]
fn an_unrealized_loss_breaches_exactly_at_the_limit() {
    // (options, contract, size, average, last, breached)
    type Case<'a> = (serde_json::Value, &'a str, i64, &'a str, &'a str, bool);
    let cases: &[Case<'_>] = &[
        // MNQ: $2 a point.
        (json!({}), MNQ, 1, "20000", "19850.25", false),
        (json!({}), MNQ, 1, "20000", "19850", true),
        (json!({}), MNQ, -1, "20000", "20149.75", false),
        (json!({}), MNQ, -1, "20000", "20150", true),
        (json!({}), MNQ, -1, "20000", "19000", false),
        (json!({"loss_limit": 300.00}), MNQ, 3, "20000", "19950", true),
        (json!({"limit": -300}), MNQ, 3, "20000", "19950.25", false),
        (json!({"limit": -300}), MNQ, 3, "20000", "19950", true),
        // An average off the tick grid loses nothing to rounding: 2 × $2 × 75 = $300.
        (json!({}), MNQ, 2, "20000.125", "19925.25", false),
        (json!({}), MNQ, 2, "20000.125", "19925.125", true),
        // ES: $50 a point.
        (json!({}), ES, 1, "5000", "4994.25", false),
        (json!({}), ES, 1, "5000", "4994", true),
        // Crude oil below zero, as in April 2020: $1000 a point.
        (json!({}), CL, 1, "0.20", "-0.09", false),
        (json!({}), CL, 1, "0.20", "-0.10", true),
        (json!({}), CL, -1, "-37.63", "-37.34", false),
        (json!({}), CL, -1, "-37.63", "-37.33", true),
    ];
    for (section, contract, size, average, last, breached) in cases {
        let case = format!("{section} {contract} {size} at {average}, last {last}");
        // By a quote.
        let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": section}));
        assert_eq!(probe.hold(contract, *size, average), [], "no quote yet: {case}");
        assert_eq!(!probe.quote(contract, last).is_empty(), *breached, "{case}");
        // By a position that appears at that price.
        let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": section}));
        probe.quote(contract, last);
        assert_eq!(!probe.hold(contract, *size, average).is_empty(), *breached, "by position: {case}");
    }
}

#[test]
fn what_an_unrealized_loss_leads_to() {
    let closed = || Goal::PositionClosed { contract_id: id(MNQ) };
    let flat = |cancel_orders| Goal::Flat { cancel_orders };
    let all = EnforcementAction::CloseAllAndLockout;
    let cases = [
        (json!({}), EnforcementAction::ClosePosition, closed(), None),
        (json!({"scope": "per_position"}), EnforcementAction::ClosePosition, closed(), None),
        (json!({"scope": "total"}), EnforcementAction::CloseAllPositions, flat(false), None),
        (json!({"lockout": true}), all.clone(), flat(true), reset()),
        (json!({"scope": "total", "lockout": true}), all.clone(), flat(true), reset()),
        (json!({"action": "CLOSE_ALL_AND_LOCKOUT"}), all.clone(), flat(true), reset()),
        (json!({"action": "CLOSE_ALL_AND_LOCKOUT", "lockout": false}), all.clone(), flat(true), reset()),
        (json!({"lockout": true, "lockout_until": "permanent"}), all.clone(), flat(true), Some(None)),
        (
            json!({"action": "CLOSE_ALL_AND_LOCKOUT", "lockout_until": "permanent", "scope": "per_position"}),
            all,
            flat(true),
            Some(None),
        ),
    ];
    for (section, action, goal, lock) in cases {
        let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": section}));
        probe.hold(MNQ, 1, "20000");
        let responses = probe.quote(MNQ, "19800");
        assert_eq!(responses.len(), 1, "{section}");
        let response = &responses[0];
        assert_eq!((&response.action, &response.goal, response.lock), (&action, &goal, lock), "{section}");
        assert_eq!(response.pnl, Some(dollars("-400")));
        assert!(response.reason.ends_with("-$400.00, limit -$300.00"), "{}", response.reason);
    }
}

#[test]
fn the_scope_decides_what_is_measured() {
    // Two positions at −$200 each; and −$400 beside +$200.
    let cases = [
        ("per_position", "19900", "4960", false),
        ("total", "19900", "4960", true),
        ("per_position", "19800", "5040", true),
        ("total", "19800", "5040", false),
        ("total", "19800", "5019.75", true),
        ("total", "19800", "5020.25", false),
    ];
    for (scope, mnq, mes, breached) in cases {
        let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": {"scope": scope}}));
        probe.hold(MES, 1, "5000");
        probe.hold(MNQ, 1, "20000");
        let mut responses = probe.quote(MES, mes);
        responses.extend(probe.quote(MNQ, mnq));
        assert_eq!(!responses.is_empty(), breached, "{scope} {mnq} {mes}");
    }
}

#[test]
fn closing_the_winner_uncovers_the_total() {
    let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": {"scope": "total"}}));
    probe.hold(MES, 1, "5000");
    probe.hold(MNQ, 1, "20000");
    assert_eq!(probe.quote(MES, "5100"), []);
    assert_eq!(probe.quote(MNQ, "19800"), []);
    let closed = Event::PositionClosed { account_id: ALICE, contract_id: id(MES) };
    assert_eq!(probe.feed(closed).len(), 1);
}

#[test]
fn without_a_quote_or_the_contract_a_position_is_left_out() {
    let mut probe = Probe::new(json!({"daily_unrealized_loss": {"scope": "total"}}));
    probe.hold(MNQ, 1, "20000");
    assert_eq!(probe.quote(MNQ, "1"), [], "no tick value known");
    let view = probe.engine.view(ALICE, probe.at).unwrap();
    assert_eq!(view.total_unrealized_pnl().unpriced_positions, 1);
    // The other one is judged meanwhile.
    probe.feed(Event::Contract(contract(MES)));
    probe.hold(MES, 1, "5000");
    assert_eq!(probe.quote(MES, "4940.25"), []);
    let responses = probe.quote(MES, "4940");
    assert_eq!(responses.len(), 1);
    // Once the contract is known, the waiting price counts at once.
    let mut probe = Probe::new(json!({"daily_unrealized_loss": {}}));
    probe.hold(MNQ, 1, "20000");
    probe.quote(MNQ, "19850");
    assert_eq!(probe.feed(Event::Contract(contract(MNQ))).len(), 1);
}

#[test]
fn absent_prices_are_carried_forward() {
    let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": {}}));
    probe.hold(MNQ, 1, "20000");
    probe.quote(MNQ, "19851");
    let at = probe.at;
    // Bid and ask alone do not move the last price.
    assert_eq!(probe.feed(Event::Quote(quote_of(MNQ, Some("19000"), Some("19001"), None, at))), []);
    assert_eq!(probe.quote(MNQ, "19850").len(), 1);
    // Before there is a last price, what closing would get counts: the bid of a long, the ask of a short.
    for (size, bid, ask, breached) in [
        (1, Some("19850"), None, true),
        (1, None, Some("19850"), false),
        (-1, None, Some("20150"), true),
        (-1, Some("20150"), None, false),
    ] {
        let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": {}}));
        probe.hold(MNQ, size, "20000");
        let at = probe.at;
        let responses = probe.feed(Event::Quote(quote_of(MNQ, bid, ask, None, at)));
        assert_eq!(!responses.is_empty(), breached, "{size} {bid:?} {ask:?}");
    }
}

#[test]
fn a_reopened_position_is_judged_anew() {
    let mut probe = Probe::with_contracts(json!({"daily_unrealized_loss": {}}));
    probe.hold(MNQ, 1, "20000");
    assert_eq!(probe.quote(MNQ, "19850").len(), 1);
    assert_eq!(probe.quote(MNQ, "19840"), [], "already being dealt with");
    assert_eq!(probe.hold(MES, 1, "5000"), []);
    assert_eq!(probe.quote(MES, "4900").len(), 1, "another position is another breach");
}
