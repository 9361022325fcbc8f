//! `config/gateway.yaml`: the broker's addresses, and where the credentials are.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use url::{Host, Url};

use super::checks;
use super::document::Document;
use super::error::{ConfigError, nearest_known};
use super::folder::ConfigFolder;
use super::secret::{self, Surroundings};

/// What `config/gateway.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The REST base address, without `/api` and without a slash at its end.
    pub api_url: String,
    /// The real-time base address, without `/hubs` and without a slash at its end.
    pub hub_url: String,
    /// The user name at the broker.
    pub user_name: String,
    /// Where the API key is to be found. The key itself is read only when it is needed.
    pub api_key: ApiKeySource,
}

/// Where an API key is kept. Never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKeySource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// `RISKD_API_KEY` in the environment, else the systemd credential `riskd-api-key`.
    Default,
}

/// Firms on the gateway and their domains. Source: the tables in public clients of the gateway, which agree with each
/// other; its own page now names only the demonstration system. Any other firm can be spelled out in two addresses.
const FIRMS: [(&str, &str); 14] = [
    ("topstepx", "topstepx.com"),
    ("alphaticks", "alphaticks.projectx.com"),
    ("blueguardian", "blueguardianfutures.projectx.com"),
    ("blusky", "blusky.projectx.com"),
    ("daytraders", "daytraders.projectx.com"),
    ("e8x", "e8.projectx.com"),
    ("fundingfutures", "fundingfutures.projectx.com"),
    ("thefuturesdesk", "thefuturesdesk.projectx.com"),
    ("futureselite", "futureselite.projectx.com"),
    ("fxifyfutures", "fxifyfutures.projectx.com"),
    ("goatfundedfutures", "goatfundedfutures.projectx.com"),
    ("tickticktrader", "tickticktrader.projectx.com"),
    ("toponefutures", "toponefutures.projectx.com"),
    ("tx3funding", "tx3funding.projectx.com"),
];

/// The firms that can be named instead of addresses.
pub fn known_firms() -> impl Iterator<Item = &'static str> {
    FIRMS.iter().map(|(name, _)| *name)
}

impl GatewayConfig {
    /// Reads `gateway.yaml` of the folder; `None` when it is absent.
    pub fn load(folder: &ConfigFolder) -> Result<Option<Self>, ConfigError> {
        let Some(document) = folder.document("gateway.yaml")? else { return Ok(None) };
        Self::of_document(folder, &document).map(Some)
    }

    /// What a text says that is to become `gateway.yaml`.
    ///
    /// # Errors
    ///
    /// Those of the file, if it were there.
    pub fn of_text(folder: &ConfigFolder, text: &str) -> Result<Self, ConfigError> {
        Self::of_document(folder, &Document::parse(&folder.file("gateway.yaml"), text)?)
    }

    fn of_document(folder: &ConfigFolder, document: &Document) -> Result<Self, ConfigError> {
        refuse_inline_secrets(document)?;
        let section = document.read::<File>()?.gateway;
        let (api_url, hub_url) = section.addresses(document)?;
        let api_key = match (section.api_key_file, section.api_key_env) {
            (Some(_), Some(_)) => {
                return Err(document.refuse_key(
                    "gateway.api_key_env",
                    "api_key_file and api_key_env are both there: which of them holds the key?",
                ));
            }
            (Some(file), None) => ApiKeySource::File(folder.resolve(&file)),
            (None, Some(variable)) => ApiKeySource::Environment(variable),
            (None, None) => ApiKeySource::Default,
        };
        Ok(Self { api_url, hub_url, user_name: section.user_name, api_key })
    }

    /// Fetches the API key from where it is kept. A key file that others may read is refused.
    pub fn read_api_key(&self, surroundings: &Surroundings) -> Result<SecretString, ConfigError> {
        secret::read_api_key(&self.api_key, surroundings)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    gateway: Section,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default, deserialize_with = "checks::optional_text")]
    firm: Option<String>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    api_url: Option<String>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    hub_url: Option<String>,
    #[serde(deserialize_with = "checks::text")]
    user_name: String,
    #[serde(default, deserialize_with = "checks::optional_path")]
    api_key_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "checks::optional_text")]
    api_key_env: Option<String>,
}

impl Section {
    /// The two addresses: those of the firm, each replaced by one that is spelled out.
    fn addresses(&self, document: &Document) -> Result<(String, String), ConfigError> {
        let domain = self.firm.as_deref().map(|firm| domain_of(document, firm)).transpose()?;
        let address = |key: &str, spelled: &Option<String>, of_firm: fn(&str) -> String, schemes: [&str; 2]| {
            let key = format!("gateway.{key}");
            match (spelled, domain) {
                (Some(address), _) => {
                    checked_address(address, schemes).map_err(|problem| document.refuse_key(&key, problem))
                }
                (None, Some(domain)) => Ok(of_firm(domain)),
                (None, None) => Err(document
                    .refuse_key(&key, "is required where no firm is named")
                    .advise("name one, such as firm: topstepx, or spell out api_url and hub_url")),
            }
        };
        Ok((
            address("api_url", &self.api_url, |domain| format!("https://api.{domain}"), ["https", "http"])?,
            address("hub_url", &self.hub_url, |domain| format!("wss://rtc.{domain}"), ["wss", "ws"])?,
        ))
    }
}

fn domain_of(document: &Document, firm: &str) -> Result<&'static str, ConfigError> {
    FIRMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(firm)).map(|(_, domain)| *domain).ok_or_else(|| {
        let mut error = document.refuse_key("gateway.firm", format!("{firm:?} is not a firm this program knows"));
        error.advice = nearest_known(firm, FIRMS.iter().map(|(name, _)| *name))
            .map(|advice| advice.replace("known key", "known firm"))
            .map(|advice| format!("{advice}; any other firm is spelled out with api_url and hub_url"));
        error
    })
}

/// Accepts an encrypted address, and an unencrypted one to this machine only: tokens travel over it.
fn checked_address(address: &str, [encrypted, open]: [&str; 2]) -> Result<String, String> {
    let url = Url::parse(address).map_err(|error| format!("{address:?} is not an address: {error}"))?;
    let on_this_machine = match url.host() {
        Some(Host::Ipv4(host)) => host.is_loopback(),
        Some(Host::Ipv6(host)) => host.is_loopback(),
        Some(Host::Domain(host)) => host == "localhost",
        None => return Err(format!("{address:?} names no host")),
    };
    if url.scheme() == open && !on_this_machine {
        return Err(format!("{address:?} is not encrypted: it must begin with {encrypted}://"));
    }
    if url.scheme() != encrypted && url.scheme() != open {
        return Err(format!("{address:?} must begin with {encrypted}://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must not carry a user, a password, a query or a fragment".to_owned());
    }
    Ok(address.trim_end_matches('/').to_owned())
}

/// A secret does not belong into a config file; the error says where it does.
fn refuse_inline_secrets(document: &Document) -> Result<(), ConfigError> {
    let section = document.root.entries().iter().find(|entry| entry.key == "gateway");
    let inline = section
        .into_iter()
        .flat_map(|entry| entry.node.entries())
        .find(|entry| ["api_key", "apikey", "password", "token"].contains(&entry.key.to_lowercase().as_str()));
    match inline {
        Some(entry) => Err(document
            .refuse_key(&format!("gateway.{}", entry.key), "a secret must not stand in a config file")
            .advise("put it alone into a file, chmod 600 it, and name that file with api_key_file")),
        None => Ok(()),
    }
}
