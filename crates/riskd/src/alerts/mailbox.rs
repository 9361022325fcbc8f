//! One channel's messages on their way out: gathered, sent together, tried again, let go when nothing helps.
//!
//! Architecture invariant: no clock and no network. What time it is and what the channel answered is handed in.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::code::Severity;
use super::message::{Batch, Message};

/// Messages that wait at most. Beyond that the least important of the oldest is let go.
const MOST_WAITING: usize = 200;
/// How old a message may get before it is let go: later it would mislead.
const OLDEST: SignedDuration = SignedDuration::from_hours(6);
/// The first wait after a failure; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The longest wait that a channel may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// What a channel made of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It took it.
    Delivered,
    /// It may take it later.
    TryAgain {
        /// Why not now.
        why: String,
        /// How long it asked to be left alone.
        after: Option<Duration>,
    },
    /// It never will.
    Refused {
        /// Why.
        why: String,
    },
}

/// The messages of one channel.
#[derive(Debug)]
pub struct Mailbox {
    gather: SignedDuration,
    waiting: VecDeque<Message>,
    under_way: Vec<Message>,
    send_at: Option<Timestamp>,
    failures: u32,
    dropped: u64,
    /// Of `dropped`, those that the batch under way tells of.
    told_dropped: u64,
}

impl Mailbox {
    /// An empty one. What comes within `gather` goes out together.
    pub fn new(gather: Duration) -> Self {
        Self {
            gather: SignedDuration::try_from(gather).unwrap_or(SignedDuration::ZERO),
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            send_at: None,
            failures: 0,
            dropped: 0,
            told_dropped: 0,
        }
    }

    /// Takes a message in.
    pub fn push(&mut self, message: Message, now: Timestamp) {
        self.waiting.push_back(message);
        if self.waiting.len() > MOST_WAITING {
            let least = self.waiting.iter().map(|message| message.severity).min().unwrap_or(Severity::Info);
            if let Some(index) = self.waiting.iter().position(|message| message.severity == least) {
                self.waiting.remove(index);
                self.dropped += 1;
            }
        }
        if self.send_at.is_none() {
            self.send_at = Some(later(now, self.gather));
        }
    }

    /// Counts messages that were lost before they came here.
    pub fn lost(&mut self, messages: u64) {
        self.dropped += messages;
    }

    /// When the next batch is due; `None` while there is nothing to send.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.send_at.filter(|_| !self.waiting.is_empty())
    }

    /// Makes everything due now, however long it was to wait: the program ends.
    pub fn hurry(&mut self, now: Timestamp) {
        if !self.waiting.is_empty() {
            self.send_at = Some(now);
        }
    }

    /// The batch that is due, if there is one. Exactly one [`Mailbox::answered`] must follow.
    pub fn next_batch(&mut self, now: Timestamp) -> Option<Batch> {
        self.let_go_of_old(now);
        if self.due_at().is_none_or(|due| due > now) || !self.under_way.is_empty() {
            return None;
        }
        self.under_way = self.waiting.drain(..).collect();
        self.told_dropped = self.dropped;
        Some(Batch::new(self.under_way.clone(), self.dropped))
    }

    /// Takes in what the channel made of the batch.
    pub fn answered(&mut self, outcome: &Outcome, now: Timestamp) {
        let batch = std::mem::take(&mut self.under_way);
        match outcome {
            Outcome::Delivered => {
                self.failures = 0;
                self.dropped -= self.told_dropped;
                self.send_at = None;
            }
            Outcome::TryAgain { after, .. } => {
                let doubled = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
                let asked = after.unwrap_or_default().min(LONGEST_ASKED);
                self.failures = self.failures.saturating_add(1);
                for message in batch.into_iter().rev() {
                    self.waiting.push_front(message);
                }
                let wait = SignedDuration::try_from(doubled.max(asked)).unwrap_or(SignedDuration::MAX);
                self.send_at = Some(later(now, wait));
            }
            Outcome::Refused { .. } => {
                self.failures = 0;
                self.dropped += batch.len() as u64;
                self.send_at = None;
            }
        }
        self.told_dropped = 0;
        if self.send_at.is_none() && !self.waiting.is_empty() {
            self.send_at = Some(later(now, self.gather));
        }
    }

    /// Messages that were let go and that the channel has not been told of.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    fn let_go_of_old(&mut self, now: Timestamp) {
        let before = self.waiting.len();
        self.waiting.retain(|message| now.duration_since(message.at) <= OLDEST);
        self.dropped += (before - self.waiting.len()) as u64;
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::code::AlarmCode;
    use super::super::message::State;
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    fn message(text: &str, severity: Severity, now: Timestamp) -> Message {
        let (code, state) = (AlarmCode::LockoutSet, State::Raised);
        Message { code, severity, state, account_id: None, message: text.to_owned(), since: now, at: now }
    }

    fn mailbox() -> Mailbox {
        Mailbox::new(Duration::from_secs(2))
    }

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.messages.iter().map(|message| message.message.as_str()).collect()
    }

    #[test]
    fn what_comes_together_goes_together() {
        let mut mailbox = mailbox();
        assert_eq!(mailbox.due_at(), None);
        for (ms, text) in [(0, "a"), (500, "b"), (1_999, "c")] {
            mailbox.push(message(text, Severity::Warning, at(ms)), at(ms));
            assert_eq!(mailbox.next_batch(at(ms)), None, "{text} waits for company");
        }
        let batch = mailbox.next_batch(at(2_000)).unwrap();
        assert_eq!((texts(&batch), batch.dropped), (vec!["a", "b", "c"], 0));
        mailbox.push(message("d", Severity::Warning, at(2_100)), at(2_100));
        assert_eq!(mailbox.next_batch(at(9_000)), None, "one batch is under way at a time");
        mailbox.answered(&Outcome::Delivered, at(9_000));
        assert_eq!(texts(&mailbox.next_batch(at(11_000)).unwrap()), ["d"]);
        mailbox.answered(&Outcome::Delivered, at(11_000));
        assert!(mailbox.is_empty() && mailbox.due_at().is_none());
    }

    #[test]
    fn failures_wait_ever_longer_or_as_long_as_asked() {
        let table = [
            // answers in a row: what was asked (s), and how long the wait then is (s)
            (None, 1),
            (None, 2),
            (Some(30), 30),
            (None, 8),
            (Some(1), 16),
            (None, 32),
            (None, 64),
            (None, 128),
            (None, 256),
            (None, 300),
            (Some(100_000), 3_600),
        ];
        let mut mailbox = mailbox();
        mailbox.push(message("a", Severity::Critical, at(0)), at(0));
        let mut now = at(2_000);
        for (asked, expected_s) in table {
            assert!(mailbox.next_batch(now).is_some());
            let after = asked.map(Duration::from_secs);
            mailbox.answered(&Outcome::TryAgain { why: "503".to_owned(), after }, now);
            let due = mailbox.due_at().unwrap();
            assert_eq!(due.duration_since(now), SignedDuration::from_secs(expected_s), "{asked:?}");
            assert_eq!(mailbox.next_batch(due - SignedDuration::from_millis(1)), None);
            now = due;
        }
        assert_eq!(texts(&mailbox.next_batch(now).unwrap()), ["a"], "nothing is lost meanwhile");
        mailbox.answered(&Outcome::Delivered, now);
        mailbox.push(message("b", Severity::Critical, now), now);
        assert_eq!(mailbox.due_at().unwrap().duration_since(now), SignedDuration::from_secs(2), "all is well again");
    }

    #[test]
    fn a_long_silence_costs_the_least_important_first_and_says_so() {
        let mut mailbox = mailbox();
        for number in 0..(MOST_WAITING + 10) {
            let severity = if number % 2 == 0 { Severity::Critical } else { Severity::Warning };
            mailbox.push(message(&number.to_string(), severity, at(0)), at(0));
        }
        assert_eq!(mailbox.dropped(), 10);
        mailbox.lost(5);
        let batch = mailbox.next_batch(at(5_000)).unwrap();
        let critical = batch.messages.iter().filter(|message| message.severity == Severity::Critical).count();
        assert_eq!((batch.dropped, batch.messages.len(), critical), (15, MOST_WAITING, 105));
        mailbox.answered(&Outcome::TryAgain { why: String::new(), after: None }, at(5_000));
        assert_eq!(mailbox.dropped(), 15, "nobody was told yet");
        assert_eq!(mailbox.next_batch(at(7_000)).unwrap().dropped, 15);
        mailbox.answered(&Outcome::Delivered, at(7_000));
        assert_eq!(mailbox.dropped(), 0);
    }

    #[test]
    fn what_is_refused_or_too_old_is_let_go_and_counted() {
        let mut mailbox = mailbox();
        mailbox.push(message("a", Severity::Warning, at(0)), at(0));
        assert!(mailbox.next_batch(at(2_000)).is_some());
        mailbox.answered(&Outcome::Refused { why: "404".to_owned() }, at(2_000));
        assert_eq!((mailbox.is_empty(), mailbox.dropped()), (true, 1));
        mailbox.push(message("old", Severity::Warning, at(3_000)), at(3_000));
        mailbox.push(message("new", Severity::Warning, at(20_000_000)), at(20_000_000));
        let batch = mailbox.next_batch(at(22_000_000)).unwrap();
        assert_eq!((texts(&batch), batch.dropped), (vec!["new"], 2));
    }

    #[test]
    fn at_the_end_nothing_waits() {
        let mut mailbox = mailbox();
        mailbox.hurry(at(0));
        assert_eq!(mailbox.due_at(), None);
        mailbox.push(message("a", Severity::Warning, at(0)), at(0));
        mailbox.hurry(at(1));
        assert!(mailbox.next_batch(at(1)).is_some());
    }
}
