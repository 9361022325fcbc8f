//! Carries out the engine's requests and says how it went. No choice is made here.

use riskd_core::engine::{Event, Request, RequestFailure, RequestKind};
use riskd_core::model::ContractId;

use super::CallError;
use super::rest::Gateway;

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
