//! Where prices come from: recorded trades, a made-up sample, or a seeded walk; and playing them at any speed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use jiff::SignedDuration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use riskd_core::model::{ContractId, Price, TickSize, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::controls::Controls;
use crate::exchange::UnknownContract;
use crate::traders::Trader;

/// The first line of a feed file.
const HEADER: &str = "timestamp,price";

/// The made-up sample, which `examples/make_sample.rs` writes.
const SAMPLE: &[u8] = include_bytes!("../sample/ticks.csv");

/// One trade of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it happened, in the feed's own time.
    pub at: Timestamp,
    /// Its price, in points.
    pub price: Price,
}

/// Trades of one contract, in the order they happened. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    ticks: Arc<[Tick]>,
}

/// Why a feed cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no trade in the file.
    #[error("{} has no trade in it", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A seeded walk: each step one tick up, one tick down, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomWalk {
    /// Where all chance comes from.
    pub seed: u64,
    /// When it begins.
    pub start: Timestamp,
    /// First price, in points.
    pub price: Price,
    /// Size of a step, in points. The price never falls below one step.
    pub tick_size: TickSize,
    /// Milliseconds between two trades.
    pub step_ms: i64,
    /// Number of trades; at least one is made.
    pub length: usize,
}

impl Feed {
    /// Reads a CSV of trades, `timestamp,price`, plain or gzip, with times that never go back.
    pub fn read(path: &Path) -> Result<Self, FeedError> {
        let failed = |source| FeedError::Read { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let is_gzip = file.fill_buf().map_err(failed)?.starts_with(&[0x1F, 0x8B]);
        if is_gzip { Self::read_from(MultiGzDecoder::new(file), path) } else { Self::read_from(file, path) }
    }

    /// Reads a CSV of trades from anywhere. `path` is only what errors call it.
    pub fn read_from(source: impl Read, path: &Path) -> Result<Self, FeedError> {
        let mut ticks: Vec<Tick> = Vec::new();
        for (line, text) in (1..).zip(BufReader::new(source).lines()) {
            let text = text.map_err(|source| FeedError::Read { path: path.to_owned(), source })?;
            let text = text.trim();
            if text.is_empty() || (line == 1 && text == HEADER) {
                continue;
            }
            let wrong = |reason: String| FeedError::Line { path: path.to_owned(), line, reason };
            let tick = read_line(text).map_err(wrong)?;
            if ticks.last().is_some_and(|before| before.at > tick.at) {
                return Err(wrong(format!("timestamp {} is before the one above it", tick.at)));
            }
            ticks.push(tick);
        }
        if ticks.is_empty() {
            return Err(FeedError::Empty { path: path.to_owned() });
        }
        Ok(Self { ticks: ticks.into() })
    }

    /// The made-up morning that is always there: it falls, breaks loss limits, and recovers. Not market data.
    pub fn sample() -> Self {
        Self::read_from(SAMPLE, Path::new("sample/ticks.csv")).expect("the sample was read by a test when it was made")
    }

    /// A walk that is the same each time for the same seed.
    pub fn random_walk(walk: RandomWalk) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(walk.seed);
        let step = walk.tick_size.nanos();
        let mut nanos = walk.price.nanos().max(step);
        let mut at = walk.start;
        let ticks = (0..walk.length.max(1)).map(|_| {
            let tick = Tick { at, price: Price::from_nanos(nanos) };
            let direction = i64::from(chance.next_u32() % 3) - 1;
            nanos = (nanos + direction * step).max(step);
            at = at.checked_add(SignedDuration::from_millis(walk.step_ms.max(0))).unwrap_or(at);
            tick
        });
        Self { ticks: ticks.collect() }
    }

    /// Its trades.
    pub fn ticks(&self) -> &[Tick] {
        &self.ticks
    }

    /// From its first trade to its last.
    pub fn duration(&self) -> Duration {
        let (Some(first), Some(last)) = (self.ticks.first(), self.ticks.last()) else { return Duration::ZERO };
        Duration::try_from(last.at.duration_since(first.at)).unwrap_or_default()
    }
}

/// The made-up morning that is always there. See [`Feed::sample`].
pub fn sample() -> Feed {
    Feed::sample()
}

/// How fast a feed is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many times as fast as it happened; 0 counts as 1.
    Times(u32),
    /// All of it in this time.
    Within(Duration),
    /// As fast as the machine can.
    AtOnce,
}

/// How far a playback has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Trades played.
    pub played: usize,
    /// Trades there are.
    pub total: usize,
    /// The feed's own time of the last one played.
    pub feed_time: Option<Timestamp>,
    /// Whether it is over, by its end or because it was stopped.
    pub is_over: bool,
}

/// A feed being played. Dropping it does not stop it.
#[derive(Debug)]
pub struct Playback {
    progress: watch::Receiver<Progress>,
    task: JoinHandle<Vec<Trader>>,
}

impl Playback {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Tells how far it is whenever that changes.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Waits for its end and gives the traders back, with what they did. None when it was stopped.
    pub async fn finished(self) -> Option<Vec<Trader>> {
        self.task.await.ok()
    }

    /// Stops it where it is.
    pub fn stop(&self) {
        self.task.abort();
    }
}

impl Controls {
    /// Plays a feed on a contract, its times mapped onto the server's clock, and lets traders act on what they see.
    ///
    /// Must be called inside a tokio runtime. The same feed, seed and traders do the same, as long as nobody else acts
    /// on their accounts.
    pub fn play(
        &self,
        feed: Feed,
        contract_id: &ContractId,
        pace: Pace,
        traders: Vec<Trader>,
    ) -> Result<Playback, UnknownContract> {
        if !self.exchange(|exchange| exchange.listing(contract_id).is_some()) {
            return Err(UnknownContract(contract_id.clone()));
        }
        let (tell, progress) = watch::channel(Progress { total: feed.ticks.len(), ..Progress::default() });
        let player = Player { controls: self.clone(), contract_id: contract_id.clone(), pace, feed };
        Ok(Playback { progress, task: tokio::spawn(player.play(traders, tell)) })
    }
}

struct Player {
    controls: Controls,
    contract_id: ContractId,
    pace: Pace,
    feed: Feed,
}

impl Player {
    /// Trades played between two chances for everybody else to run.
    const BATCH: usize = 64;

    async fn play(self, mut traders: Vec<Trader>, tell: watch::Sender<Progress>) -> Vec<Trader> {
        let started = Instant::now();
        let first = self.feed.ticks.first().map_or(Timestamp::UNIX_EPOCH, |tick| tick.at);
        for (played, tick) in (1..).zip(self.feed.ticks.iter()) {
            let elapsed = Duration::try_from(tick.at.duration_since(first)).unwrap_or_default();
            let due = started + self.scaled(elapsed);
            if due > Instant::now() {
                sleep_until(due).await;
            } else if played % Self::BATCH == 0 {
                tokio::task::yield_now().await;
            }
            self.controls.with_exchange(|exchange, now| {
                // The contract was on the list when playing began, and lists do not shrink.
                let _ = exchange.tick(&self.contract_id, tick.price, now);
                for trader in &mut traders {
                    trader.act(exchange, elapsed, now);
                }
            });
            tell.send_modify(|progress| {
                progress.played = played;
                progress.feed_time = Some(tick.at);
            });
        }
        tell.send_modify(|progress| progress.is_over = true);
        traders
    }

    fn scaled(&self, elapsed: Duration) -> Duration {
        match self.pace {
            Pace::Times(times) => elapsed / times.max(1),
            Pace::Within(whole) => {
                let total = self.feed.duration().as_nanos().max(1);
                let nanos = elapsed.as_nanos() * whole.as_nanos() / total;
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            Pace::AtOnce => Duration::ZERO,
        }
    }
}

fn read_line(text: &str) -> Result<Tick, String> {
    let (time, price) = text.split_once(',').ok_or_else(|| format!("{text:?} is not `{HEADER}`"))?;
    let at =
        time.trim().parse::<Timestamp>().map_err(|_| format!("timestamp {time:?} must be as RFC 3339 writes it"))?;
    let price = Price::parse(price).map_err(|error| format!("price {price:?} {error}"))?;
    Ok(Tick { at, price })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(text: &str) -> Result<Feed, FeedError> {
        Feed::read_from(text.as_bytes(), Path::new("day.csv"))
    }

    #[test]
    fn errors_name_file_and_line() {
        let good = "2018-05-07T13:30:00Z,2670.50";
        for (text, expected) in [
            (format!("{HEADER}\n{good}\nnonsense\n"), r#"day.csv, line 3: "nonsense" is not `timestamp,price`"#),
            (
                format!("{good}\nyesterday,1\n"),
                r#"day.csv, line 2: timestamp "yesterday" must be as RFC 3339 writes it"#,
            ),
            (
                format!("{HEADER}\n2018-05-07T13:30:00Z,many"),
                r#"day.csv, line 2: price "many" must be a decimal number"#,
            ),
            (format!("{HEADER}\n2018-05-07T13:30:00Z,NaN"), r#"day.csv, line 2: price "NaN" must be finite"#),
            (
                format!("{HEADER}\n{good}\n\n2018-05-07T13:29:59Z,2670.50"),
                "day.csv, line 4: timestamp 2018-05-07T13:29:59Z is before the one above it",
            ),
            (HEADER.to_owned(), "day.csv has no trade in it"),
        ] {
            assert_eq!(read(&text).unwrap_err().to_string(), expected);
        }
        let missing = Feed::read(Path::new("/nowhere/day.csv")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nowhere/day.csv: "), "{missing}");
    }

    #[test]
    fn plain_and_gzip_files_read_the_same() {
        let text = format!("{HEADER}\n2018-05-07T13:30:00.002Z,2670.50\n2018-05-07T13:30:01Z,2670.25\n");
        let directory = tempfile::tempdir().unwrap();
        let (plain, packed) = (directory.path().join("a.csv"), directory.path().join("a.csv.gz"));
        std::fs::write(&plain, &text).unwrap();
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let feed = Feed::read(&plain).unwrap();
        assert_eq!(feed, Feed::read(&packed).unwrap());
        assert_eq!(feed.duration(), Duration::from_millis(998));
        assert_eq!(feed.ticks()[1].price, Price::parse("2670.25").unwrap());
    }

    #[test]
    fn a_walk_is_its_seed() {
        let walk = RandomWalk {
            seed: 7,
            start: Timestamp::UNIX_EPOCH,
            price: Price::parse("100").unwrap(),
            tick_size: Price::parse("0.25").unwrap(),
            step_ms: 500,
            length: 1_000,
        };
        let feed = Feed::random_walk(walk);
        assert_eq!(feed, Feed::random_walk(walk));
        assert_ne!(feed, Feed::random_walk(RandomWalk { seed: 8, ..walk }));
        assert!(
            feed.ticks().windows(2).all(|pair| (pair[1].price.nanos() - pair[0].price.nanos()).abs() <= 250_000_000)
        );
        assert_eq!(feed.duration(), Duration::from_millis(499_500));
    }

    #[test]
    fn the_sample_falls_far_enough_to_break_limits_and_recovers() {
        let feed = sample();
        let prices: Vec<i64> = feed.ticks().iter().map(|tick| tick.price.nanos()).collect();
        assert!((2_000..6_000).contains(&prices.len()), "{}", prices.len());
        assert!(prices.iter().all(|nanos| nanos % 250_000_000 == 0), "every price lies on the grid of ES");
        let (first, last) = (prices[0], prices[prices.len() - 1]);
        let lowest = prices.iter().copied().min().unwrap();
        let points = |nanos: i64| nanos / 1_000_000_000;
        assert!(points(first - lowest) >= 15, "fell {} points", points(first - lowest));
        assert!(points(last - lowest) >= 12, "rose {} points", points(last - lowest));
        assert!(SAMPLE.len() < 100_000, "{} bytes", SAMPLE.len());
    }
}
