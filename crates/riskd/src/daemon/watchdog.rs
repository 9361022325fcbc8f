//! systemd's watchdog: fed by the loop itself, so that a loop that hangs is noticed and the daemon started anew.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::debug;

/// Of the time systemd allows, this part passes between two meals: one may be missed.
const PART: u32 = 3;

/// Feeds the watchdog, where systemd keeps one.
pub(super) struct Watchdog {
    /// Time between two meals; `None` where nobody watches.
    every: Option<Duration>,
    fed: Option<Instant>,
    tell: Box<dyn Fn() + Send + Sync>,
}

impl Watchdog {
    /// The watchdog that this process was started under, if any.
    pub(super) fn of_this_process() -> Self {
        Self::new(sd_notify::watchdog_enabled(), || {
            if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
                debug!(%error, "the watchdog could not be fed");
            }
        })
    }

    fn new(allowed: Option<Duration>, tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self { every: allowed.map(|allowed| allowed / PART), fed: None, tell: Box::new(tell) }
    }

    /// The loop turned.
    pub(super) fn feed(&mut self, now: Instant) {
        let Some(every) = self.every else { return };
        if self.fed.is_none_or(|fed| now.saturating_duration_since(fed) >= every) {
            self.fed = Some(now);
            (self.tell)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn it_is_fed_three_times_within_what_is_allowed_and_only_when_the_loop_turns() {
        for (allowed, expected) in [(None, 0), (Some(Duration::from_secs(30)), 4)] {
            let meals = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&meals);
            let mut watchdog = Watchdog::new(allowed, move || {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let start = Instant::now();
            for turn in 0..=30_000 {
                watchdog.feed(start + Duration::from_millis(turn));
            }
            assert_eq!(meals.load(Ordering::Relaxed), expected, "{allowed:?}");
        }
    }
}
