//! The arming self-test: does each enabled rule get what it needs to fire?
//!
//! A rule that is silently dead is worse than none. So each rule of each account is asked, now and then and off the path of
//! events: is the broker heard, are its hubs up, can each held position be priced, does the day turn, do its calendars reach
//! beyond today? What is missing for a while is told, and told again when it is there.

use jiff::Timestamp;

use super::action::{Action, Notice};
use super::config::Config;
use super::desk::Desk;
use super::step::EngineState;
use crate::model::{AccountId, RuleId, milliseconds_between};
use crate::rules::{Rule, Trigger};
use crate::state::Markets;

/// Accounts looked at in one sweep; sweeps come once a second.
const ACCOUNTS_A_SWEEP: usize = 64;
/// How long something must be missing before it is told, in milliseconds: a start and a short gap pass by themselves.
const TOLD_AFTER_MS: i64 = 10_000;

/// Whether one rule of one account could fire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleArming {
    /// The account.
    pub account_id: AccountId,
    /// The rule.
    pub rule_id: RuleId,
    /// Its key in the config file.
    pub key: &'static str,
    /// Why it could not; absent when it is armed.
    pub not_armed: Option<String>,
}

/// What was found missing for a rule, and whether it was told.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    reason: String,
    since: Timestamp,
    told: bool,
}

impl EngineState {
    /// Whether each enabled rule of each account could fire at `at`, by accounts and rules. One pass over both.
    pub fn arming(&self, config: &Config, at: Timestamp) -> Vec<RuleArming> {
        self.desks.keys().flat_map(|account_id| self.arming_of(config, *account_id, at)).collect()
    }

    /// The same of one account.
    pub fn arming_of(&self, config: &Config, account_id: AccountId, at: Timestamp) -> Vec<RuleArming> {
        let (Some(desk), Some(account)) = (self.desks.get(&account_id), config.accounts.get(&account_id)) else {
            return Vec::new();
        };
        let of_the_account = self.missing_for_every_rule(desk, at);
        let unpriced = unpriced(desk, &self.markets);
        let view = desk.view(&self.markets, at);
        let armed = account.rules.rules().map(|rule| RuleArming {
            account_id,
            rule_id: rule.id(),
            key: rule.key(),
            not_armed: of_the_account
                .clone()
                .or_else(|| self.missing_for(rule, desk, unpriced.as_deref()))
                .or_else(|| rule.not_armed(&view)),
        });
        let idle = account.rules.idle().iter().map(|idle| RuleArming {
            account_id,
            rule_id: idle.rule_id,
            key: idle.key,
            not_armed: Some(idle.reason.to_owned()),
        });
        let mut all: Vec<_> = armed.chain(idle).collect();
        all.sort_by_key(|rule| rule.rule_id);
        all
    }

    /// What no rule of the account can do without.
    fn missing_for_every_rule(&self, desk: &Desk, at: Timestamp) -> Option<String> {
        let what = if !desk.heard_from_the_broker {
            "the broker has not said yet what the account holds"
        } else if !self.user_hub_up {
            "the user hub is down: fills and orders are seen only when the broker is asked, every few seconds"
        } else if !desk.state.certain {
            "positions and orders are not known for certain"
        } else if desk.state.session.ends_at() <= at || desk.state.session.ends_at() == Timestamp::MAX {
            "the reset schedule is broken: the trading day does not turn"
        } else {
            return None;
        };
        Some(what.to_owned())
    }

    /// What a rule that reckons with prices cannot do without.
    fn missing_for(&self, rule: &dyn Rule, desk: &Desk, unpriced: Option<&str>) -> Option<String> {
        let held = desk.state.book.positions().next()?;
        if !rule.watches(&Trigger::Price(held.contract_id.clone())) {
            return None;
        }
        if !self.market_hub_up {
            return Some("the market hub is down: prices stand still".to_owned());
        }
        unpriced.map(str::to_owned)
    }

    /// Looks at the next accounts, and says which rules could not fire for a while and which can again.
    pub(super) fn tell_of_arming(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>) {
        let after = self.arming_looked_at;
        let rest = self.desks.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        let next: Vec<AccountId> = rest.map(|(account_id, _)| *account_id).take(ACCOUNTS_A_SWEEP).collect();
        self.arming_looked_at = match next.last() {
            Some(last) if next.len() == ACCOUNTS_A_SWEEP => *last,
            // All have been looked at: the next sweep begins anew.
            _ => AccountId(i64::MIN),
        };
        for account_id in next {
            let found = self.arming_of(config, account_id, at);
            if let Some(desk) = self.desks.get_mut(&account_id) {
                desk.take_note_of_arming(found, at, actions);
            }
        }
    }
}

impl Desk {
    fn take_note_of_arming(&mut self, found: Vec<RuleArming>, at: Timestamp, actions: &mut Vec<Action>) {
        let account_id = self.id();
        let mut before = std::mem::take(&mut self.not_armed);
        let mut tell = |rule_id, reason| {
            actions.push(Action::Notice(Notice::ArmingChanged { account_id, rule_id, reason }));
        };
        for rule in found {
            let known = before.remove(&rule.rule_id);
            match (known, rule.not_armed) {
                (None, None) => {}
                (Some(known), None) => {
                    if known.told {
                        tell(rule.rule_id, None);
                    }
                }
                (known, Some(reason)) => {
                    // Another reason is news as soon as there is one; the time it has lasted goes on.
                    let since = known.as_ref().map_or(at, |known| known.since);
                    let was_told = known.is_some_and(|known| known.told && known.reason == reason);
                    let told = was_told || milliseconds_between(since, at) >= TOLD_AFTER_MS;
                    if told && !was_told {
                        tell(rule.rule_id, Some(reason.clone()));
                    }
                    self.not_armed.insert(rule.rule_id, Missing { reason, since, told });
                }
            }
        }
    }
}

/// The first held contract that cannot be priced, and what is missing.
fn unpriced(desk: &Desk, markets: &Markets) -> Option<String> {
    desk.state.book.positions().find_map(|position| {
        let contract_id = &position.contract_id;
        let missing = match markets.get(contract_id) {
            Some(market) => market.missing_to_price(position)?,
            None => "a quote",
        };
        Some(format!("the position in {contract_id} cannot be priced: {missing} is missing"))
    })
}
