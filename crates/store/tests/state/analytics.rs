//! The questions that v2 has indexes for: right answers in mixed forms of time, and the index used.

use riskd_core::engine::Write;
use riskd_core::model::*;

use super::support::*;

#[test]
fn positions_updated_in_the_last_hour_in_every_form() {
    let state = State::new();
    let rows = [
        (1, "2026-11-22 14:00:00.250", true),
        (2, "2026-11-22 14:00:00.249", false),
        (3, "2026-11-22T14:00:01", true),
        // Text order puts this after every time of the day with a space in it.
        (4, "2026-11-22T03:00:00Z", false),
        (5, "2026-11-22T09:30:00-05:00", true),
        (6, "2026-11-23T01:00:00+11:00", false),
        (7, "2026-11-23T01:30:00+11:00", true),
        (8, "2026-11-21T23:59:59.999Z", false),
    ];
    for (id, updated_at, _) in rows {
        state.run(&format!(
            "INSERT INTO positions VALUES ({id}, 123, 'C', 1, 1, 10.0, '2026-01-01 00:00:00', '{updated_at}')"
        ));
    }
    let found = state.reader().positions_updated_since(at("2026-11-22T14:00:00.250Z"), now()).unwrap();
    assert_eq!(found.unreadable, vec![]);
    assert_eq!(found.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [7, 5, 3, 1]);
}

#[test]
fn working_orders_of_an_account() {
    let state = State::new();
    let elsewhere = OrderDraft { account_id: OTHER_ACCOUNT, ..order(4, OrderState::Working).into_draft() };
    let writes = vec![
        Write::PutOrder(order(2, OrderState::Working)),
        Write::PutOrder(order(1, OrderState::Working)),
        Write::PutOrder(order(3, OrderState::Pending)),
        Write::PutOrder(Order::new(elsewhere, &Checks::at(now())).unwrap()),
    ];
    state.writer().write(writes).unwrap();
    let found = state.reader().working_orders(ACCOUNT, now()).unwrap();
    assert_eq!(found.rows, vec![order(1, OrderState::Working), order(2, OrderState::Working)]);
}

#[test]
fn execution_times_by_rule_and_by_day() {
    let state = State::new();
    state.run(
        "INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason, execution_time_ms) VALUES
         ('2026-11-14 23:59:59.999', 123, 'RULE-003', 'a', 'r', 9000),
         ('2026-11-15 00:00:00', 123, 'RULE-003', 'a', 'r', 100),
         ('2026-11-15T23:00:00Z', 123, 'RULE-003', 'a', 'r', 300),
         ('2026-11-15T23:30:00-01:00', 123, 'RULE-004', 'a', 'r', 50),
         ('2026-11-16 12:00:00', 123, 'RULE-004', 'a', 'r', NULL),
         ('2026-11-21T23:59:59', 123, 'DAILY_LOSS', 'a', 'r', 7),
         ('2026-11-22T00:00:00+00:00', 123, 'RULE-004', 'a', 'r', 8000),
         (NULL, 123, 'RULE-004', 'a', 'r', 3)",
    );
    let week = at("2026-11-15T00:00:00Z")..at("2026-11-22T00:00:00Z");
    let rules = |range| {
        let found = state.reader().execution_times_by_rule(range).unwrap();
        found
            .into_iter()
            .map(|rule| (rule.rule_id, rule.enforcements, rule.mean_ms, rule.min_ms, rule.max_ms))
            .collect::<Vec<_>>()
    };
    let row = |rule: &str, count, mean, least, most| (rule.to_owned(), count, mean, least, most);
    assert_eq!(
        rules(Some(week.clone())),
        [row("DAILY_LOSS", 1, 7.0, 7, 7), row("RULE-003", 2, 200.0, 100, 300), row("RULE-004", 1, 50.0, 50, 50)]
    );
    assert_eq!(
        rules(None),
        [
            row("DAILY_LOSS", 1, 7.0, 7, 7),
            row("RULE-003", 3, 9400.0 / 3.0, 100, 9000),
            row("RULE-004", 3, 8053.0 / 3.0, 3, 8000),
        ]
    );
    let trend = state.reader().execution_time_trend(week).unwrap();
    let days: Vec<_> =
        trend.iter().map(|day| (day.date.to_string(), day.enforcements, day.mean_ms, day.max_ms)).collect();
    assert_eq!(
        days,
        [
            ("2026-11-15".to_owned(), 2, 200.0, 300),
            ("2026-11-16".to_owned(), 1, 50.0, 50),
            ("2026-11-21".to_owned(), 1, 7.0, 7),
        ]
    );
}

#[test]
fn unrealized_pnl_of_seven_and_thirty_days_with_its_extremes() {
    let state = State::new();
    let days = [
        ("2026-10-23", "-900"),
        ("2026-10-24", "-700"),
        ("2026-11-15", "800"),
        ("2026-11-16", "-50"),
        ("2026-11-20", "120"),
        ("2026-11-21", "-50"),
        ("2026-11-22", "120"),
        ("2026-11-23", "5000"),
    ];
    let writes = days.map(|(date, amount)| Write::PutDailyUnrealizedPnl(unrealized(date, amount)));
    state.writer().write(writes.to_vec()).unwrap();
    let of = |days| {
        let history = state.reader().unrealized_history(ACCOUNT, day("2026-11-22"), days).unwrap();
        let dates: Vec<String> = history.days.rows.iter().map(|day| day.date.to_string()).collect();
        (dates, history.worst.unwrap(), history.best.unwrap())
    };
    let (dates, worst, best) = of(7);
    assert_eq!(dates, ["2026-11-22", "2026-11-21", "2026-11-20", "2026-11-16"]);
    assert_eq!((worst, best), (unrealized("2026-11-21", "-50"), unrealized("2026-11-22", "120")));
    let (dates, worst, best) = of(30);
    assert_eq!(dates.len(), 6, "the first of thirty days counts, the day before it does not");
    assert_eq!((worst, best), (unrealized("2026-10-24", "-700"), unrealized("2026-11-15", "800")));
    let none = state.reader().unrealized_history(OTHER_ACCOUNT, day("2026-11-22"), 7).unwrap();
    assert_eq!((none.days.rows, none.worst, none.best), (vec![], None, None));
}

/// Fills every table that an analytics query reads.
fn fill(state: &State, rows: usize) {
    state.run(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason, success, execution_time_ms)
         SELECT strftime('%Y-%m-%d %H:%M:%f', '2026-11-22', '-' || (i * 31536000 / {rows}) || ' seconds'),
                i % 20, printf('RULE-%03d', 1 + i % 12), 'CLOSE_POSITION', 'reason', i % 50 <> 0, i % 1500 FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO positions SELECT i, i % 20, 'C', 1, 1, 10.0, '2025-01-01 00:00:00',
                strftime('%Y-%m-%d %H:%M:%f', '2026-11-22', '-' || i || ' minutes') FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO orders SELECT i, i % 20, 'C', 2, 0, 1, NULL, NULL, 1 + i % 6, '2026-11-22 00:00:00', '2026-11-22 00:00:00' FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO daily_unrealized_pnl SELECT i % 20, date('2026-11-22', '-' || (i / 20) || ' days'), i, 1, NULL, '2026-11-22 00:00:00' FROM n;"
    ));
}

#[test]
fn every_question_uses_its_index_with_and_without_statistics() {
    let state = State::new();
    fill(&state, 1000);
    for statistics in [false, true] {
        if statistics {
            state.run("ANALYZE");
        }
        let plans = state.reader().query_plans().unwrap();
        assert_eq!(plans.len(), 12);
        for plan in &plans {
            assert!(plan.uses_its_index(), "statistics {statistics}: {plan:#?}");
            let sorts = plan.sorts();
            assert!(!sorts, "statistics {statistics}: rows come out unsorted: {plan:#?}");
        }
    }
    // The proof can fail: without the index it does.
    state.run("DROP INDEX idx_enforcement_log_success");
    let plans = state.reader().query_plans().unwrap();
    assert!(plans.iter().any(|plan| !plan.uses_its_index()));
}

#[test]
fn without_the_optional_table_the_other_questions_have_plans() {
    let state = State::without_unrealized();
    let plans = state.reader().query_plans().unwrap();
    assert_eq!(plans.len(), 11);
}
