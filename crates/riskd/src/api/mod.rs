//! The daemon's API and the dashboard: one HTTP server, beside the loop and never in its way.
//!
//! Reading comes from pictures that the loop publishes and from the store's readers; changing goes to the loop as a
//! question and comes back as its answer. Whatever happens here, accounts stay protected: a port that is taken, a client
//! that hangs, a query that takes long cost the loop nothing.
//!
//! Architecture invariant: no state of the engine is reached from here, and no row is written.

mod accounts;
mod acts;
mod admin;
mod assets;
mod clients;
mod curves;
mod database;
mod enforcements;
mod extract;
mod guard;
mod health;
mod herald;
mod listener;
mod metrics;
mod openapi;
mod overview;
mod password;
mod problem;
mod rules;
mod session;
mod shared;
mod stream;
mod tls;
mod trader;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use riskd_store::Clock;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tower_http::compression::CompressionLayer;
use tracing::{info, warn};

pub use openapi::document;
pub use password::{LONGEST_PASSWORD, PasswordError, SHORTEST_PASSWORD, set_password};
pub use shared::ReadConfig;

use crate::config::{ApiConfig, DatabaseConfig};
use crate::daemon::admin::AdminDesk;
use crate::daemon::publish::Published;
use crate::daemon::{Phase, Stop};
use clients::Clients;
use herald::Herald;
use problem::Problem;
use session::Sessions;
use shared::{Shared, Store};

/// The longest body of a request, in bytes.
const LONGEST_BODY: usize = 16 * 1024;
/// Events that a listener may be behind.
const EVENTS_BEHIND: usize = 1_024;
/// How long a stop waits for answers under way.
const PATIENCE_WITH_CLIENTS: Duration = Duration::from_secs(3);

/// Why the API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address is taken, or may not be listened on.
    #[error("{address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("{}: {problem}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// What is handed to the API besides its config.
pub struct Surroundings {
    /// The program's one clock.
    pub clock: Clock,
    /// How far the daemon is.
    pub phase: watch::Receiver<Phase>,
    /// What the loop publishes.
    pub published: Published,
    /// The state database.
    pub database: DatabaseConfig,
    /// The way to the loop for what an admin asks.
    pub admin: AdminDesk,
    /// Stops the daemon.
    pub stop: Stop,
    /// Reads every config file anew.
    pub read_config: Arc<ReadConfig>,
}

/// The running server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    encrypted: bool,
    stop: watch::Sender<bool>,
    listening: JoinHandle<()>,
    herald: JoinHandle<()>,
}

impl Server {
    /// Starts serving. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, or certificate or key cannot be used.
    pub async fn start(config: ApiConfig, surroundings: Surroundings) -> Result<Self, ApiError> {
        let address = config.listen;
        let failed = |source| ApiError::Listen { address, source };
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopping) = watch::channel(false);
        let (seen_sender, seen) = watch::channel(None);
        let (live, _nobody) = broadcast::channel(EVENTS_BEHIND);
        let Published { messages, interest } = surroundings.published;
        let encrypted = acceptor.is_some();
        let shared = Arc::new(Shared {
            started_at: surroundings.clock.now(),
            clock: surroundings.clock,
            phase: surroundings.phase,
            seen,
            interest,
            live,
            curves: Mutex::default(),
            store: Store::new(surroundings.database),
            database: database::Remembered::default(),
            clients: Clients::new(config.requests_per_second),
            sessions: Sessions::new(config.admin_idle, config.admin_longest),
            admin: surroundings.admin,
            stop: surroundings.stop,
            read_config: surroundings.read_config,
            password_turn: tokio::sync::Semaphore::new(1),
            traffic: shared::Traffic::default(),
            stopping: stopping.clone(),
            config,
        });
        let herald = Herald { shared: Arc::clone(&shared), seen: seen_sender, quoted: BTreeMap::new(), told_at: None };
        Ok(Self {
            address,
            encrypted,
            stop,
            herald: tokio::spawn(herald.run(messages)),
            listening: tokio::spawn(listener::run(listener, acceptor, router(shared), stopping)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to type into a browser.
    pub fn url(&self) -> String {
        let scheme = if self.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Lets answers under way be finished, then stops.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(PATIENCE_WITH_CLIENTS, &mut self.listening).await.is_err() {
            warn!("clients of the dashboard did not let go in time");
            self.listening.abort();
        }
        self.herald.abort();
    }
}

/// Starts the API where the config wants it. A port that is taken is an error in the log: protection goes on without.
pub async fn start_if_possible(config: &ApiConfig, surroundings: Surroundings) -> Option<Server> {
    if !config.enabled {
        info!("the dashboard is turned off (api.enabled: false)");
        return None;
    }
    match Server::start(config.clone(), surroundings).await {
        Ok(server) => {
            info!("dashboard at {}", server.url());
            Some(server)
        }
        Err(error) => {
            tracing::error!(%error, "the dashboard cannot be served; protection goes on without it");
            None
        }
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let (router, _) = openapi::routes().split_for_parts();
    router
        .method_not_allowed_fallback(wrong_method)
        .fallback(assets::asset)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(CompressionLayer::new().gzip(true))
        .layer(from_fn_with_state(Arc::clone(&shared), guard::guard))
        .with_state(shared)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}.", uri.path());
    Problem::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, detail)
}
