//! The program's way to the disk, as the daemon keeps it: one batch a step, in order; what a disk refuses is kept and
//! written again; requests wait for their batch, but not for long.

use std::collections::VecDeque;

use riskd_core::engine::{Request, Write};
use riskd_core::model::{EnforcementStatus, Timestamp};

/// One step's writes on their way to the disk, and the requests that wait for them.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) writes: Vec<Write>,
    pub(super) is_retry: bool,
    pub(super) requests: Vec<Request>,
}

/// Batches on their way, and what could not be written.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) waiting: VecDeque<Batch>,
    kept: VecDeque<Write>,
    failing: bool,
    retry_under_way: bool,
    missed_since_retry: bool,
    last_number: u64,
    /// When the last of the batches will be settled: they are settled in order.
    pub(super) settled_at: Timestamp,
}

impl Journal {
    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }

    /// Takes the writes of a step, and the requests that wait for them. Gives the batch's number.
    ///
    /// Nothing overtakes what is kept: until that is under way again, what belongs behind it is kept with it.
    pub(super) fn submit(&mut self, mut writes: Vec<Write>, requests: Vec<Request>, is_retry: bool) -> u64 {
        if self.failing && !self.retry_under_way {
            self.kept.extend(writes.extract_if(.., |write| has_its_place(write)));
        }
        self.last_number += 1;
        self.waiting.push_back(Batch { number: self.last_number, writes, is_retry, requests });
        self.last_number
    }

    /// Requests of a batch that will not wait any longer.
    pub(super) fn out_of_patience(&mut self, number: u64) -> Vec<Request> {
        let batch = self.waiting.iter_mut().find(|batch| batch.number == number);
        batch.map(|batch| std::mem::take(&mut batch.requests)).unwrap_or_default()
    }

    /// A batch is not on the disk.
    pub(super) fn refused(&mut self, writes: Vec<Write>, was_retry: bool) {
        self.missed_since_retry |= !was_retry;
        self.failing = true;
        self.retry_under_way &= !was_retry;
        let history: VecDeque<Write> = writes.into_iter().filter(is_history).collect();
        if was_retry {
            // What was refused meanwhile is newer.
            let newer = std::mem::replace(&mut self.kept, history);
            self.kept.extend(newer);
        } else {
            self.kept.extend(history);
        }
    }

    /// What is to be written again now, when it is time for that: what was kept, then the engine's present state.
    pub(super) fn retry(&mut self, durable_state: impl FnOnce() -> Vec<Write>) -> Option<Vec<Write>> {
        if !self.failing || std::mem::replace(&mut self.retry_under_way, true) {
            return None;
        }
        self.missed_since_retry = false;
        let mut writes: Vec<Write> = std::mem::take(&mut self.kept).into();
        writes.extend(durable_state());
        Some(writes)
    }

    /// A retry is on the disk.
    pub(super) fn recovered(&mut self) {
        self.retry_under_way = false;
        self.failing = !self.kept.is_empty() || self.missed_since_retry;
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
        | Write::AppendAudit(_)
        | Write::PutDrawdownMark(_)
        | Write::PutCommitment(_)
        | Write::RemoveCommitment { .. } => true,
        Write::PutEnforcement { log, .. } => log.status != EnforcementStatus::Pending,
        Write::PutLockout(_)
        | Write::ClearLockout { .. }
        | Write::PutDailyPnl { .. }
        | Write::PutPosition(_)
        | Write::PutOrder(_) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use riskd_core::model::OrderId;

    use super::*;

    fn gone(number: i64) -> Write {
        Write::RemoveOrder(OrderId(number))
    }

    #[test]
    fn what_was_refused_is_written_again_in_the_order_in_which_it_happened() {
        let mut journal = Journal::default();
        journal.refused(vec![gone(1)], false);
        journal.submit(vec![gone(2)], Vec::new(), false);
        assert_eq!(journal.waiting[0].writes, [], "it overtook what is kept");
        let again = journal.retry(Vec::new).unwrap();
        assert_eq!(again, [gone(1), gone(2)]);
        // Behind a retry that is under way it is in its place; when both are refused, too.
        journal.submit(vec![gone(3)], Vec::new(), false);
        assert_eq!(journal.waiting[1].writes, [gone(3)]);
        journal.refused(vec![gone(3)], false);
        journal.refused(again, true);
        assert_eq!(journal.retry(Vec::new).unwrap(), [gone(1), gone(2), gone(3)]);
    }
}
