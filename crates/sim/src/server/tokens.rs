//! Who may speak to the server, and until when.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use riskd_core::model::Timestamp;
use riskd_gateway::protocol::wire::Meaning;

/// A trader who can log in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name at the firm.
    pub name: String,
    /// The API key.
    pub api_key: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The tokens given out. A new login leaves the older ones as they are.
#[derive(Debug)]
pub(crate) struct Tokens {
    users: Vec<User>,
    lifetime: SignedDuration,
    given: BTreeMap<String, Session>,
    next: u64,
}

#[derive(Debug, Clone)]
struct Session {
    user_name: String,
    expires_at: Timestamp,
}

impl Tokens {
    pub(crate) fn new(users: Vec<User>, lifetime: SignedDuration) -> Self {
        Self { users, lifetime, given: BTreeMap::new(), next: 1 }
    }

    pub(crate) fn log_in(&mut self, user_name: &str, api_key: &str, now: Timestamp) -> Result<String, Meaning> {
        let user = self.users.iter().find(|user| user.name == user_name).ok_or(Meaning::UserNotFound)?;
        if user.api_key != api_key {
            return Err(Meaning::InvalidCredentials);
        }
        Ok(self.give(user_name.to_owned(), now))
    }

    /// A newer token for one that is still valid. The old one stays valid until its own end.
    pub(crate) fn renew(&mut self, token: Option<&str>, now: Timestamp) -> Result<String, Meaning> {
        let session = token.ok_or(Meaning::InvalidSession)?;
        let session = self.given.get(session).ok_or(Meaning::SessionNotFound)?;
        if session.expires_at <= now {
            return Err(Meaning::SessionExpired);
        }
        let user_name = session.user_name.clone();
        Ok(self.give(user_name, now))
    }

    pub(crate) fn log_out(&mut self, token: &str) {
        self.given.remove(token);
    }

    /// Whose token it is, if it is valid.
    pub(crate) fn user_of(&self, token: Option<&str>, now: Timestamp) -> Option<&str> {
        let session = self.given.get(token?).filter(|session| session.expires_at > now)?;
        Some(&session.user_name)
    }

    /// Ends every token as if its time were over.
    pub(crate) fn expire_all(&mut self, now: Timestamp) {
        for session in self.given.values_mut() {
            session.expires_at = now;
        }
    }

    /// Forgets every token, as a server does that keeps them in memory and was restarted.
    pub(crate) fn forget_all(&mut self) {
        self.given.clear();
    }

    fn give(&mut self, user_name: String, now: Timestamp) -> String {
        let expires_at = now.checked_add(self.lifetime).unwrap_or(Timestamp::MAX);
        // Clients look into the token for its end, so it has the form of a JSON web token; its signature is made up.
        let header = base64_url(br#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = serde_json::json!({ "sub": user_name, "jti": self.next, "exp": expires_at.as_second() });
        let token = format!("{header}.{}.{}", base64_url(claims.to_string().as_bytes()), base64_url(b"simulated"));
        self.next += 1;
        self.given.insert(token.clone(), Session { user_name, expires_at });
        token
    }
}

/// Base 64 with the alphabet for URLs and without padding, as RFC 4648 section 5 has it.
fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, index| bits << 8 | usize::from(*group.get(index).unwrap_or(&0)));
        for index in 0..=group.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * index) & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, encoded) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("??>", "Pz8-")]
        {
            assert_eq!(base64_url(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn tokens_live_side_by_side_and_end_by_time_and_by_logout() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |hours: i64| now.checked_add(SignedDuration::from_hours(hours)).unwrap();
        let user = User { name: "ann".to_owned(), api_key: "key".to_owned() };
        let mut tokens = Tokens::new(vec![user], SignedDuration::from_hours(24));
        assert_eq!(tokens.log_in("bob", "key", now), Err(Meaning::UserNotFound));
        assert_eq!(tokens.log_in("ann", "wrong", now), Err(Meaning::InvalidCredentials));
        let first = tokens.log_in("ann", "key", now).unwrap();
        let second = tokens.renew(Some(&first), at(22)).unwrap();
        assert_ne!(first, second);
        assert_eq!(tokens.user_of(Some(&first), at(23)), Some("ann"));
        assert_eq!(tokens.user_of(Some(&first), at(24)), None);
        assert_eq!(tokens.user_of(Some(&second), at(24)), Some("ann"));
        assert_eq!(tokens.renew(Some(&first), at(24)), Err(Meaning::SessionExpired));
        assert_eq!(tokens.renew(Some("made-up"), at(1)), Err(Meaning::SessionNotFound));
        assert_eq!(tokens.renew(None, at(1)), Err(Meaning::InvalidSession));
        tokens.log_out(&second);
        assert_eq!(tokens.user_of(Some(&second), at(24)), None);
    }
}
