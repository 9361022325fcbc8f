//! The program's one clock: the broker's time, carried on by a clock that nobody can set.
//!
//! What is decided about it is decided by [`HeldClock`]; here are the readings: the machine's clock, the monotonic one, and
//! the `Date` of every answer of the broker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use riskd_core::clock::HeldClock;
use riskd_gateway::client::{AnswerDate, DateSink};
use riskd_store::Clock;

/// A clock that never goes back or stands still, and that follows the broker as soon as it has said what time it is.
///
/// Before that it follows the machine's: forward at once, back at half speed. Cloning it shares it.
#[derive(Clone)]
pub struct ProgramClock {
    shared: Arc<Shared>,
}

struct Shared {
    machine: Box<dyn Fn() -> Timestamp + Send + Sync>,
    origin: Instant,
    held: Mutex<HeldClock>,
}

impl ProgramClock {
    /// Around the machine's clock.
    pub fn of_the_machine() -> Self {
        Self::around(Timestamp::now)
    }

    /// Around another clock in the place of the machine's.
    pub fn around(machine: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let shared =
            Shared { machine: Box::new(machine), origin: Instant::now(), held: Mutex::new(HeldClock::default()) };
        Self { shared: Arc::new(shared) }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        let machine = (self.shared.machine)();
        self.with_held(|held| held.read(machine, self.monotonic(Instant::now())))
    }

    /// The same, as the store takes it.
    pub fn clock(&self) -> Clock {
        let this = self.clone();
        Clock::new(move || this.now())
    }

    /// Where the gateway's client puts the dates of answers.
    pub fn dates(&self) -> DateSink {
        let this = self.clone();
        Arc::new(move |answer: AnswerDate| {
            let (asked, answered) = (this.monotonic(answer.asked), this.monotonic(answer.answered));
            this.with_held(|held| held.observe(answer.date, asked, answered));
        })
    }

    /// Whether the broker has said what time it is.
    pub fn is_held(&self) -> bool {
        self.with_held(|held| held.is_held())
    }

    /// By how much the machine's clock is certainly wrong, positive when it is ahead; absent while nobody knows.
    pub fn machine_error(&self) -> Option<SignedDuration> {
        let machine = (self.shared.machine)();
        let monotonic = self.monotonic(Instant::now());
        self.with_held(|held| held.machine_error(machine, monotonic))
    }

    fn monotonic(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.shared.origin)
    }

    fn with_held<R>(&self, work: impl FnOnce(&mut HeldClock) -> R) -> R {
        work(&mut self.shared.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A clock that follows the machine's and never goes back or stands still: for commands that ask no broker.
pub fn steady_clock() -> Clock {
    ProgramClock::of_the_machine().clock()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn never_goes_back_and_never_stands_still() {
        let clock = steady_clock();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn the_broker_overrules_a_machine_that_is_a_day_ahead() {
        let day = SignedDuration::from_hours(24);
        let clock = ProgramClock::around(move || Timestamp::now() + day);
        assert!(clock.now() > Timestamp::now() + SignedDuration::from_hours(23));
        assert_eq!(clock.machine_error(), None);
        let now = Instant::now();
        clock.dates()(AnswerDate { date: Timestamp::now(), asked: now, answered: now });
        assert!(clock.is_held());
        assert!(clock.now() < Timestamp::now() + SignedDuration::from_mins(1));
        assert!(clock.machine_error().unwrap() > SignedDuration::from_hours(23));
    }
}
