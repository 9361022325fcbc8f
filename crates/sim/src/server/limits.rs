//! How many requests are answered in how much time.

use std::collections::{BTreeMap, VecDeque};

use jiff::SignedDuration;
use riskd_core::model::Timestamp;
use riskd_gateway::protocol::wire::{Endpoint, Group};

/// At most so many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests.
    pub requests: usize,
    /// The time, in milliseconds, that rolls along with the clock.
    pub window_ms: i64,
}

/// The limits of the server, for each user by themselves. Absent means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Of price history.
    pub history: Option<RateLimit>,
    /// Of everything else together.
    pub others: Option<RateLimit>,
}

impl RequestLimits {
    /// The gateway's own limits: 50 in 30 s for price history, 200 in 60 s for the rest.
    pub const REAL: Self = Self {
        history: Some(RateLimit { requests: 50, window_ms: 30_000 }),
        others: Some(RateLimit { requests: 200, window_ms: 60_000 }),
    };

    /// No limits at all.
    pub const NONE: Self = Self { history: None, others: None };
}

/// Counts the requests of every user.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: RequestLimits,
    answered: BTreeMap<(String, bool), VecDeque<Timestamp>>,
}

impl Limiter {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self { limits, answered: BTreeMap::new() }
    }

    /// Whether one more request is within the limit; if so, it is counted.
    pub(crate) fn admits(&mut self, user_name: &str, endpoint: Endpoint, now: Timestamp) -> bool {
        let is_history = endpoint.group() == Group::History;
        let Some(limit) = (if is_history { self.limits.history } else { self.limits.others }) else { return true };
        let answered = self.answered.entry((user_name.to_owned(), is_history)).or_default();
        let window = SignedDuration::from_millis(limit.window_ms);
        while answered.front().is_some_and(|at| now.duration_since(*at) >= window) {
            answered.pop_front();
        }
        let within = answered.len() < limit.requests;
        if within {
            answered.push_back(now);
        }
        within
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_real_limits_roll_with_the_clock_and_do_not_mix() {
        let mut limiter = Limiter::new(RequestLimits::REAL);
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        for (endpoint, allowed, window) in [(Endpoint::SearchTrades, 200, 60), (Endpoint::RetrieveBars, 50, 30)] {
            for number in 0..allowed {
                assert!(limiter.admits("ann", endpoint, at(1_000)), "{endpoint} {number}");
            }
            assert!(!limiter.admits("ann", endpoint, at(1_000 + window - 1)), "{endpoint}");
            assert!(limiter.admits("bob", endpoint, at(1_000)), "{endpoint}");
            assert!(limiter.admits("ann", endpoint, at(1_000 + window)), "{endpoint}");
        }
    }
}
