//! The running daemon, asked by an admin over its API.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use super::reach_options::ReachOptions;
use super::secret_input::{PasswordInput, ask};
use crate::failure::{Failure, FailureKind};
use crate::reach::Reach;

/// How long one answer may take: a reload reads files, an unlock waits for the disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the daemon is reached, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RemoteOptions {
    #[command(flatten)]
    reach: ReachOptions,
    #[command(flatten)]
    password: PasswordInput,
}

/// What the daemon says when it refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

/// A session of an admin, for one command.
pub(crate) struct Remote {
    http: reqwest::Client,
    reach: Reach,
    token: SecretString,
}

impl RemoteOptions {
    /// Logs in, does one thing, logs out.
    pub(crate) fn post(&self, context: &Context, path: &str, body: &Value) -> Result<Value, Failure> {
        let (reach, _) = self.reach.reach(context)?;
        if !reach.is_private() {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("{} is not encrypted: the password would travel in the open.", reach.address()),
            )
            .next("use https://, or a tunnel to the daemon's machine"));
        }
        let password = match self.password.read()? {
            Some(password) => password,
            None => ask("Admin password: ")?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Failure::new(FailureKind::Failed, format!("the program could not start its threads: {error}"))
        })?;
        runtime.block_on(async {
            let remote = Remote::log_in(reach, &password).await?;
            let answer = remote.post(path, body).await;
            // The session ends by itself when this does not get through.
            let _ended = remote.post("admin/logout", &json!({})).await;
            answer
        })
    }
}

impl Remote {
    async fn log_in(reach: Reach, password: &SecretString) -> Result<Self, Failure> {
        let failed = |error: String| Failure::new(FailureKind::Failed, error);
        let http =
            reach.http().map_err(failed)?.timeout(PATIENCE).build().map_err(|error| failed(error.to_string()))?;
        let remote = Self { http, reach, token: SecretString::default() };
        let body = json!({ "password": password.expose_secret() });
        let answer = remote.post("admin/login?token=true", &body).await?;
        let token = answer["token"].as_str().map(SecretString::from);
        let token = token.ok_or_else(|| Failure::new(FailureKind::Failed, "The daemon gave no session."))?;
        Ok(Self { token, ..remote })
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let address = format!("{}/api/v1/{path}", self.reach.address());
        let mut request = self.http.post(address).header("X-Riskd", "1").json(body);
        if !self.token.expose_secret().is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()));
        }
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            return Ok(serde_json::from_slice(&bytes).unwrap_or(Value::Null));
        }
        Err(refused(status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        Failure::new(FailureKind::Failed, format!("The daemon at {} cannot be reached: {error}.", self.reach.address()))
            .meaning("It is not known whether it runs; nothing was changed by this command that it did not say.")
            .next("look at `riskd status`, and name its address with --url when it is another")
    }
}

fn refused(status: StatusCode, problem: Problem) -> Failure {
    let detail = if problem.detail.is_empty() { format!("The daemon answered {status}.") } else { problem.detail };
    let failure = Failure::new(FailureKind::Failed, detail).meaning("Nothing was changed.");
    match problem.kind.as_str() {
        "urn:riskd:wrong-password" => failure.next("try again; after five wrong ones each further one costs a wait"),
        "urn:riskd:no-password" => failure.next("set one: riskd admin set-password"),
        _ => failure,
    }
}
