//! The trading day, over both daylight-saving changes, and the small arithmetic of time.

use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use riskd_core::model::{Timestamp, TradingDayClock, milliseconds_between, truncate_to_millisecond};

use crate::time;

fn clock(reset: &str, zone: &str) -> TradingDayClock {
    let (hour, minute) = reset.split_once(':').unwrap();
    let reset = Time::new(hour.parse().unwrap(), minute.parse().unwrap(), 0, 0).unwrap();
    TradingDayClock::new(reset, TimeZone::get(zone).unwrap())
}

/// When a day ends, in UTC, for each reset and zone.
#[test]
fn a_day_ends_by_the_wall_clock_through_both_changes() {
    for (reset, zone, day, ends) in [
        ("17:00", "America/New_York", date(2025, 3, 7), "2025-03-07T22:00:00Z"),
        ("17:00", "America/New_York", date(2025, 3, 8), "2025-03-08T22:00:00Z"),
        ("17:00", "America/New_York", date(2025, 3, 9), "2025-03-09T21:00:00Z"),
        ("17:00", "America/New_York", date(2025, 11, 1), "2025-11-01T21:00:00Z"),
        ("17:00", "America/New_York", date(2025, 11, 2), "2025-11-02T22:00:00Z"),
        ("17:00", "America/Chicago", date(2025, 3, 8), "2025-03-08T23:00:00Z"),
        ("17:00", "America/Chicago", date(2025, 3, 9), "2025-03-09T22:00:00Z"),
        ("17:00", "America/Chicago", date(2025, 11, 1), "2025-11-01T22:00:00Z"),
        ("17:00", "America/Chicago", date(2025, 11, 2), "2025-11-02T23:00:00Z"),
        ("00:00", "America/New_York", date(2025, 3, 9), "2025-03-09T05:00:00Z"),
        ("00:00", "America/New_York", date(2025, 3, 10), "2025-03-10T04:00:00Z"),
        ("00:00", "America/Chicago", date(2025, 11, 3), "2025-11-03T06:00:00Z"),
        // 02:30 does not exist on the day the clocks go forward: the reset moves with the clock, by the hour skipped.
        ("02:30", "America/New_York", date(2025, 3, 9), "2025-03-09T07:30:00Z"),
        ("02:30", "America/Chicago", date(2025, 3, 9), "2025-03-09T08:30:00Z"),
        ("02:00", "America/New_York", date(2025, 3, 9), "2025-03-09T07:00:00Z"),
        ("01:59", "America/New_York", date(2025, 3, 9), "2025-03-09T06:59:00Z"),
        ("03:00", "America/New_York", date(2025, 3, 9), "2025-03-09T07:00:00Z"),
        // 01:30 comes twice on the day they go back: the first counts.
        ("01:30", "America/New_York", date(2025, 11, 2), "2025-11-02T05:30:00Z"),
        ("01:30", "America/Chicago", date(2025, 11, 2), "2025-11-02T06:30:00Z"),
        ("02:00", "America/New_York", date(2025, 11, 2), "2025-11-02T07:00:00Z"),
        ("23:59", "UTC", date(2025, 12, 31), "2025-12-31T23:59:00Z"),
    ] {
        let clock = clock(reset, zone);
        assert_eq!(clock.end_of(day), time(ends), "{reset} {zone} {day}");
        assert_eq!(clock.start_of(day.tomorrow().unwrap()), time(ends));
    }
}

#[test]
fn a_day_lasts_23_24_or_25_hours() {
    for zone in ["America/New_York", "America/Chicago"] {
        let clock = clock("17:00", zone);
        for (day, hours) in [
            (date(2025, 3, 8), 24),
            (date(2025, 3, 9), 23),
            (date(2025, 3, 10), 24),
            (date(2025, 11, 2), 25),
            (date(2025, 11, 3), 24),
        ] {
            assert_eq!(milliseconds_between(clock.start_of(day), clock.end_of(day)), hours * 3_600_000, "{zone} {day}");
        }
    }
}

/// A day is named by the date on which it ends, and the instant of the reset opens the new one.
#[test]
fn a_moment_belongs_to_the_day_that_ends_next() {
    for (reset, zone, at, day) in [
        ("17:00", "America/New_York", "2025-06-02T20:59:59.999999999Z", date(2025, 6, 2)),
        ("17:00", "America/New_York", "2025-06-02T21:00:00Z", date(2025, 6, 3)),
        ("17:00", "America/New_York", "2025-06-03T03:00:00Z", date(2025, 6, 3)),
        // Sunday evening trades Monday's day.
        ("17:00", "America/Chicago", "2025-06-01T22:00:00Z", date(2025, 6, 2)),
        ("17:00", "America/Chicago", "2025-06-01T21:59:59Z", date(2025, 6, 1)),
        ("00:00", "America/New_York", "2025-06-02T03:59:59Z", date(2025, 6, 2)),
        ("00:00", "America/New_York", "2025-06-02T04:00:00Z", date(2025, 6, 3)),
        // Spring: 02:30 is skipped; 03:30 EDT, where the reset went, is 07:30 UTC.
        ("02:30", "America/New_York", "2025-03-09T07:29:59Z", date(2025, 3, 9)),
        ("02:30", "America/New_York", "2025-03-09T07:30:00Z", date(2025, 3, 10)),
        // Autumn: between the two half-past-ones the new day is open, and the second changes nothing.
        ("01:30", "America/New_York", "2025-11-02T05:29:59Z", date(2025, 11, 2)),
        ("01:30", "America/New_York", "2025-11-02T05:30:00Z", date(2025, 11, 3)),
        ("01:30", "America/New_York", "2025-11-02T06:15:00Z", date(2025, 11, 3)),
        ("01:30", "America/New_York", "2025-11-02T06:30:00Z", date(2025, 11, 3)),
        ("17:00", "America/New_York", "2024-12-31T22:00:00Z", date(2025, 1, 1)),
        ("17:00", "America/New_York", "2024-02-28T22:00:00Z", date(2024, 2, 29)),
    ] {
        let clock = clock(reset, zone);
        assert_eq!(clock.day_of(time(at)), day, "{reset} {zone} {at}");
        assert_eq!(clock.next_reset(time(at)), clock.end_of(day));
    }
}

#[test]
fn a_clock_tells_what_it_was_made_of() {
    let clock = clock("17:00", "America/Chicago");
    assert_eq!(clock.reset_time(), jiff::civil::time(17, 0, 0, 0));
    assert_eq!((clock.timezone_name(), clock.timezone().iana_name()), ("America/Chicago", Some("America/Chicago")));
    assert_eq!(TradingDayClock::new(Time::midnight(), TimeZone::UTC).timezone_name(), "UTC");
}

#[test]
fn milliseconds() {
    let at = time("2025-06-02T14:30:00Z");
    for (later, expected) in [
        ("2025-06-02T14:30:00Z", 0),
        ("2025-06-02T14:30:00.001Z", 1),
        ("2025-06-02T14:30:00.0019Z", 1),
        ("2025-06-02T14:29:59.999Z", -1),
        ("2025-06-03T14:30:00Z", 86_400_000),
    ] {
        assert_eq!(milliseconds_between(at, time(later)), expected, "{later}");
    }
    assert!(milliseconds_between(Timestamp::MIN, Timestamp::MAX) > 0);
    for (given, kept) in [
        ("2025-06-02T14:30:00.123999999Z", "2025-06-02T14:30:00.123Z"),
        ("2025-06-02T14:30:00.123Z", "2025-06-02T14:30:00.123Z"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(truncate_to_millisecond(time(given)), time(kept));
    }
}

fn any_clock() -> impl Strategy<Value = TradingDayClock> {
    let zones: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    assert!(zones.len() > 300, "the time zones are in the program");
    let usual = prop_oneof![Just("America/New_York".to_owned()), Just("America/Chicago".to_owned())];
    (prop_oneof![usual, proptest::sample::select(zones)], 0_i8..24, 0_i8..60).prop_map(|(zone, hour, minute)| {
        TradingDayClock::new(Time::new(hour, minute, 0, 0).unwrap(), TimeZone::get(&zone).unwrap())
    })
}

/// 1950 to 2050, to the nanosecond.
fn any_time() -> impl Strategy<Value = Timestamp> {
    (-631_152_000_i64..2_524_608_000, 0_i32..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, if second < 0 { 0 } else { nanosecond }).unwrap())
}

proptest! {
    #[test]
    fn every_moment_lies_in_its_day(clock in any_clock(), at in any_time()) {
        let day = clock.day_of(at);
        prop_assert!(clock.start_of(day) <= at && at < clock.end_of(day));
        prop_assert_eq!(clock.next_reset(at), clock.end_of(day));
        prop_assert!(clock.next_reset(at) > at);
        // The reset itself opens the next day, and the instant before it still belongs to this one.
        prop_assert!(clock.day_of(clock.end_of(day)) > day);
        let before = clock.end_of(day).checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap();
        prop_assert_eq!(clock.day_of(before), day);
    }

    #[test]
    fn days_follow_each_other_without_gap_or_overlap(clock in any_clock(), days in 0_i64..36_500) {
        let day: Date = date(1950, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
        let next = day.tomorrow().unwrap();
        prop_assert_eq!(clock.end_of(day), clock.start_of(next));
        prop_assert!(clock.start_of(day) <= clock.end_of(day));
    }

    #[test]
    fn later_is_never_an_earlier_day(clock in any_clock(), one in any_time(), other in any_time()) {
        let (earlier, later) = if one <= other { (one, other) } else { (other, one) };
        prop_assert!(clock.day_of(earlier) <= clock.day_of(later));
    }
}
