//! What people are told, and how several of them read together.

use std::cmp::Reverse;

use jiff::Timestamp;
use riskd_core::model::AccountId;
use serde::Serialize;

use super::code::{AlarmCode, Severity};

/// No line of a message is longer, in characters: what a broker says may be.
const LONGEST_LINE: usize = 400;

/// What a message is about to say of its alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It happened, or got worse.
    Raised,
    /// It still is so. Sent without a sound.
    Repeated,
    /// It is over.
    Resolved,
}

/// One thing to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// What it is about.
    pub code: AlarmCode,
    /// How bad it is.
    pub severity: Severity,
    /// Whether it began, goes on, or is over.
    pub state: State,
    /// The account, where it is about one.
    pub account_id: Option<AccountId>,
    /// In a sentence.
    pub message: String,
    /// When it began.
    #[serde(serialize_with = "as_text")]
    pub since: Timestamp,
    /// When this was said.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
}

impl Message {
    fn line(&self) -> String {
        let sign = match (self.state, self.severity) {
            (State::Resolved, _) => "✅ OVER",
            (_, Severity::Critical) => "🛑 CRITICAL",
            (_, Severity::Warning) => "⚠️ WARNING",
            (_, Severity::Info) => "ℹ️ INFO",
        };
        let goes_on = if self.state == State::Repeated { "still so: " } else { "" };
        let began = self.since.strftime("%H:%M:%S UTC");
        shortened(&format!("{sign} {goes_on}{} [{}, since {began}]", self.message, self.code))
    }
}

/// Messages that go out together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The worst first.
    pub messages: Vec<Message>,
    /// Messages that were let go since the last batch.
    pub dropped: u64,
}

impl Batch {
    /// A batch of these, the worst first.
    pub fn new(mut messages: Vec<Message>, dropped: u64) -> Self {
        messages.sort_by_key(|message| (message.state == State::Resolved, Reverse(message.severity)));
        Self { messages, dropped }
    }

    /// Whether it may come without a sound: nothing in it is new.
    pub fn is_quiet(&self) -> bool {
        self.messages.iter().all(|message| message.state == State::Repeated)
    }

    /// Its text, a line a message, in at most `limit` characters. What does not fit is counted.
    pub fn text(&self, limit: usize) -> String {
        let mut lines: Vec<String> = self.messages.iter().map(Message::line).collect();
        if self.dropped > 0 {
            lines.push(format!("({} earlier messages could not be delivered and were let go)", self.dropped));
        }
        let (mut text, mut length, mut left) = (String::from("riskd"), 5, lines.len());
        for line in &lines {
            let more = format!("\n… and {left} more: see `riskd log` and the dashboard");
            let needed = line.chars().count() + 1;
            let room_for_more = if left > 1 { more.chars().count() } else { 0 };
            if length + needed + room_for_more > limit {
                text.push_str(&more);
                return text.chars().take(limit).collect();
            }
            text.push('\n');
            text.push_str(line);
            length += needed;
            left -= 1;
        }
        text
    }
}

/// A time as RFC 3339 in UTC.
pub(super) fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// A text in one line of bearable length.
fn shortened(text: &str) -> String {
    let one_line = text.replace(['\n', '\r'], " ");
    if one_line.chars().count() <= LONGEST_LINE {
        return one_line;
    }
    one_line.chars().take(LONGEST_LINE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(severity: Severity, state: State, text: &str) -> Message {
        let at = Timestamp::UNIX_EPOCH;
        let code = AlarmCode::LockoutSet;
        Message { code, severity, state, account_id: None, message: text.to_owned(), since: at, at }
    }

    #[test]
    fn the_worst_stands_first_and_what_is_over_last() {
        let batch = Batch::new(
            vec![
                message(Severity::Critical, State::Resolved, "d"),
                message(Severity::Info, State::Raised, "c"),
                message(Severity::Warning, State::Repeated, "b"),
                message(Severity::Critical, State::Raised, "a"),
            ],
            3,
        );
        assert_eq!(
            batch.text(2000),
            "riskd\n🛑 CRITICAL a [lockout_set, since 00:00:00 UTC]\n\
             ⚠️ WARNING still so: b [lockout_set, since 00:00:00 UTC]\n\
             ℹ️ INFO c [lockout_set, since 00:00:00 UTC]\n✅ OVER d [lockout_set, since 00:00:00 UTC]\n\
             (3 earlier messages could not be delivered and were let go)"
        );
        assert!(!batch.is_quiet());
        assert!(Batch::new(vec![message(Severity::Critical, State::Repeated, "a")], 0).is_quiet());
    }

    #[test]
    fn four_hundred_accounts_fit_into_any_channel() {
        let messages: Vec<_> =
            (0..400).map(|n| message(Severity::Warning, State::Raised, &format!("account {n} is locked"))).collect();
        for limit in [200, 2000, 4096] {
            let text = Batch::new(messages.clone(), 0).text(limit);
            let shown = text.lines().filter(|line| line.contains("is locked")).count();
            assert!(text.chars().count() <= limit, "{limit}");
            assert!(shown > 0 && text.contains(&format!("… and {} more", 400 - shown)), "{text}");
        }
        let long = Batch::new(vec![message(Severity::Warning, State::Raised, &"ä\n".repeat(9_000))], 0).text(2000);
        assert_eq!(long.lines().count(), 2);
        assert!(long.chars().count() < 500);
    }
}
