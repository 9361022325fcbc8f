//! What an account is held to, as the oracle understands it, and whether its books break it.
//!
//! Written from the table of rules alone. A term says what *must* be enforced; how the engine comes to know of it is none
//! of its business.

use std::collections::BTreeMap;

use riskd_core::model::{ContractId, RuleId, Timestamp};

use super::books::{Books, Worth};

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
    /// Until the firm lets the account trade again.
    AsLongAsForbidden,
    /// So long after the trade that began it; positions stay.
    Pause {
        /// The longest that any trade can lead to.
        seconds: i64,
    },
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
    /// RULE-002: more contracts of one instrument than its limit.
    PerInstrument {
        /// Instruments by the exchange's root, with the most that may be held.
        limits: Vec<(String, i64)>,
        /// What holds for every other; absent when nothing does.
        others: Option<i64>,
        /// Whether positions are only made smaller.
        reduces: bool,
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
    /// RULE-005: an open profit.
    ProfitTarget {
        /// Dollars, positive.
        target_micros: i64,
        /// Whether all positions count together.
        total: bool,
    },
    /// RULE-006: too many trades in a while.
    Frequency {
        /// The most in any window.
        limit: i64,
        /// The window's length.
        window_s: i64,
        /// The pause that follows.
        pause_s: i64,
    },
    /// RULE-007: a pause after a trade that lost so much.
    AfterLoss {
        /// Dollars lost (positive), and the pause in seconds; the deepest that is reached counts.
        tiers: Vec<(i64, i64)>,
    },
    /// RULE-010: the firm does not let the account trade.
    MayNotTrade,
    /// RULE-011: symbols that may not be traded, by the exchange's root.
    Blocked {
        /// The roots.
        roots: Vec<String>,
    },
    /// RULE-012: a position that no stop covers.
    Stops {
        /// Ticks between the average price and the first stop.
        stop_ticks: i64,
        /// Ticks of profit that move it to the average price.
        breakeven_ticks: i64,
        /// Ticks of profit from which it follows the best price.
        activation_ticks: i64,
        /// Ticks by which it follows.
        distance_ticks: i64,
    },
    /// RULE-013: the day's realized profit.
    RealizedProfit {
        /// Dollars, positive.
        target_micros: i64,
        /// The lockout.
        lock: Lasts,
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
    /// What the program's clock shows.
    pub(super) clock: Timestamp,
}

impl Term {
    /// The rule it is.
    pub fn rule_id(&self) -> RuleId {
        let number = match self {
            Self::MaxContracts { .. } => 1,
            Self::PerInstrument { .. } => 2,
            Self::RealizedLoss { .. } => 3,
            Self::UnrealizedLoss { .. } => 4,
            Self::ProfitTarget { .. } => 5,
            Self::Frequency { .. } => 6,
            Self::AfterLoss { .. } => 7,
            Self::MayNotTrade => 10,
            Self::Blocked { .. } => 11,
            Self::Stops { .. } => 12,
            Self::RealizedProfit { .. } => 13,
        };
        RuleId::from_number(number).expect("the table has fifteen rules")
    }

    /// The lockout that a breach leads to.
    pub(super) fn lock(&self) -> Option<Lasts> {
        match self {
            Self::MaxContracts { lock, .. } | Self::RealizedLoss { lock, .. } | Self::UnrealizedLoss { lock, .. } => {
                *lock
            }
            Self::RealizedProfit { lock, .. } => Some(*lock),
            Self::MayNotTrade => Some(Lasts::AsLongAsForbidden),
            Self::Frequency { pause_s, .. } => Some(Lasts::Pause { seconds: *pause_s }),
            Self::AfterLoss { tiers } => {
                Some(Lasts::Pause { seconds: tiers.iter().map(|(_, seconds)| *seconds).max().unwrap_or(0) })
            }
            Self::PerInstrument { .. } | Self::ProfitTarget { .. } | Self::Blocked { .. } | Self::Stops { .. } => None,
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
                of_account(realized <= -limit_micros, matters, why)
            }
            Self::UnrealizedLoss { limit_micros, total, .. } => moment.open_pnl(*total, |pnl| -pnl, *limit_micros),
            Self::ProfitTarget { target_micros, total } => moment.open_pnl(*total, |pnl| pnl, *target_micros),
            Self::PerInstrument { limits, others, .. } => moment.per_instrument(limits, *others),
            Self::Frequency { limit, window_s, pause_s } => {
                let until = too_many(moment.books, *limit, *window_s).map(|at| later(at, *pause_s));
                moment.paused(until, || format!("more than {limit} trades in {window_s} s"))
            }
            Self::AfterLoss { tiers } => {
                let pause = |fill: &super::books::Fill| {
                    let lost = -fill.pnl_micros.filter(|_| !fill.voided)?;
                    let deepest = tiers.iter().filter(|(loss, _)| lost >= *loss).max_by_key(|(loss, _)| *loss)?;
                    Some(later(fill.at, deepest.1))
                };
                // No pause of a world is longer than an hour.
                let recent = moment.books.fills.values().rev().take_while(|fill| later(fill.at, 3_600) > moment.clock);
                moment.paused(recent.filter_map(pause).max(), || "a trade that lost too much".to_owned())
            }
            Self::MayNotTrade => {
                of_account(moment.books.may_not_trade, true, || "the firm does not let it trade".to_owned())
            }
            Self::Blocked { roots } => {
                let is_blocked =
                    |id: &ContractId| moment.worth.get(id).is_some_and(|worth| roots.contains(&worth.root));
                let held = moment.books.holdings().map(|(id, _)| id).chain(moment.books.orders.values());
                let mut ids: Vec<&ContractId> = held.filter(|id| is_blocked(id)).collect();
                ids.sort_unstable();
                ids.dedup();
                let broken = |id: &ContractId| Broken {
                    contract_id: Some(id.clone()),
                    for_certain: moment.books.size(id) != 0,
                    why: format!("something in {id}, which is blocked"),
                };
                ids.into_iter().map(broken).collect()
            }
            Self::Stops { .. } => {
                let broken = |(id, size, covered): (&ContractId, i64, i64)| Broken {
                    contract_id: Some(id.clone()),
                    for_certain: true,
                    why: format!("{size} {id} and stops for {covered}"),
                };
                moment.books.uncovered().map(broken).collect()
            }
            Self::RealizedProfit { target_micros, .. } => {
                let (realized, _) = moment.books.realized_micros(moment.day.0, moment.day.1);
                let why = || format!("realized {}, target {}", dollars(realized), dollars(*target_micros));
                of_account(realized >= *target_micros, true, why)
            }
        }
    }
}

impl Moment<'_> {
    /// Where `counts` of unrealized P&L reaches a limit: of all positions together, or of each.
    fn open_pnl(&self, total: bool, counts: impl Fn(i64) -> i64, limit_micros: i64) -> Vec<Broken> {
        let open: Vec<(&ContractId, i64)> = self
            .books
            .holdings()
            .filter_map(|(id, _)| Some((id, counts(self.books.unrealized_micros(id, self.worth.get(id)?)?))))
            .collect();
        let why = |reached: i64| format!("unrealized {} towards {}", dollars(reached), dollars(limit_micros));
        if total {
            let sum = open.iter().map(|(_, reached)| reached).sum::<i64>();
            let reaches = !open.is_empty() && sum >= limit_micros - CENT;
            return of_account(reaches, sum >= limit_micros + CENT, || why(sum));
        }
        open.into_iter()
            .filter(|(_, reached)| *reached >= limit_micros - CENT)
            .map(|(id, reached)| Broken {
                contract_id: Some(id.clone()),
                for_certain: reached >= limit_micros + CENT,
                why: format!("{id}: {}", why(reached)),
            })
            .collect()
    }

    fn per_instrument(&self, limits: &[(String, i64)], others: Option<i64>) -> Vec<Broken> {
        let broken = |(id, size): (&ContractId, i64)| {
            let root = &self.worth.get(id)?.root;
            let limit = limits.iter().find(|(of, _)| of == root).map(|(_, limit)| *limit).or(others)?;
            let why = format!("{} contracts of {root}, limit {limit}", size.abs());
            (size.abs() > limit).then(|| Broken { contract_id: Some(id.clone()), for_certain: true, why })
        };
        self.books.holdings().filter_map(broken).collect()
    }

    /// Broken while a pause should run. One that is nearly over may be over by the time it is heard of.
    fn paused(&self, until: Option<Timestamp>, why: impl Fn() -> String) -> Vec<Broken> {
        let Some(until) = until.filter(|until| *until > self.clock) else { return Vec::new() };
        of_account(true, until > later(self.clock, 5), || format!("{}: a pause to {until}", why()))
    }
}

/// The last trade that was one too many.
fn too_many(books: &Books, limit: i64, window_s: i64) -> Option<Timestamp> {
    let times: Vec<Timestamp> = books.fills.values().rev().filter(|fill| !fill.voided).map(|fill| fill.at).collect();
    let before = usize::try_from(limit).unwrap_or(usize::MAX);
    let pairs = times.iter().zip(times.iter().skip(before));
    pairs.filter(|(last, first)| **first > later(**last, -window_s)).map(|(last, _)| *last).next()
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(at)
}

fn of_account(is_broken: bool, for_certain: bool, why: impl Fn() -> String) -> Vec<Broken> {
    if is_broken { vec![Broken { contract_id: None, for_certain, why: why() }] } else { Vec::new() }
}

fn dollars(micros: i64) -> String {
    riskd_core::model::Money::from_micros(micros).to_string()
}
