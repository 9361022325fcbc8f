//! Calendar files: holidays of an exchange, and scheduled events. Read whole; every error names its file, line and key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use riskd_core::model::{Holiday, HolidayCalendar, Impact, NewsCalendar, NewsEvent};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::checks;
use super::document::Document;
use super::error::ConfigError;
use super::folder::ConfigFolder;

/// The largest calendar that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 20;

/// Where a calendar is: relative paths start from the config folder, else, as all others, from the folder around it.
pub(super) fn find(folder: &ConfigFolder, named: &str) -> PathBuf {
    let inside = folder.path().join(named);
    if inside.exists() { inside } else { folder.resolve(Path::new(named)) }
}

/// Reads a file of holidays and early closes. `None` when it is absent.
pub fn load_holidays(file: &Path) -> Result<Option<HolidayCalendar>, ConfigError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(deserialize_with = "checks::time_zone")]
        timezone: TimeZone,
        holidays: Vec<Day>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Day {
        #[serde(deserialize_with = "date")]
        date: Date,
        #[serde(default, deserialize_with = "checks::optional_wall_clock")]
        close: Option<Time>,
        #[serde(default, rename = "name")]
        _name: Option<String>,
    }
    let Some(document) = Document::open(file)? else { return Ok(None) };
    let read: File = document.read()?;
    let mut days = BTreeMap::new();
    for (index, day) in read.holidays.into_iter().enumerate() {
        let holiday = day.close.map_or(Holiday::Closed, Holiday::ClosesAt);
        if days.insert(day.date, holiday).is_some() {
            return Err(document
                .refuse_key(&format!("holidays[{index}].date"), format!("{} is listed twice", day.date))
                .advise("one line a date: with close, the session ends early; without, there is none"));
        }
    }
    Ok(Some(HolidayCalendar { timezone: read.timezone, days }))
}

/// Reads a file of scheduled events, YAML or (by its name) CSV. `None` when it is absent.
pub fn load_news(file: &Path) -> Result<Option<NewsCalendar>, ConfigError> {
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        return news_of_csv(file);
    }
    let Some(document) = Document::open(file)? else { return Ok(None) };
    let read: NewsFile = document.read()?;
    let mut events = Vec::with_capacity(read.events.len());
    for (index, event) in read.events.into_iter().enumerate() {
        let at = event.time.on(read.timezone.as_ref());
        let at = at.map_err(|problem| document.refuse_key(&format!("events[{index}].time"), problem))?;
        events.push(NewsEvent { at, title: event.title, impact: event.impact, symbols: event.symbols });
    }
    Ok(Some(NewsCalendar::new(events)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewsFile {
    #[serde(default, deserialize_with = "checks::optional_time_zone")]
    timezone: Option<TimeZone>,
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    time: Moment,
    #[serde(deserialize_with = "checks::text")]
    title: String,
    #[serde(deserialize_with = "impact", default = "high")]
    impact: Impact,
    #[serde(default)]
    symbols: Vec<String>,
}

/// A moment as a calendar spells it: with an offset, or on the clocks of the calendar's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Instant(Timestamp),
    Local(DateTime),
}

impl Moment {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(instant) = text.parse() {
            return Ok(Self::Instant(instant));
        }
        let local = text.parse().ok().filter(|_| text.len() > "2026-01-01".len());
        local.map(Self::Local).ok_or_else(|| {
            format!("{text:?} is not a time such as 2026-03-06T08:30 (with a timezone) or 2026-03-06T13:30:00Z")
        })
    }

    fn on(self, timezone: Option<&TimeZone>) -> Result<Timestamp, String> {
        match (self, timezone) {
            (Self::Instant(instant), _) => Ok(instant),
            (Self::Local(local), Some(zone)) => {
                zone.to_ambiguous_timestamp(local).compatible().map_err(|_| format!("{local} is out of range"))
            }
            (Self::Local(local), None) => {
                Err(format!("{local} says no offset, and the file names no timezone: nobody knows when that is"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&checks::text(deserializer)?).map_err(Error::custom)
    }
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = checks::text(deserializer)?;
    text.trim().parse().map_err(|_| Error::custom(format!("{text:?} is not a date such as 2026-12-25")))
}

fn impact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Impact, D::Error> {
    let text = checks::text(deserializer)?;
    impact_of(&text).ok_or_else(|| Error::unknown_variant(&text, &["low", "medium", "high"]))
}

fn impact_of(text: &str) -> Option<Impact> {
    match text.trim().to_ascii_lowercase().as_str() {
        "low" => Some(Impact::Low),
        "medium" | "moderate" => Some(Impact::Medium),
        "high" => Some(Impact::High),
        _ => None,
    }
}

fn high() -> Impact {
    Impact::High
}

/// Columns `time`, `title`, and where wanted `impact`, `symbols` (parted by blanks) and `timezone`, in any order.
fn news_of_csv(file: &Path) -> Result<Option<NewsCalendar>, ConfigError> {
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ConfigError::with_file(file, format!("cannot be read: {error}"))),
        Ok(metadata) if metadata.len() > LARGEST_FILE => {
            return Err(ConfigError::with_file(file, "is larger than 1 MiB: not a calendar"));
        }
        Ok(_) => {}
    }
    let refuse = |line: u64, key: &str, problem: String| {
        let mut error = ConfigError::with_file(file, problem);
        error.line = Some(line);
        error.key = key.to_owned();
        error
    };
    let unreadable = |error: csv::Error| {
        refuse(error.position().map_or(1, csv::Position::line), "", format!("is not valid CSV: {error}"))
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(unreadable)?;
    let columns =
        Columns::of(reader.headers().map_err(unreadable)?).map_err(|(key, problem)| refuse(1, key, problem))?;
    let mut events = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(1, csv::Position::line);
        events.push(columns.event(&record).map_err(|(key, problem)| refuse(line, key, problem))?);
    }
    Ok(Some(NewsCalendar::new(events)))
}

/// Where each column of a CSV calendar stands.
struct Columns {
    time: usize,
    title: usize,
    impact: Option<usize>,
    symbols: Option<usize>,
    timezone: Option<usize>,
}

impl Columns {
    const KNOWN: [&str; 5] = ["time", "title", "impact", "symbols", "timezone"];

    fn of(header: &csv::StringRecord) -> Result<Self, (&'static str, String)> {
        let at = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let unknown = header.iter().find(|column| !Self::KNOWN.iter().any(|known| known.eq_ignore_ascii_case(column)));
        if let Some(unknown) = unknown {
            let advice = super::error::nearest_known(unknown, Self::KNOWN).unwrap_or_default();
            return Err(("", format!("unknown column {unknown:?}; {advice}")));
        }
        let required = |name: &'static str| at(name).ok_or_else(|| (name, format!("the column {name} is required")));
        Ok(Self {
            time: required("time")?,
            title: required("title")?,
            impact: at("impact"),
            symbols: at("symbols"),
            timezone: at("timezone"),
        })
    }

    fn event(&self, record: &csv::StringRecord) -> Result<NewsEvent, (&'static str, String)> {
        let cell = |column: usize| record.get(column).unwrap_or("");
        let optional = |column: Option<usize>| column.map(cell).filter(|text| !text.is_empty());
        let zone = optional(self.timezone).map(checks::find_time_zone).transpose();
        let zone = zone.map_err(|problem| ("timezone", problem))?;
        let at = Moment::read(cell(self.time)).and_then(|moment| moment.on(zone.as_ref()));
        let title = cell(self.title);
        if title.is_empty() {
            return Err(("title", "must not be empty".to_owned()));
        }
        let impact = match optional(self.impact) {
            None => Impact::High,
            Some(text) => {
                impact_of(text).ok_or_else(|| ("impact", format!("{text:?} is not one of low, medium, high")))?
            }
        };
        let symbols = optional(self.symbols).unwrap_or_default().split([' ', ';', '|']);
        Ok(NewsEvent {
            at: at.map_err(|problem| ("time", problem))?,
            title: title.to_owned(),
            impact,
            symbols: symbols.filter(|root| !root.is_empty()).map(str::to_owned).collect(),
        })
    }
}
