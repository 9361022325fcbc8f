//! RULE-001 `max_contracts`: no more than so many contracts in the account.

use super::{Breach, Gauge, Goal, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{ContractId, EnforcementAction, RuleId};
use crate::state::{AccountView, Book};

const KEY: &str = "max_contracts";

/// The options of `max_contracts`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// The most contracts that may be held; more is a breach. Default 5.
    #[serde(default = "default_limit")]
    pub limit: i64,
    /// How contracts are counted. Default net.
    #[serde(default)]
    pub count_type: CountType,
    /// Close every position on a breach. Default true, unless `reduce_to_limit` is set.
    pub close_all: Option<bool>,
    /// Close only down to the limit, largest position first. Default false.
    #[serde(default)]
    pub reduce_to_limit: bool,
    /// Close all, cancel all and lock until the daily reset instead. Default false.
    #[serde(default)]
    pub lockout_on_breach: bool,
}

/// How contracts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountType {
    /// The absolute value of the signed sum over all positions: a long and a short offset each other.
    #[default]
    Net,
    /// The sum of sizes.
    Gross,
}

fn default_limit() -> i64 {
    5
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<MaxContracts, RuleConfigError> {
        let wrong = |option, problem: &str| Err(RuleConfigError { rule: KEY, option, problem: problem.to_owned() });
        if self.limit < 0 {
            return wrong("limit", "must be 0 or more contracts");
        }
        let response = match (self.lockout_on_breach, self.close_all, self.reduce_to_limit) {
            (_, Some(true), true) => {
                return wrong("reduce_to_limit", "close_all and reduce_to_limit cannot both be true");
            }
            (true, _, _) => Response::CloseAllAndLockout,
            (false, _, true) => Response::ReduceToLimit,
            (false, Some(false), false) => {
                return wrong("close_all", "nothing would happen on a breach: set close_all or reduce_to_limit");
            }
            (false, _, false) => Response::CloseAll,
        };
        Ok(MaxContracts { limit: self.limit, count_type: self.count_type, response })
    }
}

/// What a breach leads to, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Response {
    ReduceToLimit,
    CloseAll,
    CloseAllAndLockout,
}

/// RULE-001.
#[derive(Debug)]
pub struct MaxContracts {
    limit: i64,
    count_type: CountType,
    response: Response,
}

impl Rule for MaxContracts {
    fn id(&self) -> RuleId {
        RuleId::MAX_CONTRACTS
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_))
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let book = &view.account.book;
        let count = self.count(book);
        if count <= self.limit {
            return Verdict::Within;
        }
        let reason = format!("{count} contracts held ({}), limit {}", self.count_type.word(), self.limit);
        let breach = match self.response {
            Response::CloseAll => Breach {
                action: EnforcementAction::CloseAllPositions,
                goal: Goal::Flat { cancel_orders: false },
                lock: None,
                reason,
                pnl: None,
            },
            Response::ReduceToLimit => Breach {
                action: EnforcementAction::ReduceToLimit,
                goal: Goal::Reduced { targets: self.targets(book, count) },
                lock: None,
                reason,
                pnl: None,
            },
            Response::CloseAllAndLockout => Breach::close_all_and_lock(LockTerm::UntilDailyReset, reason, None),
        };
        Verdict::Breached(Box::new(breach))
    }

    fn sentence(&self) -> String {
        let response = match self.response {
            Response::CloseAll => "all positions are closed",
            Response::ReduceToLimit => "positions are reduced to the limit, largest first",
            Response::CloseAllAndLockout => "everything is closed and the account locked until the daily reset",
        };
        format!("Above {} contracts ({}), {response}.", self.limit, self.count_type.word())
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            // A gross count is never below the net one.
            let counts_less = self.count_type == CountType::Net && old.count_type == CountType::Gross;
            self.limit > old.limit || counts_less || self.response < old.response
        })
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        vec![Gauge::contracts(self.count(&view.account.book), self.limit)]
    }
}

impl MaxContracts {
    fn count(&self, book: &Book) -> i64 {
        match self.count_type {
            CountType::Gross => sum(book.positions().map(|position| position.size)),
            CountType::Net => net(book).saturating_abs().saturating_add(sizes_of_unknown_direction(book)),
        }
    }

    /// The sizes that may stay so that the count meets the limit, taking from the largest position first (of equal
    /// ones, from the first contract). Under a net count only positions on the heavier side are worth closing.
    fn targets(&self, book: &Book, count: i64) -> Vec<(ContractId, i64)> {
        let net = net(book);
        let mut candidates: Vec<(ContractId, i64)> = book
            .positions()
            .filter(|position| {
                self.count_type == CountType::Gross
                    || position.signed_size() == 0
                    || position.signed_size().signum() == net.signum()
            })
            .map(|position| (position.contract_id.clone(), position.size))
            .collect();
        let mut excess = count - self.limit;
        let mut targets = Vec::new();
        while excess > 0
            && let Some(largest) = index_of_largest(&candidates)
        {
            let (contract_id, size) = candidates.remove(largest);
            let taken = size.min(excess);
            excess -= taken;
            targets.push((contract_id, size - taken));
        }
        targets
    }
}

impl CountType {
    fn word(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Gross => "gross",
        }
    }
}

/// A position whose direction nobody knows offsets nothing: it counts in full.
fn sizes_of_unknown_direction(book: &Book) -> i64 {
    sum(book.positions().filter(|position| !position.has_known_direction()).map(|position| position.size))
}

fn net(book: &Book) -> i64 {
    sum(book.positions().map(|position| position.signed_size()))
}

/// Saturates: sizes come from the wire, and a sum that wraps round would never breach.
fn sum(sizes: impl Iterator<Item = i64>) -> i64 {
    sizes.fold(0, i64::saturating_add)
}

fn index_of_largest(candidates: &[(ContractId, i64)]) -> Option<usize> {
    let largest = candidates.iter().map(|(_, size)| *size).max()?;
    candidates.iter().position(|(_, size)| *size == largest)
}
