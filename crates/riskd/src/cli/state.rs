//! The state database, opened for reading by a command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use riskd_core::model::AccountId;
use riskd_store::{DatabaseKind, HEAD_VERSION, Reader, ReaderOptions, Status, StoreError, Unreadable};

use super::{Context, failures};
use crate::daemon::negative_price_roots;
use crate::failure::{Failure, FailureKind};
use crate::output::Output;

/// More unreadable rows than this are counted, not listed.
const MOST_LISTED: usize = 5;

/// A database at the current schema, for reading beside a running daemon.
pub(super) struct State {
    pub(super) status: Status,
    pub(super) reader: Reader,
    /// The time zone of each account, as its reset schedule names it.
    zones: BTreeMap<AccountId, TimeZone>,
    utc: TimeZone,
}

impl State {
    /// Opens the configured database, or the one named on the command line.
    pub(super) fn open(path: Option<&PathBuf>, context: &Context) -> Result<Self, Failure> {
        let config = context.database(path.map(PathBuf::as_path))?;
        let (location, features) = (config.location(), config.features());
        let open = || {
            let status = riskd_store::status(&location, features)?;
            refuse(&status)?;
            let reader = Reader::open(&status.path, ReaderOptions { negative_price_roots: negative_price_roots() })?;
            let schedules = reader.reset_schedules()?.rows;
            let zone = |name: &str| TimeZone::get(name).unwrap_or(TimeZone::UTC);
            let zones = schedules.iter().map(|row| (row.account_id, zone(&row.timezone))).collect();
            Ok(Self { status, reader, zones, utc: TimeZone::UTC })
        };
        open().map_err(failed)
    }

    /// The time zone of an account; UTC as long as it has no reset schedule.
    pub(super) fn zone(&self, account_id: AccountId) -> &TimeZone {
        self.zones.get(&account_id).unwrap_or(&self.utc)
    }
}

/// Says which rows could not be read, each once.
pub(super) fn warn_of(unreadable: &[Unreadable], output: &Output) {
    for row in unreadable.iter().take(MOST_LISTED) {
        output.warn(format_args!("cannot be read: {row}"));
    }
    if let more @ 1.. = unreadable.len().saturating_sub(MOST_LISTED) {
        output.warn(format_args!("and {more} more rows that cannot be read"));
    }
}

/// The failure of a query, for a command.
pub(super) fn failed(error: StoreError) -> Failure {
    match error {
        // Nobody forbade anything here: reading alone never migrates.
        StoreError::MigrationNeeded { found, .. } => {
            let what = format!("Database schema v{found} must be migrated to v{HEAD_VERSION} before this can be shown");
            Failure::new(FailureKind::Failed, what)
                .meaning(format!("The database is unchanged, still v{found}."))
                .next("run `riskd db migrate`")
        }
        error => failures::unchanged(&error),
    }
}

/// The present moment: a command's one reading of the clock.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

fn refuse(status: &Status) -> Result<(), StoreError> {
    let path = status.path.clone();
    match &status.kind {
        DatabaseKind::Current { .. } => Ok(()),
        DatabaseKind::Behind { version } => Err(StoreError::MigrationNeeded { path, found: *version }),
        DatabaseKind::Newer { version } => Err(StoreError::Newer { path, found: *version }),
        DatabaseKind::Missing => Err(StoreError::NotFound { path }),
        DatabaseKind::Fresh => Err(StoreError::NotOurs { path, reason: "it is empty".to_owned() }),
        DatabaseKind::Foreign { reason } => Err(StoreError::NotOurs { path, reason: reason.clone() }),
        DatabaseKind::Damaged { reason } => Err(StoreError::Damaged { path, findings: vec![reason.clone()] }),
        DatabaseKind::NeedsRecovery => Err(StoreError::Damaged {
            path,
            findings: vec!["a crash left a transaction half done: `riskd db migrate` undoes it".to_owned()],
        }),
    }
}
