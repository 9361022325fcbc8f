//! What the accounts of a world are held to: the same rules once as a config of the engine, once as terms of the oracle.

use serde_json::{Map, Value, json};

use super::chance::Chance;
use crate::oracle::{Lasts, Term};

/// A dollar in millionths.
const DOLLAR: i64 = 1_000_000;

/// Terms that an account which trades wildly breaks now and then.
pub(super) fn risky(chance: &mut Chance, every_rule: bool) -> Vec<Term> {
    let mut terms = Vec::new();
    let lock = |chance: &mut Chance| match chance.below(6) {
        0 => Some(Lasts::ForEver),
        1..=4 => Some(Lasts::ToReset),
        _ => None,
    };
    if every_rule || chance.once_in(2) {
        let locks = chance.once_in(3).then_some(Lasts::ToReset);
        let reduces = locks.is_none() && chance.once_in(2);
        terms.push(Term::MaxContracts { limit: chance.between(1, 6), gross: chance.once_in(2), reduces, lock: locks });
    }
    if every_rule || chance.once_in(2) {
        let limit_micros = chance.between(100, 900) * DOLLAR;
        terms.push(Term::RealizedLoss { limit_micros, include_fees: chance.once_in(2), lock: lock(chance) });
    }
    let some = |terms: &mut Vec<Term>, chance: &mut Chance, make: fn(&mut Chance) -> Term| {
        if every_rule || chance.once_in(5) {
            terms.push(make(chance));
        }
    };
    let others: [fn(&mut Chance) -> Term; 7] =
        [per_instrument, profit_target, frequency, after_loss, may_not_trade, blocked, realized_profit];
    for make in others {
        some(&mut terms, chance, make);
    }
    if every_rule || terms.is_empty() || chance.once_in(2) {
        let limit_micros = chance.between(60, 500) * DOLLAR;
        terms.push(Term::UnrealizedLoss { limit_micros, total: chance.once_in(2), lock: lock(chance) });
    }
    terms
}

fn per_instrument(chance: &mut Chance) -> Term {
    let limits = vec![("ES".to_owned(), chance.between(1, 3)), ("MES".to_owned(), chance.between(1, 5))];
    let others = *chance.pick(&[None, None, Some(0), Some(2)]);
    Term::PerInstrument { limits, others, reduces: chance.once_in(2) }
}

fn profit_target(chance: &mut Chance) -> Term {
    Term::ProfitTarget { target_micros: chance.between(100, 600) * DOLLAR, total: chance.once_in(2) }
}

fn frequency(chance: &mut Chance) -> Term {
    Term::Frequency {
        limit: chance.between(3, 12),
        window_s: 60 * chance.between(1, 10),
        pause_s: 60 * chance.between(1, 10),
    }
}

fn after_loss(chance: &mut Chance) -> Term {
    let first = chance.between(40, 120) * DOLLAR;
    Term::AfterLoss { tiers: vec![(first, 60 * chance.between(1, 3)), (first * 3, 60 * chance.between(4, 9))] }
}

fn may_not_trade(_: &mut Chance) -> Term {
    Term::MayNotTrade
}

fn blocked(chance: &mut Chance) -> Term {
    Term::Blocked { roots: vec![(*chance.pick(&["ES", "NQ", "CL"])).to_owned()] }
}

fn realized_profit(chance: &mut Chance) -> Term {
    let lock = if chance.once_in(4) { Lasts::ForEver } else { Lasts::ToReset };
    Term::RealizedProfit { target_micros: chance.between(150, 900) * DOLLAR, lock }
}

/// A stop for every position, near enough to be moved and reached now and then.
pub(super) fn stops(chance: &mut Chance) -> Term {
    Term::Stops {
        stop_ticks: chance.between(4, 60),
        breakeven_ticks: chance.between(2, 30),
        activation_ticks: chance.between(4, 40),
        distance_ticks: chance.between(2, 30),
    }
}

/// Terms that an account which trades one micro contract at a time cannot break, whatever news is late or lost.
pub(super) fn out_of_reach() -> Vec<Term> {
    vec![
        Term::MaxContracts { limit: 20, gross: true, reduces: false, lock: Some(Lasts::ToReset) },
        Term::RealizedLoss { limit_micros: 20_000 * DOLLAR, include_fees: true, lock: Some(Lasts::ToReset) },
        Term::UnrealizedLoss { limit_micros: 10_000 * DOLLAR, total: true, lock: Some(Lasts::ToReset) },
        Term::PerInstrument { limits: vec![("MES".to_owned(), 20)], others: Some(0), reduces: true },
        Term::ProfitTarget { target_micros: 10_000 * DOLLAR, total: true },
        Term::Frequency { limit: 5_000, window_s: 3_600, pause_s: 60 },
        Term::AfterLoss { tiers: vec![(5_000 * DOLLAR, 60)] },
        Term::MayNotTrade,
        Term::Blocked { roots: vec!["ES".to_owned()] },
        Term::RealizedProfit { target_micros: 20_000 * DOLLAR, lock: Lasts::ToReset },
    ]
}

/// The section of `risk_config.yaml` that says the same.
pub(super) fn section(terms: &[Term]) -> Value {
    Value::Object(
        terms
            .iter()
            .map(|term| {
                let (key, options) = options(term);
                (key.to_owned(), options)
            })
            .collect(),
    )
}

fn options(term: &Term) -> (&'static str, Value) {
    match term {
        Term::MaxContracts { limit, gross, reduces, lock } => {
            let count_type = if *gross { "gross" } else { "net" };
            let mut options = Map::new();
            options.insert("limit".to_owned(), json!(limit));
            options.insert("count_type".to_owned(), json!(count_type));
            options.insert("reduce_to_limit".to_owned(), json!(reduces));
            options.insert("lockout_on_breach".to_owned(), json!(lock.is_some()));
            ("max_contracts", Value::Object(options))
        }
        Term::RealizedLoss { limit_micros, include_fees, lock } => {
            let action = if lock.is_some() { "CLOSE_ALL_AND_LOCKOUT" } else { "CLOSE_ALL_POSITIONS" };
            let options = json!({
                "loss_limit": limit_micros / DOLLAR,
                "include_fees": include_fees,
                "action": action,
                "lockout_until": until(*lock),
            });
            ("daily_realized_loss", options)
        }
        Term::UnrealizedLoss { limit_micros, total, lock } => {
            let options = json!({
                "loss_limit": limit_micros / DOLLAR,
                "scope": if *total { "total" } else { "per_position" },
                "lockout": lock.is_some(),
                "lockout_until": until(*lock),
            });
            ("daily_unrealized_loss", options)
        }
        Term::PerInstrument { limits, others, reduces } => {
            let limits: Map<String, Value> = limits.iter().map(|(root, limit)| (root.clone(), json!(limit))).collect();
            let others = match others {
                None => "allow_unlimited".to_owned(),
                Some(0) => "block".to_owned(),
                Some(limit) => format!("allow_with_limit:{limit}"),
            };
            let enforcement = if *reduces { "reduce_to_limit" } else { "close_all" };
            let options = json!({
                "limits": limits,
                "unknown_symbol_action": others,
                "enforcement": enforcement,
            });
            ("max_contracts_per_instrument", options)
        }
        Term::ProfitTarget { target_micros, total } => {
            let scope = if *total { "total" } else { "per_position" };
            ("max_unrealized_profit", json!({ "profit_target": target_micros / DOLLAR, "scope": scope }))
        }
        Term::Frequency { limit, window_s, pause_s } => {
            let options = json!({
                "max_trades": limit,
                "time_window_minutes": window_s / 60,
                "cooldown_seconds": pause_s,
            });
            ("trade_frequency_limit", options)
        }
        Term::AfterLoss { tiers } => {
            let tiers: Vec<Value> = tiers
                .iter()
                .map(|(loss, seconds)| json!({ "loss_amount": -loss / DOLLAR, "cooldown_duration": seconds }))
                .collect();
            ("cooldown_after_loss", json!({ "loss_thresholds": tiers }))
        }
        Term::MayNotTrade => ("auth_loss_guard", json!({})),
        Term::Blocked { roots } => ("symbol_blocks", json!({ "blocked_symbols": roots })),
        Term::Stops { stop_ticks, breakeven_ticks, activation_ticks, distance_ticks } => {
            let options = json!({
                "auto_stop_loss": true,
                "stop_loss_ticks": stop_ticks,
                "auto_breakeven": { "profit_trigger_ticks": breakeven_ticks },
                "trailing_stop": { "activation_ticks": activation_ticks, "trail_distance_ticks": distance_ticks },
            });
            ("trade_management", options)
        }
        Term::RealizedProfit { target_micros, lock } => {
            let options = json!({ "profit_target": target_micros / DOLLAR, "lockout_until": until(Some(*lock)) });
            ("daily_realized_profit", options)
        }
    }
}

fn until(lock: Option<Lasts>) -> &'static str {
    match lock {
        Some(Lasts::ForEver) => "permanent",
        Some(_) | None => "daily_reset",
    }
}
