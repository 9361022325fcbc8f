//! Sections of rules as an account commits itself to them: kept as JSON in the state database, read back at the next start.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Time;
use riskd_core::engine::AccountConfig;
use riskd_core::model::TradingDayClock;
use riskd_core::rules::RulesConfig;
use serde::Deserialize;

use super::checks;
use super::document::{Entry, Node, Value};
use super::error::ConfigError;
use super::folder::ConfigFolder;
use super::rules::read_calendars;

/// The sections that stand for `global:` and for the account's reset in the table of commitments.
const GLOBAL: &str = "global";
const TRADING_DAY: &str = "trading_day";

#[derive(Deserialize)]
struct Global {
    strict_mode: bool,
    commitment: bool,
}

impl Default for Global {
    fn default() -> Self {
        Self { strict_mode: false, commitment: true }
    }
}

#[derive(Deserialize)]
struct TradingDay {
    reset_time: String,
    timezone: String,
}

/// The text of each section, as JSON with its keys in order, so that equal sections have equal texts.
pub(super) fn sections_of(entries: &[Entry]) -> BTreeMap<String, String> {
    entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.node).to_string())).collect()
}

fn json_of(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Nothing => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::BigInteger(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => value.as_str().into(),
        Value::List(items) => items.iter().map(json_of).collect(),
        Value::Map(entries) => {
            let sorted: BTreeMap<_, _> =
                entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.node))).collect();
            serde_json::Value::Object(sorted.into_iter().collect())
        }
    }
}

/// The config of an account from sections as `sections_of` and the engine write them; absent when any of them cannot be
/// read any more. Calendars that rules name are read anew from the folder. Where no section speaks of the trading day, the day turns at 17:00 in New York.
pub fn restore_account(folder: &ConfigFolder, sections: &BTreeMap<String, String>) -> Option<AccountConfig> {
    let global: Global = match sections.get(GLOBAL) {
        Some(text) => serde_json::from_str(text).ok()?,
        None => Global::default(),
    };
    let (time, zone) = match sections.get(TRADING_DAY) {
        Some(text) => {
            let day: TradingDay = serde_json::from_str(text).ok()?;
            (Time::strptime("%H:%M", &day.reset_time).ok()?, checks::find_time_zone(&day.timezone).ok()?)
        }
        None => (jiff::civil::time(17, 0, 0, 0), checks::find_time_zone("America/New_York").ok()?),
    };
    let of_rules: BTreeMap<String, String> = sections
        .iter()
        .filter(|(key, _)| ![GLOBAL, TRADING_DAY].contains(&key.as_str()))
        .map(|(key, text)| (key.clone(), text.clone()))
        .collect();
    let values = of_rules.iter().map(|(key, text)| Some((key.clone(), serde_json::from_str(text).ok()?)));
    let values: serde_json::Map<String, serde_json::Value> = values.collect::<Option<_>>()?;
    let mut rules: RulesConfig = serde_json::from_value(values.into()).ok()?;
    rules.sections = of_rules;
    let unreadable = |_: &str, _: &str, problem: String| ConfigError::with_file(folder.path(), problem);
    read_calendars(folder, &mut rules, unreadable).ok()?;
    let set = rules.build().ok()?.with_strict_mode(global.strict_mode).with_commitment(global.commitment);
    Some(AccountConfig { day_clock: TradingDayClock::new(time, zone), rules: Arc::new(set) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::load_rules;

    #[test]
    fn what_a_file_says_comes_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let text = "global: {strict_mode: true}\nrules:\n  max_contracts: {limit: 7, count_type: gross}\n  \
                    daily_realized_loss: {loss_limit: 250.5, lockout_until: permanent}\n";
        std::fs::write(folder.path().join("risk_config.yaml"), text).unwrap();
        let loaded = load_rules(&ConfigFolder::at(folder.path()).unwrap(), None).unwrap().unwrap().set;
        let mut sections = loaded.sections().clone();
        assert_eq!(sections["max_contracts"], r#"{"count_type":"gross","limit":7}"#);
        sections.insert(GLOBAL.to_owned(), r#"{"strict_mode":true,"commitment":true}"#.to_owned());
        sections.insert(TRADING_DAY.to_owned(), r#"{"reset_time":"16:10","timezone":"America/Chicago"}"#.to_owned());
        let folder = ConfigFolder::at(folder.path()).unwrap();
        let restored = restore_account(&folder, &sections).unwrap();
        assert_eq!(format!("{:?}", restored.rules), format!("{loaded:?}"));
        assert_eq!(restored.day_clock.timezone_name(), "America/Chicago");
        for (section, wrong) in
            [("max_contracts", "{"), (GLOBAL, "{}"), (TRADING_DAY, "{\"reset_time\":\"x\"}"), ("no_rule", "{}")]
        {
            let mut spoiled = sections.clone();
            spoiled.insert(section.to_owned(), wrong.to_owned());
            assert!(restore_account(&folder, &spoiled).is_none(), "{section}");
        }
    }
}
