//! Takes over a new config: what is stricter holds at once, what is looser waits for the account's next reset.
//!
//! A trader in a losing streak must not be able to widen the limits that were meant for it, nor to stop the program, widen
//! them in the file and start again: what is in force is kept in the table `rule_commitments`, section by section.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::action::{Action, Write};
use super::config::{AccountConfig, Config, Waiting};
use super::step::EngineState;
use crate::model::{AccountId, Commitment, TradingDayClock};
use crate::rules::{RuleSet, RulesConfig};
use crate::state::Standing;

/// The section that stands for `global:` in the table of commitments.
const GLOBAL: &str = "global";
/// The section that stands for the account's reset in the table of commitments.
const TRADING_DAY: &str = "trading_day";
/// The section that stands for the account itself in what is said of a change.
const ACCOUNT: &str = "account";

/// What became of one section when a config was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The account.
    pub account_id: AccountId,
    /// The rule's section, `global`, `trading_day`, or `account` for the account itself.
    pub section: String,
    /// When it takes effect.
    pub effect: Effect,
}

/// When a changed section takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is in force: no looser than before, or nobody is committed.
    Now,
    /// It is looser in some respect, so what was in force stays, whole, until the account's next reset.
    AtReset(Timestamp),
    /// An account was added or taken away: the next start of the program takes that over.
    AtTheNextStart,
}

/// Makes the config of one account from sections as the table keeps them; absent when they cannot be read any more.
pub type Restore<'a> = &'a dyn Fn(&BTreeMap<String, String>) -> Option<AccountConfig>;

/// Before the start: what accounts are committed to by an earlier run goes before what the files say by now.
///
/// Must be called before [`super::start`], with what the database remembers. What is written down goes to `actions`.
pub fn hold_commitments(
    config: &mut Config,
    commitments: &[Commitment],
    restore: Restore<'_>,
    at: Timestamp,
    actions: &mut Vec<Action>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let account_ids: Vec<AccountId> = config.accounts.keys().copied().collect();
    for account_id in account_ids {
        let Some(wanted) = config.accounts.get(&account_id).cloned() else { continue };
        let rows: Vec<&Commitment> = commitments.iter().filter(|row| row.account_id == account_id).collect();
        // What was to loosen by now has loosened.
        let binding: BTreeMap<String, String> = rows
            .iter()
            .filter(|row| row.loosens_at.is_none_or(|loosens_at| loosens_at > at))
            .map(|row| (row.rule.clone(), row.config.clone()))
            .collect();
        let taken = match restore(&binding).filter(|_| !binding.is_empty()) {
            Some(mut in_force) => {
                in_force.complete_from(&wanted, &binding);
                Merged::of(account_id, &in_force, &wanted, at)
            }
            None => Merged::all_at_once(&wanted),
        };
        taken.write(account_id, &rows, at, actions);
        changes.extend(taken.put_into(config, account_id));
    }
    changes
}

impl EngineState {
    /// Takes over a config that was read anew: what is in force afterwards stands in `config`, and what waits beside it.
    ///
    /// Every rule is asked about everything: a tightened limit that is passed already is enforced at once.
    pub fn take_over_config(
        &mut self,
        config: &mut Config,
        wanted: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
    ) -> Vec<Change> {
        let at = at.max(self.latest);
        self.fire_due(config, at, actions);
        self.settle_config(config);
        let mut changes = Vec::new();
        let added = wanted.accounts.keys().filter(|account_id| !self.desks.contains_key(account_id));
        let at_the_next_start = |account_id: &AccountId| Change {
            account_id: *account_id,
            section: ACCOUNT.to_owned(),
            effect: Effect::AtTheNextStart,
        };
        changes.extend(added.map(at_the_next_start));
        let account_ids: Vec<AccountId> = self.desks.keys().copied().collect();
        for account_id in account_ids {
            let Some(in_force) = config.accounts.get(&account_id).cloned() else { continue };
            let Some(account) = wanted.accounts.get(&account_id) else {
                changes.push(at_the_next_start(&account_id));
                continue;
            };
            let merged = Merged::of(account_id, &in_force, account, at);
            let rows =
                in_force.commitments(account_id, at, config.waiting.get(&account_id).map(|waiting| waiting.from));
            merged.write(account_id, &rows.iter().collect::<Vec<_>>(), at, actions);
            changes.extend(merged.put_into(config, account_id));
        }
        let accounts = std::mem::take(&mut config.accounts);
        let waiting = std::mem::take(&mut config.waiting);
        *config = Config { accounts, waiting, ..wanted.clone() };
        self.for_each_desk(config, at, actions, |desk, context| {
            // What is there now existed before whatever the new config blocks.
            desk.state.standing = Standing::of(&desk.state.book);
            desk.ask_rules_about_everything(context);
        });
        changes
    }

    /// Moves what waited and has taken effect into its place. Cheap when nothing waits; may be called at any time.
    pub fn settle_config(&mut self, config: &mut Config) {
        if config.waiting.is_empty() {
            return;
        }
        for (account_id, desk) in &mut self.desks {
            if std::mem::take(&mut desk.takes_what_waited)
                && let Some(waiting) = config.waiting.remove(account_id)
            {
                config.accounts.insert(*account_id, waiting.account);
            }
        }
    }
}

/// The config of one account that is in force, and what waits.
struct Merged {
    in_force: AccountConfig,
    waiting: Option<Waiting>,
    /// Sections that are held back.
    held: BTreeSet<String>,
    changes: Vec<Change>,
}

impl Merged {
    fn all_at_once(wanted: &AccountConfig) -> Self {
        Self { in_force: wanted.clone(), waiting: None, held: BTreeSet::new(), changes: Vec::new() }
    }

    fn of(account_id: AccountId, in_force: &AccountConfig, wanted: &AccountConfig, at: Timestamp) -> Self {
        let from = in_force.day_clock.next_reset(at);
        let is_committed = in_force.rules.commitment();
        let mut held = BTreeSet::new();
        let mut changes = Vec::new();
        let mut change = |section: &str, holds: bool| {
            let effect = if holds { Effect::AtReset(from) } else { Effect::Now };
            if holds {
                held.insert(section.to_owned());
            }
            changes.push(Change { account_id, section: section.to_owned(), effect });
        };
        // The day under way keeps its bounds, committed or not.
        if in_force.day_clock != wanted.day_clock {
            change(TRADING_DAY, true);
        }
        let (old, new) = (&in_force.rules, &wanted.rules);
        let strict_mode = new.strict_mode() || is_committed && old.strict_mode();
        let commitment = new.commitment() || is_committed;
        if (old.strict_mode(), old.commitment()) != (new.strict_mode(), new.commitment()) {
            change(GLOBAL, (strict_mode, commitment) != (new.strict_mode(), new.commitment()));
        }
        let mut rules = RuleSet::like(new).with_strict_mode(strict_mode).with_commitment(commitment);
        for key in RulesConfig::KEYS {
            match (old.rule(key), new.rule(key)) {
                (None, None) => {}
                (None, Some(_)) => {
                    rules.take(new, key);
                    change(key, false);
                }
                (Some(_), Some(_)) if old.section(key).is_some() && old.section(key) == new.section(key) => {
                    rules.take(new, key);
                }
                (Some(before), Some(after)) => {
                    let holds = is_committed && after.loosens(before);
                    rules.take(if holds { old } else { new }, key);
                    change(key, holds);
                }
                (Some(_), None) => {
                    if is_committed {
                        rules.take(old, key);
                    }
                    change(key, is_committed);
                }
            }
        }
        let in_force = AccountConfig { day_clock: in_force.day_clock.clone(), rules: Arc::new(rules) };
        let waiting = (!held.is_empty()).then(|| Waiting { from, account: wanted.clone() });
        Self { in_force, waiting, held, changes }
    }

    /// Writes down what is in force now, and takes away what is no more.
    fn write(&self, account_id: AccountId, rows: &[&Commitment], at: Timestamp, actions: &mut Vec<Action>) {
        let from = self.waiting.as_ref().map(|waiting| waiting.from);
        let mut sections = self.in_force.sections();
        if !self.in_force.rules.commitment() {
            sections.clear();
        }
        for (section, config) in &sections {
            let loosens_at = from.filter(|_| self.held.contains(section));
            let known = rows.iter().find(|row| row.rule == *section && row.config == *config);
            if known.is_some_and(|known| known.loosens_at == loosens_at) {
                continue;
            }
            let armed_at = known.map_or(at, |known| known.armed_at);
            let (rule, config) = (section.clone(), config.clone());
            actions.push(Action::Store(Write::PutCommitment(Commitment {
                account_id,
                rule,
                config,
                armed_at,
                loosens_at,
            })));
        }
        for row in rows.iter().filter(|row| !sections.contains_key(&row.rule)) {
            actions.push(Action::Store(Write::RemoveCommitment { account_id, rule: row.rule.clone() }));
        }
    }

    fn put_into(self, config: &mut Config, account_id: AccountId) -> Vec<Change> {
        config.accounts.insert(account_id, self.in_force);
        match self.waiting {
            Some(waiting) => config.waiting.insert(account_id, waiting),
            None => config.waiting.remove(&account_id),
        };
        self.changes
    }
}

impl AccountConfig {
    /// Every section in force, as the table of commitments keeps it. A rule whose section nobody handed in has none.
    pub(super) fn sections(&self) -> BTreeMap<String, String> {
        let mut sections = self.rules.sections().clone();
        let (strict_mode, commitment) = (self.rules.strict_mode(), self.rules.commitment());
        sections.insert(GLOBAL.to_owned(), format!(r#"{{"strict_mode":{strict_mode},"commitment":{commitment}}}"#));
        let clock: &TradingDayClock = &self.day_clock;
        let (time, zone) = (clock.reset_time().strftime("%H:%M"), clock.timezone_name());
        sections.insert(TRADING_DAY.to_owned(), format!(r#"{{"reset_time":"{time}","timezone":"{zone}"}}"#));
        sections
    }

    /// The same as rows of the table.
    fn commitments(&self, account_id: AccountId, at: Timestamp, loosens_at: Option<Timestamp>) -> Vec<Commitment> {
        let row = |(rule, config)| Commitment { account_id, rule, config, armed_at: at, loosens_at };
        self.sections().into_iter().map(row).collect()
    }

    /// Takes from the files what the table does not speak of: nobody is committed to that.
    fn complete_from(&mut self, wanted: &Self, binding: &BTreeMap<String, String>) {
        if !binding.contains_key(TRADING_DAY) {
            self.day_clock = wanted.day_clock.clone();
        }
        if !binding.contains_key(GLOBAL) {
            let rules = RuleSet::clone(&self.rules);
            self.rules = Arc::new(rules.with_strict_mode(wanted.rules.strict_mode()).with_commitment(true));
        }
    }
}

impl super::desk::Desk {
    /// At the turn of the day: what waited for it takes effect. Gives the writes that say so.
    pub(super) fn take_what_waited(&mut self, config: &Config, at: Timestamp) -> Vec<Write> {
        let account_id = self.id();
        let Some(waiting) = config.waiting.get(&account_id).filter(|waiting| waiting.from <= at) else {
            return Vec::new();
        };
        if std::mem::replace(&mut self.takes_what_waited, true) {
            return Vec::new();
        }
        let before = config.accounts.get(&account_id).map(AccountConfig::sections).unwrap_or_default();
        let rows: Vec<Commitment> = before
            .into_iter()
            .map(|(rule, config)| Commitment { account_id, rule, config, armed_at: at, loosens_at: Some(waiting.from) })
            .collect();
        let mut actions = Vec::new();
        Merged::all_at_once(&waiting.account).write(account_id, &rows.iter().collect::<Vec<_>>(), at, &mut actions);
        actions
            .into_iter()
            .filter_map(|action| if let Action::Store(write) = action { Some(write) } else { None })
            .collect()
    }
}
