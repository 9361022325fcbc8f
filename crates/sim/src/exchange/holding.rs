//! What an account holds of one contract, lot by lot.

use std::collections::VecDeque;

use riskd_core::model::{AccountId, Contract, ContractId, Money, PositionId, Price, Timestamp};

use super::records::{PositionRecord, average};

/// The lots of an open position, oldest first; all on one side.
///
/// Lots are closed in the order they were opened, as clearing does it, so that every P&L is a whole number of ticks
/// and nothing is ever rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    id: PositionId,
    lots: VecDeque<Lot>,
    created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lot {
    price: Price,
    signed_size: i64,
}

impl Holding {
    pub(crate) fn open(id: PositionId, at: Timestamp) -> Self {
        Self { id, lots: VecDeque::new(), created_at: at }
    }

    /// Contracts with sign.
    pub(crate) fn signed_size(&self) -> i64 {
        self.lots.iter().map(|lot| lot.signed_size).sum()
    }

    /// Puts a lot on the pile. It must be on the side of those that are there.
    pub(crate) fn add(&mut self, signed_size: i64, price: Price) {
        debug_assert!(signed_size != 0 && self.signed_size().signum() * signed_size >= 0);
        self.lots.push_back(Lot { price, signed_size });
    }

    /// Takes `size` contracts off the pile, oldest first, at `price`; says what that realized, in dollars.
    pub(crate) fn close(&mut self, size: i64, price: Price, contract: &Contract) -> Money {
        debug_assert!(size > 0 && size <= self.signed_size().abs());
        let mut left = size;
        let mut realized = Money::ZERO;
        while left > 0 {
            let Some(lot) = self.lots.front_mut() else { break };
            let side = lot.signed_size.signum();
            let taken = left.min(lot.signed_size.abs());
            realized += contract.value_between(lot.price, price, taken * side);
            lot.signed_size -= taken * side;
            left -= taken;
            if lot.signed_size == 0 {
                self.lots.pop_front();
            }
        }
        realized
    }

    /// Average price of the lots held, in points; absent when there are none.
    pub(crate) fn average_price(&self) -> Option<Price> {
        let value = self.lots.iter().map(|lot| i128::from(lot.price.nanos()) * i128::from(lot.signed_size.abs())).sum();
        let size = self.signed_size().abs();
        (size > 0).then(|| average(value, size))
    }

    /// The position as it is told. `last_average` is what is said of a closed one.
    pub(crate) fn record(
        &self,
        account_id: AccountId,
        contract_id: &ContractId,
        last_average: Price,
        updated_at: Timestamp,
    ) -> PositionRecord {
        PositionRecord {
            id: self.id,
            account_id,
            contract_id: contract_id.clone(),
            signed_size: self.signed_size(),
            average_price: self.average_price().unwrap_or(last_average),
            created_at: self.created_at,
            updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::contracts::listings;
    use super::*;

    #[test]
    fn the_oldest_lots_are_closed_first() {
        let contract = &listings()[0].contract;
        let price = |text: &str| Price::parse(text).unwrap();
        let mut holding = Holding::open(PositionId(1), Timestamp::UNIX_EPOCH);
        holding.add(2, price("2670.25"));
        holding.add(1, price("2671.00"));
        assert_eq!(holding.average_price(), Some(price("2670.5")));
        // Two at 2670.25 and half a point lower: 2 × 2 ticks × 12.50.
        assert_eq!(holding.close(2, price("2669.75"), contract), Money::from_dollars(-50));
        assert_eq!(holding.average_price(), Some(price("2671")));
        assert_eq!(holding.close(1, price("2671.25"), contract), Money::from_cents(1250));
        assert_eq!((holding.signed_size(), holding.average_price()), (0, None));
    }

    #[test]
    fn an_average_price_that_does_not_end_is_rounded_and_the_pnl_is_not() {
        let contract = &listings()[0].contract;
        let mut holding = Holding::open(PositionId(1), Timestamp::UNIX_EPOCH);
        holding.add(-2, Price::parse("100.00").unwrap());
        holding.add(-1, Price::parse("100.25").unwrap());
        assert_eq!(holding.average_price().unwrap().to_string(), "100.083333333");
        assert_eq!(holding.close(3, Price::parse("100").unwrap(), contract), Money::from_cents(1250));
    }
}
