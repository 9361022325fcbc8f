//! The daemon: config → open or migrate → load state → connect → subscribe → reconcile → events → enforce.
//!
//! Architecture invariant: no choice about money is made here. The loop owns the one clock, the journal the one way to
//! the disk, the executor the one way to the broker; what to do is decided by `riskd_core::engine::step`.

pub mod admin;
mod clock;
mod clock_watch;
mod event_loop;
mod executor;
mod histogram;
mod journal;
mod kept;
mod maintenance;
mod notices;
mod proof;
pub mod publish;
mod setup;
mod summary;
mod watchdog;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::{self, Change, Effect};
use riskd_core::model::{Account, AccountId, ROOTS_BELOW_ZERO};
use riskd_gateway::client::{CallError, Gateway, event_queue};
use riskd_store::{
    BackupOptions, Clock, MigrateOptions, OpenOutcome, OwnedDatabase, Reader, ReaderOptions, StoreError, Trigger,
    Writer, WriterOptions, open,
};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

pub use clock::{ProgramClock, steady_clock};
pub use histogram::Histogram;
pub use notices::Counts;
pub use proof::prove_arming;
pub use setup::{AccountSetup, Setup, offline_config};
pub use summary::Summary;

use crate::alerts::{Alerts, Signal};
use crate::config::restore_account;
use crate::failure::{Failure, FailureKind};
use crate::replay::Recorder;
use admin::AdminRequests;
use clock_watch::ClockWatch;
use event_loop::EventLoop;
use executor::Executor;
use journal::{Journal, Outcome};
use maintenance::Maintenance;
use publish::Publisher;
use watchdog::Watchdog;

/// Events other than quotes that may wait before the hubs are held back.
const QUEUE_CAPACITY: usize = 8_192;
/// Waits between two tries to reach the broker at the start, in seconds; the last one repeats.
const CONNECT_AGAIN_AFTER_S: [u64; 5] = [1, 2, 10, 30, 60];

/// How long the end waits for alerts to go out.
const PATIENCE_WITH_ALERTS: Duration = Duration::from_secs(3);

/// Tries to learn the time from a broker that is there and does not answer.
const ASK_THE_TIME_AT_MOST: usize = 3;

/// How far the daemon is, for whoever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Opening, and migrating where needed.
    Opening,
    /// The database is at head; reaching the broker.
    Connecting,
    /// Events are taken in.
    Watching,
}

/// Tells a running daemon to stop: once in order, twice at once.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<u8>);

impl Stop {
    /// A stop that nobody has asked for yet.
    pub fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Asks once more.
    pub fn ask(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Resolves when somebody has asked.
    async fn asked(&self) {
        let mut times = self.0.subscribe();
        // The sender lives in `self`.
        let _alive = times.wait_for(|times| *times > 0).await;
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// What is handed to the daemon besides its config.
pub struct Surroundings {
    /// The one clock.
    pub clock: Clock,
    /// What is behind it, where it follows the broker's time; absent where the clock is the caller's own.
    pub time: Option<ProgramClock>,
    /// A new file that every input is written to; absent for none.
    pub record: Option<std::path::PathBuf>,
    /// Asked when to stop.
    pub stop: Stop,
    /// Told how far the daemon is.
    pub phase: watch::Sender<Phase>,
    /// Told what happens to the database at the start; may be called from two threads.
    pub on_database_event: Arc<dyn Fn(riskd_store::Event) + Send + Sync>,
    /// Shows people what there is.
    pub publisher: Publisher,
    /// What admins ask.
    pub admin: AdminRequests,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
///
/// When the database cannot be opened or migrated, or the broker refuses the credentials or an account.
pub async fn run(setup: Setup, surroundings: Surroundings) -> Result<Summary, Failure> {
    let alerts = Alerts::start(&setup.alerts, surroundings.clock.clone())
        .map_err(|error| Failure::new(FailureKind::Failed, format!("alerts could not be set up: {error}")))?;
    let result = protect(setup, surroundings, &alerts).await;
    match &result {
        Ok(summary) if summary.left_pending || summary.left_unwritten => alerts
            .signal(Signal::Stopped { how: "told to stop, with work left that goes on at the next start".to_owned() }),
        Ok(_) => alerts.signal(Signal::Stopped { how: "told to stop; everything is written".to_owned() }),
        Err(failure) => {
            if failure.kind == FailureKind::NewerDatabase || failure.kind == FailureKind::NotOurs {
                alerts.signal(Signal::SchemaMismatch { what: failure.what.clone() });
            }
            alerts.signal(Signal::StartFailed { why: failure.what.clone() });
        }
    }
    alerts.flush(PATIENCE_WITH_ALERTS).await;
    result
}

async fn protect(setup: Setup, surroundings: Surroundings, alerts: &Alerts) -> Result<Summary, Failure> {
    let Surroundings { clock, time, record, stop, phase, on_database_event, publisher, admin } = surroundings;
    phase.send_replace(Phase::Opening);
    let Some(database) = open_database(&setup, &clock, &stop, on_database_event, alerts).await? else {
        return Ok(Summary::of_nothing());
    };
    phase.send_replace(Phase::Connecting);
    if let Some(time) = &time {
        tokio::select! {
            held = hold_the_time(&setup, time, alerts) => held?,
            () = stop.asked() => return Ok(Summary::of_nothing()),
        }
    }
    let gateway = gateway(&setup, &clock, time.as_ref())?;
    let (mut accounts, listed) = tokio::select! {
        found = find_accounts(&setup, &gateway, alerts) => found?,
        () = stop.asked() => return Ok(Summary::of_nothing()),
    };
    kept::add_kept(&mut accounts, &listed, &setup, database.path(), clock.now()).map_err(store_failure)?;
    accounts.iter().for_each(AccountSetup::announce);
    alerts.signal(Signal::NotArmed { rules: setup::not_armed(&accounts) });
    let around = (alerts, record.as_deref());
    let mut event_loop = assemble(&setup, &accounts, &database, &clock, gateway, (publisher, admin), around)?;
    event_loop.clock_watch = time.map(ClockWatch::of);
    phase.send_replace(Phase::Watching);
    info!(accounts = accounts.len(), "watching");
    alerts.signal(Signal::Started { accounts: accounts.len() });
    let summary = event_loop.run(stop.0.subscribe()).await;
    drop(database);
    Ok(summary)
}

/// A client of the broker that knows its way by this clock, and tells what answers say of the time.
fn gateway(setup: &Setup, clock: &Clock, time: Option<&ProgramClock>) -> Result<Gateway, Failure> {
    let clock = clock.clone();
    Gateway::telling_dates(setup.gateway.clone(), Arc::new(move || clock.now()), time.map(ProgramClock::dates))
        .map_err(|error| Failure::new(FailureKind::Usage, error.to_string()))
}

/// Asks the broker what time it is, before anything is decided by the clock.
///
/// By a client of its own: the first answer may set the clock back, and a client's limits do not live through that.
async fn hold_the_time(setup: &Setup, time: &ProgramClock, alerts: &Alerts) -> Result<(), Failure> {
    let gateway = gateway(setup, &time.clock(), Some(time))?;
    let mut failures = 0;
    loop {
        let answered = gateway.ping().await;
        if time.is_held() {
            let ahead_ms = time.machine_error().map_or(0, |error| error.as_millis());
            info!(machine_ahead_ms = ahead_ms as i64, "the time is the broker's");
            return Ok(());
        }
        match answered {
            Err(error @ (CallError::NotSent { .. } | CallError::Unknown { .. })) => {
                alerts.signal(Signal::Broker { reachable: false });
                let wait = CONNECT_AGAIN_AFTER_S[failures.min(CONNECT_AGAIN_AFTER_S.len() - 1)];
                failures += 1;
                if matches!(error, CallError::Unknown { .. }) && failures >= ASK_THE_TIME_AT_MOST {
                    warn!("the broker does not say what time it is ({error}); it is asked again with every answer");
                    return Ok(());
                }
                warn!(
                    "the broker cannot be asked what time it is ({error}); trying again in {wait} s. \
                     NOTHING IS PROTECTED MEANWHILE"
                );
                tokio::time::sleep(Duration::from_secs(wait)).await;
            }
            _ => {
                warn!("the broker's answers carry no date: this machine's clock is believed, and nobody checks it");
                return Ok(());
            }
        }
    }
}

/// Loads the state and puts the loop together; from here on the hubs are connecting.
fn assemble(
    setup: &Setup,
    accounts: &[AccountSetup],
    database: &OwnedDatabase,
    clock: &Clock,
    gateway: Gateway,
    (mut publisher, admin): (Publisher, AdminRequests),
    (alerts, record): (&Alerts, Option<&std::path::Path>),
) -> Result<EventLoop, Failure> {
    publisher.name_accounts(accounts.iter().map(|account| (account.id(), account.account.name.clone())));
    let mut config = setup.engine_config(accounts);
    let ids: Vec<AccountId> = config.accounts.keys().copied().collect();
    let now = clock.now();
    let reader = Reader::open(database.path(), ReaderOptions { negative_price_roots: negative_price_roots() })
        .map_err(store_failure)?;
    let remembered = reader.memory(&ids, now).map_err(store_failure)?;
    for unreadable in &remembered.unreadable {
        error!("a row cannot be read and is left alone: {unreadable}");
    }
    let (outcome_sender, outcomes) = mpsc::unbounded_channel::<Outcome>();
    let options = WriterOptions { audit_trail: setup.database.audit_trail, ..WriterOptions::new(clock.clone()) };
    let writer = Writer::open(database.path(), options).map_err(store_failure)?;
    let (events, inbox) = event_queue(QUEUE_CAPACITY);
    let recorder = record.map(|file| recorder(file, now, &remembered.memory)).transpose()?;
    let mut actions = Vec::new();
    let held = engine::hold_commitments(
        &mut config,
        &remembered.memory.commitments,
        &|sections| restore_account(&setup.folder, sections),
        now,
        &mut actions,
    );
    tell_of_commitments(&held);
    let engine = engine::start(&config, remembered.memory, now, &mut actions);
    tokio::spawn(
        Maintenance {
            clock: clock.clone(),
            cleanup_schedule: setup.database.cleanup_schedule.clone(),
            location: setup.database.location(),
            backup: BackupOptions { retention: setup.database.backup_retention(), ..BackupOptions::new(clock.clone()) },
            due: outcome_sender.clone(),
            alerts: alerts.clone(),
        }
        .run(),
    );
    Ok(EventLoop {
        engine,
        config,
        clock: clock.clone(),
        journal: Journal::new(writer, outcome_sender),
        executor: Executor::start(gateway, events, ids.into_iter()),
        inbox,
        outcomes,
        retention: setup.database.row_retention(),
        counts: Counts::default(),
        latencies: summary::Latencies::new(),
        actions,
        retry_writes_at: Timestamp::MIN,
        publisher,
        admin,
        waiting: admin::Waiting::default(),
        alerts: alerts.clone(),
        watchdog: Watchdog::of_this_process(),
        clock_watch: None,
        recorder,
    })
}

/// Begins a recording.
fn recorder(file: &std::path::Path, at: Timestamp, memory: &engine::Memory) -> Result<Recorder, Failure> {
    Recorder::create(file, at, memory).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("The recording {} cannot be made: {error}.", file.display()))
            .meaning("Nothing was started: NOTHING IS PROTECTED.")
            .next("name a file that is not there yet, or leave --record out")
    })
}

/// What the files say and is not in force yet, because an account is committed to something stricter.
fn tell_of_commitments(changes: &[Change]) {
    for Change { account_id, section, effect } in changes {
        if let Effect::AtReset(from) = effect {
            warn!(%account_id, section, %from, "a looser config waits: what is in force stays until the reset");
        }
    }
}

/// Opens the database, migrating it where needed. After a failed automatic migration the next one waits its time, here:
/// a supervisor that restarts the daemon at once must not turn that into a storm. `None` when asked to stop meanwhile.
async fn open_database(
    setup: &Setup,
    clock: &Clock,
    stop: &Stop,
    on_event: Arc<dyn Fn(riskd_store::Event) + Send + Sync>,
    alerts: &Alerts,
) -> Result<Option<OwnedDatabase>, Failure> {
    loop {
        let options = MigrateOptions {
            trigger: Trigger::Automatic,
            features: setup.database.features_with(setup.keeps_drawdown()),
            auto_migrate: setup.database.schema.auto_migrate,
            create_backup: setup.database.schema.backup_before_migrate && setup.database.migration.create_backup,
            create_if_missing: true,
            retention: setup.database.backup_retention(),
            ..MigrateOptions::new(clock.clone())
        };
        let (interrupt, location, on_event) =
            (options.interrupt.clone(), setup.database.location(), Arc::clone(&on_event));
        let mut work = tokio::task::spawn_blocking(move || open(&location, &options, &*on_event));
        let opened = tokio::select! {
            opened = &mut work => opened,
            () = stop.asked() => {
                interrupt.set();
                work.await
            }
        };
        match opened.map_err(|error| Failure::new(FailureKind::Failed, format!("opening the database: {error}")))? {
            Ok((database, outcome)) => {
                announce(&outcome);
                alerts.signal(Signal::Migration { failed: None });
                return Ok(Some(database));
            }
            Err(StoreError::RetryLater { failures, last_error, not_before }) => {
                error!(failures, %not_before, "automatic migration failed before and waits: {last_error}. NOTHING IS PROTECTED MEANWHILE");
                alerts.signal(Signal::Migration { failed: Some(last_error) });
                let wait = Duration::try_from(not_before.duration_since(clock.now())).unwrap_or(Duration::ZERO);
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop.asked() => return Ok(None),
                }
            }
            Err(error) if error.is_interrupt() => {
                info!("stopped before the database was open; it is unchanged");
                return Ok(None);
            }
            Err(error) => {
                match &error {
                    StoreError::MigrationFailed(failed) if failed.step == riskd_store::Step::Backup => {
                        alerts.signal(Signal::Backup { failed: Some(failed.error.to_string()) });
                        alerts.signal(Signal::Migration { failed: Some(error.to_string()) });
                    }
                    StoreError::MigrationFailed(_) => {
                        alerts.signal(Signal::Migration { failed: Some(error.to_string()) })
                    }
                    StoreError::MigrationNeeded { .. } => {
                        alerts.signal(Signal::SchemaMismatch { what: error.to_string() });
                    }
                    _ => {}
                }
                return Err(store_failure(error));
            }
        }
    }
}

fn announce(outcome: &OpenOutcome) {
    match outcome {
        OpenOutcome::Created { path } => info!(path = %path.display(), "new database made"),
        OpenOutcome::Migrated(report) => {
            for step in &report.steps {
                info!("{}", step.line);
            }
            for warning in &report.warnings {
                warn!("{warning}");
            }
        }
        OpenOutcome::FeaturesAdded { lines, .. } => lines.iter().for_each(|line| info!("{line}")),
        OpenOutcome::Current { .. } => {}
    }
    info!("Database schema v{} (current)", riskd_store::HEAD_VERSION);
}

/// Logs in and finds the accounts to protect. A network that is not there is waited for; credentials that are refused, or
/// an account the login does not see, end the start: a guard that silently guards nothing is worse than none.
///
/// Gives the accounts to protect by the config, and all that the login sees.
async fn find_accounts(
    setup: &Setup,
    gateway: &Gateway,
    alerts: &Alerts,
) -> Result<(Vec<AccountSetup>, Vec<Account>), Failure> {
    let listed = loop_until_reached(gateway, alerts).await?;
    alerts.signal(Signal::Broker { reachable: true });
    for refused in &listed.refused {
        warn!("the broker lists an account that cannot be read: {}", refused.refusal.invalid);
    }
    if setup.accounts.is_empty() {
        let accounts: Vec<_> = listed
            .rows
            .iter()
            .map(|listed| AccountSetup {
                account: crate::config::AccountConfig::of_the_login(listed.id, listed.name.clone()),
                rules: Arc::clone(&setup.rules),
            })
            .collect();
        if accounts.is_empty() {
            return Err(Failure::new(FailureKind::Failed, "The login sees no active account.")
                .meaning("There is nothing to protect.")
                .next("check the user name in gateway.yaml"));
        }
        return Ok((accounts, listed.rows));
    }
    for configured in &setup.accounts {
        if !listed.rows.iter().any(|listed| listed.id == configured.id()) {
            return Err(Failure::new(
                FailureKind::Usage,
                format!("accounts.yaml: account {} is not among the active accounts of this login.", configured.id()),
            )
            .meaning("It could not be protected, so nothing was started.")
            .next("correct its id; the accounts the login sees are those the broker's own platform lists"));
        }
    }
    Ok((setup.accounts.clone(), listed.rows))
}

async fn loop_until_reached(
    gateway: &Gateway,
    alerts: &Alerts,
) -> Result<riskd_gateway::client::Rows<Account>, Failure> {
    let mut failures = 0;
    loop {
        let error = match gateway.search_accounts(true).await {
            Ok(listed) => return Ok(listed),
            Err(error) => error,
        };
        if matches!(
            error,
            CallError::Refused { .. } | CallError::Unauthorized { .. } | CallError::NotLoggedIn { refused: true, .. }
        ) {
            return Err(Failure::new(FailureKind::Failed, format!("The broker refuses this login: {error}."))
                .meaning("NOTHING IS PROTECTED.")
                .next("check the user name in gateway.yaml and the API key, then start again"));
        }
        alerts.signal(Signal::Broker { reachable: false });
        let wait = CONNECT_AGAIN_AFTER_S[failures.min(CONNECT_AGAIN_AFTER_S.len() - 1)];
        failures += 1;
        warn!("the broker cannot be reached ({error}); trying again in {wait} s. NOTHING IS PROTECTED MEANWHILE");
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
}

/// Symbol roots of contracts that may trade at zero or below.
pub(crate) fn negative_price_roots() -> Vec<String> {
    ROOTS_BELOW_ZERO.iter().map(|root| (*root).to_owned()).collect()
}

/// What a failure of the store means for the user.
fn store_failure(error: StoreError) -> Failure {
    crate::cli::failures::unchanged(&error)
}
