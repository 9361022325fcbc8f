//! The rules: one file each, and the list of them in order of precedence.
//!
//! A rule is a pure function of its config, the account's state, what just happened and the time. It returns a verdict
//! and does nothing. A new rule is a new file here and one line in [`rules!`](self).

mod closed_hours;
mod cooldown;
mod gauge;
mod limit;
mod slack;
pub(crate) mod stop_plan;
mod verdict;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{ContractId, Position, RuleId};
use crate::state::AccountView;

pub use gauge::{Gauge, Reading};
pub use slack::Slack;
pub use trade_management::{Earned, StopLevels};
pub use verdict::{Breach, DrawdownNote, Goal, LockTerm, Note, Trigger, Verdict};

/// Gives a rule to those who must compare it with another of its kind.
pub trait AsAny {
    /// The value itself.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A rule with its config.
pub trait Rule: AsAny + Send + Sync + std::fmt::Debug {
    /// Its stable code.
    fn id(&self) -> RuleId;

    /// Its key in the config file.
    fn key(&self) -> &'static str;

    /// Whether anything of this kind can change its verdict.
    fn watches(&self, trigger: &Trigger) -> bool;

    /// Whether the account breaches it now.
    fn check(&self, view: &AccountView<'_>, trigger: &Trigger) -> Verdict;

    /// What the rule wants to have remembered of this moment for its later verdicts. Asked before [`Rule::check`].
    fn remember(&self, _view: &AccountView<'_>, _trigger: &Trigger) -> Option<Note> {
        None
    }

    /// How far the P&L of the position in a held, priced contract may move before the rule must be asked about its price
    /// again. A rule that watches prices and does not say is asked about every one.
    fn slack(&self, _view: &AccountView<'_>, contract_id: &ContractId) -> Slack {
        if self.watches(&Trigger::Price(contract_id.clone())) { Slack::NONE } else { Slack::UNLIMITED }
    }

    /// Where the rule wants the stop of a position to stand; absent when it has nothing to say of stops, or cannot yet.
    fn stop_levels(&self, _view: &AccountView<'_>, _position: &Position) -> Option<StopLevels> {
        None
    }

    /// The rule in one sentence with its numbers.
    fn sentence(&self) -> String;

    /// How near the account is to each of the rule's limits, for people to see.
    fn gauges(&self, _view: &AccountView<'_>) -> Vec<Gauge> {
        Vec::new()
    }

    /// The next moment, after `view.at`, at which time alone may change the verdict: it is then asked with
    /// [`Trigger::Time`].
    fn next_moment(&self, _view: &AccountView<'_>) -> Option<Timestamp> {
        None
    }

    /// Why the rule could not fire now, besides what every rule needs of the broker; absent when it could.
    fn not_armed(&self, _view: &AccountView<'_>) -> Option<String> {
        None
    }

    /// Why the rule can do nothing whatever happens, as it is configured; absent when it can.
    fn never_acts(&self) -> Option<&'static str> {
        None
    }

    /// Whether the lockout that this rule set is over before its time.
    fn releases(&self, _view: &AccountView<'_>) -> bool {
        false
    }

    /// How far back trades must be known for the rule to be right, in milliseconds, besides the present day's.
    fn looks_back_ms(&self) -> i64 {
        0
    }

    /// Whether the rule must know the names of contracts in which there are only orders.
    fn names_symbols(&self) -> bool {
        false
    }

    /// Whether this config of the rule is looser, in any respect, than the one in force. A rule that cannot tell says so:
    /// then every change waits, and none slips through.
    fn loosens(&self, _in_force: &dyn Rule) -> bool {
        true
    }
}

/// A rule's config that cannot be meant, with the option that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rules.{rule}.{option}: {problem}")]
pub struct RuleConfigError {
    /// The rule's key.
    pub rule: &'static str,
    /// The option's key.
    pub option: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// A rule that is enabled and, as it is configured, can never do anything: it is not armed, and that must be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleRule {
    /// Its stable code.
    pub rule_id: RuleId,
    /// Its key in the config file.
    pub key: &'static str,
    /// Why it can do nothing.
    pub reason: &'static str,
}

/// The rules of an account, in order of precedence.
#[derive(Clone, Default)]
pub struct RuleSet {
    rules: Vec<Arc<dyn Rule>>,
    idle: Vec<IdleRule>,
    strict_mode: bool,
    not_committed: bool,
    sections: BTreeMap<String, String>,
}

/// What the rules do; not how their sections are spelled.
impl std::fmt::Debug for RuleSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RuleSet")
            .field("rules", &self.rules)
            .field("idle", &self.idle)
            .field("strict_mode", &self.strict_mode)
            .field("commitment", &self.commitment())
            .finish()
    }
}

impl RuleSet {
    /// Every enabled rule that can do something.
    pub fn rules(&self) -> impl Iterator<Item = &dyn Rule> {
        self.rules.iter().map(AsRef::as_ref)
    }

    /// Rules that are enabled and can do nothing.
    pub fn idle(&self) -> &[IdleRule] {
        &self.idle
    }

    /// The same rules; with `strict_mode`, any breach closes all and locks without end.
    pub fn with_strict_mode(self, strict_mode: bool) -> Self {
        Self { strict_mode, ..self }
    }

    /// The same rules; without `commitment`, a looser config takes effect at once.
    pub fn with_commitment(self, commitment: bool) -> Self {
        Self { not_committed: !commitment, ..self }
    }

    /// Whether a looser config waits for the account's next reset.
    pub fn commitment(&self) -> bool {
        !self.not_committed
    }

    /// The enabled rule of that key.
    pub fn rule(&self, key: &str) -> Option<&dyn Rule> {
        self.rules().find(|rule| rule.key() == key)
    }

    /// The text of every enabled rule's section, where whoever read the file handed it in.
    pub fn sections(&self) -> &BTreeMap<String, String> {
        &self.sections
    }

    /// The text of a rule's section.
    pub(crate) fn section(&self, key: &str) -> Option<&str> {
        self.sections.get(key).map(String::as_str)
    }

    /// A set without rules that says of the same ones that they are idle.
    pub(crate) fn like(other: &Self) -> Self {
        Self { idle: other.idle.clone(), ..Self::default() }
    }

    /// Takes a rule over from another set, after those it has.
    pub(crate) fn take(&mut self, other: &Self, key: &str) {
        self.rules.extend(other.rules.iter().find(|rule| rule.key() == key).cloned());
        self.sections.extend(other.sections.get_key_value(key).map(|(key, text)| (key.clone(), text.clone())));
    }

    /// Adds a rule after those it has, with the text of its section.
    fn add(&mut self, rule: Arc<dyn Rule>, section: Option<(&String, &String)>) {
        if let Some(reason) = rule.never_acts() {
            return self.idle.push(IdleRule { rule_id: rule.id(), key: rule.key(), reason });
        }
        self.rules.push(rule);
        self.sections.extend(section.map(|(key, text)| (key.clone(), text.clone())));
    }

    /// Whether any breach closes all and locks without end.
    pub fn strict_mode(&self) -> bool {
        self.strict_mode
    }
}

/// Declares the rules in order of precedence, and from them the config section `rules:` and the way from it to a
/// [`RuleSet`].
macro_rules! rules {
    (
        available { $($module:ident),* $(,)? }
    ) => {
        $(pub mod $module;)*

        /// The section `rules:` of the config file: one optional entry a rule.
        #[derive(Debug, Clone, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct RulesConfig {
            $(
                #[doc = concat!("The options of `", stringify!($module), "`.")]
                #[serde(default)]
                pub $module: Option<$module::Config>,
            )*
            /// The text of each section, as JSON: what an account commits itself to. Handed in by whoever reads the file.
            #[serde(skip)]
            pub sections: BTreeMap<String, String>,
        }

        impl RulesConfig {
            /// Every key that may stand in the section, in order of precedence.
            pub const KEYS: &[&str] = &[$(stringify!($module),)*];

            /// The enabled rules with their options checked.
            pub fn build(&self) -> Result<RuleSet, RuleConfigError> {
                let mut set = RuleSet::default();
                $(
                    if let Some(config) = self.$module.as_ref().filter(|config| config.enabled) {
                        set.add(Arc::new(config.build()?), self.sections.get_key_value(stringify!($module)));
                    }
                )*
                Ok(set)
            }
        }
    };
}

rules! {
    available {
        max_contracts,
        max_contracts_per_instrument,
        daily_realized_loss,
        daily_unrealized_loss,
        max_unrealized_profit,
        trade_frequency_limit,
        cooldown_after_loss,
        no_stop_loss_grace,
        session_block_outside,
        auth_loss_guard,
        symbol_blocks,
        daily_realized_profit,
        max_drawdown,
        news_window,
        trade_management,
    }
}

/// A section that is there is enabled unless it says otherwise.
pub(crate) const fn enabled_by_default() -> bool {
    true
}
