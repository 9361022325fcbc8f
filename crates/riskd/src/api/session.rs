//! Admins who are logged in. Kept in memory only: a restart logs everybody out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::password::random_token;

/// The cookie that holds an admin's session.
pub(super) const ADMIN_COOKIE: &str = "riskd_admin";
/// Sessions at a time; the oldest makes room.
const MOST_SESSIONS: usize = 32;

/// Who is logged in.
#[derive(Debug)]
pub(super) struct Sessions {
    idle: SignedDuration,
    longest: SignedDuration,
    open: Mutex<Vec<Session>>,
}

#[derive(Debug)]
struct Session {
    token: SecretString,
    began_at: Timestamp,
    used_at: Timestamp,
}

impl Sessions {
    pub(super) fn new(idle: Duration, longest: Duration) -> Self {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self { idle: signed(idle), longest: signed(longest), open: Mutex::default() }
    }

    /// Logs somebody in; gives their token and when the session ends if nothing is done.
    pub(super) fn begin(&self, now: Timestamp) -> (SecretString, Timestamp) {
        let token = random_token();
        let session = Session { token: token.clone(), began_at: now, used_at: now };
        let ends_at = self.ends_at(&session);
        let mut open = self.open(now);
        if open.len() >= MOST_SESSIONS {
            open.remove(0);
        }
        open.push(session);
        (token, ends_at)
    }

    /// Whether this token is an open session's, and when that ends. Does not prolong it.
    pub(super) fn find(&self, token: Option<&str>, now: Timestamp) -> Option<Timestamp> {
        let token = token?;
        self.open(now).iter().find(|session| session.is(token)).map(|session| self.ends_at(session))
    }

    /// The same for somebody who does something: that prolongs the session.
    pub(super) fn use_now(&self, token: Option<&str>, now: Timestamp) -> Option<Timestamp> {
        let token = token?;
        let mut open = self.open(now);
        let session = open.iter_mut().find(|session| session.is(token))?;
        session.used_at = now;
        Some(self.ends_at(session))
    }

    /// Logs out.
    pub(super) fn end(&self, token: Option<&str>, now: Timestamp) {
        if let Some(token) = token {
            self.open(now).retain(|session| !session.is(token));
        }
    }

    fn ends_at(&self, session: &Session) -> Timestamp {
        let after = |at: Timestamp, wait| at.saturating_add(wait).unwrap_or(Timestamp::MAX);
        after(session.used_at, self.idle).min(after(session.began_at, self.longest))
    }

    /// The sessions that are not over.
    fn open(&self, now: Timestamp) -> std::sync::MutexGuard<'_, Vec<Session>> {
        // Each change is of one entry: a panic elsewhere leaves nothing half done.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|session| now < self.ends_at(session));
        open
    }
}

impl Session {
    fn is(&self, token: &str) -> bool {
        same_secret(token, self.token.expose_secret())
    }
}

/// Whether two secrets are the same, in a time that tells only their lengths.
pub(super) fn same_secret(one: &str, other: &str) -> bool {
    subtle::ConstantTimeEq::ct_eq(one.as_bytes(), other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    fn sessions() -> Sessions {
        Sessions::new(Duration::from_secs(15 * 60), Duration::from_secs(60 * 60))
    }

    #[test]
    fn ends_after_idleness_and_after_its_longest_time() {
        let sessions = sessions();
        let (token, ends_at) = sessions.begin(at(0));
        let token = Some(token.expose_secret());
        assert_eq!(ends_at, at(15));
        assert_eq!(sessions.find(token, at(14)), Some(at(15)), "looking prolongs nothing");
        for (minute, ends) in [(14, 29), (28, 43), (42, 57), (56, 60)] {
            assert_eq!(sessions.use_now(token, at(minute)), Some(at(ends)), "minute {minute}");
        }
        assert_eq!(sessions.find(token, at(60)), None);
        let (token, _) = sessions.begin(at(100));
        assert_eq!(sessions.use_now(Some(token.expose_secret()), at(115)), None, "idle for too long");
    }

    #[test]
    fn knows_only_its_own_tokens_and_forgets_who_logged_out() {
        let sessions = sessions();
        let (one, _) = sessions.begin(at(0));
        let (other, _) = sessions.begin(at(0));
        assert_ne!(one.expose_secret(), other.expose_secret());
        for wrong in [None, Some(""), Some("x"), Some(&one.expose_secret()[1..])] {
            assert_eq!(sessions.find(wrong, at(1)), None, "{wrong:?}");
        }
        sessions.end(Some(one.expose_secret()), at(1));
        assert_eq!(sessions.find(Some(one.expose_secret()), at(1)), None);
        assert!(sessions.find(Some(other.expose_secret()), at(1)).is_some());
    }

    #[test]
    fn the_oldest_makes_room() {
        let sessions = sessions();
        let (first, _) = sessions.begin(at(0));
        let rest: Vec<_> = (0..MOST_SESSIONS).map(|_| sessions.begin(at(1)).0).collect();
        assert_eq!(sessions.find(Some(first.expose_secret()), at(1)), None);
        assert!(rest.iter().all(|token| sessions.find(Some(token.expose_secret()), at(1)).is_some()));
    }
}
