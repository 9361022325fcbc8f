//! What there is to say about a database, without writing to it.

use std::path::{Path, PathBuf};

use crate::backup::{BackupInfo, list, size_of_wal};
use crate::connection::Mode;
use crate::error::StoreError;
use crate::file_lock::FileLock;
use crate::location::Location;
use crate::migrate::Plan;
use crate::open::{DatabaseKind, Looked, Seen, look};
use crate::schema::{FEATURES, Features, HEAD_VERSION, VersionRow};

/// What there is to say about a database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The file, with symlinks followed.
    pub path: PathBuf,
    /// What it is.
    pub kind: DatabaseKind,
    /// Its schema version, where it has one.
    pub version: Option<i64>,
    /// The rows of `schema_version`, oldest version first.
    pub history: Vec<VersionRow>,
    /// What `migrate` would do, a line a step; empty when there is nothing to do.
    pub pending: Vec<String>,
    /// Size of the file.
    pub size_bytes: u64,
    /// Size of the write-ahead log beside it.
    pub wal_bytes: u64,
    /// `wal`, `delete`, …
    pub journal_mode: Option<String>,
    /// The process that owns it.
    pub owner_pid: Option<u32>,
    /// The newest backup.
    pub last_backup: Option<BackupInfo>,
    /// The folder of backups.
    pub backup_directory: PathBuf,
}

/// Looks at a database without writing to it, also beside a running daemon. A file that is not ours is a status, no error.
///
/// # Errors
///
/// When the file or its folder cannot be read.
pub fn status(location: &Location, features: Features) -> Result<Status, StoreError> {
    let paths = location.resolve()?;
    let Looked { kind, seen } = look(&paths.database)?;
    let pending = pending_steps(&kind, seen.as_ref(), features);
    let (version, history, journal_mode) = match &seen {
        Some(seen) => (version_of(&kind), seen.versions.rows().to_vec(), journal_mode(seen)),
        None => (None, Vec::new(), None),
    };
    drop(seen);
    let size_of = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    Ok(Status {
        version,
        history,
        pending,
        size_bytes: size_of(&paths.database),
        wal_bytes: size_of_wal(&paths),
        journal_mode,
        owner_pid: FileLock::owner(&paths),
        last_backup: list(&paths)?.into_iter().next(),
        backup_directory: paths.backups,
        path: paths.database,
        kind,
    })
}

fn version_of(kind: &DatabaseKind) -> Option<i64> {
    match kind {
        DatabaseKind::Current { version } | DatabaseKind::Behind { version } | DatabaseKind::Newer { version } => {
            Some(*version)
        }
        DatabaseKind::Missing
        | DatabaseKind::Fresh
        | DatabaseKind::Foreign { .. }
        | DatabaseKind::Damaged { .. }
        | DatabaseKind::NeedsRecovery => None,
    }
}

/// What `migrate` would do, a line a step.
fn pending_steps(kind: &DatabaseKind, seen: Option<&Seen>, features: Features) -> Vec<String> {
    let plan = match (kind, seen) {
        (DatabaseKind::Missing | DatabaseKind::Fresh, _) => {
            return vec![format!("make a new database at v{HEAD_VERSION}")];
        }
        (DatabaseKind::NeedsRecovery, _) => return vec!["undo a transaction that a crash left half done".into()],
        (DatabaseKind::Behind { .. }, Some(seen)) => Plan::to_head(&seen.inventory, &seen.versions, features),
        (DatabaseKind::Current { .. }, Some(seen)) => Plan::of_features(&seen.inventory, features),
        _ => return Vec::new(),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return vec![format!("cannot be migrated: {error}")],
    };
    let mut steps = Vec::new();
    if let DatabaseKind::Behind { version } = kind {
        steps.push(format!("back up and migrate from v{version} to v{HEAD_VERSION}"));
    }
    steps.extend(plan.pieces().filter_map(|piece| piece.mends.clone()).map(|mends| format!("mend: {mends}")));
    for parts in FEATURES.iter().filter(|parts| !plan.of_feature(parts.feature).is_empty()) {
        steps.push(match parts.table {
            None => "create the analytics indexes".into(),
            Some(table) => format!("create the table {table}"),
        });
    }
    steps
}

fn journal_mode(seen: &Seen) -> Option<String> {
    // Only a file in write-ahead mode is read as one that nobody writes, and such a connection does not know its mode.
    if seen.mode == Mode::Immutable {
        return Some("wal".into());
    }
    seen.database.pragma("journal_mode").ok()
}
