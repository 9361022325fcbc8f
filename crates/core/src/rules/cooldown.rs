//! What the rules that lead to a cooldown share: when a pause ends, and which trades may still begin one.

use jiff::Timestamp;

use super::RuleConfigError;
use crate::model::{milliseconds_between, time_after_ms};
use crate::state::{AccountView, KnownTrade};

/// How long after a pause would have been over its trade still begins one, in milliseconds; and how long that one lasts
/// at most. A trade that a gap held back must not escape; one that is long past locks nobody.
pub(super) const LATE_MS: i64 = 60_000;
/// The longest pause and the longest window, in seconds: a week.
const LONGEST_S: i64 = 7 * 24 * 3_600;

/// When the pause ends that a trade begins, in the trade's own time.
///
/// The same trade gives the same end whenever it is asked, so a pause that ran out never begins again. Only a trade that
/// was learned of just after its pause would have been over is paused for from then on.
pub(super) fn pause_ends(executed_at: Timestamp, learned_at: Option<Timestamp>, pause_s: i64) -> Timestamp {
    let pause_ms = pause_s.saturating_mul(1_000);
    let ends_at = time_after_ms(executed_at, pause_ms);
    match learned_at {
        Some(learned_at) if (0..=LATE_MS).contains(&milliseconds_between(ends_at, learned_at)) => {
            time_after_ms(learned_at, pause_ms.min(LATE_MS))
        }
        Some(_) | None => ends_at,
    }
}

/// Whether a trade may begin a pause: not if it was known, or made, before an admin's last unlock.
pub(super) fn may_begin_a_pause(view: &AccountView<'_>, trade: &KnownTrade<'_>) -> bool {
    view.account.locks.pardoned_at().is_none_or(|pardoned_at| {
        trade.learned_at.map_or(trade.trade.execution_time > pardoned_at, |learned_at| learned_at > pardoned_at)
    })
}

/// Seconds of an option: more than 0, at most a week.
pub(super) fn seconds(rule: &'static str, option: &'static str, given: i64) -> Result<i64, RuleConfigError> {
    if (1..=LONGEST_S).contains(&given) {
        return Ok(given);
    }
    let problem = format!("{given} is not a time: give more than 0 and at most a week, in the option's unit");
    Err(RuleConfigError { rule, option, problem })
}

/// `90 s`, `5 min`, `1 h`: a time as people say it.
pub(super) fn spoken(seconds: i64) -> String {
    match seconds {
        _ if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        _ if seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
