//! What an admin asks of the running daemon: a question to the loop, and its answer.
//!
//! Architecture invariant: the loop alone acts on it, through the engine like on anything else that happens, and it leaves a
//! row in the audit trail. An answer that it was done means that it is durable.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::{self, Change, Notice, UnlockOutcome, Write};
use riskd_core::model::{AccountId, AdminAct, AdminActKind, Lockout};
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
    pub(super) actor: String,
    /// What.
    pub(super) wish: AdminWish,
    /// Where the answer goes.
    pub(super) answer: AnswerTo,
}

/// What can be asked.
#[derive(Debug, Clone)]
pub enum AdminWish {
    /// End every lockout of an account.
    Unlock {
        /// The account.
        account_id: AccountId,
        /// Why, in the admin's words.
        reason: String,
    },
    /// Take over a config that was read anew.
    Reload {
        /// What the files say.
        wanted: Box<engine::Config>,
        /// Why, in the admin's words.
        reason: Option<String>,
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

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminDone {
    /// It is on record.
    Recorded,
    /// These lockouts ended.
    Unlocked(Vec<Lockout>),
    /// The config was taken over, with these changes.
    Reloaded(Vec<Change>),
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

/// Where an answer goes.
pub(super) type AnswerTo = oneshot::Sender<Result<AdminDone, AdminRefusal>>;

impl AdminDesk {
    /// Asks, and waits until it is done and durable.
    ///
    /// # Errors
    ///
    /// Why it was not done.
    pub async fn ask(&self, actor: String, wish: AdminWish) -> Result<AdminDone, AdminRefusal> {
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

/// An act, as a row of the audit trail.
pub(super) fn record(
    at: Timestamp,
    actor: String,
    kind: AdminActKind,
    reason: Option<String>,
    detail: Option<String>,
) -> Write {
    info!(actor, act = kind.as_str(), reason, detail, "an act of administration");
    Write::AppendAudit(AdminAct { at, actor, kind, account_id: None, reason, detail })
}

/// What a reload came to, for the audit trail.
pub(super) fn in_words(changes: &[Change]) -> String {
    let word = |change: &Change| {
        let when = match change.effect {
            engine::Effect::Now => "now".to_owned(),
            engine::Effect::AtReset(from) => format!("from {from}"),
            engine::Effect::AtTheNextStart => "at the next start".to_owned(),
        };
        format!("{} {} {when}", change.account_id, change.section)
    };
    if changes.is_empty() {
        return "nothing changed".to_owned();
    }
    changes.iter().map(word).collect::<Vec<_>>().join("; ")
}

/// Admins who wait until an unlock is durable.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<AccountId, VecDeque<AnswerTo>>);

impl Waiting {
    /// Keeps where the answer goes until the engine gives it.
    pub(super) fn for_unlock(&mut self, account_id: AccountId, answer: AnswerTo) {
        self.0.entry(account_id).or_default().push_back(answer);
    }

    /// Hands on what the engine says of an unlock. Those of one account are answered in the order in which they were asked.
    pub(super) fn observe(&mut self, notice: &Notice) {
        let Notice::Unlock { account_id, actor, reason, outcome } = notice else { return };
        let answer = match outcome {
            UnlockOutcome::Ended(lockouts) => Ok(AdminDone::Unlocked(lockouts.clone())),
            UnlockOutcome::NotLocked => Err(AdminRefusal::NotLocked),
            UnlockOutcome::NotDurable => Err(AdminRefusal::NotDurable),
        };
        info!(%account_id, actor, reason, done = answer.is_ok(), "an admin's unlock");
        if let Some(to) = self.0.get_mut(account_id).and_then(VecDeque::pop_front)
            && to.send(answer).is_err()
        {
            warn!(%account_id, "an admin did not wait for the end of an unlock");
        }
    }
}

/// Answers once a batch is durable or will not be, without the loop waiting for it.
pub(super) fn answer_when_durable(durable: Durable, answer: AnswerTo, done: AdminDone) {
    tokio::spawn(async move {
        // Whether the disk took it or not: a record that could not be written is kept and written later.
        let _settled = durable.await;
        let _nobody_waits = answer.send(Ok(done));
    });
}
