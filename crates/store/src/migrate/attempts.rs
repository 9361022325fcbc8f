//! `migrations.jsonl`: every attempt, failed or not, and what the last ones mean for the next automatic one.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Step, Trigger};
use crate::error::StoreError;
use crate::files::{append_line, make_folder};
use crate::location::Paths;

/// Failures alike, in a row, after which no automatic attempt is made.
const MOST_FAILURES: u32 = 3;
/// The wait after the first failure; each one more makes it four times as long.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(30);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// It was committed.
    Succeeded,
    /// It was rolled back.
    Failed,
    /// Somebody asked to stop.
    Interrupted,
    /// A backup was put back.
    Restored,
}

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// When, ISO 8601 in UTC.
    pub(crate) at: String,
    /// The database's path, letters that are no Unicode replaced.
    pub(crate) database: String,
    pub(crate) trigger: Trigger,
    pub(crate) from_version: i64,
    pub(crate) to_version: i64,
    pub(crate) ending: Ending,
    /// The step that failed.
    pub(crate) step: Option<Step>,
    /// The sort of error.
    pub(crate) code: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) backup: Option<String>,
    pub(crate) duration_ms: i64,
    pub(crate) pid: u32,
}

/// Appends a line to `migrations.jsonl` in the folder of backups, and makes it last.
pub(crate) fn write(paths: &Paths, attempt: &Attempt) -> Result<(), StoreError> {
    make_folder(&paths.backups)?;
    let line = serde_json::to_string(attempt).expect("an attempt is plain data");
    append_line(&file_of(paths), &line)
}

/// A path as the file has it.
pub(crate) fn in_words(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// An error when an automatic attempt at `now` comes too early after failures, or must not come at all.
pub(crate) fn allow_automatic(paths: &Paths, now: Timestamp) -> Result<(), StoreError> {
    allow(&read(&file_of(paths)), &in_words(&paths.database), now)
}

fn allow(attempts: &[Attempt], database: &str, now: Timestamp) -> Result<(), StoreError> {
    let mut ours = attempts.iter().rev().filter(|attempt| {
        attempt.database == database && matches!(attempt.ending, Ending::Succeeded | Ending::Failed | Ending::Restored)
    });
    let Some(last) = ours.next().filter(|last| is_automatic_failure(last)) else { return Ok(()) };
    let alike = ours.take_while(|attempt| {
        is_automatic_failure(attempt) && (attempt.step, &attempt.code) == (last.step, &last.code)
    });
    let failures = 1 + u32::try_from(alike.count()).unwrap_or(u32::MAX - 1);
    let last_error = last.error.clone().unwrap_or_default();
    if failures >= MOST_FAILURES {
        return Err(StoreError::RetriesStopped { failures, last_error });
    }
    let Ok(failed_at) = last.at.parse::<Timestamp>() else { return Ok(()) };
    let wait = FIRST_WAIT * 4_i32.pow(failures - 1);
    let not_before = failed_at.checked_add(wait).unwrap_or(Timestamp::MAX);
    // A failure in the future means that the clock was set back: waiting for it would be waiting for nothing.
    if failed_at <= now && now < not_before {
        return Err(StoreError::RetryLater { failures, last_error, not_before });
    }
    Ok(())
}

fn is_automatic_failure(attempt: &Attempt) -> bool {
    attempt.trigger == Trigger::Automatic && attempt.ending == Ending::Failed
}

fn read(path: &Path) -> Vec<Attempt> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn file_of(paths: &Paths) -> PathBuf {
    paths.backups.join("migrations.jsonl")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn attempt(at: &str, trigger: Trigger, ending: Ending, code: &str) -> Attempt {
        Attempt {
            at: at.into(),
            database: "/x/state.db".into(),
            trigger,
            from_version: 1,
            to_version: 2,
            ending,
            step: Some(Step::Core),
            code: Some(code.into()),
            error: Some("broken".into()),
            backup: None,
            duration_ms: 1,
            pid: 1,
        }
    }

    #[test]
    fn waits_grow_and_three_alike_stop() {
        let failed = |at: &str, code: &str| attempt(at, Trigger::Automatic, Ending::Failed, code);
        let allowed = |attempts: &[Attempt], now: &str| {
            allow(attempts, "/x/state.db", now.parse().unwrap()).map_err(|error| error.code())
        };
        let one = [failed("2026-01-01T00:00:00Z", "sqlite")];
        assert_eq!(allowed(&one, "2026-01-01T00:00:29Z"), Err("retry_later"));
        assert_eq!(allowed(&one, "2026-01-01T00:00:30Z"), Ok(()));
        assert_eq!(allowed(&one, "2025-12-31T00:00:00Z"), Ok(()), "the clock was set back");
        let two = [one[0].clone(), failed("2026-01-01T00:01:00Z", "sqlite")];
        assert_eq!(allowed(&two, "2026-01-01T00:02:59Z"), Err("retry_later"));
        assert_eq!(allowed(&two, "2026-01-01T00:03:00Z"), Ok(()));
        let three = [two[0].clone(), two[1].clone(), failed("2026-01-01T00:05:00Z", "sqlite")];
        assert_eq!(allowed(&three, "2027-01-01T00:00:00Z"), Err("retries_stopped"));
        // Another sort of failure begins a new count; so does a person who ran the command.
        let other = [two[0].clone(), two[1].clone(), failed("2026-01-01T00:05:00Z", "io")];
        assert_eq!(allowed(&other, "2026-01-01T00:05:30Z"), Ok(()));
        let mut asked = three.to_vec();
        asked.push(attempt("2026-01-01T00:06:00Z", Trigger::Command, Ending::Failed, "sqlite"));
        assert_eq!(allowed(&asked, "2026-01-01T00:06:01Z"), Ok(()));
        // Somebody else's database says nothing about ours.
        assert!(allow(&three, "/y/state.db", "2026-01-01T00:05:01Z".parse().unwrap()).is_ok());
        // An interrupt is no failure.
        let mut stopped = one.to_vec();
        stopped.push(attempt("2026-01-01T00:00:10Z", Trigger::Automatic, Ending::Interrupted, "interrupted"));
        assert_eq!(allowed(&stopped, "2026-01-01T00:00:20Z"), Err("retry_later"));
    }
}
