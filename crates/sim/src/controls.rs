//! The levers of a running simulator: the market, the trader's own platform, faults, and ways to wait.

use std::sync::Arc;
use std::time::Duration;

use riskd_core::engine::Hub;
use riskd_core::model::{AccountId, ContractId, Money, OrderId, Price, Timestamp};
use riskd_gateway::protocol::wire::{Endpoint, Meaning, event};
use tokio::sync::broadcast;

use crate::exchange::{
    CloseRefusal, Exchange, OrderRecord, OrderRefusal, OrderTicket, PlaceRefused, PositionRecord, TradeRecord,
    UnknownContract,
};
use crate::faults::{HubFault, RestFault};
use crate::server::{HubMessage, HubOrder, LoggedRequest, Shared, SimulatorConfig, Topic};

/// A handle on a simulator. Cloning it gives another handle on the same one.
#[derive(Clone)]
pub struct Controls {
    shared: Arc<Shared>,
}

/// The market, and what the trader does on a platform of their own.
impl Controls {
    /// A simulator without a server yet; [`crate::server::serve`] gives it one.
    pub fn new(config: SimulatorConfig) -> Self {
        Self { shared: Shared::new(config) }
    }

    /// One contract trades at `price`: quotes go out, and whatever this reaches fills.
    pub fn tick(&self, contract_id: &ContractId, price: Price) -> Result<(), UnknownContract> {
        self.with_exchange(|exchange, now| exchange.tick(contract_id, price, now))
    }

    /// Bid, ask and last are what is given; whatever this reaches fills.
    pub fn set_quote(
        &self,
        contract_id: &ContractId,
        bid: Price,
        ask: Price,
        last: Price,
    ) -> Result<(), UnknownContract> {
        self.with_exchange(|exchange, now| exchange.set_quote(contract_id, bid, ask, last, now))
    }

    /// Places an order as the trader.
    pub fn place(&self, ticket: OrderTicket) -> Result<OrderId, PlaceRefused> {
        self.with_exchange(|exchange, now| exchange.place(ticket, now))
    }

    /// Cancels an order as the trader.
    pub fn cancel(&self, account_id: AccountId, order_id: OrderId) -> Result<(), OrderRefusal> {
        self.with_exchange(|exchange, now| exchange.cancel(account_id, order_id, now))
    }

    /// Closes a position as the trader.
    pub fn close(&self, account_id: AccountId, contract_id: &ContractId) -> Result<(), CloseRefusal> {
        self.with_exchange(|exchange, now| exchange.close(account_id, contract_id, now))
    }

    /// Lets an account trade or not, as the firm does.
    pub fn set_can_trade(&self, account_id: AccountId, can_trade: bool) {
        self.with_exchange(|exchange, _| exchange.set_can_trade(account_id, can_trade));
    }

    /// Milliseconds of server time between a closing that was accepted and its order reaching the market.
    pub fn delay_closing_ms(&self, delay_ms: i64) {
        self.with_exchange(|exchange, _| exchange.set_close_delay_ms(delay_ms));
    }

    /// Does anything at all on the exchange, at the present moment; subscribers are told what came of it.
    pub fn with_exchange<R>(&self, act: impl FnOnce(&mut Exchange, Timestamp) -> R) -> R {
        self.shared.change(|state, now| act(&mut state.exchange, now))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// What there is to look at.
impl Controls {
    /// Reads the exchange.
    pub fn exchange<R>(&self, read: impl FnOnce(&Exchange) -> R) -> R {
        self.shared.read(|state| read(&state.exchange))
    }

    /// The open positions of an account.
    pub fn positions(&self, account_id: AccountId) -> Vec<PositionRecord> {
        self.exchange(|exchange| exchange.positions(account_id))
    }

    /// The orders of an account that can still fill, suspended ones too.
    pub fn living_orders(&self, account_id: AccountId) -> Vec<OrderRecord> {
        self.exchange(|exchange| exchange.living_orders(account_id))
    }

    /// Every order of an account.
    pub fn orders(&self, account_id: AccountId) -> Vec<OrderRecord> {
        self.exchange(|exchange| exchange.orders(account_id))
    }

    /// Every fill of an account, oldest first.
    pub fn trades(&self, account_id: AccountId) -> Vec<TradeRecord> {
        self.exchange(|exchange| exchange.trades(account_id))
    }

    /// Realized P&L of an account, in dollars, gross of fees.
    pub fn realized_pnl(&self, account_id: AccountId) -> Money {
        self.exchange(|exchange| exchange.realized_pnl(account_id))
    }

    /// Every request to the REST interface so far, oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.read(|state| state.requests.clone())
    }

    /// The requests to one endpoint so far, oldest first.
    pub fn requests_to(&self, endpoint: Endpoint) -> Vec<LoggedRequest> {
        let to_it = |request: &&LoggedRequest| request.endpoint == endpoint;
        self.shared.read(|state| state.requests.iter().filter(to_it).cloned().collect())
    }

    /// How many connections a hub has that shook hands.
    pub fn hub_connections(&self, hub: Hub) -> usize {
        self.shared.read(|state| state.sessions.values().filter(|session| session.hub == hub).count())
    }

    /// Whether any connection is subscribed to a topic.
    pub fn is_subscribed(&self, topic: &Topic) -> bool {
        self.shared.read(|state| state.is_subscribed(topic))
    }

    /// The server's clock.
    pub fn now(&self) -> Timestamp {
        self.shared.now()
    }
}

/// Waiting without sleeping. None of these gives up by itself: put a deadline around them.
impl Controls {
    /// Waits until `holds` is true of this simulator; it is asked again after every change.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.shared.watch_changes();
        while !holds(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until an account holds nothing. Says so at once if it holds nothing now.
    pub async fn until_flat(&self, account_id: AccountId) {
        self.until(|controls| controls.exchange(|exchange| exchange.is_flat(account_id))).await;
    }

    /// Waits until an account holds nothing and has no living order.
    pub async fn until_flat_without_orders(&self, account_id: AccountId) {
        self.until(|controls| {
            controls.exchange(|exchange| exchange.is_flat(account_id) && exchange.living_orders(account_id).is_empty())
        })
        .await;
    }

    /// Waits until an endpoint has been called so many times in all.
    pub async fn until_requested(&self, endpoint: Endpoint, times: usize) {
        self.until(|controls| controls.requests_to(endpoint).len() >= times).await;
    }

    /// Waits until somebody is subscribed to a topic.
    pub async fn until_subscribed(&self, topic: Topic) {
        self.until(|controls| controls.is_subscribed(&topic)).await;
    }

    /// Tells of every account that becomes flat from now on, in order.
    pub fn watch_flat(&self) -> broadcast::Receiver<AccountId> {
        self.shared.watch_flat()
    }
}

/// What can go wrong.
impl Controls {
    /// Adds a fault of the REST interface. The oldest one that matches a call is taken first.
    pub fn add_rest_fault(&self, fault: RestFault) {
        self.shared.change(|state, _| state.rest_faults.push(fault));
    }

    /// Adds a fault of a hub's events. All that match apply, oldest first.
    pub fn add_hub_fault(&self, fault: HubFault) {
        self.shared.change(|state, _| state.add_hub_fault(fault));
    }

    /// Takes every fault of the REST interface and the hubs away. Events that were held for reordering go out now.
    pub fn clear_faults(&self) {
        self.shared.change(|state, _| state.clear_faults());
    }

    /// Refuses the next cancellations.
    pub fn refuse_cancel(&self, times: u32) {
        self.add_rest_fault(RestFault::refusal(Endpoint::CancelOrder, Meaning::Rejected, times));
    }

    /// Refuses the next partial closings.
    pub fn refuse_partial_close(&self, times: u32) {
        self.add_rest_fault(RestFault::refusal(Endpoint::PartialClosePosition, Meaning::Rejected, times));
    }

    /// Closes every connection of a hub, with a close message.
    pub fn close_hub(&self, hub: Hub, error: Option<&str>, allow_reconnect: bool) {
        let error = error.map(str::to_owned);
        self.shared.change(|state, _| {
            state.order(hub, || HubOrder::Close { error: error.clone(), allow_reconnect });
        });
    }

    /// Drops every connection of a hub without a word.
    pub fn cut_hub(&self, hub: Hub) {
        self.shared.change(|state, _| state.order(hub, || HubOrder::Cut));
    }

    /// Makes a hub say nothing at all, not even pings or handshakes, while its connections stay open; or speak again.
    pub fn mute_hub(&self, hub: Hub, muted: bool) {
        self.shared.change(|state, _| state.mute(hub, muted));
    }

    /// Makes the hubs split what they send over two frames, in the middle of a record; or stop doing so.
    pub fn split_hub_frames(&self, splits: bool) {
        self.shared.change(|state, _| state.splits_records = splits);
    }

    /// Sends `GatewayLogout` to everybody on the user hub.
    pub fn send_logout(&self) {
        let message =
            HubMessage { hub: Hub::User, event: event::LOGOUT, topic: Topic::Everybody, payload: String::new() };
        self.shared.change(|state, _| self.shared.send(state, message));
    }

    /// Ends every token as if its time were over: REST answers 401 until somebody logs in again.
    pub fn expire_tokens(&self) {
        self.shared.change(|state, now| state.tokens.expire_all(now));
    }

    /// Refuses new connections, for so long or until [`Self::accept_connections`]. Those that are there stay.
    pub fn refuse_connections(&self, duration: Option<Duration>) {
        self.shared.gate.refuse(duration);
    }

    /// Accepts new connections again.
    pub fn accept_connections(&self) {
        self.shared.gate.accept_again();
    }

    /// Cuts every connection there is, REST calls under way included. New ones are welcome.
    pub fn cut_all_connections(&self) {
        self.shared.gate.cut_all();
    }

    /// Restarts the server as seen from outside: every connection is cut, tokens and subscriptions are forgotten, and
    /// nobody gets in for `down`. The port stays bound, and the exchange goes on.
    pub fn restart(&self, down: Duration) {
        self.shared.gate.refuse(Some(down));
        self.shared.change(|state, _| {
            state.tokens.forget_all();
            state.negotiated.clear();
            state.sessions.clear();
        });
        self.shared.gate.cut_all();
    }
}
