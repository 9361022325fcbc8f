//! What rules share that block an account, or some products, for a time: who offends, and what is done about it.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::{Breach, Goal};
use crate::model::{ContractId, EnforcementAction, Order, OrderId, Position, SymbolRoot, same_product};
use crate::state::AccountView;

/// What stands in an account and may not.
#[derive(Debug, Default)]
pub(super) struct Offenders {
    positions: Vec<ContractId>,
    orders: Vec<(OrderId, ContractId)>,
}

/// How long a product has been blocked, and what may stay in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Since when.
    pub(super) since: Timestamp,
    /// Whether positions opened before may stay, and orders that would only make them smaller.
    pub(super) spares_what_was_held: bool,
}

impl Offenders {
    /// Looks at everything in the account. `block_of` says whether a contract is blocked now.
    ///
    /// A market order that should fill at any moment is left to become a position, as everywhere: a close of ours cannot be
    /// told from a trader's order.
    pub(super) fn find(view: &AccountView<'_>, block_of: impl Fn(&ContractId) -> Option<Block>) -> Self {
        let book = &view.account.book;
        let mut offenders = Self::default();
        for position in book.positions() {
            let Some(block) = block_of(&position.contract_id) else { continue };
            if !block.spares_what_was_held || was_opened_since(view, position, block.since) {
                offenders.positions.push(position.contract_id.clone());
            }
        }
        for order in book.orders().filter(|order| !order.is_about_to_fill(view.at)) {
            let Some(block) = block_of(&order.contract_id) else { continue };
            // A stop of ours is of the size of its position and goes with it, a moment later than the position changes.
            if !(block.spares_what_was_held && (order.is_our_stop() || is_an_exit(view, order))) {
                offenders.orders.push((order.id, order.contract_id.clone()));
            }
        }
        offenders
    }

    /// The first one, for the reason: `position in CON.F.US.MNQ.U25`.
    pub(super) fn describe(&self) -> String {
        match (self.positions.first(), self.orders.first()) {
            (Some(contract_id), _) => format!("position in {contract_id}"),
            (None, Some((order_id, contract_id))) => format!("order {order_id} in {contract_id}"),
            (None, None) => "nothing".to_owned(),
        }
    }

    /// The contracts of all of them.
    pub(super) fn contracts(&self) -> Vec<ContractId> {
        let ordered = self.orders.iter().map(|(_, contract_id)| contract_id);
        let mut contracts: Vec<_> = self.positions.iter().chain(ordered).cloned().collect();
        contracts.sort();
        contracts.dedup();
        contracts
    }

    /// Closes everything and cancels everything, without a lock.
    pub(super) fn clear_the_account(&self, reason: String) -> Breach {
        self.breach(Goal::Flat { cancel_orders: true }, reason)
    }

    /// Closes and cancels everything in these products, and leaves all others alone.
    pub(super) fn clear_the_products(&self, reason: String) -> Breach {
        self.breach(Goal::ContractsFlat { contract_ids: self.contracts() }, reason)
    }

    /// Closes the positions that offend; where there is none, cancels the orders that do. What is left is found once that
    /// is done.
    pub(super) fn clear_only_these(&self, reason: String) -> Breach {
        if self.positions.is_empty() {
            let order_ids = self.orders.iter().map(|(order_id, _)| *order_id).collect();
            return self.breach(Goal::OrdersGone { order_ids }, reason);
        }
        self.breach(Goal::ContractsFlat { contract_ids: self.positions.clone() }, reason)
    }

    fn breach(&self, goal: Goal, reason: String) -> Breach {
        let action = match &goal {
            _ if self.positions.is_empty() => EnforcementAction::CancelOrders,
            Goal::Flat { .. } => EnforcementAction::CloseAllPositions,
            // Of several products too: each of them is closed, and not all of the account.
            _ => EnforcementAction::ClosePosition,
        };
        Breach { action, goal, lock: None, reason, pnl: None }
    }
}

/// Whether a position was opened, or made larger, at `since` or later.
fn was_opened_since(view: &AccountView<'_>, position: &Position, since: Timestamp) -> bool {
    // A fill that realizes nothing opened something.
    let opens = |trade: &crate::model::Trade| {
        trade.contract_id == position.contract_id
            && trade.profit_and_loss.is_none()
            && !trade.voided
            && trade.execution_time >= since
    };
    position.created_at >= since || view.account.session.trades().any(opens)
}

/// Whether an order can only make a position smaller.
fn is_an_exit(view: &AccountView<'_>, order: &Order) -> bool {
    view.account.book.position(&order.contract_id).is_some_and(|position| {
        position.has_known_direction() && order.reduces(position) && order.size - order.filled_size <= position.size
    })
}

/// When the next market order that is left to fill counts as hanging.
pub(super) fn next_hanging(view: &AccountView<'_>) -> Option<Timestamp> {
    view.account.book.orders().filter_map(|order| order.hangs_at(view.at)).min()
}

/// Whether a root in a config file names the product of a contract in the account.
pub(super) fn names(view: &AccountView<'_>, root: &str, contract_id: &ContractId) -> bool {
    let contract = view.markets.get(contract_id).and_then(|market| market.contract());
    same_product(SymbolRoot(root), contract_id, contract)
}

/// Reads `17:00`.
pub(super) fn wall_clock(text: &str) -> Result<Time, String> {
    Time::strptime("%H:%M", text).map_err(|_| format!("{text:?} is not a time of day such as \"17:00\""))
}

/// The time zone of that IANA name; New York without one.
pub(super) fn time_zone(name: Option<&str>) -> Result<TimeZone, String> {
    let name = name.unwrap_or("America/New_York");
    TimeZone::get(name).map_err(|_| format!("{name:?} is not the name of a time zone, such as America/New_York"))
}
