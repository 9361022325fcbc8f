//! RULE-012 `trade_management`: every position has a stop, and the stop follows the profit. It only ever tightens.
//!
//! The rule says where a position's stop belongs ([`StopLevels`]); `stop_plan` says what is to be done for it, and
//! `engine::stops` does it. Nothing here is a breach: it never locks, and `strict_mode` does not make it lock.
//!
//! All prices are reckoned on the tick grid. An average between two ticks is rounded to the tighter one.

use super::stop_plan::{self, Busy, Step};
use super::{Note, Rule, RuleConfigError, Slack, Trigger, Verdict, enabled_by_default};
use crate::model::{Contract, ContractId, Position, Price, RuleId};
use crate::state::{AccountView, is_tighter};

const KEY: &str = "trade_management";

/// The options of `trade_management`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Whether a position without a stop gets one. Default false.
    pub auto_stop_loss: Option<bool>,
    /// Ticks between the average price and that stop. Default 10.
    pub stop_loss_ticks: Option<i64>,
    /// Moves the stop to the average price at a profit. Default off; `true`, or its options.
    #[serde(default)]
    pub auto_breakeven: Part<Breakeven>,
    /// Lets the stop follow the best price from a profit on. Default off; `true`, or its options.
    #[serde(default)]
    pub trailing_stop: Part<Trailing>,
}

/// The options of `auto_breakeven`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakeven {
    /// Whether it is on. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Ticks of profit at which the stop is moved. Default 10.
    #[serde(default = "ten")]
    pub profit_trigger_ticks: i64,
    /// Ticks beyond the average price, on the winning side, where it is moved to. Default 0.
    #[serde(default)]
    pub offset_ticks: i64,
}

/// The options of `trailing_stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailing {
    /// Whether it is on. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Ticks of profit from which the stop follows. Default 20.
    #[serde(default = "twenty")]
    pub activation_ticks: i64,
    /// Ticks between the best price and the stop. Default 10.
    #[serde(default = "ten")]
    pub trail_distance_ticks: i64,
}

/// A part of the rule that is off unless it is asked for: with `true`, or with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part<T> {
    /// It is off.
    #[default]
    Off,
    /// It has these options.
    On(T),
}

const fn ten() -> i64 {
    10
}

const fn twenty() -> i64 {
    20
}

/// More ticks than any price moves while somebody watches.
const MOST_TICKS: i64 = 100_000;

impl Default for Breakeven {
    fn default() -> Self {
        Self { enabled: true, profit_trigger_ticks: ten(), offset_ticks: 0 }
    }
}

impl Default for Trailing {
    fn default() -> Self {
        Self { enabled: true, activation_ticks: twenty(), trail_distance_ticks: ten() }
    }
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<TradeManagement, RuleConfigError> {
        let wrong = |option, problem: String| RuleConfigError { rule: KEY, option, problem };
        let ticks = |option, given: i64| match given {
            1..=MOST_TICKS => Ok(given),
            _ => Err(wrong(option, format!("must be from 1 to {MOST_TICKS} ticks"))),
        };
        let stop_ticks = match (self.auto_stop_loss, self.stop_loss_ticks) {
            (None, Some(_)) => {
                let problem = "stands without auto_stop_loss: say true or false beside it".to_owned();
                return Err(wrong("stop_loss_ticks", problem));
            }
            (_, given) => ticks("stop_loss_ticks", given.unwrap_or(ten()))?,
        };
        let breakeven = match self.auto_breakeven {
            Part::On(part) if part.enabled => Some(part),
            Part::On(_) | Part::Off => None,
        };
        if let Some(part) = breakeven {
            let trigger = ticks("auto_breakeven.profit_trigger_ticks", part.profit_trigger_ticks)?;
            let option = "auto_breakeven.offset_ticks";
            if part.offset_ticks < 0 {
                return Err(wrong(option, "must be 0 or more: below it the stop would stand at a loss".to_owned()));
            }
            if part.offset_ticks >= trigger {
                let problem = format!("must be less than profit_trigger_ticks ({trigger}): the price would be there");
                return Err(wrong(option, format!("{problem} already")));
            }
        }
        let trailing = match self.trailing_stop {
            Part::On(part) if part.enabled => Some(part),
            Part::On(_) | Part::Off => None,
        };
        if let Some(part) = trailing {
            ticks("trailing_stop.activation_ticks", part.activation_ticks)?;
            ticks("trailing_stop.trail_distance_ticks", part.trail_distance_ticks)?;
        }
        let stop_ticks = (self.auto_stop_loss == Some(true)).then_some(stop_ticks);
        Ok(TradeManagement { stop_ticks, breakeven, trailing })
    }
}

/// RULE-012.
#[derive(Debug)]
pub struct TradeManagement {
    stop_ticks: Option<i64>,
    breakeven: Option<Breakeven>,
    trailing: Option<Trailing>,
}

/// Where a position's stop belongs at a moment, in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopLevels {
    /// Where a stop is placed if there is none; absent when none is placed before a profit earned one.
    pub initial: Option<Price>,
    /// Where every stop must stand by now; absent before that.
    pub earned: Option<(Price, Earned)>,
}

/// By what the profit of a position moved its stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earned {
    /// It reached the trigger of `auto_breakeven`.
    Breakeven,
    /// The stop follows the best price.
    Trail,
}

impl Rule for TradeManagement {
    fn id(&self) -> RuleId {
        RuleId::TRADE_MANAGEMENT
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Order(_) | Trigger::Price(_))
    }

    /// Nobody breaks it: what is to be done is said by [`Rule::stop_levels`].
    fn check(&self, _view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        Verdict::Within
    }

    fn remember(&self, view: &AccountView<'_>, trigger: &Trigger) -> Option<Note> {
        let (Trigger::Position(contract_id) | Trigger::Price(contract_id)) = trigger else { return None };
        let grid = Grid::of(view, contract_id)?;
        let price = grid.price(view)?;
        let better = match grid.best(view) {
            Some(best) => grid.beyond(best, 1),
            None => grid.beyond(grid.position.average_price, self.first_trigger()?),
        };
        let is_better = price == better || is_tighter(grid.is_long(), price, better);
        (self.first_trigger().is_some() && is_better)
            .then(|| Note::Best { contract_id: contract_id.clone(), price })
    }

    fn stop_levels(&self, view: &AccountView<'_>, position: &Position) -> Option<StopLevels> {
        self.levels(view, &Grid::of(view, &position.contract_id)?)
    }

    fn slack(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Slack {
        let Some(grid) = Grid::of(view, contract_id) else { return Slack::NONE };
        let (Some(levels), Some(price)) = (self.levels(view, &grid), grid.price(view)) else { return Slack::NONE };
        let worth = |from, to| grid.contract.value_between(from, to, grid.position.signed_size());
        // How far the price may rise before the best one must be remembered.
        let better = match (grid.best(view), self.first_trigger()) {
            (_, None) => None,
            (Some(_), _) if self.trailing.is_none() && levels.earned.is_some() => None,
            (Some(best), _) => Some(grid.beyond(best, 1)),
            (None, Some(trigger)) => Some(grid.beyond(grid.position.average_price, trigger)),
        };
        let gain = better.map_or(Slack::UNLIMITED, |better| Slack::of_gain(worth(price, better)));
        // And how far it may fall while a stop is not yet where it belongs.
        let loss = match stop_plan::next(view, grid.position, &levels, &|_| Busy::No) {
            None | Some(Step::Cancel { .. }) => Slack::UNLIMITED,
            Some(Step::Close { .. }) => Slack::NONE,
            Some(Step::Place { .. } | Step::Watch { .. } | Step::Move { .. }) => {
                let nearest = [levels.initial, levels.earned.map(|(level, _)| level)].into_iter().flatten();
                let nearest = nearest.reduce(|one, other| if is_tighter(grid.is_long(), one, other) { one } else { other });
                nearest.map_or(Slack::UNLIMITED, |level| Slack::of_loss(worth(level, price)))
            }
        };
        gain.and(loss)
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            let wider = |new: Option<i64>, old: Option<i64>| old.is_some_and(|old| new.is_none_or(|new| new > old));
            let of = |rule: &Self| {
                let (breakeven, trailing) = (rule.breakeven, rule.trailing);
                [
                    rule.stop_ticks,
                    breakeven.map(|part| part.profit_trigger_ticks),
                    breakeven.map(|part| -part.offset_ticks),
                    trailing.map(|part| part.activation_ticks),
                    trailing.map(|part| part.trail_distance_ticks),
                ]
            };
            of(self).into_iter().zip(of(old)).any(|(new, old)| wider(new, old))
        })
    }

    fn sentence(&self) -> String {
        let mut parts = Vec::new();
        if let Some(ticks) = self.stop_ticks {
            parts.push(format!("A position without a stop gets one {ticks} ticks from its average price."));
        }
        if let Some(Breakeven { profit_trigger_ticks, offset_ticks, .. }) = self.breakeven {
            let to = match offset_ticks {
                0 => "the average price".to_owned(),
                ticks => format!("{ticks} ticks beyond the average price"),
            };
            parts.push(format!("At {profit_trigger_ticks} ticks of profit its stop is moved to {to}."));
        }
        if let Some(Trailing { activation_ticks, trail_distance_ticks, .. }) = self.trailing {
            let follows = format!("the stop follows the best price {trail_distance_ticks} ticks behind");
            parts.push(format!("From {activation_ticks} ticks of profit on {follows}."));
        }
        parts.push("A stop only ever tightens.".to_owned());
        parts.join(" ")
    }

    fn never_acts(&self) -> Option<&'static str> {
        let is_on = self.stop_ticks.is_some() || self.first_trigger().is_some();
        (!is_on).then_some("nothing of it is switched on: auto_stop_loss, auto_breakeven, trailing_stop")
    }

    fn not_armed(&self, view: &AccountView<'_>) -> Option<String> {
        if let Some(position) = view.account.book.positions().find(|position| !position.has_known_direction()) {
            return Some(format!("nobody knows whether {} is long or short", position.contract_id));
        }
        let is_live = view.account.account.as_ref().is_some_and(|account| !account.simulated);
        let why = "this is a live account, where orders cannot be cancelled: no stop is placed, the price is watched instead";
        is_live.then(|| why.to_owned())
    }
}

impl TradeManagement {
    /// Ticks of profit from which the best price matters.
    fn first_trigger(&self) -> Option<i64> {
        let breakeven = self.breakeven.map(|part| part.profit_trigger_ticks);
        let trailing = self.trailing.map(|part| part.activation_ticks);
        breakeven.into_iter().chain(trailing).min()
    }

    fn levels(&self, view: &AccountView<'_>, grid: &Grid<'_>) -> Option<StopLevels> {
        let average = grid.position.average_price;
        let initial = self.stop_ticks.map(|ticks| grid.on_the_grid(grid.beyond(average, -ticks)));
        let best = grid.best(view);
        let reached = |ticks: i64| {
            best.is_some_and(|best| {
                let trigger = grid.beyond(average, ticks);
                best == trigger || is_tighter(grid.is_long(), best, trigger)
            })
        };
        let breakeven = self.breakeven.filter(|part| reached(part.profit_trigger_ticks));
        let breakeven =
            breakeven.map(|part| (grid.on_the_grid(grid.beyond(average, part.offset_ticks)), Earned::Breakeven));
        let trailing = self.trailing.filter(|part| reached(part.activation_ticks)).zip(best);
        let trailing = trailing
            .map(|(part, best)| (grid.on_the_grid(grid.beyond(best, -part.trail_distance_ticks)), Earned::Trail));
        let earned = match (breakeven, trailing) {
            (Some(one), Some(other)) => Some(if is_tighter(grid.is_long(), other.0, one.0) { other } else { one }),
            (one, other) => one.or(other),
        };
        Some(StopLevels { initial, earned })
    }
}

/// A position on its contract's tick grid.
struct Grid<'a> {
    position: &'a Position,
    contract: &'a Contract,
}

impl<'a> Grid<'a> {
    fn of(view: &AccountView<'a>, contract_id: &ContractId) -> Option<Self> {
        let account = view.account;
        let position = account.book.position(contract_id).filter(|position| position.has_known_direction())?;
        Some(Self { position, contract: view.markets.get(contract_id)?.contract()? })
    }

    fn is_long(&self) -> bool {
        self.position.signed_size() > 0
    }

    /// The last price, if it was made since the position was opened.
    fn price(&self, view: &AccountView<'_>) -> Option<Price> {
        view.markets.get(&self.position.contract_id)?.last_since(self.position.created_at)
    }

    fn best(&self, view: &AccountView<'_>) -> Option<Price> {
        view.account.tracking.position(&self.position.contract_id)?.best()
    }

    /// The price so many ticks on the winning side of another; on the losing side of it for a negative number.
    fn beyond(&self, price: Price, ticks: i64) -> Price {
        let ticks = if self.is_long() { ticks } else { -ticks };
        Price::from_nanos(price.nanos().saturating_add(self.contract.tick_size.nanos().saturating_mul(ticks)))
    }

    /// The next price on the grid on the winning side; one tick at the least, where no lower price is traded.
    fn on_the_grid(&self, price: Price) -> Price {
        let tick = self.contract.tick_size.nanos();
        let below = price.nanos().div_euclid(tick).saturating_mul(tick);
        let is_between = below != price.nanos() && self.is_long();
        let nanos = if is_between { below.saturating_add(tick) } else { below };
        let least = if self.contract.allows_negative_price { i64::MIN } else { tick };
        Price::from_nanos(nanos.max(least))
    }
}

impl<'de, T: Default + serde::Deserialize<'de>> serde::Deserialize<'de> for Part<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchOrOptions<T>(std::marker::PhantomData<T>);
        impl<'de, T: Default + serde::Deserialize<'de>> serde::de::Visitor<'de> for SwitchOrOptions<T> {
            type Value = Part<T>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("true, false, or its options")
            }

            fn visit_bool<E>(self, on: bool) -> Result<Part<T>, E> {
                Ok(if on { Part::On(T::default()) } else { Part::Off })
            }

            fn visit_unit<E>(self) -> Result<Part<T>, E> {
                Ok(Part::Off)
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Part<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Part::On)
            }
        }
        deserializer.deserialize_any(SwitchOrOptions(std::marker::PhantomData))
    }
}
