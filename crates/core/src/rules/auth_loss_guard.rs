//! RULE-010 `auth_loss_guard`: an account that the broker no longer lets trade is closed, and locked until it does again.

use super::{Breach, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::RuleId;
use crate::state::AccountView;

const KEY: &str = "auth_loss_guard";

/// The options of `auth_loss_guard`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Whether an account that may not trade when the program starts counts, too. Default true.
    #[serde(default = "enabled_by_default")]
    pub check_on_startup: bool,
    /// Whether the lock ends by itself when the account may trade again. Default true.
    #[serde(default = "enabled_by_default")]
    pub auto_unlock_on_restore: bool,
}

impl Config {
    /// The rule. Every combination of its options can be meant.
    pub fn build(&self) -> Result<AuthLossGuard, RuleConfigError> {
        let Self { check_on_startup, auto_unlock_on_restore, .. } = *self;
        Ok(AuthLossGuard { check_on_startup, auto_unlock_on_restore })
    }
}

/// RULE-010.
#[derive(Debug)]
pub struct AuthLossGuard {
    check_on_startup: bool,
    auto_unlock_on_restore: bool,
}

impl Rule for AuthLossGuard {
    fn id(&self) -> RuleId {
        RuleId::AUTH_LOSS_GUARD
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Account)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let counts = self.check_on_startup || view.account.could_trade_in_this_run;
        if !counts || view.account.may_trade() != Some(false) {
            return Verdict::Within;
        }
        let reason = "the broker does not let the account trade (canTrade is false)".to_owned();
        Verdict::Breached(Box::new(Breach::close_all_and_lock(LockTerm::WithoutEnd, reason, None)))
    }

    fn releases(&self, view: &AccountView<'_>) -> bool {
        self.auto_unlock_on_restore && view.account.may_trade_for_certain()
    }

    fn sentence(&self) -> String {
        let end = if self.auto_unlock_on_restore { "until it may trade again" } else { "without end" };
        let start = if self.check_on_startup { "" } else { " after it could" };
        format!("When the broker lets the account trade no more{start}, everything is closed and the account locked {end}.")
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            !self.check_on_startup && old.check_on_startup || self.auto_unlock_on_restore && !old.auto_unlock_on_restore
        })
    }
}
