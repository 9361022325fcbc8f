//! What a run amounted to.

use std::time::Duration;

use super::histogram::Histogram;
use super::notices::Counts;

/// What a run amounted to, for the log and for the demo.
#[derive(Debug, Clone)]
pub struct Summary {
    pub(super) counts: Counts,
    pub(super) latencies: Latencies,
    /// Whether it ended with enforcements that the broker had not confirmed.
    pub left_pending: bool,
    /// Whether it ended before the database took everything.
    pub left_unwritten: bool,
}

impl Summary {
    /// A run that was stopped before it watched anything.
    pub(super) fn of_nothing() -> Self {
        Self { counts: Counts::default(), latencies: Latencies::new(), left_pending: false, left_unwritten: false }
    }

    /// Rules breached.
    pub fn breaches(&self) -> u64 {
        self.counts.breaches.values().sum()
    }

    /// Enforcements confirmed by the broker.
    pub fn confirmed(&self) -> u64 {
        self.counts.confirmed.values().map(Histogram::count).sum()
    }

    /// Payloads refused.
    pub fn refused(&self) -> u64 {
        self.counts.refused.values().sum()
    }

    /// Events taken in.
    pub fn events(&self) -> u64 {
        self.latencies.histogram.len()
    }

    /// From an event to every decision about it: the time below which `percentile` percent of events stayed.
    pub fn decision_time(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.latencies.histogram.value_at_percentile(percentile))
    }
}

/// Times from an event to every decision about it.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    histogram: hdrhistogram::Histogram<u64>,
}

impl Latencies {
    pub(super) fn new() -> Self {
        // One nanosecond to ten seconds, three significant digits; values beyond are kept at the end.
        let histogram = hdrhistogram::Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("the bounds are valid");
        Self { histogram }
    }

    pub(super) fn record(&mut self, elapsed: Duration) {
        self.histogram.saturating_record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1));
    }
}
