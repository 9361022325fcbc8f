//! How long to wait before a query is asked again.

use super::config::RetryPolicy;

impl RetryPolicy {
    /// The wait before the attempt after `failed` failed ones, in milliseconds; absent when there shall be none.
    ///
    /// Doubles each time up to the longest. `jitter`, at least 0 and below 1, spreads it between half and the whole, so
    /// that clients that failed together do not come back together.
    pub fn wait_ms(&self, failed: u32, jitter: f64) -> Option<u64> {
        if failed == 0 || failed >= self.attempts {
            return None;
        }
        let doubled = self.first_wait_ms.saturating_mul(1 << (failed - 1).min(20));
        let whole = doubled.min(self.longest_wait_ms);
        Some(whole / 2 + (whole as f64 / 2.0 * jitter) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let policy = RetryPolicy { attempts: 6, first_wait_ms: 200, longest_wait_ms: 1_000 };
        let cases = [
            (0, 0.0, None),
            (1, 0.0, Some(100)),
            (1, 0.5, Some(150)),
            (1, 0.999, Some(199)),
            (2, 0.0, Some(200)),
            (3, 0.0, Some(400)),
            (4, 0.0, Some(500)),
            (5, 0.999, Some(999)),
            (6, 0.0, None),
            (u32::MAX, 0.0, None),
        ];
        for (failed, jitter, expected) in cases {
            assert_eq!(policy.wait_ms(failed, jitter), expected, "after {failed} failures, jitter {jitter}");
        }
        let endless = RetryPolicy { attempts: u32::MAX, ..policy };
        assert_eq!(endless.wait_ms(60, 0.0), Some(500));
    }
}
