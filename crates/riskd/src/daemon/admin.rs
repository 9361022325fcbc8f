//! What an admin asks of the running daemon: a question to the loop, and its answer.
//!
//! Architecture invariant: the loop alone acts on it, through the engine like on anything else that happens, and leaves a
//! row in the audit trail. An answer of `Ok` means that what was done is durable.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::{Notice, Write};
use riskd_core::model::{AccountId, AdminAct, AdminActKind};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::journal::Durable;

/// Questions that may wait for the loop.
const QUEUE_CAPACITY: usize = 64;
/// How long an admin waits for the loop and the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way from admins to the loop.
pub fn administration() -> (AdminDesk, AdminRequests) {
    let (sender, requests) = mpsc::channel(QUEUE_CAPACITY);
    (AdminDesk { requests: sender }, AdminRequests { requests: Some(requests) })
}

/// The admins' end.
#[derive(Debug, Clone)]
pub struct AdminDesk {
    requests: mpsc::Sender<AdminRequest>,
}

/// The loop's end.
#[derive(Debug)]
pub struct AdminRequests {
    requests: Option<mpsc::Receiver<AdminRequest>>,
}

/// What an admin asks.
#[derive(Debug)]
pub struct AdminRequest {
    /// Who, as the audit trail names them.
    actor: String,
    wish: AdminWish,
    answer: oneshot::Sender<Result<(), AdminRefusal>>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminWish {
    /// End the lockout of an account.
    Unlock {
        /// The account.
        account_id: AccountId,
        /// Why, in the admin's words.
        reason: String,
    },
    /// Keep a record of something that happened elsewhere.
    Record {
        /// What kind of act.
        kind: AdminActKind,
        /// Why, in the admin's words.
        reason: Option<String>,
        /// What exactly.
        detail: Option<String>,
    },
}

/// Why it was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// The loop does not run, or did not answer in time.
    #[error("the daemon's loop did not answer: it is not known whether it was done")]
    NoAnswer,
    /// The daemon does not watch yet, or no more.
    #[error("the daemon does not watch accounts at the moment")]
    NotWatching,
    /// No such account is watched.
    #[error("no such account is watched")]
    UnknownAccount,
    /// The account is not locked.
    #[error("the account is not locked")]
    NotLocked,
    /// The state database does not take writes: nothing is unlocked then.
    #[error("the state database does not take writes, and nothing is unlocked that is not on record")]
    NotDurable,
}

impl AdminDesk {
    /// Asks, and waits until it is done and durable.
    ///
    /// # Errors
    ///
    /// Why it was not done.
    pub async fn ask(&self, actor: String, wish: AdminWish) -> Result<(), AdminRefusal> {
        let (answer, answered) = oneshot::channel();
        // Full or gone: the loop does not run yet, or no more.
        self.requests.try_send(AdminRequest { actor, wish, answer }).map_err(|_| AdminRefusal::NotWatching)?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) | Err(_) => Err(AdminRefusal::NoAnswer),
        }
    }
}

impl AdminRequests {
    /// Requests that never come.
    pub fn none() -> Self {
        Self { requests: None }
    }

    /// Waits for the next request; for ever when none can come any more.
    pub(super) async fn next(&mut self) -> AdminRequest {
        if let Some(requests) = &mut self.requests {
            if let Some(request) = requests.recv().await {
                return request;
            }
            self.requests = None;
        }
        std::future::pending().await
    }
}

/// Admins who wait for an answer of the loop.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    unlocks: BTreeMap<AccountId, Vec<oneshot::Sender<Result<(), AdminRefusal>>>>,
}

impl AdminRequest {
    /// Takes it apart: what is asked, its row for the audit trail, and where the answer goes.
    pub(super) fn into_parts(self, at: Timestamp) -> (AdminWish, Write, oneshot::Sender<Result<(), AdminRefusal>>) {
        let (kind, account_id, reason, detail) = match self.wish.clone() {
            AdminWish::Unlock { account_id, reason } => (AdminActKind::Unlock, Some(account_id), Some(reason), None),
            AdminWish::Record { kind, reason, detail } => (kind, None, reason, detail),
        };
        info!(actor = self.actor, act = kind.as_str(), reason, detail, "an act of administration");
        let act = AdminAct { at, actor: self.actor, kind, account_id, reason, detail };
        (self.wish, Write::AppendAudit(act), self.answer)
    }
}

impl Waiting {
    /// Keeps the answer to an unlock until the engine says what became of it.
    pub(super) fn for_unlock(&mut self, account_id: AccountId, answer: oneshot::Sender<Result<(), AdminRefusal>>) {
        self.unlocks.entry(account_id).or_default().push(answer);
    }

    /// Answers those who wait for what a notice tells of.
    pub(super) fn observe(&mut self, notice: &Notice) {
        if let Notice::LockoutCleared(account_id) = notice {
            self.answer(*account_id, Ok(()));
        }
    }

    /// The end of a lockout could not be written down.
    pub(super) fn not_cleared(&mut self, account_id: AccountId) {
        self.answer(account_id, Err(AdminRefusal::NotDurable));
    }

    fn answer(&mut self, account_id: AccountId, result: Result<(), AdminRefusal>) {
        for answer in self.unlocks.remove(&account_id).into_iter().flatten() {
            if answer.send(result).is_err() {
                warn!(%account_id, ?result, "an admin did not wait for the end of an unlock");
            }
        }
    }
}

/// Answers once a batch is durable or will not be, without the loop waiting for it.
pub(super) fn answer_when_durable(durable: Durable, answer: oneshot::Sender<Result<(), AdminRefusal>>) {
    tokio::spawn(async move {
        // Whether the disk took it or not: a record that could not be written is kept and written later.
        let _settled = durable.await;
        let _nobody_waits = answer.send(Ok(()));
    });
}
