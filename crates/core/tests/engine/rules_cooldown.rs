//! RULE-006 and RULE-007: every option in both dialects, windows by the trade's own time, both sides of each limit.

use riskd_core::engine::{Event, Goal};
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::probe::{Probe, Response};

const SECOND: i64 = 1_000;

/// A time so many milliseconds from noon.
fn at(milliseconds: i64) -> Timestamp {
    after(noon(), milliseconds)
}

/// The program's clock stands at `now`, from noon; trades come in one after another with times of their own.
fn feed_at(probe: &mut Probe, now: i64, trades: &[i64]) -> Vec<Response> {
    probe.at = at(now);
    let mut responses = Vec::new();
    for (index, executed) in trades.iter().enumerate() {
        let trade = trade(now * 100 + index as i64, ALICE, None, at(*executed));
        responses.extend(probe.feed(Event::Trade(trade)));
    }
    responses
}

fn locked_until(probe: &Probe) -> Option<i64> {
    let lockout = probe.engine.account(ALICE).unwrap().locks.lockout()?;
    Some(milliseconds_between(noon(), lockout.locked_until.unwrap()))
}

#[test]
fn more_trades_than_the_limit_in_a_rolling_window_pause() {
    let minute = || json!({"limits": {"per_minute": 3}});
    let hour = || json!({"limits": {"per_hour": 3}});
    let session = || json!({"limits": {"per_session": 2}});
    let v1 = || json!({"max_trades": 3, "time_window_minutes": 10});
    // (options, seconds of the trades, until when the pause lasts)
    let cases: &[(serde_json::Value, &[i64], Option<i64>)] = &[
        // A count at the limit is allowed, one more is a breach.
        (minute(), &[0, 1, 2], None),
        (minute(), &[0, 1, 2, 3], Some(63)),
        // A trade exactly a minute before is out of the window.
        (minute(), &[0, 30, 58, 60], None),
        (minute(), &[0, 30, 58, 59], Some(119)),
        // Every further trade in breach makes the pause longer.
        (minute(), &[0, 1, 2, 3, 4], Some(64)),
        (hour(), &[0, 10, 20, 3_599], Some(3_599 + 1_800)),
        (hour(), &[0, 10, 20, 3_600], None),
        (session(), &[0, 5_000, 10_000], Some(10_000 + 3_600)),
        (session(), &[0, 5_000], None),
        (v1(), &[0, 100, 200, 599], Some(599 + 600)),
        (v1(), &[0, 100, 200, 600], None),
        (json!({"max_trades": 1, "time_window_minutes": 10, "cooldown_seconds": 90}), &[0, 1], Some(91)),
        (json!({"max_trades": 0}), &[7], Some(7 + 3_600)),
        // The longest pause that applies.
        (json!({"limits": {"per_minute": 1, "per_hour": 1}}), &[0, 1], Some(1_801)),
        (
            json!({"limits": {"per_minute": 1, "per_hour": 1}, "cooldown_on_breach": {"per_minute_breach": 4000}}),
            &[0, 1],
            Some(4_001),
        ),
        (json!({"limits": {"per_session": 1}, "cooldown_on_breach": {"per_session_breach": 10}}), &[0, 1], Some(11)),
    ];
    for (section, seconds, until) in cases {
        let mut probe = Probe::new(json!({"trade_frequency_limit": section}));
        for second in *seconds {
            feed_at(&mut probe, second * SECOND, &[second * SECOND]);
        }
        assert_eq!(locked_until(&probe), until.map(|until| until * SECOND), "{section} {seconds:?}");
    }
}

#[test]
fn the_defaults_are_thirty_trades_in_an_hour() {
    for (trades, breached) in [(30, false), (31, true)] {
        let mut probe = Probe::new(json!({"trade_frequency_limit": {}}));
        let responses =
            feed_at(&mut probe, 40 * SECOND, &(0..trades).map(|second| second * SECOND).collect::<Vec<_>>());
        assert_eq!(!responses.is_empty(), breached, "{trades}");
    }
}

#[test]
fn late_trades_count_where_they_belong() {
    let rules = || json!({"trade_frequency_limit": {"limits": {"per_minute": 2}}});
    // (now in seconds, trades in the order in which they come, the end of the pause)
    let cases: &[(i64, &[i64], Option<i64>)] = &[
        // Out of order, all in one minute: the breach is at the last by time.
        (50, &[30, 10, 20], Some(90)),
        (50, &[10, 20, 30], Some(90)),
        // A late one completes a breach that others ended: the pause runs from the trade's own time.
        (70, &[40, 20, 30], Some(100)),
        // A pause that would just be over is held from now on, for a minute at most.
        (100, &[40, 20, 30], Some(160)),
        (159, &[40, 20, 30], Some(219)),
        // One that is long past locks nobody.
        (161, &[40, 20, 30], None),
        (5_000, &[40, 20, 30], None),
        // Late trades that lie too far apart are no breach.
        (100, &[70, 10, 9], None),
    ];
    for (now, trades, until) in cases {
        let mut probe = Probe::new(rules());
        let milliseconds: Vec<i64> = trades.iter().map(|second| second * SECOND).collect();
        feed_at(&mut probe, now * SECOND, &milliseconds);
        let until = until.map(|until| until * SECOND);
        let found = locked_until(&probe);
        // A pause from "now on" counts from the millisecond at which the trade came.
        let near = until.is_some_and(|until| found.is_some_and(|found| (until..until + 10).contains(&found)));
        assert!(found == until || near, "{now} {trades:?}: {found:?}");
    }
}

#[test]
fn voided_and_repeated_trades_do_not_count_as_trades() {
    let mut probe = Probe::new(json!({"trade_frequency_limit": {"limits": {"per_minute": 2}}}));
    let now = probe.at;
    let of = |id, voided| Event::Trade(trade_with(id, ALICE, None, "0", now, voided));
    for event in [of(1, false), of(1, false), of(1, false), of(2, true), of(3, false), of(3, true), of(4, false)] {
        assert_eq!(probe.feed(event.clone()), [], "{event:?}");
    }
    assert_eq!(probe.feed(of(5, false)).len(), 1);
    // A void after the fact does not shorten the pause.
    let until = locked_until(&probe);
    probe.feed(of(5, true));
    assert_eq!(locked_until(&probe), until);
}

#[test]
fn a_pause_closes_nothing_and_is_one_row() {
    let mut probe = Probe::new(json!({"trade_frequency_limit": {"limits": {"per_minute": 1}}}));
    probe.hold(MNQ, 2, "20000");
    feed_at(&mut probe, 10, &[0]);
    let responses = feed_at(&mut probe, 20, &[15]);
    assert_eq!(responses.len(), 1);
    assert_eq!(responses[0].action, EnforcementAction::Cooldown);
    assert_eq!(responses[0].reason, "2 trades in 1 min, limit 1: a pause of 1 min");
    let sizes = vec![(id(MNQ), 2)];
    assert_eq!(responses[0].goal, Goal::NothingBeyond { contract_id: None, sizes, order_ids: Vec::new() });
}

#[test]
fn a_pause_that_ran_out_does_not_begin_again_from_the_same_trades() {
    let mut probe = Probe::new(json!({"trade_frequency_limit": {"limits": {"per_hour": 1}}}));
    feed_at(&mut probe, 0, &[0]);
    assert_eq!(feed_at(&mut probe, 10, &[10]).len(), 1);
    probe.at = at(1_800 * SECOND + 11);
    probe.feed(Event::TimePassed);
    probe.feed(Event::LockoutCleared { account_id: ALICE });
    assert_eq!(locked_until(&probe), None);
    assert_eq!(probe.feed(Event::TimePassed), []);
    assert_eq!(locked_until(&probe), None);
    // Another trade is another breach: there are three in the hour by now.
    assert_eq!(feed_at(&mut probe, 2_000 * SECOND, &[2_000 * SECOND]).len(), 1);
}

#[test]
fn a_loss_pauses_by_the_deepest_tier() {
    let tiers = || {
        json!({"loss_thresholds": [
            {"loss_amount": -100, "cooldown_duration": 300},
            {"loss_amount": -300, "cooldown_duration": 1800},
            {"loss_amount": 200, "cooldown_duration": 900},
        ]})
    };
    let cases: &[(serde_json::Value, &str, Option<i64>)] = &[
        (json!({}), "-99.99", None),
        (json!({}), "-100", Some(300)),
        (json!({}), "100", None),
        (json!({"loss_threshold": -50.5, "cooldown_seconds": 10}), "-50.49", None),
        (json!({"loss_threshold": -50.5, "cooldown_seconds": 10}), "-50.5", Some(10)),
        (tiers(), "-99.99", None),
        (tiers(), "-100", Some(300)),
        (tiers(), "-199.99", Some(300)),
        (tiers(), "-200", Some(900)),
        (tiers(), "-299.99", Some(900)),
        (tiers(), "-300", Some(1_800)),
        (tiers(), "-9000", Some(1_800)),
    ];
    for (section, pnl, seconds) in cases {
        let mut probe = Probe::new(json!({"cooldown_after_loss": section}));
        probe.hold(MNQ, 1, "20000");
        let responses = probe.feed(Event::Trade(trade(1, ALICE, Some(pnl), noon())));
        assert_eq!(locked_until(&probe), seconds.map(|seconds| seconds * SECOND), "{section} {pnl}");
        for response in &responses {
            assert_eq!((&response.action, response.pnl), (&EnforcementAction::Cooldown, Some(dollars(pnl))));
        }
        assert_eq!(responses.len(), usize::from(seconds.is_some()));
        // Once: seen again, nothing more happens.
        assert_eq!(probe.feed(Event::Trade(trade(1, ALICE, Some(pnl), noon()))), [], "{section} {pnl}");
    }
}

#[test]
fn each_loss_pauses_once_and_no_other_shortens_it() {
    let mut probe = Probe::new(json!({"cooldown_after_loss": {"loss_thresholds": [
        {"loss_amount": 100, "cooldown_duration": 600}, {"loss_amount": 500, "cooldown_duration": 60}]}}));
    let mut lose = |now: i64, pnl: &str, voided: bool| {
        probe.at = at(now * SECOND);
        let rows = probe.feed(Event::Trade(trade_with(now, ALICE, Some(pnl), "0", at(now * SECOND), voided))).len();
        (rows, locked_until(&probe).map(|until| until / SECOND))
    };
    assert_eq!(lose(0, "-150", true), (0, None), "voided");
    assert_eq!(lose(1, "-150", false), (1, Some(601)));
    assert_eq!(lose(2, "-900", false), (0, Some(601)), "its own pause ends earlier");
    assert_eq!(lose(1, "-150", true), (0, Some(601)), "voided after the fact");
    assert_eq!(lose(3, "-150", false), (1, Some(603)), "a pause grows");
    assert_eq!(lose(4, "150", false), (0, Some(603)));
}

#[test]
fn a_late_loss_neither_escapes_nor_locks_for_what_is_long_past() {
    // (seconds after the trade at which it becomes known, seconds after the trade at which the pause ends)
    let cases = [(0, Some(300)), (299, Some(300)), (300, Some(360)), (360, Some(420)), (361, None), (7_200, None)];
    for (known, until) in cases {
        let mut probe = Probe::new(json!({"cooldown_after_loss": {}}));
        // Each event of the probe comes a millisecond after the one before.
        probe.at = at(known * SECOND - 1);
        probe.feed(Event::Trade(trade(1, ALICE, Some("-100"), noon())));
        assert_eq!(locked_until(&probe), until.map(|until| until * SECOND), "known after {known} s");
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let cases = [
        (json!({"trade_frequency_limit": {"max_trades": -1}}), "max_trades: must be 0 or more trades"),
        (json!({"trade_frequency_limit": {"time_window_minutes": 0}}), "time_window_minutes: 0 is not a time"),
        (json!({"trade_frequency_limit": {"cooldown_seconds": -5}}), "cooldown_seconds: -5 is not a time"),
        (
            json!({"trade_frequency_limit": {"max_trades": 3, "limits": {"per_hour": 1}}}),
            "max_trades: stands beside limits: give one of the two",
        ),
        (json!({"trade_frequency_limit": {"limits": {}}}), "limits: limits nothing"),
        (json!({"trade_frequency_limit": {"limits": {"per_hour": -1}}}), "limits: must be 0 or more trades"),
        (json!({"trade_frequency_limit": {"cooldown_on_breach": {}}}), "cooldown_on_breach: stands without limits"),
        (json!({"cooldown_after_loss": {"loss_threshold": 0}}), "loss_threshold: must not be 0"),
        (json!({"cooldown_after_loss": {"cooldown_seconds": 0}}), "cooldown_seconds: 0 is not a time"),
        (json!({"cooldown_after_loss": {"loss_thresholds": []}}), "loss_thresholds: names no loss"),
        (
            json!({"cooldown_after_loss": {"loss_threshold": 1, "loss_thresholds": []}}),
            "loss_threshold: stands beside loss_thresholds",
        ),
        (
            json!({"cooldown_after_loss": {"loss_thresholds": [
                {"loss_amount": -1, "cooldown_duration": 1}, {"loss_amount": 1, "cooldown_duration": 2}]}}),
            "loss_thresholds: names a loss of $1.00 twice",
        ),
    ];
    for (section, expected) in cases {
        let config: riskd_core::rules::RulesConfig = serde_json::from_value(section.clone()).unwrap();
        let error = config.build().unwrap_err().to_string();
        assert!(error.contains(expected), "{section}: {error}");
    }
}
