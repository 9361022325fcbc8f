//! What an account is worth in cash, between one word of the broker and the next.
//!
//! Balance, trades and positions come as separate news in any order, and a balance may lag behind the trades. So the cash
//! is reckoned: the balance as last told, and every trade heard of that it does not hold yet. Which trades a balance
//! holds is told by its amount, to the cent. Where that cannot tell, the balance as told stands.

use jiff::Timestamp;

use crate::model::{Money, milliseconds_between, time_after_ms};

/// How long after a trade the balance may be told without it, or the trade after the balance, in milliseconds.
const LAG_MS: i64 = 5_000;
/// How long after the last piece of news the others that belong to it may still be on their way, in milliseconds.
const SETTLES_MS: i64 = 1_000;
/// After so long, in milliseconds, they are not waited for, however much news there is.
const SETTLES_AT_LAST_MS: i64 = 3_000;

/// The cash of one account.
#[derive(Debug, Clone)]
pub struct Funds {
    told: Money,
    /// Trades that the balance does not hold yet, oldest first.
    pending: Vec<Pending>,
    /// What the balance changed by for no trade that was heard of, and when.
    unexplained: Option<(Money, Timestamp)>,
    unsettled: Option<Unsettled>,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    net: Money,
    executed_at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Unsettled {
    first: Timestamp,
    last: Timestamp,
}

impl Funds {
    /// The cash at the broker's first word, which holds every trade that was listed with it.
    pub fn at(balance: Money) -> Self {
        Self { told: balance, pending: Vec::new(), unexplained: None, unsettled: None }
    }

    /// The cash in dollars: the balance as told, and what was realized since, after fees.
    pub fn cash(&self) -> Money {
        self.told + self.pending.iter().map(|pending| pending.net).sum()
    }

    /// When news that belong together have all had their time to come; absent when they have. Until then a closed
    /// position may be missing its trade, or a trade still count twice.
    pub fn settles_at(&self) -> Option<Timestamp> {
        self.unsettled.map(|unsettled| {
            time_after_ms(unsettled.last, SETTLES_MS).min(time_after_ms(unsettled.first, SETTLES_AT_LAST_MS))
        })
    }

    /// Whether at `at` the cash and the positions can be trusted to be of one moment.
    pub fn is_settled(&self, at: Timestamp) -> bool {
        self.settles_at().is_none_or(|settles_at| settles_at <= at)
    }

    /// Something changed that other news belong to.
    pub(crate) fn disturb(&mut self, at: Timestamp) {
        let first = self.unsettled.filter(|_| !self.is_settled(at)).map_or(at, |unsettled| unsettled.first);
        self.unsettled = Some(Unsettled { first, last: at });
    }

    /// The broker told the balance.
    pub(crate) fn tell(&mut self, balance: Money, at: Timestamp) {
        let changed = balance != self.told;
        match self.held_by(balance, at) {
            Some(held) => {
                self.pending.drain(..held);
            }
            None => {
                let difference = balance - self.cash();
                let before = self.still_unexplained(at);
                self.unexplained = Some((before + difference, at)).filter(|(amount, _)| *amount != Money::ZERO);
                self.pending.clear();
            }
        }
        self.told = balance;
        if changed {
            self.disturb(at);
        }
    }

    /// A trade was heard of, or taken back: `net` is its P&L after fees.
    pub(crate) fn trade(&mut self, net: Money, executed_at: Timestamp, at: Timestamp) {
        let unexplained = self.still_unexplained(at);
        if unexplained != Money::ZERO && (unexplained - net).abs() < unexplained.abs() {
            // The balance that was told before held it.
            self.unexplained = Some((unexplained - net, at)).filter(|(amount, _)| *amount != Money::ZERO);
        } else {
            self.pending.push(Pending { net, executed_at });
        }
        self.disturb(at);
    }

    /// How many of the pending trades, from the oldest, make this balance; of several answers, the most. One that is older
    /// than any lag is held in any case.
    fn held_by(&self, balance: Money, at: Timestamp) -> Option<usize> {
        let is_old = |pending: &Pending| milliseconds_between(pending.executed_at, at) >= LAG_MS;
        let least = self.pending.iter().rposition(is_old).map_or(0, |index| index + 1);
        let sum = |count: usize| self.pending.iter().take(count).map(|pending| pending.net).sum();
        (least..=self.pending.len()).rev().find(|count| self.told + sum(*count) == balance)
    }

    fn still_unexplained(&self, at: Timestamp) -> Money {
        match self.unexplained {
            Some((amount, since)) if milliseconds_between(since, at) < LAG_MS => amount,
            _ => Money::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum News {
        /// A balance in dollars.
        Told(i32),
        /// A trade's net in dollars.
        Trade(i32),
        /// Milliseconds pass.
        Wait(i64),
    }

    #[test]
    fn cash_is_right_in_whatever_order_the_news_come() {
        use News::{Told, Trade, Wait};
        let cases: &[(&[News], i32)] = &[
            (&[Trade(-100)], 900),
            (&[Trade(-100), Told(900)], 900),
            (&[Told(900), Trade(-100)], 900),
            (&[Told(900), Trade(-100), Told(900)], 900),
            // The balance lags: it holds the first of two, then both.
            (&[Trade(-100), Trade(30), Told(900)], 930),
            (&[Trade(-100), Trade(30), Told(900), Told(930)], 930),
            // It is told once more as it was.
            (&[Trade(-100), Told(1_000)], 900),
            (&[Trade(-100), Told(1_000), Told(900)], 900),
            // A trade that is older than any lag is held by what is told.
            (&[Trade(-100), Wait(6_000), Told(1_000)], 1_000),
            // A deposit, and trades before and after it.
            (&[Told(1_500)], 1_500),
            (&[Trade(-100), Told(1_400)], 1_400),
            (&[Told(1_500), Wait(6_000), Trade(-100)], 1_400),
            (&[Told(1_500), Trade(-100)], 1_400),
            // Two trades in one balance, heard of afterwards.
            (&[Told(870), Trade(-100), Trade(-30)], 870),
            (&[Told(900), Told(870), Trade(-100), Trade(-30)], 870),
            (&[Trade(100), Trade(-100), Told(1_000)], 1_000),
        ];
        for (news, cash) in cases {
            let mut at = Timestamp::UNIX_EPOCH;
            let mut funds = Funds::at(Money::from_dollars(1_000));
            for each in *news {
                at = time_after_ms(at, 1);
                match each {
                    Told(dollars) => funds.tell(Money::from_dollars(*dollars), at),
                    Trade(dollars) => funds.trade(Money::from_dollars(*dollars), at, at),
                    Wait(milliseconds) => at = time_after_ms(at, *milliseconds),
                }
            }
            assert_eq!(funds.cash(), Money::from_dollars(*cash), "{news:?}");
        }
    }

    #[test]
    fn news_settle_a_second_after_the_last_and_three_after_the_first() {
        let moment = |milliseconds| time_after_ms(Timestamp::UNIX_EPOCH, milliseconds);
        let mut funds = Funds::at(Money::ZERO);
        assert!(funds.is_settled(moment(0)));
        funds.disturb(moment(0));
        assert!(!funds.is_settled(moment(999)) && funds.is_settled(moment(1_000)));
        for each in [900, 1_800, 2_700, 2_900] {
            funds.disturb(moment(each));
        }
        assert!(!funds.is_settled(moment(2_999)) && funds.is_settled(moment(3_000)));
        funds.disturb(moment(3_000));
        assert_eq!(funds.settles_at(), Some(moment(4_000)));
    }
}
