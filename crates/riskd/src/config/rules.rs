//! `config/risk_config.yaml`: the rules' own settings are the core's; the document around them is read here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use riskd_core::rules::{RuleSet, RulesConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::calendars;
use super::checks;
use super::commitment::sections_of;
use super::document::{Document, Entry, Node, Value};
use super::error::{ConfigError, nearest_known};
use super::folder::ConfigFolder;

/// What `config/risk_config.yaml` says. `R` is the core's type for the map of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskConfig<R> {
    /// Whether any breach closes everything and locks the account without end.
    pub strict_mode: bool,
    /// Whether a looser config waits for the account's next reset.
    pub commitment: bool,
    /// The level of the log, as the file asks for it.
    pub logging_level: Option<LoggingLevel>,
    /// The rules.
    pub rules: R,
    /// The text of each rule's section, as JSON.
    pub sections: BTreeMap<String, String>,
    /// Sections that a file written for v1 may hold and that this program does not read, with their lines.
    pub ignored_sections: Vec<String>,
}

/// How much is logged, in v1's words, in any case of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggingLevel {
    /// Everything.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warning,
    /// What must not happen.
    Error,
}

impl<'de> Deserialize<'de> for LoggingLevel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.to_ascii_uppercase().as_str() {
            "DEBUG" => Ok(Self::Debug),
            "INFO" => Ok(Self::Info),
            "WARNING" | "WARN" => Ok(Self::Warning),
            "ERROR" | "CRITICAL" => Ok(Self::Error),
            _ => Err(serde::de::Error::unknown_variant(&text, &["DEBUG", "INFO", "WARNING", "ERROR"])),
        }
    }
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

/// The rules of a file, checked and ready to be armed.
#[derive(Debug, Clone)]
pub struct ArmedRules {
    /// Every enabled rule, in strict mode where the file says so.
    pub set: RuleSet,
    /// The level of the log, as the file asks for it.
    pub logging_level: Option<LoggingLevel>,
    /// Sections of v1 that this program does not read, with their lines.
    pub ignored_sections: Vec<String>,
    /// When the trading day turns, where `daily_realized_loss` says so; an account's own config goes first.
    pub reset_time: Option<Time>,
    /// The time zone of that, on the same terms.
    pub timezone: Option<TimeZone>,
}

/// Reads the rules of the folder's `risk_config.yaml`, or of another file, and checks each option. `None` when the file
/// is absent: then no rule is armed.
pub fn load_rules(folder: &ConfigFolder, other_file: Option<&Path>) -> Result<Option<ArmedRules>, ConfigError> {
    let file = other_file.map_or_else(|| folder.file("risk_config.yaml"), Path::to_owned);
    let Some(document) = Document::open(&file)? else { return Ok(None) };
    let mut config: RiskConfig<RulesConfig> = read_risk_config(&document, RulesConfig::KEYS)?;
    config.rules.sections = std::mem::take(&mut config.sections);
    let under = if document.root.entries().iter().any(|entry| entry.key == "rules") { "rules." } else { "" };
    let refuse =
        |rule: &str, option: &str, problem: String| document.refuse_key(&format!("{under}{rule}.{option}"), problem);
    read_calendars(folder, &mut config.rules, refuse)?;
    let set = config.rules.build().map_err(|error| refuse(error.rule, error.option, error.problem))?;
    let day = config.rules.daily_realized_loss.as_ref();
    let timezone = day.and_then(|day| day.timezone.as_deref());
    let timezone = timezone
        .map(|name| checks::find_time_zone(name).map_err(|problem| refuse("daily_realized_loss", "timezone", problem)))
        .transpose()?;
    Ok(Some(ArmedRules {
        set: set.with_strict_mode(config.strict_mode).with_commitment(config.commitment),
        logging_level: config.logging_level,
        ignored_sections: config.ignored_sections,
        reset_time: day.and_then(|day| day.reset_time),
        timezone,
    }))
}

/// Reads the calendars that enabled rules name.
pub(super) fn read_calendars(
    folder: &ConfigFolder,
    rules: &mut RulesConfig,
    refuse: impl Fn(&str, &str, String) -> ConfigError,
) -> Result<(), ConfigError> {
    let absent = |file: &Path| format!("{} is not there", file.display());
    if let Some(session) = rules.session_block_outside.as_mut().filter(|rule| rule.enabled && rule.respect_holidays)
        && let Some(named) = &session.holidays
    {
        let file = calendars::find(folder, named);
        let read = calendars::load_holidays(&file)?;
        let read = read.ok_or_else(|| refuse("session_block_outside", "holidays", absent(&file)))?;
        session.calendar = Some(Arc::new(read));
    }
    if let Some(news) = rules.news_window.as_mut().filter(|rule| rule.enabled)
        && let Some(named) = &news.calendar
    {
        let file = calendars::find(folder, named);
        let read = calendars::load_news(&file)?;
        let read = read.ok_or_else(|| refuse("news_window", "calendar", absent(&file)))?;
        news.events = Some(Arc::new(read));
    }
    Ok(())
}

/// Reads the document of the folder's `risk_config.yaml`, or of another file. `None` when the file is absent.
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
    let sections = sections_of(under_rules.map_or(at_top_level.as_slice(), |rules| rules.node.entries()));
    let rules = match under_rules {
        Some(rules) => document.read_node(&rules.node, "rules")?,
        None => {
            let node = Node { line: document.root.line, spelling: None, value: Value::Map(at_top_level) };
            document.read_node(&node, "")?
        }
    };
    let GlobalSection { strict_mode, commitment, logging_level } = global;
    Ok(RiskConfig { strict_mode, commitment, logging_level, rules, sections, ignored_sections })
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GlobalSection {
    strict_mode: bool,
    commitment: bool,
    #[serde(alias = "log_level")]
    logging_level: Option<LoggingLevel>,
}

impl Default for GlobalSection {
    fn default() -> Self {
        Self { strict_mode: false, commitment: true, logging_level: None }
    }
}
