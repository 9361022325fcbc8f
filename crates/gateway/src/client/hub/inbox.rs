//! What a hub says, record by record. No I/O.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use riskd_core::engine::{Event, Hub};
use riskd_core::model::{AccountId, Noun};

use super::super::queue::EventSender;
use super::silence::Silence;
use crate::protocol::frames::{Message, read_handshake_response};
use crate::protocol::parse::{Context, Parsed, Parser, Source};
use crate::protocol::redact::redact;
use crate::protocol::wire::event;

/// A call whose answer is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Awaited {
    /// What was called, for the log.
    pub(super) what: String,
    /// Whether the connection is of no use without it.
    pub(super) is_essential: bool,
}

/// Reads records, puts events into the queue, and notes what the session must act on.
pub(super) struct Inbox {
    hub: Hub,
    parser: Parser,
    events: EventSender,
    parsed: Parsed,
    /// The account an update must be about when it does not say.
    pub(super) only_account: Option<AccountId>,
    /// Whether the handshake was answered.
    pub(super) shook_hands: bool,
    /// Calls without an answer so far, by their number.
    pub(super) awaited: BTreeMap<String, Awaited>,
    /// Why the connection must end, once it must.
    pub(super) ending: Option<String>,
    /// Whether the hub said that the session is over, so that the token is no good any more.
    pub(super) logged_out: bool,
    /// Contracts whose quotes are expected.
    pub(super) silence: Silence,
}

impl Inbox {
    pub(super) fn new(hub: Hub, parser: Parser, events: EventSender) -> Self {
        Self {
            hub,
            parser,
            events,
            parsed: Parsed::default(),
            only_account: None,
            shook_hands: false,
            awaited: BTreeMap::new(),
            ending: None,
            logged_out: false,
            silence: Silence::default(),
        }
    }

    /// Takes one record, given without its separator.
    pub(super) fn record(&mut self, record: &[u8], now: Timestamp) {
        if !self.shook_hands {
            match read_handshake_response(record) {
                Ok(()) => self.shook_hands = true,
                Err(error) => self.end(redact(&error.to_string())),
            }
            return;
        }
        let context = Context { now, source: Source::Hub, account_id: self.only_account };
        match Message::read(record) {
            Ok(Message::Invocation { target, .. }) if target == event::LOGOUT => {
                self.logged_out = true;
                self.end("the gateway ended the session".to_owned());
            }
            Ok(Message::Invocation { target, arguments, .. }) => {
                self.parser.hub_event(&target, arguments, &context, &mut self.parsed);
            }
            Ok(Message::Completion { invocation_id, error, .. }) => self.completion(&invocation_id, error),
            Ok(Message::Close { error, .. }) => {
                let reason = error.map_or(Cow::Borrowed("without a reason"), |error| Cow::Owned(redact(&error)));
                self.end(format!("the hub closed the connection: {reason}"));
            }
            Ok(Message::Ping | Message::Other(_)) => {}
            Err(error) => {
                // It may have been a position: only a new connection and REST can tell.
                let noun = match self.hub {
                    Hub::User => Noun::Position,
                    Hub::Market => Noun::Quote,
                };
                self.parser.unreadable(noun, &context, &String::from_utf8_lossy(record), &mut self.parsed);
                self.end(error.to_string());
            }
        }
        for refused in self.parsed.refused.drain(..) {
            refused.log();
        }
        for event in self.parsed.events.drain(..) {
            if let Event::Quote(quote) = &event {
                self.silence.heard(&quote.contract_id, tokio::time::Instant::now());
            }
            self.events.push(event);
        }
    }

    /// Notes why the connection must end. The first reason stands.
    pub(super) fn end(&mut self, reason: String) {
        self.ending.get_or_insert(reason);
    }

    fn completion(&mut self, invocation_id: &str, error: Option<Cow<'_, str>>) {
        let Some(awaited) = self.awaited.remove(invocation_id) else { return };
        let Some(error) = error else { return };
        let reason = format!("{} failed: {}", awaited.what, redact(&error));
        if awaited.is_essential {
            self.end(reason);
        } else {
            tracing::error!(hub = %self.hub, %reason, "a subscription was refused");
        }
    }
}
