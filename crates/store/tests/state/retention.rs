//! The daily clean-up, from both sides of each limit.

use std::sync::mpsc::channel;
use std::time::Duration;

use riskd_core::engine::Write;
use riskd_store::{CleanUpReport, Retention, StoreError};

use super::support::*;

fn clean_up(state: &State, retention: Retention) -> CleanUpReport {
    let (answer, outcome) = channel();
    let writer = state.writer();
    writer.clean_up(retention, now(), move |result| answer.send(result).unwrap()).unwrap();
    outcome.recv_timeout(Duration::from_secs(90)).unwrap().unwrap()
}

#[test]
fn rows_go_on_one_side_of_the_limit_and_stay_on_the_other_in_every_form() {
    let state = State::new();
    // 7 days before 2026-11-22T15:00:00.250Z; what goes is named with a minus.
    let trades = [
        ("2026-11-15 15:00:00.250", 1),
        ("2026-11-15 15:00:00.249", -2),
        ("2026-11-15T15:00:00.250Z", 3),
        ("2026-11-15T15:00:00Z", -4),
        ("2026-11-15T23:00:00.000+08:00", -5),
        ("2026-11-16T04:00:00.250+13:00", 6),
        ("2026-11-16T04:00:00.249+13:00", -7),
        ("2026-11-15T07:00:00.250-08:00", 8),
        ("2026-11-15T07:00:00-08:00", -9),
        ("2026-11-15T15:00:01", 10),
        ("2026-11-15", -11),
        ("2001-01-01 00:00:00", -12),
        ("2026-11-22 15:00:00", 13),
        ("long ago", 14),
        ("1/2/2001", 15),
    ];
    for (timestamp, id) in trades {
        let id = i64::abs(id);
        state.run(&format!("INSERT INTO trade_history VALUES ({id}, 123, '{timestamp}', 'C', NULL, NULL)"));
    }
    // Numbers and null: no time this program knows. They stay, and nobody trips over them.
    state.run("INSERT INTO trade_history VALUES (16, 123, 1000000000, 'C', NULL, NULL)");
    state.run(
        "INSERT INTO daily_pnl VALUES (123, '2026-08-24', 1.0, NULL), (123, '2026-08-23', 1.0, NULL),
            (123, '2026-08-23 00:00:00', 1.0, NULL), (123, '2026-08-24T00:00:00', 1.0, NULL), (456, '2001-01-01', 1.0, NULL);
         INSERT INTO daily_unrealized_pnl VALUES (123, '2026-11-15', 1.0, 1, NULL, NULL), (123, '2026-11-14', 1.0, 1, NULL, NULL);
         INSERT INTO enforcement_log (id, timestamp, account_id, rule_id, action, reason, success, details) VALUES
            (1, '2025-11-22 15:00:00.250', 123, 'RULE-003', 'a', 'r', 1, NULL),
            (2, '2025-11-22 15:00:00.249', 123, 'RULE-003', 'a', 'r', 1, NULL),
            (3, '2025-11-22T14:59:59Z', 123, 'RULE-003', 'a', 'r', 0, '{\"status\": \"confirmed\"}'),
            (4, '2020-01-01 00:00:00', 123, 'RULE-003', 'a', 'r', 0, '{\"status\": \"pending\"}'),
            (5, '2020-01-01 00:00:00', 123, 'RULE-003', 'a', 'r', 1, '{\"status\": \"pending\"}')",
    );
    let report = clean_up(&state, Retention::default());
    let ids = state.text("SELECT group_concat(id) FROM (SELECT id FROM trade_history ORDER BY id)");
    assert_eq!(ids, "1,3,6,8,10,13,14,15,16");
    assert_eq!(
        state.text("SELECT group_concat(date) FROM (SELECT date FROM daily_pnl ORDER BY date)"),
        "2026-08-24,2026-08-24T00:00:00"
    );
    assert_eq!(state.text("SELECT group_concat(timestamp) FROM daily_unrealized_pnl"), "2026-11-15");
    assert_eq!(state.text("SELECT group_concat(id) FROM (SELECT id FROM enforcement_log ORDER BY id)"), "1,4");
    let expected = CleanUpReport {
        trade_history: 7,
        daily_pnl: 3,
        enforcement_log: 3,
        daily_unrealized_pnl: 1,
        audit_trail: 0,
        pending_kept: 1,
        unreadable_kept: 1,
    };
    assert_eq!(report, expected);
    // Once more: nothing is left to do.
    let again = CleanUpReport { pending_kept: 1, unreadable_kept: 1, ..CleanUpReport::default() };
    assert_eq!(clean_up(&state, Retention::default()), again);
}

#[test]
fn many_rows_of_the_same_time_go_in_steps_and_none_is_missed() {
    let state = State::new();
    state.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
         INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason)
         SELECT CASE WHEN i % 3 THEN '2020-01-01 00:00:00' ELSE '2020-01-01T00:00:00Z' END, 123, 'RULE-003', 'a', 'r' FROM n;
         INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason)
         VALUES ('2026-11-22 00:00:00', 123, 'RULE-003', 'a', 'r')",
    );
    assert_eq!(clean_up(&state, Retention::default()).enforcement_log, 1500);
    assert_eq!(state.count("SELECT COUNT(*) FROM enforcement_log"), 1);
}

#[test]
fn the_days_kept_are_configurable_and_the_optional_table_can_be_left_alone() {
    let state = State::new();
    state.run(
        "INSERT INTO trade_history VALUES (1, 123, '2026-11-20 00:00:00', 'C', NULL, NULL);
         INSERT INTO daily_unrealized_pnl VALUES (123, '2020-01-01', 1.0, 1, NULL, NULL)",
    );
    let retention = Retention { trade_history_days: 2, daily_unrealized_pnl_days: None, ..Retention::default() };
    let report = clean_up(&state, retention);
    assert_eq!((report.trade_history, report.daily_unrealized_pnl), (1, 0));
    assert_eq!(state.count("SELECT COUNT(*) FROM daily_unrealized_pnl"), 1);
}

#[test]
fn without_the_optional_table_the_others_are_cleaned() {
    let state = State::without_unrealized();
    state.run("INSERT INTO trade_history VALUES (1, 123, '2020-11-20 00:00:00', 'C', NULL, NULL)");
    assert_eq!(clean_up(&state, Retention::default()).trade_history, 1);
}

#[test]
fn batches_are_written_between_the_steps_of_a_clean_up() {
    let state = State::new();
    state.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO trade_history (account_id, timestamp, contract_id) SELECT 123, '2020-01-01 00:00:00', 'C' FROM n",
    );
    let writer = state.writer();
    let (order_of_events, events) = channel();
    let ended = order_of_events.clone();
    writer
        .clean_up(Retention::default(), now(), move |result| {
            ended.send(format!("clean-up {}", result.unwrap().trade_history)).unwrap();
        })
        .unwrap();
    for id in 0..3 {
        let written = order_of_events.clone();
        let writes = vec![Write::PutPosition(position(id, 1))];
        writer.submit(writes, move |result| written.send(format!("batch {:?}", result.is_ok())).unwrap()).unwrap();
    }
    let told: Vec<String> = (0..4).map(|_| events.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    assert_eq!(told, ["batch true", "batch true", "batch true", "clean-up 20000"]);
}

#[test]
fn a_clean_up_cut_short_says_so() {
    let state = State::new();
    state.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO trade_history (account_id, timestamp, contract_id) SELECT 123, '2020-01-01 00:00:00', 'C' FROM n",
    );
    let (answer, outcome) = channel();
    let writer = state.writer();
    writer.clean_up(Retention::default(), now(), move |result| answer.send(result).unwrap()).unwrap();
    writer.shutdown(Duration::from_secs(30)).unwrap();
    // Shut down at once, long before 20 000 rows are through.
    assert!(matches!(outcome.recv().unwrap(), Err(StoreError::WriterStopped)));
    assert!(state.count("SELECT COUNT(*) FROM trade_history") > 0);
}
