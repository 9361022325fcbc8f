//! All that rules may see of the world.
//!
//! Architecture invariant: nothing here decides anything. State changes when the engine applies an event, and rules
//! read it through [`AccountView`].

mod book;
mod locks;
mod markets;
mod session;
mod tracking;

pub use book::{Book, Heard};
pub use locks::Locks;
pub use markets::{Market, Markets};
pub(crate) use session::DayOfTrade;
pub use session::Session;
pub use tracking::{Strayed, Tracked, Tracking};

use jiff::Timestamp;

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
            Some(pnl) => TotalPnl { unrealized_pnl: total.unrealized_pnl + pnl, ..total },
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
