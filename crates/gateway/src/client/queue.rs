//! The queue between the hubs and the engine's loop.
//!
//! Nothing in it is ever dropped. Only quotes are conflated: a quote of a contract that already has one waiting is merged
//! into it (newer prices win, prices it leaves out stay), at the place of the one that waits. A hub stops reading from
//! its socket while the queue is full, so a slow engine slows the broker down instead of losing a position.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riskd_core::engine::Event;
use riskd_core::model::{Checks, ContractId, DEFAULT_CLOCK_SKEW_MS, Quote, QuoteDraft};
use tokio::sync::Notify;

/// A queue that counts as full when `capacity` events other than quotes wait in it.
pub fn event_queue(capacity: usize) -> (EventSender, EventReceiver) {
    let shared = Arc::new(Shared {
        waiting: Mutex::new(Waiting { senders: 1, ..Waiting::default() }),
        capacity,
        arrived: Notify::new(),
        made_room: Notify::new(),
    });
    (EventSender { shared: Arc::clone(&shared) }, EventReceiver { shared })
}

/// Puts events in. Any number of them may exist.
#[derive(Debug)]
pub struct EventSender {
    shared: Arc<Shared>,
}

/// Takes events out, in order.
#[derive(Debug)]
pub struct EventReceiver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    capacity: usize,
    arrived: Notify,
    made_room: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Events taken out so far: what turns the number of an event into its place in the queue.
    taken: u64,
    /// The number of the quote that waits, by contract.
    quotes: HashMap<ContractId, u64>,
    conflated: u64,
    senders: usize,
    receiver_gone: bool,
}

impl EventSender {
    /// Puts an event at the end, or merges a quote into the one that waits. Never blocks, never drops.
    pub fn push(&self, event: Event) {
        let mut waiting = self.shared.lock();
        if waiting.receiver_gone {
            return;
        }
        match event {
            Event::Quote(quote) => waiting.push_quote(quote),
            event => waiting.events.push_back(event),
        }
        drop(waiting);
        self.shared.arrived.notify_one();
    }

    /// Whether there is room. A sender that keeps to it bounds the queue.
    pub fn has_room(&self) -> bool {
        let waiting = self.shared.lock();
        waiting.receiver_gone || waiting.events.len() - waiting.quotes.len() < self.shared.capacity
    }

    /// Waits until there is room, or nobody to make any.
    pub async fn room(&self) {
        loop {
            let made_room = self.shared.made_room.notified();
            tokio::pin!(made_room);
            made_room.as_mut().enable();
            if self.has_room() {
                return;
            }
            made_room.await;
        }
    }

    /// Whether nobody takes events out any more.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().receiver_gone
    }
}

impl EventReceiver {
    /// Waits for the next event; absent when every sender is gone and the queue is empty.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            let arrived = self.shared.arrived.notified();
            if let Some(event) = self.shared.take() {
                return Some(event);
            }
            if self.shared.lock().senders == 0 {
                return None;
            }
            arrived.await;
        }
    }

    /// Takes the next event if one waits.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.shared.take()
    }

    /// Events that wait.
    pub fn depth(&self) -> usize {
        self.shared.lock().events.len()
    }

    /// Quotes merged into others so far.
    pub fn conflated(&self) -> u64 {
        self.shared.lock().conflated
    }
}

impl Clone for EventSender {
    fn clone(&self) -> Self {
        self.shared.lock().senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.shared.lock().senders -= 1;
        self.shared.arrived.notify_one();
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.receiver_gone = true;
        waiting.events.clear();
        waiting.quotes.clear();
        drop(waiting);
        self.shared.made_room.notify_waiters();
    }
}

impl Shared {
    fn take(&self) -> Option<Event> {
        let event = self.lock().take()?;
        self.made_room.notify_waiters();
        Some(event)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing between lock and unlock can panic half-way through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push_quote(&mut self, quote: Quote) {
        let place = self.quotes.get(&quote.contract_id).and_then(|number| usize::try_from(number - self.taken).ok());
        match place.and_then(|place| self.events.get_mut(place)) {
            Some(Event::Quote(older)) => {
                *older = merged(older, quote);
                self.conflated += 1;
            }
            _ => {
                self.quotes.insert(quote.contract_id.clone(), self.taken + self.events.len() as u64);
                self.events.push_back(Event::Quote(quote));
            }
        }
    }

    fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.taken += 1;
        if let Event::Quote(quote) = &event {
            self.quotes.remove(&quote.contract_id);
        }
        Some(event)
    }
}

/// The newer quote, completed with prices of the older that it leaves out; alone if the two do not go together.
fn merged(older: &Quote, newer: Quote) -> Quote {
    let draft = QuoteDraft {
        bid: newer.bid.or(older.bid),
        ask: newer.ask.or(older.ask),
        last: newer.last.or(older.last),
        ..(*newer).clone()
    };
    // Every price and the time passed its checks before; only a crossing of the two quotes is new.
    let checks = Checks { now: newer.timestamp, clock_skew_ms: DEFAULT_CLOCK_SKEW_MS, allows_negative_price: true };
    Quote::new(draft, &checks).unwrap_or(newer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use riskd_core::engine::Hub;
    use riskd_core::model::{Noun, Price, Timestamp};

    fn quote(contract: &str, bid: Option<i64>, ask: Option<i64>, second: i64) -> Event {
        let price = |points: i64| Price::from_nanos(points * 1_000_000_000);
        let timestamp = Timestamp::from_second(second).unwrap();
        let draft = QuoteDraft {
            contract_id: ContractId::new(contract, Noun::Quote).unwrap(),
            bid: bid.map(price),
            ask: ask.map(price),
            last: None,
            timestamp,
        };
        Event::Quote(Quote::new(draft, &Checks::at(timestamp)).unwrap())
    }

    fn link(up: bool) -> Event {
        Event::Link { hub: Hub::User, up }
    }

    fn drain(receiver: &mut EventReceiver) -> Vec<Event> {
        std::iter::from_fn(|| receiver.try_recv()).collect()
    }

    #[test]
    fn quotes_of_a_contract_are_merged_in_place_and_nothing_else_is() {
        let (sender, mut receiver) = event_queue(10);
        for event in [
            quote("A", Some(10), Some(12), 1),
            link(true),
            quote("B", Some(5), None, 1),
            quote("A", Some(11), None, 2),
            link(true),
            quote("B", None, Some(6), 2),
        ] {
            sender.push(event);
        }
        let expected = vec![quote("A", Some(11), Some(12), 2), link(true), quote("B", Some(5), Some(6), 2), link(true)];
        assert_eq!(drain(&mut receiver), expected);
        assert_eq!(receiver.conflated(), 2);
        // Once taken out, a quote is not merged into any more, whatever was taken before it.
        sender.push(link(false));
        sender.push(quote("A", Some(1), None, 3));
        assert_eq!(receiver.try_recv(), Some(link(false)));
        sender.push(quote("A", Some(2), None, 4));
        assert_eq!(drain(&mut receiver), vec![quote("A", Some(2), None, 4)]);
        sender.push(quote("A", Some(3), None, 5));
        assert_eq!(drain(&mut receiver), vec![quote("A", Some(3), None, 5)]);
    }

    #[test]
    fn a_newer_quote_that_crosses_the_older_stands_alone() {
        let (sender, mut receiver) = event_queue(10);
        sender.push(quote("A", Some(10), Some(12), 1));
        sender.push(quote("A", Some(13), None, 2));
        assert_eq!(drain(&mut receiver), vec![quote("A", Some(13), None, 2)]);
    }

    #[test]
    fn quotes_take_no_room() {
        let (sender, mut receiver) = event_queue(1);
        sender.push(quote("A", Some(1), None, 1));
        sender.push(quote("B", Some(1), None, 1));
        assert!(sender.has_room());
        sender.push(link(true));
        assert!(!sender.has_room());
        assert_eq!(receiver.depth(), 3);
        drain(&mut receiver);
        assert!(sender.has_room());
    }

    #[tokio::test]
    async fn room_is_waited_for_and_the_end_is_seen() {
        let (sender, mut receiver) = event_queue(1);
        sender.push(link(true));
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.room().await }
        });
        assert_eq!(receiver.recv().await, Some(link(true)));
        waiting.await.unwrap();
        let receiving = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        sender.push(link(false));
        drop(sender);
        assert_eq!(receiving.await.unwrap(), (Some(link(false)), None));
    }

    #[tokio::test]
    async fn a_sender_without_receiver_is_never_stuck() {
        let (sender, receiver) = event_queue(1);
        sender.push(link(true));
        drop(receiver);
        sender.room().await;
        assert!(sender.is_closed());
        sender.push(link(true));
    }
}
