//! RULE-015 `news_window`: no new positions, or none at all, around scheduled events.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::closed_hours::{Block, Offenders, names, next_hanging};
use super::{Breach, LockTerm, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{ContractId, Impact, NewsCalendar, NewsEvent, RuleId};
use crate::state::AccountView;

const KEY: &str = "news_window";
const DEFAULT_MINUTES: i64 = 5;
/// The longest wait before or after an event, in minutes.
const MOST_MINUTES: i64 = 24 * 60;

/// The options of `news_window`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// The calendar file.
    pub calendar: Option<String>,
    /// How long before an event the window opens, in minutes. Default 5.
    pub minutes_before: Option<i64>,
    /// How long after an event the window closes, in minutes. Default 5.
    pub minutes_after: Option<i64>,
    /// What happens in the window. Default `block`.
    #[serde(default)]
    pub action: Action,
    /// The events that count, by impact. Default all.
    pub impacts: Option<Vec<Impact>>,
    /// What the file says: read by whoever reads files.
    #[serde(skip)]
    pub events: Option<Arc<NewsCalendar>>,
}

/// What happens around an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing new: what is held may stay, and orders that close it.
    #[default]
    #[serde(alias = "BLOCK")]
    Block,
    /// Nothing at all: everything is closed when the window opens, and the account locked until it closes.
    #[serde(alias = "BLOCK_AND_FLATTEN")]
    BlockAndFlatten,
}

impl Config {
    /// The rule, with its options checked.
    pub fn build(&self) -> Result<NewsWindow, RuleConfigError> {
        let wrong = |option, problem: &str| RuleConfigError { rule: KEY, option, problem: problem.to_owned() };
        if self.calendar.as_deref().is_none_or(|file| file.trim().is_empty()) {
            return Err(wrong("calendar", "must name the calendar file"));
        }
        let calendar = self.events.clone().ok_or_else(|| wrong("calendar", "the file was not read"))?;
        let minutes = |option, given: Option<i64>| {
            let minutes = given.unwrap_or(DEFAULT_MINUTES);
            if (0..=MOST_MINUTES).contains(&minutes) {
                Ok(minutes)
            } else {
                Err(wrong(option, "must be 0 to 1440 minutes"))
            }
        };
        let (before, after) =
            (minutes("minutes_before", self.minutes_before)?, minutes("minutes_after", self.minutes_after)?);
        if before + after == 0 {
            return Err(wrong("minutes_after", "a window of no length never blocks: give minutes_before or minutes_after"));
        }
        let counts = |event: &&NewsEvent| self.impacts.as_ref().is_none_or(|impacts| impacts.contains(&event.impact));
        let events: Vec<NewsEvent> = calendar.events().iter().filter(counts).cloned().collect();
        Ok(NewsWindow {
            events,
            before: SignedDuration::from_mins(before),
            after: SignedDuration::from_mins(after),
            action: self.action,
        })
    }
}

/// RULE-015.
#[derive(Debug)]
pub struct NewsWindow {
    /// The earliest first.
    events: Vec<NewsEvent>,
    before: SignedDuration,
    after: SignedDuration,
    action: Action,
}

/// Events whose windows overlap, as one.
#[derive(Debug, Clone, Copy)]
struct Window<'a> {
    opens_at: Timestamp,
    closes_at: Timestamp,
    /// The event whose own window it is at the moment.
    event: &'a NewsEvent,
}

impl Rule for NewsWindow {
    fn id(&self) -> RuleId {
        RuleId::NEWS_WINDOW
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        matches!(trigger, Trigger::Position(_) | Trigger::Order(_) | Trigger::Time)
    }

    fn check(&self, view: &AccountView<'_>, _trigger: &Trigger) -> Verdict {
        let spares_what_was_held = self.action == Action::Block;
        let offenders = Offenders::find(view, |contract_id| {
            let window = self.window_of(view, contract_id)?;
            Some(Block { since: window.opens_at, spares_what_was_held })
        });
        let contracts = offenders.contracts();
        let Some(window) = contracts.first().and_then(|contract_id| self.window_of(view, contract_id)) else {
            return Verdict::Within;
        };
        let reason = |window: &Window<'_>| {
            let event = window.event;
            let (title, at, closes_at) = (&event.title, event.at, window.closes_at);
            format!("{} in the news window of {title:?} at {at}, which closes at {closes_at}", offenders.describe())
        };
        let of_all = self.window(view.at, |event| event.symbols.is_empty());
        Verdict::Breached(Box::new(match (self.action, of_all) {
            (Action::Block, _) => offenders.clear_only_these(reason(&window)),
            (Action::BlockAndFlatten, Some(window)) => {
                Breach::close_all_and_lock(LockTerm::Until(window.closes_at), reason(&window), None)
            }
            (Action::BlockAndFlatten, None) => offenders.clear_the_products(reason(&window)),
        }))
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            self.before < old.before
                || self.after < old.after
                || self.action == Action::Block && old.action == Action::BlockAndFlatten
                || !old.events.iter().all(|event| self.events.contains(event))
        })
    }

    fn sentence(&self) -> String {
        let (before, after) = (self.before.as_mins(), self.after.as_mins());
        let what = match self.action {
            Action::Block => "new positions are closed and orders that would open one cancelled",
            Action::BlockAndFlatten => {
                "everything is closed and the account locked until the window closes (for an event of some products: \
                 those are closed)"
            }
        };
        format!("From {before} minutes before to {after} minutes after each of {} events, {what}.", self.events.len())
    }

    fn next_moment(&self, view: &AccountView<'_>) -> Option<Timestamp> {
        let next = self.events.partition_point(|event| self.opens_at(event) <= view.at);
        let opens = self.events.get(next).map(|event| self.opens_at(event));
        opens.into_iter().chain(next_hanging(view)).min()
    }

    fn not_armed(&self, view: &AccountView<'_>) -> Option<String> {
        match self.events.last() {
            None => Some("the calendar lists no event that counts".to_owned()),
            Some(last) if self.closes_at(last) <= view.at => {
                Some(format!("the calendar ends with {:?} at {}: later events are not known", last.title, last.at))
            }
            Some(_) => None,
        }
    }
}

impl NewsWindow {
    fn opens_at(&self, event: &NewsEvent) -> Timestamp {
        event.at.saturating_sub(self.before).unwrap_or(Timestamp::MIN)
    }

    fn closes_at(&self, event: &NewsEvent) -> Timestamp {
        event.at.saturating_add(self.after).unwrap_or(Timestamp::MAX)
    }

    fn window_of(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Option<Window<'_>> {
        self.window(view.at, |event| {
            event.symbols.is_empty() || event.symbols.iter().any(|root| names(view, root, contract_id))
        })
    }

    /// The window at a moment, made of every event that counts and whose window touches it, one after the other.
    fn window(&self, at: Timestamp, counts: impl Fn(&NewsEvent) -> bool) -> Option<Window<'_>> {
        // All windows are equally long, so they open and close in the order of their events.
        let first = self.events.partition_point(|event| self.closes_at(event) <= at);
        let event = self.events[first..].iter().take_while(|event| self.opens_at(event) <= at).find(|event| counts(event))?;
        let mut window = Window { opens_at: self.opens_at(event), closes_at: self.closes_at(event), event };
        let position = self.events.iter().position(|listed| std::ptr::eq(listed, event))?;
        for earlier in self.events[..position].iter().rev().filter(|event| counts(event)) {
            if self.closes_at(earlier) < window.opens_at {
                break;
            }
            window.opens_at = self.opens_at(earlier);
        }
        for later in self.events[position..].iter().filter(|event| counts(event)) {
            if self.opens_at(later) > window.closes_at {
                break;
            }
            window.closes_at = self.closes_at(later);
        }
        Some(window)
    }
}
