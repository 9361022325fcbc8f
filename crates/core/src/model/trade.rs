//! One fill.

use jiff::Timestamp;

use super::order::check_price;
use super::{AccountId, Checks, ContractId, Invalid, Money, Noun, OrderId, Price, Side, TradeId, reads_as_draft};

/// The fields of a [`Trade`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TradeDraft {
    /// The gateway's number of the trade.
    pub id: TradeId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// The contract traded.
    pub contract_id: ContractId,
    /// Contracts.
    pub quantity: i64,
    /// Realized P&L in dollars, gross of fees; absent for a half-turn; negative for a loss.
    pub profit_and_loss: Option<Money>,
    /// Fees in dollars.
    pub fees: Money,
    /// Buy or sell.
    pub side: Side,
    /// Fill price, in points.
    pub price: Price,
    /// When it was executed.
    pub execution_time: Timestamp,
    /// Entry price of the round turn, when known.
    pub entry_price: Option<Price>,
    /// Exit price of the round turn, when known.
    pub exit_price: Option<Price>,
    /// Whether the exchange took it back.
    pub voided: bool,
    /// The order it filled.
    pub order_id: OrderId,
}

/// A fill that can be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trade(TradeDraft);
reads_as_draft!(Trade, TradeDraft);

impl Trade {
    /// Refuses a quantity that is not greater than 0, prices that are not (unless the contract allows it), and a time
    /// in the future beyond the allowed clock skew.
    pub fn new(draft: TradeDraft, checks: &Checks) -> Result<Self, Invalid> {
        if draft.quantity <= 0 {
            return Err(Invalid::new(Noun::Trade, "quantity", draft.quantity, "must be greater than 0"));
        }
        check_price(Noun::Trade, "price", Some(draft.price), checks)?;
        check_price(Noun::Trade, "entry_price", draft.entry_price, checks)?;
        check_price(Noun::Trade, "exit_price", draft.exit_price, checks)?;
        if checks.is_in_the_future(draft.execution_time) {
            return Err(Invalid::new(Noun::Trade, "execution_time", draft.execution_time, "must not be in the future"));
        }
        Ok(Self(draft))
    }
}
