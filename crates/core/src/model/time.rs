//! Time as data: the checks' "now", and the trading day.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Clock skew allowed between the gateway and this machine, unless configured otherwise.
pub const DEFAULT_CLOCK_SKEW_MS: i64 = 2_000;

/// What a check may know beyond the fields themselves.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    /// The present moment, handed in by whoever owns the clock.
    pub now: Timestamp,
    /// How far ahead of `now` a time may lie before it counts as in the future.
    pub clock_skew_ms: i64,
    /// Whether the contract trades below zero (crude oil did in April 2020).
    pub allows_negative_price: bool,
}

impl Checks {
    /// Checks at `now`, with the default clock skew and positive prices only.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, clock_skew_ms: DEFAULT_CLOCK_SKEW_MS, allows_negative_price: false }
    }

    /// The same checks for a contract that may trade below zero.
    pub const fn allowing_negative_price(self, allows_negative_price: bool) -> Self {
        Self { allows_negative_price, ..self }
    }

    pub(crate) fn is_in_the_future(&self, time: Timestamp) -> bool {
        time.duration_since(self.now) > SignedDuration::from_millis(self.clock_skew_ms)
    }
}

/// Whole milliseconds from `earlier` to `later`; negative when they are the other way round.
pub fn milliseconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    i64::try_from(later.duration_since(earlier).as_millis()).unwrap_or(i64::MAX)
}

/// The time cut down to whole milliseconds, as the state database keeps it.
pub fn truncate_to_millisecond(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_nanosecond().div_euclid(1_000_000) as i64).unwrap_or(time)
}

/// When an account's trading day turns: a wall-clock time in a time zone.
///
/// A day runs from reset to reset and is named by the date on which it ends. The reset follows the wall clock through
/// both daylight-saving changes: a day may last 23 or 25 hours.
#[derive(Debug, Clone, PartialEq)]
pub struct TradingDayClock {
    reset_time: Time,
    timezone: TimeZone,
}

impl TradingDayClock {
    /// A day that turns at `reset_time` on the clocks of `timezone`.
    pub fn new(reset_time: Time, timezone: TimeZone) -> Self {
        Self { reset_time, timezone }
    }

    /// The wall-clock time of the reset.
    pub fn reset_time(&self) -> Time {
        self.reset_time
    }

    /// The time zone of the reset.
    pub fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    /// The IANA name of the time zone, such as `America/New_York`.
    pub fn timezone_name(&self) -> &str {
        self.timezone.iana_name().unwrap_or("UTC")
    }

    /// The trading day that `at` belongs to: the date on which that day ends. The reset instant opens the new day.
    pub fn day_of(&self, at: Timestamp) -> Date {
        let local = at.to_zoned(self.timezone.clone()).date();
        // The reset of a date is its instant, not its wall clock: at a repeated hour they differ.
        let mut day = local.yesterday().unwrap_or(local);
        while self.end_of(day) <= at {
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => break,
            }
        }
        day
    }

    /// The instant at which `day` ends and the next begins.
    pub fn end_of(&self, day: Date) -> Timestamp {
        let local = DateTime::from_parts(day, self.reset_time);
        // "Compatible" moves a reset that the spring change skips forward by the gap, and takes the first of two.
        self.timezone.to_ambiguous_timestamp(local).compatible().unwrap_or(Timestamp::MAX)
    }

    /// The instant at which `day` began.
    pub fn start_of(&self, day: Date) -> Timestamp {
        day.yesterday().map_or(Timestamp::MIN, |before| self.end_of(before))
    }

    /// The first reset after `at`.
    pub fn next_reset(&self, at: Timestamp) -> Timestamp {
        self.end_of(self.day_of(at))
    }
}

/// Adds milliseconds to a time, stopping at the end of time.
pub(crate) fn time_after_ms(at: Timestamp, milliseconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(milliseconds)).unwrap_or(Timestamp::MAX)
}
