//! The state database: its version, its migrations, its backups, its size.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use riskd_store::HEAD_VERSION;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::shared::Shared;
use super::wire::time;

/// How long an answer stands: counting rows and listing backups is work for the disk.
const STANDS_FOR: Duration = Duration::from_secs(10);

/// The state database.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DatabaseView {
    /// The file.
    path: String,
    /// The version of its schema.
    schema_version: Option<i64>,
    /// The version this program works with.
    head_version: i64,
    /// Size of the file.
    size_bytes: u64,
    /// Size of the write-ahead log beside it.
    wal_bytes: u64,
    /// `wal`, `delete`, …
    journal_mode: String,
    /// Every attempt at a version, lowest first.
    migrations: Vec<MigrationView>,
    /// Backups, newest first.
    backups: Vec<BackupView>,
    /// When it was last found whole, by a backup that was proved equal to it.
    integrity: IntegrityView,
    /// Tables and their rows.
    tables: Vec<TableView>,
}

/// An attempt at a version of the schema.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct MigrationView {
    /// The version.
    version: i64,
    /// When, as the row has it.
    applied_at: String,
    /// What the version brought.
    description: String,
    /// What it took, in milliseconds.
    execution_time_ms: Option<i64>,
    /// Whether it went well.
    success: bool,
    /// What went wrong.
    error: Option<String>,
}

/// A backup.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct BackupView {
    /// The file.
    path: String,
    /// Its schema version; null when it cannot be read.
    version: Option<i64>,
    /// Its size.
    size_bytes: u64,
    /// When it was made.
    #[schema(format = DateTime)]
    made_at: String,
    /// Whether it was proved equal to the database when it was made, and has its size of then.
    verified: bool,
}

/// When the database was last found whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct IntegrityView {
    /// When; null when it never was while there are backups.
    #[schema(format = DateTime)]
    checked_at: Option<String>,
    /// What came of it.
    ok: Option<bool>,
}

/// A table.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TableView {
    /// Its name.
    name: String,
    /// Its rows.
    rows: i64,
}

/// The last answer, while it stands.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<(Instant, DatabaseView)>>);

impl Remembered {
    fn get(&self) -> Option<DatabaseView> {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.as_ref().filter(|(at, _)| at.elapsed() < STANDS_FOR).map(|(_, view)| view.clone())
    }

    fn set(&self, view: &DatabaseView) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), view.clone()));
    }
}

/// The state database: version, migrations, backups, size.
#[utoipa::path(get, path = "/database", tag = "read", responses(
    (status = 200, body = DatabaseView),
    (status = "4XX", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn database(state: State<Arc<Shared>>) -> Result<Json<DatabaseView>, Problem> {
    let shared = &state.0;
    if let Some(view) = shared.database.get() {
        return Ok(Json(view));
    }
    let (location, phase) = (shared.store.database.location(), *shared.phase.borrow());
    let view = shared
        .store
        .ask(phase, "database", move |reader| {
            let versions = reader.schema_versions()?;
            let backups = riskd_store::list_backups(&location)?;
            let verified = backups.iter().find(|backup| backup.verified);
            let file = reader.path();
            Ok(DatabaseView {
                path: file.display().to_string(),
                schema_version: versions.iter().filter(|row| row.success).map(|row| row.version).max(),
                head_version: HEAD_VERSION,
                // Sizes come from the folder: a file opened and closed here would drop SQLite's own locks.
                size_bytes: size_of(file),
                wal_bytes: size_of(Path::new(&format!("{}-wal", file.display()))),
                journal_mode: reader.journal_mode()?,
                migrations: versions.into_iter().map(MigrationView::of).collect(),
                integrity: IntegrityView {
                    checked_at: verified.map(|backup| time(backup.created_at)),
                    ok: verified.map(|_| true),
                },
                backups: backups.iter().map(BackupView::of).collect(),
                tables: reader.table_rows()?.into_iter().map(|(name, rows)| TableView { name, rows }).collect(),
            })
        })
        .await?;
    shared.database.set(&view);
    Ok(Json(view))
}

fn size_of(file: &Path) -> u64 {
    file.metadata().map_or(0, |metadata| metadata.len())
}

impl MigrationView {
    fn of(row: riskd_store::VersionRow) -> Self {
        Self {
            version: row.version,
            applied_at: row.applied_at,
            description: row.description,
            execution_time_ms: row.execution_time_ms,
            success: row.success,
            error: row.error_message,
        }
    }
}

impl BackupView {
    fn of(backup: &riskd_store::BackupInfo) -> Self {
        Self {
            path: backup.path.display().to_string(),
            version: backup.version,
            size_bytes: backup.size_bytes,
            made_at: time(backup.created_at),
            verified: backup.verified,
        }
    }
}
