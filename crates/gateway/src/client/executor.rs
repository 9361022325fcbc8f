//! Carries out the engine's requests and says how it went. No choice is made here, but for one that the gateway forces:
//! a partial close that live accounts refuse becomes a full one.

use riskd_core::engine::{Event, Request, RequestFailure, RequestKind};
use riskd_core::model::{AccountId, ContractId};

use super::CallError;
use super::rest::Gateway;
use crate::protocol::wire::Meaning;

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
                self.reduce_or_close(account_id, contract_id, *size).await.map_err(failure)
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

    /// Live accounts refuse a partial close. Too much closed is safer than too little, so the whole position goes then.
    async fn reduce_or_close(
        &self,
        account_id: AccountId,
        contract_id: &ContractId,
        size: i64,
    ) -> Result<(), CallError> {
        let error = match self.reduce_position(account_id, contract_id, size).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // Every other refusal says something about the position or the request, which only the engine can weigh.
        if !matches!(error.meaning(), Some(Meaning::Rejected | Meaning::AccountRejected)) {
            return Err(error);
        }
        tracing::error!(
            %account_id, %contract_id, size, %error,
            "the broker refuses to close part of a position; closing all of it"
        );
        self.close_position(account_id, contract_id).await
    }
}
