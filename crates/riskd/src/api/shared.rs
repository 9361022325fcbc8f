//! What the handlers share: the newest picture, the way to the store, who is logged in.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use jiff::Timestamp;
use riskd_core::model::AccountId;
use riskd_store::{Clock, Reader, ReaderOptions, StoreError};
use tokio::sync::{Semaphore, broadcast, watch};
use tracing::warn;

use super::clients::Clients;
use super::curves::Curves;
use super::database::Remembered;
use super::overview::Frame;
use super::problem::Problem;
use super::session::Sessions;
use crate::config::{ApiConfig, ConfigError, DatabaseConfig};
use crate::daemon::admin::AdminDesk;
use crate::daemon::publish::{AccountPicture, Interest, Picture};
use crate::daemon::{Phase, Setup, Stop, negative_price_roots};

/// Queries of the store that run side by side; more wait.
const QUERIES_AT_A_TIME: usize = 4;
/// How long a request waits for its turn at the store.
const PATIENCE_WITH_THE_STORE: Duration = Duration::from_secs(5);
/// From here on a query is slow.
const SLOW_QUERY: Duration = Duration::from_millis(100);

/// Reads every config file anew.
pub type ReadConfig = dyn Fn() -> Result<Setup, ConfigError> + Send + Sync;

/// What the handlers share.
pub(super) struct Shared {
    pub(super) config: ApiConfig,
    pub(super) clock: Clock,
    pub(super) started_at: Timestamp,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) seen: watch::Receiver<Option<Seen>>,
    pub(super) interest: Arc<Interest>,
    /// Everything the stream says, as text.
    pub(super) live: broadcast::Sender<Utf8Bytes>,
    pub(super) curves: Mutex<Curves>,
    pub(super) store: Store,
    pub(super) database: Remembered,
    pub(super) clients: Clients,
    pub(super) sessions: Sessions,
    /// The way to the loop for what an admin asks.
    pub(super) admin: AdminDesk,
    /// Stops the daemon.
    pub(super) stop: Stop,
    /// Reads every config file anew.
    pub(super) read_config: Arc<ReadConfig>,
    /// Passwords are looked at one at a time.
    pub(super) password_turn: Semaphore,
    pub(super) traffic: Traffic,
    /// Whether the server is stopping.
    pub(super) stopping: watch::Receiver<bool>,
}

/// A picture, and when it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) picture: Arc<Picture>,
    pub(super) heard: Instant,
}

/// What was served.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) requests: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) streams: AtomicU64,
}

impl Shared {
    /// The newest picture; asks for newer ones.
    pub(super) fn picture(&self) -> Option<Arc<Picture>> {
        self.interest.look();
        self.seen.borrow().as_ref().map(|seen| Arc::clone(&seen.picture))
    }

    /// An account out of the newest picture.
    pub(super) fn account(&self, id: i64) -> Result<(Arc<Picture>, Arc<AccountPicture>), Problem> {
        let picture = self.picture().ok_or_else(|| Problem::unavailable("No account is watched yet."))?;
        let place = picture.accounts.binary_search_by_key(&AccountId(id), |account| account.account_id);
        let account = place.map_err(|_| Problem::not_found(format!("No account {id} is watched.")))?;
        let account = Arc::clone(&picture.accounts[account]);
        Ok((picture, account))
    }

    pub(super) fn frame(&self) -> Frame {
        Frame { phase: *self.phase.borrow(), started_at: self.started_at, now: self.clock.now() }
    }

    pub(super) fn curves(&self) -> MutexGuard<'_, Curves> {
        // A curve is only ever added to: a panic elsewhere leaves nothing half done.
        self.curves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the state database: never on a thread that serves others.
pub(super) struct Store {
    pub(super) database: DatabaseConfig,
    reader: OnceLock<Arc<Reader>>,
    turns: Arc<Semaphore>,
    counts: Mutex<BTreeMap<&'static str, QueryCounts>>,
}

/// How often a query ran and how long it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueryCounts {
    pub(super) count: u64,
    pub(super) slow: u64,
    pub(super) total: Duration,
}

impl Store {
    pub(super) fn new(database: DatabaseConfig) -> Self {
        Self {
            database,
            reader: OnceLock::new(),
            turns: Arc::new(Semaphore::new(QUERIES_AT_A_TIME)),
            counts: Mutex::default(),
        }
    }

    /// Runs a query where it delays nobody. While the daemon is still opening the database, nothing is asked of it.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        phase: Phase,
        name: &'static str,
        query: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        if phase == Phase::Opening {
            return Err(Problem::unavailable("The state database is still being opened."));
        }
        let turn = tokio::time::timeout(PATIENCE_WITH_THE_STORE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Problem::unavailable("The state database is busy with other questions."));
        };
        let (known, path) = (self.reader.get().cloned(), self.database.path.clone());
        let work = tokio::task::spawn_blocking(move || {
            // The turn lasts as long as the query, also when nobody waits for it any more.
            let _turn = turn;
            let reader = match known {
                Some(reader) => reader,
                None => {
                    let options = ReaderOptions { negative_price_roots: negative_price_roots() };
                    Arc::new(Reader::open(&path, options)?)
                }
            };
            let began = Instant::now();
            let answer = query(&reader);
            Ok::<_, StoreError>((reader, began.elapsed(), answer))
        });
        match work.await {
            Ok(Ok((reader, elapsed, answer))) => {
                let _already_there = self.reader.set(reader);
                self.count(name, elapsed);
                answer.map_err(|error| unreadable(name, &error))
            }
            Ok(Err(error)) => Err(unreadable(name, &error)),
            Err(error) => Err(unreadable(name, &error)),
        }
    }

    /// What was asked so far.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, QueryCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, name: &'static str, elapsed: Duration) {
        let is_slow = elapsed >= SLOW_QUERY;
        if is_slow {
            warn!(query = name, elapsed_ms = elapsed.as_millis() as u64, "slow query of the state database");
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = counts.entry(name).or_default();
        counts.count += 1;
        counts.slow += u64::from(is_slow);
        counts.total += elapsed;
    }
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Problem {
    warn!(query = name, %error, "the state database could not be read for the API");
    Problem::unavailable("The state database could not be read; the daemon's log says why.")
        .named("database-unreadable")
}
