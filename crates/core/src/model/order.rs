//! A working or finished order.

use std::sync::Arc;

use jiff::Timestamp;

use super::time::time_after_ms;
use super::{
    AccountId, Checks, ContractId, Invalid, Noun, OrderId, Position, Price, milliseconds_between, reads_as_draft,
};

/// The direction of an order or a trade. Numbers are the gateway's and the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// 0
    Buy,
    /// 1
    Sell,
    /// Any other number from the wire or a row; never mistaken for a known one.
    Unknown(i32),
}

/// The kind of an order. Numbers are the gateway's and the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderType {
    /// 1
    Limit,
    /// 2
    Market,
    /// 3
    StopLimit,
    /// 4
    Stop,
    /// 5
    TrailingStop,
    /// 6
    JoinBid,
    /// 7
    JoinAsk,
    /// Any other number from the wire or a row; never mistaken for a known one.
    Unknown(i32),
}

/// Where an order is in its life. The names are what counts: the gateway numbers them one way, the database another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Accepted, not yet working; also a suspended bracket child.
    Pending,
    /// In the market; also while a cancellation is on its way.
    Working,
    /// Completely filled.
    Filled,
    /// Cancelled.
    Cancelled,
    /// Refused by the broker or the exchange.
    Rejected,
    /// Ended by time.
    Expired,
    /// A gateway status this program does not know; treated as alive.
    Unknown(i32),
}

impl Side {
    /// Reads the gateway's and the database's number.
    pub const fn from_code(code: i32) -> Self {
        match code {
            0 => Self::Buy,
            1 => Self::Sell,
            other => Self::Unknown(other),
        }
    }

    /// The gateway's and the database's number.
    pub const fn code(self) -> i32 {
        match self {
            Self::Buy => 0,
            Self::Sell => 1,
            Self::Unknown(code) => code,
        }
    }
}

impl OrderType {
    /// Reads the gateway's and the database's number.
    pub const fn from_code(code: i32) -> Self {
        match code {
            1 => Self::Limit,
            2 => Self::Market,
            3 => Self::StopLimit,
            4 => Self::Stop,
            5 => Self::TrailingStop,
            6 => Self::JoinBid,
            7 => Self::JoinAsk,
            other => Self::Unknown(other),
        }
    }

    /// The gateway's and the database's number.
    pub const fn code(self) -> i32 {
        match self {
            Self::Limit => 1,
            Self::Market => 2,
            Self::StopLimit => 3,
            Self::Stop => 4,
            Self::TrailingStop => 5,
            Self::JoinBid => 6,
            Self::JoinAsk => 7,
            Self::Unknown(code) => code,
        }
    }

    /// Whether an order of this type can protect a position.
    pub const fn is_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit | Self::TrailingStop)
    }
}

impl OrderState {
    /// Reads the number in `orders.state`. A status of the gateway that has no database number is kept as `-1 - status`,
    /// or as `6 - status` should it ever be below zero: never as one of the database's own.
    pub const fn from_database_code(code: i64) -> Self {
        match code {
            1 => Self::Pending,
            2 => Self::Working,
            3 => Self::Filled,
            4 => Self::Cancelled,
            5 => Self::Rejected,
            6 => Self::Expired,
            other if other > 6 => Self::Unknown((6 - other) as i32),
            other => Self::Unknown((-1 - other) as i32),
        }
    }

    /// The number in `orders.state`.
    pub const fn database_code(self) -> i64 {
        match self {
            Self::Pending => 1,
            Self::Working => 2,
            Self::Filled => 3,
            Self::Cancelled => 4,
            Self::Rejected => 5,
            Self::Expired => 6,
            Self::Unknown(status) if status < 0 => 6 - status as i64,
            Self::Unknown(status) => -1 - status as i64,
        }
    }

    /// Reads the gateway's order status.
    pub const fn from_gateway_status(status: i32) -> Self {
        match status {
            // none, pending, suspended
            0 | 6 | 8 => Self::Pending,
            // open, pending cancellation
            1 | 7 => Self::Working,
            2 => Self::Filled,
            3 => Self::Cancelled,
            4 => Self::Expired,
            5 => Self::Rejected,
            other => Self::Unknown(other),
        }
    }

    /// Whether the order can still fill, as far as anybody knows.
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Pending | Self::Working | Self::Unknown(_))
    }
}

/// The fields of an [`Order`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDraft {
    /// The gateway's number of the order.
    pub id: OrderId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// The contract it trades.
    pub contract_id: ContractId,
    /// Limit, market, stop, …
    pub order_type: OrderType,
    /// Buy or sell.
    pub side: Side,
    /// Contracts ordered.
    pub size: i64,
    /// Where it is in its life.
    pub state: OrderState,
    /// Limit, in points.
    pub limit_price: Option<Price>,
    /// Stop, in points.
    pub stop_price: Option<Price>,
    /// Distance a trailing stop keeps, in points.
    pub trail_distance: Option<Price>,
    /// Average price of what was filled, in points.
    pub fill_price: Option<Price>,
    /// Contracts filled so far.
    pub filled_size: i64,
    /// When the gateway took it.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whether it is there to protect a position.
    pub is_stop_loss: bool,
    /// The tag it was placed with, where the gateway says so; the database does not keep it.
    pub custom_tag: Option<Arc<str>>,
}

/// How the tags of the stops begin that this program places: by them it knows its own again after a restart.
const TAG_OF_OUR_STOPS: &str = "riskd-stop-";

/// The tag of a stop that this program places: of the moment, and a number that is given once in a run.
pub(crate) fn stop_tag(at: Timestamp, number: u64) -> Arc<str> {
    Arc::from(format!("{TAG_OF_OUR_STOPS}{}-{number}", at.as_millisecond()))
}

/// How long a market order may take to fill, in milliseconds; one that is older hangs.
const MARKET_ORDER_HANGS_AFTER_MS: i64 = 5_000;

/// An order that makes sense: sizes and prices fit its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order(OrderDraft);
reads_as_draft!(Order, OrderDraft);

impl Order {
    /// Refuses sizes out of order, prices missing for the type, and prices that are not greater than 0 (unless the
    /// contract allows it).
    pub fn new(draft: OrderDraft, checks: &Checks) -> Result<Self, Invalid> {
        let invalid = |field, value: &dyn std::fmt::Display, rule| Err(Invalid::new(Noun::Order, field, value, rule));
        if draft.size <= 0 {
            return invalid("size", &draft.size, "must be greater than 0");
        }
        if draft.filled_size < 0 {
            return invalid("filled_size", &draft.filled_size, "must not be negative");
        }
        if draft.filled_size > draft.size {
            return invalid("filled_size", &draft.filled_size, "must not exceed size");
        }
        check_prices_of_type(&draft)?;
        for (field, price) in
            [("limit_price", draft.limit_price), ("stop_price", draft.stop_price), ("fill_price", draft.fill_price)]
        {
            check_price(Noun::Order, field, price, checks)?;
        }
        if let Some(distance) = draft.trail_distance.filter(|distance| !distance.is_positive()) {
            return invalid("trail_distance", &distance, "must be greater than 0");
        }
        Ok(Self(draft))
    }

    /// Whether this is a stop that this program placed.
    pub fn is_our_stop(&self) -> bool {
        self.order_type == OrderType::Stop
            && self.custom_tag.as_deref().is_some_and(|tag| tag.starts_with(TAG_OF_OUR_STOPS))
    }

    /// Contracts that can still fill.
    pub fn remaining(&self) -> i64 {
        self.size - self.filled_size
    }

    /// The same order with a tag.
    pub(crate) fn tagged(self, custom_tag: Option<Arc<str>>) -> Self {
        Self(OrderDraft { custom_tag, ..self.0 })
    }

    /// Whether a fill would make this position smaller (or turn it round): it is on the other side of the same contract.
    /// A position whose direction nobody knows is on any other side.
    pub fn reduces(&self, position: &Position) -> bool {
        let other_side = match self.side {
            Side::Buy => position.signed_size() <= 0,
            Side::Sell => position.signed_size() >= 0,
            Side::Unknown(_) => true,
        };
        self.contract_id == position.contract_id && other_side
    }

    /// Whether this is a market order that should fill at any moment; one that is older than a few seconds hangs.
    pub fn is_about_to_fill(&self, at: Timestamp) -> bool {
        // The broker's clock may be ahead of ours: only the distance counts.
        self.order_type == OrderType::Market
            && milliseconds_between(self.created_at, at).saturating_abs() < MARKET_ORDER_HANGS_AFTER_MS
    }

    /// When a market order that should fill at any moment begins to hang instead.
    pub fn hangs_at(&self, at: Timestamp) -> Option<Timestamp> {
        self.is_about_to_fill(at).then(|| time_after_ms(self.created_at, MARKET_ORDER_HANGS_AFTER_MS))
    }
}

fn check_prices_of_type(draft: &OrderDraft) -> Result<(), Invalid> {
    let absent = |field, rule| Err(Invalid::absent(Noun::Order, field, rule));
    match draft.order_type {
        OrderType::Limit if draft.limit_price.is_none() => absent("limit_price", "required for a LIMIT order"),
        OrderType::Stop if draft.stop_price.is_none() => absent("stop_price", "required for a STOP order"),
        OrderType::StopLimit if draft.limit_price.is_none() => absent("limit_price", "required for a STOP_LIMIT order"),
        OrderType::StopLimit if draft.stop_price.is_none() => absent("stop_price", "required for a STOP_LIMIT order"),
        OrderType::TrailingStop if draft.stop_price.is_none() && draft.trail_distance.is_none() => {
            absent("stop_price", "a TRAILING_STOP order requires stop_price or trail_distance")
        }
        _ => Ok(()),
    }
}

/// The one check of a price: greater than 0, unless the contract may trade below. NaN and infinities cannot get here:
/// [`Price`] refuses them.
pub(crate) fn check_price(
    noun: Noun,
    field: &'static str,
    price: Option<Price>,
    checks: &Checks,
) -> Result<(), Invalid> {
    match price {
        Some(price) if !price.is_positive() && !checks.allows_negative_price => {
            Err(Invalid::new(noun, field, price, "must be greater than 0"))
        }
        _ => Ok(()),
    }
}
