//! Every trade that rules may count: those of the present day, and those of the last days that windows reach back to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::AccountState;
use crate::model::{Trade, TradeId, milliseconds_between};

/// How long trades of earlier days are known again when they come a second time, in milliseconds: as long as the trade
/// history is kept.
const REMEMBER_EARLIER_TRADES_MS: i64 = 7 * 24 * 3_600_000;

/// A trade, the day it belongs to, and when this program learned of it.
#[derive(Debug, Clone, Copy)]
pub struct KnownTrade<'a> {
    /// The trade, as it was last seen.
    pub trade: &'a Trade,
    /// The trading day of its own time, named by the date on which that day ends.
    pub day: Date,
    /// When it was learned of; absent when an earlier run had recorded it.
    pub learned_at: Option<Timestamp>,
}

/// Trades of days that are over, and when trades were learned of.
#[derive(Debug, Clone, Default)]
pub(crate) struct TradeMemory {
    earlier: BTreeMap<TradeId, (Date, Trade)>,
    learned_at: BTreeMap<TradeId, Timestamp>,
}

impl TradeMemory {
    /// A trade of an earlier day, as it was last seen.
    pub(crate) fn earlier(&self, trade_id: TradeId) -> Option<&Trade> {
        self.earlier.get(&trade_id).map(|(_, trade)| trade)
    }

    /// Takes over a trade of an earlier day.
    pub(crate) fn put_earlier(&mut self, day: Date, trade: Trade) {
        self.earlier.insert(trade.id, (day, trade));
    }

    /// Takes over when a trade that no earlier run had recorded was learned of: the first time counts.
    pub(crate) fn learned(&mut self, trade_id: TradeId, at: Timestamp) {
        self.learned_at.entry(trade_id).or_insert(at);
    }

    /// Forgets what is long past.
    pub(crate) fn forget_what_is_long_past(&mut self, at: Timestamp) {
        let Self { earlier, learned_at } = self;
        earlier.retain(|trade_id, (_, trade)| {
            let keep = milliseconds_between(trade.execution_time, at) < REMEMBER_EARLIER_TRADES_MS;
            if !keep {
                learned_at.remove(trade_id);
            }
            keep
        });
    }
}

impl AccountState {
    /// Every trade known, of the present day and of the last days, voided ones too, in no order that means anything.
    pub fn trades(&self) -> impl Iterator<Item = KnownTrade<'_>> {
        let day = self.session.day();
        let present = self.session.trades().map(move |trade| (day, trade));
        let earlier = self.trade_memory.earlier.values().map(|(day, trade)| (*day, trade));
        earlier.chain(present).map(|(day, trade)| {
            let learned_at = self.trade_memory.learned_at.get(&trade.id).copied();
            KnownTrade { trade, day, learned_at }
        })
    }
}
