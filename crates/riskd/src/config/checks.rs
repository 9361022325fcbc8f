//! Checks of single values, used where the values are read, so that each error knows its line and key.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use croner::Cron;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Reads a whole number from `least` to `most`.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D, least: i64, most: i64) -> Result<i64, D::Error> {
    struct Number {
        least: i64,
        most: i64,
    }
    impl Visitor<'_> for Number {
        type Value = i64;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "a whole number from {} to {}", self.least, self.most)
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
            if (self.least..=self.most).contains(&value) {
                Ok(value)
            } else {
                Err(E::invalid_value(serde::de::Unexpected::Signed(value), &self))
            }
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
            match i64::try_from(value) {
                Ok(value) => self.visit_i64(value),
                Err(_) => Err(E::invalid_value(serde::de::Unexpected::Unsigned(value), &self)),
            }
        }
    }
    deserializer.deserialize_any(Number { least, most })
}

/// Days of retention: at least one, at most a hundred years.
pub(super) fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    whole_number(deserializer, 1, 36_500).map(|days| days as u32)
}

/// A count that must not be zero.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    whole_number(deserializer, 1, 1_000_000).map(|count| count as u32)
}

/// Milliseconds: at least one, at most a day.
pub(super) fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    whole_number(deserializer, 1, 86_400_000).map(|milliseconds| milliseconds as u64)
}

/// The number of an account.
pub(super) fn account_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    whole_number(deserializer, 1, i64::MAX)
}

/// Text that is not blank.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() { Err(Error::custom("must not be empty")) } else { Ok(text) }
}

/// Text that is not blank, or nothing.
pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Optional(Option<String>);
    impl<'de> Deserialize<'de> for Optional {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            text(deserializer).map(|text| Self(Some(text)))
        }
    }
    Ok(Option::<Optional>::deserialize(deserializer)?.and_then(|optional| optional.0))
}

/// A path that is not blank, or nothing.
pub(super) fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(optional_text(deserializer)?.map(PathBuf::from))
}

/// A schedule in five cron fields: minute, hour, day of month, month, day of week.
pub(super) fn schedule<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cron, D::Error> {
    let pattern = text(deserializer)?;
    Cron::from_str(&pattern).map_err(|error| {
        Error::custom(format!("{pattern:?} is not a schedule (five cron fields, such as \"0 2 * * *\"): {error}"))
    })
}

/// A wall-clock time, `HH:MM`.
pub(super) fn wall_clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = text(deserializer)?;
    parse_wall_clock(&text)
        .ok_or_else(|| Error::custom(format!("{text:?} is not a time of day: HH:MM, from 00:00 to 23:59")))
}

/// An IANA time zone, out of the database inside the program.
pub(super) fn time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    find_time_zone(&text(deserializer)?).map_err(Error::custom)
}

/// A wall-clock time, `HH:MM`, or nothing.
pub(super) fn optional_wall_clock<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    struct Required(Time);
    impl<'de> Deserialize<'de> for Required {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            wall_clock(deserializer).map(Self)
        }
    }
    Ok(Option::<Required>::deserialize(deserializer)?.map(|required| required.0))
}

/// An IANA time zone, or nothing.
pub(super) fn optional_time_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeZone>, D::Error> {
    struct Required(TimeZone);
    impl<'de> Deserialize<'de> for Required {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            time_zone(deserializer).map(Self)
        }
    }
    Ok(Option::<Required>::deserialize(deserializer)?.map(|required| required.0))
}

/// The time zone of that IANA name, or what is wrong with the name.
pub(super) fn find_time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
        let nearest = super::error::nearest_known(name, known.iter().map(String::as_str))
            .filter(|advice| advice.starts_with("did"))
            .unwrap_or_else(|| "such as America/New_York".to_owned());
        format!("{name:?} is not the name of a time zone; {nearest}")
    })
}

/// Reads `HH:MM`, strictly: two digits, a colon, two digits.
fn parse_wall_clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hour) || !two_digits(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_clock_times_are_read_strictly() {
        for (text, expected) in [
            ("00:00", Some((0, 0))),
            ("17:00", Some((17, 0))),
            ("23:59", Some((23, 59))),
            ("24:00", None),
            ("12:60", None),
            ("7:00", None),
            ("07:0", None),
            ("17.00", None),
            ("17:00:00", None),
            ("+7:00", None),
            ("", None),
        ] {
            let expected = expected.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
            assert_eq!(parse_wall_clock(text), expected, "{text:?}");
        }
    }
}
