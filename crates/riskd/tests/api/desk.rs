//! A daemon that watches the simulator, and its API on a port of its own.

use std::net::SocketAddr;
use std::time::Duration;

use riskd::api::{self, Server};
use riskd::config::ApiConfig;
use riskd::daemon::admin::administration;
use riskd::daemon::publish::publishing;
use riskd::daemon::{Phase, Stop};
use riskd_store::Clock;
use serde_json::Value;

use crate::client::{Answer, Ask};
use crate::ground::{Daemon, Ground, within};

/// Time between two looks at something that is to happen.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A daemon and its API.
pub(crate) struct Desk {
    pub(crate) ground: Ground,
    pub(crate) daemon: Daemon,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

/// As many requests as a test likes, at any port.
pub(crate) fn config(ground: &Ground) -> ApiConfig {
    ApiConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_password_file: ground.path("secrets/admin.password"),
        requests_per_second: 100_000,
        ..ApiConfig::default()
    }
}

impl Desk {
    /// A desk with these rules, watching two accounts.
    pub(crate) async fn open(rules: &str) -> Self {
        Self::open_with(rules, |config| config).await
    }

    /// The same, with another config of the API.
    pub(crate) async fn open_with(rules: &str, change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let ground = Ground::new(rules).await;
        let mut desk = Self::start(ground, change).await;
        desk.daemon.until(Phase::Watching).await;
        desk.ground.until_watched().await;
        desk.until("/api/v1/overview", |overview| {
            let accounts = overview["accounts"].as_array().unwrap();
            accounts.len() == 2
                && accounts.iter().all(|account| account["certain"] == true)
                && overview["daemon"]["protected"] == true
        })
        .await;
        desk
    }

    /// Starts both without waiting for anything.
    pub(crate) async fn start(ground: Ground, change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let setup = ground.setup();
        let (publisher, published) = publishing();
        let (clock, database) = (ground.clock.clone(), setup.database.clone());
        let (admin, requests) = administration();
        let stop = Stop::new();
        let daemon = ground.start_showing(setup, publisher, requests, stop.clone());
        let around = api::Surroundings {
            clock: Clock::new(move || clock.now()),
            phase: daemon.phases.clone(),
            published,
            database,
            admin,
            stop,
            read_config: ground.config_reader(),
        };
        let server = Server::start(change(config(&ground)), around).await.unwrap();
        Self { address: server.address(), ground, daemon, server }
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        ask.send(self.address).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Ask::get(path)).await
    }

    /// Asks again and again until the answer is what is waited for.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> impl Future<Output = Value> {
        let (address, path) = (self.address, path.to_owned());
        within(async move {
            loop {
                let answer = Ask::get(&path).send(address).await;
                if answer.status == 200 && wanted(&answer.json()) {
                    return answer.json();
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }

    /// Stops both.
    pub(crate) async fn close(self) {
        self.server.stop().await;
        self.daemon.end().await;
    }
}
