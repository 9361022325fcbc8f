//! RULE-014 `max_drawdown`: what an account is worth may fall only so far below a mark.
//!
//! Equity is the cash (see `state::funds`) and the unrealized P&L. The mark is the highest equity there was, the highest
//! balance a day ended with, or the balance the watch began with. It is kept in the table `drawdown_marks`, and survives
//! restarts. While news that belong together are still coming in, neither is the mark raised nor a breach found: for a
//! second after the last piece, three seconds at the most.

use jiff::Timestamp;

use super::{
    Breach, DrawdownNote, Gauge, LockTerm, Note, Rule, RuleConfigError, Slack, Trigger, Verdict, enabled_by_default,
};
use crate::model::{ContractId, Money, RuleId};
use crate::state::{AccountView, Drawdown};

const KEY: &str = "max_drawdown";
const DEFAULT_LIMIT: Money = Money::from_dollars(2_000);
/// How far a new day is old at most when the positions that it began with are still as they were, in milliseconds.
const DAY_JUST_TURNED_MS: i64 = 1_000;

/// The options of `max_drawdown`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true where the section stands.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// From where the drawdown is reckoned. Default `trailing_intraday`.
    #[serde(default)]
    pub mode: Mode,
    /// Dollars; equity at or below the mark minus this is a breach. Default 2000.
    pub limit: Option<Money>,
    /// Dollars the account began with. Default: its balance when the rule first sees it.
    pub starting_balance: Option<Money>,
    /// Whether the floor rises no further than the starting balance. Default false.
    #[serde(default)]
    pub stops_at_start: bool,
    /// Until when the account is locked. Default `permanent`.
    #[serde(default = "without_end")]
    pub lockout_until: LockTerm,
}

/// From where the drawdown is reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The highest equity there ever was, open profits included.
    #[default]
    TrailingIntraday,
    /// The highest balance that a trading day ended with.
    TrailingEndOfDay,
    /// The starting balance.
    Static,
}

const fn without_end() -> LockTerm {
    LockTerm::WithoutEnd
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<MaxDrawdown, RuleConfigError> {
        let wrong = |option, problem: &str| Err(RuleConfigError { rule: KEY, option, problem: problem.to_owned() });
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT).abs();
        if limit == Money::ZERO {
            return wrong("limit", "must not be 0: every account would breach it at once");
        }
        if self.starting_balance.is_some_and(|balance| balance <= Money::ZERO) {
            return wrong("starting_balance", "must be greater than 0");
        }
        if self.stops_at_start && self.mode == Mode::Static {
            return wrong("stops_at_start", "a static floor does not rise");
        }
        Ok(MaxDrawdown {
            mode: self.mode,
            limit,
            starting_balance: self.starting_balance,
            stops_at_start: self.stops_at_start,
            lockout_until: self.lockout_until,
        })
    }
}

/// RULE-014.
#[derive(Debug)]
pub struct MaxDrawdown {
    mode: Mode,
    limit: Money,
    starting_balance: Option<Money>,
    stops_at_start: bool,
    lockout_until: LockTerm,
}

impl Rule for MaxDrawdown {
    fn id(&self) -> RuleId {
        RuleId::MAX_DRAWDOWN
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        match trigger {
            Trigger::Position(_) | Trigger::Trades | Trigger::Price(_) | Trigger::Account | Trigger::Time => true,
            Trigger::Order(_) => false,
        }
    }

    fn remember(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Option<Note> {
        let (equity, is_complete) = settled_equity(view)?;
        let funds = view.account.funds.as_ref()?;
        let day = view.account.session.day();
        let known = view.account.drawdown;
        let starting_balance = match known {
            Some(drawdown) => drawdown.starting_balance,
            None => self.starting_balance.unwrap_or(funds.cash()),
        };
        let before = known.map_or(starting_balance, |drawdown| drawdown.high_water_mark);
        let reached = match self.mode {
            Mode::TrailingIntraday if is_complete => equity,
            Mode::TrailingEndOfDay if known.is_some_and(|drawdown| drawdown.day != day) => balance_at_day_start(view)?,
            Mode::TrailingIntraday | Mode::TrailingEndOfDay | Mode::Static => before,
        };
        let drawdown = Drawdown { starting_balance, high_water_mark: before.max(reached), day };
        let step = Money::from_micros(self.limit.micros() / 100);
        (known != Some(drawdown)).then_some(Note::Drawdown(DrawdownNote { drawdown, step }))
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let (Some((equity, _)), Some(drawdown)) = (settled_equity(view), view.account.drawdown) else {
            return Verdict::Within;
        };
        let floor = self.floor(drawdown);
        if equity > floor {
            return Verdict::Within;
        }
        let reason = format!("equity {equity:#}, floor {floor:#}: {} below {:#}", self.words(), self.reference(drawdown));
        let pnl = equity - self.reference(drawdown);
        Verdict::Breached(Box::new(Breach::close_all_and_lock(self.lockout_until, reason, Some(pnl))))
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        // The mark of a mode further down never lies above that of one further up.
        let strictness = |mode: Mode| match mode {
            Mode::TrailingIntraday => 2,
            Mode::TrailingEndOfDay => 1,
            Mode::Static => 0,
        };
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            self.limit > old.limit
                || strictness(self.mode) < strictness(old.mode)
                || self.starting_balance != old.starting_balance
                || self.stops_at_start && !old.stops_at_start
                || self.lockout_until.is_shorter_than(old.lockout_until)
        })
    }

    fn slack(&self, view: &AccountView<'_>, _contract_id: &ContractId) -> Slack {
        // Unsettled news are waited for, not prices; without a balance there is nothing to measure.
        let Some((equity, is_complete)) = settled_equity(view) else { return Slack::UNLIMITED };
        let Some(drawdown) = view.account.drawdown else { return Slack::NONE };
        let loss = Slack::of_loss(equity - self.floor(drawdown));
        let gain = match self.mode {
            // A cent more is a new mark; a millionth of a dollar more, too.
            Mode::TrailingIntraday if is_complete => Slack::of_gain(drawdown.high_water_mark - equity),
            Mode::TrailingIntraday | Mode::TrailingEndOfDay | Mode::Static => Slack::UNLIMITED,
        };
        loss.and(gain).shared(view.total_unrealized_pnl().priced_positions)
    }

    fn sentence(&self) -> String {
        let from = match self.mode {
            Mode::TrailingIntraday => "below the highest equity",
            Mode::TrailingEndOfDay => "below the highest balance at the end of a day",
            Mode::Static => "below the starting balance",
        };
        let until = match self.lockout_until {
            LockTerm::UntilDailyReset => "until the daily reset",
            LockTerm::WithoutEnd | LockTerm::Until(_) => "for good",
        };
        let stops = if self.stops_at_start { ", a floor that stops at the starting balance" } else { "" };
        format!(
            "At an equity of {:#} {from}{stops}, everything is closed and the account locked {until}.",
            self.limit
        )
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        let (Some((equity, _)), Some(drawdown)) = (equity(view), view.account.drawdown) else {
            return Vec::new();
        };
        let used = self.floor(drawdown) + self.limit - equity;
        vec![Gauge::dollars(used, self.limit)]
    }

    fn next_moment(&self, view: &AccountView<'_>) -> Option<Timestamp> {
        view.account.funds.as_ref()?.settles_at().filter(|settles_at| *settles_at > view.at)
    }

    fn not_armed(&self, view: &AccountView<'_>) -> Option<String> {
        match (&view.account.funds, view.account.drawdown) {
            (None, _) => Some("the broker has not told the account's balance".to_owned()),
            (Some(_), None) => Some("the mark is not set yet".to_owned()),
            (Some(_), Some(_)) => None,
        }
    }
}

impl MaxDrawdown {
    /// The equity at which the rule is broken, in dollars.
    fn floor(&self, drawdown: Drawdown) -> Money {
        let floor = self.reference(drawdown) - self.limit;
        if self.stops_at_start { floor.min(drawdown.starting_balance) } else { floor }
    }

    /// From where the drawdown is reckoned, in dollars.
    fn reference(&self, drawdown: Drawdown) -> Money {
        match self.mode {
            Mode::TrailingIntraday | Mode::TrailingEndOfDay => drawdown.high_water_mark,
            Mode::Static => drawdown.starting_balance,
        }
    }

    fn words(&self) -> String {
        if self.stops_at_start {
            format!("at most {:#}", self.limit)
        } else {
            format!("{:#}", self.limit)
        }
    }
}

/// What the account is worth in dollars, and whether every position has a price.
fn equity(view: &AccountView<'_>) -> Option<(Money, bool)> {
    let cash = view.account.funds.as_ref()?.cash();
    let total = view.total_unrealized_pnl();
    Some((cash + total.unrealized_pnl, total.unpriced_positions == 0))
}

/// The same, absent while news that belong together are still coming in.
fn settled_equity(view: &AccountView<'_>) -> Option<(Money, bool)> {
    view.account.funds.as_ref().filter(|funds| funds.is_settled(view.at))?;
    equity(view)
}

/// The balance with which the present day began: what was realized today taken off. When the day has just turned, the
/// P&L of what is held over its turn belongs to it too.
fn balance_at_day_start(view: &AccountView<'_>) -> Option<Money> {
    let session = &view.account.session;
    let cash = view.account.funds.as_ref()?.cash() - session.realized_pnl() + session.fees();
    let age_ms = crate::model::milliseconds_between(session.starts_at(), view.at);
    let total = view.total_unrealized_pnl();
    let has_just_turned = (0..=DAY_JUST_TURNED_MS).contains(&age_ms) && total.unpriced_positions == 0;
    Some(if has_just_turned { cash + total.unrealized_pnl } else { cash })
}
