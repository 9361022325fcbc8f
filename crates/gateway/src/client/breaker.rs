//! A circuit breaker: stops asking a group of endpoints that fails, and tries one call after a while.

use jiff::{SignedDuration, Timestamp};

use super::limiter::Priority;

/// When a breaker opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Milliseconds it stays open before one call may try again.
    pub half_open_after_ms: i64,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { failures: 5, half_open_after_ms: 30_000 }
    }
}

/// One breaker. Reads no clock. What protects an account always passes, and its outcome counts like any other.
#[derive(Debug, Clone)]
pub struct Breaker {
    limits: BreakerLimits,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls pass; so many failed in a row.
    Closed { failures: u32 },
    /// No ordinary call passes before this time.
    Open { until: Timestamp },
    /// One ordinary call is on its way to see whether things are better. Should it get lost, another may try after this.
    HalfOpen { next_trial: Timestamp },
}

impl Breaker {
    /// A closed breaker.
    pub fn new(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 } }
    }

    /// Asks to send a call; refused with the time from which it makes sense to ask again.
    pub fn admit(&mut self, now: Timestamp, priority: Priority) -> Result<(), Timestamp> {
        if priority != Priority::Ordinary {
            return Ok(());
        }
        match self.state {
            State::Closed { .. } => Ok(()),
            State::Open { until: trial } | State::HalfOpen { next_trial: trial } if now < trial => Err(trial),
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { next_trial: self.after_pause(now) };
                Ok(())
            }
        }
    }

    /// Says how a call went. A refusal by the gateway is an answer, so it counts as success.
    pub fn record(&mut self, now: Timestamp, succeeded: bool) {
        self.state = match (self.state, succeeded) {
            (_, true) => State::Closed { failures: 0 },
            (State::Closed { failures }, false) if failures + 1 < self.limits.failures => {
                State::Closed { failures: failures + 1 }
            }
            // Protective calls go on while it is open; their failures do not put the next trial off for ever.
            (State::Open { until }, false) => State::Open { until },
            (State::Closed { .. } | State::HalfOpen { .. }, false) => State::Open { until: self.after_pause(now) },
        };
    }

    /// Whether ordinary calls are held back.
    pub fn is_open(&self, now: Timestamp) -> bool {
        match self.state {
            State::Closed { .. } => false,
            State::Open { until: trial } | State::HalfOpen { next_trial: trial } => now < trial,
        }
    }

    fn after_pause(&self, now: Timestamp) -> Timestamp {
        now.checked_add(SignedDuration::from_millis(self.limits.half_open_after_ms)).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + milliseconds).unwrap()
    }

    enum Step {
        Admit(Priority, Result<(), i64>),
        Record(bool),
    }
    use Priority::{Enforcement, Ordinary, Snapshot};
    use Step::{Admit, Record};

    #[test]
    fn opens_after_the_failures_and_lets_one_call_try() {
        let limits = BreakerLimits { failures: 3, half_open_after_ms: 30_000 };
        let cases: [(&str, &[(i64, Step)]); 6] = [
            (
                "a success in between starts the count again",
                &[
                    (0, Record(false)),
                    (1, Record(false)),
                    (2, Record(true)),
                    (3, Record(false)),
                    (4, Record(false)),
                    (5, Admit(Ordinary, Ok(()))),
                ],
            ),
            (
                "three in a row open it, for ordinary calls only",
                &[
                    (0, Record(false)),
                    (1, Record(false)),
                    (2, Record(false)),
                    (3, Admit(Ordinary, Err(30_002))),
                    (3, Admit(Snapshot, Ok(()))),
                    (3, Admit(Enforcement, Ok(()))),
                    (30_001, Admit(Ordinary, Err(30_002))),
                    (30_002, Admit(Ordinary, Ok(()))),
                    (30_003, Admit(Ordinary, Err(60_002))),
                    (30_004, Record(true)),
                    (30_005, Admit(Ordinary, Ok(()))),
                ],
            ),
            (
                "a failed trial opens it again",
                &[
                    (0, Record(false)),
                    (0, Record(false)),
                    (0, Record(false)),
                    (30_000, Admit(Ordinary, Ok(()))),
                    (31_000, Record(false)),
                    (31_001, Admit(Ordinary, Err(61_000))),
                ],
            ),
            (
                "a lost trial does not keep it half open for ever",
                &[
                    (0, Record(false)),
                    (0, Record(false)),
                    (0, Record(false)),
                    (30_000, Admit(Ordinary, Ok(()))),
                    (59_999, Admit(Ordinary, Err(60_000))),
                    (60_000, Admit(Ordinary, Ok(()))),
                ],
            ),
            (
                "failures of protective calls while it is open do not put the trial off",
                &[
                    (0, Record(false)),
                    (0, Record(false)),
                    (0, Record(false)),
                    (29_000, Admit(Enforcement, Ok(()))),
                    (29_000, Record(false)),
                    (30_000, Admit(Ordinary, Ok(()))),
                ],
            ),
            (
                "a protective call that succeeds closes it",
                &[
                    (0, Record(false)),
                    (0, Record(false)),
                    (0, Record(false)),
                    (5, Admit(Enforcement, Ok(()))),
                    (6, Record(true)),
                    (7, Admit(Ordinary, Ok(()))),
                ],
            ),
        ];
        for (name, steps) in cases {
            let mut breaker = Breaker::new(limits);
            for (ms, step) in steps {
                match step {
                    Record(succeeded) => breaker.record(at(*ms), *succeeded),
                    Admit(priority, expected) => {
                        assert_eq!(breaker.admit(at(*ms), *priority), expected.map_err(at), "{name}, at {ms} ms");
                    }
                }
            }
        }
    }
}
