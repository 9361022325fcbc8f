//! Where the config files are, and what their relative paths are relative to.

use std::path::{Path, PathBuf};

use super::document::Document;
use super::error::ConfigError;

/// The folder that holds the config files, `config/` by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFolder {
    folder: PathBuf,
    base: PathBuf,
}

impl ConfigFolder {
    /// The folder used when none is named.
    pub const DEFAULT: &'static str = "config";

    /// The folder a user named: it must be there. With `None`, `config/` in the working folder, which may be absent.
    pub fn open(named: Option<&Path>) -> Result<Self, ConfigError> {
        match named {
            Some(folder) if !folder.is_dir() => Err(ConfigError::with_file(folder, "is not a folder")
                .advise("--config names the folder that holds the YAML files, not one of them")),
            Some(folder) => Self::at(folder),
            None => Self::at(Path::new(Self::DEFAULT)),
        }
    }

    /// A folder by its path, whether or not it is there.
    pub fn at(folder: &Path) -> Result<Self, ConfigError> {
        let without_name = folder.file_name().is_none();
        let absolute = if without_name { std::fs::canonicalize(folder) } else { std::path::absolute(folder) };
        let absolute = absolute.map_err(|error| ConfigError::with_file(folder, format!("cannot be found: {error}")))?;
        let base = match folder.parent() {
            // Paths are shown to people: `data/state.db` rather than `/home/…/data/state.db` where that is the same.
            Some(parent) if !without_name => parent.to_owned(),
            _ => absolute.parent().unwrap_or(&absolute).to_owned(),
        };
        Ok(Self { folder: folder.to_owned(), base })
    }

    /// The folder itself, as it was named.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A path out of a config file: relative ones are relative to the folder that holds `config/`.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// One of the files, by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn document(&self, name: &str) -> Result<Option<Document>, ConfigError> {
        Document::open(&self.file(name))
    }
}
