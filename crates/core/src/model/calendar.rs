//! Calendars, as data: days on which an exchange is closed or closes early, and events that move markets.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::hours::instant;

/// Dates on which there is no session, or a shorter one.
#[derive(Debug, Clone, PartialEq)]
pub struct HolidayCalendar {
    /// On whose clocks early closes are said.
    pub timezone: TimeZone,
    /// Trading dates and what is different about them.
    pub days: BTreeMap<Date, Holiday>,
}

/// What is different about a trading date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holiday {
    /// There is no session.
    Closed,
    /// The session is over by this time on the calendar's clocks.
    ClosesAt(Time),
}

impl HolidayCalendar {
    /// The instant by which every session of that date is over: absent when there is none, the end of time when the
    /// calendar says nothing of it.
    pub fn latest_close_of(&self, date: Date) -> Option<Timestamp> {
        match self.days.get(&date) {
            None => Some(Timestamp::MAX),
            Some(Holiday::Closed) => None,
            Some(Holiday::ClosesAt(time)) => Some(instant(&self.timezone, date, *time)),
        }
    }

    /// The last date it speaks of.
    pub fn last_date(&self) -> Option<Date> {
        self.days.last_key_value().map(|(date, _)| *date)
    }
}

/// Scheduled events, such as a payrolls report or a rate decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewsCalendar {
    events: Vec<NewsEvent>,
}

/// One scheduled event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsEvent {
    /// When.
    pub at: Timestamp,
    /// What, in the calendar's words.
    pub title: String,
    /// How much it is expected to move prices.
    pub impact: Impact,
    /// The roots of the products it moves; none means every product.
    pub symbols: Vec<String>,
}

/// How much an event is expected to move prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

impl NewsCalendar {
    /// A calendar of these events, in whatever order they come.
    pub fn new(mut events: Vec<NewsEvent>) -> Self {
        events.sort_by(|one, other| one.at.cmp(&other.at).then_with(|| one.title.cmp(&other.title)));
        Self { events }
    }

    /// The events, the earliest first.
    pub fn events(&self) -> &[NewsEvent] {
        &self.events
    }
}
