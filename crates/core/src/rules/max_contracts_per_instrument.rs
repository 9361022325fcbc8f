//! RULE-002 `max_contracts_per_instrument`: no more than so many contracts of one instrument.
//!
//! Every expiry of an instrument counts towards its limit, longs and shorts alike: a contract held is a contract held.

use std::collections::BTreeMap;

use super::{Breach, Gauge, Goal, Rule, RuleConfigError, Slack, Trigger, Verdict, enabled_by_default};
use crate::model::{Contract, ContractId, EnforcementAction, Position, RuleId, SymbolRoot, same_product};
use crate::state::AccountView;

const KEY: &str = "max_contracts_per_instrument";

/// The options of `max_contracts_per_instrument`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// The most contracts of each instrument, by its root: `{MNQ: 2, ES: 1}`.
    #[serde(default)]
    pub limits: BTreeMap<String, i64>,
    /// What is done. Default `reduce_to_limit`.
    #[serde(default)]
    pub enforcement: Enforcement,
    /// What holds for an instrument without a limit of its own. Default `block`.
    #[serde(default)]
    pub unknown_symbol_action: UnknownSymbol,
}

/// What too many contracts lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// The excess is closed.
    #[default]
    ReduceToLimit,
    /// Everything held of that instrument is closed.
    CloseAll,
}

/// What holds for an instrument that has no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownSymbol {
    /// None may be held.
    #[default]
    Block,
    /// So many of each may be held.
    AllowWithLimit(i64),
    /// Any number may be held.
    AllowUnlimited,
}

/// `block`, `allow_unlimited`, or `allow_with_limit:3`; also as a map, as YAML reads it with a space: `allow_with_limit: 3`.
impl<'de> serde::Deserialize<'de> for UnknownSymbol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Limited {
            allow_with_limit: i64,
        }
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            Limited(Limited),
        }
        const EXPECTED: &str = "expected block, allow_unlimited or allow_with_limit:N";
        let form = Form::deserialize(deserializer).map_err(|_| serde::de::Error::custom(EXPECTED))?;
        let word = match &form {
            Form::Limited(limited) => return Ok(Self::AllowWithLimit(limited.allow_with_limit)),
            Form::Word(word) => word.trim(),
        };
        match (word, word.strip_prefix("allow_with_limit:").map(|number| number.trim().parse())) {
            ("block", _) => Ok(Self::Block),
            ("allow_unlimited", _) => Ok(Self::AllowUnlimited),
            (_, Some(Ok(limit))) => Ok(Self::AllowWithLimit(limit)),
            _ => Err(serde::de::Error::custom(format!("{word:?}: {EXPECTED}"))),
        }
    }
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<MaxContractsPerInstrument, RuleConfigError> {
        let wrong = |option, problem: String| Err(RuleConfigError { rule: KEY, option, problem });
        for (index, (root, limit)) in self.limits.iter().enumerate() {
            if root.trim().is_empty() {
                return wrong("limits", "an instrument has no name".to_owned());
            }
            if *limit < 0 {
                return wrong("limits", format!("{root}: must be 0 or more contracts"));
            }
            let same = self.limits.keys().skip(index + 1).find(|other| SymbolRoot(root).is_same_as(SymbolRoot(other)));
            if let Some(other) = same {
                return wrong("limits", format!("{root} and {other} name the same instrument: give one of the two"));
            }
        }
        match (self.limits.is_empty(), self.unknown_symbol_action) {
            (true, UnknownSymbol::AllowUnlimited) => {
                return wrong("limits", "nothing would be watched: give at least one instrument".to_owned());
            }
            (true, UnknownSymbol::Block) => {
                return wrong("limits", "every position would be closed: give at least one instrument".to_owned());
            }
            _ => {}
        }
        if let UnknownSymbol::AllowWithLimit(limit) = self.unknown_symbol_action
            && limit < 0
        {
            return wrong("unknown_symbol_action", "must be 0 or more contracts".to_owned());
        }
        Ok(MaxContractsPerInstrument {
            limits: self.limits.iter().map(|(root, limit)| (root.clone(), *limit)).collect(),
            enforcement: self.enforcement,
            unknown_symbol_action: self.unknown_symbol_action,
        })
    }
}

/// RULE-002.
#[derive(Debug)]
pub struct MaxContractsPerInstrument {
    limits: Vec<(String, i64)>,
    enforcement: Enforcement,
    unknown_symbol_action: UnknownSymbol,
}

/// One instrument of an account: what is held of it, and how much may be.
struct Instrument<'a> {
    name: &'a str,
    held: Vec<&'a Position>,
    limit: i64,
}

impl MaxContractsPerInstrument {
    /// The most that may be held of what has no limit.
    fn most_of_an_unknown(&self) -> i64 {
        match self.unknown_symbol_action {
            UnknownSymbol::Block => 0,
            UnknownSymbol::AllowWithLimit(most) => most,
            UnknownSymbol::AllowUnlimited => i64::MAX,
        }
    }

    /// The most that may be held of an instrument, as a config spells it.
    fn most_of(&self, name: &str) -> i64 {
        let limit = self.limits.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, limit)| *limit);
        limit.unwrap_or_else(|| self.most_of_an_unknown())
    }
}

impl Rule for MaxContractsPerInstrument {
    fn id(&self) -> RuleId {
        RuleId::MAX_CONTRACTS_PER_INSTRUMENT
    }

    fn key(&self) -> &'static str {
        KEY
    }

    /// Prices do not matter; but the description of a contract, which comes in their name, tells what it is.
    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Price(_))
    }

    fn check(&self, view: &AccountView<'_>, trigger: &Trigger) -> Verdict {
        let (Trigger::Position(contract_id) | Trigger::Price(contract_id)) = trigger else {
            return Verdict::Within;
        };
        let Some(instrument) = self.instrument(view, contract_id) else {
            return Verdict::Within;
        };
        let count = instrument.count();
        if count <= instrument.limit {
            return Verdict::Within;
        }
        let name = instrument.name;
        let reason = match instrument.limit {
            0 => format!("{count} contracts of {name} held, which may not be traded"),
            limit => format!("{count} contracts of {name} held, limit {limit}"),
        };
        let goal = match (self.enforcement, instrument.limit) {
            (Enforcement::ReduceToLimit, 1..) => Goal::Reduced { targets: instrument.targets(count) },
            (Enforcement::ReduceToLimit | Enforcement::CloseAll, _) => match instrument.held.as_slice() {
                [only] => Goal::PositionClosed { contract_id: only.contract_id.clone() },
                several => Goal::Reduced {
                    targets: several.iter().map(|position| (position.contract_id.clone(), 0)).collect(),
                },
            },
        };
        let action = match (self.enforcement, instrument.limit) {
            (Enforcement::ReduceToLimit, 1..) => EnforcementAction::ReduceToLimit,
            (Enforcement::ReduceToLimit | Enforcement::CloseAll, _) => EnforcementAction::ClosePosition,
        };
        Verdict::Breached(Box::new(Breach { action, goal, lock: None, reason, pnl: None }))
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            let closes_less = self.enforcement == Enforcement::ReduceToLimit && old.enforcement == Enforcement::CloseAll;
            let mut names = self.limits.iter().chain(&old.limits).map(|(name, _)| name.as_str());
            closes_less
                || self.most_of_an_unknown() > old.most_of_an_unknown()
                || names.any(|name| self.most_of(name) > old.most_of(name))
        })
    }

    /// Only a description matters, of which every holder is told.
    fn slack(&self, _view: &AccountView<'_>, _contract_id: &ContractId) -> Slack {
        Slack::UNLIMITED
    }

    fn sentence(&self) -> String {
        let limits: Vec<String> = self.limits.iter().map(|(root, limit)| format!("{limit} {root}")).collect();
        let response = match self.enforcement {
            Enforcement::ReduceToLimit => "the excess is closed",
            Enforcement::CloseAll => "everything held of it is closed",
        };
        let others = match self.unknown_symbol_action {
            UnknownSymbol::Block => "Any other instrument is closed".to_owned(),
            UnknownSymbol::AllowWithLimit(limit) => format!("Of any other instrument {limit} are allowed"),
            UnknownSymbol::AllowUnlimited => "Other instruments are not limited".to_owned(),
        };
        match limits.as_slice() {
            [] => format!("{others}; of what is too much, {response}."),
            _ => format!("Above {} contracts, {response}. {others}.", limits.join(", ")),
        }
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        let positions = view.account.book.positions();
        positions
            .filter_map(|position| {
                let instrument = self.instrument(view, &position.contract_id)?;
                Some(Gauge::contracts(instrument.count(), instrument.limit).of(position.contract_id.clone()))
            })
            .collect()
    }

    fn not_armed(&self, view: &AccountView<'_>) -> Option<String> {
        let mut positions = view.account.book.positions();
        let undecided = positions.find(|position| self.awaits_description(view, &position.contract_id))?;
        Some(format!("the broker has not described {}: its instrument is not known", undecided.contract_id))
    }
}

impl MaxContractsPerInstrument {
    /// The instrument of a contract and its limit; absent when it has none, or cannot be told yet.
    fn instrument<'a>(&'a self, view: &AccountView<'a>, contract_id: &'a ContractId) -> Option<Instrument<'a>> {
        if self.awaits_description(view, contract_id) {
            return None;
        }
        let contract = described(view, contract_id);
        let (name, limit) = match self.limit_of(view, contract_id) {
            Some((root, limit)) => (root, limit),
            None => {
                let SymbolRoot(root) = contract
                    .and_then(Contract::exchange_root)
                    .unwrap_or_else(|| SymbolRoot::of_contract_id(contract_id).in_the_exchange_spelling());
                match self.unknown_symbol_action {
                    UnknownSymbol::Block => (root, 0),
                    UnknownSymbol::AllowWithLimit(limit) => (root, limit),
                    UnknownSymbol::AllowUnlimited => return None,
                }
            }
        };
        let held = view.account.book.positions();
        let held = held.filter(|position| {
            same_product(SymbolRoot(name), &position.contract_id, described(view, &position.contract_id))
        });
        Some(Instrument { name, held: held.collect(), limit })
    }

    fn limit_of(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Option<(&str, i64)> {
        let contract = described(view, contract_id);
        let mut limits = self.limits.iter();
        limits
            .find(|(root, _)| same_product(SymbolRoot(root), contract_id, contract))
            .map(|(root, limit)| (root.as_str(), *limit))
    }

    /// Whether only the contract's description, which is on its way, can tell what instrument it is: to close it before
    /// would close what may be allowed.
    fn awaits_description(&self, view: &AccountView<'_>, contract_id: &ContractId) -> bool {
        self.unknown_symbol_action != UnknownSymbol::AllowUnlimited
            && described(view, contract_id).is_none()
            && self.limit_of(view, contract_id).is_none()
            && !SymbolRoot::of_contract_id(contract_id).is_listed()
    }
}

impl Instrument<'_> {
    /// Saturates: sizes come from the wire, and a sum that wraps round would never breach.
    fn count(&self) -> i64 {
        self.held.iter().fold(0, |count: i64, position| count.saturating_add(position.size))
    }

    /// The sizes that may stay, taking from the largest position first; of equal ones, from the first contract.
    fn targets(&self, count: i64) -> Vec<(ContractId, i64)> {
        let mut excess = count - self.limit;
        let mut largest_first = self.held.clone();
        largest_first.sort_by_key(|position| std::cmp::Reverse(position.size));
        let mut targets = Vec::new();
        for position in largest_first {
            let taken = position.size.min(excess);
            if taken > 0 {
                targets.push((position.contract_id.clone(), position.size - taken));
                excess -= taken;
            }
        }
        targets
    }
}

fn described<'a>(view: &AccountView<'a>, contract_id: &ContractId) -> Option<&'a Contract> {
    view.markets.get(contract_id)?.contract()
}
