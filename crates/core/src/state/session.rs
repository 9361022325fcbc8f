//! The trading day of one account and its realized P&L.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::{Money, Trade, TradeId, TradingDayClock};

/// The present trading day.
#[derive(Debug, Clone)]
pub struct Session {
    day: Date,
    starts_at: Timestamp,
    ends_at: Timestamp,
    /// Realized P&L that the database remembers and no known trade accounts for yet; absent once the broker listed all.
    remembered_pnl: Option<Money>,
    trades: BTreeMap<TradeId, Trade>,
    realized_pnl: Money,
    fees: Money,
}

/// The trading day a trade belongs to, by its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayOfTrade {
    /// The present day: it counts now.
    Present,
    /// A day that is over.
    Earlier,
    /// The next day, which this program's clock has not reached.
    Later,
}

impl Session {
    /// The day that `at` belongs to, with nothing realized.
    pub fn at(clock: &TradingDayClock, at: Timestamp) -> Self {
        let day = clock.day_of(at);
        Self {
            day,
            starts_at: clock.start_of(day),
            ends_at: clock.end_of(day),
            remembered_pnl: None,
            trades: BTreeMap::new(),
            realized_pnl: Money::ZERO,
            fees: Money::ZERO,
        }
    }

    /// The day, named by the date on which it ends.
    pub fn day(&self) -> Date {
        self.day
    }

    /// When it began.
    pub fn starts_at(&self) -> Timestamp {
        self.starts_at
    }

    /// When it ends.
    pub fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Realized P&L of the day in dollars, gross of fees; losses are negative.
    pub fn realized_pnl(&self) -> Money {
        self.remembered_pnl.unwrap_or_default() + self.realized_pnl
    }

    /// Fees of the day in dollars, of every trade that was not voided, half-turns too.
    pub fn fees(&self) -> Money {
        self.fees
    }

    /// Round-turn trades that counted.
    pub fn trade_count(&self) -> i64 {
        self.trades.values().filter(|trade| counts(trade)).count() as i64
    }

    /// The trade of that id, as it was last seen.
    pub fn trade(&self, trade_id: TradeId) -> Option<&Trade> {
        self.trades.get(&trade_id)
    }

    /// Every trade of the day, voided ones too.
    pub fn trades(&self) -> impl Iterator<Item = &Trade> {
        self.trades.values()
    }

    /// The day's trades, once it is over.
    pub(crate) fn into_trades(self) -> BTreeMap<TradeId, Trade> {
        self.trades
    }

    /// Takes over what the database remembers of the day.
    pub(crate) fn remember(&mut self, realized_pnl: Money) {
        self.remembered_pnl = Some(realized_pnl);
    }

    /// A trade that was counted has a part in what is remembered: it must not count twice.
    pub(crate) fn trade_was_remembered(&mut self, profit_and_loss: Money) {
        if let Some(remembered) = &mut self.remembered_pnl {
            *remembered -= profit_and_loss;
        }
    }

    /// From now on the known trades are all there are: the broker listed them.
    pub(crate) fn trades_are_complete(&mut self) {
        self.remembered_pnl = None;
    }

    /// Counts a trade of the present day, once, and takes a voided one back. One of another day changes nothing.
    pub(crate) fn apply(&mut self, trade: &Trade) -> DayOfTrade {
        if trade.execution_time < self.starts_at {
            return DayOfTrade::Earlier;
        }
        if trade.execution_time >= self.ends_at {
            return DayOfTrade::Later;
        }
        let known = self.trades.get(&trade.id);
        // What was voided stays voided, in whatever order the news comes.
        if known.is_none_or(|known| !known.voided) {
            let (pnl_before, fees_before) = known.map_or((Money::ZERO, Money::ZERO), amounts);
            let (pnl, fees) = amounts(trade);
            self.realized_pnl += pnl - pnl_before;
            self.fees += fees - fees_before;
            self.trades.insert(trade.id, trade.clone());
        }
        DayOfTrade::Present
    }
}

fn counts(trade: &Trade) -> bool {
    !trade.voided && trade.profit_and_loss.is_some()
}

fn amounts(trade: &Trade) -> (Money, Money) {
    if trade.voided {
        return (Money::ZERO, Money::ZERO);
    }
    (trade.profit_and_loss.unwrap_or(Money::ZERO), trade.fees)
}
