//! What an account is held to, as the oracle understands it, and whether its books break it.
//!
//! Written from the table of rules alone. A term says what *must* be enforced; how the engine comes to know of it is none
//! of its business.

use riskd_core::model::{ContractId, RuleId, Timestamp};

use super::books::{Books, Worth};
use std::collections::BTreeMap;

/// A cent, in millionths of a dollar: an average price is rounded to a billionth of a point, so a P&L this near a limit
/// may be judged either way.
const CENT: i64 = 10_000;

/// How long a lockout lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// To the next reset of the account's day.
    ToReset,
    /// Without end.
    ForEver,
}

/// One rule with its options, in plain numbers: dollars in millionths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// RULE-001: more contracts than `limit`.
    MaxContracts {
        /// The most that may be held.
        limit: i64,
        /// Whether sizes are summed without sign.
        gross: bool,
        /// Whether positions are only made smaller.
        reduces: bool,
        /// The lockout, where there is one.
        lock: Option<Lasts>,
    },
    /// RULE-003: the day's realized loss.
    RealizedLoss {
        /// Dollars, positive.
        limit_micros: i64,
        /// Whether fees count.
        include_fees: bool,
        /// The lockout; without one, positions are closed whenever there are any.
        lock: Option<Lasts>,
    },
    /// RULE-004: an open loss.
    UnrealizedLoss {
        /// Dollars, positive.
        limit_micros: i64,
        /// Whether all positions count together.
        total: bool,
        /// The lockout, where there is one.
        lock: Option<Lasts>,
    },
}

/// A term that is broken at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The contract that breaks it; absent when the account does.
    pub(super) contract_id: Option<ContractId>,
    /// Whether there is no doubt; without, it may be judged either way.
    pub(super) for_certain: bool,
    /// The numbers.
    pub(super) why: String,
}

/// All that a term is judged by.
pub(super) struct Moment<'a> {
    pub(super) books: &'a Books,
    pub(super) worth: &'a BTreeMap<ContractId, Worth>,
    /// When the present trading day began and will end, by the program's clock.
    pub(super) day: (Timestamp, Timestamp),
}

impl Term {
    /// The rule it is.
    pub fn rule_id(&self) -> RuleId {
        let number = match self {
            Self::MaxContracts { .. } => 1,
            Self::RealizedLoss { .. } => 3,
            Self::UnrealizedLoss { .. } => 4,
        };
        RuleId::from_number(number).expect("the table has fifteen rules")
    }

    /// The lockout that a breach leads to.
    pub(super) fn lock(&self) -> Option<Lasts> {
        match self {
            Self::MaxContracts { lock, .. } | Self::RealizedLoss { lock, .. } | Self::UnrealizedLoss { lock, .. } => {
                *lock
            }
        }
    }

    /// Where it is broken now.
    pub(super) fn broken(&self, moment: &Moment<'_>) -> Vec<Broken> {
        match self {
            Self::MaxContracts { limit, gross, .. } => {
                let sizes = moment.books.holdings().map(|(_, size)| if *gross { size.abs() } else { size });
                let count = sizes.sum::<i64>().abs();
                of_account(count > *limit, true, || format!("{count} contracts, limit {limit}"))
            }
            Self::RealizedLoss { limit_micros, include_fees, lock } => {
                let (pnl, fees) = moment.books.realized_micros(moment.day.0, moment.day.1);
                let realized = if *include_fees { pnl - fees } else { pnl };
                let matters = lock.is_some() || !moment.books.is_flat();
                let why = || format!("realized {}, limit {}", dollars(realized), dollars(-limit_micros));
                of_account(matters && realized <= -limit_micros, true, why)
            }
            Self::UnrealizedLoss { limit_micros, total, .. } => {
                let open: Vec<(&ContractId, i64)> = moment
                    .books
                    .holdings()
                    .filter_map(|(id, _)| Some((id, moment.books.unrealized_micros(id, moment.worth.get(id)?)?)))
                    .collect();
                let why = |pnl: i64| format!("unrealized {}, limit {}", dollars(pnl), dollars(-limit_micros));
                if *total {
                    let pnl = open.iter().map(|(_, pnl)| pnl).sum::<i64>();
                    let breaks = !open.is_empty() && pnl <= CENT - limit_micros;
                    return of_account(breaks, pnl <= -limit_micros - CENT, || why(pnl));
                }
                open.into_iter()
                    .filter(|(_, pnl)| *pnl <= CENT - limit_micros)
                    .map(|(id, pnl)| Broken {
                        contract_id: Some(id.clone()),
                        for_certain: pnl <= -limit_micros - CENT,
                        why: format!("{id}: {}", why(pnl)),
                    })
                    .collect()
            }
        }
    }
}

fn of_account(is_broken: bool, for_certain: bool, why: impl Fn() -> String) -> Vec<Broken> {
    if is_broken { vec![Broken { contract_id: None, for_certain, why: why() }] } else { Vec::new() }
}

fn dollars(micros: i64) -> String {
    riskd_core::model::Money::from_micros(micros).to_string()
}
