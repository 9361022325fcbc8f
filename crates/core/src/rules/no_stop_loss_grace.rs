//! RULE-008 `no_stop_loss_grace`: a position without a protective stop is closed when its time of grace is over.
//!
//! What protects is decided in `state::tracking`: a living stop, stop-limit or trailing stop on the closing side; several
//! that add up to the full size protect it. A suspended child of a bracket counts while the broker's books show it.
//! The grace runs without a break from the opening, or from the moment the position lost its stop.

use jiff::{SignedDuration, Timestamp};

use super::daily_realized_loss::until_daily_reset;
use super::daily_unrealized_loss::Action;
use super::{Breach, Gauge, Goal, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{EnforcementAction, OrderState, Position, RuleId};
use crate::state::AccountView;

const KEY: &str = "no_stop_loss_grace";

/// The options of `no_stop_loss_grace`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Seconds that a position may be without a protective stop. Default 30.
    #[serde(default = "default_grace")]
    pub grace_period_seconds: i64,
    /// What is done. Default `CLOSE_POSITION`.
    #[serde(default)]
    pub action: Action,
    /// Until when the account is locked, where the action locks. Default `daily_reset`.
    #[serde(default = "until_daily_reset")]
    pub lockout_until: LockTerm,
}

fn default_grace() -> i64 {
    30
}

/// The longest grace that can be meant: a week.
const LONGEST_GRACE_SECONDS: i64 = 7 * 24 * 3_600;

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<NoStopLossGrace, RuleConfigError> {
        if !(1..=LONGEST_GRACE_SECONDS).contains(&self.grace_period_seconds) {
            let problem = format!("must be from 1 to {LONGEST_GRACE_SECONDS} seconds: no order is at the broker at once");
            return Err(RuleConfigError { rule: KEY, option: "grace_period_seconds", problem });
        }
        Ok(NoStopLossGrace {
            grace: SignedDuration::from_secs(self.grace_period_seconds),
            lock: (self.action == Action::CloseAllAndLockout).then_some(self.lockout_until),
        })
    }
}

/// RULE-008.
#[derive(Debug)]
pub struct NoStopLossGrace {
    grace: SignedDuration,
    lock: Option<LockTerm>,
}

impl Rule for NoStopLossGrace {
    fn id(&self) -> RuleId {
        RuleId::NO_STOP_LOSS_GRACE
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Order(_) | Trigger::Time)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let overdue: Vec<&Position> = view
            .account
            .book
            .positions()
            .filter(|position| self.deadline(view, position).is_some_and(|deadline| self.is_over(view, deadline)))
            .collect();
        let Some(first) = overdue.first() else {
            return Verdict::Within;
        };
        let seconds = self.grace.as_secs();
        let reason = format!("{} {} without a protective stop for {seconds} s", first.size, first.contract_id);
        if let Some(lock) = self.lock {
            return Verdict::Breached(Box::new(Breach::close_all_and_lock(lock, reason, view.position_pnl(first))));
        }
        let goal = match overdue.as_slice() {
            [only] => Goal::PositionClosed { contract_id: only.contract_id.clone() },
            several => Goal::Reduced { targets: several.iter().map(|held| (held.contract_id.clone(), 0)).collect() },
        };
        let action = EnforcementAction::ClosePosition;
        Verdict::Breached(Box::new(Breach { action, goal, lock: None, reason, pnl: view.position_pnl(first) }))
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            let locks_less = match (self.lock, old.lock) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(term), Some(old_term)) => term.is_shorter_than(old_term),
            };
            self.grace > old.grace || locks_less
        })
    }

    fn sentence(&self) -> String {
        let response = match self.lock {
            None => "is closed".to_owned(),
            Some(LockTerm::UntilDailyReset) => {
                "leads to everything being closed and the account locked until the daily reset".to_owned()
            }
            Some(LockTerm::WithoutEnd | LockTerm::Until(_)) => {
                "leads to everything being closed and the account locked for good".to_owned()
            }
        };
        format!("A position without a protective stop for {} seconds {response}.", self.grace.as_secs())
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        let positions = view.account.book.positions();
        positions
            .map(|position| {
                let since = view.account.tracking.position(&position.contract_id).and_then(|it| it.unprotected_since());
                let used = since.map_or(0, |since| view.at.duration_since(since).as_secs());
                Gauge::seconds(used, self.grace.as_secs()).of(position.contract_id.clone())
            })
            .collect()
    }

    fn next_moment(&self, view: &AccountView<'_>) -> Option<Timestamp> {
        view.account
            .book
            .positions()
            .filter_map(|position| self.deadline(view, position))
            .filter(|deadline| *deadline > view.at)
            .min()
    }

    fn not_armed(&self, view: &AccountView<'_>) -> Option<String> {
        let book = &view.account.book;
        if let Some(position) = book.positions().find(|position| !position.has_known_direction()) {
            return Some(format!("nobody knows whether {} is long or short", position.contract_id));
        }
        let mut stops = book.orders().filter(|order| order.order_type.is_stop());
        let strange = stops.find(|order| matches!(order.state, OrderState::Unknown(_)))?;
        Some(format!("stop order {} has a status that is not known: it counts as working", strange.id))
    }
}

impl NoStopLossGrace {
    /// When the grace of a position ends; absent while it is protected, or when nobody knows which side would close it.
    fn deadline(&self, view: &AccountView<'_>, position: &Position) -> Option<Timestamp> {
        if !position.has_known_direction() {
            return None;
        }
        let since = view.account.tracking.position(&position.contract_id)?.unprotected_since()?;
        Some(since.checked_add(self.grace).unwrap_or(Timestamp::MAX))
    }

    /// Whether the grace has ended, and that is certain: while the account's orders are not, the broker's books must have
    /// been asked for since, for a stop that nobody heard of may stand there.
    fn is_over(&self, view: &AccountView<'_>, deadline: Timestamp) -> bool {
        let account = view.account;
        deadline <= view.at && (account.certain || account.looked_at.is_some_and(|looked_at| looked_at >= deadline))
    }
}
