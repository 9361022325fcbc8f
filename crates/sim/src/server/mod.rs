//! The server in front of the exchange: the gateway's REST interface and its two hubs, over one listener.
//!
//! Architecture invariant: listener, clock and shutdown are handed in; nothing is decided here about orders or money.

mod endpoints;
mod hub;
mod limits;
mod listener;
mod query;
mod rest;
pub(crate) mod rows;
mod shared;
mod tokens;
mod topics;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use jiff::SignedDuration;
use riskd_core::model::Timestamp;
use riskd_gateway::protocol::wire::{Endpoint, hub_path};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::limits::{RateLimit, RequestLimits};
pub(crate) use self::listener::GatedListener;
pub(crate) use self::shared::{HubOrder, Shared};
pub use self::tokens::User;
pub use self::topics::Topic;
pub(crate) use self::topics::{HubMessage, messages};
use crate::controls::Controls;
use crate::exchange::ExchangeConfig;

/// Where the server reads the present moment.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The user name of the trader every simulator knows unless told otherwise.
pub const DEFAULT_USER_NAME: &str = "trader";

/// That trader's API key.
pub const DEFAULT_API_KEY: &str = "simulated-key";

/// How a simulator is set up.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// The exchange behind it.
    pub exchange: ExchangeConfig,
    /// Who can log in. Each of them sees every account.
    pub users: Vec<User>,
    /// How long a token is valid.
    pub token_lifetime: SignedDuration,
    /// How many requests are answered.
    pub limits: RequestLimits,
    /// The server's clock. What goes over the wire is stamped with it.
    pub clock: Clock,
    /// How often a hub pings.
    pub ping_interval: Duration,
    /// After how much silence a hub gives a connection up.
    pub silence_limit: Duration,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            exchange: ExchangeConfig::default(),
            users: vec![User { name: DEFAULT_USER_NAME.to_owned(), api_key: DEFAULT_API_KEY.to_owned() }],
            token_lifetime: SignedDuration::from_hours(24),
            limits: RequestLimits::REAL,
            clock: Arc::new(Timestamp::now),
            ping_interval: Duration::from_secs(15),
            silence_limit: Duration::from_secs(30),
        }
    }
}

/// A request to the REST interface, as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// When.
    pub at: Timestamp,
    /// Where to.
    pub endpoint: Endpoint,
    /// Its body, secrets out.
    pub body: String,
}

/// A simulator that runs on this machine, until it is shut down or dropped.
pub struct Simulator {
    /// `http://127.0.0.1:PORT`, to which the paths of the endpoints (`/api/…`) and of the hubs (`/hubs/…`) are added.
    pub base_url: String,
    /// `ws://127.0.0.1:PORT/hubs/user`
    pub user_hub_url: String,
    /// `ws://127.0.0.1:PORT/hubs/market`
    pub market_hub_url: String,
    /// The user name to log in with.
    pub user_name: String,
    /// The API key to log in with.
    pub api_key: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The levers of the simulator.
    pub controls: Controls,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl Simulator {
    /// Starts a simulator on a free port of 127.0.0.1. Fails when there is none.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        Self::start_on(TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?, config)
    }

    /// Starts a simulator on a listener that is bound already. Must be called inside a tokio runtime.
    pub fn start_on(listener: TcpListener, config: SimulatorConfig) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (user_name, api_key) =
            config.users.first().map_or_else(Default::default, |user| (user.name.clone(), user.api_key.clone()));
        let controls = Controls::new(config);
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, controls.clone(), async {
            // A dropped sender is a dropped simulator: that stops it too.
            let _ = stopped.await;
        });
        Ok(Self {
            base_url: format!("http://{address}"),
            user_hub_url: format!("ws://{address}{}", hub_path::USER),
            market_hub_url: format!("ws://{address}{}", hub_path::MARKET),
            user_name,
            api_key,
            address,
            controls,
            stop: Some(stop),
            task: tokio::spawn(serving),
        })
    }

    /// Ends every connection and waits until the server is gone.
    pub async fn shut_down(mut self) -> io::Result<()> {
        drop(self.stop.take());
        self.task.await.map_err(io::Error::other)?
    }
}

/// Serves the gateway's protocol on a listener until `shutdown` is done; then every connection ends.
pub async fn serve(
    listener: TcpListener,
    controls: Controls,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shared = Arc::clone(controls.shared());
    let gate = Arc::clone(&shared.gate);
    let deadlines = tokio::spawn(Arc::clone(&shared).keep_deadlines());
    let router = Router::new()
        .route("/hubs/{hub}", get(hub::connect))
        .route("/hubs/{hub}/negotiate", post(hub::negotiate))
        .fallback(rest::handle)
        .with_state(shared);
    let listener = GatedListener { listener, gate: Arc::clone(&gate) };
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            shutdown.await;
            gate.cut_all();
        })
        .await;
    deadlines.abort();
    served
}
