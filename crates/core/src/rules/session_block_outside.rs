//! RULE-009 `session_block_outside`: nothing is held or ordered outside the trading session.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::closed_hours::{Block, Offenders, names, next_hanging, time_zone, wall_clock};
use super::{Breach, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{ContractId, HolidayCalendar, RuleId, TradingHours};
use crate::state::AccountView;

const KEY: &str = "session_block_outside";

/// The options of `session_block_outside`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// The session of every product without one of its own.
    pub allowed_hours: Option<Hours>,
    /// The IANA time zone of sessions that name none. Default America/New_York.
    pub timezone: Option<String>,
    /// The same as `allowed_hours`, in the other spelling.
    pub global_session: Option<Hours>,
    /// Sessions of single products, by symbol root.
    pub per_instrument_sessions: Option<PerInstrument>,
    /// Whether positions are closed and orders cancelled when the session ends. Default true.
    #[serde(default = "enabled_by_default")]
    pub close_positions_at_session_end: bool,
    /// Whether the account is locked until the next session starts. Default true.
    #[serde(default = "enabled_by_default")]
    pub lockout_outside_session: bool,
    /// A file of holidays and early closes.
    #[serde(alias = "holidays_file")]
    pub holidays: Option<String>,
    /// Whether that file is heeded. Default true.
    #[serde(default = "enabled_by_default")]
    pub respect_holidays: bool,
    /// What that file says: read by whoever reads files.
    #[serde(skip)]
    pub calendar: Option<Arc<HolidayCalendar>>,
}

/// A session's hours.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Whether they hold. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// When it opens, `09:30`.
    pub start: String,
    /// When it closes, `16:00`. Not after the start: the session crosses midnight.
    pub end: String,
    /// The IANA time zone of both.
    pub timezone: Option<String>,
}

/// Sessions of single products: `{ES: {start, end}, …}`, or the same under `sessions`, beside `enabled`.
#[derive(Debug, Clone)]
pub struct PerInstrument {
    /// Whether they hold. Default true.
    pub enabled: bool,
    /// By symbol root.
    pub sessions: BTreeMap<String, Hours>,
}

impl<'de> serde::Deserialize<'de> for PerInstrument {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = PerInstrument;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("sessions by symbol root, such as ES: { start: \"18:00\", end: \"17:00\" }")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<PerInstrument, A::Error> {
                let mut read = PerInstrument { enabled: true, sessions: BTreeMap::new() };
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "enabled" => read.enabled = map.next_value()?,
                        "sessions" => read.sessions.extend(map.next_value::<BTreeMap<String, Hours>>()?),
                        _ => {
                            let hours = map.next_value()?;
                            read.sessions.insert(key, hours);
                        }
                    }
                }
                Ok(read)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<SessionBlockOutside, RuleConfigError> {
        let wrong = |option, problem: String| RuleConfigError { rule: KEY, option, problem };
        if self.respect_holidays && self.holidays.is_some() && self.calendar.is_none() {
            return Err(wrong("holidays", "the file was not read".to_owned()));
        }
        let (option, given) = match (&self.allowed_hours, &self.global_session) {
            (Some(_), Some(_)) => {
                return Err(wrong("global_session", "stands beside allowed_hours: give one of the two".to_owned()));
            }
            (Some(hours), None) => ("allowed_hours", Some(hours)),
            (None, hours) => ("global_session", hours.as_ref()),
        };
        let given = given.filter(|hours| hours.enabled);
        let global = given.map(|hours| self.hours(hours).map_err(|problem| wrong(option, problem))).transpose()?;
        let mut by_root = Vec::new();
        for (root, hours) in self.per_instrument_sessions.iter().filter(|all| all.enabled).flat_map(|all| &all.sessions) {
            if hours.enabled {
                let read = self.hours(hours).map_err(|problem| format!("{root}: {problem}"));
                by_root.push((root.clone(), read.map_err(|problem| wrong("per_instrument_sessions", problem))?));
            }
        }
        if global.is_none() && by_root.is_empty() {
            let problem = "no session is given: allowed_hours, global_session or per_instrument_sessions";
            return Err(wrong("allowed_hours", problem.to_owned()));
        }
        Ok(SessionBlockOutside {
            global,
            by_root,
            closes_at_session_end: self.close_positions_at_session_end,
            locks: self.lockout_outside_session,
        })
    }

    fn hours(&self, hours: &Hours) -> Result<TradingHours, String> {
        let zone = time_zone(hours.timezone.as_deref().or(self.timezone.as_deref()))?;
        let holidays = self.calendar.clone().filter(|_| self.respect_holidays);
        Ok(TradingHours::new(wall_clock(&hours.start)?, wall_clock(&hours.end)?, zone, holidays))
    }
}

/// RULE-009.
#[derive(Debug)]
pub struct SessionBlockOutside {
    global: Option<TradingHours>,
    by_root: Vec<(String, TradingHours)>,
    closes_at_session_end: bool,
    locks: bool,
}

impl Rule for SessionBlockOutside {
    fn id(&self) -> RuleId {
        RuleId::SESSION_BLOCK_OUTSIDE
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Order(_) | Trigger::Time)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let offenders = Offenders::find(view, |contract_id| self.block_of(view, contract_id));
        let Some(contract_id) = offenders.contracts().into_iter().next() else {
            return Verdict::Within;
        };
        let hours = self.hours_of(view, &contract_id);
        let next = hours.and_then(|hours| hours.next_opening(view.at));
        let session = hours.map(TradingHours::describe).unwrap_or_default();
        let starts = match (hours, next) {
            (Some(hours), Some(next)) => format!("the next one starts {}", hours.show(next)),
            _ => "the calendar leaves no next one within a year".to_owned(),
        };
        let reason = format!("{} outside the session {session}; {starts}", offenders.describe());
        // With sessions of single products the others may be open: nobody is locked out of those.
        Verdict::Breached(Box::new(match (self.by_root.is_empty(), self.locks, self.closes_at_session_end) {
            (true, true, _) => Breach::close_all_and_lock(lock_until(next), reason, None),
            (true, false, true) => offenders.clear_the_account(reason),
            (false, _, true) => offenders.clear_the_products(reason),
            (_, _, false) => offenders.clear_only_these(reason),
        }))
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            // Other hours are shorter somewhere and longer elsewhere, for all anybody can tell: they wait.
            self.global != old.global
                || self.by_root != old.by_root
                || old.closes_at_session_end && !self.closes_at_session_end
                || old.locks && !self.locks
        })
    }

    fn sentence(&self) -> String {
        let mut sessions: Vec<String> = self.global.iter().map(TradingHours::describe).collect();
        sessions.extend(self.by_root.iter().map(|(root, hours)| format!("{root} {}", hours.describe())));
        let held = if self.closes_at_session_end { "everything" } else { "whatever was opened there" };
        let what = match (self.by_root.is_empty(), self.locks) {
            (true, true) if self.closes_at_session_end => {
                "everything is closed and the account locked until the next session".to_owned()
            }
            (true, true) => {
                "a new position or order closes everything and locks the account until the next session".to_owned()
            }
            (true, false) => format!("{held} is closed and cancelled"),
            (false, _) => format!("{held} in the product is closed and cancelled"),
        };
        let holidays = match self.any_holidays() {
            Some(calendar) => format!(", {} holidays and early closes heeded", calendar.days.len()),
            None => String::new(),
        };
        format!("Outside the session ({}, Monday to Friday{holidays}), {what}.", sessions.join(", "))
    }

    fn next_moment(&self, view: &AccountView<'_>) -> Option<Timestamp> {
        let all = self.global.iter().chain(self.by_root.iter().map(|(_, hours)| hours));
        let ends = all.filter_map(|hours| hours.session_at(view.at)).map(|session| session.closes_at);
        ends.chain(next_hanging(view)).min()
    }

    fn not_armed(&self, view: &AccountView<'_>) -> Option<String> {
        let all = || self.global.iter().chain(self.by_root.iter().map(|(_, hours)| hours));
        let ended = all().find_map(|hours| {
            let last = hours.holidays()?.last_date();
            (last.is_none_or(|last| last < hours.date_of(view.at))).then_some(last)
        });
        match ended {
            Some(Some(last)) => Some(format!("the holiday calendar ends on {last}: later holidays are not known")),
            Some(None) => Some("the holiday calendar lists no day".to_owned()),
            None if all().any(|hours| hours.next_opening(view.at).is_none()) => {
                Some("the holiday calendar leaves no session within a year".to_owned())
            }
            None => None,
        }
    }
}

impl SessionBlockOutside {
    fn hours_of(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Option<&TradingHours> {
        let own = self.by_root.iter().find(|(root, _)| names(view, root, contract_id));
        own.map(|(_, hours)| hours).or(self.global.as_ref())
    }

    fn block_of(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Option<Block> {
        let hours = self.hours_of(view, contract_id)?;
        if hours.session_at(view.at).is_some() {
            return None;
        }
        let since = hours.session_before(view.at).map_or(Timestamp::MIN, |session| session.closes_at);
        Some(Block { since, spares_what_was_held: !self.closes_at_session_end })
    }

    fn any_holidays(&self) -> Option<&HolidayCalendar> {
        self.global.iter().chain(self.by_root.iter().map(|(_, hours)| hours)).find_map(TradingHours::holidays)
    }
}

/// Without a next session the day's turn is as good as any moment: then it is looked at again.
fn lock_until(next: Option<Timestamp>) -> LockTerm {
    next.map_or(LockTerm::UntilDailyReset, LockTerm::Until)
}
