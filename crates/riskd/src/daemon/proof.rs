//! The arming self-test on demand: connects as the daemon does, and sends nothing that changes anything.

use std::time::Duration;

use jiff::Timestamp;
use riskd_core::engine::{self, Action, Event, Input, Memory, Request, RequestFailure, RequestKind, RuleArming, step};
use riskd_gateway::client::event_queue;
use tokio::time::Instant;

use super::clock::ProgramClock;
use super::executor::Executor;
use super::setup::Setup;
use super::{QUEUE_CAPACITY, gateway};
use crate::alerts::{Alerts, AlertsConfig};
use crate::failure::{Failure, FailureKind};

/// How often it is looked whether the proof is complete.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Logs in, subscribes, asks for the books, and waits until every rule is armed or `patience` is over.
///
/// The engine runs on what it hears as in earnest, and whatever it would close or cancel is not sent.
///
/// # Errors
///
/// When the broker refuses the login or does not know an account, or cannot be reached in time.
pub async fn prove_arming(setup: Setup, patience: Duration) -> Result<Vec<RuleArming>, Failure> {
    let deadline = Instant::now() + patience;
    let nobody = AlertsConfig { channels: Vec::new(), ..setup.alerts.clone() };
    let time = ProgramClock::of_the_machine();
    let alerts = Alerts::start(&nobody, time.clock())
        .map_err(|error| Failure::new(FailureKind::Failed, format!("the check could not be set up: {error}")))?;
    let reached = async {
        super::hold_the_time(&setup, &time, &alerts).await?;
        let gateway = gateway(&setup, &time.clock(), Some(&time))?;
        let (accounts, _) = super::find_accounts(&setup, &gateway, &alerts).await?;
        Ok::<_, Failure>((gateway, accounts))
    };
    let (gateway, accounts) = tokio::time::timeout_at(deadline, reached).await.map_err(|_| {
        Failure::new(FailureKind::Failed, "The broker could not be reached in time.")
            .meaning("Nothing was proved: riskd run would protect nothing now.")
            .next("check the network and gateway.yaml, or wait longer with --timeout")
    })??;
    let config = setup.engine_config(&accounts);
    let (events, mut inbox) = event_queue(QUEUE_CAPACITY);
    let executor = Executor::start(gateway, events, config.accounts.keys().copied());
    let mut actions = Vec::new();
    let mut engine = engine::start(&config, Memory::default(), time.now(), &mut actions);
    let mut unsent = Vec::new();
    loop {
        carry_out(&executor, &mut actions, &mut unsent);
        let arming = engine.arming(&config, time.now());
        if arming.iter().all(|rule| rule.not_armed.is_none()) || Instant::now() >= deadline {
            executor.stop().await;
            return Ok(arming);
        }
        let mut take = |event: Event, at: Timestamp| step(&mut engine, &config, Input { at, event }, &mut actions);
        for event in unsent.drain(..) {
            take(event, time.now());
        }
        match tokio::time::timeout(LOOK_EVERY, inbox.recv()).await {
            Ok(Some(event)) => {
                take(event, time.now());
                while let Some(event) = inbox.try_recv() {
                    take(event, time.now());
                }
            }
            Ok(None) | Err(_) => take(Event::TimePassed, time.now()),
        }
    }
}

/// Sends questions; of everything else the engine learns that it was not sent.
fn carry_out(executor: &Executor, actions: &mut Vec<Action>, unsent: &mut Vec<Event>) {
    let mut questions = Vec::new();
    for action in actions.drain(..) {
        match action {
            Action::Send(request) if is_question(&request) => questions.push(request),
            Action::Send(Request { id, .. }) => {
                let message = "a check sends nothing that changes anything".to_owned();
                unsent.push(Event::Answer { request_id: id, result: Err(RequestFailure::NotSent { message }) });
            }
            Action::WatchQuotes(contract_id) => executor.watch_quotes(contract_id),
            Action::Store(_) | Action::Notice(_) => {}
        }
    }
    if !questions.is_empty() {
        executor.execute(questions, None);
    }
}

fn is_question(request: &Request) -> bool {
    let kind = &request.kind;
    matches!(kind, RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) | RequestKind::FindOrder { .. })
}
