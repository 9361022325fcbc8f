//! Why the exchange says no. The numbers are the gateway's, and mean something else on every endpoint.

use riskd_core::model::OrderId;

/// Why an order was not taken, with the number of the order where one was recorded all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PlaceRefused {
    /// The rejected order's number; absent where there is no order to speak of.
    pub order_id: Option<OrderId>,
    /// The kind of refusal.
    pub kind: PlaceRefusal,
    /// Why, in words.
    pub reason: String,
}

/// The kinds of refusal of a new order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceRefusal {
    /// 1
    AccountNotFound,
    /// 2
    Rejected,
    /// 3
    InsufficientFunds,
    /// 5
    OutsideTradingHours,
    /// 8
    ContractNotFound,
    /// 9
    ContractNotActive,
    /// 10
    AccountRejected,
}

/// The kinds of refusal of a change or a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// 1
    #[error("account not found")]
    AccountNotFound,
    /// 2
    #[error("order not found")]
    OrderNotFound,
    /// 3
    #[error("order rejected")]
    Rejected,
}

/// The kinds of refusal of a closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseRefusal {
    /// 1
    #[error("account not found")]
    AccountNotFound,
    /// 2
    #[error("position not found")]
    PositionNotFound,
    /// 3
    #[error("contract not found")]
    ContractNotFound,
    /// 4
    #[error("contract not active")]
    ContractNotActive,
    /// 5, of a part only
    #[error("invalid close size")]
    InvalidSize,
    /// 5 of the whole, 6 of a part
    #[error("close rejected")]
    Rejected,
}

impl PlaceRefusal {
    /// The gateway's `errorCode` of `Order/place`.
    pub const fn code(self) -> i32 {
        match self {
            Self::AccountNotFound => 1,
            Self::Rejected => 2,
            Self::InsufficientFunds => 3,
            Self::OutsideTradingHours => 5,
            Self::ContractNotFound => 8,
            Self::ContractNotActive => 9,
            Self::AccountRejected => 10,
        }
    }
}

impl OrderRefusal {
    /// The gateway's `errorCode` of `Order/modify` and `Order/cancel`.
    pub const fn code(self) -> i32 {
        match self {
            Self::AccountNotFound => 1,
            Self::OrderNotFound => 2,
            Self::Rejected => 3,
        }
    }
}

impl CloseRefusal {
    /// The gateway's `errorCode` of `Position/closeContract`.
    pub const fn code(self) -> i32 {
        match self {
            Self::AccountNotFound => 1,
            Self::PositionNotFound => 2,
            Self::ContractNotFound => 3,
            Self::ContractNotActive => 4,
            Self::InvalidSize | Self::Rejected => 5,
        }
    }

    /// The gateway's `errorCode` of `Position/partialCloseContract`, where 5 is the size and the rest moves up by one.
    pub const fn code_of_part(self) -> i32 {
        match self {
            Self::Rejected => 6,
            other => other.code(),
        }
    }
}
