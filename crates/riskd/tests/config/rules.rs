//! `risk_config.yaml`, with a small stand-in for the core's rules.

use riskd::config::{ConfigError, ConfigFolder, LoggingLevel, RiskConfig, load_risk_config};

use crate::{refusals, written};

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SomeRules {
    max_contracts: Option<SomeRule>,
    daily_realized_loss: Option<SomeRule>,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SomeRule {
    limit: Option<f64>,
    mode: Option<Mode>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Net,
    Gross,
}

pub(crate) const KNOWN: [&str; 2] = ["max_contracts", "daily_realized_loss"];

fn load(folder: &ConfigFolder) -> Result<RiskConfig<SomeRules>, ConfigError> {
    load_risk_config(folder, None, &KNOWN).map(|config| config.expect("the file is there"))
}

#[test]
fn both_dialects_of_the_rules_say_the_same() {
    let nested =
        "global: { strict_mode: true, logging_level: WARNING }\nrules:\n  max_contracts: { limit: 3, mode: gross }\n";
    let flat = "global: { strict_mode: true, logging_level: WARNING }\nmax_contracts: { limit: 3, mode: gross }\n";
    let [nested, flat] = [nested, flat].map(|text| load(&written("risk_config.yaml", text).folder).unwrap());
    assert_eq!(nested, flat);
    assert!(nested.strict_mode);
    assert_eq!(nested.logging_level, Some(LoggingLevel::Warning));
    assert_eq!(nested.rules.max_contracts, Some(SomeRule { limit: Some(3.0), mode: Some(Mode::Gross) }));
    assert_eq!(nested.rules.daily_realized_loss, None);

    for text in ["", "rules:\n", "# all commented out\n"] {
        assert_eq!(load(&written("risk_config.yaml", text).folder).unwrap().rules, SomeRules::default());
    }
}

#[test]
fn sections_of_v1_are_tolerated_and_named() {
    let text = "general: { instruments: [MNQ] }\nrules: {}\nalerts:\n  email: x\n";
    let config = load(&written("risk_config.yaml", text).folder).unwrap();
    assert_eq!(config.ignored_sections, ["general (line 1)", "alerts (line 3)"]);
}

#[test]
fn another_rules_file_can_be_named() {
    let written = written("calm.yaml", "rules: { max_contracts: { limit: 1 } }");
    let config: RiskConfig<SomeRules> =
        load_risk_config(&written.folder, Some(&written.file), &KNOWN).unwrap().unwrap();
    assert_eq!(config.rules.max_contracts.unwrap().limit, Some(1.0));
    let absent = load_risk_config::<SomeRules>(&written.folder, None, &KNOWN).unwrap();
    assert_eq!(absent, None);
}

#[test]
fn what_the_rules_file_gets_wrong_is_named_exactly() {
    refusals(
        "risk_config.yaml",
        load,
        &[
            (
                "rules:\n  max_contract: { limit: 3 }\n",
                "risk_config.yaml:2: rules.max_contract: unknown key; did you mean max_contracts?",
            ),
            (
                "max_contract: { limit: 3 }\n",
                "risk_config.yaml:1: max_contract: unknown key; did you mean max_contracts?",
            ),
            ("rule:\n  max_contracts: {}\n", "risk_config.yaml:1: rule: unknown key; did you mean rules?"),
            (
                "rules:\n  max_contracts:\n    limt: 3\n",
                "risk_config.yaml:3: rules.max_contracts.limt: unknown key; did you mean limit?",
            ),
            ("max_contracts:\n  limt: 3\n", "risk_config.yaml:2: max_contracts.limt: unknown key; did you mean limit?"),
            (
                "rules:\n  max_contracts:\n    limit: 3\n    mode: nett\n",
                "risk_config.yaml:4: rules.max_contracts.mode: \"nett\" is not one of net, gross; did you mean net?",
            ),
            (
                "global:\n  strict_mod: true\nrules: {}\n",
                "risk_config.yaml:2: global.strict_mod: unknown key; did you mean strict_mode?",
            ),
            (
                "rules: {}\nmax_contracts: { limit: 3 }\n",
                "risk_config.yaml:2: max_contracts: stands beside rules:, and would be overlooked there; \
                 move it under rules:",
            ),
            ("- rules\n", "risk_config.yaml:1: must be a group of keys, such as rules:"),
        ],
    );
}
