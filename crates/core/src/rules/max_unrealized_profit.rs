//! RULE-005 `max_unrealized_profit`: an open profit is taken at its target, or a trade is ended where it began.
//!
//! In the mode `breakeven` a position is closed when its P&L comes back to zero, from whichever side, after it was at
//! least `arm_ticks` away. What has been is followed from the position's present average price on, by the prices this
//! program saw; after a restart, or when the average price changes, it is not armed until prices arm it again.

use super::{Breach, Gauge, Goal, Note, Rule, RuleConfigError, Slack, Trigger, Verdict, enabled_by_default};
use crate::model::{ContractId, EnforcementAction, Money, Position, RuleId};
use crate::state::{AccountView, Strayed};

use super::daily_unrealized_loss::Scope;

const KEY: &str = "max_unrealized_profit";
const DEFAULT_PROFIT_TARGET: Money = Money::from_dollars(1_000);

/// The options of `max_unrealized_profit`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// When a position is closed. Default `profit_target`.
    #[serde(default)]
    pub mode: Mode,
    /// Dollars; unrealized P&L at or above this is a breach in the mode `profit_target`. Default 1000.
    pub profit_target: Option<Money>,
    /// Ticks that the P&L must have been away from zero, in the mode `breakeven`. Default 4.
    #[serde(default = "default_arm_ticks")]
    pub arm_ticks: i64,
    /// What is measured. Default: each position, or the total when the action closes all.
    pub scope: Option<Scope>,
    /// What is done. Default `CLOSE_POSITION`.
    #[serde(default)]
    pub action: Action,
}

/// What a profit leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum Action {
    /// Close the position; under the scope `total`, all positions.
    #[default]
    #[serde(rename = "CLOSE_POSITION")]
    ClosePosition,
    /// Close all positions.
    #[serde(rename = "CLOSE_ALL_POSITIONS")]
    CloseAllPositions,
}

/// When a position is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// At a profit.
    #[default]
    ProfitTarget,
    /// Back at zero.
    Breakeven,
}

fn default_arm_ticks() -> i64 {
    4
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<MaxUnrealizedProfit, RuleConfigError> {
        let wrong = |option, problem: &str| Err(RuleConfigError { rule: KEY, option, problem: problem.to_owned() });
        let profit_target = self.profit_target.unwrap_or(DEFAULT_PROFIT_TARGET);
        if profit_target <= Money::ZERO {
            return wrong("profit_target", "must be greater than 0: every position would be closed at once");
        }
        if self.arm_ticks < 1 {
            return wrong("arm_ticks", "must be 1 or more: a position begins at zero and would be closed at once");
        }
        let aim = match self.mode {
            Mode::ProfitTarget => Aim::Profit(profit_target),
            Mode::Breakeven => Aim::Breakeven { arm_ticks: self.arm_ticks },
        };
        let closes_all = self.action == Action::CloseAllPositions;
        let scope = self.scope.unwrap_or(if closes_all { Scope::Total } else { Scope::PerPosition });
        Ok(MaxUnrealizedProfit { aim, scope, closes_all: closes_all || scope == Scope::Total })
    }
}

#[derive(Debug, Clone, Copy)]
enum Aim {
    Profit(Money),
    Breakeven { arm_ticks: i64 },
}

/// RULE-005.
#[derive(Debug)]
pub struct MaxUnrealizedProfit {
    aim: Aim,
    scope: Scope,
    closes_all: bool,
}

impl Rule for MaxUnrealizedProfit {
    fn id(&self) -> RuleId {
        RuleId::MAX_UNREALIZED_PROFIT
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Price(_))
    }

    fn remember(&self, view: &AccountView<'_>, trigger: &Trigger) -> Option<Note> {
        let (Trigger::Position(contract_id) | Trigger::Price(contract_id)) = trigger else { return None };
        let Aim::Breakeven { arm_ticks } = self.aim else { return None };
        let (pnl, away) = self.measure(view, contract_id, arm_ticks)?;
        let strayed = Strayed { above: pnl >= away, below: pnl <= -away };
        let known = self.strayed(view, contract_id);
        let contract_id = (self.scope == Scope::PerPosition).then(|| contract_id.clone());
        (known.and(strayed) != known).then_some(Note::Strayed { contract_id, strayed })
    }

    fn check(&self, view: &AccountView<'_>, trigger: &Trigger) -> Verdict {
        let (Trigger::Position(contract_id) | Trigger::Price(contract_id)) = trigger else {
            return Verdict::Within;
        };
        match self.aim {
            Aim::Profit(target) => match self.measured(view, contract_id) {
                Some(pnl) if pnl >= target => self.breach(contract_id, pnl, &format!("target {target:#}")),
                _ => Verdict::Within,
            },
            Aim::Breakeven { arm_ticks } => {
                let Some((pnl, _)) = self.measure(view, contract_id, arm_ticks) else {
                    return Verdict::Within;
                };
                let strayed = self.strayed(view, contract_id);
                if (strayed.above && pnl <= Money::ZERO) || (strayed.below && pnl >= Money::ZERO) {
                    let from = if strayed.above && pnl <= Money::ZERO { "profit" } else { "loss" };
                    self.breach(contract_id, pnl, &format!("back at zero from {arm_ticks} ticks of {from}"))
                } else {
                    Verdict::Within
                }
            }
        }
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            let aims_further = match (self.aim, old.aim) {
                (Aim::Profit(new), Aim::Profit(before)) => new > before,
                (Aim::Breakeven { arm_ticks: new }, Aim::Breakeven { arm_ticks: before }) => new > before,
                (Aim::Profit(_), Aim::Breakeven { .. }) | (Aim::Breakeven { .. }, Aim::Profit(_)) => true,
            };
            aims_further || self.scope != old.scope || old.closes_all && !self.closes_all
        })
    }

    fn slack(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Slack {
        let positions = match self.scope {
            Scope::PerPosition => 1,
            Scope::Total => view.total_unrealized_pnl().priced_positions,
        };
        let arm_ticks = match self.aim {
            Aim::Profit(target) => {
                let measured = self.measured(view, contract_id);
                return measured.map_or(Slack::NONE, |pnl| Slack::of_gain(target - pnl).shared(positions));
            }
            Aim::Breakeven { arm_ticks } => arm_ticks,
        };
        let Some((pnl, away)) = self.measure(view, contract_id, arm_ticks) else { return Slack::NONE };
        let strayed = self.strayed(view, contract_id);
        // Where it was away already, the way back to zero counts; where it was not, the way out.
        let from_profit = if strayed.above { Slack::of_loss(pnl) } else { Slack::of_gain(away - pnl) };
        let from_loss = if strayed.below { Slack::of_gain(-pnl) } else { Slack::of_loss(pnl + away) };
        from_profit.and(from_loss).shared(positions)
    }

    fn sentence(&self) -> String {
        let what = match self.scope {
            Scope::PerPosition => "on one position",
            Scope::Total => "over all positions",
        };
        let response = if self.closes_all { "all positions are closed" } else { "that position is closed" };
        match self.aim {
            Aim::Profit(target) => format!("At an unrealized profit of {target:#} {what}, {response}."),
            Aim::Breakeven { arm_ticks } => {
                format!("When the P&L {what} is back at zero after {arm_ticks} ticks or more away, {response}.")
            }
        }
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        let Aim::Profit(target) = self.aim else { return Vec::new() };
        match self.scope {
            Scope::Total => vec![Gauge::dollars(view.total_unrealized_pnl().unrealized_pnl, target)],
            Scope::PerPosition => {
                let priced = view.account.book.positions().filter_map(|position| {
                    Some(Gauge::dollars(view.position_pnl(position)?, target).of(position.contract_id.clone()))
                });
                priced.collect()
            }
        }
    }
}

impl MaxUnrealizedProfit {
    /// The P&L that counts, in dollars. Positions without a price are left out.
    fn measured(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Option<Money> {
        match self.scope {
            Scope::PerPosition => view.unrealized_pnl(contract_id),
            Scope::Total => Some(view.total_unrealized_pnl().unrealized_pnl),
        }
    }

    /// The P&L that counts, and how far from zero `ticks` of every position are, in dollars. Absent when a position that
    /// counts has no price: whether it is back at zero nobody knows then.
    fn measure(&self, view: &AccountView<'_>, contract_id: &ContractId, ticks: i64) -> Option<(Money, Money)> {
        let value = |position: &Position| {
            let contract = view.markets.get(&position.contract_id)?.contract()?;
            Some(contract.tick_value.times(ticks).times(position.size))
        };
        match self.scope {
            Scope::PerPosition => {
                let position = view.account.book.position(contract_id)?;
                Some((view.position_pnl(position).filter(|_| position.has_known_direction())?, value(position)?))
            }
            Scope::Total => {
                let total = view.total_unrealized_pnl();
                let mut away = Money::ZERO;
                for position in view.account.book.positions() {
                    away += value(position)?;
                }
                (total.unpriced_positions == 0 && away > Money::ZERO).then_some((total.unrealized_pnl, away))
            }
        }
    }

    fn strayed(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Strayed {
        let tracking = &view.account.tracking;
        match self.scope {
            Scope::PerPosition => tracking.position(contract_id).map(|tracked| tracked.strayed()).unwrap_or_default(),
            Scope::Total => tracking.total_strayed(),
        }
    }

    fn breach(&self, contract_id: &ContractId, pnl: Money, why: &str) -> Verdict {
        let of = match self.scope {
            Scope::PerPosition => contract_id.to_string(),
            Scope::Total => "all positions".to_owned(),
        };
        let (action, goal) = if self.closes_all {
            (EnforcementAction::CloseAllPositions, Goal::Flat { cancel_orders: false })
        } else {
            (EnforcementAction::ClosePosition, Goal::PositionClosed { contract_id: contract_id.clone() })
        };
        let reason = format!("unrealized P&L of {of} {pnl:#}, {why}");
        Verdict::Breached(Box::new(Breach { action, goal, lock: None, reason, pnl: Some(pnl) }))
    }
}
