//! The loop: one input at a time through the engine, its actions out in order.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use riskd_core::engine::{Action, Config, EngineState, Event, Input, step};
use riskd_core::model::AdminActKind;
use riskd_gateway::client::EventReceiver;
use riskd_store::Clock;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use super::admin::{
    AdminDone, AdminRefusal, AdminRequest, AdminRequests, AdminWish, Waiting, answer_when_durable, in_words, record,
};
use super::clock_watch::ClockWatch;
use super::executor::Executor;
use super::journal::{Journal, Outcome};
use super::notices::Counts;
use super::publish::{Publisher, Surroundings};
use super::summary::{Latencies, Summary};
use super::watchdog::Watchdog;
use crate::alerts::{Alerts, Signal};
use crate::replay::Recorder;

/// The longest sleep: a clock that is set while we sleep is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Time between two tries to write to a failing disk, in milliseconds.
const RETRY_WRITES_EVERY_MS: i64 = 1_000;
/// How long a stop waits for enforcements that the broker has not confirmed.
const PATIENCE_WITH_THE_BROKER: Duration = Duration::from_secs(10);
/// How long a stop waits for the disk.
const PATIENCE_WITH_THE_DISK: Duration = Duration::from_secs(10);
/// Events taken in before the loop looks at its other channels again.
const EVENTS_AT_A_TIME: usize = 256;

/// Everything the loop owns.
pub(super) struct EventLoop {
    pub(super) engine: EngineState,
    pub(super) config: Config,
    pub(super) clock: Clock,
    pub(super) journal: Journal,
    pub(super) executor: Executor,
    /// What happens: hubs and answers.
    pub(super) inbox: EventReceiver,
    /// What became of writes, and chores that fell due.
    pub(super) outcomes: mpsc::UnboundedReceiver<Outcome>,
    pub(super) retention: riskd_store::Retention,
    pub(super) counts: Counts,
    pub(super) latencies: Latencies,
    pub(super) actions: Vec<Action>,
    pub(super) retry_writes_at: Timestamp,
    /// Shows people what there is.
    pub(super) publisher: Publisher,
    /// What admins ask.
    pub(super) admin: AdminRequests,
    /// Admins who wait for an answer.
    pub(super) waiting: Waiting,
    /// Told what people are to know.
    pub(super) alerts: Alerts,
    /// Fed as long as the loop turns.
    pub(super) watchdog: Watchdog,
    /// Looks after the machine's clock, where the time is the broker's.
    pub(super) clock_watch: Option<ClockWatch>,
    /// Writes every input down, where that is wanted.
    pub(super) recorder: Option<Recorder>,
}

/// How far a stop has gone: 0 runs, 1 stops in order, 2 stops at once.
pub(super) type StopSignal = watch::Receiver<u8>;

impl EventLoop {
    /// Carries out what the engine's start asked for, then runs until told to stop. Ends with everything written.
    pub(super) async fn run(mut self, mut stop: StopSignal) -> Summary {
        self.dispatch(self.clock.now());
        while *stop.borrow_and_update() == 0 {
            self.turn(&mut stop).await;
        }
        self.finish(&mut stop).await
    }

    /// Waits for whatever comes next and takes it in.
    async fn turn(&mut self, stop: &mut StopSignal) {
        self.watchdog.feed(Instant::now());
        let sleep = self.until_next_deadline();
        let until_published = self.publisher.sleep(Instant::now());
        tokio::select! {
            biased;
            Some(outcome) = self.outcomes.recv() => self.take_outcome(outcome),
            Some(event) = self.inbox.recv() => {
                self.take(event);
                for _ in 1..EVENTS_AT_A_TIME {
                    let Some(event) = self.inbox.try_recv() else { break };
                    self.take(event);
                }
            }
            () = tokio::time::sleep(sleep.min(until_published)) => {
                if sleep <= until_published {
                    self.take(Event::TimePassed);
                }
            }
            request = self.admin.next() => self.take_request(request),
            _ = stop.changed() => {}
        }
        self.look_at_the_clock();
        self.publish();
    }

    fn look_at_the_clock(&mut self) {
        if let Some(notice) = self.clock_watch.as_mut().and_then(|watch| watch.look(Instant::now())) {
            self.actions.push(Action::Notice(notice));
            self.dispatch(self.clock.now());
        }
    }

    /// Shows people what there is: a slice of it, after what waited was taken in.
    fn publish(&mut self) {
        let around = Surroundings {
            counts: &self.counts,
            journal_failing: self.journal.is_failing(),
            inbox: &self.inbox,
            gateway: Some(self.executor.gateway()),
            alerts: Some(&self.alerts),
        };
        self.publisher.turn(&self.engine, &self.config, self.clock.now(), &around);
    }

    fn take(&mut self, event: Event) {
        let news = self.publisher.news_of(&event);
        let at = self.clock.now();
        let input = Input { at, event };
        if let Some(recorder) = &mut self.recorder {
            recorder.take(&input);
        }
        let began = Instant::now();
        self.settle_config(at);
        step(&mut self.engine, &self.config, input, &mut self.actions);
        let elapsed = began.elapsed();
        self.latencies.record(elapsed);
        self.counts.decisions.record(elapsed);
        self.dispatch(at);
        if let Some((account_id, news)) = news {
            self.publisher.tell(at, Some(account_id), news);
        }
        if self.journal.is_failing() && self.retry_writes_at <= self.clock.now() {
            let now = self.clock.now();
            self.retry_writes_at =
                now.saturating_add(jiff::SignedDuration::from_millis(RETRY_WRITES_EVERY_MS)).unwrap_or(now);
            let engine = &self.engine;
            self.journal.retry(|| engine.durable_state());
        }
    }

    /// What waited for a reset and has taken effect moves into its place.
    fn settle_config(&mut self, at: Timestamp) {
        let waiting = self.config.waiting.len();
        self.engine.settle_config(&mut self.config);
        if self.config.waiting.len() < waiting {
            info!("a looser config that waited for a reset is in force now");
            self.publisher.rules_changed(at);
        }
    }

    /// Does what an admin asks, and keeps a record of it.
    fn take_request(&mut self, request: AdminRequest) {
        let at = self.clock.now();
        let AdminRequest { actor, wish, answer } = request;
        match wish {
            AdminWish::Record { kind, reason, detail } => {
                let durable = self.journal.submit(vec![record(at, actor, kind, reason, detail)]);
                answer_when_durable(durable, answer, AdminDone::Recorded);
            }
            AdminWish::Unlock { account_id, .. } if self.engine.account(account_id).is_none() => {
                let _nobody_waits = answer.send(Err(AdminRefusal::UnknownAccount));
            }
            AdminWish::Unlock { account_id, reason } => {
                self.waiting.for_unlock(account_id, answer);
                self.take(Event::Unlock { account_id, actor, reason });
            }
            AdminWish::Reload { wanted, reason } => {
                let changes = self.engine.take_over_config(&mut self.config, &wanted, at, &mut self.actions);
                self.dispatch(at);
                self.publisher.rules_changed(at);
                let act = record(at, actor, AdminActKind::Reload, reason, Some(in_words(&changes)));
                // Written after what changed, by the one writer: when this is durable, so is that.
                let durable = self.journal.submit(vec![act]);
                answer_when_durable(durable, answer, AdminDone::Reloaded(changes));
            }
        }
    }

    fn take_outcome(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Events(events) => events.into_iter().for_each(|event| self.take(event)),
            Outcome::Failed { writes, error, was_retry } => {
                self.counts.writes_failed += 1;
                if !self.journal.is_failing() {
                    self.alerts.signal(Signal::Journal { failing: Some(error.to_string()) });
                }
                self.journal.keep(writes, &error, was_retry);
            }
            Outcome::Written => self.journal.written(),
            Outcome::Recovered => {
                self.journal.recovered();
                if !self.journal.is_failing() {
                    self.alerts.signal(Signal::Journal { failing: None });
                }
            }
            Outcome::CleanUpDue => self.journal.clean_up(self.retention, self.clock.now()),
        }
    }

    /// Writes become one batch; requests go out once it is durable; people are told.
    fn dispatch(&mut self, at: Timestamp) {
        if self.actions.is_empty() {
            return;
        }
        let mut writes = Vec::new();
        let mut requests = Vec::new();
        for action in self.actions.drain(..) {
            self.publisher.observe(&action, at);
            match action {
                Action::Store(write) => writes.push(write),
                Action::Send(request) => requests.push(request),
                Action::WatchQuotes(contract_id) => self.executor.watch_quotes(contract_id),
                Action::Notice(notice) => {
                    self.waiting.observe(&notice);
                    self.counts.take(&notice);
                    self.alerts.notice(&notice);
                }
            }
        }
        let durable = (!writes.is_empty()).then(|| self.journal.submit(writes));
        if !requests.is_empty() {
            self.executor.execute(requests, durable);
        }
    }

    fn until_next_deadline(&self) -> Duration {
        let wait = self.engine.next_deadline().duration_since(self.clock.now());
        Duration::try_from(wait).unwrap_or(Duration::ZERO).min(LONGEST_SLEEP)
    }

    /// An ordered stop: enforcements under way are seen through, then everything is written. A second signal skips the
    /// first part; what is pending then goes on at the next start.
    async fn finish(mut self, stop: &mut StopSignal) -> Summary {
        if self.engine.has_pending_enforcements() {
            warn!("stopping once the broker confirms the enforcements under way; a second signal stops at once");
        }
        self.turn_until(stop, PATIENCE_WITH_THE_BROKER, |this| !this.engine.has_pending_enforcements()).await;
        let left_pending = self.engine.has_pending_enforcements();
        if left_pending {
            error!("stopped with enforcements that the broker has not confirmed: they go on at the next start");
        }
        // Accounts stay protected while the disk is waited for: what it refused is known to the journal alone.
        self.turn_until(stop, PATIENCE_WITH_THE_DISK, |this| this.journal.is_settled()).await;
        let left_unwritten = self.journal.is_failing();
        self.executor.stop().await;
        let Self { journal, counts, latencies, .. } = self;
        let written = tokio::task::spawn_blocking(move || journal.shutdown(PATIENCE_WITH_THE_DISK)).await;
        let left_unwritten = match written {
            Ok(Ok(())) if left_unwritten => {
                error!("stopped while the state database takes no writes: what happened last is missing from it");
                true
            }
            Ok(Ok(())) => {
                info!("stopped; everything is written");
                false
            }
            Ok(Err(error)) => {
                error!(%error, "stopped before everything was written");
                true
            }
            Err(error) => {
                error!(%error, "the writer ended with a panic");
                true
            }
        };
        Summary { counts, latencies, left_pending, left_unwritten }
    }

    /// Goes on until `done`, a second signal, or the end of patience.
    async fn turn_until(&mut self, stop: &mut StopSignal, patience: Duration, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !done(self) && *stop.borrow_and_update() < 2 && Instant::now() < deadline {
            self.turn(stop).await;
        }
    }
}
