#![allow(clippy::unwrap_used)]

use riskd_core::engine::Hub;
use riskd_core::model::{EnforcementId, Invalid, Noun, RuleId};

use super::*;

/// Seconds after the start.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_040 + seconds).unwrap()
}

fn board() -> Board {
    Board::new(Thresholds::default())
}

/// `raised critical broker_link_down`, one a message.
fn said(messages: Vec<Message>) -> Vec<String> {
    let word = |state| match state {
        State::Raised => "raised",
        State::Repeated => "repeated",
        State::Resolved => "over",
    };
    messages.iter().map(|m| format!("{} {} {}", word(m.state), m.severity, m.code)).collect()
}

fn slow(id: i64, elapsed_ms: i64, severity: Delay) -> Notice {
    Notice::EnforcementSlow {
        enforcement_id: EnforcementId(id),
        account_id: AccountId(7),
        rule_id: RuleId::DAILY_REALIZED_LOSS,
        elapsed_ms,
        severity,
    }
}

fn link(up: bool) -> Notice {
    Notice::Link { hub: Hub::User, up }
}

fn refused() -> Notice {
    let invalid = Invalid { noun: Noun::Order, field: "size", value: "-1".to_owned(), rule: "size must be positive" };
    Notice::Refused { account_id: None, invalid }
}

#[test]
fn a_slow_enforcement_gets_worse_step_by_step_and_is_told_each_time() {
    let mut board = board();
    for (notice, expected) in [
        (slow(1, 500, Delay::Warning), vec!["raised warning enforcement_slow"]),
        (slow(1, 510, Delay::Warning), vec![]),
        (slow(2, 500, Delay::Warning), vec!["raised warning enforcement_slow"]),
        (slow(1, 2_000, Delay::Critical), vec!["raised critical enforcement_slow"]),
        (slow(1, 5_000, Delay::Failure), vec!["raised critical enforcement_failed"]),
        (slow(1, 5_100, Delay::Failure), vec![]),
    ] {
        assert_eq!(said(board.notice(&notice, at(1))), expected, "{notice:?}");
    }
    let codes: Vec<_> = board.alarms(at(1)).iter().map(|alarm| alarm.code.name()).collect();
    assert_eq!(codes, ["enforcement_failed", "enforcement_slow"], "one alarm an enforcement, the worst first");
}

#[test]
fn a_link_is_told_down_after_thirty_seconds_and_up_once_it_holds() {
    let mut board = board();
    // (second, what happens: down, up or only time, what is told)
    let table = [
        (0, Some(false), ""),
        (20, None, ""),
        (25, Some(true), ""),
        (30, None, ""),
        (40, Some(false), ""),
        (69, None, ""),
        (70, None, "raised critical broker_link_down"),
        (71, None, ""),
        (80, Some(true), ""),
        (100, Some(false), ""),
        (101, None, ""),
        (110, Some(true), ""),
        (169, None, ""),
        (170, None, "over critical broker_link_down"),
        (200, Some(false), ""),
        (230, None, "raised critical broker_link_down"),
        (240, Some(true), ""),
        (300, None, ""),
        (360, None, "over critical broker_link_down"),
    ];
    for (second, up, expected) in table {
        let mut messages = up.map_or_else(Vec::new, |up| board.notice(&link(up), at(second)));
        messages.extend(board.tick(at(second)));
        assert_eq!(said(messages).join(", "), expected, "second {second}");
    }
    assert!(board.alarms(at(400)).is_empty());
}

#[test]
fn an_alarm_is_seen_while_it_is_so_and_not_while_its_end_is_waited_for() {
    let mut board = board();
    board.notice(&link(false), at(0));
    for (second, up, seen) in [(10, None, 0), (30, None, 1), (31, Some(true), 0), (32, Some(false), 1)] {
        if let Some(up) = up {
            board.notice(&link(up), at(second));
        }
        board.tick(at(second));
        assert_eq!(board.alarms(at(second)).len(), seen, "second {second}");
    }
}

#[test]
fn what_goes_on_is_repeated_ever_more_seldom() {
    let mut board = board();
    let failing = Signal::Journal { failing: Some("disk full".to_owned()) };
    assert_eq!(said(board.signal(failing.clone(), at(0))), ["raised critical journal_failing"]);
    let mut told = Vec::new();
    for minute in 1..=(60 * 24 * 3) {
        assert!(board.signal(failing.clone(), at(minute * 60 - 1)).len() <= 1);
        told.extend(board.tick(at(minute * 60)).iter().map(|message| (minute / 60, message.state)));
    }
    let hours: Vec<i64> = told.iter().map(|(hour, _)| *hour).collect();
    assert_eq!(hours, [1, 3, 7, 15, 31, 55]);
    assert!(told.iter().all(|(_, state)| *state == State::Repeated));
    assert_eq!(said(board.signal(Signal::Journal { failing: None }, at(260_000))), [""; 0]);
    assert_eq!(said(board.tick(at(260_060))), ["over critical journal_failing"]);
}

#[test]
fn failed_checks_are_weighed_by_the_hour() {
    let mut board = board();
    let mut told = Vec::new();
    for number in 1..=22 {
        for message in board.notice(&refused(), at(number)) {
            told.push((number, message.severity, message.message));
        }
    }
    let levels: Vec<_> = told.iter().map(|(number, severity, _)| (*number, *severity)).collect();
    assert_eq!(levels, [(6, Severity::Warning), (21, Severity::Critical)]);
    assert_eq!(
        told[0].2,
        "6 payloads failed their checks within an hour; most often Order: size must be positive (6 times)"
    );
    assert!(board.tick(at(3_500)).is_empty());
    board.tick(at(3_661));
    assert!(board.alarms(at(3_661)).is_empty(), "the hour is over");
    assert_eq!(said(board.tick(at(3_721))), ["over critical validation_failures"]);
}

#[test]
fn what_others_say_has_its_code_and_severity() {
    let text = || "why".to_owned();
    let table = [
        (Signal::Migration { failed: Some(text()) }, "raised critical migration_failed"),
        (Signal::Backup { failed: Some(text()) }, "raised warning backup_failed"),
        (Signal::SchemaMismatch { what: text() }, "raised critical schema_mismatch"),
        (Signal::NotArmed { rules: vec![text()] }, "raised critical rules_not_armed"),
        (Signal::NotArmed { rules: vec![] }, ""),
        (Signal::StartFailed { why: text() }, "raised critical start_failed"),
        (Signal::Started { accounts: 3 }, "raised info started"),
        (Signal::Stopped { how: text() }, "raised warning stopped"),
        (Signal::Channel { name: text(), failing: Some(text()) }, "raised warning alerts_not_delivered"),
        (Signal::Broker { reachable: false }, ""),
    ];
    let mut board = board();
    for (signal, expected) in table {
        let name = format!("{signal:?}");
        assert_eq!(said(board.signal(signal, at(0))).join(", "), expected, "{name}");
    }
    assert_eq!(said(board.tick(at(30))), ["raised critical broker_link_down"]);
    board.notice(&link(true), at(31));
    assert_eq!(said(board.tick(at(95))), ["over critical rules_not_armed", "over critical broker_link_down"]);
}
