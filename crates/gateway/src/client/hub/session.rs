//! One connection of a hub, from opening to loss.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use riskd_core::engine::{Event, Hub};
use riskd_core::model::AccountId;
use secrecy::ExposeSecret;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use super::super::Clock;
use super::super::auth::Token;
use super::super::config::HubTimeouts;
use super::super::limiter::Priority;
use super::super::queue::EventSender;
use super::super::reconnect::Reconnect;
use super::super::rest::Gateway;
use super::Subscriptions;
use super::inbox::{Awaited, Inbox};
use crate::protocol::frames::{self, RecordSplitter};
use crate::protocol::redact::redact_known;
use crate::protocol::wire::{hub_path, method};

/// The largest WebSocket message accepted, in bytes.
const MESSAGE_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ending {
    /// We were asked to stop.
    Shutdown,
    /// It was lost, or had to be given up; secrets out.
    Lost(String),
}

/// A connection that has shaken hands and asked for its subscriptions.
pub(super) struct Session {
    hub: Hub,
    gateway: Gateway,
    events: EventSender,
    clock: Clock,
    timeouts: HubTimeouts,
    token: Arc<Token>,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    splitter: RecordSplitter,
    inbox: Inbox,
    subscribed: Subscriptions,
    accounts_so_far: BTreeSet<AccountId>,
    calls_made: u64,
    answer_deadline: Instant,
    last_frame: Instant,
    /// Whether the queue is to be told once every call is answered.
    announce: bool,
    is_up: bool,
}

impl Session {
    /// Connects, shakes hands and sends every subscription.
    pub(super) async fn open(
        hub: Hub,
        gateway: &Gateway,
        subscriptions: &mut watch::Receiver<Subscriptions>,
        events: &EventSender,
    ) -> Result<Self, String> {
        let timeouts = gateway.inner.config.hub_timeouts;
        let token = gateway.inner.auth.token(Priority::Snapshot).await.map_err(|error| error.to_string())?;
        let socket = connect(hub, gateway, &token, timeouts.connect_ms).await?;
        let mut session = Self {
            hub,
            gateway: gateway.clone(),
            events: events.clone(),
            clock: gateway.inner.clock.clone(),
            timeouts,
            token,
            socket,
            splitter: RecordSplitter::default(),
            inbox: Inbox::new(hub, gateway.parser(), events.clone()),
            subscribed: Subscriptions::default(),
            accounts_so_far: BTreeSet::new(),
            calls_made: 0,
            answer_deadline: Instant::now(),
            last_frame: Instant::now(),
            announce: true,
            is_up: false,
        };
        let wanted = subscriptions.borrow_and_update().clone();
        if hub == Hub::User {
            // A hub may send something together with its consent to the handshake.
            session.expect_updates_of(&wanted.accounts);
        }
        session.shake_hands().await?;
        if hub == Hub::User {
            session.call(method::SUBSCRIBE_ACCOUNTS, &[] as &[i64], "", true).await?;
        }
        session.adjust(wanted).await?;
        Ok(session)
    }

    /// Whether the queue was told that this connection is up.
    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    /// Listens until the connection is lost or `shutdown` comes.
    pub(super) async fn serve(
        &mut self,
        subscriptions: &mut watch::Receiver<Subscriptions>,
        reconnect: &mut Reconnect,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Ending {
        let ping_every = Duration::from_millis(self.timeouts.ping_every_ms.max(1));
        let silence = Duration::from_millis(self.timeouts.silence_ms);
        let mut ping = interval_at(Instant::now() + ping_every, ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut can_change = true;
        loop {
            if let Err(reason) = self.take_stock(reconnect) {
                return Ending::Lost(reason);
            }
            let has_room = self.events.has_room();
            let is_waiting = !self.inbox.awaited.is_empty();
            let silent_at = self.inbox.silence.next(Duration::from_millis(self.timeouts.quote_silence_ms));
            let step = tokio::select! {
                () = shutdown.as_mut() => {
                    self.close().await;
                    return Ending::Shutdown;
                }
                frame = self.socket.next(), if has_room => self.frame(frame),
                () = self.events.room(), if !has_room => {
                    // Nobody listened meanwhile, so nobody knows whether the hub was silent.
                    self.last_frame = Instant::now();
                    Ok(())
                }
                _ = ping.tick() => self.send(frames::PING.to_owned()).await,
                () = sleep_until(self.last_frame + silence), if has_room => {
                    Err(format!("nothing was heard for {} ms", self.timeouts.silence_ms))
                }
                () = sleep_until(self.answer_deadline), if is_waiting => {
                    Err(format!("{} subscriptions were not answered in time", self.inbox.awaited.len()))
                }
                () = sleep_until(silent_at.unwrap_or(self.last_frame)), if silent_at.is_some() && has_room => {
                    self.renew_silent_quotes().await
                }
                changed = subscriptions.changed(), if can_change => {
                    can_change = changed.is_ok();
                    let wanted = subscriptions.borrow_and_update().clone();
                    self.adjust(wanted).await
                }
            };
            if let Err(reason) = step {
                return Ending::Lost(reason);
            }
        }
    }

    /// Acts on what the inbox noted: an end, or that everything asked for was answered.
    fn take_stock(&mut self, reconnect: &mut Reconnect) -> Result<(), String> {
        if self.inbox.logged_out {
            self.gateway.inner.auth.forget(self.token.generation);
        }
        if let Some(reason) = self.inbox.ending.take() {
            return Err(reason);
        }
        if self.events.is_closed() {
            return Err("nobody listens any more".to_owned());
        }
        if self.announce && self.inbox.awaited.is_empty() {
            self.announce = false;
            if !self.is_up {
                self.is_up = true;
                reconnect.connected((self.clock)());
                tracing::info!(hub = %self.hub, "connected and subscribed");
            }
            self.events.push(Event::Link { hub: self.hub, up: true });
        }
        Ok(())
    }

    async fn shake_hands(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_millis(self.timeouts.handshake_ms);
        self.send(frames::HANDSHAKE_REQUEST.to_owned()).await?;
        while !self.inbox.shook_hands {
            let frame = tokio::time::timeout_at(deadline, self.socket.next()).await;
            self.frame(frame.map_err(|_| "the handshake was not answered in time".to_owned())?)?;
            if let Some(reason) = self.inbox.ending.take() {
                return Err(reason);
            }
        }
        Ok(())
    }

    fn frame(&mut self, frame: Option<Result<Frame, SocketError>>) -> Result<(), String> {
        let frame = match frame {
            None => return Err("the connection was closed".to_owned()),
            Some(Err(error)) => return Err(self.clean(&error.to_string())),
            Some(Ok(frame)) => frame,
        };
        self.last_frame = Instant::now();
        let now = (self.clock)();
        let Self { splitter, inbox, .. } = self;
        let mut records = |bytes: &[u8]| splitter.push(bytes, |record| inbox.record(record, now));
        match &frame {
            Frame::Text(text) => records(text.as_bytes()).map_err(|error| error.to_string()),
            Frame::Binary(bytes) => records(bytes).map_err(|error| error.to_string()),
            Frame::Close(_) => Err("the connection was closed by the hub".to_owned()),
            // The library answers pings itself.
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => Ok(()),
        }
    }

    /// Subscribes to what is new and unsubscribes from what is not wanted any more.
    async fn adjust(&mut self, wanted: Subscriptions) -> Result<(), String> {
        match self.hub {
            Hub::User => {
                let added: BTreeSet<_> = wanted.accounts.difference(&self.subscribed.accounts).copied().collect();
                let removed: BTreeSet<_> = self.subscribed.accounts.difference(&wanted.accounts).copied().collect();
                self.announce |= !added.is_empty();
                self.expect_updates_of(&added);
                for account in added {
                    let what = format!(" of account {account}");
                    for subscribe in [method::SUBSCRIBE_ORDERS, method::SUBSCRIBE_POSITIONS, method::SUBSCRIBE_TRADES] {
                        self.call(subscribe, &[account.0], &what, true).await?;
                    }
                }
                for account in removed {
                    let unsubscribe =
                        [method::UNSUBSCRIBE_ORDERS, method::UNSUBSCRIBE_POSITIONS, method::UNSUBSCRIBE_TRADES];
                    for unsubscribe in unsubscribe {
                        self.notify(unsubscribe, &[account.0]).await?;
                    }
                }
            }
            Hub::Market => {
                let added: Vec<_> = wanted.contracts.difference(&self.subscribed.contracts).cloned().collect();
                let removed: Vec<_> = self.subscribed.contracts.difference(&wanted.contracts).cloned().collect();
                for contract in added {
                    // One contract without quotes must not cost all others theirs.
                    let what = format!(" of {contract}");
                    self.call(method::SUBSCRIBE_CONTRACT_QUOTES, &[contract.as_str()], &what, false).await?;
                    self.inbox.silence.expect(contract, Instant::now());
                }
                for contract in removed {
                    self.notify(method::UNSUBSCRIBE_CONTRACT_QUOTES, &[contract.as_str()]).await?;
                    self.inbox.silence.forget(&contract);
                }
            }
        }
        self.subscribed = wanted;
        Ok(())
    }

    /// Makes the subscriptions again of which nothing was heard for too long, and asks for their prices meanwhile.
    async fn renew_silent_quotes(&mut self) -> Result<(), String> {
        let patience = Duration::from_millis(self.timeouts.quote_silence_ms);
        for contract in self.inbox.silence.take_due(Instant::now(), patience) {
            tracing::info!(%contract, "no quote for a while: its subscription is made again");
            self.notify(method::UNSUBSCRIBE_CONTRACT_QUOTES, &[contract.as_str()]).await?;
            let what = format!(" of {contract}");
            self.call(method::SUBSCRIBE_CONTRACT_QUOTES, &[contract.as_str()], &what, false).await?;
            let (gateway, events) = (self.gateway.clone(), self.events.clone());
            tokio::spawn(async move {
                match gateway.last_price(&contract).await {
                    Ok(Some(quote)) => events.push(Event::Quote(quote)),
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%contract, %error, "its last price cannot be had"),
                }
            });
        }
        Ok(())
    }

    /// An update that names no account is about the only one this connection ever subscribed to, if there is just one.
    ///
    /// Removing accounts does not help: updates of theirs may still be on their way.
    fn expect_updates_of(&mut self, accounts: &BTreeSet<AccountId>) {
        self.accounts_so_far.extend(accounts);
        let mut so_far = self.accounts_so_far.iter();
        self.inbox.only_account = so_far.next().copied().filter(|_| so_far.next().is_none());
    }

    /// Calls a method and awaits its answer, later.
    async fn call<A: Serialize>(
        &mut self,
        target: &str,
        arguments: &[A],
        of: &str,
        is_essential: bool,
    ) -> Result<(), String> {
        self.calls_made += 1;
        let id = self.calls_made.to_string();
        let record = frames::write_invocation(Some(&id), target, arguments).map_err(|error| error.to_string())?;
        self.inbox.awaited.insert(id, Awaited { what: format!("{target}{of}"), is_essential });
        self.answer_deadline = Instant::now() + Duration::from_millis(self.timeouts.subscribe_ms);
        self.send(record).await
    }

    /// Calls a method whose answer nobody needs.
    async fn notify<A: Serialize>(&mut self, target: &str, arguments: &[A]) -> Result<(), String> {
        let record = frames::write_invocation(None, target, arguments).map_err(|error| error.to_string())?;
        self.send(record).await
    }

    async fn send(&mut self, record: String) -> Result<(), String> {
        let patience = Duration::from_millis(self.timeouts.silence_ms);
        match timeout(patience, self.socket.send(Frame::text(record))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.clean(&error.to_string())),
            Err(_) => Err("the hub takes nothing any more".to_owned()),
        }
    }

    async fn close(&mut self) {
        // Only a courtesy: whether it arrives changes nothing.
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    fn clean(&self, text: &str) -> String {
        redact_known(text, &[self.token.secret.expose_secret()])
    }
}

/// The address carries the token, so it is made here, used here, and never shown.
async fn connect(
    hub: Hub,
    gateway: &Gateway,
    token: &Token,
    connect_ms: u64,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, String> {
    let base = gateway.inner.config.hub_base().map_err(|error| error.to_string())?;
    let url = hub_address(base, hub, token);
    let mut limits = WebSocketConfig::default();
    limits.max_message_size = Some(MESSAGE_LIMIT_BYTES);
    limits.max_frame_size = Some(MESSAGE_LIMIT_BYTES);
    let connecting = connect_async_with_config(url.as_str(), Some(limits), true);
    match timeout(Duration::from_millis(connect_ms), connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(SocketError::Http(answer))) => {
            if matches!(answer.status().as_u16(), 401 | 403) {
                gateway.inner.auth.forget(token.generation);
            }
            Err(format!("the hub answered HTTP {} instead of a WebSocket", answer.status().as_u16()))
        }
        Ok(Err(error)) => Err(redact_known(&error.to_string(), &[token.secret.expose_secret()])),
        Err(_) => Err(format!("no connection after {connect_ms} ms")),
    }
}

fn hub_address(mut base: Url, hub: Hub, token: &Token) -> Url {
    let path = match hub {
        Hub::User => hub_path::USER,
        Hub::Market => hub_path::MARKET,
    };
    base.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    base.query_pairs_mut().append_pair("access_token", token.secret.expose_secret());
    base
}
