//! A histogram of fixed bounds: cheap to add to, cheap to copy, and what Prometheus reads.

use std::time::Duration;

/// Upper bounds of the buckets of decision times, in nanoseconds.
pub(super) const DECISION_BOUNDS_NS: [u64; 12] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Upper bounds of the buckets of enforcement times, in nanoseconds: the alert thresholds, 500 ms, 2 s and 5 s, among them.
pub(super) const ENFORCEMENT_BOUNDS_NS: [u64; 12] = [
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Counts of durations by bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram {
    bounds_ns: &'static [u64; 12],
    buckets: [u64; 13],
    sum_ns: u64,
}

impl Histogram {
    /// A histogram with these upper bounds, in nanoseconds, ascending.
    pub const fn new(bounds_ns: &'static [u64; 12]) -> Self {
        Self { bounds_ns, buckets: [0; 13], sum_ns: 0 }
    }

    /// Counts a duration.
    pub fn record(&mut self, elapsed: Duration) {
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds_ns.partition_point(|bound| *bound < elapsed_ns);
        self.buckets[bucket] += 1;
        self.sum_ns = self.sum_ns.saturating_add(elapsed_ns);
    }

    /// Upper bounds in seconds, each with how many durations were at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let counts = self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds_ns.iter().map(|bound| *bound as f64 / 1e9).zip(counts)
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum, in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_falls_into_the_bucket_of_its_bound() {
        let mut histogram = Histogram::new(&ENFORCEMENT_BOUNDS_NS);
        for (milliseconds, up_to_500_ms, count) in [(500, 1, 1), (501, 1, 2), (0, 2, 3), (600_000, 2, 4)] {
            histogram.record(Duration::from_millis(milliseconds));
            let counted = histogram.cumulative().find(|(bound, _)| *bound == 0.5).map(|(_, count)| count);
            assert_eq!((counted, histogram.count()), (Some(up_to_500_ms), count), "{milliseconds} ms");
        }
        assert!((histogram.sum_s() - 601.001).abs() < 1e-9);
        assert!(histogram.cumulative().zip(histogram.cumulative().skip(1)).all(|(one, next)| one.1 <= next.1));
    }
}
