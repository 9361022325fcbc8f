//! What is wrong with a config file, and where.

use std::path::{Path, PathBuf};

/// A config file that cannot be used. Reads `config/database.yaml:7: database.path: must not be empty`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}{problem}{}", file.display(), shown(":", line), named(key), shown("; ", advice))]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1; absent when the trouble is with the file itself.
    pub line: Option<u64>,
    /// The path of keys, such as `database.retention.trade_history`; empty when it is the whole document.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// How to mend it, such as `did you mean trade_history?`.
    pub advice: Option<String>,
}

fn shown(before: &str, value: &Option<impl std::fmt::Display>) -> String {
    value.as_ref().map(|value| format!("{before}{value}")).unwrap_or_default()
}

fn named(key: &str) -> String {
    if key.is_empty() { ": ".to_owned() } else { format!(": {key}: ") }
}

impl ConfigError {
    /// Trouble with the file as a whole.
    pub fn with_file(file: &Path, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, key: String::new(), problem: problem.into(), advice: None }
    }

    /// The same error with a word on how to mend it.
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

/// Names the known key that is spelled most like the unknown one.
pub(super) fn nearest_known<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = unknown.to_lowercase();
    let (distance, nearest) = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .min_by_key(|(distance, _)| *distance)?;
    let close = distance * 2 <= unknown.chars().count().max(3);
    Some(if close { format!("did you mean {nearest}?") } else { format!("the nearest known key is {nearest}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compiler_message() {
        let mut error = ConfigError::with_file(Path::new("config/database.yaml"), "cannot be read");
        assert_eq!(error.to_string(), "config/database.yaml: cannot be read");
        error.line = Some(7);
        error.key = "database.path".to_owned();
        assert_eq!(
            error.advise("did you mean x?").to_string(),
            "config/database.yaml:7: database.path: cannot be read; did you mean x?"
        );
    }

    #[test]
    fn nearest_key_is_named_even_when_it_is_far() {
        let known = ["path", "retention", "backup"];
        assert_eq!(nearest_known("retenton", known).as_deref(), Some("did you mean retention?"));
        assert_eq!(nearest_known("BACKUPS", known).as_deref(), Some("did you mean backup?"));
        assert_eq!(nearest_known("zzzzzzzz", known).as_deref(), Some("the nearest known key is path"));
        assert_eq!(nearest_known("x", []), None);
    }
}
