//! How much each client may ask: a bucket of requests that fills up again, and a longer wait after each wrong password.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A burst may be so many times the requests of a second.
const BURST_S: f64 = 4.0;
/// Clients that are remembered; beyond that, those that asked for nothing lately are forgotten.
const MOST_CLIENTS: usize = 10_000;
/// Wrong passwords or tokens that cost nothing.
const FREE_FAILURES: u32 = 5;
/// The wait after the first failure beyond those; it doubles with each.
const FIRST_WAIT_S: i64 = 30;
/// The longest wait.
const LONGEST_WAIT_S: i64 = 900;
/// Wrong passwords of all clients together within [`LONGEST_WAIT_S`] before everybody waits.
const MOST_FAILURES: usize = 100;

/// Who asked how much.
#[derive(Debug)]
pub(super) struct Clients {
    per_second: f64,
    by_address: Mutex<BTreeMap<IpAddr, Client>>,
    failures: Mutex<Vec<Timestamp>>,
}

#[derive(Debug, Clone, Copy)]
struct Client {
    tokens: f64,
    asked_at: Timestamp,
    failures: u32,
    wait_until: Option<Timestamp>,
}

impl Clients {
    pub(super) fn new(requests_per_second: u32) -> Self {
        Self { per_second: f64::from(requests_per_second), by_address: Mutex::default(), failures: Mutex::default() }
    }

    /// Counts a request; says how long to wait when it is one too many.
    pub(super) fn admit(&self, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        self.with(address, now, |client| {
            let seconds = now.duration_since(client.asked_at).as_secs_f64().max(0.0);
            client.tokens = (client.tokens + seconds * self.per_second).min(self.per_second * BURST_S);
            client.asked_at = now;
            if client.tokens < 1.0 {
                return Err(Duration::from_secs_f64((1.0 - client.tokens) / self.per_second));
            }
            client.tokens -= 1.0;
            Ok(())
        })
    }

    /// Whether a password or token of this client is looked at now; says how long to wait when it is not.
    pub(super) fn may_try(&self, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        let since = seconds_from(now, -LONGEST_WAIT_S);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|at| *at > since);
        if failures.len() >= MOST_FAILURES {
            return Err(failures
                .first()
                .map_or(Duration::ZERO, |first| wait(now, seconds_from(*first, LONGEST_WAIT_S))));
        }
        drop(failures);
        self.with(address, now, |client| match client.wait_until {
            Some(until) if until > now => Err(wait(now, until)),
            _ => Ok(()),
        })
    }

    /// Takes over whether the password or token was right.
    pub(super) fn tried(&self, address: IpAddr, now: Timestamp, right: bool) {
        if !right {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(now);
        }
        self.with(address, now, |client| {
            if right {
                client.failures = 0;
                client.wait_until = None;
                return;
            }
            client.failures = client.failures.saturating_add(1);
            if let Some(beyond) = client.failures.checked_sub(FREE_FAILURES) {
                let wait_s = FIRST_WAIT_S.saturating_mul(1 << beyond.min(10)).min(LONGEST_WAIT_S);
                client.wait_until = Some(seconds_from(now, wait_s));
            }
        });
    }

    fn with<T>(&self, address: IpAddr, now: Timestamp, change: impl FnOnce(&mut Client) -> T) -> T {
        // Each change is of one entry: a panic elsewhere leaves nothing half done.
        let mut clients = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&address) {
            let lately = seconds_from(now, -10);
            clients.retain(|_, client| client.asked_at > lately || client.wait_until.is_some_and(|until| until > now));
        }
        let fresh = Client { tokens: self.per_second * BURST_S, asked_at: now, failures: 0, wait_until: None };
        change(clients.entry(address).or_insert(fresh))
    }
}

fn seconds_from(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}

fn wait(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_burst_goes_through_and_then_the_bucket_fills_again() {
        let clients = Clients::new(2);
        let admitted = |second, address| (0..20).filter(|_| clients.admit(address, at(second)).is_ok()).count();
        for (second, address, expected) in [(0, HERE, 8), (0, THERE, 8), (1, HERE, 2), (2, HERE, 2), (100, HERE, 8)] {
            assert_eq!(admitted(second, address), expected, "second {second} of {address}");
        }
        assert_eq!(clients.admit(HERE, at(100)), Err(Duration::from_millis(500)));
    }

    #[test]
    fn wrong_passwords_cost_longer_and_longer_waits_of_that_client_alone() {
        let clients = Clients::new(50);
        let mut second = 0;
        for (failure, wait_s) in
            [(1, 0), (2, 0), (3, 0), (4, 0), (5, 30), (6, 60), (7, 120), (8, 240), (9, 480), (10, 900)]
        {
            assert_eq!(clients.may_try(HERE, at(second)), Ok(()), "before failure {failure}");
            clients.tried(HERE, at(second), false);
            let expected = if wait_s == 0 { Ok(()) } else { Err(Duration::from_secs(wait_s)) };
            assert_eq!(clients.may_try(HERE, at(second)), expected, "after failure {failure}");
            assert_eq!(clients.may_try(THERE, at(second)), Ok(()));
            second += i64::try_from(wait_s).unwrap();
        }
        clients.tried(HERE, at(second), true);
        clients.tried(HERE, at(second), false);
        assert_eq!(clients.may_try(HERE, at(second)), Ok(()), "the right one wipes the slate");
    }

    #[test]
    fn many_clients_that_guess_make_everybody_wait() {
        let clients = Clients::new(50);
        for last in 0..=99 {
            clients.tried(IpAddr::from([10, 0, 0, last]), at(0), false);
        }
        assert_eq!(clients.may_try(THERE, at(10)), Err(Duration::from_secs(890)));
        assert_eq!(clients.may_try(THERE, at(901)), Ok(()));
    }
}
