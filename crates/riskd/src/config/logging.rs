//! `config/logging.yaml`: how much is logged, and whether to files too.

use std::path::PathBuf;

use serde::Deserialize;

use super::checks;
use super::document::Document;
use super::error::ConfigError;
use super::folder::ConfigFolder;
use super::rules::LoggingLevel;

/// What `config/logging.yaml` says, with defaults for what it leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoggingConfig {
    /// The level of the log; absent leaves it to the command.
    pub level: Option<LoggingLevel>,
    /// Log files, where they are wanted.
    pub files: Option<LogFilesConfig>,
}

/// Log files: JSON, one event a line, a new file every day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilesConfig {
    /// Their folder.
    pub directory: PathBuf,
    /// How many of them are kept.
    pub keep: u32,
}

impl LoggingConfig {
    /// Reads `logging.yaml` of the folder; absent means no files and the command's own level.
    pub fn load(folder: &ConfigFolder) -> Result<Self, ConfigError> {
        let document = folder.document("logging.yaml")?;
        let section = document.as_ref().map(Document::read::<File>).transpose()?.unwrap_or_default().logging;
        let keep = section.keep_files;
        let files =
            section.directory.map(|directory| LogFilesConfig { directory: folder.resolve(&directory), keep: keep.0 });
        Ok(Self { level: section.level, files })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    logging: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    level: Option<LoggingLevel>,
    #[serde(deserialize_with = "checks::optional_path")]
    directory: Option<PathBuf>,
    keep_files: KeepFiles,
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct KeepFiles(#[serde(deserialize_with = "checks::count")] u32);

impl Default for KeepFiles {
    fn default() -> Self {
        Self(14)
    }
}
