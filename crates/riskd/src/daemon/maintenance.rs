//! Chores by the calendar: the daily clean-up and the weekly backup.

use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use riskd_store::{BackupOptions, Clock, Location, nobody};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::journal::Outcome;
use crate::alerts::{Alerts, Signal};

/// Age of the newest backup from which the daemon makes another, in days.
const BACKUP_AFTER_DAYS: i64 = 7;
/// Time between two looks at the calendar: a clock that is set is noticed within it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// When which chore is due.
pub(super) struct Maintenance {
    pub(super) clock: Clock,
    pub(super) cleanup_schedule: Cron,
    pub(super) location: Location,
    pub(super) backup: BackupOptions,
    pub(super) due: mpsc::UnboundedSender<Outcome>,
    pub(super) alerts: Alerts,
}

impl Maintenance {
    /// Runs until the loop is gone.
    pub(super) async fn run(self) {
        let mut clean_up_at = self.next_clean_up(self.clock.now());
        while !self.due.is_closed() {
            let now = self.clock.now();
            if clean_up_at.is_some_and(|due| due <= now) {
                clean_up_at = self.next_clean_up(now);
                if self.due.send(Outcome::CleanUpDue).is_err() {
                    return;
                }
            }
            self.back_up_if_due(now).await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn next_clean_up(&self, after: Timestamp) -> Option<Timestamp> {
        match self.cleanup_schedule.find_next_occurrence(&after.to_zoned(TimeZone::UTC), false) {
            Ok(next) => Some(next.timestamp()),
            Err(error) => {
                warn!(%error, "the clean-up schedule names no time to come: old rows stay");
                None
            }
        }
    }

    async fn back_up_if_due(&self, now: Timestamp) {
        let (location, options) = (self.location.clone(), self.backup.clone());
        let work = tokio::task::spawn_blocking(move || {
            let oldest_good = now.saturating_add(SignedDuration::from_hours(-24 * BACKUP_AFTER_DAYS)).unwrap_or(now);
            let newest = riskd_store::list_backups(&location)?.into_iter().map(|backup| backup.created_at).max();
            if newest.is_some_and(|newest| newest >= oldest_good) {
                return Ok(None);
            }
            riskd_store::backup(&location, &options, &nobody).map(Some)
        });
        let failed = match work.await {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(backup))) => {
                info!(path = %backup.path.display(), "weekly backup made and verified");
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = &failed {
            error!(error, "weekly backup failed");
        }
        self.alerts.signal(Signal::Backup { failed });
    }
}
