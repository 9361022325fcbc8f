//! A folder, a simulated broker, and the program run between them.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use riskd_sim::exchange::{AccountRecord, ExchangeConfig};
use riskd_sim::{Simulator, SimulatorConfig};

pub(crate) struct Scene {
    folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Scene {
    /// A broker with three accounts, and an empty folder.
    pub(crate) async fn new() -> Self {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let accounts = [1001, 1002, 1003].map(|id| AccountRecord::new(id, &format!("SIM-{id}"))).to_vec();
        let exchange = ExchangeConfig { accounts, ..ExchangeConfig::default() };
        let simulator = Simulator::start(SimulatorConfig { exchange, ..SimulatorConfig::default() }).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), simulator }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn hub_url(&self) -> String {
        self.simulator.base_url.replacen("http", "ws", 1)
    }

    /// Runs the program in the folder, with the broker's key in the environment.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let key = self.simulator.api_key.clone();
        self.run_with(&[("RISKD_API_KEY", &key)], arguments).await
    }

    pub(crate) async fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
        command.args(arguments).current_dir(self.folder.path()).env_remove("RISKD_LOG").stdin(Stdio::null());
        command.env_remove("RISKD_API_KEY").env("NO_COLOR", "1").envs(variables.iter().copied());
        // The simulator lives in this process: it must go on while the program runs.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Ran::of(&output)
    }

    /// Makes the config files without a question.
    pub(crate) async fn initialized(self) -> Self {
        let (api_url, hub_url) = (self.simulator.base_url.clone(), self.hub_url());
        let user = self.simulator.user_name.clone();
        let words =
            ["config", "init", "--non-interactive", "--api-url", &api_url, "--hub-url", &hub_url, "--user-name", &user];
        let ran = self.run(&[&words[..], &["--account", "1002"]].concat()).await;
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
        self
    }
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), error: text(&output.stderr) }
    }
}
