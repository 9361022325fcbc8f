//! `config/alerts.yaml`: who is told when something is wrong. Secrets are read from where they are kept, never from here.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Host, Url};

use super::checks;
use super::document::Document;
use super::error::ConfigError;
use super::folder::ConfigFolder;
use super::secret::{self, Surroundings};
use crate::alerts::{AlertsConfig, ChannelConfig, Severity, Target, Thresholds};

/// The address of Telegram's Bot API.
const TELEGRAM: &str = "https://api.telegram.org";
/// Keys under which people write a secret down by mistake.
const INLINE_SECRETS: [&str; 6] = ["address", "url", "webhook", "webhook_url", "token", "bot_token"];

/// Reads `alerts.yaml` of the folder and fetches every secret it names; absent means alerts to the log alone.
///
/// # Errors
///
/// When the file cannot be used, or a secret is not there or can be read by others.
pub fn load_alerts(folder: &ConfigFolder, surroundings: &Surroundings) -> Result<AlertsConfig, ConfigError> {
    let Some(document) = folder.document("alerts.yaml")? else { return Ok(AlertsConfig::default()) };
    let section = document.read::<File>().map_err(without_secret)?.alerts;
    let mut channels: Vec<ChannelConfig> = Vec::new();
    for (index, channel) in section.channels.iter().enumerate() {
        let place = Place { folder, surroundings, document: &document, index };
        let channel = place.resolve(channel)?;
        if channels.iter().any(|earlier| earlier.name == channel.name) {
            return Err(place.refuse("name", format!("two channels are called {:?}", channel.name)));
        }
        channels.push(channel);
    }
    let minutes = i64::from(section.repeat_minutes.0);
    let limits = section.validation_failures_an_hour;
    if limits.alert_above.0 < limits.warn_above.0 {
        let key = "alerts.validation_failures_an_hour.alert_above";
        return Err(document.refuse_key(key, "must not be less than warn_above"));
    }
    Ok(AlertsConfig {
        thresholds: Thresholds {
            link_down_after: SignedDuration::from_millis(
                i64::try_from(section.link_down_after_ms.0).unwrap_or(i64::MAX),
            ),
            validation_warn_above: u64::from(limits.warn_above.0),
            validation_alert_above: u64::from(limits.alert_above.0),
            repeat_after: SignedDuration::from_mins(minutes),
        },
        gather: Duration::from_millis(section.gather_ms.0),
        channels,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    alerts: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    channels: Vec<Channel>,
    gather_ms: Gather,
    repeat_minutes: Repeat,
    link_down_after_ms: LinkDown,
    validation_failures_an_hour: Failures,
}

macro_rules! number {
    ($name:ident($type:ty) by $check:literal, $default:literal) => {
        #[derive(Debug, Clone, Copy, Deserialize)]
        #[serde(transparent)]
        struct $name(#[serde(deserialize_with = $check)] $type);

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }
    };
}

number!(Gather(u64) by "checks::milliseconds", 1_500);
number!(Repeat(u32) by "checks::count", 60);
number!(LinkDown(u64) by "checks::milliseconds", 30_000);
number!(WarnAbove(u32) by "checks::count", 5);
number!(AlertAbove(u32) by "checks::count", 20);

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Failures {
    warn_above: WarnAbove,
    alert_above: AlertAbove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Discord,
    Telegram,
    Webhook,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Channel {
    kind: Kind,
    #[serde(default, deserialize_with = "checks::optional_text")]
    name: Option<String>,
    #[serde(default)]
    least_severity: Option<Severity>,
    #[serde(default, deserialize_with = "checks::optional_path")]
    address_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    address_env: Option<String>,
    #[serde(default, deserialize_with = "checks::optional_path")]
    token_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    token_env: Option<String>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    chat_id: Option<String>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    api_url: Option<String>,
}

/// Where a channel stands in the file, and what it takes to resolve it.
struct Place<'a> {
    folder: &'a ConfigFolder,
    surroundings: &'a Surroundings,
    document: &'a Document,
    index: usize,
}

impl Place<'_> {
    fn resolve(&self, channel: &Channel) -> Result<ChannelConfig, ConfigError> {
        let telegram_only = [("chat_id", channel.chat_id.is_some()), ("api_url", channel.api_url.is_some())];
        let address_only =
            [("address_file", channel.address_file.is_some()), ("address_env", channel.address_env.is_some())];
        let token = [("token_file", channel.token_file.is_some()), ("token_env", channel.token_env.is_some())];
        let (target, name) = match channel.kind {
            Kind::Discord => {
                self.refuse_any(&telegram_only, "discord")?;
                self.refuse_any(&token, "discord")?;
                (Target::Discord { address: self.address(channel)? }, "discord")
            }
            Kind::Telegram => {
                self.refuse_any(&address_only, "telegram")?;
                let chat_id =
                    channel.chat_id.clone().ok_or_else(|| self.refuse("", "the key chat_id is required here"))?;
                let api_url = channel.api_url.as_deref().unwrap_or(TELEGRAM).trim_end_matches('/').to_owned();
                self.check_address("api_url", &api_url)?;
                (Target::Telegram { api_url, token: self.token(channel)?, chat_id }, "telegram")
            }
            Kind::Webhook => {
                self.refuse_any(&telegram_only, "webhook")?;
                let token = token.iter().any(|(_, there)| *there).then(|| self.token(channel)).transpose()?;
                (Target::Webhook { address: self.address(channel)?, token }, "webhook")
            }
        };
        let name = channel.name.clone().unwrap_or_else(|| name.to_owned());
        Ok(ChannelConfig { name, target, least_severity: channel.least_severity.unwrap_or(Severity::Warning) })
    }

    fn refuse_any(&self, keys: &[(&str, bool)], kind: &str) -> Result<(), ConfigError> {
        match keys.iter().find(|(_, there)| *there) {
            Some((key, _)) => Err(self.refuse(key, format!("a {kind} channel has no {key}"))),
            None => Ok(()),
        }
    }

    fn address(&self, channel: &Channel) -> Result<SecretString, ConfigError> {
        let address = self.secret("address", channel.address_file.as_deref(), channel.address_env.as_deref())?;
        let key = if channel.address_file.is_some() { "address_file" } else { "address_env" };
        self.check_address(key, address.expose_secret())?;
        Ok(address)
    }

    fn token(&self, channel: &Channel) -> Result<SecretString, ConfigError> {
        self.secret("token", channel.token_file.as_deref(), channel.token_env.as_deref())
    }

    /// The secret from the file or the variable, of which exactly one must be named.
    fn secret(
        &self,
        what: &str,
        file: Option<&std::path::Path>,
        variable: Option<&str>,
    ) -> Result<SecretString, ConfigError> {
        match (file, variable) {
            (Some(file), None) => secret::read_secret_file(&self.folder.resolve(file), what),
            (None, Some(variable)) => secret::from_variable(self.surroundings, variable).ok_or_else(|| {
                self.refuse(&format!("{what}_env"), format!("the environment variable {variable} is not set"))
            }),
            (Some(_), Some(_)) => Err(self.refuse(
                &format!("{what}_env"),
                format!("{what}_file and {what}_env are both there: which of them holds the {what}?"),
            )),
            (None, None) => Err(self
                .refuse("", format!("the {what} of this channel is a secret: where is it?"))
                .advise(format!("name a file (chmod 600) with {what}_file, or a variable with {what}_env"))),
        }
    }

    /// The address is a secret, and is not said again. It must be encrypted, unless it is on this machine.
    fn check_address(&self, key: &str, address: &str) -> Result<(), ConfigError> {
        let refuse = |problem: &str| Err(self.refuse(key, problem));
        let Ok(url) = Url::parse(address) else { return refuse("what it holds is not an address") };
        let on_this_machine = match url.host() {
            Some(Host::Ipv4(host)) => host.is_loopback(),
            Some(Host::Ipv6(host)) => host.is_loopback(),
            Some(Host::Domain(host)) => host == "localhost",
            None => return refuse("what it holds is an address without a host"),
        };
        match url.scheme() {
            "https" => Ok(()),
            "http" if on_this_machine => Ok(()),
            _ => refuse("the address must begin with https://: whoever listens could write in your name"),
        }
    }

    fn refuse(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let dot = if key.is_empty() { "" } else { "." };
        self.document.refuse_key(&format!("alerts.channels[{}]{dot}{key}", self.index), problem)
    }
}

/// A secret does not belong into a config file; the error says where it does.
fn without_secret(error: ConfigError) -> ConfigError {
    let name = error.key.rsplit('.').next().unwrap_or_default().to_lowercase();
    if !INLINE_SECRETS.contains(&name.as_str()) {
        return error;
    }
    let what = if name.contains("token") { "token" } else { "address" };
    ConfigError { problem: "a secret must not stand in a config file".to_owned(), ..error }
        .advise(format!("put it alone into a file, chmod 600 it, and name that file with {what}_file"))
}
