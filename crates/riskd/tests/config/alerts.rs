//! `alerts.yaml`, and the secrets it names.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use jiff::SignedDuration;
use riskd::alerts::{AlertsConfig, Severity, Target};
use riskd::config::{ConfigError, ConfigFolder, Surroundings, load_alerts};
use secrecy::ExposeSecret;

use crate::{refusals, written};

pub(crate) fn load(folder: &ConfigFolder) -> Result<AlertsConfig, ConfigError> {
    let variables = [
        ("ADDRESS", "https://discord.example/api/webhooks/1/x"),
        ("OPEN", "http://pager.example/in"),
        ("JUNK", "s3cret"),
        ("TOKEN", "12:abc"),
    ];
    load_alerts(folder, &Surroundings::of(&variables))
}

#[test]
fn every_kind_of_channel_is_read_with_its_secret() {
    let text = "alerts:
  gather_ms: 100
  repeat_minutes: 5
  link_down_after_ms: 1000
  validation_failures_an_hour: { warn_above: 1, alert_above: 2 }
  channels:
    - { kind: discord, name: desk, address_file: secrets/desk, least_severity: critical }
    - { kind: telegram, token_env: TOKEN, chat_id: -100123 }
    - { kind: webhook, address_env: ADDRESS, token_env: TOKEN, least_severity: info }
";
    let files = written("alerts.yaml", text);
    let secrets = files.base.path().join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::write(secrets.join("desk"), "http://127.0.0.1:9/hook\n").unwrap();
    let error = load(&files.folder).unwrap_err().to_string();
    assert!(error.contains("the address file can be read or changed by others (mode 06"), "{error}");
    std::fs::set_permissions(secrets.join("desk"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = load(&files.folder).unwrap();
    assert_eq!(config.gather, Duration::from_millis(100));
    assert_eq!(config.thresholds.link_down_after, SignedDuration::from_secs(1));
    assert_eq!((config.thresholds.validation_warn_above, config.thresholds.validation_alert_above), (1, 2));
    let channels: Vec<_> = config.channels.iter().map(|c| (c.name.as_str(), c.least_severity)).collect();
    assert_eq!(channels, [("desk", Severity::Critical), ("telegram", Severity::Warning), ("webhook", Severity::Info)]);
    match &config.channels[1].target {
        Target::Telegram { api_url, token, chat_id } => {
            assert_eq!((api_url.as_str(), chat_id.as_str()), ("https://api.telegram.org", "-100123"));
            assert_eq!(token.expose_secret(), "12:abc");
        }
        other => panic!("{other:?}"),
    }
    assert!(!format!("{config:?}").contains("12:abc") && !format!("{config:?}").contains("127.0.0.1"));
    let absent = load(&written("logging.yaml", "").folder).unwrap();
    assert!(absent.channels.is_empty());
    assert_eq!(absent.thresholds.repeat_after, SignedDuration::from_mins(60));
}

#[test]
fn what_the_alerts_file_gets_wrong_is_named_exactly() {
    let place = "alerts.yaml:2: alerts.channels[0]";
    let one = |channel: &str| format!("alerts:\n  channels: [{{ {channel} }}]\n");
    let cases = [
        ("kind: discord, adress_env: ADDRESS", format!("{place}.adress_env: unknown key; did you mean address_env?")),
        ("kind: pigeon", format!("{place}.kind: \"pigeon\" is not one of discord, telegram, webhook")),
        (
            "kind: discord, address: \"https://s3cret\"",
            format!(
                "{place}.address: a secret must not stand in a config file; put it alone into a file, chmod 600 it, \
                 and name that file with address_file"
            ),
        ),
        (
            "kind: telegram, token: x, chat_id: 1",
            format!(
                "{place}.token: a secret must not stand in a config file; put it alone into a file, chmod 600 it, \
                 and name that file with token_file"
            ),
        ),
        (
            "kind: discord",
            format!(
                "{place}: the address of this channel is a secret: where is it?; name a file (chmod 600) with \
                 address_file, or a variable with address_env"
            ),
        ),
        ("kind: telegram, token_env: TOKEN", format!("{place}: the key chat_id is required here")),
        (
            "kind: discord, address_env: ADDRESS, chat_id: 1",
            format!("{place}.chat_id: a discord channel has no chat_id"),
        ),
        ("kind: webhook, address_env: NONE", format!("{place}.address_env: the environment variable NONE is not set")),
        ("kind: webhook, address_env: JUNK", format!("{place}.address_env: what it holds is not an address")),
        (
            "kind: webhook, address_env: OPEN",
            format!(
                "{place}.address_env: the address must begin with https://: whoever listens could write in your name"
            ),
        ),
        (
            "kind: webhook, address_env: ADDRESS }, { kind: webhook, address_env: ADDRESS",
            "alerts.yaml:2: alerts.channels[1].name: two channels are called \"webhook\"".to_owned(),
        ),
    ];
    let texts: Vec<(String, String)> = cases.into_iter().map(|(channel, words)| (one(channel), words)).collect();
    let table: Vec<(&str, &str)> = texts.iter().map(|(text, words)| (text.as_str(), words.as_str())).collect();
    refusals("alerts.yaml", load, &table);
    let text = "alerts:\n  validation_failures_an_hour: { warn_above: 9, alert_above: 3 }\n";
    let key = "alerts.yaml:2: alerts.validation_failures_an_hour.alert_above";
    refusals("alerts.yaml", load, &[(text, &format!("{key}: must not be less than warn_above"))]);
}
