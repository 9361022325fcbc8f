//! Writes the made-up morning of `sample/ticks.csv`, the same each time; a test compares the two:
//!
//! ```text
//! cargo run -p riskd-sim --example make_sample -- crates/sim/sample/ticks.csv
//! ```
//!
//! The prices are drawn from a seed along a line somebody thought up: they never traded anywhere. The day is the first
//! of January 2001, when no exchange was open, so that nobody takes them for market data.

use std::fmt::Write;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Where all chance comes from.
const SEED: u64 = 20_010_101;

/// Trades, one every three seconds or so over three hours.
const LENGTH: i64 = 3_000;

/// First price, in quarters of a point: 3000.00.
const FIRST_QUARTERS: i64 = 12_000;

/// The line: at this trade, so many quarters from the first price. A slow start, a fall, a bounce, a worse fall, and the
/// recovery.
const LINE: [(i64, i64); 7] = [(0, 0), (500, 6), (1_100, -40), (1_400, -24), (2_000, -84), (2_600, -28), (3_000, -10)];

fn main() -> std::io::Result<()> {
    let path = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("name the file to write"))?;
    std::fs::write(path, sample_text())
}

/// The whole file.
pub fn sample_text() -> String {
    let mut out = String::from("timestamp,price\n");
    let mut chance = ChaCha8Rng::seed_from_u64(SEED);
    let mut up_to = |limit: u32| i64::from(chance.next_u32() % limit);
    let (mut quarters, mut milliseconds) = (0, 0);
    for number in 0..LENGTH {
        let target = line_at(number);
        // A step of at most one quarter, towards the line more often than away from it.
        let pull = (target - quarters).clamp(-4, 4);
        quarters += match up_to(12) {
            dice if dice < 4 + pull => 1,
            dice if dice >= 8 + pull => -1,
            _ => 0,
        };
        let price = FIRST_QUARTERS + quarters;
        let seconds = milliseconds / 1_000;
        let (hour, minute, second) = (13 + (seconds + 1_800) / 3_600, (seconds / 60 + 30) % 60, seconds % 60);
        let (points, hundredths) = (price / 4, price % 4 * 25);
        writeln!(out, "2001-01-01T{hour:02}:{minute:02}:{second:02}Z,{points}.{hundredths:02}")
            .expect("writing to a string cannot fail");
        milliseconds += 2_000 + up_to(3_200);
    }
    out
}

fn line_at(number: i64) -> i64 {
    let section = LINE.windows(2).find(|section| number < section[1].0);
    let (from, to) = section.map_or((LINE[6], LINE[6]), |section| (section[0], section[1]));
    let length = (to.0 - from.0).max(1);
    from.1 + (to.1 - from.1) * (number - from.0) / length
}
