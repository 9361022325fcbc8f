//! Keeps the mark of an account's drawdown, and writes it down in steps: at once when it has grown by a step or was just
//! set, else within a second. So a rise of the market does not flood the disk, and a crash loses less than a step, or a
//! second.

use jiff::Timestamp;

use super::action::Write;
use super::desk::{Context, Desk};
use crate::model::{AccountId, DrawdownMark, Money, RuleId, time_after_ms};
use crate::rules::DrawdownNote;
use crate::state::Drawdown;

/// How long a mark may have grown without being written, in milliseconds.
const WRITE_WITHIN_MS: i64 = 1_000;

/// What is on the disk of the mark, and when the present one goes there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MarkOnDisk {
    written: Option<Drawdown>,
    due_at: Option<Timestamp>,
    /// Whether this rule held the account locked when it was last looked at.
    locked: bool,
    /// Whether the desk's next wake must be planned anew for it.
    pub(super) is_new: bool,
}

impl MarkOnDisk {
    /// What the database remembers, and whether this rule holds the account locked.
    pub(super) fn remembered(drawdown: Option<Drawdown>, locked: bool) -> Self {
        Self { written: drawdown, locked, ..Self::default() }
    }

    /// When the mark must be written.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        self.due_at
    }
}

impl Desk {
    /// Takes over a new mark.
    pub(super) fn set_drawdown(&mut self, note: DrawdownNote, at: Timestamp) {
        let DrawdownNote { drawdown, step } = note;
        self.state.drawdown = Some(drawdown);
        let is_small = self.mark_on_disk.written.is_some_and(|written| {
            written.starting_balance == drawdown.starting_balance
                && written.day == drawdown.day
                && drawdown.high_water_mark - written.high_water_mark < step.max(Money::from_micros(1))
        });
        let due_at = if is_small { time_after_ms(at, WRITE_WITHIN_MS) } else { at };
        let planned = self.mark_on_disk.due_at;
        if planned.is_none_or(|planned| due_at < planned) {
            self.mark_on_disk.due_at = Some(due_at);
            self.mark_on_disk.is_new = true;
        }
    }

    /// Writes the mark down, if that is due.
    pub(super) fn store_mark_if_due(&mut self, context: &mut Context<'_>) {
        self.restart_ended_drawdown(context);
        self.mark_on_disk.is_new = false;
        if self.mark_on_disk.due_at.take_if(|due_at| *due_at <= context.at).is_none() {
            return;
        }
        if let Some(drawdown) = self.state.drawdown.filter(|drawdown| self.mark_on_disk.written != Some(*drawdown)) {
            self.mark_on_disk.written = Some(drawdown);
            context.store(Write::PutDrawdownMark(mark(self.id(), drawdown, context.at)));
        }
    }

    /// Once the lockout of this rule is over, by time or by an admin, the drawdown begins anew.
    pub(super) fn restart_ended_drawdown(&mut self, context: &Context<'_>) {
        let was_locked = std::mem::take(&mut self.mark_on_disk.locked);
        self.mark_on_disk.locked = self.state.locks.is_latched(RuleId::MAX_DRAWDOWN, context.at);
        if was_locked && !self.mark_on_disk.locked {
            self.restart_drawdown(context);
        }
    }

    /// A lockout of this rule is over: from now on the drawdown is reckoned from what the account is worth now, or the
    /// same drawdown would lock it again.
    fn restart_drawdown(&mut self, context: &Context<'_>) {
        let Some(funds) = &self.state.funds else { return };
        let worth = funds.cash() + self.view(context.markets, context.at).total_unrealized_pnl().unrealized_pnl;
        let day = self.state.session.day();
        let drawdown = Drawdown { starting_balance: worth, high_water_mark: worth, day };
        self.set_drawdown(DrawdownNote { drawdown, step: Money::ZERO }, context.at);
    }
}

fn mark(account_id: AccountId, drawdown: Drawdown, at: Timestamp) -> DrawdownMark {
    DrawdownMark {
        account_id,
        starting_balance: drawdown.starting_balance,
        high_water_mark: drawdown.high_water_mark,
        day: drawdown.day,
        updated_at: at,
    }
}
