//! Amounts, times and bars as the terminal shows them. Every number carries its unit.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// `-$1,234.50`.
pub(super) fn dollars(amount: f64) -> String {
    if !amount.is_finite() {
        return "?".to_owned();
    }
    let cents = (amount.abs() * 100.0).round();
    // Rounded to a whole number of cents; what does not fit in 63 bits is no account of this world.
    let cents = if cents >= 9.0e18 { return format!("{amount:e} $") } else { cents as u64 };
    let (whole, cents) = (cents / 100, cents % 100);
    let digits = whole.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if amount < 0.0 && (whole, cents) != (0, 0) { "-" } else { "" };
    format!("{sign}${grouped}.{cents:02}")
}

/// `$90.00`, `2 contracts`, `1 trade`.
pub(super) fn amount(value: f64, unit: &str) -> String {
    match unit {
        "dollars" => dollars(value),
        "contracts" if value == 1.0 => "1 contract".to_owned(),
        "trades" if value == 1.0 => "1 trade".to_owned(),
        other => format!("{value} {other}"),
    }
}

/// `$90.00 left`, `$12.50 OVER`.
pub(super) fn left(value: f64, unit: &str) -> String {
    if value < 0.0 { format!("{} OVER", amount(-value, unit)) } else { format!("{} left", amount(value, unit)) }
}

/// `82 %`.
pub(super) fn percent(fraction: f64) -> String {
    if !fraction.is_finite() {
        return "? %".to_owned();
    }
    format!("{:.0} %", (fraction * 100.0).clamp(-999.0, 9_999.0))
}

/// A bar of `width` cells, full at the limit.
pub(super) fn bar(fraction: f64, width: usize) -> String {
    let full = if fraction.is_finite() { (fraction.clamp(0.0, 1.0) * width as f64).round() as usize } else { width };
    // A limit that is not yet reached never looks as if it were.
    let full = if fraction < 1.0 { full.min(width.saturating_sub(1)) } else { full };
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

/// `14:31:00 CST`, with the date where it is another day than `now`.
pub(super) fn time(at: Timestamp, now: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
    let format = if at.date() == now.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    at.strftime(format).to_string()
}

/// `14:31:00 CST`, `20 Nov 14:31:00 CST`: the same, where there is little room.
pub(super) fn short_time(at: Timestamp, now: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
    let format = if at.date() == now.date() { "%H:%M:%S %Z" } else { "%d %b %H:%M:%S %Z" };
    at.strftime(format).to_string()
}

/// `2 h 13 min`, `4 min 5 s`, `5 s`: what is left of something.
pub(super) fn span(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A text cut or filled to a width in cells; `…` says that something is missing.
pub(super) fn cell(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect()
}

/// The same, at the right.
pub(super) fn right(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width { format!("{}{text}", " ".repeat(width - length)) } else { cell(text, width) }
}

/// A text as anybody may have sent it, without what moves a terminal's cursor.
pub(super) fn tame(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A text in lines of at most `width` cells, broken between words where it can be.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.chars().count() > width {
            lines.push(word.chars().take(width).collect());
            word = word.chars().skip(width).collect();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A screen as text: without blanks at the ends of lines, without the last line, which says what keys do.
pub(super) fn screen_text(buffer: &ratatui::buffer::Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let rows = buffer.content.chunks(width).map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    let mut lines: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
    lines.pop();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_money() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (-0.001, "$0.00"),
            (-512.5, "-$512.50"),
            (1_234_567.891, "$1,234,567.89"),
            (999.999, "$1,000.00"),
            (f64::NAN, "?"),
            (1e30, "1e30 $"),
        ] {
            assert_eq!(dollars(amount), text);
        }
        assert_eq!((amount(1.0, "contracts"), amount(2.0, "contracts")), ("1 contract".into(), "2 contracts".into()));
        assert_eq!(
            (percent(0.824), percent(1.2), percent(f64::INFINITY)),
            ("82 %".into(), "120 %".into(), "? %".into())
        );
    }

    #[test]
    fn a_bar_is_full_only_at_the_limit() {
        for (fraction, expected) in [
            (-1.0, "░░░░"),
            (0.0, "░░░░"),
            (0.5, "██░░"),
            (0.999, "███░"),
            (1.0, "████"),
            (3.0, "████"),
            (f64::INFINITY, "████"),
        ] {
            assert_eq!(bar(fraction, 4), expected, "{fraction}");
        }
        assert_eq!(bar(0.5, 0), "");
    }

    #[test]
    fn texts_fit_their_cells() {
        assert_eq!((cell("abc", 5), cell("abcdef", 4), cell("abc", 0)), ("abc  ".into(), "abc…".into(), String::new()));
        assert_eq!(right("7", 3), "  7");
        assert_eq!(tame("a\x1b[2Jb\n"), "a [2Jb ");
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert!(wrapped("", 3).is_empty());
    }

    #[test]
    fn times_name_their_zone_and_another_day() {
        let at: Timestamp = "2026-11-20T23:00:00Z".parse().expect("a time");
        assert_eq!(time(at, at, "America/Chicago"), "17:00:00 CST");
        assert_eq!(time(at, at + SignedDuration::from_hours(24), "nowhere"), "2026-11-20 23:00:00 UTC");
        for (seconds, text) in [(-5, "0 s"), (5, "5 s"), (65, "1 min 5 s"), (7_980, "2 h 13 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(SignedDuration::from_secs(seconds)), text);
        }
    }
}
