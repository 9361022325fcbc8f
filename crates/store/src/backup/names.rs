//! The folder of backups: names, what is known of each file, and which ones go.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{BackupInfo, BackupRetention};
use crate::context::{Event, Observer};
use crate::error::StoreError;
use crate::files::{append_line, sync_folder};
use crate::location::Paths;
use crate::open::{DatabaseKind, look};
use crate::schema::HEAD_VERSION;

const STAMP_FORMAT: &str = "%Y%m%d_%H%M%S";

/// What is written down of a backup that was proved equal to its source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// Its file name.
    pub(crate) file: String,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// Its schema version.
    pub(crate) version: i64,
    /// A hash of definitions and rows.
    pub(crate) digest: String,
    /// When it was proved, ISO 8601.
    pub(crate) verified_at: String,
}

/// A time as names hold it: `YYYYMMDD_HHMMSS`, UTC.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime(STAMP_FORMAT).to_string()
}

/// The name of a backup, without the number that sets two of the same second apart.
pub(crate) fn base_name(paths: &Paths, at: Timestamp, before_migration: bool) -> String {
    let purpose = if before_migration { format!("_pre_v{HEAD_VERSION}") } else { String::new() };
    format!("{}{purpose}_{}", paths.stem(), stamp(at))
}

/// What a file name says of a backup of this database: when, in which place of its second, and whether before a migration.
fn parse_name(paths: &Paths, name: &str) -> Option<(Timestamp, u32, bool)> {
    const STAMP_LETTERS: usize = 15;
    let rest = name.strip_prefix(&paths.stem())?.strip_suffix(".db")?.strip_prefix('_')?;
    let (rest, before_migration) = match rest.strip_prefix("pre_v") {
        Some(rest) => {
            let (version, rest) = rest.split_once('_')?;
            version.parse::<u32>().ok()?;
            (rest, true)
        }
        None => (rest, false),
    };
    let stamp = rest.get(..STAMP_LETTERS)?;
    let number = match rest.get(STAMP_LETTERS..)? {
        "" => 1,
        more => more.strip_prefix('_')?.parse().ok()?,
    };
    Some((stamp_time(stamp)?, number, before_migration))
}

/// The time that names hold as [`stamp`].
pub(crate) fn stamp_time(stamp: &str) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(DateTime::strptime(STAMP_FORMAT, stamp).ok()?).ok()
}

/// Every backup of this database by name, with the last proof written down of it, whatever the file is now.
pub(crate) fn files_and_proofs(paths: &Paths) -> Result<Vec<(PathBuf, Option<Proof>)>, StoreError> {
    let entries = match std::fs::read_dir(&paths.backups) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read the folder", &paths.backups)(error)),
    };
    let proofs = proofs(paths);
    let mut found: Vec<(PathBuf, Option<Proof>)> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.to_owned();
            parse_name(paths, &name)?;
            Some((entry.path(), proofs.iter().rev().find(|proof| proof.file == name).cloned()))
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Every backup of this database, newest first.
pub(crate) fn list(paths: &Paths) -> Result<Vec<BackupInfo>, StoreError> {
    let entries = match std::fs::read_dir(&paths.backups) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read the folder", &paths.backups)(error)),
    };
    let proofs = proofs(paths);
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::io("read the folder", &paths.backups))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some((created_at, number, before_migration)) = parse_name(paths, name) else { continue };
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() {
            continue;
        }
        let proof = proofs.iter().rev().find(|proof| proof.file == name && proof.size_bytes == metadata.len());
        let path = entry.path();
        let version = proof.map_or_else(|| version_of(&path), |proof| Some(proof.version));
        let size_bytes = metadata.len();
        let verified = proof.is_some();
        found.push((number, BackupInfo { path, version, size_bytes, created_at, verified, before_migration }));
    }
    found.sort_by(|(a_number, a), (b_number, b)| {
        (b.created_at, b_number, &b.path).cmp(&(a.created_at, a_number, &a.path))
    });
    Ok(found.into_iter().map(|(_, info)| info).collect())
}

/// The proof written down of a backup, if there is one and the file has its size of then.
pub(crate) fn proof_of(paths: &Paths, backup: &Path) -> Option<Proof> {
    let size = backup.metadata().ok()?.len();
    let name = backup.file_name()?.to_str()?;
    if backup.parent()? != paths.backups {
        return None;
    }
    proofs(paths).into_iter().rev().find(|proof| proof.file == name && proof.size_bytes == size)
}

/// Writes down that a backup was proved.
pub(crate) fn write_proof(paths: &Paths, proof: &Proof) -> Result<(), StoreError> {
    let line = serde_json::to_string(proof).expect("a proof is plain data");
    append_line(&proofs_path(paths), &line)
}

/// Deletes backups that are too old or too many; never the newest verified one, nor the newest made before a migration.
pub(crate) fn prune(
    paths: &Paths,
    retention: BackupRetention,
    now: Timestamp,
    observer: Observer<'_>,
) -> Result<(), StoreError> {
    let backups = list(paths)?;
    for path in to_prune(&backups, retention, now) {
        std::fs::remove_file(&path).map_err(StoreError::io("delete", &path))?;
        observer(Event::BackupPruned(path));
    }
    remove_leftovers(&paths.backups, &paths.stem())?;
    if paths.backups.is_dir() { sync_folder(&paths.backups) } else { Ok(()) }
}

fn to_prune(newest_first: &[BackupInfo], retention: BackupRetention, now: Timestamp) -> Vec<PathBuf> {
    let oldest_ms = i64::from(retention.retention_days) * 86_400_000;
    let newest_verified = newest_first.iter().position(|backup| backup.verified);
    let newest_before_migration = newest_first.iter().position(|backup| backup.before_migration);
    // A copy that nobody verified must not be all that is left to roll back to.
    let newest_verified_before = newest_first.iter().position(|backup| backup.before_migration && backup.verified);
    let kept = [newest_verified, newest_before_migration, newest_verified_before];
    newest_first
        .iter()
        .enumerate()
        .filter(|(place, _)| !kept.contains(&Some(*place)))
        .filter(|(place, backup)| {
            let age_ms = riskd_core::model::milliseconds_between(backup.created_at, now);
            // What nobody verified goes first: a program that dies before it has proved its copy, at every start, must
            // not push out those that are good.
            let is_better = |(other, it): &(usize, &BackupInfo)| {
                it.verified && !backup.verified || it.verified == backup.verified && other < place
            };
            newest_first.iter().enumerate().filter(is_better).count() >= retention.max_backups || age_ms > oldest_ms
        })
        .map(|(_, backup)| backup.path.clone())
        .collect()
}

/// The name under which a backup of `base` is written until it is proved. It says who writes it.
pub(crate) fn partial_path(folder: &Path, base: &str, number: u32) -> PathBuf {
    folder.join(format!(".{base}_{number}.{}.partial", std::process::id()))
}

/// Deletes what dead processes left half written in a folder.
pub(crate) fn remove_leftovers(folder: &Path, stem: &str) -> Result<(), StoreError> {
    for path in dead_leftovers(folder, stem) {
        std::fs::remove_file(&path).map_err(StoreError::io("delete", &path))?;
    }
    Ok(())
}

/// What dead processes left half written in a folder.
pub(crate) fn dead_leftovers(folder: &Path, stem: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let prefix = format!(".{stem}_");
    let is_dead = |name: &str| {
        let partial = name.strip_prefix(&prefix)?;
        let partial = partial.strip_suffix("-journal").unwrap_or(partial).strip_suffix(".partial")?;
        partial.rsplit('.').next()?.parse().ok().map(|pid| !is_alive(pid))
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().and_then(is_dead) == Some(true))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

fn is_alive(pid: i32) -> bool {
    match rustix::process::Pid::from_raw(pid).map(rustix::process::test_kill_process) {
        Some(Err(error)) => error != rustix::io::Errno::SRCH,
        Some(Ok(())) => true,
        None => false,
    }
}

fn proofs(paths: &Paths) -> Vec<Proof> {
    let text = std::fs::read_to_string(proofs_path(paths)).unwrap_or_default();
    // A line that a crash cut off proves nothing.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn proofs_path(paths: &Paths) -> PathBuf {
    paths.backups.join("backups.jsonl")
}

fn version_of(path: &Path) -> Option<i64> {
    match look(path).ok()?.kind {
        DatabaseKind::Current { version } | DatabaseKind::Behind { version } | DatabaseKind::Newer { version } => {
            Some(version)
        }
        DatabaseKind::Missing
        | DatabaseKind::Fresh
        | DatabaseKind::Foreign { .. }
        | DatabaseKind::Damaged { .. }
        | DatabaseKind::NeedsRecovery => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Location;

    fn paths() -> Paths {
        Location::new("/nowhere/state.db").resolve().unwrap()
    }

    fn backup(name: &str, verified: bool) -> BackupInfo {
        let (created_at, _, before_migration) = parse_name(&paths(), name).unwrap();
        let path = PathBuf::from(name);
        BackupInfo { path, version: Some(1), size_bytes: 1, created_at, verified, before_migration }
    }

    #[test]
    fn names_say_when_and_why() {
        let at: Timestamp = "2026-11-22T19:00:00Z".parse().unwrap();
        assert_eq!(base_name(&paths(), at, true), "state_pre_v2_20261122_190000");
        assert_eq!(base_name(&paths(), at, false), "state_20261122_190000");
        assert_eq!(parse_name(&paths(), "state_pre_v2_20261122_190000.db"), Some((at, 1, true)));
        assert_eq!(parse_name(&paths(), "state_20261122_190000_3.db"), Some((at, 3, false)));
        for other in [
            "state.db",
            "state_20261122_190000.db-wal",
            "other_20261122_190000.db",
            "state_20261322_190000.db",
            "state_pre_vx_20261122_190000.db",
            "state_2026.db",
            ".state_20261122_190000_1.17.partial",
        ] {
            assert_eq!(parse_name(&paths(), other), None, "{other}");
        }
    }

    #[test]
    fn pruning_keeps_ten_of_a_month_and_the_two_that_matter() {
        let now: Timestamp = "2026-11-22T19:00:00Z".parse().unwrap();
        let retention = BackupRetention::default();
        // Too many: the eleventh and the twelfth go.
        let many: Vec<_> =
            (0..12).rev().map(|minute| backup(&format!("state_20261122_18{minute:02}00.db"), true)).collect();
        assert_eq!(
            to_prune(&many, retention, now),
            [PathBuf::from("state_20261122_180100.db"), PathBuf::from("state_20261122_180000.db")]
        );
        // Too old, except the newest verified and the newest from before a migration.
        let old = [
            backup("state_20261001_000000.db", false),
            backup("state_20260901_000000.db", true),
            backup("state_20260801_000000.db", true),
            backup("state_pre_v2_20260701_000000.db", true),
            backup("state_pre_v2_20260601_000000.db", true),
        ];
        assert_eq!(
            to_prune(&old, retention, now),
            [
                PathBuf::from("state_20261001_000000.db"),
                PathBuf::from("state_20260801_000000.db"),
                PathBuf::from("state_pre_v2_20260601_000000.db")
            ]
        );
        // Thirty days to the second are not too old.
        let edge = [backup("state_20261122_000000.db", true), backup("state_20261023_190000.db", true)];
        assert_eq!(to_prune(&edge, retention, now), Vec::<PathBuf>::new());
    }
}
