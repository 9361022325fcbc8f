//! What earlier payloads said and later ones may leave out.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use riskd_core::model::{Account, AccountDraft, AccountId, ContractId, Position, PositionId};

/// Accounts as last seen, and the ids of positions as last seen open. Never larger than accounts times contracts.
#[derive(Debug, Default)]
pub(super) struct Known {
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    accounts: BTreeMap<AccountId, AccountDraft>,
    positions: BTreeMap<(AccountId, ContractId), PositionId>,
}

impl Known {
    pub(super) fn account(&self, id: AccountId) -> Option<AccountDraft> {
        self.lock().accounts.get(&id).cloned()
    }

    pub(super) fn remember_account(&self, account: &Account) {
        self.lock().accounts.insert(account.id, (**account).clone());
    }

    pub(super) fn position_id(&self, account_id: AccountId, contract_id: &ContractId) -> Option<PositionId> {
        self.lock().positions.get(&(account_id, contract_id.clone())).copied()
    }

    /// The account and contract of a position that was open under this id.
    pub(super) fn holding(&self, id: PositionId) -> Option<(AccountId, ContractId)> {
        self.lock().positions.iter().find(|(_, known)| **known == id).map(|(holding, _)| holding.clone())
    }

    pub(super) fn remember_position(&self, position: &Position) {
        self.lock().positions.insert((position.account_id, position.contract_id.clone()), position.id);
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Every change is a single insertion, so a panic elsewhere cannot have left it half done.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
