//! Rows that cannot be read: reported with their place, and never in the way of others.

use riskd_core::engine::Write;
use riskd_core::model::*;

use super::support::*;

#[test]
fn a_lock_that_cannot_be_read_still_locks_without_end() {
    let cases = [
        (
            "1, 'x', 'garbage', NULL, 'RULE-003'",
            r#"Lockout.locked_at = "garbage": must be a time, YYYY-MM-DD HH:MM:SS"#,
        ),
        ("1, 'x', NULL, '2026-11-22 22:00:00', 'RULE-003'", "Lockout.locked_at = absent: required"),
        ("1, 'x', '2026-11-22 14:00:00', 'later', 'RULE-003'", "Lockout.locked_until"),
        ("1, 'x', '2026-11-22 14:00:00', '2026-11-22 13:00:00', 'RULE-003'", "must be after locked_at"),
        ("1, 'x', '2026-11-22 14:00:00', NULL, 'RULE-099'", "must be a known rule"),
        ("1, x'00ff', '2026-11-22 14:00:00', NULL, 'RULE-003'", "Lockout.reason = a blob of 2 bytes: must be text"),
        ("'locked', 'x', '2026-11-22 14:00:00', NULL, 'RULE-003'", r#"Lockout.is_locked = "locked""#),
    ];
    for (values, says) in cases {
        let state = State::new();
        state.run(&format!(
            "INSERT INTO lockouts (account_id, is_locked, reason, locked_at, locked_until, rule_id)
             VALUES (123, {values}), (456, 1, 'fine', '2026-11-22 14:00:00', NULL, 'RULE-001')"
        ));
        let found = state.reader().lockouts(now()).unwrap();
        assert_eq!(found.rows.len(), 2, "{values}");
        let lockout = &found.rows[0];
        assert_eq!((lockout.account_id, lockout.rule_id, lockout.locked_until), (ACCOUNT, RuleId::FOREIGN, None));
        assert!(lockout.reason.contains(says), "{values}: {}", lockout.reason);
        assert_eq!((found.rows[1].account_id, found.rows[1].reason.as_str()), (OTHER_ACCOUNT, "fine"));
        let unreadable = &found.unreadable[..];
        assert_eq!(unreadable.len(), 1);
        assert_eq!((unreadable[0].table, unreadable[0].rowid), ("lockouts", 123));
        assert!(unreadable[0].to_string().starts_with("table lockouts row 123: Lockout."), "{}", unreadable[0]);
        // The engine hears of it too.
        let remembered = state.reader().memory(&[ACCOUNT], now()).unwrap();
        assert_eq!(remembered.memory.accounts[0].lockout.as_ref().unwrap().rule_id, RuleId::FOREIGN);
        assert_eq!(remembered.unreadable.len(), 1);
    }
}

#[test]
fn a_lock_may_leave_out_what_v1_lets_it_leave_out() {
    let state = State::new();
    state.run(
        "INSERT INTO lockouts (account_id, is_locked, locked_at, locked_until)
         VALUES (123, 1, '2026-11-22T14:00:00Z', '2026-11-22T22:00:00+00:00'), (456, 0, NULL, NULL)",
    );
    let found = state.reader().lockouts(now()).unwrap();
    assert_eq!(found.unreadable, vec![]);
    assert_eq!(found.rows.len(), 1, "an account that is not locked has no lockout");
    let lockout = &found.rows[0];
    assert_eq!(lockout.locked_until, Some(at("2026-11-22T22:00:00Z")));
    assert_eq!((lockout.rule_id, lockout.reason.as_str()), (RuleId::FOREIGN, "no reason was recorded"));
}

#[test]
fn refused_positions_and_orders_are_told_with_their_account_and_the_rest_goes_on() {
    let state = State::new();
    state
        .writer()
        .write(vec![Write::PutPosition(position(1, 2)), Write::PutOrder(order(1, OrderState::Working))])
        .unwrap();
    state.run(
        "INSERT INTO positions VALUES (2, 123, 'CON.F.US.MNQ.Z26', 1, -1, 100.0, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO positions VALUES (3, 123, '', 1, 1, 100.0, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO positions VALUES (4, 'who', 'CON.F.US.MNQ.Z26', 1, 1, 100.0, '2026-11-22 14:00:00', NULL);
         INSERT INTO positions VALUES (5, 123, 'CON.F.US.CLE.Z26', 1, 1, -37.63, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO positions VALUES (6, 123, 'CON.F.US.MNQ.Z26', 1, 1, 9e999, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO positions VALUES (7, 456, 'CON.F.US.MNQ.Z26', 1, 1.5, 100.0, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO orders VALUES (2, 123, 'CON.F.US.MNQ.Z26', 1, 0, 1, NULL, NULL, 2, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO orders VALUES (3, 123, 'CON.F.US.MNQ.Z26', 5, 0, 1, NULL, NULL, 2, '2026-11-22 14:00:00', '2026-11-22 14:00:00');
         INSERT INTO orders VALUES (4, 123, 'CON.F.US.MNQ.Z26', 2, 0, 1, NULL, NULL, -9223372036854775808, '2026-11-22 14:00:00', '2026-11-22 14:00:00');",
    );
    let remembered = state.reader().memory(&[ACCOUNT], now()).unwrap();
    let account = &remembered.memory.accounts[0];
    let ids: Vec<i64> = account.positions.iter().map(|position| position.id.0).collect();
    assert_eq!(ids, [1, 5], "crude oil may trade below zero");
    assert_eq!(account.orders.iter().map(|order| order.id.0).collect::<Vec<_>>(), [1]);
    let told: Vec<String> = remembered.unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "table positions row 2: Position.size = -1: must not be negative",
            "table positions row 3: Position.contract_id = \"\": must not be empty",
            "table positions row 4: Position.account_id = \"who\": must be a whole number",
            "table positions row 6: Position.average_price = inf: must be finite",
            "table orders row 2: Order.limit_price = absent: required for a LIMIT order",
            "table orders row 3: Order.stop_price = absent: a TRAILING_STOP order requires stop_price or trail_distance",
            "table orders row 4: Order.state = -9223372036854775808: must be a code of 32 bits",
        ]
    );
    // Row 7 is another account's and no business of this one's; row 4 may be anybody's.
    let accounts: Vec<_> = remembered.unreadable.iter().take(4).map(|row| row.account_id).collect();
    assert_eq!(accounts, [Some(ACCOUNT), Some(ACCOUNT), None, Some(ACCOUNT)]);
}

#[test]
fn details_of_older_programs_read_as_not_said() {
    let state = State::new();
    state.run(
        r#"INSERT INTO enforcement_log (id, account_id, rule_id, action, reason, success, details) VALUES
         (1, 123, 'RULE-003', 'CLOSE_ALL', 'v1', 1, NULL),
         (2, 123, 'RULE-003', 'CLOSE_ALL_AND_LOCKOUT', 'v1', 0, 'not JSON'),
         (3, 123, 'RULE-003', 'CLOSE_ALL_AND_LOCKOUT', 'v1', 0, '[1, 2]'),
         (4, 123, 'RULE-003', 'COOLDOWN', 'v1', 1, '{"symbol": "MNQ", "positions_closed": ["a", "b"], "orders_cancelled": "3"}'),
         (5, 123, 'RULE-003', 'COOLDOWN', 'v1', 1,
          '{"pnl_at_enforcement": "-12.10", "lockout_until": "2026-11-22T22:00:00Z", "error_message": {"code": 5}, "positions_closed": -4}'),
         (6, 123, 'RULE-003', 'COOLDOWN', 'v1', 1, x'00'),
         (7, 123, 'RULE-003', 'COOLDOWN', 'v1', 0, '{"status": "failed", "lockout_until": "soon", "pnl_at_enforcement": null}')"#,
    );
    let rows = state.reader().enforcements_after(EnforcementId(0), 100).unwrap();
    assert_eq!(rows.unreadable, vec![]);
    let rows = rows.rows;
    assert_eq!(rows.len(), 7);
    for row in &rows {
        assert_eq!(row.status, EnforcementStatus::Confirmed, "an older program finished it, well or badly");
    }
    assert_eq!(rows[0].action, EnforcementAction::Other("CLOSE_ALL".into()));
    assert_eq!((rows[3].positions_closed, rows[3].orders_cancelled), (2, 3));
    assert_eq!(rows[4].pnl_at_enforcement, Some(money("-12.1")));
    assert_eq!(rows[4].lockout_until, Some(at("2026-11-22T22:00:00Z")));
    assert_eq!(rows[4].error_message.as_deref(), Some(r#"{"code":5}"#));
    assert_eq!(rows[4].positions_closed, 0);
    assert_eq!((rows[6].lockout_until, rows[6].pnl_at_enforcement), (None, None));
    assert_eq!(state.reader().memory(&[ACCOUNT], now()).unwrap().memory.pending_enforcements, vec![]);
}

#[test]
fn every_column_refuses_with_its_own_name() {
    let cases = [
        (
            "INSERT INTO daily_pnl VALUES (123, '2026-02-30', 1.0, NULL)",
            "table daily_pnl row 1: DailyPnl.date = \"2026-02-30\": must be a calendar date, YYYY-MM-DD",
        ),
        (
            "INSERT INTO daily_pnl VALUES (123, '2026-02-28', 'much', NULL)",
            "table daily_pnl row 1: DailyPnl.realized_pnl = \"much\": must be a decimal number",
        ),
        (
            "INSERT INTO contract_cache VALUES ('C', 0.0, 1.0, 's', 'n', NULL)",
            "table contract_cache row 1: Contract.tick_size = 0: must be greater than 0",
        ),
        (
            "INSERT INTO trade_history VALUES (4, 123, 'never', 'C', NULL, NULL)",
            "table trade_history row 4: Trade.timestamp = \"never\": must be a time, YYYY-MM-DD HH:MM:SS",
        ),
        (
            "INSERT INTO trade_history VALUES (4, 123, '2026-11-22', ' ', NULL, NULL)",
            "table trade_history row 4: Trade.contract_id = \" \": must not be empty",
        ),
        (
            "INSERT INTO session_state VALUES (123, 'x', NULL)",
            "table session_state row 123: SessionState.session_start = \"x\": must be a time, YYYY-MM-DD HH:MM:SS",
        ),
        (
            "INSERT INTO reset_schedule VALUES (123, '2026-11-22', '2026-11-22 22:00:00', '5pm', 'UTC')",
            "table reset_schedule row 123: ResetSchedule.reset_time_config = \"5pm\": must be a time of day, HH:MM",
        ),
        (
            "INSERT INTO reset_schedule VALUES (123, '2026-11-22', '2026-11-22 22:00:00', '17:00', 'Mars/Base')",
            "table reset_schedule row 123: ResetSchedule.timezone = \"Mars/Base\": must be a known IANA time zone",
        ),
        (
            "INSERT INTO enforcement_log (id, account_id, rule_id, action, reason, execution_time_ms) VALUES (9, 123, 'RULE-003', 'a', 'r', -1)",
            "table enforcement_log row 9: EnforcementLog.execution_time_ms = -1: must not be negative",
        ),
        (
            "INSERT INTO enforcement_log (id, account_id, rule_id, action, reason) VALUES (9, 123, 'RULE-016', 'a', 'r')",
            "table enforcement_log row 9: EnforcementLog.rule_id = \"RULE-016\": must be a known rule, RULE-001 to RULE-015",
        ),
        (
            "INSERT INTO daily_unrealized_pnl VALUES (123, '2026-11-22 00:00', 1.0, 1, NULL, '2026-11-22 22:00:00')",
            "table daily_unrealized_pnl row 1: DailyUnrealizedPnl.date = \"2026-11-22 00:00\": must be a calendar date, YYYY-MM-DD",
        ),
        (
            "INSERT INTO daily_unrealized_pnl VALUES (123, '2026-11-22', 1.0, -1, NULL, '2026-11-22 22:00:00')",
            "table daily_unrealized_pnl row 1: DailyUnrealizedPnl.positions_count = -1: must not be negative",
        ),
    ];
    for (sql, says) in cases {
        let state = State::new();
        state.run(sql);
        let reader = state.reader();
        let mut told = Vec::new();
        told.extend(reader.daily_pnl(ACCOUNT, day("2026-01-01"), day("2026-12-31")).unwrap().unreadable);
        told.extend(reader.contracts(now()).unwrap().unreadable);
        told.extend(reader.session_states().unwrap().unreadable);
        told.extend(reader.reset_schedules().unwrap().unreadable);
        told.extend(reader.enforcements_after(EnforcementId(0), 9).unwrap().unreadable);
        told.extend(reader.unrealized_history(ACCOUNT, day("2026-11-22"), 30).unwrap().days.unreadable);
        // Text that is no time sorts after every date: a range without an end meets it.
        told.extend(reader.trades(ACCOUNT, Timestamp::UNIX_EPOCH..Timestamp::MAX).unwrap().unreadable);
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        if says.contains("never") {
            assert_eq!(told, Vec::<String>::new(), "a row without a time belongs to no range of times");
        } else {
            assert_eq!(told, [says]);
        }
    }
}

/// One row in every table, and every column that is read from it.
const EVERY_COLUMN: [(&str, &str, &[&str]); 10] = [
    (
        "lockouts",
        "(123, 1, 'r', '2026-11-22 14:00:00', NULL, 'RULE-003', NULL, NULL)",
        &["is_locked", "reason", "locked_at", "locked_until", "rule_id"],
    ),
    ("daily_pnl", "(123, '2026-11-22', 1.5, NULL)", &["account_id", "date", "realized_pnl"]),
    (
        "contract_cache",
        "('CON.F.US.MNQ.Z26', 0.25, 0.5, 'F.US.MNQ', 'MNQZ6', NULL)",
        &["contract_id", "tick_size", "tick_value", "symbol_id", "name"],
    ),
    (
        "trade_history",
        "(1, 123, '2026-11-22 14:00:00', 'C', -1.5, NULL)",
        &["account_id", "timestamp", "contract_id", "pnl"],
    ),
    ("session_state", "(123, '2026-11-22 14:00:00', '2026-11-22 14:00:00')", &["session_start", "updated_at"]),
    (
        "positions",
        "(1, 123, 'C', 1, 1, 10.5, '2026-11-22 14:00:00', '2026-11-22 14:00:00')",
        &["account_id", "contract_id", "type", "size", "average_price", "created_at", "updated_at"],
    ),
    (
        "orders",
        "(1, 123, 'C', 4, 1, 1, 10.5, 11.5, 2, '2026-11-22 14:00:00', '2026-11-22 14:00:00')",
        &[
            "account_id",
            "contract_id",
            "type",
            "side",
            "size",
            "limit_price",
            "stop_price",
            "state",
            "created_at",
            "updated_at",
        ],
    ),
    (
        "enforcement_log",
        "(1, '2026-11-22 14:00:00', 123, 'RULE-003', 'COOLDOWN', 'r', 0, '{\"status\": \"pending\"}', 5)",
        &["timestamp", "account_id", "rule_id", "action", "reason", "success", "details", "execution_time_ms"],
    ),
    (
        "reset_schedule",
        "(123, '2026-11-21', '2026-11-22 22:00:00', '17:00', 'UTC')",
        &["last_reset_date", "next_reset_time", "reset_time_config", "timezone"],
    ),
    (
        "daily_unrealized_pnl",
        "(123, '2026-11-22', 1.5, 1, 2.5, '2026-11-22 22:00:00')",
        &["account_id", "timestamp", "unrealized_pnl", "positions_count", "total_exposure", "created_at"],
    ),
];

/// What a cell may hold that nobody meant to be there.
const ODD_VALUES: [&str; 20] = [
    "NULL",
    "0",
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "0.5",
    "9e999",
    "-9e999",
    "1e-300",
    "1.7976931348623157e308",
    "''",
    "' '",
    "'2026-11-22'",
    "'9999-12-31T23:59:59.999999999-18:00'",
    "'0000-01-01T00:00:00+18:00'",
    "'é２０２６-11-22'",
    "x'00ff'",
    "CAST(x'32303236ff' AS TEXT)",
    "'[[[[[[[[1e999'",
];

#[test]
fn no_cell_whatever_it_holds_stops_a_query_or_a_clean_up() {
    let state = State::new();
    let connection = state.sql();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    let reader = state.reader();
    let writer = state.writer();
    let everything = || {
        let (first, last) = (day("0001-01-01"), day("9999-12-31"));
        let ever = Timestamp::MIN..Timestamp::MAX;
        reader.memory(&[ACCOUNT], now())?;
        reader.lockouts(now())?;
        reader.daily_pnl(ACCOUNT, first, last)?;
        reader.contracts(now())?;
        reader.contract(&mnq(), now())?;
        reader.trades(ACCOUNT, ever.clone())?;
        reader.session_states()?;
        reader.positions(None, now())?;
        reader.orders(None, now())?;
        reader.working_orders(ACCOUNT, now())?;
        reader.reset_schedules()?;
        reader.accounts()?;
        reader.positions_updated_since(now(), now())?;
        reader.enforcements(&riskd_store::reader::EnforcementFilter::default(), None, 5)?;
        reader.enforcements_after(EnforcementId(0), 5)?;
        reader.execution_times_by_rule(Some(ever.clone()))?;
        reader.execution_times_by_rule(None)?;
        reader.execution_time_trend(ever)?;
        reader.unrealized_history(ACCOUNT, last, u32::MAX)?;
        Ok::<(), riskd_store::StoreError>(())
    };
    for (table, row, columns) in EVERY_COLUMN {
        for column in columns {
            for value in ODD_VALUES {
                connection.execute_batch(&format!("INSERT INTO {table} VALUES {row}")).unwrap();
                // Where the table itself refuses the value, there is nothing to read.
                if connection.execute_batch(&format!("UPDATE {table} SET {column} = {value}")).is_ok() {
                    everything().unwrap_or_else(|error| panic!("{table}.{column} = {value}: {error}"));
                }
                connection.execute_batch(&format!("DELETE FROM {table}")).unwrap();
            }
            let (answer, outcome) = std::sync::mpsc::channel();
            connection.execute_batch(&format!("INSERT INTO {table} VALUES {row}")).unwrap();
            let _refused = connection.execute_batch(&format!("UPDATE {table} SET {column} = CAST(x'31ff' AS TEXT)"));
            writer
                .clean_up(riskd_store::Retention::default(), now(), move |result| answer.send(result.is_ok()).unwrap())
                .unwrap();
            assert!(outcome.recv_timeout(std::time::Duration::from_secs(90)).unwrap(), "{table}.{column}");
            connection.execute_batch(&format!("DELETE FROM {table}")).unwrap();
        }
    }
}
