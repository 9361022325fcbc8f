//! What an admin asks of the running daemon: a question to the loop, and its answer.
//!
//! Architecture invariant: the loop alone acts on it, through the engine like on anything else that happens, and leaves a
//! row in the audit trail. An answer of `Ok` means that what was done is durable.

use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::Write;
use riskd_core::model::{AdminAct, AdminActKind};
use tokio::sync::{mpsc, oneshot};
use tracing::info;

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

impl AdminRequest {
    /// Takes it apart: what is asked, its row for the audit trail, and where the answer goes.
    pub(super) fn into_parts(self, at: Timestamp) -> (AdminWish, Write, oneshot::Sender<Result<(), AdminRefusal>>) {
        let AdminWish::Record { kind, reason, detail } = self.wish.clone();
        let account_id = None;
        info!(actor = self.actor, act = kind.as_str(), reason, detail, "an act of administration");
        let act = AdminAct { at, actor: self.actor, kind, account_id, reason, detail };
        (self.wish, Write::AppendAudit(act), self.answer)
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
