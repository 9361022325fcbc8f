//! How the running daemon's API is reached, as every command that asks it is told.

use std::path::PathBuf;

use secrecy::SecretString;

use super::Context;
use crate::config::ApiConfig;
use crate::failure::{Failure, FailureKind};
use crate::reach::Reach;

/// Where the daemon is, and whom to trust.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReachOptions {
    /// Where the daemon's API is [default: as config/api.yaml says, or http://127.0.0.1:8765]
    #[arg(long, value_name = "ADDRESS")]
    url: Option<String>,
    /// Trust the certificates of this PEM file, and no others [default: without --url, api.tls.certificate of
    /// config/api.yaml; else what this machine trusts]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl ReachOptions {
    /// Whether the command and not the config says where the daemon is.
    pub(crate) fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// The way to the daemon, and the trader's token where the config and not the command says where it is.
    pub(crate) fn reach(&self, context: &Context) -> Result<(Reach, Option<SecretString>), Failure> {
        let wrong = |what: String| Failure::new(FailureKind::Usage, format!("{what}."));
        let (reach, token) = match &self.url {
            Some(url) => {
                let reach = Reach::to(url).map_err(|error| {
                    wrong(error).next("name the daemon's address, such as --url http://127.0.0.1:8765")
                });
                (reach?, None)
            }
            None => {
                let config = ApiConfig::load(&context.config)?;
                (Reach::of(&config).map_err(wrong)?, config.token)
            }
        };
        match &self.ca_file {
            Some(file) => Ok((reach.trusting(file).map_err(wrong)?, token)),
            None => Ok((reach, token)),
        }
    }
}
