//! Trading sessions: through midnight, weekends, holidays, early closes and daylight-saving changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Time, date};
use jiff::tz::TimeZone;
use riskd_core::model::{Holiday, HolidayCalendar, TradingHours};

use crate::time;

fn clock(text: &str) -> Time {
    Time::strptime("%H:%M", text).unwrap()
}

fn calendar() -> Arc<HolidayCalendar> {
    let days = BTreeMap::from([
        (date(2026, 1, 1), Holiday::Closed),
        (date(2026, 1, 19), Holiday::ClosesAt(clock("12:00"))),
        (date(2026, 4, 3), Holiday::ClosesAt(clock("08:15"))),
        (date(2026, 12, 25), Holiday::Closed),
    ]);
    Arc::new(HolidayCalendar { timezone: TimeZone::get("America/Chicago").unwrap(), days })
}

fn hours(start: &str, end: &str, zone: &str) -> TradingHours {
    TradingHours::new(clock(start), clock(end), TimeZone::get(zone).unwrap(), Some(calendar()))
}

/// Hours, a moment, and what is then: the session's close, or (with `-`) the next opening.
#[test]
fn a_moment_is_in_a_session_or_before_the_next_one() {
    let new_york = "America/New_York";
    let cases = [
        // Day and night: Tuesday the 10th of March 2026, summer time since the 8th.
        ("09:30", "16:00", new_york, "2026-03-10T13:29:59.999Z", "- 2026-03-10T13:30:00Z"),
        ("09:30", "16:00", new_york, "2026-03-10T13:30:00Z", "2026-03-10T20:00:00Z"),
        ("09:30", "16:00", new_york, "2026-03-10T19:59:59.999Z", "2026-03-10T20:00:00Z"),
        ("09:30", "16:00", new_york, "2026-03-10T20:00:00Z", "- 2026-03-11T13:30:00Z"),
        // Through midnight, and over the weekend.
        ("18:00", "17:00", new_york, "2026-03-10T03:00:00Z", "2026-03-10T21:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-10T21:00:00Z", "- 2026-03-10T22:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-10T22:00:00Z", "2026-03-11T21:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-13T20:59:59Z", "2026-03-13T21:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-13T21:00:00Z", "- 2026-03-15T22:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-15T21:59:59Z", "- 2026-03-15T22:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-15T22:00:00Z", "2026-03-16T21:00:00Z"),
        // The weekend of each daylight-saving change.
        ("18:00", "17:00", new_york, "2026-03-06T21:59:59Z", "2026-03-06T22:00:00Z"),
        ("18:00", "17:00", new_york, "2026-03-06T22:00:00Z", "- 2026-03-08T22:00:00Z"),
        ("18:00", "17:00", new_york, "2026-10-30T21:00:00Z", "- 2026-11-01T23:00:00Z"),
        ("18:00", "17:00", new_york, "2026-11-01T23:00:00Z", "2026-11-02T22:00:00Z"),
        ("08:00", "22:00", "Europe/Berlin", "2026-03-27T22:00:00Z", "- 2026-03-30T06:00:00Z"),
        ("08:00", "22:00", "Europe/Berlin", "2026-10-23T20:00:00Z", "- 2026-10-26T07:00:00Z"),
        // A change in the week: Cairo skips 00:00 to 01:00 on Friday the 24th of April.
        ("00:30", "10:00", "Africa/Cairo", "2026-04-23T12:00:00Z", "- 2026-04-23T22:30:00Z"),
        ("08:45", "15:15", "Asia/Tokyo", "2026-03-09T23:45:00Z", "2026-03-10T06:15:00Z"),
        ("17:00", "17:00", new_york, "2026-03-10T21:00:00Z", "2026-03-11T21:00:00Z"),
        ("17:00", "17:00", new_york, "2026-03-13T21:00:00Z", "- 2026-03-15T21:00:00Z"),
        // Holidays: none on New Year's Day, so from the 31st at 17:00 to the evening of the 1st; an early close at noon in
        // Chicago; one before the session would open.
        ("18:00", "17:00", new_york, "2025-12-31T22:00:00Z", "- 2026-01-01T23:00:00Z"),
        ("09:30", "16:00", new_york, "2026-01-01T15:00:00Z", "- 2026-01-02T14:30:00Z"),
        ("18:00", "17:00", new_york, "2026-01-19T17:59:59Z", "2026-01-19T18:00:00Z"),
        ("18:00", "17:00", new_york, "2026-01-19T18:00:00Z", "- 2026-01-19T23:00:00Z"),
        ("09:30", "16:00", new_york, "2026-04-03T14:00:00Z", "- 2026-04-06T13:30:00Z"),
        ("18:00", "17:00", new_york, "2026-12-24T22:00:00Z", "- 2026-12-27T23:00:00Z"),
    ];
    for (start, end, zone, at, expected) in cases {
        let hours = hours(start, end, zone);
        let at = time(at);
        let found = match hours.session_at(at) {
            Some(session) => session.closes_at.to_string(),
            None => format!("- {}", hours.next_opening(at).unwrap()),
        };
        assert_eq!(found, expected, "{start} {end} {zone} at {at}");
        if hours.session_at(at).is_none() {
            let before = hours.session_before(at).unwrap();
            assert!(before.closes_at <= at, "{start} {end} {zone} at {at}: {before:?}");
            assert!(hours.session_at(before.opens_at).is_some());
        }
    }
}

/// Every minute of two weeks around both changes is either in one session or before the next.
#[test]
fn sessions_never_overlap_and_never_leave_a_weekday_out() {
    for (start, end) in [("18:00", "17:00"), ("09:30", "16:00"), ("17:00", "17:00"), ("00:00", "00:00")] {
        for (first, days) in [(date(2026, 3, 2), 14), (date(2026, 10, 26), 14)] {
            let hours = hours(start, end, "America/New_York");
            let mut day = first;
            let mut last_close = None;
            for _ in 0..days {
                if let Some(session) = hours.session_of(day) {
                    assert!(session.opens_at < session.closes_at, "{day}");
                    assert!(last_close.is_none_or(|close| close <= session.opens_at), "{day} overlaps");
                    assert_eq!(hours.session_at(session.opens_at), Some(session));
                    assert_ne!(hours.session_at(session.closes_at), Some(session));
                    last_close = Some(session.closes_at);
                }
                day = day.tomorrow().unwrap();
            }
        }
    }
}

#[test]
fn a_calendar_without_an_end_of_holidays_leaves_no_opening() {
    let mut days = BTreeMap::new();
    let mut day = date(2026, 1, 1);
    for _ in 0..500 {
        days.insert(day, Holiday::Closed);
        day = day.tomorrow().unwrap();
    }
    let calendar = HolidayCalendar { timezone: TimeZone::UTC, days };
    let hours = TradingHours::new(clock("09:30"), clock("16:00"), TimeZone::UTC, Some(Arc::new(calendar)));
    assert_eq!(hours.next_opening(time("2026-01-02T00:00:00Z")), None);
    assert_eq!(hours.session_at(time("2026-01-05T12:00:00Z")), None);
}
