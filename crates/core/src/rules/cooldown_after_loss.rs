//! RULE-007 `cooldown_after_loss`: a trader who has just lost pauses. Nothing is closed.

use super::cooldown::{LATE_MS, may_begin_a_pause, pause_ends, seconds, spoken};
use super::{Breach, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{Money, RuleId};
use crate::state::AccountView;

const KEY: &str = "cooldown_after_loss";
const DEFAULT_THRESHOLD: Money = Money::from_dollars(100);
const DEFAULT_COOLDOWN_S: i64 = 300;

/// The options of `cooldown_after_loss`, in either dialect.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Dollars; a trade that lost this or more is a breach. The sign does not matter. Default 100.
    pub loss_threshold: Option<Money>,
    /// How long the pause lasts, in seconds. Default 300.
    pub cooldown_seconds: Option<i64>,
    /// The other dialect: several losses, each with its pause.
    pub loss_thresholds: Option<Vec<TierConfig>>,
}

/// One loss and its pause.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierConfig {
    /// Dollars; the sign does not matter.
    pub loss_amount: Money,
    /// Seconds.
    pub cooldown_duration: i64,
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<CooldownAfterLoss, RuleConfigError> {
        let Some(tiers) = &self.loss_thresholds else {
            let tier = Tier {
                loss: loss("loss_threshold", self.loss_threshold.unwrap_or(DEFAULT_THRESHOLD))?,
                pause_s: seconds(KEY, "cooldown_seconds", self.cooldown_seconds.unwrap_or(DEFAULT_COOLDOWN_S))?,
            };
            return Ok(CooldownAfterLoss { tiers: vec![tier] });
        };
        let beside =
            [("loss_threshold", self.loss_threshold.is_some()), ("cooldown_seconds", self.cooldown_seconds.is_some())];
        if let Some((option, _)) = beside.into_iter().find(|(_, given)| *given) {
            return Err(wrong(option, "stands beside loss_thresholds: give one of the two".to_owned()));
        }
        let mut tiers = tiers
            .iter()
            .map(|tier| {
                Ok(Tier {
                    loss: loss("loss_thresholds", tier.loss_amount)?,
                    pause_s: seconds(KEY, "loss_thresholds", tier.cooldown_duration)?,
                })
            })
            .collect::<Result<Vec<_>, RuleConfigError>>()?;
        tiers.sort_by_key(|tier| tier.loss);
        if tiers.is_empty() {
            return Err(wrong("loss_thresholds", "names no loss: nothing would ever pause".to_owned()));
        }
        if let Some(twice) = tiers.windows(2).find(|pair| pair[0].loss == pair[1].loss) {
            return Err(wrong("loss_thresholds", format!("names a loss of {:#} twice", twice[0].loss)));
        }
        Ok(CooldownAfterLoss { tiers })
    }
}

fn loss(option: &'static str, given: Money) -> Result<Money, RuleConfigError> {
    if given == Money::ZERO {
        return Err(wrong(option, "must not be 0: every trade would breach it".to_owned()));
    }
    Ok(given.abs())
}

fn wrong(option: &'static str, problem: String) -> RuleConfigError {
    RuleConfigError { rule: KEY, option, problem }
}

/// RULE-007.
#[derive(Debug)]
pub struct CooldownAfterLoss {
    /// By loss, the smallest first.
    tiers: Vec<Tier>,
}

#[derive(Debug, Clone, Copy)]
struct Tier {
    /// Positive dollars.
    loss: Money,
    pause_s: i64,
}

impl Rule for CooldownAfterLoss {
    fn id(&self) -> RuleId {
        RuleId::COOLDOWN_AFTER_LOSS
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Trades)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let pauses = view.account.trades().filter(|known| !known.trade.voided).filter_map(|known| {
            let pnl = known.trade.profit_and_loss?;
            let tier = self.deepest(pnl).filter(|_| may_begin_a_pause(view, &known))?;
            Some((pause_ends(known.trade.execution_time, known.learned_at, tier.pause_s), pnl, tier))
        });
        // Of equal ends the larger loss is named.
        let longest = pauses.max_by_key(|(until, pnl, _)| (*until, -*pnl)).filter(|(until, ..)| *until > view.at);
        match longest {
            None => Verdict::Within,
            Some((until, pnl, tier)) => {
                let reason = format!("a trade lost {pnl:#}, limit {:#}: a pause of {}", -tier.loss, spoken(tier.pause_s));
                Verdict::Breached(Box::new(Breach::cooldown(until, reason, Some(pnl))))
            }
        }
    }

    fn sentence(&self) -> String {
        let parts: Vec<String> =
            self.tiers.iter().map(|tier| format!("{:#} ({})", tier.loss, spoken(tier.pause_s))).collect();
        format!(
            "After a trade that lost {} or more, nothing new may be opened for the time in brackets; what is open stays.",
            parts.join(" or ")
        )
    }

    fn looks_back_ms(&self) -> i64 {
        self.tiers.iter().map(|tier| tier.pause_s).max().unwrap_or(0).saturating_mul(1_000) + LATE_MS
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        let Some(old) = in_force.as_any().downcast_ref::<Self>() else {
            return true;
        };
        // The pause changes only where a tier of either begins.
        let pause = |rule: &Self, loss: Money| rule.deepest(-loss).map_or(0, |tier| tier.pause_s);
        let edges = self.tiers.iter().chain(&old.tiers).map(|tier| tier.loss);
        edges.into_iter().any(|loss| pause(self, loss) < pause(old, loss))
    }
}

impl CooldownAfterLoss {
    /// The deepest tier that a trade's P&L reaches.
    fn deepest(&self, pnl: Money) -> Option<Tier> {
        self.tiers.iter().rev().find(|tier| pnl <= -tier.loss).copied()
    }
}
