//! All that rules may see of the world.
//!
//! Architecture invariant: nothing here decides anything. State changes when the engine applies an event, and rules
//! read it through [`AccountView`].

mod book;
mod funds;
mod locks;
mod markets;
mod session;
mod standing;
mod tracking;
mod trades;

pub use book::{Book, Heard};
pub use funds::Funds;
pub(crate) use locks::{Cleared, Set};
pub use locks::{Holds, Locks, Pardon, Unlocked};
pub use markets::{Market, Markets};
pub(crate) use session::DayOfTrade;
pub use session::Session;
pub use standing::Standing;
pub(crate) use standing::UnseenFills;
pub use tracking::{Strayed, Tracked, Tracking};
pub(crate) use tracking::{is_tighter, protects};
pub use trades::KnownTrade;
pub(crate) use trades::TradeMemory;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::model::{Account, AccountId, ContractId, Money, Position, Price};

/// What is known of one account.
#[derive(Debug, Clone)]
pub struct AccountState {
    /// The account.
    pub account_id: AccountId,
    /// What the gateway last said of it.
    pub account: Option<Account>,
    /// Positions and orders.
    pub book: Book,
    /// The trading day and its realized P&L.
    pub session: Session,
    /// The trader's lockout, if there is one.
    pub locks: Locks,
    /// Whether positions and orders are known for certain: false from a gap or a refused payload until the broker's
    /// word was taken over.
    pub certain: bool,
    /// When the broker was last asked for its books and every position and order of the answer could be read.
    pub looked_at: Option<Timestamp>,
    /// How the open positions fared.
    pub tracking: Tracking,
    /// The cash; absent until the broker told the balance.
    pub funds: Option<Funds>,
    /// From where a drawdown is reckoned; absent until it is known.
    pub drawdown: Option<Drawdown>,
    /// What stood when the rules in force were taken over.
    pub standing: Standing,
    /// Whether the broker let the account trade at some moment of this run.
    pub could_trade_in_this_run: bool,
    /// When the user hub last said something else of `canTrade` than was known.
    pub(crate) may_trade_changed_at: Option<Timestamp>,
    /// Whether a look that was asked for since says the same.
    pub(crate) may_trade_is_proven: bool,
    pub(crate) fills: UnseenFills,
    pub(crate) trade_memory: TradeMemory,
}

/// From where an account's drawdown is reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawdown {
    /// The balance in dollars with which the watch began.
    pub starting_balance: Money,
    /// The highest equity or balance in dollars that counts.
    pub high_water_mark: Money,
    /// The trading day up to which it counts.
    pub day: Date,
}

impl AccountState {
    /// Whether the broker lets the account trade; absent before its first word. A word without `canTrade` counts as true.
    pub fn may_trade(&self) -> Option<bool> {
        self.account.as_ref().map(|account| account.can_trade.unwrap_or(true))
    }

    /// Whether the account may trade by a look at the broker's books. What a hub says carries no time: late, or told
    /// twice, it may be old.
    pub fn may_trade_for_certain(&self) -> bool {
        self.may_trade_is_proven && self.may_trade() == Some(true)
    }

    /// Takes over the hub's word of the account.
    pub(crate) fn observe_account(&mut self, account: Account, at: Timestamp) {
        let before = self.may_trade();
        self.take_account(account);
        if self.may_trade() != before {
            self.may_trade_changed_at = Some(at);
            self.may_trade_is_proven = false;
        }
    }

    /// Takes over the account as a look shows it. Says whether it stands: not where the hub has said something else of
    /// `canTrade` since the look was asked for.
    pub(crate) fn observe_account_in_a_look(&mut self, account: Account, asked_at: Timestamp) -> bool {
        let is_overtaken = self.may_trade_changed_at.is_some_and(|changed_at| changed_at > asked_at);
        if is_overtaken && self.may_trade() != Some(account.can_trade.unwrap_or(true)) {
            return false;
        }
        self.take_account(account);
        self.may_trade_is_proven |= !is_overtaken;
        !is_overtaken
    }

    fn take_account(&mut self, account: Account) {
        self.account = Some(account);
        self.could_trade_in_this_run |= self.may_trade() == Some(true);
    }

    /// Takes over that a position changed, in every measure of what stood.
    pub(crate) fn observe_change(
        &mut self,
        contract_id: &ContractId,
        before: Option<&Position>,
        after: Option<&Position>,
        at: Timestamp,
    ) {
        let signed = |position: Option<&Position>| position.map_or(0, |position| position.signed_size());
        self.fills.shown(contract_id, signed(after).saturating_sub(signed(before)), at);
        self.standing.observe(contract_id, before, after);
        if let Some(standing) = &mut self.locks.standing {
            standing.observe(contract_id, before, after);
        }
    }
}

/// One account and the markets, at a moment: all that a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct AccountView<'a> {
    /// The account.
    pub account: &'a AccountState,
    /// Contracts and their last prices.
    pub markets: &'a Markets,
    /// The moment.
    pub at: Timestamp,
}

/// Unrealized P&L over several positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TotalPnl {
    /// Sum over the positions that have a price, in dollars.
    pub unrealized_pnl: Money,
    /// Positions that have one.
    pub priced_positions: usize,
    /// Positions that were left out for want of a quote or of the contract's tick.
    pub unpriced_positions: usize,
}

impl AccountView<'_> {
    /// Unrealized P&L of the position in a contract, in dollars; absent without a position, a quote or the contract.
    pub fn unrealized_pnl(&self, contract_id: &ContractId) -> Option<Money> {
        self.position_pnl(self.account.book.position(contract_id)?)
    }

    /// Unrealized P&L of all positions. Those without a price are left out, and counted.
    pub fn total_unrealized_pnl(&self) -> TotalPnl {
        self.account.book.positions().fold(TotalPnl::default(), |total, position| match self.position_pnl(position) {
            Some(pnl) => TotalPnl {
                unrealized_pnl: total.unrealized_pnl + pnl,
                priced_positions: total.priced_positions + 1,
                ..total
            },
            None => TotalPnl { unpriced_positions: total.unpriced_positions + 1, ..total },
        })
    }

    /// Unrealized P&L of a position at the last price, in dollars.
    pub fn position_pnl(&self, position: &Position) -> Option<Money> {
        let market = self.markets.get(&position.contract_id)?;
        Some(position.unrealized_pnl(market.contract()?, market.price_for(position)?))
    }

    /// The last price of a contract, in points.
    pub fn last_price(&self, contract_id: &ContractId) -> Option<Price> {
        self.markets.get(contract_id)?.last()
    }
}
