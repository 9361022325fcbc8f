//! Of many changes of one position or order in a commit only the last is seen by anybody: only that is written.

use std::collections::HashSet;

use riskd_core::engine::Write;
use riskd_core::model::{OrderId, PositionId};

use super::Batch;

#[derive(PartialEq, Eq, Hash)]
enum Row {
    Position(PositionId),
    Order(OrderId),
}

/// Whether each write of the group must be carried out, in order: not where a later one of the group says what becomes of
/// the same row. A commit is seen as a whole or not at all, so nobody ever misses what is left out.
pub(super) fn needed(group: &[Batch]) -> Vec<bool> {
    let mut seen = HashSet::new();
    let mut needed: Vec<bool> = group
        .iter()
        .rev()
        .flat_map(|batch| batch.writes.iter().rev())
        .map(|write| row_of(write).is_none_or(|row| seen.insert(row)))
        .collect();
    needed.reverse();
    needed
}

/// The row that this write decides alone, whatever was there.
fn row_of(write: &Write) -> Option<Row> {
    match write {
        Write::PutPosition(position) => Some(Row::Position(position.id)),
        Write::RemovePosition(id) => Some(Row::Position(*id)),
        Write::PutOrder(order) => Some(Row::Order(order.id)),
        Write::RemoveOrder(id) => Some(Row::Order(*id)),
        Write::PutLockout(_)
        | Write::ClearLockout { .. }
        | Write::PutDailyPnl { .. }
        | Write::PutContract { .. }
        | Write::AppendTrade(_)
        | Write::RemoveTrade(_)
        | Write::PutSessionState { .. }
        | Write::PutEnforcement { .. }
        | Write::PutResetSchedule(_)
        | Write::PutDailyUnrealizedPnl(_)
        | Write::PutDrawdownMark(_)
        | Write::PutCommitment(_)
        | Write::RemoveCommitment { .. }
        | Write::AppendAudit(_) => None,
    }
}
