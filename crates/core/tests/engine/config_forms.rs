//! The section `rules:` in every form that must load, and those that must not.

use riskd_core::model::RuleId;
use riskd_core::rules::RulesConfig;
use serde_json::json;

use crate::build::rules;

fn sentences(section: serde_json::Value) -> Vec<String> {
    rules(section).rules().map(|rule| rule.sentence()).collect()
}

/// What is wrong with a section, be it found while reading or while building.
fn error(section: serde_json::Value) -> String {
    match serde_json::from_value::<RulesConfig>(section.clone()) {
        Err(error) => error.to_string(),
        Ok(config) => config.build().err().unwrap_or_else(|| panic!("{section} loads")).to_string(),
    }
}

#[test]
fn files_written_for_v1_load_unchanged() {
    let section = json!({
        "max_contracts": {
            "enabled": true, "limit": 5, "count_type": "net", "close_all": true, "reduce_to_limit": false,
            "lockout_on_breach": false,
        },
        "daily_realized_loss": {
            "enabled": true, "limit": -500, "reset_time": "17:00", "timezone": "America/Chicago",
        },
        "daily_unrealized_loss": {"enabled": true, "loss_limit": 300.00, "action": "CLOSE_ALL_AND_LOCKOUT"},
    });
    assert_eq!(
        sentences(section.clone()),
        [
            "Above 5 contracts (net), all positions are closed.",
            "At a realized loss of $500.00 in a day, everything is closed and the account locked until the daily reset.",
            "At an unrealized loss of $300.00 over all positions, everything is closed and the account locked until the \
             daily reset.",
        ]
    );
    let config: RulesConfig = serde_json::from_value(section).unwrap();
    let realized = config.daily_realized_loss.unwrap();
    assert_eq!(realized.reset_time, Some(jiff::civil::time(17, 0, 0, 0)));
    assert_eq!(realized.timezone.as_deref(), Some("America/Chicago"));
}

#[test]
fn defaults_are_the_documented_ones() {
    let section = json!({"max_contracts": {}, "daily_realized_loss": {}, "daily_unrealized_loss": {}});
    assert_eq!(
        sentences(section),
        [
            "Above 5 contracts (net), all positions are closed.",
            "At a realized loss of $500.00 in a day, everything is closed and the account locked until the daily reset.",
            "At an unrealized loss of $300.00 on one position, that position is closed.",
        ]
    );
    assert!(sentences(json!({})).is_empty());
    assert!(sentences(json!({"max_contracts": {"enabled": false, "limit": -3}})).is_empty());
}

#[test]
fn every_option_shows_in_the_sentence() {
    let cases = [
        (
            json!({"max_contracts": {"limit": 2, "count_type": "gross", "reduce_to_limit": true}}),
            "Above 2 contracts (gross), positions are reduced to the limit, largest first.",
        ),
        (
            json!({"max_contracts": {"lockout_on_breach": true}}),
            "Above 5 contracts (net), everything is closed and the account locked until the daily reset.",
        ),
        (
            json!({"daily_realized_loss": {"include_fees": true, "lockout_until": "permanent"}}),
            "At a realized loss of $500.00 in a day, fees included, everything is closed and the account locked for good.",
        ),
        (
            json!({"daily_realized_loss": {"action": "CLOSE_ALL_POSITIONS"}}),
            "At a realized loss of $500.00 in a day, all positions are closed.",
        ),
        (
            json!({"daily_unrealized_loss": {"scope": "total", "limit": -120.5}}),
            "At an unrealized loss of $120.50 over all positions, all positions are closed.",
        ),
        (
            json!({"daily_unrealized_loss": {"lockout": true, "lockout_until": "permanent"}}),
            "At an unrealized loss of $300.00 on one position, everything is closed and the account locked for good.",
        ),
    ];
    for (section, sentence) in cases {
        assert_eq!(sentences(section), [sentence]);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let cases = [
        (json!({"max_contracts": {"limt": 5}}), "unknown field `limt`"),
        (json!({"max_contract": {}}), "unknown field `max_contract`"),
        (json!({"max_contracts": {"count_type": "Net"}}), "unknown variant `Net`"),
        (json!({"max_contracts": {"limit": 2.5}}), "floating point `2.5`"),
        (json!({"max_contracts": {"limit": -1}}), "rules.max_contracts.limit: must be 0 or more contracts"),
        (
            json!({"max_contracts": {"close_all": true, "reduce_to_limit": true}}),
            "rules.max_contracts.reduce_to_limit: close_all and reduce_to_limit cannot both be true",
        ),
        (
            json!({"max_contracts": {"close_all": false}}),
            "rules.max_contracts.close_all: nothing would happen on a breach: set close_all or reduce_to_limit",
        ),
        (
            json!({"daily_realized_loss": {"loss_limit": 500, "limit": -500}}),
            "rules.daily_realized_loss.limit: stands beside loss_limit: give one of the two",
        ),
        (
            json!({"daily_realized_loss": {"loss_limit": 0}}),
            "rules.daily_realized_loss.loss_limit: must not be 0: every account would breach it at once",
        ),
        (
            json!({"daily_unrealized_loss": {"limit": 0}}),
            "rules.daily_unrealized_loss.limit: must not be 0: every account would breach it at once",
        ),
        (json!({"daily_realized_loss": {"reset_time": "25:00"}}), "\"25:00\" is not a time of day such as \"17:00\""),
        (json!({"daily_realized_loss": {"reset_time": "5pm"}}), "\"5pm\" is not a time of day such as \"17:00\""),
        (json!({"daily_realized_loss": {"lockout_until": "tomorrow"}}), "unknown variant `tomorrow`"),
        (json!({"daily_realized_loss": {"action": "CLOSE_POSITION"}}), "unknown variant `CLOSE_POSITION`"),
        (json!({"daily_realized_loss": {"loss_limit": "much"}}), "decimal number"),
        (json!({"daily_unrealized_loss": {"scope": "account"}}), "unknown variant `account`"),
        (json!({"daily_unrealized_loss": {"mode": "total"}}), "unknown field `mode`"),
    ];
    for (section, expected) in cases {
        let error = error(section.clone());
        assert!(error.contains(expected), "{section}: {error}");
    }
}

#[test]
fn a_rule_that_is_switched_off_is_neither_armed_nor_missing() {
    let off: serde_json::Map<_, _> =
        RulesConfig::KEYS.iter().map(|key| ((*key).to_owned(), json!({"enabled": false}))).collect();
    let set = rules(off.into());
    assert_eq!((set.rules().count(), set.idle().len()), (0, 0));
}

#[test]
fn every_rule_has_its_key_its_number_and_its_place() {
    assert_eq!(RulesConfig::KEYS.len(), usize::from(RuleId::LAST));
    let set = rules(json!({"max_contracts": {}, "daily_realized_loss": {}, "daily_unrealized_loss": {}}));
    let known: Vec<_> = set.rules().map(|rule| (rule.id(), rule.key())).collect();
    assert_eq!(
        known,
        [
            (RuleId::MAX_CONTRACTS, "max_contracts"),
            (RuleId::DAILY_REALIZED_LOSS, "daily_realized_loss"),
            (RuleId::DAILY_UNREALIZED_LOSS, "daily_unrealized_loss"),
        ]
    );
    // All the others, enabled, are listed: together they make up the fifteen.
    let all: serde_json::Map<_, _> = RulesConfig::KEYS.iter().map(|key| ((*key).to_owned(), needed_by(key))).collect();
    let mut config: RulesConfig = serde_json::from_value(all.into()).unwrap();
    config.news_window.as_mut().unwrap().events = Some(std::sync::Arc::default());
    let set = config.build().unwrap();
    assert_eq!(set.rules().count() + set.idle().len(), usize::from(RuleId::LAST));
}

/// The least that a rule's section must say.
fn needed_by(key: &str) -> serde_json::Value {
    match key {
        "session_block_outside" => json!({"allowed_hours": {"start": "09:30", "end": "16:00"}}),
        "max_contracts_per_instrument" => json!({"limits": {"MNQ": 1}}),
        "news_window" => json!({"calendar": "news.yaml"}),
        _ => json!({}),
    }
}
