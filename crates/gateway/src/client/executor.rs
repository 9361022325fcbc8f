//! Carries out the engine's requests and says how it went. No choice is made here.

use riskd_core::engine::{Event, Request, RequestFailure, RequestKind};
use riskd_core::model::{ContractId, OrderType};

use super::CallError;
use super::rest::Gateway;
use crate::protocol::wire;

impl Gateway {
    /// Carries out a request. What comes back is to be fed to the engine in this order: what was learned, and last
    /// always the request's [`Event::Answer`].
    pub async fn perform(&self, request: &Request) -> Vec<Event> {
        let mut events = Vec::new();
        let result = self.carry_out(request, &mut events).await;
        events.push(Event::Answer { request_id: request.id, result });
        events
    }

    async fn carry_out(&self, request: &Request, events: &mut Vec<Event>) -> Result<(), RequestFailure> {
        let failure = |error: CallError| error.to_failure();
        match (&request.kind, request.account_id) {
            (RequestKind::DescribeContract(contract_id), _) => self.describe(contract_id, events).await,
            (RequestKind::ClosePosition(contract_id), Some(account_id)) => {
                self.close_position(account_id, contract_id).await.map_err(failure)
            }
            (RequestKind::ReducePosition { contract_id, size }, Some(account_id)) => {
                self.reduce_position(account_id, contract_id, *size).await.map_err(failure)
            }
            (RequestKind::CancelOrder(order_id), Some(account_id)) => {
                self.cancel_order(account_id, *order_id).await.map_err(failure)
            }
            (RequestKind::PlaceStop { contract_id, side, size, stop_price, tag }, Some(account_id)) => {
                let order = wire::PlaceOrderRequest {
                    account_id: account_id.0,
                    contract_id: contract_id.as_str().to_owned(),
                    order_type: OrderType::Stop.code(),
                    side: side.code(),
                    size: *size,
                    limit_price: None,
                    stop_price: Some((*stop_price).into()),
                    trail_price: None,
                    custom_tag: Some(tag.to_string()),
                    linked_order_id: None,
                    stop_loss_bracket: None,
                    take_profit_bracket: None,
                };
                self.place_order(&order).await.map(|_| ()).map_err(failure)
            }
            (RequestKind::MoveStop { order_id, size, stop_price, limit_price }, Some(account_id)) => {
                let change = wire::ModifyOrderRequest {
                    account_id: account_id.0,
                    order_id: order_id.0,
                    size: *size,
                    limit_price: limit_price.map(Into::into),
                    stop_price: stop_price.map(Into::into),
                    trail_price: None,
                };
                self.modify_order(&change).await.map_err(failure)
            }
            (RequestKind::FindOrder { tag, since }, Some(account_id)) => {
                let found = self.orders_by_tag(account_id, tag, *since).await.map_err(failure)?;
                events.extend(found.rows.into_iter().map(Event::Order));
                match found.refused.into_iter().next() {
                    // It is there, and nobody knows as what.
                    Some(refused) => {
                        let message = format!("the order cannot be read: {}", refused.refusal.invalid);
                        events.push(Event::Refused(refused.refusal));
                        Err(RequestFailure::Unknown { message })
                    }
                    None => Ok(()),
                }
            }
            (RequestKind::Snapshot { trades_since }, Some(account_id)) => {
                let snapshot = self.snapshot(account_id, *trades_since).await.map_err(failure)?;
                events.push(Event::Snapshot(Box::new(snapshot)));
                Ok(())
            }
            (_, None) => Err(RequestFailure::NotSent { message: "the request names no account".to_owned() }),
        }
    }

    async fn describe(&self, contract_id: &ContractId, events: &mut Vec<Event>) -> Result<(), RequestFailure> {
        match self.contract_by_id(contract_id).await.map_err(|error| error.to_failure())? {
            Ok(contract) => {
                events.push(Event::Contract(contract));
                Ok(())
            }
            Err(refused) => {
                let message = format!("the contract's description is not valid: {}", refused.refusal.invalid);
                events.push(Event::Refused(refused.refusal));
                Err(RequestFailure::Unknown { message })
            }
        }
    }
}
