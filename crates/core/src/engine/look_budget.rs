//! How often one account may be looked at for the sake of its enforcements, so that one stubborn trader cannot use up the
//! request budget that every other account's proofs come out of.

use jiff::Timestamp;

use crate::model::{milliseconds_between, time_after_ms};

/// Looks that may follow one another as fast as enforcements ask for them.
const LOOKS_AT_ONCE: i64 = 20;
/// What each look costs, in milliseconds: after many, one in so long. A glance is two calls, so that an account that uses up
/// its share takes about a third of the 130 calls a minute that looks may use in all.
const EACH_LOOK_MS: i64 = 2_500;

/// What one account has used of its share.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LookBudget {
    /// Until when what was used is paid back; absent when nothing was used.
    paid_back_at: Option<Timestamp>,
}

impl LookBudget {
    /// Counts a look at `at`.
    pub(super) fn spend(&mut self, at: Timestamp) {
        let from = self.paid_back_at.map_or(at, |paid_back_at| paid_back_at.max(at));
        self.paid_back_at = Some(time_after_ms(from, EACH_LOOK_MS));
    }

    /// The first moment, `at` or later, at which an enforcement may ask for a look.
    pub(super) fn earliest(&self, at: Timestamp) -> Timestamp {
        let owed_ms = self.paid_back_at.map_or(0, |paid_back_at| milliseconds_between(at, paid_back_at));
        time_after_ms(at, (owed_ms - (LOOKS_AT_ONCE - 1) * EACH_LOOK_MS).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_looks_are_free_and_then_each_waits_its_time() {
        let start: Timestamp = "2026-03-10T15:00:00Z".parse().expect("a time");
        let mut budget = LookBudget::default();
        for look in 0..LOOKS_AT_ONCE {
            assert_eq!(budget.earliest(start), start, "look {look}");
            budget.spend(start);
        }
        assert_eq!(budget.earliest(start), time_after_ms(start, EACH_LOOK_MS));
        budget.spend(time_after_ms(start, EACH_LOOK_MS));
        assert_eq!(budget.earliest(start), time_after_ms(start, 2 * EACH_LOOK_MS));
        let later = time_after_ms(start, LOOKS_AT_ONCE * EACH_LOOK_MS * 2);
        assert_eq!(budget.earliest(later), later, "paid back");
    }
}
