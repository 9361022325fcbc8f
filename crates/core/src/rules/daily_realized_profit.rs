//! RULE-013 `daily_realized_profit`: the day's target is reached, and the day is over.

use super::daily_realized_loss::until_daily_reset;
use super::{Breach, Gauge, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{Money, RuleId};
use crate::state::AccountView;

const KEY: &str = "daily_realized_profit";
const DEFAULT_TARGET: Money = Money::from_dollars(1_000);

/// The options of `daily_realized_profit`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true, once the section is there.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Dollars; the day's realized P&L at or above this ends the day. Default 1000.
    pub profit_target: Option<Money>,
    /// The same, in the other spelling.
    pub target: Option<Money>,
    /// Whether fees are taken off the profit. Default false.
    #[serde(default)]
    pub include_fees: bool,
    /// Until when the account is locked. Default `daily_reset`.
    #[serde(default = "until_daily_reset")]
    pub lockout_until: LockTerm,
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<DailyRealizedProfit, RuleConfigError> {
        let wrong = |option, problem: &str| Err(RuleConfigError { rule: KEY, option, problem: problem.to_owned() });
        let (option, target) = match (self.profit_target, self.target) {
            (Some(_), Some(_)) => return wrong("target", "stands beside profit_target: give one of the two"),
            (None, Some(target)) => ("target", target),
            (given, None) => ("profit_target", given.unwrap_or(DEFAULT_TARGET)),
        };
        if target <= Money::ZERO {
            return wrong(option, "must be above 0: every account would reach it at once");
        }
        Ok(DailyRealizedProfit { target, include_fees: self.include_fees, lockout_until: self.lockout_until })
    }
}

/// RULE-013.
#[derive(Debug)]
pub struct DailyRealizedProfit {
    target: Money,
    include_fees: bool,
    lockout_until: LockTerm,
}

impl Rule for DailyRealizedProfit {
    fn id(&self) -> RuleId {
        RuleId::DAILY_REALIZED_PROFIT
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Trades)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let realized = self.realized(view);
        if realized < self.target {
            return Verdict::Within;
        }
        let after_fees = if self.include_fees { " after fees" } else { "" };
        let reason = format!("realized P&L of the day {realized:#}{after_fees}, target {:#}", self.target);
        Verdict::Breached(Box::new(Breach::close_all_and_lock(self.lockout_until, reason, Some(realized))))
    }

    fn sentence(&self) -> String {
        let end = match self.lockout_until {
            LockTerm::UntilDailyReset => "until the daily reset",
            LockTerm::WithoutEnd | LockTerm::Until(_) => "for good",
        };
        let fees = if self.include_fees { ", fees taken off" } else { "" };
        format!(
            "At a realized profit of {:#} in a day{fees}, everything is closed and the account locked {end}.",
            self.target
        )
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        vec![Gauge::dollars(self.realized(view), self.target)]
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            self.target > old.target
                || self.include_fees && !old.include_fees
                || self.lockout_until.is_shorter_than(old.lockout_until)
        })
    }
}

impl DailyRealizedProfit {
    /// The day's realized P&L as this rule reckons it, in dollars.
    fn realized(&self, view: &AccountView<'_>) -> Money {
        let session = &view.account.session;
        let fees = if self.include_fees { session.fees() } else { Money::ZERO };
        session.realized_pnl() - fees
    }
}
