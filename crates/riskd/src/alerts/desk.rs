//! The running side: the board behind a lock, a task a channel, and the clock that lets things ripen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use riskd_core::engine::Notice;
use riskd_store::Clock;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::board::{Alarm, Board, Signal};
use super::channel::Channel;
use super::code::{AlarmCode, Severity};
use super::mailbox::{Mailbox, Outcome};
use super::message::{Batch, Message, State};
use super::{AlertsConfig, Thresholds};

/// Messages that wait for a channel's task before they are dropped and counted.
const QUEUE: usize = 256;
/// Time between two looks at what ripened.
const TICK: Duration = Duration::from_millis(500);

/// Where everything that is wrong is told. Cheap to clone; telling never waits.
#[derive(Clone)]
pub struct Alerts(Arc<Inner>);

struct Inner {
    clock: Clock,
    board: Mutex<Board>,
    channels: Vec<Desk>,
}

/// One channel, seen from the teller's side.
struct Desk {
    channel: Arc<Channel>,
    letters: mpsc::Sender<Letter>,
    lost: Arc<AtomicU64>,
    health: Arc<Mutex<ChannelHealth>>,
}

enum Letter {
    Message(Message),
    /// Send what waits at once, and say when nothing is left.
    Flush(oneshot::Sender<()>),
}

/// How a channel is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelHealth {
    /// Its name.
    pub name: String,
    /// Its kind: `discord`, `telegram` or `webhook`.
    pub kind: &'static str,
    /// Batches it took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Messages that were let go.
    pub dropped: u64,
    /// Why the last attempt failed; absent when it did not.
    pub failing: Option<String>,
}

/// What a channel answered to a test message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Its name.
    pub channel: String,
    /// Its kind.
    pub kind: &'static str,
    /// Whether it took the message.
    pub delivered: bool,
    /// What it answered, in words.
    pub answer: String,
    /// How long that took, in milliseconds.
    pub took_ms: u64,
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses of channels are secrets.
        formatter.debug_struct("Alerts").field("channels", &self.0.channels.len()).finish_non_exhaustive()
    }
}

impl Alerts {
    /// Alerts that reach the log alone.
    pub fn to_the_log_alone(clock: Clock) -> Self {
        let board = Mutex::new(Board::new(Thresholds::default()));
        Self(Arc::new(Inner { clock, board, channels: Vec::new() }))
    }

    /// Starts a task a channel. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made.
    pub fn start(config: &AlertsConfig, clock: Clock) -> Result<Self, String> {
        let mut channels = Vec::new();
        let mut tasks = Vec::new();
        for configured in &config.channels {
            let channel = Arc::new(Channel::new(configured.clone())?);
            let (letters, inbox) = mpsc::channel(QUEUE);
            let (lost, kind) = (Arc::new(AtomicU64::new(0)), configured.target.kind());
            let name = configured.name.clone();
            let health = ChannelHealth { name, kind, delivered: 0, failed: 0, dropped: 0, failing: None };
            let health = Arc::new(Mutex::new(health));
            channels.push(Desk {
                channel: Arc::clone(&channel),
                letters,
                lost: Arc::clone(&lost),
                health: Arc::clone(&health),
            });
            tasks.push((channel, inbox, lost, health));
        }
        let board = Mutex::new(Board::new(config.thresholds));
        let alerts = Self(Arc::new(Inner { clock, board, channels }));
        for (channel, inbox, lost, health) in tasks {
            let mailbox = Mailbox::new(config.gather);
            let post = Post {
                channel,
                mailbox,
                lost,
                health,
                alerts: Arc::downgrade(&alerts.0),
                clock: alerts.0.clock.clone(),
            };
            tokio::spawn(post.run(inbox));
        }
        tokio::spawn(tick(Arc::downgrade(&alerts.0)));
        Ok(alerts)
    }

    /// Takes in what the engine says.
    pub fn notice(&self, notice: &Notice) {
        let messages = self.0.board().notice(notice, self.0.clock.now());
        self.0.send(messages);
    }

    /// Takes in what the program says.
    pub fn signal(&self, signal: Signal) {
        let messages = self.0.board().signal(signal, self.0.clock.now());
        self.0.send(messages);
    }

    /// What is wrong now, the worst and oldest first.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.0.board().alarms(self.0.clock.now())
    }

    /// How each channel is doing.
    pub fn channels(&self) -> Vec<ChannelHealth> {
        self.0.channels.iter().map(|desk| lock(&desk.health).clone()).collect()
    }

    /// Sends a test message through every channel, side by side, and tells what each answered. Takes ten seconds at most.
    pub async fn test(&self) -> Vec<Tried> {
        let now = self.0.clock.now();
        let attempts = self.0.channels.iter().map(|desk| attempt(Arc::clone(&desk.channel), now));
        futures_util::future::join_all(attempts).await
    }

    /// Sends what waits, and waits at most so long for it: before the program ends.
    pub async fn flush(&self, patience: Duration) {
        let mut done = Vec::new();
        for desk in &self.0.channels {
            let (told, flushed) = oneshot::channel();
            if desk.letters.try_send(Letter::Flush(told)).is_ok() {
                done.push(flushed);
            }
        }
        // What a channel does not take by then is lost with the process; the log has it.
        let _in_vain = tokio::time::timeout(patience, futures_util::future::join_all(done)).await;
    }
}

async fn attempt(channel: Arc<Channel>, now: Timestamp) -> Tried {
    let message = Message {
        code: AlarmCode::Test,
        severity: Severity::Info,
        state: State::Raised,
        account_id: None,
        message: "this is a test: alerts get through to you".to_owned(),
        since: now,
        at: now,
    };
    let began = Instant::now();
    let outcome = channel.send(&Batch::new(vec![message], 0)).await;
    let (delivered, answer) = match outcome {
        Outcome::Delivered => (true, "delivered".to_owned()),
        Outcome::TryAgain { why, .. } => (false, why),
        Outcome::Refused { why } => (false, format!("refused: {why}")),
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (channel, kind) = (channel.config.name.clone(), channel.config.target.kind());
    Tried { channel, kind, delivered, answer, took_ms }
}

impl Inner {
    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// Logs the messages and hands them to the channels that want them.
    fn send(&self, messages: Vec<Message>) {
        for message in messages {
            log(&message);
            for desk in &self.channels {
                // A channel is not told of its own trouble.
                let own = message.code == AlarmCode::AlertsNotDelivered && message.message.contains(&desk.name());
                if message.severity < desk.channel.config.least_severity || own {
                    continue;
                }
                if desk.letters.try_send(Letter::Message(message.clone())).is_err() {
                    desk.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Desk {
    fn name(&self) -> String {
        format!("get through to {}:", self.channel.config.name)
    }
}

fn log(message: &Message) {
    let Message { code, severity, state, account_id, message, .. } = message;
    let account_id = account_id.map(|account_id| account_id.to_string());
    match (state, severity) {
        (State::Repeated, _) => info!(alarm = %code, account_id, "still so: {message}"),
        (State::Resolved, _) => info!(alarm = %code, account_id, "over: {message}"),
        (State::Raised, Severity::Info) => info!(alarm = %code, account_id, "{message}"),
        (State::Raised, Severity::Warning) => warn!(alarm = %code, account_id, "{message}"),
        (State::Raised, Severity::Critical) => error!(alarm = %code, account_id, "{message}"),
    }
}

/// Lets things ripen until nobody holds the alerts any more.
async fn tick(alerts: std::sync::Weak<Inner>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(alerts) = alerts.upgrade() else { return };
        let messages = alerts.board().tick(alerts.clock.now());
        alerts.send(messages);
    }
}

/// A channel's own task.
struct Post {
    channel: Arc<Channel>,
    mailbox: Mailbox,
    lost: Arc<AtomicU64>,
    health: Arc<Mutex<ChannelHealth>>,
    alerts: std::sync::Weak<Inner>,
    clock: Clock,
}

impl Post {
    async fn run(mut self, mut inbox: mpsc::Receiver<Letter>) {
        let mut flushes: Vec<oneshot::Sender<()>> = Vec::new();
        loop {
            let wait = self.until_due();
            tokio::select! {
                letter = inbox.recv() => match letter {
                    Some(Letter::Message(message)) => self.mailbox.push(message, self.clock.now()),
                    Some(Letter::Flush(done)) => flushes.push(done),
                    None => return,
                },
                () = tokio::time::sleep(wait) => {}
            }
            if !flushes.is_empty() {
                self.mailbox.hurry(self.clock.now());
            }
            self.send_what_is_due().await;
            if !flushes.is_empty() && (self.mailbox.is_empty() || lock(&self.health).failing.is_some()) {
                for done in flushes.drain(..) {
                    let _nobody_waits = done.send(());
                }
            }
        }
    }

    fn until_due(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let due = self.mailbox.due_at().map(|due| due.duration_since(self.clock.now()));
        due.map_or(LONGEST, |wait| Duration::try_from(wait).unwrap_or(Duration::ZERO)).min(LONGEST)
    }

    async fn send_what_is_due(&mut self) {
        self.mailbox.lost(self.lost.swap(0, Ordering::Relaxed));
        let Some(batch) = self.mailbox.next_batch(self.clock.now()) else { return };
        let outcome = self.channel.send(&batch).await;
        self.mailbox.answered(&outcome, self.clock.now());
        let name = self.channel.config.name.clone();
        let failing = {
            let mut health = lock(&self.health);
            match &outcome {
                Outcome::Delivered => {
                    health.delivered += 1;
                    health.dropped += batch.dropped;
                    health.failing = None;
                }
                Outcome::TryAgain { why, .. } | Outcome::Refused { why } => {
                    health.failed += 1;
                    health.failing = Some(why.clone());
                    if matches!(outcome, Outcome::Refused { .. }) {
                        health.dropped += batch.messages.len() as u64;
                    }
                }
            }
            health.failing.clone()
        };
        if let Some(alerts) = self.alerts.upgrade() {
            Alerts(alerts).signal(Signal::Channel { name, failing });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
