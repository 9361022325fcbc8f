//! Who is in a world, and what each is held to.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use riskd_core::engine::{AccountConfig, Config};
use riskd_core::model::{AccountId, RuleId, TradingDayClock};
use riskd_core::rules::RulesConfig;

use super::Plan;
use super::chance::Chance;
use super::configs;
use crate::oracle::{AccountTerms, DayTurn, Term};

/// The first account's number.
const FIRST_ACCOUNT: i64 = 1001;
/// Zones by which firms turn the day.
const ZONES: [&str; 3] = ["America/New_York", "America/New_York", "America/Chicago"];

/// The accounts of a world, as the oracle and as the engine are told of them.
pub(super) fn accounts(plan: &Plan) -> (BTreeMap<AccountId, AccountTerms>, Config) {
    let mut chance = Chance::new(plan.seed, 1);
    let mut judged = BTreeMap::new();
    let mut config = Config::default();
    for index in 0..i64::from(plan.accounts) {
        let account_id = AccountId(FIRST_ACCOUNT + index);
        let healthy = index % 3 == 2;
        let mut terms = if healthy { configs::out_of_reach() } else { configs::risky(&mut chance, plan.every_rule) };
        let can_cancel = healthy || !chance.once_in(8);
        // On a live account none is placed.
        if plan.stops && can_cancel && !healthy {
            terms.push(configs::stops(&mut Chance::new(plan.seed, 1_000 + account_id.0.unsigned_abs())));
        }
        let zone = TimeZone::get(chance.pick::<&str>(&ZONES)).unwrap_or(TimeZone::UTC);
        let reset = Time::constant(17, 0, 0, 0);
        let rules: RulesConfig =
            serde_json::from_value(configs::section(&terms)).expect("a section says what the config can read");
        let rules = Arc::new(rules.build().expect("the options of a world are within their limits"));
        let day_clock = TradingDayClock::new(reset, zone.clone());
        config.accounts.insert(account_id, AccountConfig { day_clock, rules });
        judged.insert(account_id, AccountTerms { terms, turn: DayTurn { reset, zone }, healthy, can_cancel });
    }
    config.track_unrealized_pnl = chance.once_in(2);
    (judged, config)
}

/// The rules that worlds judge.
pub(super) fn judged() -> Vec<RuleId> {
    let (accounts, _) = accounts(&Plan { every_rule: true, ..Plan::new(0) });
    let all = accounts.values().flat_map(|account| account.terms.iter().map(Term::rule_id));
    let mut judged: Vec<RuleId> = all.collect();
    judged.sort_unstable();
    judged.dedup();
    judged
}
