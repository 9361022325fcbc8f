//! The durable side of the loop: one batch of writes a step, and what happens when the disk refuses one.

use std::collections::VecDeque;
use std::time::Duration;

use riskd_core::engine::{Event, Write};
use riskd_core::model::EnforcementStatus;
use riskd_store::{StoreError, Unwritten, Writer};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

/// Rows kept for another try while the disk refuses everything. Beyond that the oldest history is let go.
const MOST_KEPT: usize = 100_000;

/// Hands batches to the writer and keeps what could not be written.
pub(super) struct Journal {
    writer: Writer,
    outcomes: mpsc::UnboundedSender<Outcome>,
    kept: VecDeque<Write>,
    /// Batches handed over whose outcome the loop has not taken in.
    outstanding: usize,
    failing: bool,
    retry_under_way: bool,
    /// Whether a batch failed after the present retry was put together, which may not hold what that batch did.
    missed_since_retry: bool,
}

/// What became of a batch, as the loop learns it.
pub(super) enum Outcome {
    /// Events that follow from a batch: lockouts that ended, or did not.
    Events(Vec<Event>),
    /// A batch is not in the database.
    Failed {
        /// What was in it.
        writes: Vec<Write>,
        /// Why.
        error: StoreError,
        /// Whether it was a retry of what had failed before.
        was_retry: bool,
    },
    /// A batch is in the database.
    Written,
    /// The daily clean-up is due.
    CleanUpDue,
    /// A retry succeeded.
    Recovered,
}

/// Resolves once a batch is durable, or will not be.
pub(super) type Durable = oneshot::Receiver<()>;

impl Journal {
    pub(super) fn new(writer: Writer, outcomes: mpsc::UnboundedSender<Outcome>) -> Self {
        Self {
            writer,
            outcomes,
            kept: VecDeque::new(),
            outstanding: 0,
            failing: false,
            retry_under_way: false,
            missed_since_retry: false,
        }
    }

    /// Whether the database does not take writes at present.
    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }

    /// Whether everything handed over is in the database.
    pub(super) fn is_settled(&self) -> bool {
        self.outstanding == 0 && !self.failing
    }

    /// Hands over the writes of one step. Never waits; what comes back resolves when they are durable or have failed.
    ///
    /// Nothing overtakes what is kept: until that is under way again, what belongs behind it is kept with it. Of the
    /// taking back of a trade, done before the trade is on record, nothing would be left.
    pub(super) fn submit(&mut self, mut writes: Vec<Write>) -> Durable {
        if self.failing && !self.retry_under_way {
            self.keep_in_order(writes.extract_if(.., |write| has_its_place(write)).collect());
        }
        let (settled, durable) = oneshot::channel();
        let cleared = cleared_accounts(&writes);
        self.outstanding += 1;
        let outcomes = self.outcomes.clone();
        let submitted = self.writer.submit(writes, move |result| {
            let _nobody_waits = settled.send(());
            let events = lockout_events(&cleared, result.is_ok());
            if !events.is_empty() {
                let _loop_ended = outcomes.send(Outcome::Events(events));
            }
            let outcome = match result {
                Ok(()) => Outcome::Written,
                Err(Unwritten { writes, error }) => Outcome::Failed { writes, error, was_retry: false },
            };
            let _loop_ended = outcomes.send(outcome);
        });
        if let Err(Unwritten { writes, error }) = submitted {
            let events = lockout_events(&cleared_accounts(&writes), false);
            let _loop_ended = self.outcomes.send(Outcome::Events(events));
            let _loop_ended = self.outcomes.send(Outcome::Failed { writes, error, was_retry: false });
        }
        durable
    }

    /// Takes over that a batch is in the database.
    pub(super) fn written(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Takes over that a batch failed: keeps what the engine's state alone could not give back.
    pub(super) fn keep(&mut self, writes: Vec<Write>, error: &StoreError, was_retry: bool) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.missed_since_retry |= !was_retry;
        if !self.failing {
            error!(%error, "the state database does not take writes; protection goes on without it, nothing is unlocked");
        }
        self.failing = true;
        self.retry_under_way &= !was_retry;
        let mut history: VecDeque<Write> = writes.into_iter().filter(is_history).collect();
        if was_retry {
            // What was refused meanwhile is newer.
            std::mem::swap(&mut self.kept, &mut history);
        }
        self.keep_in_order(history);
    }

    fn keep_in_order(&mut self, newer: VecDeque<Write>) {
        self.kept.extend(newer);
        let excess = self.kept.len().saturating_sub(MOST_KEPT);
        if excess > 0 {
            warn!(rows = excess, "history that could not be written is let go");
            self.kept.drain(..excess);
        }
    }

    /// Tries again: what was kept, then the engine's present state. Does nothing while all is well.
    pub(super) fn retry(&mut self, durable_state: impl FnOnce() -> Vec<Write>) {
        if !self.failing || std::mem::replace(&mut self.retry_under_way, true) {
            return;
        }
        self.missed_since_retry = false;
        self.outstanding += 1;
        let mut writes: Vec<Write> = std::mem::take(&mut self.kept).into();
        writes.extend(durable_state());
        let outcomes = self.outcomes.clone();
        let submitted = self.writer.submit(writes, move |result| {
            let outcome = match result {
                Ok(()) => Outcome::Recovered,
                Err(Unwritten { writes, error }) => Outcome::Failed { writes, error, was_retry: true },
            };
            let _loop_ended = outcomes.send(outcome);
        });
        if let Err(Unwritten { writes, error }) = submitted {
            self.keep(writes, &error, true);
        }
    }

    /// Takes over that a retry succeeded.
    pub(super) fn recovered(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.retry_under_way = false;
        if self.kept.is_empty() && !self.missed_since_retry {
            self.failing = false;
            info!("the state database takes writes again; nothing is missing from it");
        }
    }

    /// Starts a clean-up of what is older than the retention allows.
    pub(super) fn clean_up(&self, retention: riskd_store::Retention, now: jiff::Timestamp) {
        let submitted = self.writer.clean_up(retention, now, |result| match result {
            Ok(report) => info!(?report, "old rows cleaned up"),
            Err(error) => warn!(%error, "old rows could not be cleaned up"),
        });
        if let Err(error) = submitted {
            warn!(%error, "old rows could not be cleaned up");
        }
    }

    /// Writes what is waiting and stops.
    pub(super) fn shutdown(self, patience: Duration) -> Result<(), StoreError> {
        self.writer.shutdown(patience)
    }
}

/// Whether a write means something else before an older one than after it. A line of the audit goes with its batch.
fn has_its_place(write: &Write) -> bool {
    is_history(write) && !matches!(write, Write::AppendAudit(_))
}

/// Whether the engine's present state does not tell what this write says.
fn is_history(write: &Write) -> bool {
    match write {
        Write::AppendTrade(_)
        | Write::RemoveTrade(_)
        | Write::RemovePosition(_)
        | Write::RemoveOrder(_)
        | Write::PutContract { .. }
        | Write::PutResetSchedule(_)
        | Write::PutSessionState { .. }
        | Write::PutDailyUnrealizedPnl(_)
        | Write::PutDrawdownMark(_)
        | Write::PutCommitment(_)
        | Write::RemoveCommitment { .. }
        | Write::AppendAudit(_) => true,
        Write::PutEnforcement { log, .. } => log.status != EnforcementStatus::Pending,
        Write::PutLockout(_)
        | Write::ClearLockout { .. }
        | Write::PutDailyPnl { .. }
        | Write::PutPosition(_)
        | Write::PutOrder(_) => false,
    }
}

fn cleared_accounts(writes: &[Write]) -> Vec<riskd_core::model::AccountId> {
    writes
        .iter()
        .filter_map(|write| match write {
            Write::ClearLockout { account_id, .. } => Some(*account_id),
            _ => None,
        })
        .collect()
}

fn lockout_events(cleared: &[riskd_core::model::AccountId], durable: bool) -> Vec<Event> {
    cleared
        .iter()
        .map(|account_id| match durable {
            true => Event::LockoutCleared { account_id: *account_id },
            false => Event::LockoutNotCleared { account_id: *account_id },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use riskd_core::model::OrderId;
    use riskd_store::{Clock, Location, MigrateOptions, WriterOptions};

    use super::*;

    fn gone(number: i64) -> Write {
        Write::RemoveOrder(OrderId(number))
    }

    #[test]
    fn what_was_refused_is_written_again_in_the_order_in_which_it_happened() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed("2026-03-10T14:00:00Z".parse().unwrap());
        let options = MigrateOptions { create_if_missing: true, ..MigrateOptions::new(clock.clone()) };
        let location = Location::new(folder.path().join("state.db"));
        let (database, _) = riskd_store::open(&location, &options, &riskd_store::nobody).unwrap();
        let writer = Writer::open(database.path(), WriterOptions::new(clock)).unwrap();
        let mut journal = Journal::new(writer, mpsc::unbounded_channel().0);
        let failed = StoreError::WriterStopped;
        journal.keep(vec![gone(1)], &failed, false);
        let _durable = journal.submit(vec![gone(2)]);
        assert_eq!(journal.kept, [gone(1), gone(2)], "nothing overtakes what is kept");
        journal.retry(Vec::new);
        assert_eq!(journal.kept, []);
        // Behind a retry that is under way it is in its place; when both are refused, too.
        let _durable = journal.submit(vec![gone(3)]);
        assert_eq!(journal.kept, []);
        journal.keep(vec![gone(3)], &failed, false);
        journal.keep(vec![gone(1), gone(2)], &failed, true);
        assert_eq!(journal.kept, [gone(1), gone(2), gone(3)]);
    }
}
