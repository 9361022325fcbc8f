//! Every YAML block of the documents through the loader of the file it is from.

use riskd::config::{
    ApiConfig, ConfigError, ConfigFolder, DatabaseConfig, GatewayConfig, LoggingConfig, Surroundings, load_accounts,
    load_alerts, load_rules,
};

use crate::markdown::blocks;
use crate::{documents, must_be_empty};

/// The file that a top-level key belongs to.
fn file_of(text: &str) -> Option<&'static str> {
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '-']))
        .filter_map(|line| line.split_once(':').map(|(key, _)| key))
        .collect();
    let has = |names: &[&str]| keys.iter().any(|key| names.contains(key));
    if has(&["rules", "global", "max_contracts", "daily_realized_loss", "daily_unrealized_loss"]) {
        Some("risk_config.yaml")
    } else if has(&["database", "monitoring"]) {
        Some("database.yaml")
    } else if has(&["gateway"]) {
        Some("gateway.yaml")
    } else if has(&["accounts"]) {
        Some("accounts.yaml")
    } else if has(&["logging"]) {
        Some("logging.yaml")
    } else if has(&["api"]) {
        Some("api.yaml")
    } else if has(&["alerts"]) {
        Some("alerts.yaml")
    } else {
        None
    }
}

fn load(name: &str, folder: &ConfigFolder) -> Result<(), ConfigError> {
    match name {
        "risk_config.yaml" => load_rules(folder, None).map(|_| ()),
        "database.yaml" => DatabaseConfig::load(folder, None).map(|_| ()),
        "gateway.yaml" => GatewayConfig::load(folder).map(|_| ()),
        "api.yaml" => ApiConfig::load(folder).map(|_| ()),
        "accounts.yaml" => load_accounts(folder).map(|_| ()),
        "alerts.yaml" => load_alerts(folder, &Surroundings::of(&[("SECRET", "https://127.0.0.1/x")])).map(|_| ()),
        _ => LoggingConfig::load(folder).map(|_| ()),
    }
}

fn violations(name: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for block in blocks(text).iter().filter(|block| ["yaml", "yml"].contains(&block.language.as_str())) {
        let place = format!("{name}:{}", block.line);
        let Some(file) = file_of(&block.text) else {
            violations.push(format!("{place}: a YAML block of no known config file"));
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), &block.text).unwrap();
        if let Err(error) = load(file, &ConfigFolder::at(folder.path()).unwrap()) {
            violations.push(format!("{place}: {}: {}", error.key, error.problem));
        }
    }
    violations
}

#[test]
fn every_yaml_block_loads() {
    let documents = documents();
    let count = documents.iter().flat_map(|(_, text)| blocks(text)).filter(|block| block.language == "yaml").count();
    assert!(count >= 8, "only {count} blocks were found");
    must_be_empty(&documents.iter().flat_map(|(name, text)| violations(name, text)).collect::<Vec<_>>());
}

#[test]
fn a_wrong_block_is_found() {
    let block = |text: &str| format!("# T\n```yaml\n{text}```\n");
    for (text, expected) in [
        ("rules:\n  max_contracts: { limt: 5 }\n", "t.md:3: rules.max_contracts.limt: unknown key"),
        ("database: { pth: x }\n", "t.md:3: database.pth: unknown key"),
        ("gateway: { firm: topstepx }\n", "t.md:3: gateway: the key user_name is required here"),
        (
            "accounts: [{ id: 0 }]\n",
            "t.md:3: accounts[0].id: must be a whole number from 1 to 9223372036854775807, not 0",
        ),
        ("logging: { level: LOUD }\n", "t.md:3: logging.level: \"LOUD\" is not one of DEBUG, INFO, WARNING, ERROR"),
        ("on: push\n", "t.md:3: a YAML block of no known config file"),
    ] {
        assert_eq!(violations("t.md", &block(text)), [expected]);
    }
    assert!(violations("t.md", &block("rules: { max_contracts: { limit: 5 } }\n")).is_empty());
}
