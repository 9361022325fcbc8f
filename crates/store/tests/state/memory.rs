//! What the engine is told at its start.

use riskd_core::engine::{Goal, Write};
use riskd_core::model::*;

use super::support::*;

#[test]
fn an_empty_file_remembers_nothing() {
    let state = State::new();
    let remembered = state.reader().memory(&[ACCOUNT, OTHER_ACCOUNT], now()).unwrap();
    assert_eq!(remembered.unreadable, vec![]);
    assert_eq!(remembered.memory.last_enforcement_id, 0);
    let accounts: Vec<_> = remembered.memory.accounts.iter().map(|account| account.account_id).collect();
    assert_eq!(accounts, [ACCOUNT, OTHER_ACCOUNT]);
    assert!(remembered.memory.accounts.iter().all(|account| account.lockout.is_none() && account.positions.is_empty()));
}

#[test]
fn what_is_flat_or_finished_is_left_out() {
    let state = State::new();
    let writes = vec![
        Write::PutPosition(position(1, 0)),
        Write::PutPosition(position(2, 2)),
        Write::PutOrder(order(1, OrderState::Filled)),
        Write::PutOrder(order(2, OrderState::Pending)),
        Write::PutOrder(order(3, OrderState::Unknown(9))),
    ];
    state.writer().write(writes).unwrap();
    let memory = state.reader().memory(&[ACCOUNT], now()).unwrap().memory;
    let account = &memory.accounts[0];
    assert_eq!(account.positions, vec![position(2, 2)]);
    assert_eq!(account.orders, vec![order(2, OrderState::Pending), order(3, OrderState::Unknown(9))]);
}

#[test]
fn pending_enforcements_come_with_their_goal_oldest_first() {
    let state = State::new();
    let goals = [
        Goal::Reduced { targets: vec![(mnq(), 2)] },
        Goal::PositionClosed { contract_id: mnq() },
        Goal::Flat { cancel_orders: false },
        Goal::Flat { cancel_orders: true },
        Goal::StopStands {
            contract_id: mnq(),
            position_id: PositionId(7),
            is_long: true,
            stop: Price::parse("19997.25").unwrap(),
            order_id: None,
            tag: Some("riskd-stop-1-2".to_owned()),
        },
    ];
    let logs: Vec<EnforcementLog> = [("03", 11), ("02", 12), ("01", 13), ("04", 14), ("05", 15)]
        .map(|(minute, id)| {
            let timestamp = at(&format!("2026-11-22T14:{minute}:00Z"));
            enforcement(EnforcementLogDraft { timestamp, ..enforcement_draft(id) })
        })
        .into();
    let mut writes: Vec<Write> = logs
        .iter()
        .zip(&goals)
        .map(|(log, goal)| Write::PutEnforcement { log: log.clone(), goal: Some(goal.clone()) })
        .collect();
    let failed = EnforcementLogDraft { status: EnforcementStatus::Confirmed, ..enforcement_draft(16) };
    let elsewhere = EnforcementLogDraft { account_id: OTHER_ACCOUNT, ..enforcement_draft(17) };
    for draft in [failed, elsewhere] {
        writes.push(Write::PutEnforcement { log: enforcement(draft), goal: Some(goals[3].clone()) });
    }
    state.writer().write(writes).unwrap();
    let memory = state.reader().memory(&[ACCOUNT], now()).unwrap().memory;
    let expected: Vec<_> = [2, 1, 0, 3, 4].map(|index: usize| (logs[index].clone(), goals[index].clone())).to_vec();
    assert_eq!(memory.pending_enforcements, expected);
    assert_eq!(memory.last_enforcement_id, 17);
}

#[test]
fn a_pending_row_without_a_goal_still_closes_or_is_told() {
    let state = State::new();
    state.run(
        r#"INSERT INTO enforcement_log (id, timestamp, account_id, rule_id, action, reason, success, details) VALUES
         (1, '2026-11-22 14:00:00', 123, 'RULE-003', 'CLOSE_ALL_AND_LOCKOUT', 'r', 0, '{"status": "pending"}'),
         (2, '2026-11-22 14:00:00', 123, 'RULE-001', 'CLOSE_ALL_POSITIONS', 'r', 0, '{"status": "pending", "goal": "flat?"}'),
         (3, '2026-11-22 14:00:00', 123, 'RULE-004', 'CLOSE_POSITION', 'r', 0, '{"status": "pending", "goal": {"position_closed": {}}}')"#,
    );
    let remembered = state.reader().memory(&[ACCOUNT], now()).unwrap();
    let goals: Vec<_> = remembered.memory.pending_enforcements.into_iter().map(|(_, goal)| goal).collect();
    assert_eq!(goals, [Goal::Flat { cancel_orders: true }, Goal::Flat { cancel_orders: false }]);
    assert_eq!(
        remembered.unreadable[0].to_string(),
        r#"table enforcement_log row 3: EnforcementLog.goal = {"position_closed":{}}: a pending enforcement must say what it has to reach"#
    );
    assert_eq!(remembered.unreadable[0].account_id, Some(ACCOUNT));
}

#[test]
fn pending_rows_are_looked_for_since_the_file_came_to_v2() {
    let came = |applied_at: &str, success: i64| {
        format!(
            "INSERT INTO schema_version (version, applied_at, description, success) VALUES (2, '{applied_at}', 'd', {success});"
        )
    };
    // What the file says of v2, and which rows are found: 1 is of the day before this, 2 of a quarter before it.
    let cases = [
        (came("2026-11-22T10:00:00.000Z", 1), vec![1]),
        (came("2026-09-10T10:00:00.000Z", 1), vec![2, 1]),
        (came("2026-11-22T10:00:00.000Z", 0), vec![2, 1]),
        (came("some day", 1), vec![2, 1]),
        // The clock was wrong then, or is now.
        (came("2027-01-01T00:00:00.000Z", 1), vec![2, 1]),
        ("DROP TABLE schema_version;".into(), vec![2, 1]),
        (
            "DROP TABLE schema_version; CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at DATETIME);
          INSERT INTO schema_version VALUES (2, '2026-11-22T10:00:00.000Z');"
                .into(),
            vec![2, 1],
        ),
    ];
    for (sql, expected) in cases {
        let state = State::new();
        state.run(&sql);
        state.run(
            r#"INSERT INTO enforcement_log (id, timestamp, account_id, rule_id, action, reason, success, details) VALUES
             (1, '2026-11-21T14:00:00Z', 123, 'RULE-003', 'CLOSE_ALL_AND_LOCKOUT', 'r', 0, '{"status": "pending"}'),
             (2, '2026-08-22 14:00:00', 123, 'RULE-003', 'CLOSE_ALL_AND_LOCKOUT', 'r', 0, '{"status": "pending"}')"#,
        );
        let pending = state.reader().memory(&[ACCOUNT], now()).unwrap().memory.pending_enforcements;
        let found: Vec<i64> = pending.iter().map(|(log, _)| log.id.unwrap().0).collect();
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn a_number_is_never_given_twice_even_when_its_row_is_gone() {
    let state = State::new();
    state.writer().write(vec![Write::PutEnforcement { log: enforcement(enforcement_draft(40)), goal: None }]).unwrap();
    state.run("DELETE FROM enforcement_log");
    assert_eq!(state.reader().last_enforcement_id().unwrap(), EnforcementId(40));
    assert_eq!(state.reader().memory(&[], now()).unwrap().memory.next_enforcement_id(), EnforcementId(41));
}

#[test]
fn days_trades_lockout_and_schedule_are_told() {
    let state = State::new();
    let mut writes: Vec<Write> = (10..22)
        .map(|day| Write::PutDailyPnl { daily_pnl: daily_pnl(&format!("2026-11-{day}"), "1"), at: now() })
        .collect();
    writes.push(Write::PutLockout(lockout(Some("2026-11-22T14:40:00Z"))));
    writes.push(Write::AppendTrade(trade(1, Some("3.5"), "2026-11-22T14:30:00.123456Z")));
    writes.push(Write::AppendTrade(trade(1, None, "2026-11-22T14:29:00Z")));
    writes.push(Write::AppendTrade(trade(1, None, "2026-11-15T15:00:00.249Z")));
    state.writer().write(writes).unwrap();
    let memory = state.reader().memory(&[ACCOUNT], now()).unwrap().memory;
    let account = &memory.accounts[0];
    let days: Vec<String> = account.daily_pnl.iter().map(|day| day.date.to_string()).collect();
    assert_eq!((days.len(), days[0].as_str(), days[6].as_str()), (7, "2026-11-21", "2026-11-15"));
    // Its time is over, but whether the account is free is for the engine to decide.
    assert_eq!(account.lockout, Some(lockout(Some("2026-11-22T14:40:00Z"))));
    let trades: Vec<_> = account.recorded_trades.iter().map(|trade| trade.execution_time).collect();
    assert_eq!(trades, [at("2026-11-22T14:29:00Z"), at("2026-11-22T14:30:00.123Z")]);
}
