//! RULE-003 `daily_realized_loss`: the day's realized loss ends the day.

use jiff::civil::Time;

use super::limit::loss_limit;
use super::{Breach, Gauge, Goal, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{EnforcementAction, Money, RuleId};
use crate::state::AccountView;

const KEY: &str = "daily_realized_loss";
const DEFAULT_LOSS_LIMIT: Money = Money::from_dollars(500);

/// The options of `daily_realized_loss`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Dollars; the day's realized P&L at or below minus this is a breach. Default 500.
    pub loss_limit: Option<Money>,
    /// The same, in the other spelling: `limit: -500`.
    pub limit: Option<Money>,
    /// Whether fees count as loss. Default false.
    #[serde(default)]
    pub include_fees: bool,
    /// What is done. Default `CLOSE_ALL_AND_LOCKOUT`.
    #[serde(default)]
    pub action: Action,
    /// Until when the account is locked. Default `daily_reset`.
    #[serde(default = "until_daily_reset")]
    pub lockout_until: LockTerm,
    /// When the account's day turns, `17:00`; an account's own config goes first.
    #[serde(default, deserialize_with = "wall_clock_time")]
    pub reset_time: Option<Time>,
    /// The IANA time zone of the reset; an account's own config goes first.
    pub timezone: Option<String>,
}

/// What a realized loss leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum Action {
    /// Close all, cancel all, lock.
    #[default]
    #[serde(rename = "CLOSE_ALL_AND_LOCKOUT")]
    CloseAllAndLockout,
    /// Close all positions, and again whenever one is opened while the day is below the limit.
    #[serde(rename = "CLOSE_ALL_POSITIONS")]
    CloseAllPositions,
}

/// The default term of a lockout.
pub(super) const fn until_daily_reset() -> LockTerm {
    LockTerm::UntilDailyReset
}

fn wall_clock_time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
    Time::strptime("%H:%M", &*text)
        .map(Some)
        .map_err(|_| serde::de::Error::custom(format!("{text:?} is not a time of day such as \"17:00\"")))
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<DailyRealizedLoss, RuleConfigError> {
        Ok(DailyRealizedLoss {
            loss_limit: loss_limit(KEY, self.loss_limit, self.limit, DEFAULT_LOSS_LIMIT)?,
            include_fees: self.include_fees,
            action: self.action,
            lockout_until: self.lockout_until,
        })
    }
}

/// RULE-003.
#[derive(Debug)]
pub struct DailyRealizedLoss {
    loss_limit: Money,
    include_fees: bool,
    action: Action,
    lockout_until: LockTerm,
}

impl Rule for DailyRealizedLoss {
    fn id(&self) -> RuleId {
        RuleId::DAILY_REALIZED_LOSS
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        match self.action {
            Action::CloseAllAndLockout => matches!(trigger, Trigger::Trades),
            // Without a lock a position may be opened below the limit, and its trade is told of before it.
            Action::CloseAllPositions => matches!(trigger, Trigger::Trades | Trigger::Position(_)),
        }
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let realized = self.realized(view);
        if realized > -self.loss_limit {
            return Verdict::Within;
        }
        let after_fees = if self.include_fees { " after fees" } else { "" };
        let reason = format!("realized P&L of the day {realized:#}{after_fees}, limit {:#}", -self.loss_limit);
        Verdict::Breached(Box::new(match self.action {
            Action::CloseAllAndLockout => Breach::close_all_and_lock(self.lockout_until, reason, Some(realized)),
            Action::CloseAllPositions => Breach {
                action: EnforcementAction::CloseAllPositions,
                goal: Goal::Flat { cancel_orders: false },
                lock: None,
                reason,
                pnl: Some(realized),
            },
        }))
    }

    fn sentence(&self) -> String {
        let response = match (self.action, self.lockout_until) {
            (Action::CloseAllPositions, _) => "all positions are closed",
            (Action::CloseAllAndLockout, LockTerm::UntilDailyReset) => {
                "everything is closed and the account locked until the daily reset"
            }
            (Action::CloseAllAndLockout, LockTerm::WithoutEnd | LockTerm::Until(_)) => {
                "everything is closed and the account locked for good"
            }
        };
        let fees = if self.include_fees { ", fees included" } else { "" };
        format!("At a realized loss of {:#} in a day{fees}, {response}.", self.loss_limit)
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            let locks = |rule: &Self| rule.action == Action::CloseAllAndLockout;
            self.loss_limit > old.loss_limit
                || old.include_fees && !self.include_fees
                || locks(old) && (!locks(self) || self.lockout_until.is_shorter_than(old.lockout_until))
        })
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        vec![Gauge::dollars(-self.realized(view), self.loss_limit)]
    }
}

impl DailyRealizedLoss {
    /// The day's realized P&L as this rule reckons it, in dollars.
    fn realized(&self, view: &AccountView<'_>) -> Money {
        let session = &view.account.session;
        let fees = if self.include_fees { session.fees() } else { Money::ZERO };
        session.realized_pnl() - fees
    }
}
