//! Which changes of a rule's options are looser, and so wait for the next reset.

use serde_json::{Value, json};

use crate::build::*;

fn loosens(key: &str, new: &Value, old: &Value) -> bool {
    let (new, old) = (rules(json!({key: new})), rules(json!({key: old})));
    let (new, old) = (new.rules().next().unwrap(), old.rules().next().unwrap());
    new.loosens(old)
}

/// Each case: the stricter options, the looser ones. What is the same loosens nothing.
#[test]
fn only_what_is_looser_waits() {
    let instrument = "max_contracts_per_instrument";
    let limits = |limits: Value| json!({"limits": limits});
    let cases = [
        (instrument, limits(json!({"MNQ": 1})), limits(json!({"MNQ": 2}))),
        (instrument, limits(json!({"MNQ": 1})), limits(json!({"MNQ": 1, "ES": 1}))),
        (
            instrument,
            json!({"limits": {"MNQ": 1}, "unknown_symbol_action": "block"}),
            json!({"limits": {"MNQ": 1}, "unknown_symbol_action": "allow_with_limit:1"}),
        ),
        (
            instrument,
            json!({"limits": {"MNQ": 1, "ES": 1}, "unknown_symbol_action": "allow_unlimited"}),
            json!({"limits": {"MNQ": 1}, "unknown_symbol_action": "allow_unlimited"}),
        ),
        (
            instrument,
            json!({"limits": {"MNQ": 1}, "enforcement": "close_all"}),
            json!({"limits": {"MNQ": 1}, "enforcement": "reduce_to_limit"}),
        ),
        ("max_unrealized_profit", json!({"profit_target": 500}), json!({"profit_target": 501})),
        (
            "max_unrealized_profit",
            json!({"mode": "breakeven", "arm_ticks": 4}),
            json!({"mode": "breakeven", "arm_ticks": 5}),
        ),
        (
            "max_unrealized_profit",
            json!({"scope": "per_position", "action": "CLOSE_ALL_POSITIONS"}),
            json!({"scope": "per_position"}),
        ),
        ("no_stop_loss_grace", json!({"grace_period_seconds": 30}), json!({"grace_period_seconds": 31})),
        ("no_stop_loss_grace", json!({"action": "CLOSE_ALL_AND_LOCKOUT"}), json!({"action": "CLOSE_POSITION"})),
        ("max_drawdown", json!({"limit": 1000}), json!({"limit": 1001})),
        ("max_drawdown", json!({"stops_at_start": false}), json!({"stops_at_start": true})),
        ("max_drawdown", json!({"lockout_until": "permanent"}), json!({"lockout_until": "daily_reset"})),
    ];
    for (key, strict, loose) in &cases {
        assert!(loosens(key, loose, strict), "{key}: {loose} after {strict}");
        assert!(!loosens(key, strict, loose), "{key}: {strict} after {loose}");
        assert!(!loosens(key, strict, strict), "{key}: {strict} is the same");
    }
    // What cannot be compared waits, either way.
    let either = [
        ("max_unrealized_profit", json!({"mode": "breakeven"}), json!({"mode": "profit_target"})),
        ("max_unrealized_profit", json!({"scope": "total"}), json!({"scope": "per_position"})),
        ("max_drawdown", json!({"mode": "static"}), json!({"mode": "trailing_intraday"})),
    ];
    for (key, one, other) in &either {
        assert!(loosens(key, one, other) && loosens(key, other, one), "{key}: {one} and {other}");
    }
}
