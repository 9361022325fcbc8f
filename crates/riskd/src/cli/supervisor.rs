//! What the log and systemd hear of the database while the daemon starts: a start never silently takes minutes, and is
//! never ended by its time-out while it works.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use riskd_store::{Event, Step};
use sd_notify::NotifyState;
use tracing::{debug, info, warn};

use super::pace::Pace;

/// Within this time another message comes, or systemd may give the start up.
const PATIENCE: Duration = Duration::from_secs(120);
/// A commit ends with the disk's answer, and nothing can be told until then.
const PATIENCE_WITH_THE_DISK: Duration = Duration::from_secs(900);
const BETWEEN_NOTIFICATIONS: Duration = Duration::from_secs(1);
const BETWEEN_LOG_LINES: Duration = Duration::from_secs(10);

type Notify = Box<dyn Fn(&[NotifyState<'_>]) + Send + Sync>;

/// Tells of a store's events. May be told from two threads.
pub(crate) struct Supervisor {
    notify: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pace: Pace,
    notified_at: Option<Instant>,
    logged_at: Option<Instant>,
}

impl Supervisor {
    /// Tells systemd, where it started this process.
    pub(crate) fn of_this_process() -> Self {
        Self::new(Box::new(|messages| {
            if let Err(error) = sd_notify::notify(messages) {
                debug!(%error, "the supervisor could not be told");
            }
        }))
    }

    fn new(notify: Notify) -> Self {
        Self { notify, state: Mutex::default() }
    }

    /// Tells of one event.
    pub(crate) fn tell(&self, event: &Event) {
        self.tell_at(event, Instant::now());
    }

    fn tell_at(&self, event: &Event, now: Instant) {
        debug!(?event, "database");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StepStarted(step) => {
                state.pace.begin(*step, now);
                state.notified_at = Some(now);
                let patience = if *step == Step::Commit { PATIENCE_WITH_THE_DISK } else { PATIENCE };
                self.notify(&format!("Migrating the database: {step}"), patience);
            }
            Event::Progress { step, done, total, .. } => {
                let Some(measure) = state.pace.measure(*step, *done, *total, now) else { return };
                let text = format!("Migrating the database: {step}, {}", measure.words());
                if is_due(&mut state.notified_at, BETWEEN_NOTIFICATIONS, now) {
                    self.notify(&text, PATIENCE);
                }
                if state.pace.is_long(now) && is_due(&mut state.logged_at, BETWEEN_LOG_LINES, now) {
                    info!("{text}. NOTHING IS PROTECTED MEANWHILE");
                }
            }
            // Those of a migration are in its report, which is logged at its end.
            Event::Warning(warning) if state.pace.step().is_none() => warn!("{warning}"),
            Event::Mended(what) if state.pace.step().is_none() => info!("{what}"),
            _ => {}
        }
    }

    fn notify(&self, status: &str, patience: Duration) {
        let micros = u32::try_from(patience.as_micros()).unwrap_or(u32::MAX);
        (self.notify)(&[NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(micros)]);
    }
}

/// Whether enough time has passed since the last; then this is the last.
fn is_due(last: &mut Option<Instant>, between: Duration, now: Instant) -> bool {
    let due = last.is_none_or(|last| now.saturating_duration_since(last) >= between);
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;

    #[test]
    fn systemd_hears_every_step_and_progress_once_a_second() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        let supervisor = Supervisor::new(Box::new(move |messages| {
            kept.lock().unwrap().push(messages.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        }));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let progress = |step, done| Event::Progress { step, done, total: 1_000, unit: "pages" };
        supervisor.tell_at(&Event::StepStarted(Step::Backup), at(0));
        for ms in (100..3_000).step_by(100) {
            supervisor.tell_at(&progress(Step::Backup, ms / 10), at(ms));
        }
        supervisor.tell_at(&progress(Step::Verification, 1), at(9_000));
        supervisor.tell_at(&Event::StepStarted(Step::Commit), at(10_000));
        assert_eq!(
            *told.lock().unwrap(),
            [
                "STATUS=Migrating the database: Backup EXTEND_TIMEOUT_USEC=120000000",
                "STATUS=Migrating the database: Backup, 10 %, 9 s left EXTEND_TIMEOUT_USEC=120000000",
                "STATUS=Migrating the database: Backup, 20 %, 8 s left EXTEND_TIMEOUT_USEC=120000000",
                "STATUS=Migrating the database: Commit EXTEND_TIMEOUT_USEC=900000000",
            ]
        );
    }
}
