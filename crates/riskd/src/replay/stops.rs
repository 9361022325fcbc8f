//! The stops that the rules place in an exported day: each fills at the price that reaches it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use riskd_core::engine::{RequestFailure, RequestKind};
use riskd_core::model::{AccountId, Order, OrderDraft, OrderId, OrderState, OrderType, Price, Side};

use super::wire::CHECKS;

/// The stops that stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Stops {
    standing: BTreeMap<OrderId, Order>,
}

impl Stops {
    pub(super) fn orders(&self) -> Vec<Order> {
        self.standing.values().cloned().collect()
    }

    /// Carries out a request about a stop at a price; gives the order as it is then.
    pub(super) fn carry_out(
        &mut self,
        kind: &RequestKind,
        new_id: OrderId,
        account_id: AccountId,
        last: Option<Price>,
        at: Timestamp,
    ) -> Result<Order, RequestFailure> {
        let order = match kind {
            RequestKind::PlaceStop { contract_id, side, size, stop_price, tag } => Order::new(
                OrderDraft {
                    id: new_id,
                    account_id,
                    contract_id: contract_id.clone(),
                    order_type: OrderType::Stop,
                    side: *side,
                    size: *size,
                    state: OrderState::Working,
                    limit_price: None,
                    stop_price: Some(*stop_price),
                    trail_distance: None,
                    fill_price: None,
                    filled_size: 0,
                    created_at: at,
                    updated_at: at,
                    is_stop_loss: true,
                    custom_tag: Some(Arc::clone(tag)),
                },
                &CHECKS,
            ),
            RequestKind::MoveStop { order_id, size, stop_price, .. } => {
                let mut draft = self.known(*order_id)?;
                draft.size = size.unwrap_or(draft.size);
                draft.stop_price = stop_price.or(draft.stop_price);
                draft.updated_at = at;
                Order::new(draft, &CHECKS)
            }
            RequestKind::CancelOrder(order_id) => {
                let mut draft = self.known(*order_id)?;
                draft.state = OrderState::Cancelled;
                Order::new(draft, &CHECKS)
            }
            _ => return Err(refused("a replay knows one contract and no orders")),
        };
        let order = order.map_err(|invalid| refused(&invalid.to_string()))?;
        if !order.state.is_alive() {
            self.standing.remove(&order.id);
        } else if last.is_some_and(|last| is_reached(&order, last)) {
            return Err(refused("the stop price is already reached"));
        } else {
            self.standing.insert(order.id, order.clone());
        }
        Ok(order)
    }

    /// Takes out every stop that a price reaches, filled.
    pub(super) fn reached(&mut self, last: Price) -> Vec<Order> {
        let reached = self.standing.extract_if(.., |_, order| is_reached(order, last));
        let filled = reached.filter_map(|(_, order)| {
            let mut draft = order.into_draft();
            (draft.state, draft.filled_size, draft.fill_price) = (OrderState::Filled, draft.size, Some(last));
            Order::new(draft, &CHECKS).ok()
        });
        filled.collect()
    }

    fn known(&self, order_id: OrderId) -> Result<OrderDraft, RequestFailure> {
        let order = self.standing.get(&order_id).ok_or_else(|| refused("there is no such order"))?;
        Ok(order.clone().into_draft())
    }
}

fn is_reached(order: &Order, last: Price) -> bool {
    order.stop_price.is_some_and(|stop| if order.side == Side::Sell { last <= stop } else { last >= stop })
}

fn refused(message: &str) -> RequestFailure {
    RequestFailure::Refused { code: 2, message: message.to_owned() }
}
