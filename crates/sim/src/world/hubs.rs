//! The two hubs: what the exchange says goes out as text and comes in through the parser, if it comes in.

use riskd_core::engine::{Event, Hub};
use riskd_gateway::client::reconnect::{Reconnect, ReconnectDelays};
use riskd_gateway::protocol::parse::{Context, Parsed, Source};
use serde_json::value::RawValue;

use super::after_ms;
use super::play::{Task, World};
use super::weather::Fault;
use crate::exchange::ExchangeEvent;
use crate::faults::PayloadShape;
use crate::server::{HubMessage, Topic, messages};

/// How long a message travels, in milliseconds. It is the same for all: what goes out in order comes in in order.
const HUB_MS: i64 = 5;
/// How much later a late one comes at most.
const LATE_MS: i64 = 20_000;
/// How long it takes to connect, shake hands and subscribe.
const CONNECT_MS: i64 = 60;

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) is_up: bool,
    /// Counts connections: what was sent on an earlier one is lost.
    epoch: u64,
    reconnect: Reconnect,
}

impl Link {
    pub(super) fn new() -> Self {
        Self { is_up: false, epoch: 0, reconnect: Reconnect::new(ReconnectDelays::default()) }
    }
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Message {
    life: u64,
    hub: Hub,
    epoch: u64,
    target: &'static str,
    arguments: String,
    /// Whether it was made so that it cannot be read.
    is_malformed: bool,
}

impl World {
    /// Tells everybody what changed on the exchange.
    pub(super) fn spread(&mut self) {
        let clock = self.clock.read(self.now);
        for event in self.exchange.take_events() {
            self.oracle.happened(&event, self.now, clock);
            let wanted = |topic: &Topic| match topic {
                Topic::Accounts | Topic::Orders(_) | Topic::Positions(_) | Topic::Trades(_) => self.user.is_up,
                Topic::Quotes(contract_id) => {
                    let watches = |program: &super::program::Program| program.watched.contains(contract_id);
                    self.market.is_up && self.program.as_ref().is_some_and(watches)
                }
                Topic::MarketTrades(_) | Topic::Depth(_) | Topic::Everybody => false,
            };
            if matches!(event, ExchangeEvent::MarketTrade { .. }) {
                continue;
            }
            for message in messages(&event, &self.exchange, wanted) {
                self.post(message);
            }
        }
    }

    /// Sends one message, or does not.
    fn post(&mut self, mut message: HubMessage) {
        if self.weather.silent_until > self.now || self.weather.strikes(Fault::HubLoss) {
            return self.echo(0);
        }
        let mut late_ms = 0;
        if self.weather.strikes(Fault::HubDelay) {
            late_ms = self.weather.chance.between(1, LATE_MS);
        }
        // Every shape must be understood, in any weather.
        let mut shape = PayloadShape::default();
        if self.weather.chance.once_in(6) {
            shape.wrapped = self.weather.chance.once_in(2);
            shape.in_a_list = self.weather.chance.once_in(2);
            shape.numbers_as_strings = self.weather.chance.once_in(2);
        }
        if self.weather.strikes(Fault::HubMalformed) {
            let field = if message.hub == Hub::User { "size" } else { "lastPrice" };
            shape.with.push((field.to_owned(), "\"many\"".to_owned()));
            self.echo(0);
        }
        let is_malformed = !shape.with.is_empty();
        if shape != PayloadShape::default() {
            message.payload = shape.apply(&message.payload);
        }
        if self.weather.strikes(Fault::HubDuplicate) {
            let again_ms = self.weather.chance.between(0, LATE_MS);
            self.send_message(&message, again_ms, is_malformed);
        }
        self.send_message(&message, late_ms, is_malformed);
    }

    fn send_message(&mut self, message: &HubMessage, late_ms: i64, is_malformed: bool) {
        let life = self.life;
        let link = self.link(message.hub);
        let sent = Message {
            life,
            hub: message.hub,
            epoch: link.epoch,
            target: message.event,
            arguments: message.arguments(),
            is_malformed,
        };
        if late_ms > 0 {
            self.echo(HUB_MS + late_ms);
        }
        self.plan_task(HUB_MS + late_ms, Task::Message(Box::new(sent)));
    }

    /// What struck is felt for so long.
    pub(super) fn echo(&mut self, milliseconds: i64) {
        self.weather.echoes_until = self.weather.echoes_until.max(after_ms(self.now, milliseconds));
    }

    /// A message arrives.
    pub(super) fn receive(&mut self, message: Message) {
        let life = self.life;
        let link = self.link(message.hub);
        if message.life != life || !link.is_up || link.epoch != message.epoch {
            return;
        }
        let context = Context { now: self.clock.read(self.now), source: Source::Hub, account_id: None };
        let mut parsed = Parsed::default();
        let arguments: Option<&RawValue> = serde_json::from_str(&message.arguments).ok();
        self.parser.hub_event(message.target, arguments, &context, &mut parsed);
        for event in parsed.events {
            let refused = matches!(event, Event::Refused(_));
            if refused && !message.is_malformed && context.now == self.now {
                let what = format!("a payload is refused: {} {}: {event:?}", message.target, message.arguments);
                self.oracle.violation(self.now, None, &what);
            }
            self.feed(event);
        }
    }

    /// A connection is tried.
    pub(super) fn connect(&mut self, life: u64, hub: Hub) {
        if life != self.life || self.program.is_none() || self.link(hub).is_up {
            return;
        }
        let now = self.now;
        if self.weather.gateway_back_at > now {
            self.link(hub).reconnect.disconnected(now);
            return self.try_again(hub);
        }
        let link = self.link(hub);
        link.is_up = true;
        link.epoch += 1;
        link.reconnect.connected(now);
        self.feed(Event::Link { hub, up: true });
    }

    /// A connection is gone.
    pub(super) fn drop_link(&mut self, hub: Hub) {
        let now = self.now;
        let link = self.link(hub);
        if !std::mem::replace(&mut link.is_up, false) {
            return;
        }
        link.reconnect.disconnected(now);
        self.echo(1);
        self.feed(Event::Link { hub, up: false });
        self.try_again(hub);
    }

    fn try_again(&mut self, hub: Hub) {
        let jitter = self.weather.chance.fraction();
        let wait_ms = i64::try_from(self.link(hub).reconnect.next_delay_ms(jitter)).unwrap_or(i64::MAX);
        self.plan_task(CONNECT_MS + wait_ms, Task::Connect { life: self.life, hub });
    }

    fn link(&mut self, hub: Hub) -> &mut Link {
        match hub {
            Hub::User => &mut self.user,
            Hub::Market => &mut self.market,
        }
    }

    /// Whether nobody answers at the gateway.
    pub(super) fn gateway_is_away(&self) -> bool {
        self.weather.gateway_back_at > self.now
    }
}
