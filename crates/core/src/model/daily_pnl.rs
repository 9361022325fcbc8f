//! A day's realized P&L, and the optional snapshot of its unrealized P&L.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{AccountId, Invalid, Money, Noun, reads_as_draft};

/// The fields of a [`DailyPnl`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyPnlDraft {
    /// The account.
    pub account_id: AccountId,
    /// The trading day, named by the date on which it ends.
    pub date: Date,
    /// Realized P&L in dollars, gross of fees.
    pub realized_pnl: Money,
    /// Trades that counted towards it. Not stored.
    pub trade_count: i64,
}

/// A day's realized P&L. Finite, because [`Money`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyPnl(DailyPnlDraft);
reads_as_draft!(DailyPnl, DailyPnlDraft);

impl DailyPnl {
    /// Refuses a negative number of trades.
    pub fn new(draft: DailyPnlDraft) -> Result<Self, Invalid> {
        if draft.trade_count < 0 {
            return Err(Invalid::new(Noun::DailyPnl, "trade_count", draft.trade_count, "must not be negative"));
        }
        Ok(Self(draft))
    }
}

/// The fields of a [`DailyUnrealizedPnl`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyUnrealizedPnlDraft {
    /// The account.
    pub account_id: AccountId,
    /// The trading day that ends with this snapshot.
    pub date: Date,
    /// Sum over the positions that have a quote, in dollars.
    pub unrealized_pnl: Money,
    /// Open positions.
    pub positions_count: i64,
    /// Σ |size × average price × point value| in dollars, where every contract is known.
    pub total_exposure: Option<Money>,
    /// When it was taken.
    pub created_at: Timestamp,
}

/// A snapshot of unrealized P&L at a daily reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyUnrealizedPnl(DailyUnrealizedPnlDraft);
reads_as_draft!(DailyUnrealizedPnl, DailyUnrealizedPnlDraft);

impl DailyUnrealizedPnl {
    /// Refuses a negative number of positions.
    pub fn new(draft: DailyUnrealizedPnlDraft) -> Result<Self, Invalid> {
        if draft.positions_count < 0 {
            return Err(Invalid::new(
                Noun::DailyUnrealizedPnl,
                "positions_count",
                draft.positions_count,
                "must not be negative",
            ));
        }
        Ok(Self(draft))
    }

    /// Reads the date of a snapshot, strictly `YYYY-MM-DD` and a real calendar date.
    pub fn parse_date(text: &str) -> Result<Date, Invalid> {
        let well_formed = text.len() == 10
            && text.bytes().enumerate().all(|(index, byte)| match index {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        text.parse::<Date>().ok().filter(|_| well_formed).ok_or_else(|| {
            Invalid::new(
                Noun::DailyUnrealizedPnl,
                "date",
                format_args!("{text:?}"),
                "must be a calendar date, YYYY-MM-DD",
            )
        })
    }
}
