//! The tables that the config turns on: what is written comes back, and without them nothing else is lost.

use std::collections::BTreeMap;

use riskd_core::engine::Write;
use riskd_core::model::*;

use super::support::*;

const TABLES: &str = concat!(
    include_str!("../../migrations/features/drawdown_marks/up.sql"),
    include_str!("../../migrations/features/rule_commitments/up.sql"),
);

fn with_tables() -> State {
    let state = State::new();
    state.run(TABLES);
    state
}

fn mark(account_id: AccountId, high: &str) -> DrawdownMark {
    DrawdownMark {
        account_id,
        starting_balance: Money::parse("50000").unwrap(),
        high_water_mark: Money::parse(high).unwrap(),
        day: day("2026-11-22"),
        updated_at: at("2026-11-22T14:00:00.123Z"),
    }
}

fn commitment(account_id: AccountId, rule: &str, config: &str) -> Commitment {
    Commitment {
        account_id,
        rule: rule.into(),
        config: config.into(),
        armed_at: at("2026-11-22T14:00:00Z"),
        loosens_at: None,
    }
}

#[test]
fn the_last_mark_of_each_account_asked_for_comes_back() {
    let state = with_tables();
    let writes = [mark(ACCOUNT, "50100"), mark(OTHER_ACCOUNT, "1"), mark(ACCOUNT, "50250.75")];
    state.writer().write(writes.map(Write::PutDrawdownMark).into()).unwrap();
    let remembered = state.reader().memory(&[ACCOUNT], now()).unwrap();
    assert_eq!(remembered.unreadable, vec![]);
    assert_eq!(remembered.memory.drawdown_marks, BTreeMap::from([(ACCOUNT, mark(ACCOUNT, "50250.75"))]));
}

#[test]
fn commitments_are_put_changed_and_removed_one_rule_at_a_time() {
    let state = with_tables();
    let waiting = Commitment {
        loosens_at: Some(at("2026-11-22T22:00:00.0001Z")),
        ..commitment(ACCOUNT, "max_contracts", r#"{"limit":2}"#)
    };
    let writes = [
        commitment(ACCOUNT, "max_contracts", r#"{"limit":3}"#),
        commitment(ACCOUNT, "trade_frequency", "{}"),
        commitment(ACCOUNT, "daily_realized_loss", "{}"),
        commitment(OTHER_ACCOUNT, "max_contracts", "{}"),
        waiting.clone(),
    ];
    let writer = state.writer();
    writer.write(writes.map(Write::PutCommitment).into()).unwrap();
    let gone = |rule: &str| Write::RemoveCommitment { account_id: ACCOUNT, rule: rule.into() };
    writer.write(vec![gone("trade_frequency"), gone("never_there")]).unwrap();
    let remembered = state.reader().memory(&[ACCOUNT], now()).unwrap();
    assert_eq!(remembered.unreadable, vec![]);
    // What waits never takes effect early.
    let waiting = Commitment { loosens_at: Some(at("2026-11-22T22:00:00.001Z")), ..waiting };
    let expected = vec![commitment(ACCOUNT, "daily_realized_loss", "{}"), waiting];
    assert_eq!(remembered.memory.commitments, expected);
}

#[test]
fn without_the_tables_the_rest_of_the_batch_is_written() {
    let state = State::new();
    let writes = vec![
        Write::PutDrawdownMark(mark(ACCOUNT, "1")),
        Write::PutCommitment(commitment(ACCOUNT, "max_contracts", "{}")),
        Write::RemoveCommitment { account_id: ACCOUNT, rule: "max_contracts".into() },
        Write::PutPosition(position(1, 1)),
    ];
    state.writer().write(writes).unwrap();
    assert_eq!(state.count("SELECT COUNT(*) FROM positions"), 1);
    let memory = state.reader().memory(&[ACCOUNT], now()).unwrap().memory;
    assert_eq!((memory.drawdown_marks.len(), memory.commitments.len()), (0, 0));
}

#[test]
fn rows_that_cannot_be_read_are_named() {
    let state = with_tables();
    state.run(
        "INSERT INTO drawdown_marks VALUES (123, 50000, 'much', '2026-11-22', '2026-11-22 14:00:00');
         INSERT INTO rule_commitments VALUES (123, 'max_contracts', '{}', 'then', NULL)",
    );
    let remembered = state.reader().memory(&[ACCOUNT], now()).unwrap();
    let named: Vec<String> = remembered.unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[0].starts_with("table drawdown_marks row 123: DrawdownMark.high_water_mark = \"much\""), "{named:?}");
    assert!(named[1].starts_with("table rule_commitments row 1: Commitment.armed_at = \"then\""), "{named:?}");
    assert_eq!((remembered.memory.drawdown_marks.len(), remembered.memory.commitments.len()), (0, 0));
}
