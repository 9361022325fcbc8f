//! Counts trades: each once, in the day of its own time, voided ones taken back, late ones in the day they belong to.

use super::action::Write;
use super::desk::{Context, Desk};
use super::memory::RecordedTrade;
use crate::model::{
    AccountId, DailyPnl, DailyPnlDraft, Date, Money, Side, Timestamp, Trade, time_after_ms, truncate_to_millisecond,
};
use crate::rules::Trigger;
use crate::state::DayOfTrade;

impl Desk {
    /// Takes over a trade that the hub told of: a fill, whose position may be told of a moment later.
    pub(super) fn observe_fill(&mut self, context: &mut Context<'_>, trade: Trade) -> Option<Trigger> {
        let is_known =
            self.state.session.trade(trade.id).is_some() || self.state.trade_memory.earlier(trade.id).is_some();
        if !is_known && !trade.voided {
            let signed = match trade.side {
                Side::Buy => trade.quantity,
                Side::Sell => -trade.quantity,
                Side::Unknown(_) => 0,
            };
            self.state.fills.filled(&trade.contract_id, signed, context.at);
        }
        self.observe_trade(context, trade)
    }

    /// Takes over a trade. Gives the trigger when it is new or changed.
    pub(super) fn observe_trade(&mut self, context: &mut Context<'_>, trade: Trade) -> Option<Trigger> {
        let before = (self.state.session.realized_pnl(), self.state.session.fees());
        let is_news = self.count_trade(context, trade);
        if before != (self.state.session.realized_pnl(), self.state.session.fees()) {
            self.store_daily_pnl(context);
        }
        is_news.then_some(Trigger::Trades)
    }

    /// From when on trades must be asked for: the present day's, and what rules look back to, in whole days.
    pub(super) fn trades_wanted_since(&self, context: &Context<'_>) -> Timestamp {
        let starts_at = self.state.session.starts_at();
        let Some(account) = self.account_config(context.config) else {
            return starts_at;
        };
        let back_ms = account.rules.rules().map(|rule| rule.looks_back_ms()).max().unwrap_or(0);
        let back = time_after_ms(context.at, back_ms.saturating_neg());
        if back >= starts_at {
            return starts_at;
        }
        account.day_clock.start_of(account.day_clock.day_of(back)).min(starts_at)
    }

    /// Counts a trade and keeps its row of history. Says whether it is new or changed.
    pub(super) fn count_trade(&mut self, context: &mut Context<'_>, trade: Trade) -> bool {
        let executed_at = trade.execution_time;
        let before = (self.state.session.realized_pnl(), self.state.session.fees());
        let known = self.state.session.trade(trade.id).cloned();
        let trade_id = trade.id;
        let known_before = known.clone().or_else(|| self.state.trade_memory.earlier(trade_id).cloned());
        match self.state.session.apply(&trade) {
            DayOfTrade::Later => self.later_trades.push(trade),
            DayOfTrade::Earlier => self.observe_trade_of_an_earlier_day(context, trade),
            DayOfTrade::Present => {
                if self.record(context, known.as_ref(), &trade) {
                    self.state.session.trade_was_remembered(trade.profit_and_loss.unwrap_or_default());
                }
            }
        }
        let after = (self.state.session.realized_pnl(), self.state.session.fees());
        let net = (after.0 - after.1) - (before.0 - before.1);
        if net != Money::ZERO
            && let Some(funds) = &mut self.state.funds
        {
            funds.trade(net, executed_at, context.at);
        }
        let present = self.state.session.trade(trade_id);
        present.or_else(|| self.state.trade_memory.earlier(trade_id)) != known_before.as_ref()
    }

    /// Writes down the day's realized P&L.
    pub(super) fn store_daily_pnl(&self, context: &mut Context<'_>) {
        let session = &self.state.session;
        let write = daily_pnl(self.id(), session.day(), session.realized_pnl(), session.trade_count());
        store_daily_pnl(context, write);
    }

    fn observe_trade_of_an_earlier_day(&mut self, context: &mut Context<'_>, trade: Trade) {
        let Some(day) =
            self.account_config(context.config).map(|account| account.day_clock.day_of(trade.execution_time))
        else {
            return;
        };
        let known = self.state.trade_memory.earlier(trade.id).cloned();
        if known.as_ref().is_some_and(|known| known.voided || *known == trade) {
            return;
        }
        let was_recorded = self.record(context, known.as_ref(), &trade);
        let counted_before = match &known {
            Some(known) => counted(known),
            None if was_recorded => trade.profit_and_loss.unwrap_or_default(),
            None => Money::ZERO,
        };
        let change = counted(&trade) - counted_before;
        self.state.trade_memory.put_earlier(day, trade);
        if change == Money::ZERO {
            return;
        }
        // Without the old total there is nothing to add to: the history row alone keeps the trade.
        let Some(total) = self.earlier_days.get_mut(&day) else {
            return;
        };
        *total += change;
        let write = daily_pnl(self.state.account_id, day, *total, 0);
        store_daily_pnl(context, write);
    }

    /// Keeps one row of trade history for a trade that counts, none for a voided one, over restarts too. Says whether
    /// an earlier run had recorded it.
    fn record(&mut self, context: &mut Context<'_>, known: Option<&Trade>, trade: &Trade) -> bool {
        if let Some(known) = known {
            if known.voided || recorded(known) == recorded(trade) && !trade.voided {
                return false;
            }
            context.store(Write::RemoveTrade(known.clone()));
            if !trade.voided {
                context.store(Write::AppendTrade(trade.clone()));
            }
            return false;
        }
        let was_recorded = self.take_recorded(&recorded(trade));
        if !was_recorded {
            self.state.trade_memory.learned(trade.id, context.at);
        }
        match (was_recorded, trade.voided) {
            (true, true) => context.store(Write::RemoveTrade(trade.clone())),
            (false, false) => context.store(Write::AppendTrade(trade.clone())),
            (true, false) | (false, true) => {}
        }
        was_recorded
    }

    fn take_recorded(&mut self, row: &RecordedTrade) -> bool {
        match self.recorded_trades.get_mut(row) {
            Some(count) if *count > 1 => {
                *count -= 1;
                true
            }
            Some(_) => self.recorded_trades.remove(row).is_some(),
            None => false,
        }
    }
}

fn recorded(trade: &Trade) -> RecordedTrade {
    RecordedTrade {
        execution_time: truncate_to_millisecond(trade.execution_time),
        contract_id: trade.contract_id.clone(),
        profit_and_loss: trade.profit_and_loss,
    }
}

fn counted(trade: &Trade) -> Money {
    if trade.voided { Money::ZERO } else { trade.profit_and_loss.unwrap_or_default() }
}

fn daily_pnl(account_id: AccountId, date: Date, realized_pnl: Money, trade_count: i64) -> DailyPnlDraft {
    DailyPnlDraft { account_id, date, realized_pnl, trade_count }
}

fn store_daily_pnl(context: &mut Context<'_>, draft: DailyPnlDraft) {
    let daily_pnl = DailyPnl::new(draft).expect("a count of trades is not negative");
    let at = context.at;
    context.store(Write::PutDailyPnl { daily_pnl, at });
}
