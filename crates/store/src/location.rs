//! Where a database and its backups are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The path of a database and the folder of its backups.
///
/// The path is a plain file name: no letter in it means anything. A symlink is followed, and work happens on its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    database: PathBuf,
    backups: Option<PathBuf>,
}

impl Location {
    /// The database at `database`, with backups in `backups/` beside it.
    pub fn new(database: impl Into<PathBuf>) -> Self {
        Self { database: database.into(), backups: None }
    }

    /// The same database with its backups in `directory`.
    #[must_use]
    pub fn with_backups(self, directory: impl Into<PathBuf>) -> Self {
        Self { backups: Some(directory.into()), ..self }
    }

    /// The path as it was given.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Makes both paths absolute and follows a symlink, also one whose target does not exist yet.
    pub(crate) fn resolve(&self) -> Result<Paths, StoreError> {
        let database = resolve_file(&self.database)?;
        let backups = match &self.backups {
            Some(directory) => absolute(directory)?,
            None => folder_of(&database).join("backups"),
        };
        Ok(Paths { database, backups })
    }
}

/// Absolute paths: what SQLite is handed always begins with `/` and so is never read as a URI.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) database: PathBuf,
    pub(crate) backups: PathBuf,
}

impl Paths {
    /// The folder that holds the database.
    pub(crate) fn folder(&self) -> &Path {
        folder_of(&self.database)
    }

    /// The database's file name with `suffix` put behind it, beside the database.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        with_suffix(&self.database, suffix)
    }

    /// The name that backups of this database begin with: its file name without the extension.
    pub(crate) fn stem(&self) -> String {
        self.database.file_stem().map_or_else(|| "state".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }
}

/// `path` with `suffix` put behind its file name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}

/// The folder of an absolute file path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(StoreError::io("resolve", path))
}

fn resolve_file(path: &Path) -> Result<PathBuf, StoreError> {
    const MOST_LINKS: usize = 40;
    let mut path = absolute(path)?;
    for _ in 0..MOST_LINKS {
        let Ok(target) = std::fs::read_link(&path) else {
            // The folders above may be links too; the file itself need not exist.
            let folder = folder_of(&path);
            return Ok(match (folder.canonicalize(), path.file_name()) {
                (Ok(folder), Some(name)) => folder.join(name),
                _ => path,
            });
        };
        path = absolute(&folder_of(&path).join(target))?;
    }
    Err(StoreError::NotOurs { path, reason: "its symbolic links lead in a circle".into() })
}
