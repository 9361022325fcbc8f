//! The best prices of a contract at a moment.

use jiff::{SignedDuration, Timestamp};

use super::order::check_price;
use super::{Checks, ContractId, Invalid, Noun, Price, reads_as_draft};

/// Age from which a quote is warned about, once a contract until fresh again.
const STALE_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// The fields of a [`Quote`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteDraft {
    /// The contract quoted.
    pub contract_id: ContractId,
    /// Best bid, in points.
    pub bid: Option<Price>,
    /// Best ask, in points.
    pub ask: Option<Price>,
    /// Last trade, in points.
    pub last: Option<Price>,
    /// When the exchange said so.
    pub timestamp: Timestamp,
}

/// A quote with at least one price, and not crossed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote(QuoteDraft);
reads_as_draft!(Quote, QuoteDraft);

impl Quote {
    /// Refuses a quote without a price, with a price that is not greater than 0 (unless the contract allows it), a
    /// crossed one, and one from the future beyond the allowed clock skew.
    pub fn new(draft: QuoteDraft, checks: &Checks) -> Result<Self, Invalid> {
        if draft.bid.is_none() && draft.ask.is_none() && draft.last.is_none() {
            return Err(Invalid::absent(Noun::Quote, "last", "at least one of bid, ask and last is required"));
        }
        check_price(Noun::Quote, "bid", draft.bid, checks)?;
        check_price(Noun::Quote, "ask", draft.ask, checks)?;
        check_price(Noun::Quote, "last", draft.last, checks)?;
        if let (Some(bid), Some(ask)) = (draft.bid, draft.ask)
            && ask < bid
        {
            return Err(Invalid::new(Noun::Quote, "ask", format_args!("{ask} (bid {bid})"), "must not be below bid"));
        }
        if checks.is_in_the_future(draft.timestamp) {
            return Err(Invalid::new(Noun::Quote, "timestamp", draft.timestamp, "must not be in the future"));
        }
        Ok(Self(draft))
    }

    /// Whether the quote is older than 5 s: still valid, and warned about.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now.duration_since(self.timestamp) > STALE_AFTER
    }
}
