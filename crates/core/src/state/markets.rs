//! Contracts, their last prices, and who holds them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{AccountId, Contract, ContractId, Position, Price, Quote, milliseconds_between};

/// Every contract that matters to an account.
#[derive(Debug, Clone, Default)]
pub struct Markets {
    by_contract: BTreeMap<ContractId, Market>,
}

/// What is known of one contract's market.
#[derive(Debug, Clone, Default)]
pub struct Market {
    contract: Option<Contract>,
    bid: Option<Price>,
    ask: Option<Price>,
    last: Option<Price>,
    last_at: Option<Timestamp>,
    quoted_at: Option<Timestamp>,
    holders: BTreeSet<AccountId>,
    /// Whether quotes were asked for.
    pub(crate) watched: bool,
    /// Whether it was told that quotes are old.
    pub(crate) told_stale: bool,
    /// Whether the gateway was asked to describe the contract.
    pub(crate) asked_to_describe: bool,
    /// When it is asked again after it did not.
    pub(crate) describe_again_at: Option<Timestamp>,
    /// Holders of whom it was told that their position cannot be priced.
    pub(crate) told_unpriced: BTreeSet<AccountId>,
    /// Holders of whom it was told that their P&L is beyond belief.
    pub(crate) told_extreme: BTreeSet<AccountId>,
}

impl Markets {
    /// The market of a contract, if it ever mattered.
    pub fn get(&self, contract_id: &ContractId) -> Option<&Market> {
        self.by_contract.get(contract_id)
    }

    /// Every market.
    pub fn iter(&self) -> impl Iterator<Item = (&ContractId, &Market)> {
        self.by_contract.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&ContractId, &mut Market)> {
        self.by_contract.iter_mut()
    }

    pub(crate) fn get_mut(&mut self, contract_id: &ContractId) -> Option<&mut Market> {
        self.by_contract.get_mut(contract_id)
    }

    pub(crate) fn get_or_insert(&mut self, contract_id: &ContractId) -> &mut Market {
        self.by_contract.entry(contract_id.clone()).or_default()
    }
}

impl Market {
    /// The contract's description; absent until the gateway gave it.
    pub fn contract(&self) -> Option<&Contract> {
        self.contract.as_ref()
    }

    /// The best bid, in points.
    pub fn bid(&self) -> Option<Price> {
        self.bid
    }

    /// The best offer, in points.
    pub fn ask(&self) -> Option<Price> {
        self.ask
    }

    /// The last traded price, in points.
    pub fn last(&self) -> Option<Price> {
        self.last
    }

    /// The last traded price, in points, if it was told at `opened_at` or later: one that is older says nothing of how a
    /// position fared.
    pub fn last_since(&self, opened_at: Timestamp) -> Option<Price> {
        self.last.filter(|_| self.last_at.is_some_and(|last_at| last_at >= opened_at))
    }

    /// When the newest price was quoted.
    pub fn quoted_at(&self) -> Option<Timestamp> {
        self.quoted_at
    }

    /// The accounts that hold the contract.
    pub fn holders(&self) -> &BTreeSet<AccountId> {
        &self.holders
    }

    /// The price at which a position is valued: the last trade; before there was one, what closing it would get.
    pub fn price_for(&self, position: &Position) -> Option<Price> {
        self.last.or(if position.signed_size() >= 0 { self.bid } else { self.ask })
    }

    /// What is missing to reckon a position's P&L, if anything is.
    pub fn missing_to_price(&self, position: &Position) -> Option<&'static str> {
        match (&self.contract, self.price_for(position)) {
            (None, _) => Some("the contract's tick size and value"),
            (Some(_), None) => Some("a quote"),
            (Some(_), Some(_)) => None,
        }
    }

    /// Whether the newest price is older than `limit_ms`; also when there never was one.
    pub fn is_older_than(&self, limit_ms: i64, at: Timestamp) -> bool {
        self.quoted_at.is_none_or(|quoted_at| milliseconds_between(quoted_at, at) > limit_ms)
    }

    pub(crate) fn describe(&mut self, contract: Contract) {
        self.describe_again_at = None;
        self.contract = Some(contract);
    }

    /// Carries absent prices forward. A quote older than the newest one changes nothing; says whether it was taken.
    pub(crate) fn quote(&mut self, quote: &Quote) -> bool {
        if self.quoted_at.is_some_and(|newest| quote.timestamp < newest) {
            return false;
        }
        self.bid = quote.bid.or(self.bid);
        self.ask = quote.ask.or(self.ask);
        if quote.last.is_some() {
            (self.last, self.last_at) = (quote.last, Some(quote.timestamp));
        }
        self.quoted_at = Some(quote.timestamp);
        true
    }

    pub(crate) fn set_holder(&mut self, account_id: AccountId, holds: bool) {
        if holds {
            self.holders.insert(account_id);
        } else {
            self.holders.remove(&account_id);
            self.told_unpriced.remove(&account_id);
            self.told_extreme.remove(&account_id);
        }
    }
}
