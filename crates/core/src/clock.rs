//! The time to live by: the broker's, held against the machine's clock.
//!
//! Whoever can set the machine's clock forward could end a lockout by it. So the time is the broker's: every answer of its
//! REST interface says in its `Date` header when it was made, to the second. Between answers the monotonic clock, which
//! nobody can set, carries it on. While the machine's clock stays within what the answers allow it is followed, since it is
//! finer than a second; a clock that does not is overruled, and people are told by how much it is wrong.
//!
//! Architecture invariant: no clock is read here. Readings come in, as numbers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::engine::Severity;

/// What a `Date` header leaves open: it names the second in which the answer was made.
const DATE_RESOLUTION: SignedDuration = SignedDuration::from_secs(1);
/// How far a monotonic clock may run wrong, in parts of a million: quartz does a tenth of it.
const DRIFT_PARTS_PER_MILLION: i64 = 200;
/// An answer that took longer than this says too little.
const SLOWEST_ANSWER: Duration = Duration::from_secs(20);
/// A jump beyond this needs a second answer that says the same: one machine of the broker may be wrong.
const JUMP_TAKEN_AT_ONCE: SignedDuration = SignedDuration::from_secs(2);
/// From here on a wrong machine clock is a warning.
const WARN_BEYOND: SignedDuration = SignedDuration::from_secs(5);
/// From here on it is critical.
const CRITICAL_BEYOND: SignedDuration = SignedDuration::from_secs(60);

/// A time that follows the broker and never goes back.
#[derive(Debug, Clone, Default)]
pub struct HeldClock {
    believed: Option<Bounds>,
    /// Bounds that contradict those believed, until a second answer says the same.
    doubted: Option<Bounds>,
    shown: Option<Shown>,
}

/// Between which two times the broker's clock was at a reading of the monotonic one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    /// A reading of the monotonic clock.
    monotonic: Duration,
    earliest: Timestamp,
    latest: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Shown {
    time: Timestamp,
    monotonic: Duration,
}

impl HeldClock {
    /// Takes the `Date` of an answer: `date` is the broker's word, `asked` and `answered` are the readings of the monotonic
    /// clock when the request went out and when the answer came in.
    ///
    /// Before the first one the machine's clock is followed alone; the first may set the time back, later ones never do.
    pub fn observe(&mut self, date: Timestamp, asked: Duration, answered: Duration) {
        let Some(took) = answered.checked_sub(asked).filter(|took| *took <= SLOWEST_ANSWER) else {
            return;
        };
        // Made at some moment after it was asked for: now it is at least that late, and at most the wait later.
        let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
        let latest = later(later(date, DATE_RESOLUTION), took);
        let seen = Bounds { monotonic: answered, earliest: date, latest };
        let Some(believed) = self.believed else {
            self.believed = Some(seen);
            self.shown = None;
            return;
        };
        // Answers may come in late: everything is compared at the latest reading.
        let reading = [Some(answered), Some(believed.monotonic), self.doubted.map(|doubted| doubted.monotonic)];
        let reading = reading.into_iter().flatten().max().unwrap_or(answered);
        let (believed, seen) = (believed.at(reading), seen.at(reading));
        if let Some(both) = believed.and(&seen) {
            self.believed = Some(both);
            self.doubted = None;
            return;
        }
        let small = believed.distance(&seen) <= JUMP_TAKEN_AT_ONCE;
        let said_twice = self.doubted.and_then(|doubted| doubted.at(reading).and(&seen));
        match (small, said_twice) {
            (true, _) => {
                self.believed = Some(seen);
                self.doubted = None;
            }
            (false, Some(both)) => {
                self.believed = Some(both);
                self.doubted = None;
            }
            (false, None) => self.doubted = Some(seen),
        }
    }

    /// Whether the broker has ever said what time it is.
    pub fn is_held(&self) -> bool {
        self.believed.is_some()
    }

    /// The time, when the machine's clock shows `machine` and the monotonic one `monotonic`. Never goes back, and never
    /// stands still: what is ahead goes on at half speed until it is overtaken.
    pub fn read(&mut self, machine: Timestamp, monotonic: Duration) -> Timestamp {
        let wanted = match self.believed.map(|bounds| bounds.at(monotonic)) {
            Some(bounds) => machine.clamp(bounds.earliest, bounds.latest),
            None => machine,
        };
        let time = match self.shown {
            Some(shown) if wanted < shown.time => {
                let elapsed = monotonic.saturating_sub(shown.monotonic);
                let half = SignedDuration::try_from(elapsed / 2).unwrap_or(SignedDuration::ZERO);
                later(shown.time, half)
            }
            _ => wanted,
        };
        self.shown = Some(Shown { time, monotonic });
        time
    }

    /// By how much the machine's clock is certainly wrong: positive when it is ahead, zero while it may be right; absent
    /// when the broker never said what time it is.
    pub fn machine_error(&self, machine: Timestamp, monotonic: Duration) -> Option<SignedDuration> {
        let bounds = self.believed?.at(monotonic);
        Some(machine.duration_since(machine.clamp(bounds.earliest, bounds.latest)))
    }
}

/// How bad it is that the machine's clock is wrong by so much; absent when it is good enough.
pub fn severity_of_machine_error(error: SignedDuration) -> Option<Severity> {
    match error.abs() {
        error if error >= CRITICAL_BEYOND => Some(Severity::Critical),
        error if error >= WARN_BEYOND => Some(Severity::Warning),
        _ => None,
    }
}

impl Bounds {
    /// The same at another reading of the monotonic clock, wider by what that may have run wrong meanwhile.
    fn at(&self, monotonic: Duration) -> Self {
        let elapsed = monotonic.saturating_sub(self.monotonic);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        let drift = SignedDuration::from_micros(
            i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).saturating_mul(DRIFT_PARTS_PER_MILLION) / 1_000,
        );
        Self {
            monotonic: self.monotonic.max(monotonic),
            earliest: later(self.earliest, elapsed.saturating_sub(drift)),
            latest: later(self.latest, elapsed.saturating_add(drift)),
        }
    }

    /// What both allow, at the later of their readings; both must be of one reading.
    fn and(&self, other: &Self) -> Option<Self> {
        let both = Self {
            monotonic: self.monotonic.max(other.monotonic),
            earliest: self.earliest.max(other.earliest),
            latest: self.latest.min(other.latest),
        };
        (both.earliest <= both.latest).then_some(both)
    }

    /// How far apart two bounds are that do not overlap.
    fn distance(&self, other: &Self) -> SignedDuration {
        let gap = self.earliest.duration_since(other.latest).max(other.earliest.duration_since(self.latest));
        gap.max(SignedDuration::ZERO)
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOON: &str = "2026-03-10T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Noon, moved by so many milliseconds.
    fn noon(milliseconds: i64) -> Timestamp {
        at(NOON).checked_add(SignedDuration::from_millis(milliseconds)).unwrap()
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// A clock that was told at 1 s of the monotonic clock, by an answer that took 100 ms, that it is noon.
    fn held() -> HeldClock {
        let mut clock = HeldClock::default();
        clock.observe(noon(0), ms(900), ms(1_000));
        clock
    }

    #[test]
    fn the_machines_clock_is_followed_within_what_the_broker_allows_and_overruled_beyond() {
        // What the machine shows, what is shown, by how much the machine is certainly wrong; all 10 s after the answer.
        let cases = [
            (10_000, 10_000, 0),
            (10_500, 10_500, 0),
            (11_100, 11_100, 0),
            (11_103, 11_102, 1),
            (9_998, 9_998, 0),
            (9_990, 9_998, -8),
            (86_400_000, 11_102, 86_400_000 - 11_102),
            (-86_400_000, 9_998, -86_400_000 - 9_998),
        ];
        for (machine, shown, error) in cases {
            let mut clock = held();
            let now = ms(11_000);
            assert_eq!(clock.machine_error(noon(machine), now), Some(SignedDuration::from_millis(error)), "{machine}");
            assert_eq!(clock.read(noon(machine), now), noon(shown), "{machine}");
        }
    }

    #[test]
    fn a_clock_set_forward_or_back_at_any_time_changes_nothing() {
        for jump in [3_600_000, 86_400_000, -3_600_000] {
            let mut clock = held();
            let mut last = clock.read(noon(0), ms(1_000));
            for second in 1..600 {
                let machine = noon(second * 1_000 + if second > 60 { jump } else { 0 });
                let monotonic = ms(1_000 + second as u64 * 1_000);
                // The broker goes on answering once a minute.
                if second % 60 == 30 {
                    clock.observe(noon(second * 1_000), monotonic - ms(50), monotonic);
                }
                let shown = clock.read(machine, monotonic);
                assert!(shown > last, "{jump}: goes on");
                let distance = shown.duration_since(noon(second * 1_000)).abs();
                assert!(distance < SignedDuration::from_millis(1_300), "{jump}: {shown} at second {second}");
                last = shown;
            }
            let error = clock.machine_error(noon(599_000 + jump), ms(600_000)).unwrap();
            assert_eq!(severity_of_machine_error(error), Some(Severity::Critical));
        }
    }

    #[test]
    fn the_first_word_may_set_the_time_back_and_no_later_one_does() {
        let mut clock = HeldClock::default();
        let ahead = clock.read(noon(86_400_000), ms(0));
        assert_eq!(ahead, noon(86_400_000), "nothing is known yet");
        assert!(!clock.is_held() && clock.machine_error(ahead, ms(0)).is_none());
        clock.observe(noon(0), ms(900), ms(1_000));
        assert_eq!(clock.read(noon(86_401_000), ms(1_000)), noon(1_100));
        // The broker's clock is set back by a minute, and says so twice.
        clock.observe(noon(-59_000), ms(1_950), ms(2_000));
        clock.observe(noon(-58_000), ms(2_950), ms(3_000));
        let shown = clock.read(noon(-57_000), ms(3_000));
        assert_eq!(shown, noon(2_100), "half of the two seconds since");
    }

    #[test]
    fn a_machine_that_slept_is_caught_up_with_by_two_answers() {
        let mut clock = held();
        assert_eq!(clock.read(noon(0), ms(1_000)), noon(0));
        // Eight hours of sleep, in which the monotonic clock stood still.
        let slept = 8 * 3_600_000;
        assert!(clock.read(noon(slept), ms(1_500)) < noon(2_000), "a forged clock would look the same");
        clock.observe(noon(slept), ms(1_500), ms(1_600));
        assert!(clock.read(noon(slept), ms(1_600)) < noon(2_000), "one answer may be wrong");
        clock.observe(noon(slept), ms(1_700), ms(1_800));
        assert_eq!(clock.read(noon(slept + 300), ms(1_800)), noon(slept + 300));
    }

    #[test]
    fn one_wrong_answer_changes_nothing_and_a_slow_one_says_nothing() {
        let mut clock = held();
        clock.observe(noon(3_600_000), ms(2_000), ms(2_050));
        clock.observe(noon(1_000), ms(2_100), ms(2_150));
        clock.observe(noon(7_200_000), ms(2_200), ms(2_250));
        assert!(clock.read(noon(7_200_000), ms(2_300)) < noon(2_500));
        let before = clock.clone();
        clock.observe(noon(500_000), ms(2_300), ms(23_000));
        assert_eq!(clock.believed, before.believed);
        assert_eq!(clock.doubted, before.doubted);
    }

    #[test]
    fn answers_narrow_down_what_time_it_is() {
        let mut clock = held();
        // One that names the next second a moment after it began: the broker is at 12:00:01.000 to 12:00:01.020.
        clock.observe(noon(1_000), ms(1_950), ms(1_970));
        let error = clock.machine_error(noon(3_000), ms(1_970)).unwrap();
        assert!(error > SignedDuration::from_millis(900), "{error:?}");
    }

    #[test]
    fn how_bad_it_is() {
        for (milliseconds, expected) in [
            (0, None),
            (4_999, None),
            (5_000, Some(Severity::Warning)),
            (-5_000, Some(Severity::Warning)),
            (59_999, Some(Severity::Warning)),
            (60_000, Some(Severity::Critical)),
            (-86_400_000, Some(Severity::Critical)),
        ] {
            let error = SignedDuration::from_millis(milliseconds);
            assert_eq!(severity_of_machine_error(error), expected, "{milliseconds}");
        }
    }
}
