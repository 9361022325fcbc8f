//! The oracle's own calendar: where a trading day begins and ends.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// When an account's day turns.
#[derive(Debug, Clone)]
pub struct DayTurn {
    /// On the wall clock.
    pub reset: Time,
    /// Of this zone.
    pub zone: TimeZone,
}

impl DayTurn {
    /// The two resets around `at`: the last one, which `at` may be, and the next.
    pub fn around(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let today = at.to_zoned(self.zone.clone()).date();
        let reset = |days: i64| {
            let date = today.checked_add(jiff::Span::new().days(days)).unwrap_or(today);
            date.to_datetime(self.reset).to_zoned(self.zone.clone()).map_or(at, |zoned| zoned.timestamp())
        };
        if reset(0) <= at { (reset(0), reset(1)) } else { (reset(-1), reset(0)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_may_have_23_or_25_hours() {
        let turn = DayTurn { reset: Time::constant(17, 0, 0, 0), zone: TimeZone::get("America/New_York").unwrap() };
        for (at, begins, ends) in [
            ("2026-03-07T22:00:00Z", "2026-03-07T22:00:00Z", "2026-03-08T21:00:00Z"),
            ("2026-03-08T20:59:59Z", "2026-03-07T22:00:00Z", "2026-03-08T21:00:00Z"),
            ("2026-11-01T12:00:00Z", "2026-10-31T21:00:00Z", "2026-11-01T22:00:00Z"),
        ] {
            let expected = (begins.parse().unwrap(), ends.parse().unwrap());
            assert_eq!(turn.around(at.parse().unwrap()), expected, "{at}");
        }
    }
}
