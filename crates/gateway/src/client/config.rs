//! All that a client must be told.

use secrecy::SecretString;
use url::{Host, Url};

use super::breaker::BreakerLimits;
use super::limiter::RateLimits;
use super::reconnect::ReconnectDelays;

/// Where the gateway is, who we are, and how patient we are. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The REST interface, such as `https://api.topstepx.com`.
    pub base_url: String,
    /// The real-time interface, such as `https://rtc.topstepx.com` or `wss://rtc.topstepx.com`.
    pub hub_url: String,
    /// The trader's name at the firm.
    pub user_name: String,
    /// The API key.
    pub api_key: SecretString,
    /// How long a call may take.
    pub rest_timeouts: RestTimeouts,
    /// How long the hubs may take, and how often they are pinged.
    pub hub_timeouts: HubTimeouts,
    /// How queries are repeated.
    pub retry: RetryPolicy,
    /// How long a token is good for.
    pub token: TokenLife,
    /// How much may be asked.
    pub rate_limits: RateLimits,
    /// When to stop asking for a while.
    pub breaker: BreakerLimits,
    /// When to connect again.
    pub reconnect: ReconnectDelays,
    /// How far ahead of our clock the gateway's may be.
    pub clock_skew_ms: i64,
    /// The seed of all jitter.
    pub jitter_seed: u64,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct RestTimeouts {
    /// Until the connection stands.
    pub connect_ms: u64,
    /// Until the whole answer is there, connecting included.
    pub call_ms: u64,
    /// How long a call that is not urgent waits for room in the rate limit.
    pub room_ms: u64,
    /// How long an enforcement waits for room in the rate limit.
    pub urgent_room_ms: u64,
}

impl Default for RestTimeouts {
    fn default() -> Self {
        Self { connect_ms: 5_000, call_ms: 10_000, room_ms: 10_000, urgent_room_ms: 1_000 }
    }
}

/// How long the hubs may take, and how often they are pinged.
#[derive(Debug, Clone, Copy)]
pub struct HubTimeouts {
    /// Until the WebSocket stands.
    pub connect_ms: u64,
    /// Until the handshake is answered.
    pub handshake_ms: u64,
    /// Until every subscription is answered.
    pub subscribe_ms: u64,
    /// Between two pings of ours.
    pub ping_every_ms: u64,
    /// Silence after which the connection counts as dead.
    pub silence_ms: u64,
    /// Silence of one contract after which its quotes are asked for again.
    pub quote_silence_ms: u64,
}

impl Default for HubTimeouts {
    fn default() -> Self {
        Self {
            connect_ms: 10_000,
            handshake_ms: 10_000,
            subscribe_ms: 15_000,
            ping_every_ms: 15_000,
            silence_ms: 30_000,
            quote_silence_ms: 30_000,
        }
    }
}

/// How queries are repeated: exponentially, with jitter.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// Wait before the second attempt, on the average.
    pub first_wait_ms: u64,
    /// The longest wait.
    pub longest_wait_ms: u64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, first_wait_ms: 250, longest_wait_ms: 5_000 }
    }
}

/// How long a token is good for.
#[derive(Debug, Clone, Copy)]
pub struct TokenLife {
    /// From login to its end.
    pub lifetime_ms: i64,
    /// How long before its end it is exchanged for a new one.
    pub refresh_before_ms: i64,
    /// How long to leave the login alone after it was refused, or a failed exchange.
    pub retry_after_ms: i64,
}

impl Default for TokenLife {
    fn default() -> Self {
        const HOUR_MS: i64 = 3_600_000;
        Self { lifetime_ms: 24 * HOUR_MS, refresh_before_ms: 2 * HOUR_MS, retry_after_ms: 10_000 }
    }
}

/// A config no client can be made from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An address that is none, or of the wrong kind.
    #[error("{field} = {value}: {rule}")]
    Address {
        /// Which one.
        field: &'static str,
        /// As it was given.
        value: String,
        /// What it should be.
        rule: &'static str,
    },
    /// The HTTP client could not be made.
    #[error("cannot set up the HTTP client: {reason}")]
    Http {
        /// Why.
        reason: String,
    },
}

impl ClientConfig {
    /// A config with the documented numbers.
    pub fn new(base_url: String, hub_url: String, user_name: String, api_key: SecretString) -> Self {
        Self {
            base_url,
            hub_url,
            user_name,
            api_key,
            rest_timeouts: RestTimeouts::default(),
            hub_timeouts: HubTimeouts::default(),
            retry: RetryPolicy::default(),
            token: TokenLife::default(),
            rate_limits: RateLimits::default(),
            breaker: BreakerLimits::default(),
            reconnect: ReconnectDelays::default(),
            clock_skew_ms: riskd_core::model::DEFAULT_CLOCK_SKEW_MS,
            jitter_seed: 0,
        }
    }

    pub(super) fn rest_base(&self) -> Result<Url, ConfigError> {
        address("base_url", &self.base_url, &["https"], &["http"])
    }

    /// The real-time address with a WebSocket scheme.
    pub(super) fn hub_base(&self) -> Result<Url, ConfigError> {
        let mut url = address("hub_url", &self.hub_url, &["wss", "https"], &["ws", "http"])?;
        let scheme = if matches!(url.scheme(), "https" | "wss") { "wss" } else { "ws" };
        if url.scheme() != scheme && url.set_scheme(scheme).is_err() {
            return Err(refused("hub_url", &self.hub_url, "must be a WebSocket address"));
        }
        Ok(url)
    }
}

/// Without TLS only this machine itself may be spoken to: everything else would show the key and the token to the network.
fn address(field: &'static str, text: &str, secure: &[&str], plain: &[&str]) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|_| refused(field, text, "must be an address such as https://host"))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(refused(field, "(not shown)", "must not carry credentials, a query or a fragment"));
    }
    if secure.contains(&url.scheme()) {
        return Ok(url);
    }
    if !plain.contains(&url.scheme()) {
        return Err(refused(field, text, "must begin with https:// (or wss:// for the hubs)"));
    }
    if is_loopback(&url) {
        return Ok(url);
    }
    Err(refused(field, text, "must be encrypted: only a loopback address may do without TLS"))
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn refused(field: &'static str, value: &str, rule: &'static str) -> ConfigError {
    ConfigError::Address { field, value: value.to_owned(), rule }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(base_url: &str, hub_url: &str) -> ClientConfig {
        ClientConfig::new(base_url.to_owned(), hub_url.to_owned(), "trader".to_owned(), "key-of-a-trader".into())
    }

    #[test]
    fn addresses_must_be_encrypted_unless_they_stay_on_this_machine() {
        let cases = [
            ("https://api.topstepx.com", true),
            ("http://127.0.0.1:9", true),
            ("http://localhost:9", true),
            ("http://[::1]:9", true),
            ("http://api.topstepx.com", false),
            ("http://10.0.0.1", false),
            ("ftp://127.0.0.1", false),
            ("api.topstepx.com", false),
            ("https://user:secret@api.topstepx.com", false),
            ("https://api.topstepx.com?access_token=secret", false),
        ];
        for (url, accepted) in cases {
            let result = config(url, "wss://x").rest_base();
            assert_eq!(result.is_ok(), accepted, "{url}: {result:?}");
            if let Err(error) = result {
                assert!(!error.to_string().contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn the_hub_address_takes_a_websocket_scheme() {
        let cases = [
            ("https://rtc.topstepx.com", "wss://rtc.topstepx.com/"),
            ("wss://rtc.topstepx.com", "wss://rtc.topstepx.com/"),
            ("http://127.0.0.1:80", "ws://127.0.0.1/"),
            ("ws://127.0.0.1:9", "ws://127.0.0.1:9/"),
        ];
        for (given, expected) in cases {
            assert_eq!(config("https://x", given).hub_base().unwrap().as_str(), expected);
        }
        assert!(config("https://x", "ws://rtc.topstepx.com").hub_base().is_err());
    }

    #[test]
    fn the_key_does_not_show_in_debug() {
        assert!(!format!("{:?}", config("https://x", "wss://x")).contains("key-of-a-trader"));
    }
}
