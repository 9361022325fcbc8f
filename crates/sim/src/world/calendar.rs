//! The days of a world: when people trade, and when storms come up.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::after_ms;
use super::chance::Chance;

/// Length of a window, in milliseconds.
const WINDOW_MS: i64 = 600_000;
/// Windows of a day begin at these times in New York: the open, the night, Europe, the morning, before the reset (four
/// and eight minutes, so that day and storm turn at once).
const STARTS: [(i8, i8); 8] = [(18, 1), (23, 55), (3, 0), (9, 30), (11, 15), (14, 40), (16, 52), (16, 56)];

/// A time in which people trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) begins: Timestamp,
    pub(super) ends: Timestamp,
    /// When a storm comes up in it, and when it is over.
    pub(super) storm: Option<(Timestamp, Timestamp)>,
}

/// When a world begins: before the day of its first window.
pub(super) fn begins(windows: &[Window]) -> Timestamp {
    windows.first().map_or(Timestamp::UNIX_EPOCH, |window| after_ms(window.begins, -60_000))
}

/// The windows of so many trading days, from a day of 2026 on. The days about both daylight-saving changes come up often.
pub(super) fn windows(days: u32, faults: bool, chance: &mut Chance) -> Vec<Window> {
    let first = match chance.below(4) {
        0 => Date::constant(2026, 3, 4),
        1 => Date::constant(2026, 10, 28),
        _ => Date::constant(2026, 1, 5),
    };
    let mut day = first.checked_add(chance.between(0, 4).days()).unwrap_or(first);
    let mut windows: Vec<Window> = Vec::new();
    for _ in 0..days {
        // Friday's reset ends the week; Sunday evening belongs to Monday.
        while matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            day = day.tomorrow().unwrap_or(day);
        }
        for (hour, minute) in chosen_starts(chance) {
            let date = if hour >= 18 { day.yesterday().unwrap_or(day) } else { day };
            let Some(begins) = in_new_york(date, hour, minute) else { continue };
            if windows.last().is_some_and(|last| begins < after_ms(last.ends, WINDOW_MS)) {
                continue;
            }
            windows.push(window(begins, faults, chance));
        }
        day = day.tomorrow().unwrap_or(day);
    }
    windows
}

/// Three of the starts, in the order of a trading day.
fn chosen_starts(chance: &mut Chance) -> Vec<(i8, i8)> {
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < 3 {
        let index = usize::try_from(chance.below(STARTS.len() as u64)).unwrap_or(0);
        if !chosen.contains(&index) {
            chosen.push(index);
        }
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|index| STARTS[index]).collect()
}

fn window(begins: Timestamp, faults: bool, chance: &mut Chance) -> Window {
    let storm = (faults && chance.below(3) < 2).then(|| {
        let comes_up = after_ms(begins, chance.between(0, 60_000));
        (comes_up, after_ms(comes_up, chance.between(10_000, 150_000)))
    });
    Window { begins, ends: after_ms(begins, WINDOW_MS), storm }
}

fn in_new_york(date: Date, hour: i8, minute: i8) -> Option<Timestamp> {
    let zone = TimeZone::get("America/New_York").ok()?;
    let time = Time::new(hour, minute, 0, 0).ok()?;
    Some(date.to_datetime(time).to_zoned(zone).ok()?.timestamp())
}
