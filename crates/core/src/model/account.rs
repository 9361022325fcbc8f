//! A trading account, as the gateway reports it.

use super::{AccountId, Invalid, Money, Noun, reads_as_draft};

/// The fields of an [`Account`], not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountDraft {
    /// The gateway's number of the account.
    pub id: AccountId,
    /// The name a trader knows it by.
    pub name: String,
    /// Cash balance in dollars.
    pub balance: Money,
    /// Whether the broker lets it trade. Absent counts as true.
    pub can_trade: Option<bool>,
    /// Whether it is a simulated account; only there can orders be cancelled for certain.
    pub simulated: bool,
}

/// An account with a usable number.
#[derive(Debug, Clone, PartialEq)]
pub struct Account(AccountDraft);
reads_as_draft!(Account, AccountDraft);

impl Account {
    /// Refuses an account number that is not greater than 0.
    pub fn new(draft: AccountDraft) -> Result<Self, Invalid> {
        if draft.id.0 <= 0 {
            return Err(Invalid::new(Noun::Account, "id", draft.id, "must be greater than 0"));
        }
        Ok(Self(draft))
    }
}
