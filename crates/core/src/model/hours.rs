//! Trading hours: sessions on a wall clock, through midnight, weekends, holidays and daylight-saving changes.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;

use super::HolidayCalendar;

/// Days looked at for the next opening: more than a year of holidays is no calendar.
const LOOK_AHEAD_DAYS: usize = 400;

/// One session a trading date, Monday to Friday, from an opening to a close on the clocks of one time zone.
///
/// A session whose end is not after its start crosses midnight: it opens on the evening before its trading date. So
/// 18:00–17:00 opens on Sunday evening and closes for the week on Friday afternoon. Holidays take a session away, early
/// closes shorten it. Openings and closes follow the wall clock through both daylight-saving changes.
#[derive(Debug, Clone, PartialEq)]
pub struct TradingHours {
    start: Time,
    end: Time,
    timezone: TimeZone,
    holidays: Option<Arc<HolidayCalendar>>,
}

/// One session, from the instant at which it opens to the one at which it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TradingSession {
    /// The first instant of it.
    pub opens_at: Timestamp,
    /// The first instant after it.
    pub closes_at: Timestamp,
}

impl TradingHours {
    /// Sessions from `start` to `end` on the clocks of `timezone`, without those that `holidays` take away.
    pub fn new(start: Time, end: Time, timezone: TimeZone, holidays: Option<Arc<HolidayCalendar>>) -> Self {
        Self { start, end, timezone, holidays }
    }

    /// The session in progress at `at`.
    pub fn session_at(&self, at: Timestamp) -> Option<TradingSession> {
        self.sessions_from(at, 3).find(|session| session.opens_at <= at && at < session.closes_at)
    }

    /// The last session that was over at `at`.
    pub fn session_before(&self, at: Timestamp) -> Option<TradingSession> {
        let mut date = self.date_of(at).tomorrow().ok()?;
        for _ in 0..LOOK_AHEAD_DAYS {
            if let Some(session) = self.session_of(date).filter(|session| session.closes_at <= at) {
                return Some(session);
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// The first opening after `at`; absent when the holidays leave none within a year.
    pub fn next_opening(&self, at: Timestamp) -> Option<Timestamp> {
        self.sessions_from(at, LOOK_AHEAD_DAYS).map(|session| session.opens_at).find(|opens_at| *opens_at > at)
    }

    /// The session that a date names, unless that date has none.
    pub fn session_of(&self, date: Date) -> Option<TradingSession> {
        if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            return None;
        }
        let opens_on = if self.end <= self.start { date.yesterday().ok()? } else { date };
        let opens_at = instant(&self.timezone, opens_on, self.start);
        let closes_at = instant(&self.timezone, date, self.end);
        let closes_at = match &self.holidays {
            None => closes_at,
            Some(holidays) => closes_at.min(holidays.latest_close_of(date)?),
        };
        (opens_at < closes_at).then_some(TradingSession { opens_at, closes_at })
    }

    /// `18:00–17:00 America/New_York`, for people.
    pub fn describe(&self) -> String {
        let zone = self.timezone.iana_name().unwrap_or("UTC");
        format!("{}–{} {zone}", self.start.strftime("%H:%M"), self.end.strftime("%H:%M"))
    }

    /// The date on this session's clocks.
    pub fn date_of(&self, at: Timestamp) -> Date {
        at.to_zoned(self.timezone.clone()).date()
    }

    /// `at` on this session's clocks, for people.
    pub fn show(&self, at: Timestamp) -> String {
        at.to_zoned(self.timezone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    }

    /// The holidays that are kept.
    pub fn holidays(&self) -> Option<&HolidayCalendar> {
        self.holidays.as_deref()
    }

    /// The sessions of `days` dates, beginning with that before `at`.
    fn sessions_from(&self, at: Timestamp, days: usize) -> impl Iterator<Item = TradingSession> {
        let first = self.date_of(at).yesterday().ok();
        std::iter::successors(first, |date| date.tomorrow().ok()).take(days).filter_map(|date| self.session_of(date))
    }
}

/// A wall-clock time as an instant: one that the spring change skips moves forward by the gap; of two, the first.
pub(super) fn instant(timezone: &TimeZone, date: Date, time: Time) -> Timestamp {
    timezone.to_ambiguous_timestamp(DateTime::from_parts(date, time)).compatible().unwrap_or(Timestamp::MAX)
}
