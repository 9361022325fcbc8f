//! What enforcements still have to reach.

use crate::model::{ContractId, OrderId};

/// What the broker must show before an enforcement counts as done. Kept with its log row, so a restart goes on with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// No position is open; and no order either, if orders are to be cancelled.
    Flat {
        /// Whether every order must be gone too.
        cancel_orders: bool,
    },
    /// The position in this contract is closed.
    PositionClosed {
        /// The contract.
        contract_id: ContractId,
    },
    /// No position is larger than its target. A contract that is not listed is left alone.
    Reduced {
        /// Contracts and the largest size, without sign, that may stay.
        targets: Vec<(ContractId, i64)>,
    },
    /// This order is gone.
    OrderGone {
        /// The order.
        order_id: OrderId,
    },
}
