//! A simulated broker, a config folder, and a daemon between them.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use riskd::config::{ConfigFolder, Surroundings as ConfigSurroundings};
use riskd::daemon::admin::AdminRequests;
use riskd::daemon::publish::Publisher;
use riskd::daemon::{self, Phase, ProgramClock, Setup, Stop, Summary, Surroundings};
use riskd::failure::Failure;
use riskd_core::model::{AccountId, ContractId, OrderId, Price, Side};
use riskd_gateway::client::limiter::Window;
use riskd_gateway::protocol::wire::Endpoint;
use riskd_sim::exchange::{AccountRecord, ExchangeConfig, OrderTicket, contract_id};
use riskd_sim::server::{RequestLimits, Topic};
use riskd_sim::{Controls, Simulator, SimulatorConfig};
use riskd_store::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The account whose trader breaks rules.
pub(crate) const TRADER: AccountId = AccountId(1001);
/// The account beside it, whose trader breaks none.
pub(crate) const NEIGHBOUR: AccountId = AccountId(1002);

/// RULE-003: at a realized loss of $500, everything is closed and locked.
pub(crate) const REALIZED: &str =
    "rules:\n  daily_realized_loss: {loss_limit: 500, action: CLOSE_ALL_AND_LOCKOUT, lockout_until: daily_reset}\n";
/// RULE-001: above five contracts, everything is closed.
pub(crate) const CLOSE_ALL: &str = "rules:\n  max_contracts: {limit: 5, close_all: true}\n";
/// RULE-001: above five contracts, the excess is closed.
pub(crate) const REDUCE: &str = "rules:\n  max_contracts: {limit: 5, close_all: false, reduce_to_limit: true}\n";

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fails the test when it takes too long.
#[track_caller]
pub(crate) fn within<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(result) => result,
            Err(_) => panic!("{place}: nothing happened for {PATIENCE:?}"),
        }
    }
}

/// Plays cases side by side, as most of their time is waiting; names those that fail.
pub(crate) async fn side_by_side<W: Future<Output = ()> + Send + 'static>(cases: Vec<(&'static str, W)>) {
    let tasks: Vec<_> = cases.into_iter().map(|(name, case)| (name, tokio::spawn(case))).collect();
    let mut failed = Vec::new();
    for (name, task) in tasks {
        if task.await.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "these failed: {failed:?}");
}

/// A clock that runs with the machine's, set forward on request.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.0.load(Ordering::SeqCst));
        Timestamp::now().checked_add(ahead).unwrap()
    }

    pub(crate) fn set_forward(&self, by: SignedDuration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// Everything one test plays on.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    pub(crate) simulator: Simulator,
    pub(crate) clock: TestClock,
    /// Where daemons write down what happens.
    pub(crate) record: Option<PathBuf>,
    /// The next moment at which the accounts' day turns, as the clock stood at the start.
    pub(crate) next_reset: Timestamp,
}

impl Ground {
    /// A broker with both accounts, at 2650, and a config folder with these rules.
    pub(crate) async fn new(rules: &str) -> Self {
        Self::with_accounts(rules, &[TRADER, NEIGHBOUR]).await
    }

    pub(crate) async fn with_accounts(rules: &str, accounts: &[AccountId]) -> Self {
        Self::with_exchange(rules, accounts, ExchangeConfig::default()).await
    }

    pub(crate) async fn with_exchange(rules: &str, accounts: &[AccountId], exchange: ExchangeConfig) -> Self {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        if let Ok(filter) = std::env::var("RISKD_LOG") {
            // To see what a daemon in this process says: RISKD_LOG=info cargo test … -- --nocapture
            let log = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer();
            let _already_there = log.try_init();
        }
        let clock = TestClock::default();
        let records = accounts.iter().map(|account| AccountRecord::new(account.0, &format!("SIM-{account}"))).collect();
        let of_the_server = clock.clone();
        let config = SimulatorConfig {
            exchange: ExchangeConfig { accounts: records, ..exchange },
            limits: RequestLimits::NONE,
            clock: Arc::new(move || of_the_server.now()),
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::start(config).await.unwrap();
        simulator.controls.tick(&es(), points("2650")).unwrap();
        simulator.controls.tick(&mes(), points("2650")).unwrap();
        // The day turns half a day from now: never in the middle of a test.
        let next_reset = minute(clock.now() + SignedDuration::from_hours(12));
        let ground = Self { folder: temp_folder(), simulator, clock, record: None, next_reset };
        ground.write_config(rules, accounts);
        ground
    }

    fn write_config(&self, rules: &str, accounts: &[AccountId]) {
        let hub_url = self.simulator.base_url.replacen("http", "ws", 1);
        let gateway = format!(
            "gateway:\n  api_url: \"{}\"\n  hub_url: \"{hub_url}\"\n  user_name: \"{}\"\n  api_key_env: \"TEST_KEY\"\n",
            self.simulator.base_url, self.simulator.user_name
        );
        let reset = self.next_reset.strftime("%H:%M");
        let accounts = accounts
            .iter()
            .map(|account| format!("  - {{id: {account}, reset_time: \"{reset}\", timezone: \"UTC\"}}\n"))
            .collect::<String>();
        self.write("config/gateway.yaml", &gateway);
        self.write("config/accounts.yaml", &format!("accounts:\n{accounts}"));
        self.write("config/risk_config.yaml", rules);
        // Any port: programs of many tests run at once.
        self.write("config/api.yaml", "api: {listen: \"127.0.0.1:0\"}\n");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("data/state.db")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn controls(&self) -> &Controls {
        &self.simulator.controls
    }

    /// What the daemon reads of the config folder, a little less patient than in earnest.
    pub(crate) fn setup(&self) -> Setup {
        let folder = ConfigFolder::open(Some(&self.path("config"))).unwrap();
        let surroundings = ConfigSurroundings::of(&[("TEST_KEY", &self.simulator.api_key)]);
        let mut setup = Setup::load(&folder, &surroundings).unwrap();
        setup.gateway.rest_timeouts.call_ms = 1_000;
        setup.gateway.retry.first_wait_ms = 20;
        setup.gateway.reconnect.delays_ms = vec![0, 50, 100, 200];
        let limits = &mut setup.gateway.rate_limits;
        limits.general = Window { calls: 1_000_000, ..limits.general };
        setup
    }

    /// Reads the files as a reload does.
    #[allow(dead_code)]
    pub(crate) fn config_reader(&self) -> Arc<riskd::api::ReadConfig> {
        let (folder, key) = (self.path("config"), self.simulator.api_key.clone());
        Arc::new(move || {
            Setup::load(&ConfigFolder::open(Some(&folder))?, &ConfigSurroundings::of(&[("TEST_KEY", &key)]))
        })
    }

    /// Starts the daemon in this process.
    pub(crate) fn start(&self) -> Daemon {
        self.start_with(self.setup())
    }

    pub(crate) fn start_with(&self, setup: Setup) -> Daemon {
        self.start_showing(setup, Publisher::to_nobody(), AdminRequests::none(), Stop::new())
    }

    /// The same, with somebody who looks.
    pub(crate) fn start_showing(&self, setup: Setup, publisher: Publisher, admin: AdminRequests, stop: Stop) -> Daemon {
        let clock = self.clock.clone();
        self.start_on(setup, (Clock::new(move || clock.now()), None), (publisher, admin), stop)
    }

    /// Starts the daemon in this process, on a clock that follows the broker's time.
    pub(crate) fn start_on_the_brokers_time(&self, time: ProgramClock) -> Daemon {
        let nobody = (Publisher::to_nobody(), AdminRequests::none());
        self.start_on(self.setup(), (time.clock(), Some(time)), nobody, Stop::new())
    }

    fn start_on(
        &self,
        setup: Setup,
        (clock, time): (Clock, Option<ProgramClock>),
        (publisher, admin): (Publisher, AdminRequests),
        stop: Stop,
    ) -> Daemon {
        let (phase, phases) = watch::channel(Phase::Opening);
        let surroundings = Surroundings {
            clock,
            time,
            record: self.record.clone(),
            stop: stop.clone(),
            phase,
            on_database_event: Arc::new(|_| {}),
            publisher,
            admin,
        };
        Daemon { task: tokio::spawn(daemon::run(setup, surroundings)), stop, phases }
    }

    /// Starts the daemon in this process and waits until it watches both accounts.
    pub(crate) async fn watch(&self) -> Daemon {
        let mut daemon = self.start();
        daemon.until(Phase::Watching).await;
        self.until_watched().await;
        daemon
    }

    /// Waits until somebody is subscribed to everything about the accounts.
    pub(crate) async fn until_watched(&self) {
        let accounts: Vec<_> = self.controls().exchange(|books| books.accounts().map(|account| account.id).collect());
        for account in accounts {
            for topic in [Topic::Orders(account), Topic::Positions(account), Topic::Trades(account)] {
                within(self.controls().until_subscribed(topic)).await;
            }
        }
    }

    pub(crate) fn buy(&self, account: AccountId, contract: &ContractId, size: i64) -> OrderId {
        self.controls().place(OrderTicket::market(account, contract.clone(), Side::Buy, size)).unwrap()
    }

    pub(crate) fn sell(&self, account: AccountId, contract: &ContractId, size: i64) -> OrderId {
        self.controls().place(OrderTicket::market(account, contract.clone(), Side::Sell, size)).unwrap()
    }

    /// A limit order that nothing will fill.
    pub(crate) fn rest_order(&self, account: AccountId) -> OrderId {
        self.controls().place(OrderTicket::limit(account, es(), Side::Buy, 1, points("2000"))).unwrap()
    }

    /// Realizes a loss of more than $500 and keeps a contract and an order.
    pub(crate) fn lose(&self, account: AccountId) {
        self.rest_order(account);
        self.buy(account, &es(), 3);
        self.controls().tick(&es(), points("2644")).unwrap();
        self.sell(account, &es(), 2);
    }

    /// Waits until the exchange shows an account flat and without orders.
    #[track_caller]
    pub(crate) fn until_flat(&self, account: AccountId) -> impl Future<Output = ()> {
        within(self.controls().until_flat_without_orders(account))
    }

    /// Waits until an endpoint was called so many times.
    #[track_caller]
    pub(crate) fn until_requested(&self, endpoint: Endpoint, times: usize) -> impl Future<Output = ()> {
        within(self.controls().until_requested(endpoint, times))
    }

    /// Requests that change something, of one account.
    pub(crate) fn interventions(&self, account: AccountId) -> Vec<String> {
        use Endpoint::{CancelOrder, ClosePosition, ModifyOrder, PartialClosePosition, PlaceOrder};
        let changing = [CancelOrder, ClosePosition, ModifyOrder, PartialClosePosition, PlaceOrder];
        let mine = |body: &str| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["accountId"] == account.0
        };
        let requests = self.controls().requests().into_iter();
        requests
            .filter(|request| changing.contains(&request.endpoint) && mine(&request.body))
            .map(|request| format!("{} {}", request.endpoint.path(), request.body))
            .collect()
    }

    /// Fails when any fill turned a position round or the last one left something open.
    pub(crate) fn assert_closed_once(&self, account: AccountId) {
        let mut held = 0;
        for trade in self.controls().trades(account) {
            let before = held;
            held += if trade.side == Side::Buy { trade.size } else { -trade.size };
            assert!(before * held >= 0, "a fill turned the position round: {:?}", self.controls().trades(account));
        }
        assert_eq!(held, 0, "{:?}", self.controls().trades(account));
    }
}

/// A daemon in this process.
pub(crate) struct Daemon {
    task: JoinHandle<Result<Summary, Failure>>,
    pub(crate) stop: Stop,
    pub(crate) phases: watch::Receiver<Phase>,
}

impl Daemon {
    /// Waits until it has got so far.
    pub(crate) async fn until(&mut self, phase: Phase) {
        let reached = within(self.phases.wait_for(|now| *now >= phase)).await.is_ok();
        assert!(reached, "the daemon ended: {:?}", (&mut self.task).await);
    }

    /// Tells it to stop, and gives what it says.
    pub(crate) async fn end(self) -> Summary {
        self.stop.ask();
        self.ended().await.unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(self) -> Result<Summary, Failure> {
        within(self.task).await.unwrap()
    }
}

/// A folder for one test, in memory where there is one: a slow disk must not be what is tested.
fn temp_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second() / 60 * 60).unwrap()
}

pub(crate) fn es() -> ContractId {
    contract_id("ES").unwrap()
}

pub(crate) fn mes() -> ContractId {
    contract_id("MES").unwrap()
}

pub(crate) fn points(text: &str) -> Price {
    Price::parse(text).unwrap()
}
