//! Every noun through its table and back.

use proptest::prelude::*;
use riskd_core::engine::{Goal, ResetSchedule, Write};
use riskd_core::model::*;

use super::support::*;

#[test]
fn a_lockout_comes_back_with_and_without_end() {
    let state = State::new();
    let writer = state.writer();
    for locked_until in [Some("2026-11-22T22:00:00Z"), None] {
        let lockout = lockout(locked_until);
        writer.write(vec![Write::PutLockout(lockout.clone())]).unwrap();
        let found = state.reader().lockouts(now()).unwrap();
        assert_eq!((found.rows, found.unreadable), (vec![lockout], vec![]));
    }
    assert_eq!(
        state.text("SELECT is_locked || '|' || locked_at || '|' || created_at || '|' || rule_id FROM lockouts"),
        "1|2026-11-22 14:31:00.500|2026-11-22 15:00:00.250|RULE-003"
    );
}

#[test]
fn a_cleared_lockout_leaves_its_row() {
    let state = State::new();
    let writer = state.writer();
    writer.write(vec![Write::PutLockout(lockout(None))]).unwrap();
    writer.write(vec![Write::ClearLockout { account_id: ACCOUNT, at: at("2026-11-22T15:01:00Z") }]).unwrap();
    assert_eq!(state.reader().lockouts(now()).unwrap().rows, vec![]);
    assert_eq!(
        state.text("SELECT is_locked || '|' || reason || '|' || updated_at FROM lockouts"),
        "0|daily loss|2026-11-22 15:01:00.000"
    );
    // Clearing what is not locked is no error.
    writer.write(vec![Write::ClearLockout { account_id: OTHER_ACCOUNT, at: now() }]).unwrap();
}

#[test]
fn a_lockout_within_a_millisecond_is_not_made_invalid_by_the_file() {
    let state = State::new();
    let draft = LockoutDraft {
        locked_at: at("2026-11-22T14:31:00.5001Z"),
        locked_until: Some(at("2026-11-22T14:31:00.5009Z")),
        ..lockout(None).into_draft()
    };
    state.writer().write(vec![Write::PutLockout(Lockout::new(draft).unwrap())]).unwrap();
    let found = state.reader().lockouts(now()).unwrap();
    assert_eq!(found.unreadable, vec![]);
    assert_eq!(found.rows[0].locked_until, Some(at("2026-11-22T14:31:00.501Z")));
}

#[test]
fn the_foreign_rule_survives_a_round_trip() {
    let state = State::new();
    let draft = LockoutDraft { rule_id: RuleId::FOREIGN, ..lockout(None).into_draft() };
    let foreign = Lockout::new(draft).unwrap();
    state.writer().write(vec![Write::PutLockout(foreign.clone())]).unwrap();
    assert_eq!(state.reader().lockouts(now()).unwrap().rows, vec![foreign]);
}

#[test]
fn a_days_realized_pnl_comes_back_newest_first_within_its_days() {
    let state = State::new();
    let days = [("2026-11-19", "1.25"), ("2026-11-20", "-512.5"), ("2026-11-22", "0.1"), ("2026-11-23", "7")];
    let writes = days.map(|(date, amount)| Write::PutDailyPnl { daily_pnl: daily_pnl(date, amount), at: now() });
    state.writer().write(writes.to_vec()).unwrap();
    state.writer().write(vec![Write::PutDailyPnl { daily_pnl: daily_pnl("2026-11-22", "0.3"), at: now() }]).unwrap();
    let found = state.reader().daily_pnl(ACCOUNT, day("2026-11-20"), day("2026-11-22")).unwrap();
    assert_eq!(found.rows, vec![daily_pnl("2026-11-22", "0.3"), daily_pnl("2026-11-20", "-512.5")]);
    assert_eq!(state.reader().daily_pnl(OTHER_ACCOUNT, day("2026-01-01"), day("2026-12-31")).unwrap().rows, vec![]);
}

#[test]
fn a_contract_comes_back_and_may_be_one_that_trades_below_zero() {
    let state = State::new();
    let contracts = [contract("CON.F.US.CLE.Z26", "0.01", "10"), contract("CON.F.US.MNQ.Z26", "0.25", "0.5")];
    let writes = contracts.clone().map(|contract| Write::PutContract { contract, at: now() });
    state.writer().write(writes.to_vec()).unwrap();
    assert_eq!(state.reader().contracts(now()).unwrap().rows, contracts);
    assert_eq!(state.reader().contract(&mnq(), now()).unwrap().rows, contracts[1..]);
}

#[test]
fn trades_come_back_within_their_range_oldest_first_and_go_when_voided() {
    let state = State::new();
    let writer = state.writer();
    let late = trade(2, Some("-12.5"), "2026-11-22T14:30:00.123Z");
    let early = trade(1, None, "2026-11-22T14:29:59.999Z");
    let twin = trade(3, Some("-12.5"), "2026-11-22T14:30:00.123Z");
    writer.write([&late, &early, &twin].map(|trade| Write::AppendTrade(trade.clone())).to_vec()).unwrap();
    let times = |from: &str, to: &str| {
        let found = state.reader().trades(ACCOUNT, at(from)..at(to)).unwrap();
        assert_eq!(found.unreadable, vec![]);
        found.rows.into_iter().map(|row| (row.execution_time, row.profit_and_loss)).collect::<Vec<_>>()
    };
    let (first, second) = ((early.execution_time, None), (late.execution_time, Some(money("-12.5"))));
    assert_eq!(times("2026-11-22T14:29:59.999Z", "2026-11-22T14:30:00.124Z"), [first, second, second]);
    assert_eq!(times("2026-11-22T14:30:00Z", "2026-11-22T14:30:00.123Z"), []);
    // One row like it goes, not both.
    writer.write(vec![Write::RemoveTrade(twin.clone())]).unwrap();
    assert_eq!(times("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), [first, second]);
    // A half-turn is not like a trade with P&L 0, nor is another account's.
    let unlike = trade(1, Some("0"), "2026-11-22T14:29:59.999Z");
    writer.write(vec![Write::RemoveTrade(unlike)]).unwrap();
    assert_eq!(times("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), [first, second]);
    writer.write(vec![Write::RemoveTrade(early)]).unwrap();
    assert_eq!(times("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"), [second]);
}

#[test]
fn a_voided_trade_is_found_in_whichever_form_its_time_was_written() {
    for text in ["2026-11-22T14:30:00.123Z", "2026-11-22 09:30:00.123-05:00", "2026-11-23T04:30:00.123456+14:00"] {
        let state = State::new();
        state.run(&format!(
            "INSERT INTO trade_history (account_id, timestamp, contract_id, pnl)
             VALUES (123, '{text}', 'CON.F.US.MNQ.Z26', -12.5), (123, 'no time', 'CON.F.US.MNQ.Z26', -12.5)"
        ));
        let voided = trade(2, Some("-12.5"), "2026-11-22T14:30:00.123456Z");
        state.writer().write(vec![Write::RemoveTrade(voided)]).unwrap();
        assert_eq!(state.text("SELECT group_concat(timestamp) FROM trade_history"), "no time", "{text}");
    }
}

#[test]
fn session_and_reset_schedule_come_back() {
    let state = State::new();
    let schedule = ResetSchedule {
        account_id: ACCOUNT,
        last_reset_date: day("2026-11-21"),
        next_reset_time: at("2026-11-22T22:00:00Z"),
        reset_time: "17:00".parse().unwrap(),
        timezone: "America/New_York".to_owned(),
    };
    let odd = ResetSchedule {
        account_id: OTHER_ACCOUNT,
        reset_time: "17:00:30".parse().unwrap(),
        timezone: "America/Chicago".to_owned(),
        ..schedule.clone()
    };
    let session_start = at("2026-11-22T23:00:00Z");
    state
        .writer()
        .write(vec![
            Write::PutResetSchedule(schedule.clone()),
            Write::PutResetSchedule(odd.clone()),
            Write::PutSessionState { account_id: ACCOUNT, session_start, at: now() },
        ])
        .unwrap();
    assert_eq!(state.reader().reset_schedules().unwrap().rows, vec![schedule, odd]);
    let sessions = state.reader().session_states().unwrap().rows;
    assert_eq!((sessions[0].account_id, sessions[0].session_start), (ACCOUNT, session_start));
    assert_eq!(state.text("SELECT reset_time_config FROM reset_schedule ORDER BY account_id"), "17:00");
    assert_eq!(state.reader().accounts().unwrap(), vec![ACCOUNT, OTHER_ACCOUNT]);
}

#[test]
fn positions_and_orders_come_and_go() {
    let state = State::new();
    let writer = state.writer();
    let (position, order) = (position(1, 2), order(7, OrderState::Working));
    writer.write(vec![Write::PutPosition(position.clone()), Write::PutOrder(order.clone())]).unwrap();
    let reader = state.reader();
    for account in [Some(ACCOUNT), None] {
        assert_eq!(reader.positions(account, now()).unwrap().rows, vec![position.clone()]);
        assert_eq!(reader.orders(account, now()).unwrap().rows, vec![order.clone()]);
    }
    assert_eq!(reader.positions(Some(OTHER_ACCOUNT), now()).unwrap().rows, vec![]);
    writer.write(vec![Write::RemovePosition(position.id), Write::RemoveOrder(order.id)]).unwrap();
    assert_eq!(state.count("SELECT (SELECT COUNT(*) FROM positions) + (SELECT COUNT(*) FROM orders)"), 0);
}

#[test]
fn codes_are_the_databases_own() {
    let state = State::new();
    let mut writes = Vec::new();
    let states = [
        (OrderState::Pending, 1),
        (OrderState::Working, 2),
        (OrderState::Filled, 3),
        (OrderState::Cancelled, 4),
        (OrderState::Rejected, 5),
        (OrderState::Expired, 6),
        (OrderState::Unknown(42), -43),
    ];
    for (index, (order_state, _)) in states.iter().enumerate() {
        writes.push(Write::PutOrder(order(index as i64, *order_state)));
    }
    state.writer().write(writes).unwrap();
    let found = state.reader().orders(Some(ACCOUNT), now()).unwrap();
    for (index, (order_state, code)) in states.into_iter().enumerate() {
        assert_eq!(state.count(&format!("SELECT state FROM orders WHERE id = {index}")), code);
        assert_eq!(found.rows[index].state, order_state);
    }
}

#[test]
fn a_snapshot_of_unrealized_pnl_comes_back_and_the_later_one_wins() {
    let state = State::new();
    let writer = state.writer();
    let write = |amount| Write::PutDailyUnrealizedPnl(unrealized("2026-11-22", amount));
    writer.write(vec![write("-1"), write("-2.5")]).unwrap();
    let found = state.reader().unrealized_history(ACCOUNT, day("2026-11-22"), 7).unwrap();
    assert_eq!(found.days.rows, vec![unrealized("2026-11-22", "-2.5")]);
}

#[test]
fn without_the_table_of_snapshots_the_rest_of_the_batch_is_written() {
    let state = State::without_unrealized();
    let writes = vec![Write::PutDailyUnrealizedPnl(unrealized("2026-11-22", "-1")), Write::PutPosition(position(1, 1))];
    state.writer().write(writes).unwrap();
    assert_eq!(state.count("SELECT COUNT(*) FROM positions"), 1);
    assert_eq!(state.reader().unrealized_history(ACCOUNT, day("2026-11-22"), 7).unwrap().days.rows, vec![]);
}

#[test]
fn an_enforcement_comes_back_at_every_stage() {
    let state = State::new();
    let writer = state.writer();
    let pending = enforcement_draft(5);
    let confirmed = EnforcementLogDraft {
        success: true,
        status: EnforcementStatus::Confirmed,
        positions_closed: 2,
        orders_cancelled: 3,
        error_message: Some("closing MNQ was refused once".to_owned()),
        execution_time_ms: Some(412),
        ..pending.clone()
    };
    for (draft, goal) in [(pending, Some(Goal::Flat { cancel_orders: true })), (confirmed, None)] {
        let log = enforcement(draft);
        writer.write(vec![Write::PutEnforcement { log: log.clone(), goal }]).unwrap();
        assert_eq!(state.reader().enforcement(EnforcementId(5)).unwrap().rows, vec![log]);
    }
    let details: serde_json::Value = serde_json::from_str(&state.text("SELECT details FROM enforcement_log")).unwrap();
    assert_eq!(
        details,
        serde_json::json!({
            "positions_closed": 2, "orders_cancelled": 3, "lockout_until": "2026-11-22 22:00:00.000",
            "pnl_at_enforcement": -512.5, "error_message": "closing MNQ was refused once", "status": "confirmed",
        })
    );
}

#[test]
fn rewriting_the_same_dirties_no_page() {
    let state = State::new();
    let writer = state.writer();
    let writes = || {
        vec![
            Write::PutPosition(position(1, 2)),
            Write::PutOrder(order(7, OrderState::Working)),
            Write::PutLockout(lockout(None)),
            Write::PutDailyPnl { daily_pnl: daily_pnl("2026-11-22", "-12.5"), at: now() },
            Write::PutContract { contract: contract("CON.F.US.MNQ.Z26", "0.25", "0.5"), at: now() },
            Write::PutSessionState { account_id: ACCOUNT, session_start: now(), at: now() },
        ]
    };
    writer.write(writes()).unwrap();
    let wal = state.path.with_file_name("state é?#%41.db-wal");
    let before = std::fs::metadata(&wal).unwrap().len();
    writer.write(writes()).unwrap();
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), before);
    // The comparison is no blind eye: a real change is written.
    writer.write(vec![Write::PutPosition(position(1, 3))]).unwrap();
    assert_eq!(state.count("SELECT size FROM positions"), 3);
}

/// Amounts that a REAL tells apart to the millionth: up to four billion dollars.
fn amounts() -> impl Strategy<Value = Money> {
    (-4_000_000_000_000_000_i64..=4_000_000_000_000_000).prop_map(Money::from_micros)
}

/// Amounts that survive the JSON in `details`, whose numbers are read to one unit in the last place: a billion dollars.
fn amounts_in_json() -> impl Strategy<Value = Money> {
    (-1_000_000_000_000_000_i64..=1_000_000_000_000_000).prop_map(Money::from_micros)
}

/// Prices above zero that a REAL tells apart to the billionth: up to four million points.
fn prices() -> impl Strategy<Value = Price> {
    (1_i64..=4_000_000_000_000_000).prop_map(Price::from_nanos)
}

fn times() -> impl Strategy<Value = Timestamp> {
    (0_i64..1_763_000_000_000).prop_map(|millisecond| Timestamp::from_millisecond(millisecond).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_position_order_trade_and_day_comes_back(
        id in 1_i64..i64::MAX,
        (average, limit, stop) in (prices(), prices(), prices()),
        amount in amounts(),
        (created_at, later_ms) in (times(), 0_i64..86_400_000),
        (size, kind, side, order_type) in (0_i64..1_000_000, -3_i32..9, -3_i32..4, -3_i32..9),
        name in "[A-Za-z0-9. é]{1,12}[A-Z]",
    ) {
        let state = State::new();
        let updated_at = Timestamp::from_millisecond(created_at.as_millisecond() + later_ms).unwrap();
        let checks = Checks::at(now());
        let position = Position::new(PositionDraft {
            id: PositionId(id), account_id: ACCOUNT, contract_id: contract_id(&name),
            position_type: PositionType::from_code(kind), size, average_price: average, created_at, updated_at,
        }, &checks).unwrap();
        let order_type = OrderType::from_code(order_type);
        let order = Order::new(OrderDraft {
            id: OrderId(id), account_id: ACCOUNT, contract_id: contract_id(&name), order_type,
            side: Side::from_code(side), size: size + 1, state: OrderState::from_gateway_status(kind),
            limit_price: Some(limit), stop_price: Some(stop), trail_distance: None, fill_price: None, filled_size: 0,
            created_at, updated_at, is_stop_loss: order_type.is_stop(),
            custom_tag: None,
        }, &checks).unwrap();
        let day = DailyPnl::new(DailyPnlDraft {
            account_id: ACCOUNT, date: day("2026-11-22"), realized_pnl: amount, trade_count: 0,
        }).unwrap();
        let trade = Trade::new(TradeDraft {
            profit_and_loss: Some(amount), execution_time: created_at, contract_id: contract_id(&name),
            ..trade(1, None, "2026-11-22T14:30:00Z").into_draft()
        }, &checks).unwrap();
        state.writer().write(vec![
            Write::PutPosition(position.clone()), Write::PutOrder(order.clone()),
            Write::PutDailyPnl { daily_pnl: day.clone(), at: now() }, Write::AppendTrade(trade),
        ]).unwrap();
        let memory = state.reader().memory(&[ACCOUNT], now()).unwrap();
        prop_assert_eq!(memory.unreadable, vec![]);
        prop_assert_eq!(&state.reader().positions(None, now()).unwrap().rows, &vec![position]);
        prop_assert_eq!(&state.reader().orders(None, now()).unwrap().rows, &vec![order]);
        prop_assert_eq!(&memory.memory.accounts[0].daily_pnl, &vec![day]);
        let range = created_at..Timestamp::from_millisecond(created_at.as_millisecond() + 1).unwrap();
        let trades = state.reader().trades(ACCOUNT, range).unwrap();
        prop_assert_eq!(trades.rows[0].profit_and_loss, Some(amount));
        prop_assert_eq!(trades.rows[0].contract_id.as_str(), &name);
    }

    #[test]
    fn any_enforcement_comes_back(
        id in 1_i64..i64::MAX,
        rule in 1_u8..=15,
        action in "[A-Z_]{1,20}",
        reason in ".{0,60}",
        error in proptest::option::of(".{0,60}"),
        (success, status) in (any::<bool>(), 0..2_usize),
        (closed, cancelled) in (0_i64..100, 0_i64..100),
        (pnl, until, took) in (proptest::option::of(amounts_in_json()), proptest::option::of(times()), proptest::option::of(0_i64..9_999_999)),
        timestamp in times(),
    ) {
        let state = State::new();
        let log = enforcement(EnforcementLogDraft {
            id: Some(EnforcementId(id)), timestamp, account_id: ACCOUNT, rule_id: RuleId::from_number(rule).unwrap(),
            action: EnforcementAction::from_text(&action), reason: reason.replace('\0', ""), success,
            status: [EnforcementStatus::Pending, EnforcementStatus::Confirmed][status],
            error_message: error.map(|error| error.replace('\0', "")), positions_closed: closed,
            orders_cancelled: cancelled, lockout_until: until, pnl_at_enforcement: pnl, execution_time_ms: took,
        });
        state.writer().write(vec![Write::PutEnforcement { log: log.clone(), goal: None }]).unwrap();
        prop_assert_eq!(state.reader().enforcement(EnforcementId(id)).unwrap().rows, vec![log]);
    }
}
