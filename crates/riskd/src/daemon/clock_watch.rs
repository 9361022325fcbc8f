//! Compares the machine's clock with the time that is kept, now and then, and says when it is wrong or right again.

use std::time::{Duration, Instant};

use riskd_core::clock::severity_of_machine_error;
use riskd_core::engine::{Notice, Severity};

use super::clock::ProgramClock;

/// Time between two comparisons.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

/// What was said of the machine's clock, and when it is looked at next.
pub(super) struct ClockWatch {
    time: ProgramClock,
    next: Option<Instant>,
    told: Option<Severity>,
}

impl ClockWatch {
    /// Nothing was said yet.
    pub(super) fn of(time: ProgramClock) -> Self {
        Self { time, next: None, told: None }
    }

    /// What is new to say, if it is time to look.
    pub(super) fn look(&mut self, now: Instant) -> Option<Notice> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        self.next = Some(now + COMPARE_EVERY);
        let error = self.time.machine_error()?;
        let severity = severity_of_machine_error(error);
        if severity == self.told {
            return None;
        }
        self.told = severity;
        let by_ms = i64::try_from(error.as_millis()).unwrap_or(i64::MAX);
        Some(Notice::MachineClockWrong { by_ms, severity })
    }
}
