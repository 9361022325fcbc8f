//! What the store refuses, in the words of a failed command: what failed, in what state the file is, what to do next.

use riskd_store::{DatabaseKind, Features, Location, StoreError, status};

use super::words;
use crate::failure::{Failure, FailureKind};

/// A failure of the store that left the database as it was.
pub(crate) fn unchanged(error: &StoreError) -> Failure {
    match error {
        StoreError::MigrationFailed(failed) => {
            let backup = match &failed.backup {
                Some(backup) => format!("Backup: {}", words::path(backup)),
                None => "No backup was made.".to_owned(),
            };
            let path = words::path(&failed.path);
            let state = if failed.in_doubt {
                let old = failed.version;
                format!(
                    "{path} is whole, v{old} or the new version: `riskd db status` tells which once the disk works."
                )
            } else {
                format!("{path} is unchanged, still v{}.", failed.version)
            };
            let failure =
                of(error, format!("{} failed: {}", failed.step, failed.error)).meaning(format!("{state} {backup}"));
            match &failed.record_error {
                Some(record) => Failure { what: format!("{} (not recorded: {record})", failure.what), ..failure },
                None => failure,
            }
        }
        StoreError::NotFound { .. } => {
            of(error, error.to_string()).meaning("Nothing was made and nothing was changed.")
        }
        StoreError::NotOurs { .. } => of(error, error.to_string()).meaning("The file is unchanged."),
        _ => of(error, error.to_string()).meaning("The database is unchanged."),
    }
}

/// A failure while a backup was being put back: looks which file is there now, and says so.
pub(super) fn while_restoring(error: &StoreError, location: &Location, features: Features) -> Failure {
    let path = location.database().display().to_string();
    let now = match status(location, features).map(|status| status.kind) {
        Ok(DatabaseKind::Missing) => format!("There is no database at {path}; nothing was deleted."),
        Ok(DatabaseKind::Current { version } | DatabaseKind::Behind { version } | DatabaseKind::Newer { version }) => {
            format!("{path} is a whole database of schema v{version}; nothing was deleted.")
        }
        _ => format!("{path} is as it was; nothing was deleted."),
    };
    of(error, error.to_string()).meaning(now)
}

fn of(error: &StoreError, what: String) -> Failure {
    Failure::new(kind(error.exit_code()), words::shortened(&what)).next(error.hint())
}

fn kind(exit_code: u8) -> FailureKind {
    use FailureKind::{Deviations, Failed, InUse, NewerDatabase, NoSpaceOrPermission, NotOurs, Usage};
    [Usage, Deviations, NewerDatabase, InUse, NotOurs, NoSpaceOrPermission]
        .into_iter()
        .find(|kind| kind.exit_code() == exit_code)
        .unwrap_or(Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_of_the_store_are_those_of_the_program() {
        for code in 1..=7 {
            assert_eq!(kind(code).exit_code(), code);
        }
    }
}
