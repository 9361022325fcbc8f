//! `riskd rules check | explain`: without a broker, a database or credentials.

use serde_json::Value;

use super::support::Ground;

fn ground(rules: &str) -> Ground {
    let ground = Ground::empty();
    std::fs::create_dir(ground.path("config")).unwrap();
    std::fs::write(ground.path("config/risk_config.yaml"), rules).unwrap();
    ground
}

#[test]
fn each_rule_is_said_in_a_sentence_in_order_of_precedence() {
    let ground = ground("rules:\n  daily_realized_loss: {loss_limit: 400}\n  max_contracts: {limit: 3}\n");
    let ran = ground.run(&["rules", "explain"]);
    assert_eq!((ran.code, ran.error.as_str()), (0, ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], "Every account of the login, day turns at 17:00 America/New_York");
    assert_eq!(lines[1], "  RULE-001 max_contracts: Above 3 contracts (net), all positions are closed.");
    assert!(
        lines[2].starts_with("  RULE-003 daily_realized_loss: At a realized loss of $400.00 in a day"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);
    let explained: Value = serde_json::from_str(&ground.run(&["rules", "explain", "--json"]).out).unwrap();
    assert_eq!(explained[0]["rules"][1]["rule_id"], "RULE-003");
    assert_eq!(explained[0]["account_id"], Value::Null);
}

#[test]
fn a_config_that_loads_is_well_and_a_mistake_is_named_with_its_line() {
    let right = ground("rules:\n  max_contracts: {limit: 3}\n");
    let ran = right.run(&["rules", "check"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.error);
    assert!(ran.out.contains("RULE-001") && ran.out.contains("loads"), "{}", ran.out);

    let wrong = ground("rules:\n  max_contracts:\n    limt: 3\n");
    let ran = wrong.run(&["rules", "check"]);
    assert_eq!(ran.code, 2);
    let expected = "risk_config.yaml:3: rules.max_contracts.limt: unknown key; did you mean limit?";
    assert!(ran.error.contains(expected), "{}", ran.error);
}
