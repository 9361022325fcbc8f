//! How sizes, times, spans and amounts are said to people. Every number carries its unit.

use std::path::Path;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use riskd_core::model::Money;
pub(super) use riskd_store::size_in_words as size;

/// A path as people are shown it: relative where it lies below the working folder.
pub(super) fn path(path: &Path) -> String {
    shortened(&path.display().to_string())
}

/// A text with every path below the working folder made relative.
pub(super) fn shortened(text: &str) -> String {
    match std::env::current_dir() {
        Ok(folder) if folder.parent().is_some() => text.replace(&format!("{}/", folder.display()), ""),
        _ => text.to_owned(),
    }
}

/// `2026-11-22 09:31:00 EST`: a time on the clocks of a zone, with the zone named.
pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// `2 h 13 min`, `3 days`, `5 s`: the two largest units that say something, or one.
pub(super) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, ..) => format!("{days} days"),
    }
}

/// How long ago, `3 days ago`; a time that is still to come is `just now`, as clocks differ.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(at);
    if passed < SignedDuration::from_secs(1) { "just now".to_owned() } else { format!("{} ago", span(passed)) }
}

/// `-$512.50`.
pub(super) fn dollars(amount: Money) -> String {
    format!("{amount:#}")
}

/// `1 order`, `2 orders`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_carry_their_units() {
        let spans = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (7_980, "2 h 13 min"),
            (86_400, "1 day 0 h"),
            (172_799, "1 day 23 h"),
            (259_200, "3 days"),
        ];
        for (seconds, words) in spans {
            assert_eq!(span(SignedDuration::from_secs(seconds)), words);
        }
        assert_eq!((dollars(Money::from_cents(-51_250)), dollars(Money::ZERO)), ("-$512.50".into(), "$0.00".into()));
        assert_eq!((count(1, "order"), count(0, "order")), ("1 order".into(), "0 orders".into()));
    }

    #[test]
    fn times_name_their_zone() {
        let at: Timestamp = "2026-11-22T14:31:00Z".parse().unwrap();
        let zone = TimeZone::get("America/New_York").unwrap();
        assert_eq!(time(at, &zone), "2026-11-22 09:31:00 EST");
        assert_eq!(time(at, &TimeZone::UTC), "2026-11-22 14:31:00 UTC");
        assert_eq!(ago(at, "2026-11-22T14:33:00Z".parse().unwrap()), "2 min ago");
        assert_eq!(ago(at, at), "just now");
    }
}
