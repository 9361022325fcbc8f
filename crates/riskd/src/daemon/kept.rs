//! Accounts that the config names no more and that stay protected all the same.
//!
//! Taking an account out of `accounts.yaml` is the loosest change of all: it takes effect after the account's next reset, as
//! every loosening does, and not while a lockout is in force. Otherwise a trader could stop the daemon, take their account
//! out, and start it again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use riskd_core::model::{Account, AccountId};
use riskd_store::{Reader, ReaderOptions, StoreError};
use tracing::warn;

use super::setup::{AccountSetup, Setup};
use crate::config::AccountConfig;

/// Adds to `accounts` those of the broker's list that the database says were protected on the present trading day, or are
/// locked. Their rules are those of the files, until the commitments of the database are held against them.
///
/// # Errors
///
/// When the database cannot be read.
pub(super) fn add_kept(
    accounts: &mut Vec<AccountSetup>,
    listed: &[Account],
    setup: &Setup,
    database: &Path,
    now: Timestamp,
) -> Result<(), StoreError> {
    let named: BTreeSet<AccountId> = accounts.iter().map(AccountSetup::id).collect();
    let not_named: Vec<&Account> = listed.iter().filter(|account| !named.contains(&account.id)).collect();
    if not_named.is_empty() {
        return Ok(());
    }
    let reader = Reader::open(database, ReaderOptions { negative_price_roots: super::negative_price_roots() })?;
    let ids: Vec<AccountId> = not_named.iter().map(|account| account.id).collect();
    let memory = reader.memory(&ids, now)?.memory;
    // Only this program writes commitments: what a database of v1 knows of an account commits it to nothing.
    let committed: BTreeSet<AccountId> = memory.commitments.iter().map(|commitment| commitment.account_id).collect();
    let is_kept = |account: &riskd_core::engine::AccountMemory| {
        let day_goes_on = account.reset_schedule.as_ref().is_some_and(|schedule| schedule.next_reset_time > now);
        let is_locked =
            account.lockout.as_ref().is_some_and(|lockout| lockout.locked_until.is_none_or(|until| until > now));
        day_goes_on || is_locked
    };
    let kept: BTreeSet<AccountId> =
        memory.accounts.iter().filter(|account| is_kept(account)).map(|account| account.account_id).collect();
    for account in not_named {
        if !(committed.contains(&account.id) && kept.contains(&account.id)) {
            continue;
        }
        let account_id = account.id;
        warn!(%account_id, "the config names this account no more: it stays protected until its next reset and while it is locked");
        accounts.push(AccountSetup {
            account: AccountConfig::of_the_login(account_id, account.name.clone()),
            rules: Arc::clone(&setup.rules),
        });
    }
    Ok(())
}
