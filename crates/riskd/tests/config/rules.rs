//! `risk_config.yaml`: the document around the rules, with a small stand-in for them, and then with the real ones.

use riskd::config::{ConfigError, ConfigFolder, LoggingLevel, RiskConfig, load_accounts, load_risk_config, load_rules};

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

const KNOWN: [&str; 2] = ["max_contracts", "daily_realized_loss"];

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

/// As the documents of v1 show it, all twelve rules in it.
const WRITTEN_FOR_V1: &str = r#"
global:
  strict_mode: false
  logging_level: "INFO"
rules:
  max_contracts: { enabled: true, limit: 5, count_type: "net" }
  max_contracts_per_instrument:
    enabled: false
    limits: { MNQ: 2, ES: 1 }
    enforcement: "reduce_to_limit"
    unknown_symbol_action: "allow_with_limit:1"
  daily_realized_loss:
    enabled: true
    loss_limit: 500.00
    action: "CLOSE_ALL_AND_LOCKOUT"
    lockout_until: "daily_reset"
    reset_time: "16:00"
    timezone: "America/Chicago"
  daily_unrealized_loss:
    enabled: true
    loss_limit: 300.00
    scope: "per_position"
    action: "CLOSE_POSITION"
    lockout: false
  max_unrealized_profit: { enabled: false, profit_target: 1000.00, action: "CLOSE_ALL_POSITIONS" }
  trade_frequency_limit: { enabled: false, max_trades: 30, time_window_minutes: 60 }
  cooldown_after_loss: { enabled: false, loss_threshold: 100.00, cooldown_seconds: 300 }
  no_stop_loss_grace: { enabled: false, grace_period_seconds: 30 }
  session_block_outside: { enabled: false, allowed_hours: { start: "08:30", end: "15:00" } }
  auth_loss_guard: { enabled: true }
  symbol_blocks: { enabled: false, blocked_symbols: [RTY] }
  trade_management: { enabled: false }
"#;

#[test]
fn a_file_written_for_v1_loads_unchanged() {
    let file = written("risk_config.yaml", WRITTEN_FOR_V1);
    let rules = load_rules(&file.folder, None).unwrap().unwrap();
    let armed: Vec<String> = rules.set.rules().map(|rule| rule.id().to_string()).collect();
    assert_eq!(armed, ["RULE-001", "RULE-003", "RULE-004", "RULE-010"]);
    assert_eq!(rules.set.idle(), [], "what is enabled and does nothing is said");
    assert_eq!(rules.logging_level, Some(LoggingLevel::Info));

    // The other dialect: the same rules at the top level.
    let flat: String = WRITTEN_FOR_V1
        .replace("rules:\n", "")
        .lines()
        .map(|line| {
            line.strip_prefix("  ")
                .filter(|_| !line.contains("strict_mode") && !line.contains("logging_level"))
                .unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n");
    let flat = load_rules(&written("risk_config.yaml", &flat).folder, None).unwrap().unwrap();
    assert_eq!(format!("{:?}", flat.set), format!("{:?}", rules.set));

    let empty = tempfile::tempdir().unwrap();
    assert!(load_rules(&ConfigFolder::open(Some(empty.path())).unwrap(), None).unwrap().is_none());
}

#[test]
fn the_trading_day_is_the_accounts_then_the_rules_then_new_yorks() {
    let rules = load_rules(&written("risk_config.yaml", WRITTEN_FOR_V1).folder, None).unwrap();
    let accounts =
        "accounts:\n  - id: 1\n  - { id: 2, reset_time: \"18:00\" }\n  - { id: 3, timezone: Europe/Berlin }\n";
    let accounts = load_accounts(&written("accounts.yaml", accounts).folder).unwrap();
    let day = |index: usize, with_rules: bool| {
        let clock = accounts[index].trading_day_under(rules.as_ref().filter(|_| with_rules));
        format!("{} {}", clock.reset_time().strftime("%H:%M"), clock.timezone_name())
    };
    assert_eq!((day(0, false).as_str(), day(0, true).as_str()), ("17:00 America/New_York", "16:00 America/Chicago"));
    assert_eq!((day(1, false).as_str(), day(1, true).as_str()), ("18:00 America/New_York", "18:00 America/Chicago"));
    assert_eq!((day(2, false).as_str(), day(2, true).as_str()), ("17:00 Europe/Berlin", "16:00 Europe/Berlin"));
}

#[test]
fn options_of_the_real_rules_are_refused_at_their_line() {
    refusals(
        "risk_config.yaml",
        |folder| load_rules(folder, None),
        &[
            (
                "rules:\n  max_contracts:\n    enabled: true\n    limit: -1\n",
                "risk_config.yaml:4: rules.max_contracts.limit: must be 0 or more contracts",
            ),
            (
                "max_contracts:\n  enabled: true\n  limit: -1\n",
                "risk_config.yaml:3: max_contracts.limit: must be 0 or more contracts",
            ),
            (
                "rules:\n  daily_realized_loss:\n    los_limit: 5\n",
                "risk_config.yaml:3: rules.daily_realized_loss.los_limit: unknown key; did you mean loss_limit?",
            ),
            (
                "rules:\n  daily_realized_loss: { timezone: America/Chicgo }\n",
                "risk_config.yaml:2: rules.daily_realized_loss.timezone: \"America/Chicgo\" is not the name of a time zone; \
                 did you mean America/Chicago?",
            ),
            (
                "rules:\n  trade_management:\n    auto_stop_los: true\n",
                "risk_config.yaml:3: rules.trade_management.auto_stop_los: unknown key; did you mean auto_stop_loss?",
            ),
            (
                "rules:\n  trade_management:\n    trailing_stop:\n      activation_tick: 8\n",
                "risk_config.yaml:4: rules.trade_management.trailing_stop.activation_tick: unknown key; did you mean \
                 activation_ticks?",
            ),
            (
                "trade_management:\n  auto_breakeven:\n    offset_ticks: 10\n",
                "risk_config.yaml:3: trade_management.auto_breakeven.offset_ticks: must be less than profit_trigger_ticks (10): \
                 the price would be there already",
            ),
            (
                "rules:\n  daily_realised_loss: {}\n",
                "risk_config.yaml:2: rules.daily_realised_loss: unknown key; did you mean daily_realized_loss?",
            ),
        ],
    );
}
