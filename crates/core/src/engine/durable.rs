//! What must be in the database now, for the time after a disk refused to take it.

use super::action::Write;
use super::step::EngineState;
use crate::model::{DailyPnl, DailyPnlDraft};

impl EngineState {
    /// Writes that bring the database to the engine's present state whatever it missed: lockouts, pending enforcements,
    /// positions, orders, the day's P&L. A lockout whose end is on its way to the disk is not set again.
    pub fn durable_state(&self) -> Vec<Write> {
        let at = self.latest;
        let mut writes = Vec::new();
        for desk in self.desks.values() {
            if let Some(lockout) = desk.state.locks.lasting() {
                writes.push(Write::PutLockout(lockout.clone()));
            }
            for pending in &desk.outbox.enforcements {
                let (log, goal) = (pending.log.clone(), Some(pending.goal.clone()));
                writes.push(Write::PutEnforcement { log, goal });
            }
            writes.extend(desk.state.book.positions().cloned().map(Write::PutPosition));
            writes.extend(desk.state.book.orders().cloned().map(Write::PutOrder));
            let session = &desk.state.session;
            let daily_pnl = DailyPnl::new(DailyPnlDraft {
                account_id: desk.id(),
                date: session.day(),
                realized_pnl: session.realized_pnl(),
                trade_count: session.trade_count(),
            });
            writes.extend(daily_pnl.ok().map(|daily_pnl| Write::PutDailyPnl { daily_pnl, at }));
        }
        writes
    }

    /// Whether any account has an enforcement that the broker has not confirmed.
    pub fn has_pending_enforcements(&self) -> bool {
        self.desks.values().any(|desk| !desk.outbox.enforcements.is_empty())
    }
}
