//! What every connection of the server shares, and how a change reaches those who subscribed to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use riskd_core::engine::Hub;
use riskd_core::model::{AccountId, Timestamp};
use riskd_gateway::protocol::frames::write_invocation;
use serde_json::value::RawValue;
use tokio::sync::{Notify, broadcast, mpsc, watch};

use super::limits::Limiter;
use super::listener::Gate;
use super::tokens::Tokens;
use super::topics::{HubMessage, Topic, messages};
use super::{Clock, LoggedRequest, SimulatorConfig};
use crate::exchange::{Exchange, ExchangeEvent};
use crate::faults::{HubEffect, HubFault, RestFault, count_down};

/// The server's state and the ways to wait for it.
pub(crate) struct Shared {
    state: Mutex<State>,
    clock: Clock,
    /// Counts changes of the state, so that one can wait for the next.
    changes: watch::Sender<u64>,
    flat: broadcast::Sender<AccountId>,
    pub(crate) deadline_changed: Notify,
    pub(crate) gate: Arc<Gate>,
    pub(crate) ping_interval: Duration,
    pub(crate) silence_limit: Duration,
}

/// Everything that is behind the lock.
pub(crate) struct State {
    pub(crate) exchange: Exchange,
    pub(crate) tokens: Tokens,
    pub(crate) limiter: Limiter,
    pub(crate) requests: Vec<LoggedRequest>,
    pub(crate) rest_faults: Vec<RestFault>,
    pub(crate) sessions: BTreeMap<u64, HubSession>,
    /// Ids given out by a negotiation that no connection has used yet.
    pub(crate) negotiated: BTreeSet<String>,
    pub(crate) splits_records: bool,
    muted: BTreeSet<Hub>,
    hub_faults: Vec<ActiveHubFault>,
    next_number: u64,
    last_now: Timestamp,
}

/// A hub connection that has shaken hands.
pub(crate) struct HubSession {
    pub(crate) hub: Hub,
    pub(crate) topics: BTreeSet<Topic>,
    outbox: mpsc::UnboundedSender<HubOrder>,
}

/// What a hub connection is told to do.
#[derive(Debug)]
pub(crate) enum HubOrder {
    /// Send this record.
    Send(String),
    /// Say that the connection closes, and close it.
    Close { error: Option<String>, allow_reconnect: bool },
    /// Drop the connection without a word.
    Cut,
}

struct ActiveHubFault {
    fault: HubFault,
    held: Vec<HubMessage>,
}

impl Shared {
    pub(crate) fn new(config: SimulatorConfig) -> Arc<Self> {
        let now = (config.clock)();
        let state = State {
            exchange: Exchange::new(config.exchange),
            tokens: Tokens::new(config.users, config.token_lifetime),
            limiter: Limiter::new(config.limits),
            requests: Vec::new(),
            rest_faults: Vec::new(),
            sessions: BTreeMap::new(),
            negotiated: BTreeSet::new(),
            splits_records: false,
            muted: BTreeSet::new(),
            hub_faults: Vec::new(),
            next_number: 0,
            last_now: now,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            clock: config.clock,
            changes: watch::Sender::new(0),
            flat: broadcast::Sender::new(1024),
            deadline_changed: Notify::new(),
            gate: Gate::new(),
            ping_interval: config.ping_interval,
            silence_limit: config.silence_limit,
        })
    }

    /// Reads the state.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state at the present moment, tells the subscribers what happened, and wakes whoever waits.
    pub(crate) fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // The server's clock never goes back, whatever the machine's does.
        let now = self.now().max(state.last_now);
        state.last_now = now;
        let result = change(&mut state, now);
        let happened = state.exchange.take_events();
        for event in &happened {
            let told = messages(event, &state.exchange, |topic| state.is_subscribed(topic));
            for message in told {
                self.send(&mut state, message);
            }
        }
        let has_deadline = state.exchange.next_deadline().is_some();
        let now_flat = newly_flat(&happened, &state.exchange);
        drop(state);
        for account_id in now_flat {
            // An error means that nobody listens.
            let _ = self.flat.send(account_id);
        }
        if has_deadline {
            self.deadline_changed.notify_one();
        }
        self.changes.send_modify(|changes| *changes += 1);
        result
    }

    /// Sends a message on, with whatever faults lie on its way.
    pub(crate) fn send(self: &Arc<Self>, state: &mut State, message: HubMessage) {
        for (message, delay) in state.through_faults(message) {
            if delay.is_zero() {
                state.deliver(&message);
            } else {
                let shared = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    shared.change(|state, _| state.deliver(&message));
                });
            }
        }
    }

    /// Carries out what the exchange has put off, when it is due.
    pub(crate) async fn keep_deadlines(self: Arc<Self>) {
        loop {
            let wait = self.read(|state| {
                let deadline = state.exchange.next_deadline()?;
                Some(Duration::try_from(deadline.duration_since(self.now())).unwrap_or_default())
            });
            match wait {
                None => self.deadline_changed.notified().await,
                Some(wait) if wait.is_zero() => self.change(|state, now| state.exchange.advance(now)),
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.deadline_changed.notified() => {}
                    }
                }
            }
        }
    }

    /// The present moment in whole microseconds: the gateway writes no more digits, and some clients read no more.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.clock)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    pub(crate) fn watch_changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn watch_flat(&self) -> broadcast::Receiver<AccountId> {
        self.flat.subscribe()
    }
}

impl State {
    pub(crate) fn open_session(&mut self, hub: Hub) -> (u64, mpsc::UnboundedReceiver<HubOrder>) {
        let (outbox, orders) = mpsc::unbounded_channel();
        let id = self.take_number();
        self.sessions.insert(id, HubSession { hub, topics: BTreeSet::new(), outbox });
        (id, orders)
    }

    /// A number nobody else has.
    pub(crate) fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn is_subscribed(&self, topic: &Topic) -> bool {
        *topic == Topic::Everybody || self.sessions.values().any(|session| session.topics.contains(topic))
    }

    pub(crate) fn is_muted(&self, hub: Hub) -> bool {
        self.muted.contains(&hub)
    }

    pub(crate) fn mute(&mut self, hub: Hub, muted: bool) {
        if muted {
            self.muted.insert(hub);
        } else {
            self.muted.remove(&hub);
        }
    }

    /// Tells every connection of a hub to do something.
    pub(crate) fn order(&self, hub: Hub, order: impl Fn() -> HubOrder) {
        for session in self.sessions.values().filter(|session| session.hub == hub) {
            // An error means that the connection is already gone.
            let _ = session.outbox.send(order());
        }
    }

    pub(crate) fn add_hub_fault(&mut self, fault: HubFault) {
        self.hub_faults.push(ActiveHubFault { fault, held: Vec::new() });
    }

    /// Takes every fault away; events that one was holding go out now.
    pub(crate) fn clear_faults(&mut self) {
        self.rest_faults.clear();
        for fault in std::mem::take(&mut self.hub_faults) {
            for message in fault.held {
                self.deliver(&message);
            }
        }
    }

    fn deliver(&self, message: &HubMessage) {
        if self.is_muted(message.hub) {
            return;
        }
        let arguments = message.arguments();
        let raw: Result<&RawValue, _> = serde_json::from_str(&arguments);
        let record = raw.and_then(|arguments| write_invocation(None, message.event, arguments));
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, event = message.event, "an event cannot be written");
                return;
            }
        };
        let wants = |session: &&HubSession| {
            session.hub == message.hub && (message.topic == Topic::Everybody || session.topics.contains(&message.topic))
        };
        for session in self.sessions.values().filter(wants) {
            // An error means that the connection is already gone.
            let _ = session.outbox.send(HubOrder::Send(record.clone()));
        }
    }

    /// Puts a message through every fault that applies, one after the other.
    fn through_faults(&mut self, message: HubMessage) -> Vec<(HubMessage, Duration)> {
        let mut under_way = vec![(message, Duration::ZERO)];
        for active in &mut self.hub_faults {
            let mut passed = Vec::with_capacity(under_way.len());
            for (message, delay) in under_way {
                let applies = active.fault.hub == message.hub
                    && active.fault.event.is_none_or(|event| event == message.event)
                    && active.fault.times != Some(0);
                if applies {
                    active.pass(message, delay, &mut passed);
                } else {
                    passed.push((message, delay));
                }
            }
            under_way = passed;
        }
        self.hub_faults.retain(|active| active.fault.times != Some(0) || !active.held.is_empty());
        under_way
    }
}

impl ActiveHubFault {
    fn pass(&mut self, message: HubMessage, delay: Duration, passed: &mut Vec<(HubMessage, Duration)>) {
        let is_last = count_down(&mut self.fault.times);
        match &self.fault.effect {
            HubEffect::Drop => {}
            HubEffect::Delay(more) => passed.push((message, delay + *more)),
            HubEffect::Duplicate => passed.extend([(message.clone(), delay), (message, delay)]),
            HubEffect::Reorder(size) => {
                self.held.push(message);
                if self.held.len() >= *size || is_last {
                    passed.extend(self.held.drain(..).rev().map(|held| (held, delay)));
                }
            }
            HubEffect::Shape(shape) => {
                let payload = shape.apply(&message.payload);
                passed.push((HubMessage { payload, ..message }, delay));
            }
        }
    }
}

/// Accounts whose last position was closed by what happened.
fn newly_flat(happened: &[ExchangeEvent], exchange: &Exchange) -> BTreeSet<AccountId> {
    let closed = |event: &ExchangeEvent| match event {
        ExchangeEvent::Position(position) if position.signed_size == 0 => Some(position.account_id),
        _ => None,
    };
    happened.iter().filter_map(closed).filter(|account_id| exchange.is_flat(*account_id)).collect()
}
