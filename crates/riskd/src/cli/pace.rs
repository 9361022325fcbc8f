//! How fast work goes and how long it will still take.

use std::time::{Duration, Instant};

use riskd_store::Step;

/// Work shorter than this needs no word about how it goes.
pub(crate) const QUIET_FOR: Duration = Duration::from_secs(2);

/// The clock over steps that come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the whole work began.
    began: Option<Instant>,
    /// The present step, and when it began.
    step: Option<(Step, Instant)>,
}

/// How a step goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measure {
    /// Units a second since the step began.
    pub(crate) per_second: f64,
    /// How much is done, from 0 to 100; absent when the whole is not known.
    pub(crate) percent: Option<u64>,
    /// How long the rest of the step will take at that rate; absent when the whole is not known or nothing is done yet.
    pub(crate) left: Option<Duration>,
}

impl Pace {
    /// A step begins.
    pub(crate) fn begin(&mut self, step: Step, now: Instant) {
        self.began.get_or_insert(now);
        self.step = Some((step, now));
    }

    /// The present step.
    pub(crate) fn step(&self) -> Option<Step> {
        self.step.map(|(step, _)| step)
    }

    /// How long the present step has taken so far.
    pub(crate) fn step_took(&self, now: Instant) -> Duration {
        self.step.map_or(Duration::ZERO, |(_, began)| now.saturating_duration_since(began))
    }

    /// Whether the whole work has taken so long that whoever waits wants to hear of it.
    pub(crate) fn is_long(&self, now: Instant) -> bool {
        self.began.is_some_and(|began| now.saturating_duration_since(began) >= QUIET_FOR)
    }

    /// How `done` units of `total` (0 when not known) measure against the time that the step has taken. `None` for a step
    /// that is not the present one.
    pub(crate) fn measure(&self, step: Step, done: u64, total: u64, now: Instant) -> Option<Measure> {
        let (present, began) = self.step?;
        if present != step {
            return None;
        }
        let seconds = now.saturating_duration_since(began).as_secs_f64().max(0.001);
        let per_second = done as f64 / seconds;
        let known = total > 0;
        let left = (known && done > 0).then(|| Duration::from_secs_f64(total.saturating_sub(done) as f64 / per_second));
        let percent = known.then(|| done.min(total).saturating_mul(100) / total);
        Some(Measure { per_second, percent, left })
    }
}

impl Measure {
    /// `40 %, 12 s left`.
    pub(crate) fn words(&self) -> String {
        match (self.percent, self.left) {
            (Some(percent), Some(left)) => format!("{percent} %, {} s left", left.as_secs_f64().ceil()),
            (Some(percent), None) => format!("{percent} %"),
            (None, _) => "under way".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_step_is_measured_from_its_own_beginning() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert_eq!(pace.measure(Step::Backup, 1, 2, start), None);
        pace.begin(Step::Own, start);
        pace.begin(Step::Backup, after(10));
        let measure = pace.measure(Step::Backup, 100, 400, after(14)).unwrap();
        assert_eq!(
            (measure.per_second, measure.percent, measure.left),
            (25.0, Some(25), Some(Duration::from_secs(12)))
        );
        assert_eq!(measure.words(), "25 %, 12 s left");
        let unknown = pace.measure(Step::Backup, 100, 0, after(14)).unwrap();
        assert_eq!((unknown.percent, unknown.left, unknown.words()), (None, None, "under way".to_owned()));
        assert_eq!(pace.measure(Step::Backup, 0, 400, after(14)).unwrap().words(), "0 %");
        assert_eq!(pace.measure(Step::Backup, 500, 400, after(14)).unwrap().words(), "100 %, 0 s left");
        assert_eq!(pace.measure(Step::Verification, 1, 2, after(14)), None, "not the present step");
        assert!(!pace.is_long(after(1)) && pace.is_long(after(2)));
        assert_eq!(pace.step_took(after(14)), Duration::from_secs(4));
    }
}
