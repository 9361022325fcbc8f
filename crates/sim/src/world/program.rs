//! The program: the engine in its loop, its journal, and its deaths.

use std::collections::BTreeSet;

use jiff::Timestamp;
use riskd_core::engine::{Action, EngineState, Event, Hub, Input, Notice, Request, Write, start, step};
use riskd_core::model::{AccountId, ContractId, milliseconds_between};
use riskd_gateway::client::limiter::{Limiter, RateLimits};
use riskd_gateway::protocol::parse::Parser;

use super::hubs::Link;
use super::journal::Journal;
use super::play::{Task, World};
use super::weather::Fault;
use super::{Life, after_ms};

/// How long requests wait for the disk.
const PATIENCE_WITH_THE_DISK_MS: i64 = 250;
/// Time between two tries to write to a failing disk.
const RETRY_WRITES_EVERY_MS: i64 = 1_000;
/// Time from a start to the first try of a connection.
const CONNECT_AFTER_MS: i64 = 40;
/// Stands in the reason of every enforcement that only holds a lockout.
const HOLDS_A_LOCK: &str = riskd_core::engine::WHILE_LOCKED_BY;

/// The program while it runs.
pub(super) struct Program {
    pub(super) engine: EngineState,
    pub(super) journal: Journal,
    pub(super) watched: BTreeSet<ContractId>,
    /// When it wakes by itself.
    pub(super) wake_at: Timestamp,
    retry_writes_at: Timestamp,
}

impl World {
    /// The program starts with what is durable.
    pub(super) fn start(&mut self) {
        if self.program.is_some() {
            return;
        }
        self.clock.restart(self.now);
        let clock = self.clock.read(self.now);
        let account_ids: Vec<AccountId> = self.config.accounts.keys().copied().collect();
        let memory = match self.disk.memory(&account_ids, clock) {
            Ok(memory) => memory,
            Err(what) => return self.oracle.violation(self.now, None, &what),
        };
        for account in &memory.accounts {
            let pending = memory.pending_enforcements.iter().filter(|(log, _)| log.account_id == account.account_id);
            self.oracle.started(account.account_id, account.lockout.as_ref(), pending.cloned().collect());
        }
        self.starts += 1;
        self.life += 1;
        let mut actions = Vec::new();
        let recorded = self.plan.records.then(|| memory.clone());
        let engine = start(&self.config, memory, clock, &mut actions);
        self.recording = recorded.map(|memory| Life {
            memory,
            started_at: clock,
            first_actions: actions.clone(),
            steps: Vec::new(),
            accounts: String::new(),
        });
        self.program = Some(Program {
            engine,
            journal: Journal::default(),
            watched: BTreeSet::new(),
            wake_at: self.now,
            retry_writes_at: Timestamp::MIN,
        });
        (self.user, self.market) = (Link::new(), Link::new());
        self.parser = Parser::default();
        self.limiter = Limiter::new(RateLimits::default());
        for hub in [Hub::User, Hub::Market] {
            self.plan_task(CONNECT_AFTER_MS, Task::Connect { life: self.life, hub });
        }
        self.carry_out(actions);
    }

    /// The program dies, here and now. It starts again after a while, mostly a short one.
    pub(super) fn kill(&mut self) {
        let Some(mut program) = self.program.take() else { return };
        // The batch at the disk may have been committed without anybody learning of it.
        if let Some(batch) = program.journal.waiting.pop_front()
            && self.weather.disk_back_at <= self.now
            && self.weather.chance.once_in(2)
            && let Err(what) = self.disk.write(batch.writes)
        {
            self.oracle.violation(self.now, None, &what);
        }
        self.life += 1;
        self.user.is_up = false;
        self.market.is_up = false;
        let away_ms = match self.weather.chance.below(4) {
            0 => self.weather.chance.between(20_000, 120_000),
            _ => self.weather.chance.between(100, 5_000),
        };
        self.plan_task(away_ms, Task::Start);
    }

    /// Tells the program something, now.
    pub(super) fn feed(&mut self, event: Event) {
        let Some(mut program) = self.program.take() else { return };
        let input = Input { at: self.clock.read(self.now), event };
        self.inputs += 1;
        if let Event::LockoutCleared { account_id } = &input.event {
            self.oracle.unlocked(*account_id);
        }
        let mut actions = Vec::new();
        let recorded = self.recording.is_some().then(|| input.clone());
        let at = input.at;
        step(&mut program.engine, &self.config, input, &mut actions);
        if let (Some(life), Some(input)) = (&mut self.recording, recorded) {
            life.steps.push((input, actions.clone()));
        }
        let sleep_ms = if self.is_quiet() {
            self.longest_sleep_ms()
        } else {
            milliseconds_between(at, program.engine.next_deadline()).clamp(1, self.longest_sleep_ms())
        };
        program.wake_at = after_ms(self.now, sleep_ms);
        let life = self.life;
        self.program = Some(program);
        self.carry_out(actions);
        if self.life == life {
            self.retry_writes();
        }
    }

    /// Writes become one batch, which requests wait for; people are told.
    fn carry_out(&mut self, actions: Vec<Action>) {
        if actions.is_empty() {
            return;
        }
        let mut writes = Vec::new();
        let mut requests = Vec::new();
        for action in actions {
            match action {
                Action::Store(write) => {
                    self.judge_write(&write);
                    writes.push(write);
                }
                Action::Send(request) => requests.push(request),
                Action::WatchQuotes(contract_id) => {
                    if let Some(program) = &mut self.program {
                        program.watched.insert(contract_id);
                    }
                }
                Action::Notice(notice) => self.judge_notice(&notice),
            }
        }
        if self.weather.strikes(Fault::Kill) && self.weather.chance.once_in(10) {
            return self.kill();
        }
        if writes.is_empty() {
            self.send(requests);
        } else {
            self.submit(writes, requests, false);
        }
    }

    fn submit(&mut self, writes: Vec<Write>, requests: Vec<Request>, is_retry: bool) {
        let latency_ms = self.weather.chance.between(1, 5);
        let (now, life) = (self.now, self.life);
        let Some(program) = &mut self.program else { return };
        let waits = !requests.is_empty();
        let batch = program.journal.submit(writes, requests, is_retry);
        let settled_at = after_ms(now, latency_ms).max(program.journal.settled_at);
        program.journal.settled_at = settled_at;
        self.plan_task(milliseconds_between(now, settled_at), Task::Settle { life });
        if waits {
            self.plan_task(PATIENCE_WITH_THE_DISK_MS, Task::OutOfPatience { life, batch });
        }
    }

    /// The disk is done with the oldest batch, one way or the other; or it hangs.
    pub(super) fn settle(&mut self, life: u64) {
        if life != self.life {
            return;
        }
        let is_away = self.weather.disk_back_at > self.now;
        let hangs = is_away && self.weather.has(Fault::DiskHangs);
        if hangs {
            let wait_ms = milliseconds_between(self.now, self.weather.disk_back_at);
            return self.plan_task(wait_ms, Task::Settle { life });
        }
        let Some(program) = &mut self.program else { return };
        let Some(batch) = program.journal.waiting.pop_front() else { return };
        let cleared: Vec<AccountId> = batch.writes.iter().filter_map(cleared).collect();
        let is_written = if is_away {
            program.journal.refused(batch.writes, batch.is_retry);
            false
        } else {
            if batch.is_retry {
                program.journal.recovered();
            }
            if let Err(what) = self.disk.write(batch.writes) {
                self.oracle.violation(self.now, None, &what);
            }
            true
        };
        self.send(batch.requests);
        for account_id in cleared {
            self.feed(match is_written {
                true => Event::LockoutCleared { account_id },
                false => Event::LockoutNotCleared { account_id },
            });
        }
    }

    pub(super) fn out_of_patience(&mut self, life: u64, batch: u64) {
        if life == self.life
            && let Some(program) = &mut self.program
        {
            let requests = program.journal.out_of_patience(batch);
            self.send(requests);
        }
    }

    fn retry_writes(&mut self) {
        let Some(program) = &mut self.program else { return };
        if !program.journal.is_failing() || program.retry_writes_at > self.now {
            return;
        }
        program.retry_writes_at = after_ms(self.now, RETRY_WRITES_EVERY_MS);
        let engine = &program.engine;
        if let Some(writes) = program.journal.retry(|| engine.durable_state()) {
            self.submit(writes, Vec::new(), true);
        }
    }

    fn send(&mut self, requests: Vec<Request>) {
        for request in requests {
            if self.weather.strikes(Fault::Kill) && self.weather.chance.once_in(10) {
                return self.kill();
            }
            let calls_left = super::broker::calls(&request.kind);
            self.plan_task(0, Task::Depart { life: self.life, request, asked_at: None, calls_left });
        }
    }

    fn judge_write(&mut self, write: &Write) {
        let clock = self.clock.read(self.now);
        match write {
            Write::PutLockout(lockout) => self.oracle.locked(lockout, self.now, clock),
            Write::ClearLockout { account_id, .. } => self.oracle.unlocking(*account_id, self.now, clock),
            Write::PutEnforcement { log, goal } => self.oracle.row(log, goal.as_ref(), self.now),
            _ => {}
        }
    }

    fn judge_notice(&mut self, notice: &Notice) {
        if let Notice::Breach { account_id, rule_id, reason, .. } = notice {
            self.oracle.decided(*account_id, *rule_id, reason.contains(HOLDS_A_LOCK), reason, self.now);
        }
    }
}

fn cleared(write: &Write) -> Option<AccountId> {
    match write {
        Write::ClearLockout { account_id, .. } => Some(*account_id),
        _ => None,
    }
}
