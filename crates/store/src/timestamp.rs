//! Times in the file: one form written, every form in the wild read.
//!
//! DATETIME columns are written as UTC `YYYY-MM-DD HH:MM:SS.SSS`, the form SQLite's own functions write and compare. Read
//! are all of these, also mixed in one column:
//!
//! - `2026-11-22 14:30:05`, also with a fraction of any length, also without seconds, also the bare date;
//! - the same with `T` between date and time;
//! - any of them followed by `Z`, ` UTC`, or an offset: `+00:00`, `+0000`, `-05`.
//!
//! A time without an offset is taken as UTC: that is what SQLite and this program write. A file whose rows hold naive
//! local time therefore reads shifted by the zone's offset; nothing in such a row says which zone it was.
//!
//! Text order differs between the forms (`T` sorts after the space, an offset shifts the wall clock), but every form begins
//! with a calendar date, and no offset moves a time by more than a day. So a range of instants is looked up as a range of
//! date prefixes widened by a day on both sides ([`text_range`]), which an index can serve, and each row found is then
//! compared as an instant.

use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use riskd_core::model::{Invalid, Noun};

/// The rule a text breaks that is no time.
const RULE: &str = "must be a time, YYYY-MM-DD HH:MM:SS";

/// Writes a time as DATETIME columns hold it: UTC, `YYYY-MM-DD HH:MM:SS.SSS`, cut down to whole milliseconds.
pub fn to_text(time: Timestamp) -> String {
    let utc = TimeZone::UTC.to_datetime(time.max(Timestamp::new(YEAR_ZERO_SECOND, 0).unwrap_or(time)));
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
        utc.year(),
        utc.month(),
        utc.day(),
        utc.hour(),
        utc.minute(),
        utc.second(),
        utc.millisecond()
    )
}

/// Writes a time like [`to_text`], but with a part of a millisecond counted as a whole one: an end never comes early.
pub fn to_text_rounded_up(time: Timestamp) -> String {
    let beyond = time.subsec_nanosecond().rem_euclid(1_000_000);
    let missing = if beyond == 0 { 0 } else { 1_000_000 - beyond };
    to_text(time.checked_add(SignedDuration::from_nanos(i64::from(missing))).unwrap_or(time))
}

/// Reads a time in any of the forms above.
///
/// # Errors
///
/// Says, in the name of `noun.field`, that the text is no time of any known form.
pub fn from_text(text: &str, noun: Noun, field: &'static str) -> Result<Timestamp, Invalid> {
    parse(text.trim()).ok_or_else(|| Invalid::new(noun, field, format_args!("{text:?}"), RULE))
}

/// The date texts between which every written form of every instant of `range` lies: at or after the first, before the
/// second. Rows found between them must still be compared as instants.
pub fn text_range(range: &Range<Timestamp>) -> Range<String> {
    first_text(range.start)..end_text(range.end)
}

/// The least text a form of an instant at or after `from` can have.
pub fn first_text(from: Timestamp) -> String {
    date_text(shift(utc_date(from), -1))
}

/// A text after every form of every instant up to and including `until`.
pub fn end_text(until: Timestamp) -> String {
    date_text(shift(utc_date(until), 2))
}

/// The first instant that a row further down than `text`, in an index that runs from late to early, cannot reach:
/// two days after the date it begins with. Absent when the text begins with no date.
pub(crate) fn nothing_later_below(text: &str) -> Option<Timestamp> {
    let date: Date = parse_date(text.get(..10)?)?;
    TimeZone::UTC.to_timestamp(DateTime::from_parts(shift(date, 2), Time::midnight())).ok()
}

/// Reads `YYYY-MM-DD`, strictly: a real calendar date.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i16::try_from(number(&bytes[..4])?).ok()?;
    Date::new(year, i8::try_from(number(&bytes[5..7])?).ok()?, i8::try_from(number(&bytes[8..10])?).ok()?).ok()
}

/// The calendar date of an instant in UTC.
pub(crate) fn utc_date(time: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(time).date()
}

const YEAR_ZERO_SECOND: i64 = -62_167_219_200;

fn date_text(date: Date) -> String {
    if date.year() < 0 {
        // Before every text that begins with a date.
        return "0000".to_owned();
    }
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

fn shift(date: Date, days: i64) -> Date {
    let end = if days < 0 { Date::MIN } else { Date::MAX };
    date.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(end)
}

fn parse(text: &str) -> Option<Timestamp> {
    let date = parse_date(text.get(..10)?)?;
    let rest = &text.as_bytes()[10..];
    let Some((separator, rest)) = rest.split_first() else {
        return TimeZone::UTC.to_timestamp(DateTime::from_parts(date, Time::midnight())).ok();
    };
    if !matches!(separator, b' ' | b'T' | b't') {
        return None;
    }
    let end_of_clock = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.' | b','));
    let (clock, offset) = rest.split_at(end_of_clock.unwrap_or(rest.len()));
    let local = DateTime::from_parts(date, parse_clock(clock)?);
    let offset_seconds = parse_offset(offset.trim_ascii())?;
    let utc = TimeZone::UTC.to_timestamp(local).ok()?;
    utc.checked_sub(SignedDuration::from_secs(offset_seconds)).ok()
}

fn parse_clock(clock: &[u8]) -> Option<Time> {
    let two = |from: usize| i8::try_from(number(clock.get(from..from + 2)?)?).ok();
    if clock.get(2) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (two(0)?, two(3)?);
    let Some((colon, rest)) = clock.get(5..)?.split_first() else {
        return Time::new(hour, minute, 0, 0).ok();
    };
    if *colon != b':' || rest.len() < 2 {
        return None;
    }
    Time::new(hour, minute, two(6)?, parse_fraction(&rest[2..])?).ok()
}

/// Reads `.123456789` as nanoseconds; digits beyond the ninth are dropped.
fn parse_fraction(fraction: &[u8]) -> Option<i32> {
    let Some((point, digits)) = fraction.split_first() else { return Some(0) };
    if !matches!(point, b'.' | b',') || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kept = &digits[..digits.len().min(9)];
    let scale = 10_i64.pow(9 - kept.len() as u32);
    i32::try_from(number(kept)? * scale).ok()
}

/// Reads `Z`, `UTC`, `+00:00`, `-0500`, `+05` or nothing as seconds east of Greenwich; at most 18 hours.
fn parse_offset(offset: &[u8]) -> Option<i64> {
    if offset.is_empty() || offset.eq_ignore_ascii_case(b"z") || offset.eq_ignore_ascii_case(b"utc") {
        return Some(0);
    }
    let (sign, digits) = offset.split_first()?;
    let sign = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = match digits.len() {
        2 => (digits, &b"00"[..]),
        4 => digits.split_at(2),
        5 if digits[2] == b':' => (&digits[..2], &digits[3..]),
        _ => return None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_in_the_wild_is_read() {
        let cases = [
            ("2026-11-22 14:30:05", "2026-11-22T14:30:05Z"),
            ("2026-11-22 14:30:05.123", "2026-11-22T14:30:05.123Z"),
            ("2026-11-22 14:30:05,123", "2026-11-22T14:30:05.123Z"),
            ("2026-11-22 14:30:05.123456", "2026-11-22T14:30:05.123456Z"),
            ("2026-11-22 14:30:05.1234567891", "2026-11-22T14:30:05.123456789Z"),
            ("2026-11-22T14:30:05", "2026-11-22T14:30:05Z"),
            ("2026-11-22T14:30:05.5", "2026-11-22T14:30:05.5Z"),
            ("2026-11-22T14:30:05Z", "2026-11-22T14:30:05Z"),
            ("2026-11-22T14:30:05.25Z", "2026-11-22T14:30:05.25Z"),
            ("2026-11-22T14:30:05+00:00", "2026-11-22T14:30:05Z"),
            ("2026-11-22 14:30:05.123+00:00", "2026-11-22T14:30:05.123Z"),
            ("2026-11-22 14:30:05 +00:00", "2026-11-22T14:30:05Z"),
            ("2026-11-22 14:30:05 UTC", "2026-11-22T14:30:05Z"),
            ("2026-11-22T14:30:05-05:00", "2026-11-22T19:30:05Z"),
            ("2026-11-22T23:30:05-0500", "2026-11-23T04:30:05Z"),
            ("2026-11-22T01:30:05+09", "2026-11-21T16:30:05Z"),
            ("2026-11-22 14:30", "2026-11-22T14:30:00Z"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            (" 2026-11-22 14:30:05 ", "2026-11-22T14:30:05Z"),
            ("2024-02-29 00:00:00", "2024-02-29T00:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(from_text(text, Noun::Trade, "timestamp").unwrap(), at(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_its_place() {
        for text in [
            "",
            "now",
            "2026-11-2",
            "2026-02-29",
            "2026-13-01 00:00:00",
            "2026-11-22 24:00:00",
            "2026-11-22 14",
            "2026-11-22 14:60:00",
            "2026-11-22 14:30:61",
            "2026-11-22 14:30:5",
            "2026-11-22 14:30:05.",
            "2026-11-22 14:30:05.x",
            "2026-11-22x14:30:05",
            "2026-11-22 14:30:05+25:00",
            "2026-11-22 14:30:05 EST",
            "2026/11/22 14:30:05",
            "1763821805",
            "２０２６-11-22 14:30:05",
            "2026-11-22 14:30:05+00:60",
        ] {
            assert!(from_text(text, Noun::Trade, "timestamp").is_err(), "{text:?} was read");
        }
        let refusal = from_text("now", Noun::Trade, "timestamp").unwrap_err();
        assert_eq!(refusal.to_string(), r#"Trade.timestamp = "now": must be a time, YYYY-MM-DD HH:MM:SS"#);
    }

    #[test]
    fn what_is_written_is_sqlites_own_form_cut_to_the_millisecond() {
        assert_eq!(to_text(at("2026-11-22T14:30:05.123999Z")), "2026-11-22 14:30:05.123");
        assert_eq!(to_text(at("1969-12-31T23:59:59.9999Z")), "1969-12-31 23:59:59.999");
        assert_eq!(to_text(Timestamp::MIN), "0000-01-01 00:00:00.000");
        assert_eq!(to_text_rounded_up(at("2026-11-22T14:30:05.123Z")), "2026-11-22 14:30:05.123");
        assert_eq!(to_text_rounded_up(at("2026-11-22T14:30:05.123000001Z")), "2026-11-22 14:30:05.124");
        assert_eq!(to_text_rounded_up(at("2026-11-22T23:59:59.9999Z")), "2026-11-23 00:00:00.000");
        assert_eq!(to_text_rounded_up(at("1969-12-31T23:59:59.9999Z")), "1970-01-01 00:00:00.000");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millisecond in -60_000_000_000_000_i64..250_000_000_000_000) {
            let time = Timestamp::from_millisecond(millisecond).unwrap();
            prop_assert_eq!(from_text(&to_text(time), Noun::Trade, "timestamp").unwrap(), time);
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}", tail in "[0-9T:Z+. -]{0,30}") {
            for text in [text.as_str(), &tail, &format!("2026-11-22{tail}"), &format!("2026-11-22T14:30:05{text}")] {
                // Whatever it is, it is read or refused, and what is read can be written.
                if let Ok(time) = from_text(text, Noun::Trade, "timestamp") {
                    prop_assert_eq!(to_text(time).len(), 23);
                }
                nothing_later_below(text);
            }
        }

        #[test]
        fn the_text_range_holds_every_form_of_its_instants(
            second in 0_i64..4_000_000_000,
            length in 1_i64..200_000,
            inside in 0.0..1.0_f64,
            offset_minutes in -18 * 60..=18 * 60_i32,
            form in 0..4_usize,
        ) {
            let range = Timestamp::from_second(second).unwrap()..Timestamp::from_second(second + length).unwrap();
            let instant = Timestamp::from_second(second + ((length as f64) * inside) as i64).unwrap();
            let offset = jiff::tz::Offset::from_seconds(offset_minutes * 60).unwrap();
            let text = match form {
                0 => to_text(instant),
                1 => to_text(instant)[..19].to_owned(),
                2 => to_text(instant).replace(' ', "T") + "Z",
                _ => instant.display_with_offset(offset).to_string(),
            };
            let texts = text_range(&range);
            prop_assert!(texts.contains(&text), "{} is outside {:?}", text, texts);
            prop_assert!(nothing_later_below(&text).unwrap() > instant);
        }
    }
}
