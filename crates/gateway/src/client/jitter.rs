//! Randomness from a seed, good enough to keep many clients from doing things at the same moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence of numbers that a seed decides (SplitMix64).
#[derive(Debug)]
pub(super) struct Jitter {
    state: AtomicU64,
}

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// The next number of the sequence, at least 0 and below 1.
    pub(super) fn fraction(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut bits = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_stay_in_range_and_follow_from_the_seed() {
        let (one, same, other) = (Jitter::new(7), Jitter::new(7), Jitter::new(8));
        let draw = |jitter: &Jitter| (0..100).map(|_| jitter.fraction()).collect::<Vec<_>>();
        let drawn = draw(&one);
        assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        assert_eq!(drawn, draw(&same));
        assert_ne!(drawn, draw(&other));
    }
}
