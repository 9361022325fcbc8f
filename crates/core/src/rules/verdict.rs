//! What a rule is asked, and what it answers.

use jiff::Timestamp;

use crate::model::{ContractId, EnforcementAction, Money, Order, OrderId, PositionId, Price};
use crate::state::{Book, Drawdown, Strayed, is_tighter};

/// What just happened to the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// Its position in a contract was opened, changed or closed.
    Position(ContractId),
    /// One of its orders is new, changed or gone.
    Order(OrderId),
    /// The day's trades changed.
    Trades,
    /// A contract it holds has new prices, or can be priced for the first time.
    Price(ContractId),
    /// The gateway said something new of the account itself.
    Account,
    /// A moment has come that a rule asked for by `next_moment`, or the config changed.
    Time,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to do.
    Within,
    /// The rule is broken.
    Breached(Box<Breach>),
}

/// What a rule wants to have remembered. Kept in the account's state until what it speaks of is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A P&L has been far from zero.
    Strayed {
        /// The position's contract; absent for the sum over all positions.
        contract_id: Option<ContractId>,
        /// On which side.
        strayed: Strayed,
    },
    /// The mark of the drawdown is set, or rises.
    Drawdown(DrawdownNote),
    /// The price stands better for a position than it ever did.
    Best {
        /// The position's contract.
        contract_id: ContractId,
        /// The price, in points.
        price: Price,
    },
}

/// A new mark of a drawdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawdownNote {
    /// The mark.
    pub drawdown: Drawdown,
    /// Dollars by which it may have grown before it must be on the disk.
    pub step: Money,
}

/// A broken rule and what follows from it. A breach is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// What is done, as the log names it.
    pub action: EnforcementAction,
    /// What the broker must show for it to be done.
    pub goal: Goal,
    /// For how long the account is locked, if it is.
    pub lock: Option<LockTerm>,
    /// Why, in a sentence with the numbers.
    pub reason: String,
    /// The P&L that breached, in dollars.
    pub pnl: Option<Money>,
}

impl Breach {
    /// Closes everything, cancels everything, locks.
    pub fn close_all_and_lock(lock: LockTerm, reason: String, pnl: Option<Money>) -> Self {
        Self {
            action: EnforcementAction::CloseAllAndLockout,
            goal: Goal::Flat { cancel_orders: true },
            lock: Some(lock),
            reason,
            pnl,
        }
    }
}

impl Breach {
    /// Locks until a moment, and closes nothing. The engine says what was there, and may stay.
    pub fn cooldown(until: Timestamp, reason: String, pnl: Option<Money>) -> Self {
        Self {
            action: EnforcementAction::Cooldown,
            goal: Goal::NothingBeyond { contract_id: None, sizes: Vec::new(), order_ids: Vec::new() },
            lock: Some(LockTerm::Until(until)),
            reason,
            pnl,
        }
    }
}

/// How long a lockout lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockTerm {
    /// Until the account's trading day turns.
    #[serde(rename = "daily_reset")]
    UntilDailyReset,
    /// Until an admin ends it.
    #[serde(rename = "permanent")]
    WithoutEnd,
    /// Until a moment that the rule reckons; no config says it.
    #[serde(skip)]
    Until(Timestamp),
}

impl LockTerm {
    /// Whether this term ends before the other might.
    pub(crate) fn is_shorter_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::WithoutEnd, _) | (Self::UntilDailyReset, Self::UntilDailyReset) => false,
            (Self::Until(mine), Self::Until(theirs)) => mine < theirs,
            (Self::UntilDailyReset | Self::Until(_), _) => true,
        }
    }
}

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
    /// Nothing is held in these contracts, and no order stands in them. Every other contract is left alone.
    ContractsFlat {
        /// The contracts.
        contract_ids: Vec<ContractId>,
    },
    /// These orders are gone. Every position and every other order is left alone.
    OrdersGone {
        /// The orders.
        order_ids: Vec<OrderId>,
    },
    /// Nothing is there but what is listed: no larger position, no other order; in one contract, or in all.
    NothingBeyond {
        /// The contract it speaks of; absent when it speaks of the whole account.
        contract_id: Option<ContractId>,
        /// Contracts and the largest size, without sign, that may stay. A contract that is not listed may hold nothing.
        sizes: Vec<(ContractId, i64)>,
        /// Orders that may stay.
        order_ids: Vec<OrderId>,
    },
    /// A position has its stop. Nothing is closed and nothing cancelled for it.
    StopStands {
        /// The contract.
        contract_id: ContractId,
        /// The position; once it is gone or turned round, nothing is left to be reached.
        position_id: PositionId,
        /// Whether it is long.
        is_long: bool,
        /// Where the stop is to stand, in points.
        stop: Price,
        /// The stop that is moved there; absent where one is placed.
        order_id: Option<OrderId>,
        /// The tag of the one that is placed, by which the next run can ask what became of it.
        tag: Option<String>,
    },
}

impl Goal {
    /// The largest size, without sign, that may stay in a contract; absent when the goal leaves it alone.
    pub fn largest_size(&self, contract_id: &ContractId) -> Option<i64> {
        match self {
            Self::Flat { .. } => Some(0),
            Self::PositionClosed { contract_id: closed } => (closed == contract_id).then_some(0),
            Self::Reduced { targets } => listed(targets, contract_id),
            Self::ContractsFlat { contract_ids } => contract_ids.contains(contract_id).then_some(0),
            Self::OrdersGone { .. } | Self::StopStands { .. } => None,
            Self::NothingBeyond { contract_id: only, sizes, .. } => {
                let speaks_of_it = only.as_ref().is_none_or(|only| only == contract_id);
                speaks_of_it.then(|| listed(sizes, contract_id).unwrap_or(0))
            }
        }
    }

    /// Whether reaching this goal reaches the other, too.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flat { cancel_orders: true }, Self::ContractsFlat { .. } | Self::OrdersGone { .. }) => true,
            (Self::ContractsFlat { contract_ids }, Self::ContractsFlat { contract_ids: others }) => {
                others.iter().all(|other| contract_ids.contains(other))
            }
            (Self::OrdersGone { order_ids }, Self::OrdersGone { order_ids: others }) => {
                others.iter().all(|other| order_ids.contains(other))
            }
            (one, other) => one == other,
        }
    }

    /// Whether the book shows it.
    pub fn is_met_by(&self, book: &Book) -> bool {
        if let Self::StopStands { contract_id, position_id, is_long, stop, order_id, .. } = self {
            let held = book.position(contract_id).filter(|held| held.id == *position_id);
            return held.filter(|held| (held.signed_size() > 0) == *is_long).is_none_or(|held| match order_id {
                Some(order_id) => book.order(*order_id).is_none_or(|order| {
                    order.stop_price.is_some_and(|at| at == *stop || is_tighter(*is_long, at, *stop))
                }),
                None => {
                    let closes = |order: &&Order| order.order_type.is_stop() && order.reduces(held);
                    book.orders().filter(closes).map(Order::remaining).fold(0, i64::saturating_add) >= held.size
                }
            });
        }
        !book.orders().any(|order| self.cancels(order))
            && book
                .positions()
                .all(|position| self.largest_size(&position.contract_id).is_none_or(|largest| position.size <= largest))
    }

    /// Whether what it wants of orders must be seen.
    pub fn speaks_of_orders(&self) -> bool {
        match self {
            Self::Flat { cancel_orders } => *cancel_orders,
            Self::ContractsFlat { .. } | Self::OrdersGone { .. } => true,
            Self::NothingBeyond { .. } | Self::StopStands { .. } => true,
            Self::PositionClosed { .. } | Self::Reduced { .. } => false,
        }
    }

    /// Whether this order must go. Where positions may stay, the stop that this program placed for one stays with it.
    pub fn cancels(&self, order: &Order) -> bool {
        match self {
            Self::Flat { cancel_orders } => *cancel_orders,
            Self::ContractsFlat { contract_ids } => contract_ids.contains(&order.contract_id),
            Self::OrdersGone { order_ids } => order_ids.contains(&order.id),
            Self::NothingBeyond { contract_id: only, order_ids, .. } => {
                let speaks_of_it = only.as_ref().is_none_or(|only| *only == order.contract_id);
                speaks_of_it && !order_ids.contains(&order.id) && !order.is_our_stop()
            }
            Self::PositionClosed { .. } | Self::Reduced { .. } | Self::StopStands { .. } => false,
        }
    }
}

fn listed(sizes: &[(ContractId, i64)], contract_id: &ContractId) -> Option<i64> {
    sizes.iter().find(|(id, _)| id == contract_id).map(|(_, size)| *size)
}
