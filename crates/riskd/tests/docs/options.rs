//! docs/rules.md against the rules' own config types: every option, every default, and what is not armed.

use riskd::config::{ConfigFolder, load_rules};
use riskd_core::rules::{
    RulesConfig, auth_loss_guard, cooldown_after_loss, daily_realized_loss, daily_realized_profit,
    daily_unrealized_loss, max_contracts, max_contracts_per_instrument, max_drawdown, max_unrealized_profit,
    news_window, no_stop_loss_grace, session_block_outside, symbol_blocks, trade_frequency_limit, trade_management,
};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor, value};

use crate::markdown::{code, prose, rows, section};
use crate::{document, must_be_empty};

/// The rules of this version: heading, key, and the options their config type accepts.
fn available() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    vec![
        ("## RULE-001 `max_contracts`", "max_contracts", fields_of::<max_contracts::Config>()),
        (
            "## RULE-002 `max_contracts_per_instrument`",
            "max_contracts_per_instrument",
            fields_of::<max_contracts_per_instrument::Config>(),
        ),
        ("## RULE-003 `daily_realized_loss`", "daily_realized_loss", fields_of::<daily_realized_loss::Config>()),
        ("## RULE-004 `daily_unrealized_loss`", "daily_unrealized_loss", fields_of::<daily_unrealized_loss::Config>()),
        ("## RULE-005 `max_unrealized_profit`", "max_unrealized_profit", fields_of::<max_unrealized_profit::Config>()),
        ("## RULE-006 `trade_frequency_limit`", "trade_frequency_limit", fields_of::<trade_frequency_limit::Config>()),
        ("## RULE-007 `cooldown_after_loss`", "cooldown_after_loss", fields_of::<cooldown_after_loss::Config>()),
        ("## RULE-008 `no_stop_loss_grace`", "no_stop_loss_grace", fields_of::<no_stop_loss_grace::Config>()),
        ("## RULE-009 `session_block_outside`", "session_block_outside", fields_of::<session_block_outside::Config>()),
        ("## RULE-010 `auth_loss_guard`", "auth_loss_guard", fields_of::<auth_loss_guard::Config>()),
        ("## RULE-011 `symbol_blocks`", "symbol_blocks", fields_of::<symbol_blocks::Config>()),
        ("## RULE-012 `trade_management`", "trade_management", fields_of::<trade_management::Config>()),
        ("## RULE-013 `daily_realized_profit`", "daily_realized_profit", fields_of::<daily_realized_profit::Config>()),
        ("## RULE-014 `max_drawdown`", "max_drawdown", fields_of::<max_drawdown::Config>()),
        ("## RULE-015 `news_window`", "news_window", fields_of::<news_window::Config>()),
    ]
}

/// The fields that a type asks for when it is read.
fn fields_of<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut fields = Vec::new();
    let read = T::deserialize(Asked(&mut fields));
    assert!(read.is_err() && !fields.is_empty(), "the type is a struct");
    fields
}

/// Answers nothing, and notes which fields were asked for.
struct Asked<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.extend(fields);
        Err(Error::custom("only asked"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Options without which a rule is refused.
fn needed_by(rule: &str) -> &'static str {
    match rule {
        "session_block_outside" => "allowed_hours: { start: \"09:30\", end: \"16:00\" }, ",
        "news_window" => "calendar: news.csv, ",
        _ => "",
    }
}

/// What a rule does with these options, in the words of its own debugging; or why it is refused.
fn meaning(rule: &str, options: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let needed = needed_by(rule);
    let other = if rule == "max_drawdown" { "max_contracts" } else { "max_drawdown" };
    let text = format!("rules:\n  {rule}: {{ {needed}{options} }}\n  {other}: {{ enabled: false }}\n");
    std::fs::write(folder.path().join("news.csv"), "time,title\n2026-12-16T19:00Z,FOMC\n").unwrap();
    std::fs::write(folder.path().join("risk_config.yaml"), text).unwrap();
    let rules = load_rules(&ConfigFolder::at(folder.path()).unwrap(), None).map_err(|error| error.problem)?.unwrap();
    // The text of the sections differs by what is written out; what the rules are built to do must not.
    Ok(format!("{:?} {:?} {:?}", rules.set.rules().collect::<Vec<_>>(), rules.reset_time, rules.timezone))
}

/// Options said and accepted, and defaults that change something when they are written out.
fn violations(rule: &str, said: &[Vec<String>], accepted: &[&str]) -> Vec<String> {
    let mut violations = Vec::new();
    let names: Vec<&str> = said.iter().map(|row| code(&row[0]).unwrap_or(&row[0])).collect();
    violations
        .extend(names.iter().filter(|name| !accepted.contains(name)).map(|name| format!("{rule}: no option {name}")));
    violations
        .extend(accepted.iter().filter(|name| !names.contains(name)).map(|name| format!("{rule}: {name} is not said")));
    for (name, row) in names.iter().zip(said).filter(|(name, _)| accepted.contains(name)) {
        let default = code(&row[1]);
        if default.is_none() && row[1] != "–" {
            violations.push(format!("{rule}.{name}: the default must be a code span, or –: {}", row[1]));
        }
        // The term of a lock shows only where there is a lock.
        let base = match *name {
            "lockout_until" if accepted.contains(&"lockout") => "lockout: true, ",
            "stop_loss_ticks" => "auto_stop_loss: true, ",
            _ => "",
        };
        let Some(default) = default else { continue };
        let (without, with) = (meaning(rule, base), meaning(rule, &format!("{base}{name}: {default}")));
        if without != with {
            violations.push(format!("{rule}.{name}: {default} is not the default: {with:?} instead of {without:?}"));
        }
    }
    violations
}

#[test]
fn every_option_of_every_rule_is_said_with_its_default() {
    let text = prose(&document("docs/rules.md"));
    for (heading, rule, accepted) in available() {
        must_be_empty(&violations(rule, &rows(section(&text, heading), &["option", "default", "meaning"]), &accepted));
    }
}

#[test]
fn the_options_of_global_load_and_others_do_not() {
    let load = |option: &str| {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("global: {{ {option} }}\nrules: {{ max_contracts: {{}} }}\n");
        std::fs::write(folder.path().join("risk_config.yaml"), text).unwrap();
        load_rules(&ConfigFolder::at(folder.path()).unwrap(), None).map(|rules| rules.unwrap().set.strict_mode())
    };
    let text = prose(&document("docs/rules.md"));
    let said = rows(section(&text, "## `global`"), &["option", "default", "meaning"]);
    let names: Vec<&str> = said.iter().map(|row| code(&row[0]).unwrap()).collect();
    assert_eq!(names, ["strict_mode", "commitment", "logging_level", "log_level"]);
    assert_eq!(load(&format!("strict_mode: {}", code(&said[0][1]).unwrap())), load(""));
    assert_eq!(load("strict_mode: true"), Ok(true));
    assert!(load("logging_level: info").is_ok() && load("log_level: info").is_ok());
    assert!(load("strict: true").is_err());
}

#[test]
fn every_rule_has_its_section_and_a_rule_of_which_nothing_is_on_is_not_armed() {
    let mut said: Vec<&str> = available().iter().map(|(_, key, _)| *key).collect();
    let mut keys = RulesConfig::KEYS.to_vec();
    said.sort_unstable();
    keys.sort_unstable();
    assert_eq!(said, keys);
    let folder = tempfile::tempdir().unwrap();
    let text = "max_contracts: {}\ntrade_management: { auto_stop_loss: false, trailing_stop: false }\n";
    std::fs::write(folder.path().join("risk_config.yaml"), text).unwrap();
    let rules = load_rules(&ConfigFolder::at(folder.path()).unwrap(), None).unwrap().unwrap();
    let idle: Vec<_> = rules.set.idle().iter().map(|idle| idle.key).collect();
    assert_eq!((rules.set.rules().count(), idle), (1, vec!["trade_management"]));
}

#[test]
fn wrong_options_and_defaults_are_found() {
    let accepted = fields_of::<daily_unrealized_loss::Config>();
    let row = |name: &str, default: &str| vec![format!("`{name}`"), default.to_owned(), String::new()];
    let mut said: Vec<Vec<String>> = accepted.iter().map(|name| row(name, "–")).collect();
    assert!(violations("daily_unrealized_loss", &said, &accepted).is_empty());
    said.retain(|row| row[0] != "`scope`");
    said.push(row("scoop", "–"));
    said.push(row("limit", "`-301`"));
    said.push(row("lockout_until", "`permanent`"));
    said.push(row("lockout", "nothing"));
    let found = violations("daily_unrealized_loss", &said, &accepted);
    let begins = |text: &str| found.iter().any(|violation| violation.starts_with(text));
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(begins("daily_unrealized_loss: no option scoop"));
    assert!(begins("daily_unrealized_loss: scope is not said"));
    assert!(begins("daily_unrealized_loss.limit: -301 is not the default"));
    assert!(begins("daily_unrealized_loss.lockout_until: permanent is not the default"));
    assert!(begins("daily_unrealized_loss.lockout: the default must be"));
}
