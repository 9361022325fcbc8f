//! Carries out what the engine asks of the broker. Makes no choice; every answer comes back as an event.

use std::sync::Arc;
use std::time::Duration;

use riskd_core::engine::{Hub, Request};
use riskd_core::model::{AccountId, ContractId};
use riskd_gateway::client::hub::{self, Subscriptions};
use riskd_gateway::client::{EventSender, Gateway};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

use super::journal::Durable;

/// How long protective requests wait for the disk. Then they go out all the same.
const PATIENCE_WITH_THE_DISK: Duration = Duration::from_millis(250);
/// How long a stop waits for the hubs and the logout.
const PATIENCE_WITH_THE_BROKER: Duration = Duration::from_secs(3);

/// The way to the broker.
pub(super) struct Executor {
    gateway: Gateway,
    events: EventSender,
    subscriptions: watch::Sender<Subscriptions>,
    stop: watch::Sender<bool>,
    hubs: JoinSet<()>,
}

impl Executor {
    /// Connects both hubs, for ever, with the accounts' subscriptions. Must be called inside a tokio runtime.
    pub(super) fn start(gateway: Gateway, events: EventSender, accounts: impl Iterator<Item = AccountId>) -> Self {
        let wanted = Subscriptions { accounts: accounts.collect(), ..Subscriptions::default() };
        let subscriptions = watch::Sender::new(wanted);
        let stop = watch::Sender::new(false);
        let mut hubs = JoinSet::new();
        for hub in [Hub::User, Hub::Market] {
            let mut stopped = stop.subscribe();
            let shutdown = async move {
                // A dropped sender is a dropped daemon: that stops the hubs, too.
                let _gone = stopped.wait_for(|stopped| *stopped).await;
            };
            hubs.spawn(hub::run(hub, gateway.clone(), subscriptions.subscribe(), events.clone(), shutdown));
        }
        Self { gateway, events, subscriptions, stop, hubs }
    }

    /// The way itself, for its counts.
    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Asks for quotes of a contract from now on.
    pub(super) fn watch_quotes(&self, contract_id: ContractId) {
        self.subscriptions.send_modify(|wanted| {
            wanted.contracts.insert(contract_id);
        });
    }

    /// Sends the requests of one step, side by side, once what was written with them is durable or will not be.
    pub(super) fn execute(&self, requests: Vec<Request>, durable: Option<Durable>) {
        let gateway = self.gateway.clone();
        let events = Arc::new(self.events.clone());
        tokio::spawn(async move {
            if let Some(durable) = durable
                && tokio::time::timeout(PATIENCE_WITH_THE_DISK, durable).await.is_err()
            {
                warn!("the disk is slow: protective requests go out before they are on record");
            }
            for request in requests {
                let (gateway, events) = (gateway.clone(), Arc::clone(&events));
                tokio::spawn(async move {
                    for event in gateway.perform(&request).await {
                        events.push(event);
                    }
                });
            }
        });
    }

    /// Ends the hubs and the session.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async {
            while self.hubs.join_next().await.is_some() {}
            if let Err(error) = self.gateway.log_out().await {
                warn!(%error, "the session could not be ended; it ends by itself");
            }
        };
        if tokio::time::timeout(PATIENCE_WITH_THE_BROKER, ended).await.is_err() {
            warn!("the broker did not let go in time; its session ends by itself");
        }
    }
}
