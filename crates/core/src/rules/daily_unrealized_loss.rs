//! RULE-004 `daily_unrealized_loss`: an open loss is cut before it is realized.
//!
//! Works from positions and quotes alone; the history table `daily_unrealized_pnl` is no part of it.

use super::daily_realized_loss::until_daily_reset;
use super::limit::loss_limit;
use super::{Breach, Gauge, Goal, LockTerm, Rule, RuleConfigError, Slack, Trigger, Verdict, enabled_by_default};
use crate::model::{ContractId, EnforcementAction, Money, RuleId};
use crate::state::AccountView;

const KEY: &str = "daily_unrealized_loss";
const DEFAULT_LOSS_LIMIT: Money = Money::from_dollars(300);

/// The options of `daily_unrealized_loss`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Dollars; unrealized P&L at or below minus this is a breach. Default 300.
    pub loss_limit: Option<Money>,
    /// The same, in the other spelling: `limit: -300`.
    pub limit: Option<Money>,
    /// What is measured. Default: each position, or the total when the action closes all.
    pub scope: Option<Scope>,
    /// What is done. Default `CLOSE_POSITION`.
    #[serde(default)]
    pub action: Action,
    /// Whether the account is locked too; `CLOSE_ALL_AND_LOCKOUT` always locks. Default false.
    #[serde(default)]
    pub lockout: bool,
    /// Until when it is locked. Default `daily_reset`.
    #[serde(default = "until_daily_reset")]
    pub lockout_until: LockTerm,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The P&L of each position by itself.
    PerPosition,
    /// The sum over all positions.
    Total,
}

/// What an open loss leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum Action {
    /// Close the losing position; under the scope `total`, all positions.
    #[default]
    #[serde(rename = "CLOSE_POSITION")]
    ClosePosition,
    /// Close all, cancel all, lock.
    #[serde(rename = "CLOSE_ALL_AND_LOCKOUT")]
    CloseAllAndLockout,
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<DailyUnrealizedLoss, RuleConfigError> {
        let scope = self.scope.unwrap_or(match self.action {
            Action::ClosePosition => Scope::PerPosition,
            Action::CloseAllAndLockout => Scope::Total,
        });
        let locks = self.lockout || self.action == Action::CloseAllAndLockout;
        Ok(DailyUnrealizedLoss {
            loss_limit: loss_limit(KEY, self.loss_limit, self.limit, DEFAULT_LOSS_LIMIT)?,
            scope,
            lock: locks.then_some(self.lockout_until),
        })
    }
}

/// RULE-004.
#[derive(Debug)]
pub struct DailyUnrealizedLoss {
    loss_limit: Money,
    scope: Scope,
    lock: Option<LockTerm>,
}

impl Rule for DailyUnrealizedLoss {
    fn id(&self) -> RuleId {
        RuleId::DAILY_UNREALIZED_LOSS
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Price(_))
    }

    fn check(&self, view: &AccountView<'_>, trigger: &Trigger) -> Verdict {
        let (Trigger::Position(contract_id) | Trigger::Price(contract_id)) = trigger else {
            return Verdict::Within;
        };
        let measured = match self.scope {
            Scope::PerPosition => view.unrealized_pnl(contract_id),
            Scope::Total => Some(view.total_unrealized_pnl().unrealized_pnl),
        };
        match measured {
            Some(pnl) if pnl <= -self.loss_limit => Verdict::Breached(Box::new(self.breach(contract_id, pnl))),
            _ => Verdict::Within,
        }
    }

    fn slack(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Slack {
        match self.scope {
            Scope::PerPosition => {
                view.unrealized_pnl(contract_id).map_or(Slack::NONE, |pnl| Slack::of_loss(pnl + self.loss_limit))
            }
            Scope::Total => {
                let total = view.total_unrealized_pnl();
                Slack::of_loss(total.unrealized_pnl + self.loss_limit).shared(total.priced_positions)
            }
        }
    }

    fn sentence(&self) -> String {
        let what = match self.scope {
            Scope::PerPosition => "on one position",
            Scope::Total => "over all positions",
        };
        let response = match (self.lock, self.scope) {
            (None, Scope::PerPosition) => "that position is closed",
            (None, Scope::Total) => "all positions are closed",
            (Some(LockTerm::UntilDailyReset), _) => "everything is closed and the account locked until the daily reset",
            (Some(LockTerm::WithoutEnd | LockTerm::Until(_)), _) => {
                "everything is closed and the account locked for good"
            }
        };
        format!("At an unrealized loss of {:#} {what}, {response}.", self.loss_limit)
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            // Neither scope is the stricter one: a winner hides a loser in the total, two small losses do by themselves.
            let locks_less = match (self.lock, old.lock) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(term), Some(old_term)) => term.is_shorter_than(old_term),
            };
            self.loss_limit > old.loss_limit || self.scope != old.scope || locks_less
        })
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        match self.scope {
            Scope::Total => vec![Gauge::dollars(-view.total_unrealized_pnl().unrealized_pnl, self.loss_limit)],
            Scope::PerPosition => view
                .account
                .book
                .positions()
                .filter_map(|position| {
                    let pnl = view.position_pnl(position)?;
                    Some(Gauge::dollars(-pnl, self.loss_limit).of(position.contract_id.clone()))
                })
                .collect(),
        }
    }
}

impl DailyUnrealizedLoss {
    fn breach(&self, contract_id: &ContractId, pnl: Money) -> Breach {
        let reason = match self.scope {
            Scope::PerPosition => format!("unrealized P&L of {contract_id} {pnl:#}, limit {:#}", -self.loss_limit),
            Scope::Total => format!("unrealized P&L of all positions {pnl:#}, limit {:#}", -self.loss_limit),
        };
        if let Some(lock) = self.lock {
            return Breach::close_all_and_lock(lock, reason, Some(pnl));
        }
        let (action, goal) = match self.scope {
            Scope::PerPosition => (
                EnforcementAction::ClosePosition,
                Goal::PositionClosed { contract_id: contract_id.clone() },
            ),
            Scope::Total => (EnforcementAction::CloseAllPositions, Goal::Flat { cancel_orders: false }),
        };
        Breach { action, goal, lock: None, reason, pnl: Some(pnl) }
    }
}
