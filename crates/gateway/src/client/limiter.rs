//! A sliding window that keeps us below the server's rate limits, with shares for what protects an account.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use riskd_core::model::milliseconds_between;

use crate::protocol::wire::Group;

/// How urgent a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Can wait.
    Ordinary,
    /// Says what an account holds: needed to protect it. Never stopped by an open circuit breaker.
    Snapshot,
    /// Closes or cancels. Never stopped by an open circuit breaker, and may use the whole window.
    Enforcement,
}

/// One window: so many calls in so many milliseconds, of which some are set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Length, in milliseconds.
    pub length_ms: i64,
    /// Calls that fit in all.
    pub calls: usize,
    /// Of those, calls that only enforcement may use.
    pub reserved_for_enforcement: usize,
    /// Of the rest, calls that only snapshots (and enforcement) may use.
    pub reserved_for_snapshots: usize,
}

impl Window {
    const fn share_of(&self, priority: Priority) -> usize {
        match priority {
            Priority::Enforcement => self.calls,
            Priority::Snapshot => self.calls.saturating_sub(self.reserved_for_enforcement),
            Priority::Ordinary => {
                self.calls.saturating_sub(self.reserved_for_enforcement).saturating_sub(self.reserved_for_snapshots)
            }
        }
    }
}

/// The two windows of the gateway, as we keep them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Everything but price history. The server allows 200 calls in 60 s.
    pub general: Window,
    /// Price history. The server allows 50 calls in 30 s.
    pub history: Window,
    /// How long to hold back after the server said "too many" without saying for how long. It documents nothing.
    pub penalty_ms: u64,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            // A second more than the server's window, because it counts arrivals and we count departures.
            general: Window { length_ms: 61_000, calls: 190, reserved_for_enforcement: 60, reserved_for_snapshots: 40 },
            history: Window { length_ms: 31_000, calls: 45, reserved_for_enforcement: 0, reserved_for_snapshots: 0 },
            penalty_ms: 60_000,
        }
    }
}

/// Whether a call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Now; it is counted.
    Go,
    /// Not before this time. Nothing was counted.
    NotBefore(Timestamp),
}

/// Counts calls and says when the next may go out. Reads no clock.
#[derive(Debug, Clone)]
pub struct Limiter {
    limits: RateLimits,
    general: Sent,
    history: Sent,
}

#[derive(Debug, Clone, Default)]
struct Sent {
    times: VecDeque<Timestamp>,
    held_back_until: Option<Timestamp>,
}

impl Limiter {
    /// A limiter that has counted nothing yet.
    pub fn new(limits: RateLimits) -> Self {
        Self { limits, general: Sent::default(), history: Sent::default() }
    }

    /// Asks to send a call of this group now.
    pub fn admit(&mut self, now: Timestamp, group: Group, priority: Priority) -> Admission {
        let (window, sent) = self.window(group);
        sent.admit(now, window, priority)
    }

    /// The server said "too many": everything but enforcement holds back for so long.
    pub fn hold_back(&mut self, now: Timestamp, group: Group, milliseconds: u64) {
        let (_, sent) = self.window(group);
        let until = later(now, i64::try_from(milliseconds).unwrap_or(i64::MAX));
        sent.held_back_until = Some(sent.held_back_until.map_or(until, |held| held.max(until)));
    }

    /// Calls of the general window that could go out at this moment, by priority: the budget for a metric.
    pub fn room(&mut self, now: Timestamp, priority: Priority) -> usize {
        let window = self.limits.general;
        self.general.forget_before(now, window.length_ms);
        window.share_of(priority).saturating_sub(self.general.times.len())
    }

    fn window(&mut self, group: Group) -> (Window, &mut Sent) {
        match group {
            Group::History => (self.limits.history, &mut self.history),
            _ => (self.limits.general, &mut self.general),
        }
    }
}

impl Sent {
    fn admit(&mut self, now: Timestamp, window: Window, priority: Priority) -> Admission {
        self.forget_before(now, window.length_ms);
        if let Some(until) = self.held_back_until.filter(|until| *until > now)
            && priority != Priority::Enforcement
        {
            return Admission::NotBefore(until);
        }
        let share = window.share_of(priority);
        if self.times.len() < share {
            self.times.push_back(now);
            return Admission::Go;
        }
        // The share is free again when all but `share - 1` of the counted calls have left the window.
        let leaving = self.times.len() - share;
        let frees_at = self.times.get(leaving).map(|sent| later(*sent, window.length_ms));
        // A share of nothing never frees; the length of the window is as good a time to ask again as any.
        Admission::NotBefore(frees_at.unwrap_or_else(|| later(now, window.length_ms)))
    }

    fn forget_before(&mut self, now: Timestamp, length_ms: i64) {
        while self.times.front().is_some_and(|sent| milliseconds_between(*sent, now) >= length_ms) {
            self.times.pop_front();
        }
    }
}

fn later(at: Timestamp, milliseconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(milliseconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Admission::{Go, NotBefore};
    use super::Priority::{Enforcement, Ordinary, Snapshot};
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + milliseconds).unwrap()
    }

    fn limiter() -> Limiter {
        let window = Window { length_ms: 1_000, calls: 4, reserved_for_enforcement: 1, reserved_for_snapshots: 1 };
        let history = Window { calls: 1, reserved_for_enforcement: 0, reserved_for_snapshots: 0, ..window };
        Limiter::new(RateLimits { general: window, history, penalty_ms: 500 })
    }

    #[test]
    fn each_priority_has_its_share() {
        let mut limiter = limiter();
        let cases = [
            // (ms, group, priority, expected)
            (0, Group::Order, Ordinary, Go),
            (100, Group::Account, Ordinary, Go),
            (200, Group::Order, Ordinary, NotBefore(at(1_000))),
            (200, Group::Position, Snapshot, Go),
            (300, Group::Position, Snapshot, NotBefore(at(1_000))),
            (400, Group::Position, Enforcement, Go),
            (500, Group::Position, Enforcement, NotBefore(at(1_000))),
            // four are counted and ordinary calls may only be two: three must leave, the third at 1200
            (600, Group::Order, Ordinary, NotBefore(at(1_200))),
            // price history has its own window
            (600, Group::History, Ordinary, Go),
            (700, Group::History, Ordinary, NotBefore(at(1_600))),
            (999, Group::Position, Enforcement, NotBefore(at(1_000))),
            (1_000, Group::Position, Enforcement, Go),
            (1_100, Group::Position, Snapshot, NotBefore(at(1_200))),
            (1_200, Group::Position, Snapshot, Go),
            (1_600, Group::History, Ordinary, Go),
        ];
        for (ms, group, priority, expected) in cases {
            assert_eq!(limiter.admit(at(ms), group, priority), expected, "{group:?} {priority:?} at {ms} ms");
        }
    }

    #[test]
    fn a_penalty_holds_back_all_but_enforcement() {
        let mut limiter = limiter();
        limiter.hold_back(at(0), Group::Order, 500);
        limiter.hold_back(at(0), Group::Order, 300);
        assert_eq!(limiter.admit(at(499), Group::Account, Ordinary), NotBefore(at(500)));
        assert_eq!(limiter.admit(at(499), Group::Account, Snapshot), NotBefore(at(500)));
        assert_eq!(limiter.admit(at(499), Group::Position, Enforcement), Go);
        assert_eq!(limiter.admit(at(499), Group::History, Ordinary), Go);
        assert_eq!(limiter.admit(at(500), Group::Account, Ordinary), Go);
    }

    #[test]
    fn the_default_windows_stay_below_the_servers() {
        let limits = RateLimits::default();
        assert!(limits.general.calls < 200 && limits.general.length_ms > 60_000);
        assert!(limits.history.calls < 50 && limits.history.length_ms > 30_000);
        assert!(limits.general.share_of(Ordinary) < limits.general.share_of(Snapshot));
        assert!(limits.general.share_of(Snapshot) < limits.general.share_of(Enforcement));
    }

    #[test]
    fn no_window_of_the_servers_length_ever_holds_more_than_the_limit() {
        let mut limiter = limiter();
        let mut sent: Vec<i64> = Vec::new();
        for step in 0..5_000_i64 {
            let ms = step * 7;
            let priority = [Ordinary, Snapshot, Enforcement][(step % 3) as usize];
            if limiter.admit(at(ms), Group::Order, priority) == Go {
                sent.push(ms);
            }
        }
        for window in sent.windows(5) {
            assert!(window[4] - window[0] >= 1_000, "five calls between {} and {} ms", window[0], window[4]);
        }
        assert!(sent.len() > 100);
    }
}
