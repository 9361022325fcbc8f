//! The nouns: every rule of validity, its boundary from both sides, and the exact words of each refusal.
#![allow(clippy::unwrap_used)]

mod accounts;
mod codes;
mod day;
mod hours;
mod money;
mod orders;
mod pnl;
mod positions;
mod quotes;
mod rows;
mod symbols;
mod trades;

use riskd_core::model::{AccountId, Checks, ContractId, Invalid, Money, Noun, Price, Timestamp};

/// The present moment of these tests.
pub(crate) const NOW: &str = "2025-06-02T14:30:00Z";

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `NOW`, moved by so many milliseconds.
pub(crate) fn now_and(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(time(NOW).as_millisecond() + milliseconds).unwrap()
}

pub(crate) fn checks() -> Checks {
    Checks::at(time(NOW))
}

/// The checks for a contract that may trade below zero.
pub(crate) fn checks_below_zero() -> Checks {
    checks().allowing_negative_price(true)
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

pub(crate) fn contract_id() -> ContractId {
    ContractId::new("CON.F.US.MNQ.U25", Noun::Contract).unwrap()
}

pub(crate) const ACCOUNT: AccountId = AccountId(1001);

/// The words of a refusal; fails on a value that was accepted.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Invalid>) -> String {
    result.expect_err("accepted").to_string()
}

/// A change of a valid draft, and the words it is refused with; `None` where it is accepted.
pub(crate) type Case<D> = (fn(&mut D), Option<&'static str>);

/// Checks each change of a valid draft: the words it is refused with, or that it is accepted.
pub(crate) fn check_changes<D: Clone, T: std::fmt::Debug>(
    valid: &D,
    build: impl Fn(D) -> Result<T, Invalid>,
    cases: &[Case<D>],
) {
    for (index, (change, expected)) in cases.iter().enumerate() {
        let mut draft = valid.clone();
        change(&mut draft);
        let found = build(draft).err().map(|invalid| invalid.to_string());
        assert_eq!(found.as_deref(), *expected, "case {index}");
    }
}
