//! The nouns. A value of any of these types is valid, always.
//!
//! Each noun is built from a draft of public fields by one fallible constructor, whether the fields come from the
//! wire, from a row or from a test. A noun can be read through its draft (`order.size`) but never changed in place.
//! The rules of validity are those of the product's model page; each is checked in exactly one place, here.
//!
//! Architecture invariant: nothing here reads a clock. "Now" comes in through [`Checks`].

mod account;
mod admin_act;
mod calendar;
mod commitment;
mod contract;
mod daily_pnl;
mod drawdown_mark;
mod enforcement;
mod fixed;
mod hours;
mod ids;
mod invalid;
mod lockout;
mod money;
mod order;
mod position;
mod quote;
mod time;
mod trade;

pub use account::{Account, AccountDraft};
pub use admin_act::{AdminAct, AdminActKind};
pub use calendar::{Holiday, HolidayCalendar, Impact, NewsCalendar, NewsEvent};
pub use commitment::Commitment;
pub use contract::{Contract, ContractDraft, ROOTS_BELOW_ZERO, SymbolRoot, may_trade_below_zero, same_product};
pub use daily_pnl::{DailyPnl, DailyPnlDraft, DailyUnrealizedPnl, DailyUnrealizedPnlDraft};
pub use drawdown_mark::DrawdownMark;
pub use enforcement::{EnforcementAction, EnforcementLog, EnforcementLogDraft, EnforcementStatus};
pub use fixed::NumberError;
pub use hours::{TradingHours, TradingSession};
pub use ids::{AccountId, ContractId, EnforcementId, OrderId, PositionId, RuleId, TradeId};
pub use invalid::{Invalid, Noun};
pub use lockout::{Lockout, LockoutDraft};
pub use money::{Money, Price, TickSize};
pub(crate) use order::stop_tag;
pub use order::{Order, OrderDraft, OrderState, OrderType, Side};
pub use position::{EXTREME_PNL_PER_CONTRACT, Position, PositionDraft, PositionType};
pub use quote::{Quote, QuoteDraft};
pub(crate) use time::time_after_ms;
pub use time::{Checks, DEFAULT_CLOCK_SKEW_MS, TradingDayClock, milliseconds_between, truncate_to_millisecond};
pub use trade::{Trade, TradeDraft};

pub use jiff::Timestamp;
pub use jiff::civil::Date;

/// Gives a noun read access to the fields of its draft, and nothing else.
macro_rules! reads_as_draft {
    ($noun:ident, $draft:ident) => {
        impl std::ops::Deref for $noun {
            type Target = $draft;
            fn deref(&self) -> &$draft {
                &self.0
            }
        }
        impl $noun {
            /// Gives the fields back, to make a changed noun through the constructor again.
            pub fn into_draft(self) -> $draft {
                self.0
            }
        }
    };
}
pub(crate) use reads_as_draft;
