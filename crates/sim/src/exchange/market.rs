//! The prices of one contract, and the bars they make.

use std::collections::VecDeque;

use riskd_core::model::{ContractId, Price, TickSize, Timestamp};

use super::records::QuoteRecord;

/// Trades remembered for bars; older ones are forgotten.
const TRADES_KEPT: usize = 250_000;

/// A market: its quote, and the trades that made it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Market {
    quote: Option<QuoteRecord>,
    trades: VecDeque<(Timestamp, Price)>,
}

/// A price bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// When it begins.
    pub at: Timestamp,
    /// First trade, in points.
    pub open: Price,
    /// Highest trade, in points.
    pub high: Price,
    /// Lowest trade, in points.
    pub low: Price,
    /// Last trade, in points.
    pub close: Price,
    /// Contracts.
    pub volume: i64,
}

impl Market {
    pub(crate) fn quote(&self) -> Option<&QuoteRecord> {
        self.quote.as_ref()
    }

    /// One contract traded at `price`: bid and ask follow the trade, `spread_ticks` apart.
    ///
    /// A trade at or above the ask was a buyer's, so it is the new ask; one at or below the bid the new bid; one in
    /// between leaves both where they are.
    pub(crate) fn trade(&mut self, contract_id: &ContractId, price: Price, spread: Spread, at: Timestamp) {
        let width = spread.width_nanos();
        let (bid, ask) = match &self.quote {
            Some(quote) if price.nanos() > quote.bid.nanos() && price.nanos() < quote.ask.nanos() => {
                (quote.bid, quote.ask)
            }
            Some(quote) if price >= quote.ask => (Price::from_nanos(price.nanos() - width), price),
            _ => (price, Price::from_nanos(price.nanos() + width)),
        };
        self.set(contract_id, bid, ask, price, at, 1);
        if self.trades.len() == TRADES_KEPT {
            self.trades.pop_front();
        }
        self.trades.push_back((at, price));
    }

    /// Sets all three prices as they are given; `traded` contracts changed hands.
    pub(crate) fn set(
        &mut self,
        contract_id: &ContractId,
        bid: Price,
        ask: Price,
        last: Price,
        at: Timestamp,
        traded: i64,
    ) {
        let before = self.quote.take();
        let (open, high, low, volume) = match &before {
            Some(quote) => (quote.open, quote.high.max(last), quote.low.min(last), quote.volume + traded),
            None => (last, last, last, traded),
        };
        let contract_id = before.map_or_else(|| contract_id.clone(), |quote| quote.contract_id);
        self.quote = Some(QuoteRecord { contract_id, bid, ask, last, open, high, low, volume, updated_at: at });
    }

    /// Bars of `span` between two times, newest first, at most `limit` of them.
    pub(crate) fn bars(&self, span: BarSpan, from: Timestamp, to: Timestamp, limit: usize) -> Vec<Bar> {
        let mut bars: Vec<Bar> = Vec::new();
        let mut last_key = None;
        let within = self.trades.iter().filter(|(at, _)| (from..=to).contains(at));
        for (number, (at, price)) in (0_i64..).zip(within) {
            let (key, start) = span.bar_of(number, *at);
            match bars.last_mut().filter(|_| last_key == Some(key)) {
                Some(bar) => {
                    bar.high = bar.high.max(*price);
                    bar.low = bar.low.min(*price);
                    bar.close = *price;
                    bar.volume += 1;
                }
                None => {
                    bars.push(Bar { at: start, open: *price, high: *price, low: *price, close: *price, volume: 1 });
                }
            }
            last_key = Some(key);
        }
        bars.reverse();
        bars.truncate(limit);
        bars
    }
}

/// How far apart bid and ask stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) ticks: u32,
    pub(crate) tick_size: TickSize,
}

impl Spread {
    fn width_nanos(self) -> i64 {
        self.tick_size.nanos() * i64::from(self.ticks)
    }
}

/// How long a bar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarSpan {
    /// So many seconds.
    Seconds(i64),
    /// So many months of the calendar, counted from January of the year 0 (UTC).
    Months(i64),
    /// So many trades.
    Trades(i64),
}

impl BarSpan {
    /// Reads the gateway's unit (1 second, 2 minute, 3 hour, 4 day, 5 week, 6 month, 7 tick) and number of units.
    pub fn from_code(unit: i64, number: i64) -> Option<Self> {
        let number = (1..=1_000_000).contains(&number).then_some(number)?;
        Some(match unit {
            1 => Self::Seconds(number),
            2 => Self::Seconds(number * 60),
            3 => Self::Seconds(number * 3_600),
            4 => Self::Seconds(number * 86_400),
            5 => Self::Seconds(number * 604_800),
            6 => Self::Months(number),
            7 => Self::Trades(number),
            _ => return None,
        })
    }

    /// Whether trades can still be added to this bar, the newest one.
    pub(crate) fn is_partial(self, bar: &Bar, now: Timestamp) -> bool {
        match self {
            Self::Trades(trades) => bar.volume < trades,
            Self::Seconds(_) | Self::Months(_) => self.bar_of(0, bar.at).0 == self.bar_of(0, now).0,
        }
    }

    /// Which bar a trade belongs to, and when that bar begins.
    fn bar_of(self, number: i64, at: Timestamp) -> (i64, Timestamp) {
        match self {
            Self::Seconds(seconds) => {
                let key = at.as_second().div_euclid(seconds);
                (key, Timestamp::from_second(key * seconds).unwrap_or(at))
            }
            Self::Months(months) => {
                let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
                let key = (i64::from(date.year()) * 12 + i64::from(date.month()) - 1).div_euclid(months);
                let first = key * months;
                let start = i16::try_from(first.div_euclid(12)).ok().zip(i8::try_from(first.rem_euclid(12) + 1).ok());
                let start = start.and_then(|(year, month)| jiff::civil::Date::new(year, month, 1).ok());
                let start = start.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
                (key, start.map_or(at, |zoned| zoned.timestamp()))
            }
            Self::Trades(trades) => (number.div_euclid(trades), at),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use riskd_core::model::Noun;

    use super::*;

    fn price(text: &str) -> Price {
        Price::parse(text).unwrap()
    }

    #[test]
    fn bid_and_ask_follow_the_trade() {
        let contract_id = ContractId::new("CON.F.US.EP.M18", Noun::Contract).unwrap();
        let spread = Spread { ticks: 1, tick_size: price("0.25") };
        let mut market = Market::default();
        for (traded, bid, ask) in [
            ("100.00", "100.00", "100.25"),
            ("100.25", "100.00", "100.25"),
            ("100.50", "100.25", "100.50"),
            ("100.25", "100.25", "100.50"),
            ("99.00", "99.00", "99.25"),
        ] {
            market.trade(&contract_id, price(traded), spread, Timestamp::UNIX_EPOCH);
            let quote = market.quote().unwrap();
            assert_eq!((quote.bid, quote.ask, quote.last), (price(bid), price(ask), price(traded)), "after {traded}");
        }
        let quote = market.quote().unwrap();
        assert_eq!((quote.open, quote.high, quote.low, quote.volume), (price("100"), price("100.5"), price("99"), 5));
    }

    #[test]
    fn bars_hold_the_trades_of_their_span_newest_first() {
        let contract_id = ContractId::new("CON.F.US.EP.M18", Noun::Contract).unwrap();
        let spread = Spread { ticks: 0, tick_size: price("0.25") };
        let mut market = Market::default();
        for (second, traded) in [(0, "10"), (30, "12"), (59, "9"), (60, "11"), (200, "8")] {
            market.trade(&contract_id, price(traded), spread, Timestamp::from_second(second).unwrap());
        }
        let all = |span| market.bars(span, Timestamp::UNIX_EPOCH, Timestamp::from_second(1_000).unwrap(), 20);
        let minutes = all(BarSpan::from_code(2, 1).unwrap());
        let starts: Vec<i64> = minutes.iter().map(|bar| bar.at.as_second()).collect();
        assert_eq!(starts, [180, 60, 0]);
        let first = minutes.last().unwrap();
        assert_eq!(
            (first.open, first.high, first.low, first.close),
            (price("10"), price("12"), price("9"), price("9"))
        );
        assert_eq!(all(BarSpan::from_code(7, 2).unwrap()).len(), 3);
        assert_eq!(all(BarSpan::from_code(6, 1).unwrap())[0].at, Timestamp::UNIX_EPOCH);
        assert_eq!(market.bars(BarSpan::Seconds(60), Timestamp::UNIX_EPOCH, Timestamp::MAX, 1).len(), 1);
        assert_eq!(BarSpan::from_code(8, 1), None);
        assert_eq!(BarSpan::from_code(1, 0), None);
    }
}
