//! The program's clock in a world where machines' clocks are set.

use jiff::{SignedDuration, Timestamp};
use riskd_core::model::truncate_to_millisecond;

/// Follows the machine's clock, and never goes back: when that is set back, it goes on at half speed until it is caught up.
/// The same as the daemon's.
#[derive(Debug)]
pub(super) struct Clock {
    shown: Timestamp,
    read_at: Timestamp,
    /// How far the machine's clock is ahead of true time.
    pub(super) ahead: SignedDuration,
}

impl Clock {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { shown: now, read_at: now, ahead: SignedDuration::ZERO }
    }

    /// What it shows at true time `now`.
    pub(super) fn read(&mut self, now: Timestamp) -> Timestamp {
        let elapsed = now.duration_since(self.read_at);
        self.read_at = now;
        let machine = after(now, self.ahead);
        self.shown = if machine >= self.shown { machine } else { after(self.shown, elapsed / 2) };
        // Whole milliseconds, as everything in the world.
        truncate_to_millisecond(self.shown)
    }

    /// Whether it shows true time.
    pub(super) fn is_right(&mut self, now: Timestamp) -> bool {
        self.read(now) == now
    }

    /// The program starts again: nothing is remembered of what was shown.
    pub(super) fn restart(&mut self, now: Timestamp) {
        (self.shown, self.read_at) = (after(now, self.ahead), now);
    }
}

fn after(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(at)
}
