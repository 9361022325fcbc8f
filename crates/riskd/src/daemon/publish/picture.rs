//! What people see of the daemon at one moment: immutable, shared, made of the engine's own nouns.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use riskd_core::engine::{AccountConfig, Config, EngineState, Hub, Severity};
use riskd_core::model::{AccountId, ContractId, EnforcementLog, Lockout, Money, Order, Position, Price, RuleId, Trade};
use riskd_core::rules::{Gauge, Rule};
use riskd_gateway::client::Gateway;

use super::super::notices::Counts;
use crate::alerts::Alerts;

/// Everything people see, as it was at one moment.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The reading of the loop's clock when it was finished. Accounts may have been looked at a few turns earlier.
    pub at: Timestamp,
    /// Counts up by one with every picture of a run.
    pub number: u64,
    /// The link to the user hub.
    pub user_link: LinkPicture,
    /// The link to the market hub.
    pub market_link: LinkPicture,
    /// Since when the state database takes no writes; absent while it does.
    pub journal_failing_since: Option<Timestamp>,
    /// When the rules in force were loaded.
    pub rules_loaded_at: Timestamp,
    /// Every account, in the order of ids.
    pub accounts: Arc<[Arc<AccountPicture>]>,
    /// Every contract that matters to an account, in the order of ids.
    pub markets: Arc<[MarketPicture]>,
    /// What was counted since the start.
    pub counts: Arc<Counts>,
    /// Events that wait to be taken in.
    pub queue_depth: usize,
    /// Quotes merged into newer ones since the start.
    pub quotes_conflated: u64,
    /// The way to the broker, which knows its calls and their budget.
    pub gateway: Option<Gateway>,
    /// Who is told when something is wrong, and what is.
    pub alerts: Option<Alerts>,
}

/// A hub's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPicture {
    /// Whether events can be expected from it.
    pub up: bool,
    /// Since when that is so.
    pub since: Timestamp,
}

/// One account at one moment.
#[derive(Debug, Clone)]
pub struct AccountPicture {
    /// The account.
    pub account_id: AccountId,
    /// Its name, as the broker or the config says; its number where neither does.
    pub name: String,
    /// Whether the broker lets it trade; absent until it said so.
    pub can_trade: Option<bool>,
    /// Whether the broker said in this run what it holds, and nothing has cast doubt on that since.
    pub certain: bool,
    /// The IANA name of its time zone.
    pub time_zone: String,
    /// The present trading day, named by the date on which it ends.
    pub trading_day: Date,
    /// When the day began.
    pub day_starts_at: Timestamp,
    /// When the day ends.
    pub day_ends_at: Timestamp,
    /// Realized P&L of the day, in dollars.
    pub realized_pnl: Money,
    /// Fees of the day, in dollars.
    pub fees: Money,
    /// Unrealized P&L of the positions that have a price, in dollars.
    pub unrealized_pnl: Money,
    /// Positions left out of it for want of a price.
    pub unpriced_positions: usize,
    /// The lockout in force.
    pub lockout: Option<Lockout>,
    /// Enforcements that the broker has not confirmed.
    pub pending_enforcements: usize,
    /// Since when an enforcement has been slow, and how bad that is.
    pub slow_enforcement: Option<(Severity, Timestamp)>,
    /// How near it is to each limit, the nearest first.
    pub gauges: Vec<GaugePicture>,
    /// Its rules.
    pub rules: Arc<[RulePicture]>,
    /// Whether any breach closes everything and locks it without end.
    pub strict_mode: bool,
    /// Its open positions.
    pub positions: Vec<PositionPicture>,
    /// Its living orders, with their contracts' names.
    pub orders: Vec<(Order, Option<String>)>,
}

/// A rule, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePicture {
    /// Its stable code.
    pub rule_id: RuleId,
    /// Its key in the config.
    pub key: &'static str,
    /// The rule in a sentence with its numbers.
    pub sentence: String,
    /// Why it is not armed; absent when it is.
    pub not_armed: Option<String>,
}

/// How near an account is to a limit of one of its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaugePicture {
    /// The rule's stable code.
    pub rule_id: RuleId,
    /// The rule's key in the config.
    pub key: &'static str,
    /// The limit, and how much of it is used.
    pub gauge: Gauge,
}

/// An open position and its price.
#[derive(Debug, Clone)]
pub struct PositionPicture {
    /// The position.
    pub position: Position,
    /// The contract's name, where the broker described it.
    pub name: Option<String>,
    /// The last price, in points.
    pub last_price: Option<Price>,
    /// Its unrealized P&L, in dollars; absent without a price.
    pub unrealized_pnl: Option<Money>,
    /// Whether the price is old.
    pub stale: bool,
}

/// One contract's market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarketPicture {
    /// The contract.
    pub contract_id: ContractId,
    /// Its name, where the broker described it.
    pub name: Option<String>,
    /// The best bid, in points.
    pub bid: Option<Price>,
    /// The best offer, in points.
    pub ask: Option<Price>,
    /// The last trade, in points.
    pub last: Option<Price>,
    /// When the newest of them was quoted.
    pub quoted_at: Option<Timestamp>,
    /// Accounts that hold it.
    pub holders: usize,
    /// Whether it is held and its price is old.
    pub stale: bool,
}

/// Something that happened, for those who watch.
#[derive(Debug, Clone)]
pub struct LiveEvent {
    /// When the loop learned of it.
    pub at: Timestamp,
    /// The account, where it concerns one.
    pub account_id: Option<AccountId>,
    /// What happened.
    pub what: LiveNews,
}

/// What can happen for those who watch. Quotes are not among them: pictures hold the newest.
#[derive(Debug, Clone)]
pub enum LiveNews {
    /// A fill, new or changed.
    Trade(Trade),
    /// A position is open, with this size.
    Position(Position),
    /// A position is closed.
    PositionClosed(ContractId),
    /// An order is new, changed or finished.
    Order(Order),
    /// A lockout was set, or a stricter one took its place.
    LockoutSet(Lockout),
    /// A lockout ended.
    LockoutCleared,
    /// An enforcement was decided, or the broker confirmed it.
    Enforcement(EnforcementLog),
    /// The trading day turned.
    DailyReset {
        /// The day that ended.
        day: Date,
        /// Its realized P&L, in dollars.
        realized_pnl: Money,
    },
}

/// What never changes of an account between two loads of the config, in the words that people read.
#[derive(Debug, Clone)]
pub(super) struct Plate {
    pub(super) name: Option<String>,
    pub(super) time_zone: String,
    pub(super) rules: Arc<[RulePicture]>,
}

impl Plate {
    pub(super) fn of(config: &AccountConfig, name: Option<String>) -> Self {
        let armed = config.rules.rules().map(|rule| RulePicture {
            rule_id: rule.id(),
            key: rule.key(),
            sentence: rule.sentence(),
            not_armed: None,
        });
        let idle = config.rules.idle().iter().map(|idle| RulePicture {
            rule_id: idle.rule_id,
            key: idle.key,
            sentence: String::new(),
            not_armed: Some(idle.reason.to_owned()),
        });
        let mut rules: Vec<_> = armed.chain(idle).collect();
        rules.sort_by_key(|rule| rule.rule_id);
        Self { name, time_zone: config.day_clock.timezone_name().to_owned(), rules: rules.into() }
    }

    /// The rules, with the reasons why some could not fire at this moment.
    fn rules_with(&self, not_armed: &[(RuleId, String)]) -> Arc<[RulePicture]> {
        if not_armed.is_empty() {
            return Arc::clone(&self.rules);
        }
        let reason_for = |rule: &RulePicture| {
            let reason =
                not_armed.iter().find(|(rule_id, _)| *rule_id == rule.rule_id).map(|(_, reason)| reason.clone());
            RulePicture { not_armed: reason.or_else(|| rule.not_armed.clone()), ..rule.clone() }
        };
        self.rules.iter().map(reason_for).collect()
    }
}

impl AccountPicture {
    /// Looks at one account; absent when the engine does not have it.
    pub(super) fn of(
        engine: &EngineState,
        config: &Config,
        account_id: AccountId,
        plate: &Plate,
        slow_enforcement: Option<(Severity, Timestamp)>,
        at: Timestamp,
    ) -> Option<Self> {
        let view = engine.view(account_id, at)?;
        let state = view.account;
        let total = view.total_unrealized_pnl();
        let name_of = |contract_id: &ContractId| {
            view.markets.get(contract_id).and_then(|market| market.contract()).map(|contract| contract.name.clone())
        };
        let positions = state.book.positions().map(|position| {
            let market = view.markets.get(&position.contract_id);
            PositionPicture {
                name: name_of(&position.contract_id),
                last_price: market.and_then(|market| market.price_for(position)),
                unrealized_pnl: view.position_pnl(position),
                stale: market.is_none_or(|market| market.is_older_than(config.quote_stale_after_ms, at)),
                position: position.clone(),
            }
        });
        let rules = config.accounts.get(&account_id).map(|account| &account.rules);
        let gauges_of = |rule: &dyn Rule| {
            let (rule_id, key) = (rule.id(), rule.key());
            rule.gauges(&view).into_iter().map(move |gauge| GaugePicture { rule_id, key, gauge }).collect::<Vec<_>>()
        };
        let mut gauges: Vec<_> = rules.into_iter().flat_map(|rules| rules.rules().flat_map(gauges_of)).collect();
        gauges.sort_by(|one, other| other.gauge.fraction().total_cmp(&one.gauge.fraction()));
        let arming = engine.arming_of(config, account_id, at).into_iter();
        let not_armed: Vec<(RuleId, String)> =
            arming.filter_map(|rule| Some((rule.rule_id, rule.not_armed?))).collect();
        let name = state.account.as_ref().map(|account| account.name.clone());
        Some(Self {
            account_id,
            name: plate.name.clone().or(name).unwrap_or_else(|| account_id.to_string()),
            can_trade: state.account.as_ref().and_then(|account| account.can_trade),
            certain: state.certain && engine.has_heard_from_the_broker(account_id),
            time_zone: plate.time_zone.clone(),
            trading_day: state.session.day(),
            day_starts_at: state.session.starts_at(),
            day_ends_at: state.session.ends_at(),
            realized_pnl: state.session.realized_pnl(),
            fees: state.session.fees(),
            unrealized_pnl: total.unrealized_pnl,
            unpriced_positions: total.unpriced_positions,
            lockout: state.locks.lockout().cloned(),
            pending_enforcements: engine.pending_enforcements(account_id),
            slow_enforcement,
            gauges,
            rules: plate.rules_with(&not_armed),
            strict_mode: rules.is_some_and(|rules| rules.strict_mode()),
            positions: positions.collect(),
            orders: state.book.orders().map(|order| (order.clone(), name_of(&order.contract_id))).collect(),
        })
    }

    /// Contracts held, whichever way.
    pub fn contracts(&self) -> i64 {
        self.positions.iter().fold(0, |sum, held| sum.saturating_add(held.position.size))
    }

    /// Rules that are not armed.
    pub fn not_armed(&self) -> impl Iterator<Item = &RulePicture> {
        self.rules.iter().filter(|rule| rule.not_armed.is_some())
    }
}

/// Looks at every market.
pub(super) fn markets(engine: &EngineState, config: &Config, at: Timestamp) -> Arc<[MarketPicture]> {
    let picture = |(contract_id, market): (&ContractId, &riskd_core::state::Market)| MarketPicture {
        contract_id: contract_id.clone(),
        name: market.contract().map(|contract| contract.name.clone()),
        bid: market.bid(),
        ask: market.ask(),
        last: market.last(),
        quoted_at: market.quoted_at(),
        holders: market.holders().len(),
        stale: !market.holders().is_empty() && market.is_older_than(config.quote_stale_after_ms, at),
    };
    engine.markets().map(picture).collect()
}

/// Whether a hub is up, and since when: kept from the last look as long as nothing changed.
pub(super) fn link(engine: &EngineState, hub: Hub, before: LinkPicture, at: Timestamp) -> LinkPicture {
    match engine.is_up(hub) {
        up if up == before.up => before,
        up => LinkPicture { up, since: at },
    }
}
