//! The program's one clock: the machine's, made safe to live by.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use riskd_store::Clock;

/// A clock that follows the machine's and never goes back or stands still.
///
/// When the machine's clock is set forward, or the machine was asleep, it follows at once. When it is set back, it goes on
/// at half speed until the machine's clock has caught up: whatever waits for a time (a retry, a reset, the end of a
/// lockout) then comes late, and never not at all.
pub fn steady_clock() -> Clock {
    let steady = Mutex::new((Steady { shown: Timestamp::now() }, Instant::now()));
    Clock::new(move || {
        let mut steady = steady.lock().unwrap_or_else(PoisonError::into_inner);
        let (clock, read_at) = &mut *steady;
        let elapsed = read_at.elapsed();
        *read_at += elapsed;
        clock.read(Timestamp::now(), elapsed)
    })
}

/// What the clock showed last.
#[derive(Debug)]
struct Steady {
    shown: Timestamp,
}

impl Steady {
    /// The time to show when the machine's clock shows `machine`, `elapsed` after the last reading.
    fn read(&mut self, machine: Timestamp, elapsed: Duration) -> Timestamp {
        self.shown = if machine >= self.shown {
            machine
        } else {
            let half = jiff::SignedDuration::try_from(elapsed / 2).unwrap_or(jiff::SignedDuration::ZERO);
            self.shown.saturating_add(half).unwrap_or(self.shown)
        };
        self.shown
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn follows_forward_at_once_and_back_at_half_speed() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut clock = Steady { shown: at("2026-11-22T12:00:00Z") };
        let readings = [
            // the machine's clock, seconds since the last reading, what is shown
            ("2026-11-22T12:00:01Z", 1, "2026-11-22T12:00:01Z"),
            ("2026-11-22T13:00:00Z", 1, "2026-11-22T13:00:00Z"),
            ("2026-11-22T12:59:00Z", 10, "2026-11-22T13:00:05Z"),
            ("2026-11-22T13:00:00Z", 60, "2026-11-22T13:00:35Z"),
            ("2026-11-22T13:01:00Z", 60, "2026-11-22T13:01:00Z"),
            ("2026-11-22T13:01:20Z", 20, "2026-11-22T13:01:20Z"),
        ];
        for (machine, seconds, shown) in readings {
            assert_eq!(clock.read(at(machine), Duration::from_secs(seconds)), at(shown), "{machine}");
        }
    }

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
}
