//! [`Lockout`], [`EnforcementLog`], [`DailyPnl`], [`DailyUnrealizedPnl`] and [`RuleId`]

use jiff::civil::date;
use riskd_core::model::{
    DailyPnl, DailyPnlDraft, DailyUnrealizedPnl, DailyUnrealizedPnlDraft, EnforcementAction, EnforcementLog,
    EnforcementLogDraft, EnforcementStatus, Lockout, LockoutDraft, Noun, RuleId, Timestamp,
};

use crate::{ACCOUNT, check_changes, money, now_and, refusal};

fn lockout(until: Option<Timestamp>) -> Lockout {
    Lockout::new(LockoutDraft { locked_until: until, ..lockout_draft() }).unwrap()
}

fn lockout_draft() -> LockoutDraft {
    LockoutDraft {
        account_id: ACCOUNT,
        reason: "daily loss".to_owned(),
        rule_id: RuleId::DAILY_REALIZED_LOSS,
        locked_at: now_and(0),
        locked_until: None,
    }
}

#[test]
fn a_lockout_ends_after_it_begins_or_never() {
    check_changes(
        &lockout_draft(),
        Lockout::new,
        &[
            (|_| {}, None),
            (|lockout| lockout.locked_until = Some(now_and(1)), None),
            (
                |lockout| lockout.locked_until = Some(now_and(0)),
                Some("Lockout.locked_until = 2025-06-02T14:30:00Z: must be after locked_at"),
            ),
            (
                |lockout| lockout.locked_until = Some(now_and(-1)),
                Some("Lockout.locked_until = 2025-06-02T14:29:59.999Z: must be after locked_at"),
            ),
        ],
    );
    for (until, at, ended) in
        [(None, Timestamp::MAX, false), (Some(10), now_and(9), false), (Some(10), now_and(10), true)]
    {
        assert_eq!(lockout(until.map(now_and)).has_ended(at), ended);
    }
}

#[test]
fn no_end_beats_the_later_end_which_beats_the_earlier() {
    for (mine, other, stricter) in [
        (None, Some(10), true),
        (None, None, false),
        (Some(10), None, false),
        (Some(11), Some(10), true),
        (Some(10), Some(10), false),
        (Some(9), Some(10), false),
    ] {
        let [mine, other] = [mine, other].map(|until| lockout(until.map(now_and)));
        assert_eq!(mine.is_stricter_than(&other), stricter, "{:?} {:?}", mine.locked_until, other.locked_until);
    }
}

#[test]
fn a_log_row_counts_from_zero() {
    let valid = EnforcementLogDraft {
        id: None,
        timestamp: now_and(0),
        account_id: ACCOUNT,
        rule_id: RuleId::MAX_CONTRACTS,
        action: EnforcementAction::CloseAllPositions,
        reason: String::new(),
        success: true,
        status: EnforcementStatus::Confirmed,
        error_message: None,
        positions_closed: 0,
        orders_cancelled: 0,
        lockout_until: None,
        pnl_at_enforcement: None,
        execution_time_ms: None,
    };
    check_changes(
        &valid,
        EnforcementLog::new,
        &[
            (|_| {}, None),
            (|log| log.execution_time_ms = Some(0), None),
            (
                |log| log.execution_time_ms = Some(-1),
                Some("EnforcementLog.execution_time_ms = -1: must not be negative"),
            ),
            (|log| log.positions_closed = -1, Some("EnforcementLog.positions_closed = -1: must not be negative")),
            (|log| log.orders_cancelled = -1, Some("EnforcementLog.orders_cancelled = -1: must not be negative")),
        ],
    );
}

#[test]
fn days_are_counted_and_named() {
    let day = date(2025, 6, 2);
    let realized =
        |trade_count| DailyPnlDraft { account_id: ACCOUNT, date: day, realized_pnl: money("-500"), trade_count };
    assert!(DailyPnl::new(realized(0)).is_ok());
    assert_eq!(refusal(DailyPnl::new(realized(-1))), "DailyPnl.trade_count = -1: must not be negative");

    let unrealized = |positions_count| DailyUnrealizedPnlDraft {
        account_id: ACCOUNT,
        date: day,
        unrealized_pnl: money("-500"),
        positions_count,
        total_exposure: None,
        created_at: now_and(0),
    };
    assert!(DailyUnrealizedPnl::new(unrealized(0)).is_ok());
    assert_eq!(
        refusal(DailyUnrealizedPnl::new(unrealized(-1))),
        "DailyUnrealizedPnl.positions_count = -1: must not be negative"
    );
}

#[test]
fn a_snapshots_date_is_strict_and_real() {
    for (text, expected) in [
        ("2025-06-02", Some(date(2025, 6, 2))),
        ("2024-02-29", Some(date(2024, 2, 29))),
        ("0001-01-01", Some(date(1, 1, 1))),
        ("2025-02-29", None),
        ("2025-13-01", None),
        ("2025-00-10", None),
        ("2025-06-31", None),
        ("2025-6-2", None),
        ("2025/06/02", None),
        ("20250602", None),
        ("2025-06-02 ", None),
        (" 2025-06-02", None),
        ("2025-06-02T00:00:00Z", None),
        ("+2025-06-02", None),
        ("２025-06-0", None),
        ("", None),
    ] {
        let found = DailyUnrealizedPnl::parse_date(text);
        match expected {
            Some(date) => assert_eq!(found.unwrap(), date),
            None => assert_eq!(
                refusal(found),
                format!("DailyUnrealizedPnl.date = {text:?}: must be a calendar date, YYYY-MM-DD")
            ),
        }
    }
}

#[test]
fn a_rule_is_known_or_refused() {
    for number in 1..=15 {
        let text = format!("RULE-{number:03}");
        let rule = RuleId::parse(&text, Noun::EnforcementLog).unwrap();
        assert_eq!(rule.to_string(), text);
        assert_eq!(RuleId::from_number(number), Some(rule));
        assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{text}\""));
    }
    assert_eq!((RuleId::from_number(0), RuleId::from_number(16)), (None, None));
    for text in [
        "",
        "RULE-000",
        "RULE-016",
        "RULE-256",
        "RULE-1",
        "RULE-0001",
        "rule-001",
        "RULE-+01",
        "RULE- 01",
        "RULE-001 ",
        "001",
    ] {
        assert_eq!(
            refusal(RuleId::parse(text, Noun::Lockout)),
            format!("Lockout.rule_id = {text:?}: must be a known rule, RULE-001 to RULE-015")
        );
    }
}
