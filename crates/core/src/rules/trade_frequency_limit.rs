//! RULE-006 `trade_frequency_limit`: a trader who trades too often pauses. Nothing is closed.

use jiff::Timestamp;

use super::cooldown::{LATE_MS, may_begin_a_pause, pause_ends, seconds, spoken};
use super::{Breach, Gauge, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{RuleId, milliseconds_between, time_after_ms};
use crate::state::{AccountView, KnownTrade};

const KEY: &str = "trade_frequency_limit";
const DEFAULT_MAX_TRADES: i64 = 30;
const DEFAULT_WINDOW_MINUTES: i64 = 60;

/// The options of `trade_frequency_limit`, in either dialect.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// The most trades in the window; more is a breach. Default 30.
    pub max_trades: Option<i64>,
    /// The window, in minutes. Default 60.
    pub time_window_minutes: Option<i64>,
    /// How long the pause lasts, in seconds. Default: as long as the window.
    pub cooldown_seconds: Option<i64>,
    /// The other dialect: limits by window.
    pub limits: Option<Limits>,
    /// The pauses of that dialect.
    pub cooldown_on_breach: Option<Pauses>,
}

/// The most trades by window. A window that is left out is not watched.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// In any 60 seconds.
    pub per_minute: Option<i64>,
    /// In any 3,600 seconds.
    pub per_hour: Option<i64>,
    /// In a trading day.
    pub per_session: Option<i64>,
}

/// How long each breach pauses, in seconds.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pauses {
    /// Default 60.
    pub per_minute_breach: i64,
    /// Default 1800.
    pub per_hour_breach: i64,
    /// Default 3600.
    pub per_session_breach: i64,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { per_minute_breach: 60, per_hour_breach: 1_800, per_session_breach: 3_600 }
    }
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<TradeFrequencyLimit, RuleConfigError> {
        let windows = match &self.limits {
            Some(limits) => self.by_window(limits)?,
            None if self.cooldown_on_breach.is_some() => {
                return Err(wrong("cooldown_on_breach", "stands without limits: give limits, or cooldown_seconds"));
            }
            None => vec![self.single_window()?],
        };
        Ok(TradeFrequencyLimit { windows })
    }

    fn single_window(&self) -> Result<Window, RuleConfigError> {
        let minutes = self.time_window_minutes.unwrap_or(DEFAULT_WINDOW_MINUTES);
        let length = seconds(KEY, "time_window_minutes", minutes.saturating_mul(60))?;
        Ok(Window {
            span: Span::Rolling(length),
            limit: limit("max_trades", self.max_trades.unwrap_or(DEFAULT_MAX_TRADES))?,
            pause_s: self.cooldown_seconds.map_or(Ok(length), |given| seconds(KEY, "cooldown_seconds", given))?,
        })
    }

    fn by_window(&self, limits: &Limits) -> Result<Vec<Window>, RuleConfigError> {
        let beside = [
            ("max_trades", self.max_trades),
            ("time_window_minutes", self.time_window_minutes),
            ("cooldown_seconds", self.cooldown_seconds),
        ];
        if let Some((option, _)) = beside.into_iter().find(|(_, given)| given.is_some()) {
            return Err(wrong(option, "stands beside limits: give one of the two"));
        }
        let pauses = self.cooldown_on_breach.clone().unwrap_or_default();
        let windows = [
            (Span::Rolling(60), limits.per_minute, pauses.per_minute_breach),
            (Span::Rolling(3_600), limits.per_hour, pauses.per_hour_breach),
            (Span::Session, limits.per_session, pauses.per_session_breach),
        ];
        let windows: Vec<Window> = windows
            .into_iter()
            .filter_map(|(span, given, pause_s)| Some((span, given?, pause_s)))
            .map(|(span, given, pause_s)| {
                let pause_s = seconds(KEY, "cooldown_on_breach", pause_s)?;
                Ok(Window { span, limit: limit("limits", given)?, pause_s })
            })
            .collect::<Result<_, RuleConfigError>>()?;
        if windows.is_empty() {
            return Err(wrong("limits", "limits nothing: give per_minute, per_hour or per_session"));
        }
        Ok(windows)
    }
}

fn limit(option: &'static str, given: i64) -> Result<i64, RuleConfigError> {
    if given < 0 { Err(wrong(option, "must be 0 or more trades")) } else { Ok(given) }
}

fn wrong(option: &'static str, problem: &str) -> RuleConfigError {
    RuleConfigError { rule: KEY, option, problem: problem.to_owned() }
}

/// RULE-006.
#[derive(Debug)]
pub struct TradeFrequencyLimit {
    windows: Vec<Window>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    span: Span,
    limit: i64,
    pause_s: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    /// So many seconds up to a trade; a trade exactly as long before it is out.
    Rolling(i64),
    /// The trading day.
    Session,
}

/// A pause that some trade demands.
struct Pause {
    until: Timestamp,
    window: Window,
    count: usize,
}

impl Rule for TradeFrequencyLimit {
    fn id(&self) -> RuleId {
        RuleId::TRADE_FREQUENCY_LIMIT
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Trades)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let trades = in_order(view);
        let pauses = self.windows.iter().filter_map(|window| window.longest_pause(view, &trades));
        let Some(longest) = pauses.max_by_key(|pause| pause.until).filter(|pause| pause.until > view.at) else {
            return Verdict::Within;
        };
        let Window { span, limit, pause_s } = longest.window;
        let reason =
            format!("{} trades {}, limit {limit}: a pause of {}", longest.count, span.spoken(), spoken(pause_s));
        Verdict::Breached(Box::new(Breach::cooldown(longest.until, reason, None)))
    }

    fn sentence(&self) -> String {
        let parts: Vec<String> = self
            .windows
            .iter()
            .map(|window| format!("{} trades {} ({})", window.limit, window.span.spoken(), spoken(window.pause_s)))
            .collect();
        format!("Above {}, nothing new may be opened for the time in brackets; what is open stays.", parts.join(" or "))
    }

    fn gauges(&self, view: &AccountView<'_>) -> Vec<Gauge> {
        let trades = in_order(view);
        let used = |window: &Window| trades.iter().filter(|trade| window.holds(view, trade)).count() as i64;
        self.windows.iter().map(|window| Gauge::trades(used(window), window.limit)).collect()
    }

    fn looks_back_ms(&self) -> i64 {
        let back = |window: &Window| match window.span {
            Span::Rolling(length_s) => length_s + window.pause_s,
            Span::Session => window.pause_s,
        };
        self.windows.iter().map(back).max().unwrap_or(0).saturating_mul(1_000) + LATE_MS
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        let Some(old) = in_force.as_any().downcast_ref::<Self>() else {
            return true;
        };
        // Every old window must still be there, or a wider one, with as low a limit and as long a pause.
        !old.windows.iter().all(|old| self.windows.iter().any(|new| new.is_as_strict_as(old)))
    }
}

impl Window {
    /// The latest end of a pause that any trade demands under this window.
    fn longest_pause(&self, view: &AccountView<'_>, trades: &[KnownTrade<'_>]) -> Option<Pause> {
        let mut first = 0;
        let mut longest: Option<Pause> = None;
        for (last, trade) in trades.iter().enumerate() {
            while !self.reaches_back_to(&trades[first], trade) {
                first += 1;
            }
            let inside = &trades[first..=last];
            if inside.len() as i64 <= self.limit || !may_begin_a_pause(view, trade) {
                continue;
            }
            let learned_at = inside.iter().filter_map(|trade| trade.learned_at).max();
            let until = pause_ends(trade.trade.execution_time, learned_at, self.pause_s);
            if longest.as_ref().is_none_or(|longest| until >= longest.until) {
                longest = Some(Pause { until, window: *self, count: inside.len() });
            }
        }
        longest
    }

    fn reaches_back_to(&self, earlier: &KnownTrade<'_>, trade: &KnownTrade<'_>) -> bool {
        match self.span {
            Span::Rolling(length_s) => {
                let reaches = time_after_ms(trade.trade.execution_time, -length_s.saturating_mul(1_000));
                earlier.trade.execution_time > reaches
            }
            Span::Session => earlier.day == trade.day,
        }
    }

    /// Whether a trade lies in the window that ends now.
    fn holds(&self, view: &AccountView<'_>, trade: &KnownTrade<'_>) -> bool {
        match self.span {
            Span::Rolling(length_s) => {
                milliseconds_between(trade.trade.execution_time, view.at) < length_s.saturating_mul(1_000)
            }
            Span::Session => trade.day == view.account.session.day(),
        }
    }

    fn is_as_strict_as(&self, other: &Self) -> bool {
        let covers = match (self.span, other.span) {
            (Span::Rolling(mine), Span::Rolling(theirs)) => mine >= theirs,
            (Span::Session, Span::Session) => true,
            (Span::Rolling(_), Span::Session) | (Span::Session, Span::Rolling(_)) => false,
        };
        covers && self.limit <= other.limit && self.pause_s >= other.pause_s
    }
}

impl Span {
    fn spoken(self) -> String {
        match self {
            Self::Rolling(length_s) => format!("in {}", spoken(length_s)),
            Self::Session => "in a trading day".to_owned(),
        }
    }
}

/// Every trade that counts, by its own time.
fn in_order<'a>(view: &AccountView<'a>) -> Vec<KnownTrade<'a>> {
    let mut trades: Vec<_> = view.account.trades().filter(|known| !known.trade.voided).collect();
    trades.sort_by_key(|known| (known.trade.execution_time, known.trade.id));
    trades
}
