//! What trailing drawdown remembers of an account.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{AccountId, Money};

/// The high-water mark of an account's equity, from which a drawdown is reckoned. It survives restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawdownMark {
    /// The account.
    pub account_id: AccountId,
    /// The balance in dollars with which the watch began.
    pub starting_balance: Money,
    /// The highest equity in dollars that counts.
    pub high_water_mark: Money,
    /// The trading day of the mark, named by the date on which it ends.
    pub day: Date,
    /// When the mark changed last.
    pub updated_at: Timestamp,
}
