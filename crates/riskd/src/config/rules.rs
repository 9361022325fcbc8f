//! `config/risk_config.yaml`: the rules' own settings are the core's; the document around them is read here.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::document::{Document, Entry, Node, Value};
use super::error::{ConfigError, nearest_known};
use super::folder::ConfigFolder;

/// What `config/risk_config.yaml` says. `R` is the core's type for the map of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskConfig<R> {
    /// Whether any breach closes everything and locks the account without end.
    pub strict_mode: bool,
    /// The level of the log, as the file asks for it.
    pub logging_level: Option<LoggingLevel>,
    /// The rules.
    pub rules: R,
    /// Sections that a file written for v1 may hold and that this program does not read, with their lines.
    pub ignored_sections: Vec<String>,
}

/// How much is logged, in v1's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum LoggingLevel {
    /// Everything.
    #[serde(rename = "DEBUG", alias = "debug", alias = "Debug")]
    Debug,
    /// What happens.
    #[serde(rename = "INFO", alias = "info", alias = "Info")]
    Info,
    /// What should not happen.
    #[serde(rename = "WARNING", alias = "warning", alias = "Warning", alias = "WARN", alias = "warn")]
    Warning,
    /// What must not happen.
    #[serde(rename = "ERROR", alias = "error", alias = "Error", alias = "CRITICAL")]
    Error,
}

/// Keys of v1's documents that hold no rule.
const SECTIONS_OF_V1: [&str; 16] = [
    "general",
    "api",
    "accounts",
    "alerts",
    "authentication",
    "daemon",
    "database",
    "logging",
    "metadata",
    "monitoring",
    "notifications",
    "performance",
    "schema_version",
    "symbols",
    "system",
    "version",
];

/// Reads the rules of the folder's `risk_config.yaml`, or of another file. `None` when the file is absent.
///
/// Both dialects load: rules under `rules:`, or at the top level. `known_rules` are the keys that name a rule: a misspelt
/// one at the top level is told apart from a section of v1 by them.
pub fn load_risk_config<R: DeserializeOwned>(
    folder: &ConfigFolder,
    other_file: Option<&Path>,
    known_rules: &[&str],
) -> Result<Option<RiskConfig<R>>, ConfigError> {
    let file = other_file.map_or_else(|| folder.file("risk_config.yaml"), Path::to_owned);
    Document::open(&file)?.map(|document| read_risk_config(&document, known_rules)).transpose()
}

fn read_risk_config<R: DeserializeOwned>(
    document: &Document,
    known_rules: &[&str],
) -> Result<RiskConfig<R>, ConfigError> {
    if !matches!(document.root.value, Value::Map(_) | Value::Nothing) {
        return Err(document.refuse_key("", "must be a group of keys, such as rules:"));
    }
    let entries = document.root.entries();
    let under_rules = entries.iter().find(|entry| entry.key == "rules");
    let mut ignored_sections = Vec::new();
    let mut at_top_level: Vec<Entry> = Vec::new();
    let mut global = GlobalSection::default();
    for entry in entries {
        match entry.key.as_str() {
            "rules" => {}
            "global" => global = document.read_node(&entry.node, "global")?,
            name if known_rules.contains(&name) => at_top_level.push(entry.clone()),
            name if SECTIONS_OF_V1.contains(&name) => ignored_sections.push(format!("{name} (line {})", entry.line)),
            name => {
                let known = known_rules.iter().copied().chain(["rules", "global"]);
                let mut error = document.refuse_key(name, "unknown key");
                error.line = Some(entry.line);
                error.advice = nearest_known(name, known);
                return Err(error);
            }
        }
    }
    if let (Some(_), Some(rule)) = (under_rules, at_top_level.first()) {
        let mut error = document.refuse_key(&rule.key, "stands beside rules:, and would be overlooked there");
        error.line = Some(rule.line);
        return Err(error.advise("move it under rules:"));
    }
    let rules = match under_rules {
        Some(rules) => document.read_node(&rules.node, "rules")?,
        None => {
            let node = Node { line: document.root.line, spelling: None, value: Value::Map(at_top_level) };
            document.read_node(&node, "")?
        }
    };
    Ok(RiskConfig { strict_mode: global.strict_mode, logging_level: global.logging_level, rules, ignored_sections })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GlobalSection {
    strict_mode: bool,
    #[serde(alias = "log_level")]
    logging_level: Option<LoggingLevel>,
}
