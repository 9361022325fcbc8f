//! Why the exchange says no. The gateway gives each meaning another number on every endpoint.

use riskd_core::model::OrderId;
use riskd_gateway::protocol::wire::Meaning;

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
    /// There is no such account.
    AccountNotFound,
    /// The exchange will not have it; the reason says why.
    Rejected,
    /// The account's cash does not cover the margin.
    InsufficientFunds,
    /// The exchange is shut.
    OutsideTradingHours,
    /// There is no such contract.
    ContractNotFound,
    /// The contract is not traded now.
    ContractNotActive,
    /// The account is not permitted to trade.
    AccountRejected,
}

/// The kinds of refusal of a change or a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// There is no such account.
    #[error("account not found")]
    AccountNotFound,
    /// There is no such order that could still fill.
    #[error("order not found")]
    OrderNotFound,
    /// The exchange will not have it; the reason says why.
    #[error("order rejected")]
    Rejected,
}

/// The kinds of refusal of a closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseRefusal {
    /// There is no such account.
    #[error("account not found")]
    AccountNotFound,
    /// Nothing is held in the contract.
    #[error("position not found")]
    PositionNotFound,
    /// There is no such contract.
    #[error("contract not found")]
    ContractNotFound,
    /// The contract is not traded now.
    #[error("contract not active")]
    ContractNotActive,
    /// More than is held, or nothing at all.
    #[error("invalid close size")]
    InvalidSize,
    /// The exchange will not have it; the reason says why.
    #[error("close rejected")]
    Rejected,
}

impl PlaceRefusal {
    /// What the gateway calls it.
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::AccountNotFound => Meaning::AccountNotFound,
            Self::Rejected => Meaning::Rejected,
            Self::InsufficientFunds => Meaning::InsufficientFunds,
            Self::OutsideTradingHours => Meaning::OutsideTradingHours,
            Self::ContractNotFound => Meaning::ContractNotFound,
            Self::ContractNotActive => Meaning::ContractNotActive,
            Self::AccountRejected => Meaning::AccountRejected,
        }
    }
}

impl OrderRefusal {
    /// What the gateway calls it.
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::AccountNotFound => Meaning::AccountNotFound,
            Self::OrderNotFound => Meaning::OrderNotFound,
            Self::Rejected => Meaning::Rejected,
        }
    }
}

impl CloseRefusal {
    /// What the gateway calls it.
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::AccountNotFound => Meaning::AccountNotFound,
            Self::PositionNotFound => Meaning::PositionNotFound,
            Self::ContractNotFound => Meaning::ContractNotFound,
            Self::ContractNotActive => Meaning::ContractNotActive,
            Self::InvalidSize => Meaning::InvalidSize,
            Self::Rejected => Meaning::Rejected,
        }
    }
}
