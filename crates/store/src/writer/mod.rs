//! All durable writes go through one thread with one connection, many batches to a commit.
//!
//! The thread takes whatever is waiting, writes it in one transaction (each batch inside a savepoint, so that a bad one
//! takes no other with it), commits with `synchronous=FULL` in WAL mode, and only then tells each submitter. Under load one
//! sync of the disk serves many batches; without load a batch is committed at once.
//!
//! **When the disk hangs**, batches wait in a queue of fixed length. [`Writer::submit`] never waits: with the queue
//! full it gives [`StoreError::WriterBusy`] back at once, and the event loop goes on protecting accounts without
//! the store. **When the disk is full or fails**, every batch concerned gets the error, nothing of it is in the file, and
//! the thread goes on with the next: once there is room again, writes succeed again.

mod apply;
mod group;
mod merge;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::Write;

use crate::audit::{Trail, Upkeep};
use crate::connection::{Database, Mode};
use crate::context::Clock;
use crate::error::{EngineError, EngineErrorKind, StoreError};
use crate::location::Location;
use crate::retention::{CleanUpReport, Retention, Sweep};

/// Commits of batches after which a clean-up gets a turn even though more batches are waiting.
const GROUPS_BETWEEN_CLEAN_UP_STEPS: u32 = 32;

/// Asked before every commit; an error makes that commit fail. For tests of what happens when the disk fails or hangs.
pub type CommitGate = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What is told the outcome of a batch, on the writer's thread: it must be quick.
type Done<T, E = StoreError> = Box<dyn FnOnce(Result<T, E>) + Send>;

/// How the writer works.
#[derive(Clone)]
pub struct WriterOptions {
    /// Batches that may wait before [`Writer::submit`] refuses. Default 4096.
    pub queue_capacity: usize,
    /// Batches in one commit at most; 1 makes every batch a transaction of its own. Default 256.
    pub group_size: usize,
    /// How long another process may hold the file's write lock before a batch fails. Default one second.
    pub busy_timeout: Duration,
    /// The clock for `created_at` and `updated_at` where a write carries no time.
    pub clock: Clock,
    /// Whether the audit trail is kept, where its table is there. Default true.
    pub audit_trail: bool,
    /// Asked before every commit. Default: none.
    pub commit_gate: Option<CommitGate>,
    /// Pages the file may have; beyond, writes fail as on a full disk. Default: as many as the disk holds.
    pub most_pages: Option<u32>,
}

impl WriterOptions {
    /// The defaults, with this clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            queue_capacity: 4096,
            group_size: 256,
            busy_timeout: Duration::from_secs(1),
            clock,
            audit_trail: true,
            commit_gate: None,
            most_pages: None,
        }
    }
}

/// The one way to write to the state database.
///
/// Dropping it waits until everything submitted is durable; [`Writer::shutdown`] waits only so long.
pub struct Writer {
    queue: Option<SyncSender<Message>>,
    queue_capacity: usize,
    finished: std::sync::Mutex<Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is asked to do.
enum Message {
    Batch(Batch),
    CleanUp(CleanUp),
}

/// A batch that is not in the database, given back whole.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unwritten {
    /// What should have been written.
    pub writes: Vec<Write>,
    /// Why it was not.
    #[source]
    pub error: StoreError,
}

/// Writes that belong together: all of them become durable, or none.
struct Batch {
    writes: Vec<Write>,
    done: Done<(), Unwritten>,
}

impl Batch {
    /// Tells the submitter, and gives the writes of a failed batch back.
    fn settle(self, outcome: Result<(), StoreError>) {
        let Self { writes, done } = self;
        tell(done, outcome.map_err(|error| Unwritten { writes, error }));
    }
}

struct CleanUp {
    sweep: Sweep,
    done: Done<CleanUpReport>,
}

impl Writer {
    /// Starts the writer on a database of the current schema.
    ///
    /// # Errors
    ///
    /// The file is not there, cannot be written, or cannot be brought to WAL mode.
    pub fn open(path: &Path, options: WriterOptions) -> Result<Self, StoreError> {
        let connection = connect(path, &options)?;
        let (trail, upkeep) = find_trail(&connection, &options).map_err(StoreError::sqlite("open the audit trail"))?;
        let (queue, messages) = sync_channel(options.queue_capacity);
        let (signal, finished) = sync_channel(1);
        let queue_capacity = options.queue_capacity;
        let thread = std::thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || {
                Loop { connection, options, clean_ups: VecDeque::new(), trail, upkeep }.run(&messages);
                // Nobody may be waiting for it.
                let _ = signal.send(());
            })
            .map_err(StoreError::io("start the writer's thread for", path))?;
        Ok(Self { queue: Some(queue), queue_capacity, finished: std::sync::Mutex::new(finished), thread: Some(thread) })
    }

    /// Hands over writes that belong together. Never waits.
    ///
    /// `done` is called once on the writer's thread, after the commit or the failure. Batches become durable in the
    /// order in which they were submitted.
    ///
    /// # Errors
    ///
    /// [`StoreError::WriterBusy`] with the queue full, [`StoreError::WriterStopped`] after the end. Then nothing is
    /// written and `done` is never called. The writes of a batch that failed come back with the error either way.
    pub fn submit(
        &self,
        writes: Vec<Write>,
        done: impl FnOnce(Result<(), Unwritten>) + Send + 'static,
    ) -> Result<(), Unwritten> {
        self.send(Message::Batch(Batch { writes, done: Box::new(done) })).map_err(|refused| match *refused {
            (Message::Batch(batch), error) => Unwritten { writes: batch.writes, error },
            (Message::CleanUp(_), error) => Unwritten { writes: Vec::new(), error },
        })
    }

    /// Hands over writes and waits until they are durable. Not for the event loop.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::submit`], and the failure of the batch itself.
    pub fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let (answer, outcome) = sync_channel(1);
        let submitted = self.submit(writes, move |result| drop(answer.send(result)));
        submitted.map_err(|unwritten| unwritten.error)?;
        outcome.recv().map_or(Err(StoreError::WriterStopped), |result| result.map_err(|unwritten| unwritten.error))
    }

    /// Starts a clean-up of what is older than `retention` allows at `now`.
    ///
    /// It runs in small steps between batches, so that no batch waits for more than one of them, and `done` is
    /// called once at its end. One that a shutdown cuts short is told [`StoreError::WriterStopped`]; what it deleted
    /// until then stays deleted.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::submit`].
    pub fn clean_up(
        &self,
        retention: Retention,
        now: Timestamp,
        done: impl FnOnce(Result<CleanUpReport, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let clean_up = Message::CleanUp(CleanUp { sweep: Sweep::new(retention, now), done: Box::new(done) });
        self.send(clean_up).map_err(|refused| refused.1)
    }

    /// Takes nothing more, and waits until everything submitted is written and every submitter told.
    ///
    /// # Errors
    ///
    /// [`StoreError::WriterSlow`] when that takes longer than `patience`; the thread then goes on by itself.
    pub fn shutdown(mut self, patience: Duration) -> Result<(), StoreError> {
        self.queue = None;
        let finished = self.finished.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        match finished.recv_timeout(patience) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => self.join(),
            Err(RecvTimeoutError::Timeout) => {
                // Let go of the thread, so that dropping does not wait for a disk that hangs.
                self.thread = None;
                Err(StoreError::WriterSlow { patience_ms: patience.as_millis() })
            }
        }
    }

    fn send(&self, message: Message) -> Result<(), Box<(Message, StoreError)>> {
        let Some(queue) = self.queue.as_ref() else { return Err(Box::new((message, StoreError::WriterStopped))) };
        queue.try_send(message).map_err(|error| {
            Box::new(match error {
                TrySendError::Full(message) => (message, StoreError::WriterBusy { waiting: self.queue_capacity }),
                TrySendError::Disconnected(message) => (message, StoreError::WriterStopped),
            })
        })
    }

    fn join(&mut self) -> Result<(), StoreError> {
        self.queue = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_panic)) => Err(StoreError::WriterStopped),
            _ => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.join().is_err() {
            tracing::error!("the writer of the state database ended with a panic");
        }
    }
}

/// Opens the file for writing, as the writer needs it.
fn connect(path: &Path, options: &WriterOptions) -> Result<Database, StoreError> {
    let connection = Database::open(&Location::new(path).resolve()?.database, Mode::ReadWrite)?;
    connection.busy_timeout(options.busy_timeout).map_err(StoreError::sqlite("set a busy timeout"))?;
    connection.set_prepared_statement_cache_capacity(64);
    let mode: String = connection.pragma("journal_mode = WAL")?;
    if mode != "wal" {
        let message = format!("the file stays in journal mode {mode}");
        let source = EngineError { kind: EngineErrorKind::ReadOnly, message };
        return Err(StoreError::Sqlite { action: "turn on the write-ahead log".to_owned(), source });
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(StoreError::sqlite("make commits durable"))?;
    if let Some(most_pages) = options.most_pages {
        let _: u32 = connection.pragma(&format!("max_page_count = {most_pages}"))?;
    }
    Ok(connection)
}

/// The end of the audit trail, where one is kept, and what it needs in the background.
fn find_trail(connection: &Database, options: &WriterOptions) -> rusqlite::Result<(Option<Trail>, Option<Upkeep>)> {
    let Some(trail) = Trail::open(connection)? else { return Ok((None, None)) };
    let upkeep = Upkeep::of(connection, &trail, options.audit_trail)?;
    Ok((Some(trail), upkeep))
}

/// The thread.
struct Loop {
    connection: Database,
    options: WriterOptions,
    clean_ups: VecDeque<CleanUp>,
    /// The end of the audit trail; absent where the file has none.
    trail: Option<Trail>,
    /// What the trail still needs after the start.
    upkeep: Option<Upkeep>,
}

impl Loop {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut groups_since_step = 0;
        while let Some(group) = self.next_group(messages) {
            let idle = group.is_empty();
            if !idle {
                // Where the trail is off, it is told of nothing but that.
                let mut none = None;
                let trail = if self.options.audit_trail { &mut self.trail } else { &mut none };
                group::write(&mut self.connection, group, trail, &self.options);
                groups_since_step += 1;
            }
            if idle || groups_since_step >= GROUPS_BETWEEN_CLEAN_UP_STEPS {
                groups_since_step = 0;
                self.step_upkeep();
                self.step_clean_up();
            }
        }
        for clean_up in self.clean_ups {
            tell(clean_up.done, Err(StoreError::WriterStopped));
        }
    }

    /// Everything that is waiting, up to the size of a group. Waits only when there is nothing to go on with in the
    /// background; then an empty group means nothing is waiting. Absent at the end.
    fn next_group(&mut self, messages: &Receiver<Message>) -> Option<Vec<Batch>> {
        let mut group = Vec::new();
        if self.clean_ups.is_empty() && self.upkeep.is_none() {
            self.sort(messages.recv().ok()?, &mut group);
        }
        while group.len() < self.options.group_size.max(1) {
            match messages.try_recv() {
                Ok(message) => self.sort(message, &mut group),
                // What is left of a clean-up can wait for the next start; batches cannot.
                Err(TryRecvError::Disconnected) if group.is_empty() => return None,
                Err(_) => break,
            }
        }
        Some(group)
    }

    fn sort(&mut self, message: Message, group: &mut Vec<Batch>) {
        match message {
            Message::Batch(batch) => group.push(batch),
            Message::CleanUp(clean_up) => self.clean_ups.push_back(clean_up),
        }
    }

    fn step_upkeep(&mut self) {
        let Some(upkeep) = self.upkeep.take() else { return };
        match group::step_upkeep(&mut self.connection, upkeep, &mut self.trail, &self.options) {
            Ok(left) => self.upkeep = left,
            // It goes on at the next start; until then `riskd db verify` counts what is not attested.
            Err(error) => tracing::warn!(%error, "older rows of the enforcement log could not be attested"),
        }
    }

    fn step_clean_up(&mut self) {
        let Some(mut clean_up) = self.clean_ups.pop_front() else { return };
        let mut none = None;
        let trail = if self.options.audit_trail { &mut self.trail } else { &mut none };
        match group::step_clean_up(&mut self.connection, &mut clean_up.sweep, trail, &self.options) {
            Ok(None) => self.clean_ups.push_front(clean_up),
            Ok(Some(report)) => tell(clean_up.done, Ok(report)),
            Err(error) => tell(clean_up.done, Err(error)),
        }
    }
}

/// Tells a submitter. One that panics must not take the writer with it.
fn tell<T, E>(done: Done<T, E>, result: Result<T, E>) {
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || done(result)));
    if told.is_err() {
        tracing::error!("what was to be told the outcome of a write panicked");
    }
}
