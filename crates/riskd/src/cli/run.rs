//! `riskd run`.

use std::sync::Arc;

use sd_notify::NotifyState;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::api;
use crate::cli::Context;
use crate::cli::supervisor::Supervisor;
use crate::config::Surroundings as ConfigSurroundings;
use crate::daemon::admin::{AdminRequests, administration};
use crate::daemon::publish::{Publisher, publishing};
use crate::daemon::{self, AccountSetup, Phase, Setup, Stop, Surroundings};
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;

/// Threads that serve the dashboard.
const THREADS_FOR_THE_DASHBOARD: usize = 2;

/// Protects the configured accounts, in the foreground, until told to stop.
///
/// Opens the state database (an older one is backed up, migrated and verified first), logs in at the broker, compares
/// what is known with what the broker says, and from then on watches every fill, order and quote. A breach is enforced
/// until the broker itself shows the account flat.
///
/// Ctrl-C or SIGTERM stops in order: enforcements under way are seen through first. A second signal stops at once; what
/// is pending then goes on at the next start.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd run\nriskd run --check\nriskd --config /etc/riskd run"))]
pub struct Args {
    /// Load everything, connect to nothing, change nothing, and say what would happen
    #[arg(long)]
    check: bool,
    /// Write everything that happens to a new file, for riskd replay; it holds no key and no password
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    record: Option<std::path::PathBuf>,
    /// Start nothing when the dashboard cannot be served [default: protect without it, and say so in the log]
    #[arg(long, conflicts_with = "check")]
    require_api: bool,
}

/// Runs the daemon until it is told to stop.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Events)?;
    let setup = Setup::load(&context.config, &ConfigSurroundings::of_this_process())?;
    if args.check {
        return check(&setup, context);
    }
    allow_no_core_dumps();
    let runtime = runtime(None)?;
    // The dashboard has threads of its own: what people ask takes no time from what protects them.
    let for_the_dashboard = self::runtime(Some(THREADS_FOR_THE_DASHBOARD))?;
    let time = daemon::ProgramClock::of_the_machine();
    let (phase, phases) = watch::channel(Phase::Opening);
    let (publisher, published) = publishing();
    let (admin, requests) = administration();
    let stop = Stop::new();
    let around = api::Surroundings {
        clock: time.clock(),
        phase: phases,
        published,
        database: setup.database.clone(),
        admin,
        stop: stop.clone(),
        read_config: Arc::new({
            let folder = context.config.clone();
            move || Setup::load(&folder, &ConfigSurroundings::of_this_process())
        }),
    };
    let server = for_the_dashboard.block_on(api::start_if_possible(&setup.api, around));
    if args.require_api && server.is_none() {
        return Err(Failure::new(FailureKind::Failed, "The dashboard cannot be served; the log says why.")
            .meaning("NOTHING IS PROTECTED: --require-api asks not to start without it.")
            .next("free the port, or name another one as api.listen in api.yaml"));
    }
    let summary = runtime.block_on(watch_accounts(setup, time, stop, phase, (publisher, requests, args.record)));
    if let Some(server) = server {
        for_the_dashboard.block_on(server.stop());
    }
    let summary = summary?;
    info!(
        events = summary.events(),
        breaches = summary.breaches(),
        confirmed = summary.confirmed(),
        refused = summary.refused(),
        decision_p99_us = summary.decision_time(99.0).as_micros() as u64,
        "the run is over"
    );
    if summary.left_pending {
        return Err(Failure::new(FailureKind::Failed, "Stopped before the broker confirmed every enforcement.")
            .meaning("An account may not be flat. What is pending is on record.")
            .next("start riskd run again: it goes on where it stopped"));
    }
    if summary.left_unwritten {
        return Err(Failure::new(FailureKind::Failed, "Stopped before the state database took everything.")
            .meaning("Every account was protected, but the newest rows, a lockout among them perhaps, are not on record.")
            .next("make room on the disk, then start riskd run again: the broker is asked what there is"));
    }
    Ok(Exit::DONE)
}

/// A core dump would hold the API key and the tokens: none is written, and no process of another user may look inside.
fn allow_no_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let refused = setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = refused {
        warn!(%error, "core dumps could not be turned off: a crash may write secrets to the disk");
    }
}

/// Threads of a runtime; as many as there are cores unless a number is named.
fn runtime(threads: Option<usize>) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads).thread_name("riskd-api");
    }
    builder
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::Failed, format!("the program could not start its threads: {error}")))
}

async fn watch_accounts(
    setup: Setup,
    time: daemon::ProgramClock,
    stop: Stop,
    phase: watch::Sender<Phase>,
    (publisher, admin, record): (Publisher, AdminRequests, Option<std::path::PathBuf>),
) -> Result<daemon::Summary, Failure> {
    tokio::spawn(stop_on_signals(stop.clone())?);
    tokio::spawn(tell_of_readiness(phase.subscribe()));
    let supervisor = Supervisor::of_this_process();
    let surroundings = Surroundings {
        clock: time.clock(),
        time: Some(time),
        record,
        stop,
        phase,
        on_database_event: Arc::new(move |event| supervisor.tell(&event)),
        publisher,
        admin,
    };
    daemon::run(setup, surroundings).await
}

/// Each signal asks once more: the first stops in order, the second at once.
fn stop_on_signals(stop: Stop) -> Result<impl Future<Output = ()>, Failure> {
    let cannot = |error| Failure::new(FailureKind::Failed, format!("signals cannot be caught: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            info!("asked to stop");
            stop.ask();
        }
    })
}

/// Tells systemd, where there is one, that the daemon is up.
async fn tell_of_readiness(mut phases: watch::Receiver<Phase>) {
    let is_watching = phases.wait_for(|phase| *phase == Phase::Watching).await.is_ok();
    if is_watching && let Err(error) = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status("Watching")]) {
        warn!(%error, "the supervisor could not be told");
    }
}

#[derive(Debug, Serialize)]
struct Checked {
    database: riskd_store::Status,
    accounts: Vec<CheckedAccount>,
}

#[derive(Debug, Serialize)]
struct CheckedAccount {
    id: i64,
    name: String,
    reset: String,
    rules: Vec<String>,
    not_armed: Vec<String>,
}

impl CheckedAccount {
    fn of(setup: &AccountSetup) -> Self {
        let day = setup.trading_day();
        let rules = setup.rules.set.rules().map(|rule| format!("{} {}: {}", rule.id(), rule.key(), rule.sentence()));
        let idle = setup.rules.set.idle().iter();
        Self {
            id: setup.id().0,
            name: setup.account.name.clone(),
            reset: format!("{} {}", day.reset_time().strftime("%H:%M"), day.timezone_name()),
            rules: rules.collect(),
            not_armed: idle.map(|idle| format!("{} {}: {}", idle.rule_id, idle.key, idle.reason)).collect(),
        }
    }
}

fn check(setup: &Setup, context: &Context) -> Result<Exit, Failure> {
    let database = riskd_store::status(&setup.database.location(), setup.database.features_with(setup.keeps_drawdown()))
        .map_err(|error| super::failures::unchanged(&error))?;
    let accounts: Vec<_> = setup.accounts.iter().map(CheckedAccount::of).collect();
    if context.output.is_json() {
        context.output.json(&Checked { database, accounts });
        return Ok(Exit::DONE);
    }
    let output = &context.output;
    output.done("Config files load");
    match (database.version, database.pending.is_empty()) {
        (Some(version), true) => output.done(format!("Database schema v{version} (current)")),
        (Some(version), false) => {
            output.line(format!("Database schema v{version}: riskd run would migrate it first"));
            database.pending.iter().for_each(|step| output.line(format!("  {step}")));
        }
        (None, _) => output.line(format!("{}: riskd run would make a new database", database.path.display())),
    }
    if accounts.is_empty() {
        output.line("Accounts: every active account of the login (accounts.yaml lists none)");
    }
    for account in accounts {
        output.line(format!("Account {} ({}), day turns at {}", account.id, account.name, account.reset));
        account.rules.iter().for_each(|rule| output.line(format!("  {rule}")));
        account.not_armed.iter().for_each(|rule| output.bad(format!("NOT ARMED {rule}")));
    }
    Ok(Exit::DONE)
}
