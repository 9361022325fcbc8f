//! What every operation is handed: the clock, a way to stop it, and somebody to tell.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use crate::StoreError;
use crate::migrate::Step;

/// The one clock, handed in: names of backups, `applied_at` and durations come from it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `now` for the time.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that always shows `at`.
    pub fn fixed(at: Timestamp) -> Self {
        Self::new(move || at)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// Whole milliseconds since `earlier`; 0 when the clock was set back.
    pub(crate) fn ms_since(&self, earlier: Timestamp) -> i64 {
        riskd_core::model::milliseconds_between(earlier, self.now()).max(0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// A flag that stops an operation: set it from a signal handler or another thread. What runs rolls back within a second.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that shares `flag`, such as one that a signal handler sets.
    pub fn from_flag(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }

    /// Asks to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error when somebody asked to stop.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if self.is_set() { Err(StoreError::Interrupted) } else { Ok(()) }
    }
}

/// Something worth telling the person who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A step began.
    StepStarted(Step),
    /// A step ended; the text is the line that a command prints, wording as the user's document fixes it.
    StepDone {
        /// The step.
        step: Step,
        /// The line, with its mark (`✓` or `⊘`).
        line: String,
        /// What the step took.
        duration_ms: i64,
    },
    /// Work of known size goes on.
    Progress {
        /// What is being worked on.
        step: Step,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// What the units are, such as `pages`.
        unit: &'static str,
    },
    /// Something the person should know that does not stop the work.
    Warning(String),
    /// A damaged or replaced thing was mended.
    Mended(String),
    /// An old backup was deleted.
    BackupPruned(PathBuf),
}

/// Who is told of events. It may be called from two threads.
pub type Observer<'a> = &'a (dyn Fn(Event) + Sync);

/// An observer that tells nobody.
pub fn nobody(_: Event) {}
