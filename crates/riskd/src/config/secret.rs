//! Reading an API key from where it is kept, and refusing places where others can read it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::error::ConfigError;
use super::gateway::ApiKeySource;

/// The environment variable asked for when the config names no place.
pub const API_KEY_VARIABLE: &str = "RISKD_API_KEY";
/// The systemd credential asked for when neither the config nor the environment has the key.
pub const API_KEY_CREDENTIAL: &str = "riskd-api-key";
/// Where systemd puts the credentials of a service.
const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// No key is longer than this, in bytes.
const LONGEST_KEY: u64 = 4096;

/// The environment of the program, handed in so that tests need not change their own.
#[derive(Clone, Default)]
pub struct Surroundings(BTreeMap<String, String>);

impl Surroundings {
    /// The environment of this process. Variables that are not text are left out.
    pub fn of_this_process() -> Self {
        let readable =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(readable.collect())
    }

    /// An environment made of these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The value of a variable; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Names only: values may be secrets.
impl std::fmt::Debug for Surroundings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Fetches the key.
pub(super) fn read_api_key(source: &ApiKeySource, surroundings: &Surroundings) -> Result<SecretString, ConfigError> {
    match source {
        ApiKeySource::File(file) => match credential(surroundings) {
            // What systemd was told to hand over goes before a file that the service's user may not even see.
            Some(credential) if credential.is_file() => read_text(&credential, "API key"),
            _ => read_secret_file(file, "API key"),
        },
        ApiKeySource::Environment(variable) => from_variable(surroundings, variable).ok_or_else(|| {
            ConfigError::with_file(
                Path::new(variable),
                "the environment variable that should hold the API key is not set",
            )
            .advise("set it, or name a file with gateway.api_key_file")
        }),
        ApiKeySource::Default => {
            if let Some(key) = from_variable(surroundings, API_KEY_VARIABLE) {
                return Ok(key);
            }
            match credential(surroundings) {
                Some(credential) => read_text(&credential, "API key"),
                None => Err(ConfigError::with_file(Path::new("gateway.yaml"), "no API key was found").advise(format!(
                    "name a file with gateway.api_key_file, set {API_KEY_VARIABLE}, or give the service the systemd credential {API_KEY_CREDENTIAL}"
                ))),
            }
        }
    }
}

/// Where systemd puts the key for a service that was given it.
fn credential(surroundings: &Surroundings) -> Option<PathBuf> {
    surroundings.get(CREDENTIALS_VARIABLE).map(|folder| PathBuf::from(folder).join(API_KEY_CREDENTIAL))
}

/// The secret in a variable; a blank one counts as absent.
pub(super) fn from_variable(surroundings: &Surroundings, name: &str) -> Option<SecretString> {
    let key = surroundings.get(name)?.trim();
    (!key.is_empty()).then(|| SecretString::from(key))
}

/// The trader's token in a file that is its owner's alone.
///
/// # Errors
///
/// When others can read it, or it holds no token.
pub fn read_token_file(file: &Path) -> Result<SecretString, ConfigError> {
    read_secret_file(file, "token")
}

/// A file with a secret must be its owner's alone: whoever reads the key can trade the account. `what` names the secret.
pub(super) fn read_secret_file(file: &Path, what: &str) -> Result<SecretString, ConfigError> {
    refuse_what_others_can_read(file, what)?;
    read_text(file, what)
}

/// Refuses a file with a secret that others can read or change. What is not a file, a pipe for example, is let pass.
///
/// # Errors
///
/// When others can, or nobody can.
pub fn refuse_what_others_can_read(file: &Path, what: &str) -> Result<(), ConfigError> {
    let metadata = std::fs::metadata(file)
        .map_err(|error| ConfigError::with_file(file, format!("the {what} file cannot be read: {error}")))?;
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        let problem = format!("the {what} file can be read or changed by others (mode {mode:04o})");
        return Err(ConfigError::with_file(file, problem).advise(format!("run: chmod 600 '{}'", file.display())));
    }
    Ok(())
}

fn read_text(file: &Path, what: &str) -> Result<SecretString, ConfigError> {
    let refuse = |problem: String| Err(ConfigError::with_file(file, problem));
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) => return refuse(format!("the {what} cannot be read: {error}")),
    };
    if !metadata.is_file() {
        return refuse(format!("the {what} must be in a file"));
    }
    if metadata.len() > LONGEST_KEY {
        return refuse(format!("is too long to be a secret: {LONGEST_KEY} bytes at most"));
    }
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return refuse(format!("the {what} cannot be read: {error}")),
    };
    let key = text.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        return refuse(format!("must hold the {what} alone, on one line"));
    }
    Ok(SecretString::from(key))
}
