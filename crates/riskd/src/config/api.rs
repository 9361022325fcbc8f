//! `config/api.yaml`: where the dashboard and its API are served, to whom, and how an admin proves who they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::checks;
use super::document::Document;
use super::error::ConfigError;
use super::folder::ConfigFolder;
use super::secret::read_secret_file;

/// Where the dashboard is unless the config says otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8765);
/// A trader's token must be at least this long, in characters: it must not be guessed.
const SHORTEST_TOKEN: usize = 24;

/// What `config/api.yaml` says, with defaults for what it leaves out.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Whether the API is served at all.
    pub enabled: bool,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The token that lets a trader read; absent where nobody need show one.
    pub token: Option<SecretString>,
    /// The file that holds the hash of the admin's password.
    pub admin_password_file: PathBuf,
    /// Certificate and key, where it is served encrypted.
    pub tls: Option<TlsFiles>,
    /// Host names, besides this machine's own, by which the dashboard may be called.
    pub allowed_hosts: Vec<String>,
    /// An admin who does nothing for so long is logged out.
    pub admin_idle: Duration,
    /// An admin is logged out after so long, whatever they do.
    pub admin_longest: Duration,
    /// Requests a second that one client may make, averaged over a few seconds.
    pub requests_per_second: u32,
}

/// The files of an encrypted listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM; its owner's alone.
    pub key: PathBuf,
}

impl ApiConfig {
    /// Reads `api.yaml` of the folder; absent means loopback, no token, no admin until a password is set.
    pub fn load(folder: &ConfigFolder) -> Result<Self, ConfigError> {
        let document = folder.document("api.yaml")?;
        let section = document.as_ref().map(Document::read::<File>).transpose()?.unwrap_or_default().api;
        let token = section.token_file.as_ref().map(|file| {
            let file = folder.resolve(file);
            let token = read_secret_file(&file, "token")?;
            let length = token.expose_secret().chars().count();
            let one_word = token.expose_secret().chars().all(|character| character.is_ascii_graphic());
            if length < SHORTEST_TOKEN || !one_word {
                let problem = format!("must hold one token of at least {SHORTEST_TOKEN} visible characters");
                return Err(ConfigError::with_file(&file, problem).advise("such as what `openssl rand -hex 32` prints"));
            }
            Ok(token)
        });
        let config = Self {
            enabled: section.enabled,
            listen: section.listen,
            token: token.transpose()?,
            admin_password_file: folder.resolve(&section.admin_password_file),
            tls: section
                .tls
                .map(|tls| TlsFiles { certificate: folder.resolve(&tls.certificate), key: folder.resolve(&tls.key) }),
            allowed_hosts: section.allowed_hosts.0,
            admin_idle: Duration::from_secs(60 * u64::from(section.admin_idle_minutes)),
            admin_longest: Duration::from_secs(60 * u64::from(section.admin_longest_minutes)),
            requests_per_second: section.requests_per_second,
        };
        if let Some(document) = &document {
            config.refuse_what_is_open_to_all(document, section.allow_plain)?;
        }
        Ok(config)
    }

    /// Whether only this machine can reach it.
    pub fn is_on_loopback(&self) -> bool {
        self.listen.ip().is_loopback()
    }

    /// Beyond loopback, passwords and accounts would travel in the open, and anybody could read.
    fn refuse_what_is_open_to_all(&self, document: &Document, allow_plain: bool) -> Result<(), ConfigError> {
        if !self.enabled || self.is_on_loopback() {
            return Ok(());
        }
        let at = self.listen.ip();
        if self.tls.is_none() && !allow_plain {
            return Err(document
                .refuse_key("api.listen", format!("{at} can be reached from other machines, and nothing is encrypted"))
                .advise("set api.tls, or listen on 127.0.0.1 behind a tunnel; api.allow_plain: true takes the risk"));
        }
        if self.token.is_none() {
            return Err(document
                .refuse_key("api.listen", format!("{at} can be reached from other machines, and anybody could read"))
                .advise("set api.token_file"));
        }
        Ok(())
    }
}

impl Default for ApiConfig {
    fn default() -> Self {
        let section = Section::default();
        Self {
            enabled: section.enabled,
            listen: section.listen,
            token: None,
            admin_password_file: section.admin_password_file,
            tls: None,
            allowed_hosts: Vec::new(),
            admin_idle: Duration::from_secs(60 * u64::from(section.admin_idle_minutes)),
            admin_longest: Duration::from_secs(60 * u64::from(section.admin_longest_minutes)),
            requests_per_second: section.requests_per_second,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    api: Section,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    enabled: bool,
    #[serde(deserialize_with = "address")]
    listen: SocketAddr,
    #[serde(deserialize_with = "checks::optional_path")]
    token_file: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    admin_password_file: PathBuf,
    tls: Option<Tls>,
    allow_plain: bool,
    allowed_hosts: Hosts,
    #[serde(deserialize_with = "checks::count")]
    admin_idle_minutes: u32,
    #[serde(deserialize_with = "checks::count")]
    admin_longest_minutes: u32,
    #[serde(deserialize_with = "checks::count")]
    requests_per_second: u32,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: DEFAULT_LISTEN,
            token_file: None,
            admin_password_file: PathBuf::from("secrets/admin.password"),
            tls: None,
            allow_plain: false,
            allowed_hosts: Hosts::default(),
            admin_idle_minutes: 15,
            admin_longest_minutes: 480,
            requests_per_second: 50,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    #[serde(deserialize_with = "path")]
    certificate: PathBuf,
    #[serde(deserialize_with = "path")]
    key: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Hosts(#[serde(deserialize_with = "hosts")] Vec<String>);

fn path<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    checks::text(deserializer).map(PathBuf::from)
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = checks::text(deserializer)?;
    text.replacen("localhost:", "127.0.0.1:", 1).parse().map_err(|_| {
        serde::de::Error::custom(format!("{text:?} is not an address and a port, such as \"127.0.0.1:8765\""))
    })
}

fn hosts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.');
    match hosts.iter().find(|host| host.is_empty() || !host.chars().all(allowed)) {
        Some(wrong) => Err(serde::de::Error::custom(format!(
            "{wrong:?} is not the name of a host: no scheme, no port, such as desk.example.com"
        ))),
        None => Ok(hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect()),
    }
}
