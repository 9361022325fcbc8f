//! How near an account is to the limit of a rule.

use crate::model::{ContractId, Money};

/// One limit and how much of it is used up. Made for people: no rule decides by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// The contract it speaks of; absent when it speaks of the whole account.
    pub contract_id: Option<ContractId>,
    /// How much is used, and of how much.
    pub reading: Reading,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Dollars: of a loss, a profit or a drawdown. `used` is negative while the account is on the safe side of zero.
    Dollars {
        /// Dollars gone towards the limit.
        used: Money,
        /// Dollars at which the rule is broken.
        limit: Money,
    },
    /// Contracts held.
    Contracts {
        /// Contracts that count.
        used: i64,
        /// The most that may be held.
        limit: i64,
    },
    /// Trades made.
    Trades {
        /// Trades that count.
        used: i64,
        /// The most that may be made.
        limit: i64,
    },
    /// Seconds gone.
    Seconds {
        /// Seconds that count.
        used: i64,
        /// The seconds after which the rule is broken.
        limit: i64,
    },
}

impl Gauge {
    /// A gauge of the whole account in dollars.
    pub fn dollars(used: Money, limit: Money) -> Self {
        Self { contract_id: None, reading: Reading::Dollars { used, limit } }
    }

    /// A gauge of the whole account in contracts.
    pub fn contracts(used: i64, limit: i64) -> Self {
        Self { contract_id: None, reading: Reading::Contracts { used, limit } }
    }

    /// A gauge of the whole account in trades.
    pub fn trades(used: i64, limit: i64) -> Self {
        Self { contract_id: None, reading: Reading::Trades { used, limit } }
    }

    /// A gauge of the whole account in seconds.
    pub fn seconds(used: i64, limit: i64) -> Self {
        Self { contract_id: None, reading: Reading::Seconds { used, limit } }
    }

    /// The same of one contract.
    pub fn of(self, contract_id: ContractId) -> Self {
        Self { contract_id: Some(contract_id), ..self }
    }

    /// The part of the limit that is used up: 1 at the limit, beyond 1 past it, below 0 on the safe side of zero. With a
    /// limit of 0, anything used is past it.
    pub fn fraction(&self) -> f64 {
        let (used, limit) = match self.reading {
            Reading::Dollars { used, limit } => (used.to_f64(), limit.to_f64()),
            Reading::Contracts { used, limit } | Reading::Trades { used, limit } | Reading::Seconds { used, limit } => {
                (used as f64, limit as f64)
            }
        };
        match (used > 0.0, limit > 0.0) {
            (_, true) => used / limit,
            (true, false) => f64::INFINITY,
            (false, false) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_is_one_at_the_limit() {
        let cases = [
            (Gauge::dollars(Money::from_dollars(500), Money::from_dollars(500)), 1.0),
            (Gauge::dollars(Money::from_dollars(-250), Money::from_dollars(500)), -0.5),
            (Gauge::contracts(3, 2), 1.5),
            (Gauge::trades(0, 30), 0.0),
            (Gauge::contracts(0, 0), 0.0),
            (Gauge::contracts(1, 0), f64::INFINITY),
        ];
        for (gauge, fraction) in cases {
            assert_eq!(gauge.fraction(), fraction, "{gauge:?}");
        }
    }
}
