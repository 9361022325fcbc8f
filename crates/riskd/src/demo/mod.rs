//! The whole of riskd on a fresh machine: a v1 database with a past, a simulated broker on loopback, a market morning,
//! traders with habits, and the daemon that stands between them and the door.

mod morning;
mod report;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::Hub;
use riskd_gateway::client::limiter::{RateLimits, Window};
use riskd_sim::exchange::ExchangeConfig;
use riskd_sim::feed::{Pace, Playback};
use riskd_sim::server::{RequestLimits, Topic};
use riskd_sim::{Simulator, SimulatorConfig};
use riskd_store::{V1Sample, create_v1_sample};
use tokio::sync::watch;

pub use morning::{Cast, Morning, cast, find_morning};
pub use report::Report;

use crate::api;
use crate::config::{ApiConfig, ConfigFolder, Surroundings as ConfigSurroundings};
use crate::daemon::admin::administration;
use crate::daemon::publish::publishing;
use crate::daemon::{self, Phase, Setup, Stop, Summary, Surroundings};
use crate::failure::{Failure, FailureKind};

/// Rows of the past that is migrated.
const PAST_ENFORCEMENTS: u32 = 20_000;
const PAST_TRADES: u32 = 5_000;
/// How long the daemon may take to watch every account.
const PATIENCE_AT_THE_START: Duration = Duration::from_secs(30);

/// What to play.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder for config, database, backups; made if it is not there, and kept.
    pub folder: PathBuf,
    /// The market morning.
    pub morning: Morning,
    /// How long the morning takes.
    pub within: Duration,
    /// Where all chance comes from.
    pub seed: u64,
    /// Where the dashboard listens; absent for its usual port, or any other when that is taken.
    pub listen: Option<SocketAddr>,
}

/// Told what happens while it happens.
pub trait Audience: Sync + Send {
    /// Something was done.
    fn line(&self, text: &str);
    /// Something happened to the database.
    fn database(&self, event: riskd_store::Event);
    /// The morning goes on.
    fn morning(&self, played: usize, total: usize, feed_time: Option<Timestamp>);
}

/// Plays it.
///
/// # Errors
///
/// When a file cannot be written, no port is free, or the daemon fails.
pub async fn play(plan: &Plan, audience: Arc<dyn Audience>) -> Result<Report, Failure> {
    let cast = cast(plan.seed);
    let config = SimulatorConfig {
        exchange: ExchangeConfig { seed: plan.seed, accounts: cast.accounts(), ..ExchangeConfig::default() },
        limits: RequestLimits::NONE,
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(config).await.map_err(|error| failed("the simulator could not start", &error))?;
    audience.line(&format!("Simulated broker at {}", simulator.base_url));
    let folder = write_files(plan, &cast, &simulator)?;
    let began = Timestamp::now();
    let mut setup = Setup::load(&folder, &ConfigSurroundings::of_this_process())?;
    setup.gateway.rate_limits = unhurried();
    make_past(&setup, &cast, began)?;
    audience.line(&format!(
        "v1 database with {PAST_ENFORCEMENTS} enforcements and {PAST_TRADES} trades at {}",
        setup.database.path.display()
    ));
    let stop = Stop::new();
    let (phase, phases) = watch::channel(Phase::Opening);
    let (publisher, published) = publishing();
    let (admin, requests) = administration();
    let time = daemon::ProgramClock::of_the_machine();
    let clock = time.clock();
    let around = api::Surroundings {
        clock: clock.clone(),
        phase: phases.clone(),
        published,
        database: setup.database.clone(),
        admin,
        stop: stop.clone(),
        read_config: Arc::new(move || Setup::load(&folder, &ConfigSurroundings::of_this_process())),
    };
    let server = serve_dashboard(&setup.api, plan.listen, around).await;
    if let Some(server) = &server {
        audience.line(&format!("Dashboard at {}", server.url()));
    }
    let listener = Arc::clone(&audience);
    let surroundings = Surroundings {
        clock,
        time: Some(time),
        record: None,
        stop: stop.clone(),
        phase,
        on_database_event: Arc::new(move |event| listener.database(event)),
        publisher,
        admin: requests,
    };
    let mut running = tokio::spawn(daemon::run(setup.clone(), surroundings));
    tokio::select! {
        ended = &mut running => return Err(ended_early(ended)),
        ready = until_watching(&simulator, &cast, phases) => ready?,
    }
    audience.line(&format!("Watching {} accounts; the market opens: {}", cast.traders.len(), plan.morning.what));
    let playback = simulator
        .controls
        .play(plan.morning.feed.clone(), &cast.contract_id, Pace::Within(plan.within), cast.traders.clone())
        .map_err(|error| failed("the morning could not be played", &error))?;
    tokio::select! {
        ended = &mut running => return Err(ended_early(ended)),
        () = follow(&playback, &*audience) => {}
    }
    let traders = playback.finished().await.unwrap_or_default();
    stop.ask();
    let summary = running.await.map_err(|error| failed("the daemon panicked", &error))??;
    if let Some(server) = server {
        server.stop().await;
    }
    let report = Report::gather(&setup, &cast, &simulator, &traders, began, &summary, plan)?;
    simulator.shut_down().await.map_err(|error| failed("the simulator did not end", &error))?;
    Ok(report)
}

/// The dashboard at its usual port, or at any when that is taken: a demonstration disturbs nobody.
async fn serve_dashboard(
    config: &ApiConfig,
    listen: Option<SocketAddr>,
    around: api::Surroundings,
) -> Option<api::Server> {
    let usual = config.listen;
    let listen = match listen {
        Some(listen) => listen,
        None if tokio::net::TcpListener::bind(usual).await.is_ok() => usual,
        None => SocketAddr::new(usual.ip(), 0),
    };
    api::start_if_possible(&ApiConfig { listen, ..config.clone() }, around).await
}

/// Hours are played in seconds, so the broker's requests a minute would be a few seconds' worth: they are left out here,
/// on both sides. At the speed of a real day they hold, and the client keeps below them.
fn unhurried() -> RateLimits {
    let limits = RateLimits::default();
    let general = Window { calls: 1_000_000, ..limits.general };
    RateLimits { general, ..limits }
}

fn ended_early(ended: Result<Result<Summary, Failure>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Err(failure)) => failure,
        Ok(Ok(_)) => Failure::new(FailureKind::Failed, "The daemon stopped before the morning was over."),
        Err(error) => failed("the daemon panicked", &error),
    }
}

async fn until_watching(simulator: &Simulator, cast: &Cast, mut phases: watch::Receiver<Phase>) -> Result<(), Failure> {
    let ready = async {
        // A sender that is gone is a daemon that ended: whoever called notices that.
        let _gone = phases.wait_for(|phase| *phase == Phase::Watching).await;
        for trader in &cast.traders {
            simulator.controls.until_subscribed(Topic::Positions(trader.account_id)).await;
        }
        simulator.controls.until(|controls| controls.hub_connections(Hub::Market) > 0).await;
    };
    tokio::time::timeout(PATIENCE_AT_THE_START, ready)
        .await
        .map_err(|_| Failure::new(FailureKind::Failed, "The daemon did not get to watch every account within 30 s."))
}

async fn follow(playback: &Playback, audience: &dyn Audience) {
    let mut progress = playback.watch();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tick.tick().await;
        let now = *progress.borrow_and_update();
        audience.morning(now.played, now.total, now.feed_time);
        if now.is_over {
            return;
        }
    }
}

fn make_past(setup: &Setup, cast: &Cast, until: Timestamp) -> Result<(), Failure> {
    let path = &setup.database.path;
    make_folder(path.parent().unwrap_or(Path::new(".")))?;
    let sample = V1Sample {
        account_ids: cast.traders.iter().map(|trader| trader.account_id).collect(),
        enforcements: PAST_ENFORCEMENTS,
        trades: PAST_TRADES,
        until,
    };
    create_v1_sample(path, &sample).map_err(|error| failed("the v1 database could not be made", &error))
}

/// Writes the config files and the key, as a user would have them.
fn write_files(plan: &Plan, cast: &Cast, simulator: &Simulator) -> Result<ConfigFolder, Failure> {
    let config = plan.folder.join("config");
    let secrets = plan.folder.join("secrets");
    make_folder(&config)?;
    make_folder(&secrets)?;
    let hub_url = simulator.base_url.replacen("http", "ws", 1);
    let gateway = format!(
        "gateway:\n  api_url: \"{}\"\n  hub_url: \"{hub_url}\"\n  user_name: \"{}\"\n  api_key_file: \"secrets/gateway.key\"\n",
        simulator.base_url, simulator.user_name
    );
    write(&config.join("gateway.yaml"), &gateway)?;
    write_secret(&secrets.join("gateway.key"), &simulator.api_key)?;
    write(&config.join("database.yaml"), "database:\n  path: \"data/state.db\"\n  track_unrealized_pnl: true\n")?;
    for (name, text) in cast.config_files() {
        write(&config.join(name), &text)?;
    }
    Ok(ConfigFolder::open(Some(&config))?)
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| cannot_write(path, &error))
}

fn write_secret(path: &Path, secret: &str) -> Result<(), Failure> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(secret.as_bytes()))
        .map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::NoSpaceOrPermission, format!("{} could not be written: {error}", path.display()))
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Failed, format!("{what}: {error}"))
}
