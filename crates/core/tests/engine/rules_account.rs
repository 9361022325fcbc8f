//! RULE-010, RULE-011 and RULE-013, every option, both sides of each limit.

use riskd_core::engine::{Event, Goal};
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::probe::Probe;

fn row(can_trade: Option<bool>) -> Account {
    let draft =
        AccountDraft { id: ALICE, name: "Alice".to_owned(), balance: dollars("50000"), can_trade, simulated: true };
    Account::new(draft).unwrap()
}

fn account(can_trade: Option<bool>) -> Event {
    Event::Account(row(can_trade))
}

/// A look shows what the hub has said.
fn look(probe: &mut Probe, can_trade: Option<bool>) {
    let asked_at = after(probe.at, 1);
    probe.look_at_account(row(can_trade), asked_at);
}

fn is_locked(probe: &Probe) -> bool {
    probe.engine.account(ALICE).unwrap().locks.is_locked()
}

#[test]
fn an_account_that_may_not_trade_is_closed_and_locked_until_it_may() {
    let (yes, no, absent) = (Some(true), Some(false), None);
    // (options, the broker's words, locked in the end, asked to end)
    type Case<'a> = (serde_json::Value, &'a [Option<bool>], bool, bool);
    let cases: &[Case<'_>] = &[
        (json!({}), &[yes], false, false),
        (json!({}), &[absent], false, false),
        (json!({}), &[no], true, false),
        (json!({}), &[yes, no], true, false),
        (json!({}), &[no, yes], true, true),
        // Missing counts as true.
        (json!({}), &[no, absent], true, true),
        (json!({}), &[no, yes, no], true, false),
        (json!({"auto_unlock_on_restore": false}), &[no, yes], true, false),
        (json!({"check_on_startup": false}), &[no], false, false),
        (json!({"check_on_startup": false}), &[no, no], false, false),
        (json!({"check_on_startup": false}), &[yes, no], true, false),
        (json!({"check_on_startup": false}), &[absent, no], true, false),
        (json!({"check_on_startup": false}), &[no, yes, no], true, false),
    ];
    for (section, words, locked, ended) in cases {
        let mut probe = Probe::new(json!({"auth_loss_guard": section}));
        probe.hold(MNQ, 1, "20000");
        let mut rows = Vec::new();
        for word in *words {
            rows.extend(probe.feed(account(*word)));
        }
        look(&mut probe, words.last().copied().flatten());
        assert_eq!(is_locked(&probe), *locked, "{section} {words:?}");
        for row in &rows {
            assert_eq!(row.action, EnforcementAction::CloseAllAndLockout);
            assert_eq!((&row.goal, row.lock), (&Goal::Flat { cancel_orders: true }, Some(None)));
        }
        // Free once the end is durable, and not before.
        probe.feed(Event::LockoutCleared { account_id: ALICE });
        assert_eq!(is_locked(&probe), *locked && !ended, "{section} {words:?}");
    }
}

/// Hubs tell things late and twice, and what they say of an account carries no time.
#[test]
fn an_old_word_of_the_hub_does_not_end_the_lock() {
    let mut probe = Probe::new(json!({"auth_loss_guard": {}}));
    probe.feed(account(Some(true)));
    let before = probe.at;
    probe.feed(account(Some(false)));
    let ends = |probe: &mut Probe| {
        probe.feed(Event::LockoutCleared { account_id: ALICE });
        !is_locked(probe)
    };
    // The first word once more.
    probe.feed(account(Some(true)));
    assert!(!ends(&mut probe));
    // A look from before the lock, answered late.
    probe.look_at_account(row(Some(true)), before);
    assert!(!ends(&mut probe));
    look(&mut probe, Some(false));
    assert!(!ends(&mut probe));
    // An old look does not take back what the hub has said since.
    let asked_at = probe.at;
    probe.feed(account(Some(true)));
    probe.look_at_account(row(Some(false)), asked_at);
    assert_eq!(probe.engine.account(ALICE).unwrap().may_trade(), Some(true));
    assert!(!ends(&mut probe));
    look(&mut probe, Some(true));
    assert!(ends(&mut probe));
}

#[test]
fn a_lock_by_another_rule_outlasts_the_return_of_trading() {
    let mut probe = Probe::new(json!({"auth_loss_guard": {}, "daily_realized_loss": {}}));
    probe.realize(Some("-500"), "0");
    assert_eq!(probe.feed(account(Some(false))).len(), 1);
    let lockout = |probe: &Probe| probe.engine.account(ALICE).unwrap().locks.lockout().unwrap().clone();
    assert_eq!(lockout(&probe).locked_until, None, "the strictest stands");
    probe.feed(account(Some(true)));
    look(&mut probe, Some(true));
    assert_eq!(lockout(&probe).rule_id, RuleId::DAILY_REALIZED_LOSS);
    assert_eq!(lockout(&probe).locked_until, Some("2026-03-10T21:00:00Z".parse().unwrap()));
}

#[test]
fn a_blocked_root_is_the_product_and_no_other() {
    // (blocked, contract, whether it is described, breached)
    let cases = [
        ("ES", ES, true, true),
        ("ES", ES, false, true),
        ("es", ES, true, true),
        (" ES ", ES, true, true),
        ("EP", ES, false, true),
        ("ES", MES, true, false),
        ("MES", ES, true, false),
        ("MES", MES, true, true),
        ("CL", CL, false, true),
        ("MNQ", MES, true, false),
        (ES, ES, true, true),
        ("CON.F.US.EP.M26", ES, true, false),
    ];
    for (symbol, contract, described, breached) in cases {
        let section = json!({"symbol_blocks": {"blocked_symbols": [symbol]}});
        let fresh = || if described { Probe::with_contracts(section.clone()) } else { Probe::new(section.clone()) };
        let mut probe = fresh();
        let rows = probe.hold(contract, 1, "100");
        assert_eq!(!rows.is_empty(), breached, "position: {symbol} {contract}");
        for row in rows {
            assert_eq!(row.goal, Goal::ContractsFlat { contract_ids: vec![id(contract)] });
            assert_eq!((row.action, row.lock), (EnforcementAction::ClosePosition, None));
        }
        let rows = fresh().feed(Event::Order(limit_order(1, ALICE, contract)));
        assert_eq!(!rows.is_empty(), breached, "order: {symbol} {contract}");
        for row in rows {
            assert_eq!((row.action, row.lock), (EnforcementAction::CancelOrders, None));
        }
    }
}

#[test]
fn a_name_that_comes_later_is_judged_then() {
    // A gateway root that no table knows: only the contract's name tells.
    const ODD: &str = "CON.F.US.ODDLY.H26";
    let mut probe = Probe::new(json!({"symbol_blocks": {"blocked_symbols": ["XYZ"]}}));
    assert_eq!(probe.hold(ODD, 1, "100"), []);
    assert_eq!(probe.feed(Event::Order(limit_order(7, ALICE, ODD))), []);
    let named = Contract::new(ContractDraft {
        contract_id: id(ODD),
        symbol_id: "F.US.ODDLY".to_owned(),
        name: "XYZH6".to_owned(),
        tick_size: price("1"),
        tick_value: dollars("1"),
        exchange: None,
        expiration: None,
        allows_negative_price: false,
    });
    assert_eq!(probe.feed(Event::Contract(named.unwrap())).len(), 1);
}

#[test]
fn what_was_there_may_stay_if_the_block_says_so() {
    let mut probe =
        Probe::with_contracts(json!({"symbol_blocks": {"blocked_symbols": ["MNQ"], "close_existing": false}}));
    // The probe starts with nothing: this one is new.
    assert_eq!(probe.hold(MNQ, 1, "20000").len(), 1);
}

#[test]
fn a_realized_profit_ends_the_day_exactly_at_the_target() {
    let reset = Some(Some("2026-03-10T21:00:00Z".parse().unwrap()));
    let cases = [
        (json!({}), "999.99", "0", None),
        (json!({}), "1000", "0", Some(reset)),
        (json!({"profit_target": 250.5}), "250.49", "0", None),
        (json!({"profit_target": 250.5}), "250.50", "0", Some(reset)),
        (json!({"target": 250}), "250", "0", Some(reset)),
        (json!({"target": 250}), "-250", "0", None),
        (json!({"target": 250, "include_fees": true}), "250", "0.01", None),
        (json!({"target": 250, "include_fees": true}), "250.01", "0.01", Some(reset)),
        (json!({"target": 250, "lockout_until": "permanent"}), "250", "0", Some(Some(None))),
        (json!({"target": 250, "enabled": false}), "250", "0", None),
    ];
    for (section, pnl, fees, lock) in cases {
        let mut probe = Probe::new(json!({"daily_realized_profit": section, "max_contracts": {}}));
        let rows = probe.realize(Some(pnl), fees);
        assert_eq!(rows.first().map(|row| row.lock), lock, "{section} {pnl}");
        for row in &rows {
            assert_eq!(row.action, EnforcementAction::CloseAllAndLockout);
            assert_eq!(row.goal, Goal::Flat { cancel_orders: true });
        }
    }
    for (section, expected) in [
        (json!({"profit_target": 0}), "profit_target: must be above 0"),
        (json!({"target": -5}), "target: must be above 0"),
        (json!({"target": 5, "profit_target": 5}), "target: stands beside profit_target"),
    ] {
        let section = json!({"daily_realized_profit": section});
        let config: riskd_core::rules::RulesConfig = serde_json::from_value(section.clone()).unwrap();
        let error = config.build().unwrap_err().to_string();
        assert!(error.contains(expected), "{section}: {error}");
    }
}
