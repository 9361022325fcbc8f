//! When to connect again. A machine without I/O that never gives up.

use jiff::Timestamp;
use riskd_core::model::milliseconds_between;

/// The waits between attempts, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconnectDelays {
    /// Before the first attempt, the second, and so on; the last one goes on for ever. Empty counts as one of 0.
    pub delays_ms: Vec<u64>,
    /// A connection that stood this long starts the sequence again.
    pub stable_after_ms: i64,
    /// The largest part of a delay that jitter adds, in percent.
    pub jitter_percent: u64,
}

impl Default for ReconnectDelays {
    fn default() -> Self {
        Self { delays_ms: vec![0, 2_000, 10_000, 30_000, 60_000], stable_after_ms: 30_000, jitter_percent: 20 }
    }
}

/// Counts attempts. Reads no clock and draws no random numbers.
#[derive(Debug, Clone)]
pub struct Reconnect {
    delays: ReconnectDelays,
    attempts: usize,
    up_since: Option<Timestamp>,
}

impl Reconnect {
    /// A machine that has not tried yet.
    pub fn new(delays: ReconnectDelays) -> Self {
        Self { delays, attempts: 0, up_since: None }
    }

    /// The wait before the next attempt, in milliseconds. `jitter` is at least 0 and below 1.
    pub fn next_delay_ms(&mut self, jitter: f64) -> u64 {
        let last = self.delays.delays_ms.len().saturating_sub(1);
        let delay = self.delays.delays_ms.get(self.attempts.min(last)).copied().unwrap_or(0);
        self.attempts = self.attempts.saturating_add(1);
        let widest = delay.saturating_mul(self.delays.jitter_percent) / 100;
        delay.saturating_add((widest as f64 * jitter) as u64)
    }

    /// The connection stands.
    pub fn connected(&mut self, now: Timestamp) {
        self.up_since = Some(now);
    }

    /// The connection is gone, or the attempt failed.
    pub fn disconnected(&mut self, now: Timestamp) {
        let up_since = self.up_since.take();
        if up_since.is_some_and(|since| milliseconds_between(since, now) >= self.delays.stable_after_ms) {
            self.attempts = 0;
        }
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
        Delay(f64, u64),
        Up(i64),
        Down(i64),
    }
    use Step::{Delay, Down, Up};

    #[test]
    fn follows_the_sequence_and_starts_again_after_a_stable_connection() {
        let cases: [(&str, &[Step]); 4] = [
            (
                "never gives up",
                &[
                    Delay(0.0, 0),
                    Delay(0.0, 2_000),
                    Delay(0.0, 10_000),
                    Delay(0.0, 30_000),
                    Delay(0.0, 60_000),
                    Delay(0.0, 60_000),
                    Delay(0.0, 60_000),
                ],
            ),
            (
                "jitter only ever waits longer",
                &[Delay(0.9, 0), Delay(0.5, 2_200), Delay(0.5, 11_000), Delay(0.0, 30_000), Delay(0.999, 71_988)],
            ),
            (
                "a connection that stood starts the sequence again",
                &[Delay(0.0, 0), Delay(0.0, 2_000), Up(0), Down(30_000), Delay(0.0, 0), Delay(0.0, 2_000)],
            ),
            (
                "one that fell over at once does not",
                &[
                    Delay(0.0, 0),
                    Up(0),
                    Down(29_999),
                    Delay(0.0, 2_000),
                    // a failed attempt in between does not make the earlier connection longer
                    Down(90_000),
                    Delay(0.0, 10_000),
                ],
            ),
        ];
        for (name, steps) in cases {
            let mut reconnect = Reconnect::new(ReconnectDelays::default());
            for (index, step) in steps.iter().enumerate() {
                match step {
                    Up(ms) => reconnect.connected(at(*ms)),
                    Down(ms) => reconnect.disconnected(at(*ms)),
                    Delay(jitter, expected) => {
                        assert_eq!(reconnect.next_delay_ms(*jitter), *expected, "{name}, step {index}");
                    }
                }
            }
        }
        let mut empty = Reconnect::new(ReconnectDelays { delays_ms: vec![], ..ReconnectDelays::default() });
        assert_eq!(empty.next_delay_ms(0.9), 0);
    }
}
