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
        terms.push(Term::MaxContracts {
            limit: chance.between(1, 6),
            gross: chance.once_in(2),
            reduces,
            lock: locks,
        });
    }
    if every_rule || chance.once_in(2) {
        let limit_micros = chance.between(100, 900) * DOLLAR;
        terms.push(Term::RealizedLoss { limit_micros, include_fees: chance.once_in(2), lock: lock(chance) });
    }
    if every_rule || terms.is_empty() || chance.once_in(2) {
        let limit_micros = chance.between(60, 500) * DOLLAR;
        terms.push(Term::UnrealizedLoss { limit_micros, total: chance.once_in(2), lock: lock(chance) });
    }
    terms
}

/// Terms that an account which trades one micro contract at a time cannot break, whatever news is late or lost.
pub(super) fn out_of_reach() -> Vec<Term> {
    vec![
        Term::MaxContracts { limit: 20, gross: true, reduces: false, lock: Some(Lasts::ToReset) },
        Term::RealizedLoss { limit_micros: 20_000 * DOLLAR, include_fees: true, lock: Some(Lasts::ToReset) },
        Term::UnrealizedLoss { limit_micros: 10_000 * DOLLAR, total: true, lock: Some(Lasts::ToReset) },
    ]
}

/// The section of `risk_config.yaml` that says the same.
pub(super) fn section(terms: &[Term]) -> Value {
    Value::Object(terms.iter().map(|term| { let (key, options) = options(term); (key.to_owned(), options) }).collect())
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
    }
}

fn until(lock: Option<Lasts>) -> &'static str {
    match lock {
        Some(Lasts::ForEver) => "permanent",
        Some(Lasts::ToReset) | None => "daily_reset",
    }
}
