//! Alerts over a real network, to a server on this machine that answers as it is told.
#![allow(clippy::unwrap_used)]

mod command;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use riskd::alerts::{Alerts, AlertsConfig, ChannelConfig, Severity, Signal, Target};
use riskd_store::Clock;
use secrecy::SecretString;
use server::{Answer, Server};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that runs with the machine's, set forward on request: waits of minutes pass at once.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn clock(&self) -> Clock {
        let ahead = Arc::clone(&self.0);
        Clock::new(move || Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::SeqCst)))
    }

    fn set_forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn secret(text: impl Into<String>) -> SecretString {
    SecretString::from(text.into())
}

fn channel(name: &str, target: Target) -> ChannelConfig {
    ChannelConfig { name: name.to_owned(), target, least_severity: Severity::Warning }
}

fn webhook(name: &str, server: &Server) -> ChannelConfig {
    channel(name, Target::Webhook { address: secret(format!("{}/hook/s3cret", server.url)), token: None })
}

fn start(channels: Vec<ChannelConfig>, clock: &TestClock) -> Alerts {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let config = AlertsConfig { channels, gather: Duration::from_millis(20), ..AlertsConfig::default() };
    Alerts::start(&config, clock.clock()).unwrap()
}

fn backup_failed(why: &str) -> Signal {
    Signal::Backup { failed: Some(why.to_owned()) }
}

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let looked = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looked).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

#[tokio::test]
async fn each_kind_of_channel_speaks_its_own_language() {
    let (mut discord, mut telegram, mut hook) =
        (Server::answering(vec![]).await, Server::answering(vec![]).await, Server::answering(vec![]).await);
    let alerts = start(
        vec![
            channel("d", Target::Discord { address: secret(format!("{}/api/webhooks/1/s3cret", discord.url)) }),
            channel(
                "t",
                Target::Telegram {
                    api_url: telegram.url.clone(),
                    token: secret("12:s3cret"),
                    chat_id: "-100".to_owned(),
                },
            ),
            channel("w", Target::Webhook { address: secret(format!("{}/in", hook.url)), token: Some(secret("t0ken")) }),
        ],
        &TestClock::default(),
    );
    alerts.signal(Signal::Started { accounts: 2 });
    alerts.signal(backup_failed("disk full"));
    let asked = discord.next().await;
    assert!(asked.head.starts_with("POST /api/webhooks/1/s3cret "), "{}", asked.head);
    let content = asked.body["content"].as_str().unwrap();
    assert!(content.contains("WARNING a backup could not be made: disk full [backup_failed, since "), "{content}");
    assert!(!content.contains("watches"), "what is below the least severity is not sent");
    assert_eq!(asked.body["allowed_mentions"]["parse"], serde_json::json!([]));
    let asked = telegram.next().await;
    assert!(asked.head.starts_with("POST /bot12:s3cret/sendMessage "), "{}", asked.head);
    assert_eq!(
        (asked.body["chat_id"].as_str(), asked.body["disable_notification"].as_bool()),
        (Some("-100"), Some(false))
    );
    let asked = hook.next().await;
    assert!(asked.head.to_lowercase().contains("authorization: bearer t0ken"), "{}", asked.head);
    assert_eq!(asked.body["messages"][0]["code"], "backup_failed");
    assert_eq!(asked.body["messages"][0]["state"], "raised");
    assert_eq!((asked.body["source"].as_str(), asked.body["severity"].as_str()), (Some("riskd"), Some("warning")));
    assert_eq!(alerts.alarms().len(), 1);
}

#[tokio::test]
async fn a_channel_that_asks_to_wait_is_waited_for_and_nothing_is_lost() {
    let busy = Answer::Status("429 Too Many Requests", "retry-after: 600\n\nslow down");
    let mut server = Server::answering(vec![busy, Answer::Status("503 Service Unavailable", "")]).await;
    let clock = TestClock::default();
    let alerts = start(vec![webhook("w", &server)], &clock);
    alerts.signal(backup_failed("first"));
    assert_eq!(server.next().await.body["messages"][0]["message"], "a backup could not be made: first");
    until("the refusal is known", || alerts.channels()[0].failing.is_some()).await;
    let alarms: Vec<_> = alerts.alarms().iter().map(|alarm| alarm.code.name()).collect();
    assert_eq!(alarms, ["backup_failed", "alerts_not_delivered"]);
    assert!(alerts.channels()[0].failing.as_ref().unwrap().starts_with("429 Too Many Requests: slow down"));
    clock.set_forward(601);
    // The task sleeps by the machine's clock; a new message wakes it.
    alerts.signal(Signal::Migration { failed: Some("second".to_owned()) });
    let again = server.next().await;
    assert_eq!(again.body["messages"].as_array().unwrap().len(), 2, "both go together: {}", again.body);
    let third = server.next().await;
    assert_eq!(third.body["messages"].as_array().unwrap().len(), 2, "after 503 it is tried by itself");
    until("it is delivered", || alerts.channels()[0].failing.is_none()).await;
    assert_eq!((alerts.channels()[0].delivered, alerts.channels()[0].dropped), (1, 0));
}

#[tokio::test]
async fn a_channel_that_hangs_delays_neither_the_teller_nor_the_others() {
    let (mut hanging, mut well) = (Server::answering(vec![Answer::Silence]).await, Server::answering(vec![]).await);
    let alerts = start(vec![webhook("hanging", &hanging), webhook("well", &well)], &TestClock::default());
    alerts.signal(backup_failed("first"));
    hanging.next().await;
    well.next().await;
    // Far more than its queue holds; telling goes on at once, and what is lost is counted.
    for number in 0..2_000 {
        alerts.signal(Signal::Stopped { how: format!("number {number}") });
    }
    assert!(!well.next().await.body["messages"].as_array().unwrap().is_empty());
    let flushed = tokio::time::timeout(PATIENCE, alerts.flush(Duration::from_millis(50))).await;
    assert!(flushed.is_ok(), "the end does not wait for it");
}

#[tokio::test]
async fn what_is_refused_is_told_as_an_alarm_without_the_secret() {
    let mut refusing = Server::answering(vec![Answer::Status("404 Not Found", "no hook s3cret here")]).await;
    let mut other = Server::answering(vec![]).await;
    let alerts = start(
        vec![
            channel(
                "refusing",
                Target::Webhook { address: secret(format!("{}/x", refusing.url)), token: Some(secret("s3cret")) },
            ),
            webhook("other", &other),
        ],
        &TestClock::default(),
    );
    alerts.signal(backup_failed("x"));
    refusing.next().await;
    let mut seen = String::new();
    while !seen.contains("alerts_not_delivered") {
        seen.push_str(&other.next().await.body.to_string());
    }
    assert!(seen.contains("alerts do not get through to refusing: 404 Not Found: no hook [REDACTED] here"), "{seen}");
    assert!(!seen.contains("s3cret"), "{seen}");
    assert_eq!(alerts.channels()[0].dropped, 1);
}

#[tokio::test]
async fn the_end_sends_what_waits() {
    let mut server = Server::answering(vec![]).await;
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let config = AlertsConfig {
        channels: vec![webhook("w", &server)],
        gather: Duration::from_secs(3_600),
        ..AlertsConfig::default()
    };
    let alerts = Alerts::start(&config, TestClock::default().clock()).unwrap();
    alerts.signal(Signal::Stopped { how: "told to stop".to_owned() });
    alerts.flush(PATIENCE).await;
    assert_eq!(server.next().await.body["messages"][0]["code"], "stopped");
}
