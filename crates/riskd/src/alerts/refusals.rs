//! How many payloads failed their checks within the last hour, and which check most often.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

/// The window, in minutes.
const WINDOW: i64 = 60;

/// How often each check failed, by type and broken rule.
type Counts = BTreeMap<(String, &'static str), u64>;

/// Failed checks by the minute. Bounded by the window and by the number of checks there are.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    minutes: VecDeque<(i64, Counts)>,
}

impl Refusals {
    /// Counts one.
    pub(super) fn add(&mut self, noun: String, rule: &'static str, now: Timestamp) {
        let minute = now.as_second() / 60;
        if self.minutes.back().is_none_or(|(last, _)| *last < minute) {
            self.minutes.push_back((minute, Counts::new()));
        }
        if let Some((_, counts)) = self.minutes.back_mut() {
            *counts.entry((noun, rule)).or_default() += 1;
        }
    }

    /// How many there were within the last hour, and the commonest in words.
    pub(super) fn within_an_hour(&mut self, now: Timestamp) -> (u64, Option<String>) {
        let oldest = now.as_second() / 60 - WINDOW;
        while self.minutes.front().is_some_and(|(minute, _)| *minute <= oldest) {
            self.minutes.pop_front();
        }
        let mut sums: BTreeMap<&(String, &'static str), u64> = BTreeMap::new();
        for (kind, count) in self.minutes.iter().flat_map(|(_, counts)| counts) {
            *sums.entry(kind).or_default() += count;
        }
        let most = sums.iter().max_by_key(|(_, count)| **count);
        let words = most.map(|((noun, rule), count)| format!("{noun}: {rule} ({count} times)"));
        (sums.values().sum(), words)
    }
}
