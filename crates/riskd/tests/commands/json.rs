//! `--json`: one document on standard output, whatever the command.

use serde_json::Value;

use super::support::Ground;

fn document(ground: &Ground, arguments: &[&str]) -> Value {
    let ran = ground.run(&[arguments, &["--json"]].concat());
    assert_eq!((ran.code, ran.error.as_str()), (0, ""), "{arguments:?}");
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn each_command_answers_with_one_document() {
    let ground = Ground::v1();
    let status = document(&ground, &["db", "status"]);
    assert_eq!((&status["version"], &status["kind"]["kind"]), (&1.into(), &"behind".into()));
    let migrated = document(&ground, &["db", "migrate"]);
    assert_eq!((&migrated["outcome"], &migrated["to_version"]), (&"migrated".into(), &2.into()));
    assert_eq!(migrated["steps"][0]["step"], "backup");
    let backup = migrated["backup"]["path"].as_str().unwrap().to_owned();
    assert_eq!(document(&ground, &["db", "migrate"]), serde_json::json!({"outcome": "current", "version": 2}));
    assert_eq!(document(&ground, &["db", "verify"])["deviations"], serde_json::json!([]));
    assert_eq!(document(&ground, &["db", "backup"])["verified"], true);
    let backups = document(&ground, &["db", "backups"]);
    assert_eq!(backups["backups"].as_array().unwrap().len(), 2);
    let restored = document(&ground, &["db", "restore", &backup]);
    assert_eq!((&restored["version"], &restored["previous_version"]), (&1.into(), &2.into()));
    assert_eq!(document(&ground, &["db", "migrate"])["outcome"], "migrated");
    assert_eq!(document(&ground, &["db", "rollback"])["version"], 1);
}

#[test]
fn status_and_log_answer_with_one_document() {
    let ground = Ground::v2();
    let status = document(&ground, &["status"]);
    let account = &status["accounts"][0];
    assert_eq!((&account["account_id"], &account["locked"]), (&123.into(), &true.into()));
    assert_eq!((&account["lock_rule_id"], &account["locked_until"]), (&"RULE-003".into(), &Value::Null));
    assert_eq!(account["open_positions"], 1);
    let log = document(&ground, &["log"]);
    let ids: Vec<_> = log["enforcements"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [2, 1], "newest first, though the forms of their times sort the other way");
    assert_eq!(log["enforcements"][0]["error_message"], "no answer");
    assert_eq!(log["more"], false);
    assert_eq!(document(&ground, &["log", "--limit", "1"])["more"], true);
}

#[test]
fn deviations_are_an_answer_too() {
    let ran = Ground::v1().run(&["db", "verify", "--json"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, ran.error.as_str()), (3, ""));
    assert_eq!(report["deviations"], serde_json::json!(["the schema version is 1, expected 2"]));
}
