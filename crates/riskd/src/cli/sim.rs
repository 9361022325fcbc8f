//! `riskd sim`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;

use riskd_sim::exchange::ExchangeConfig;
use riskd_sim::feed::Pace;
use riskd_sim::{Simulator, SimulatorConfig};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use crate::demo;
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;

/// Run the simulated broker alone, for a riskd of its own or for any client of the gateway
///
/// Speaks the gateway's protocol on this machine: REST and both hubs. Plays a market morning over and over, with the six
/// traders of the demonstration in it on the first round.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd sim\nriskd sim --listen 127.0.0.1:8901 --speed 60"))]
pub struct Args {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8900")]
    listen: SocketAddr,
    /// Trades to play, a CSV of timestamp,price, also gzipped [default: the recorded morning if found, else the sample]
    #[arg(long, value_name = "FILE")]
    feed: Option<PathBuf>,
    /// How many times as fast as it happened
    #[arg(long, value_name = "TIMES", default_value_t = 10)]
    speed: u32,
    /// Nobody trades but who logs in
    #[arg(long)]
    no_traders: bool,
    /// Where all chance comes from
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
}

/// Runs the simulator until interrupted.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Warnings)?;
    if !args.listen.ip().is_loopback() {
        return Err(Failure::new(FailureKind::Usage, format!("{} is not on this machine.", args.listen))
            .meaning("The simulator knows no encryption, so it listens on a loopback address only.")
            .next("riskd sim --listen 127.0.0.1:8900"));
    }
    let morning = demo::find_morning(args.feed.as_deref())
        .map_err(|error| Failure::new(FailureKind::Usage, error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::Failed, format!("threads could not be started: {error}")))?;
    runtime.block_on(serve(&args, &morning, context))
}

async fn serve(args: &Args, morning: &demo::Morning, context: &Context) -> Result<Exit, Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| Failure::new(FailureKind::Failed, format!("{what}: {error}"));
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| failed(&format!("{} cannot be listened on", args.listen), &error))?;
    let cast = demo::cast(args.seed);
    let exchange = ExchangeConfig { seed: args.seed, accounts: cast.accounts(), ..ExchangeConfig::default() };
    let config = SimulatorConfig { exchange, ..SimulatorConfig::default() };
    let simulator =
        Simulator::start_on(listener, config).map_err(|error| failed("the simulator could not start", &error))?;
    // Caught from before anybody is told that it runs: a signal right then must be an order to end, not an accident.
    let mut interrupted = pin!(interrupted()?);
    context.output.json(&serde_json::json!({
        "api_url": simulator.base_url,
        "user_hub_url": simulator.user_hub_url,
        "market_hub_url": simulator.market_hub_url,
        "user_name": simulator.user_name,
        "api_key": simulator.api_key,
    }));
    context.output.done(format!("Simulated broker at {}; the morning: {}", simulator.base_url, morning.what));
    context.output.line(format!("  user name {}, API key {}", simulator.user_name, simulator.api_key));
    context.output.line(format!(
        "  gateway.yaml: api_url: \"{}\"  hub_url: \"{}\"",
        simulator.base_url,
        simulator.base_url.replacen("http", "ws", 1)
    ));
    context.output.line("  or let `riskd config init` ask for all of it: the firm is `other`");
    let mut traders = if args.no_traders { Vec::new() } else { cast.traders };
    loop {
        let playback = simulator
            .controls
            .play(morning.feed.clone(), &cast.contract_id, Pace::Times(args.speed), std::mem::take(&mut traders))
            .map_err(|error| failed("the morning could not be played", &error))?;
        tokio::select! {
            _ = playback.finished() => {}
            () = &mut interrupted => break,
        }
    }
    simulator.shut_down().await.map_err(|error| failed("the simulator did not end", &error))?;
    Ok(Exit::DONE)
}

/// Resolves at Ctrl-C or SIGTERM, which are caught from now on.
fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let cannot = |error| Failure::new(FailureKind::Failed, format!("signals cannot be caught: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
