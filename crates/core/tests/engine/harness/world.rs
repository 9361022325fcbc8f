//! Virtual time: the engine, the broker, the disk, and the wires between them.

mod serve;

use serve::{acts, lost};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use riskd_core::engine::*;
use riskd_core::model::*;

use super::broker::{Broker, Look, Outcome};
use super::disk::Disk;
use crate::build::*;

const TO_BROKER_MS: i64 = 5;
const FROM_BROKER_MS: i64 = 5;
const HUB_MS: i64 = 3;
const DISK_MS: i64 = 1;
const TIMEOUT_MS: i64 = 3_000;
const RESTART_MS: i64 = 200;

#[derive(Debug, Clone)]
enum Task {
    /// Goes to the program, and is lost if it is not running.
    Input(Event),
    /// From the user hub: lost while the link is down, too.
    UserHub(Event),
    /// From the market hub.
    MarketHub(Event),
    /// A request reaches the broker.
    Arrive { request: Request, sent_at: Timestamp },
    /// A market order of ours fills.
    Fill { account_id: AccountId, order_id: OrderId },
    /// The program starts again.
    Start,
}

/// What the last served look showed.
#[derive(Debug, Clone, Copy)]
struct Served {
    asked_at: Timestamp,
    flat: bool,
    no_orders: bool,
}

pub struct World {
    pub config: Config,
    pub engine: Option<EngineState>,
    pub broker: Broker,
    pub disk: Disk,
    pub now: Timestamp,
    /// Everything the engine asked for that was carried out, in order, with its time.
    pub done: Vec<(Timestamp, Action)>,
    /// Everything the engine was told in this run.
    pub inputs: Vec<Input>,
    /// Whether a request of ours ever turned a position round.
    pub crossed_zero: bool,
    /// Whether the broker ever accepted a close while another of ours was still working the same way in the contract.
    pub doubled: bool,
    /// Whether a stop was ever moved away from the market by a request of ours.
    pub loosened: bool,
    /// Whether hubs are connected.
    pub user_hub_up: bool,
    pub market_hub_up: bool,
    /// The program dies instead of carrying out its action of this number.
    pub crash_at: Option<usize>,
    /// Actions carried out so far.
    pub carried_out: usize,
    /// Whether the end of a lockout becomes durable, for the next times; then always.
    pub clearings: VecDeque<bool>,
    /// How long the disk takes to say what became of the end of a lockout.
    pub clearing_ms: i64,
    /// How much later an answer to a look arrives than it was made.
    pub look_delay_ms: i64,
    /// Accounts that an admin unlocked: there a lock may end before its time.
    pub unlocked: BTreeSet<AccountId>,
    served: BTreeMap<AccountId, Served>,
    queue: BTreeMap<(Timestamp, u64), Task>,
    queued: u64,
}

impl World {
    /// A world whose program is not yet running.
    pub fn before_start(config: Config) -> Self {
        let accounts: Vec<_> = config.accounts.keys().copied().collect();
        Self {
            broker: Broker::new(&accounts),
            config,
            engine: None,
            disk: Disk::default(),
            now: noon(),
            done: Vec::new(),
            inputs: Vec::new(),
            crossed_zero: false,
            doubled: false,
            loosened: false,
            user_hub_up: true,
            market_hub_up: true,
            crash_at: None,
            carried_out: 0,
            clearings: VecDeque::new(),
            clearing_ms: DISK_MS,
            look_delay_ms: 0,
            unlocked: BTreeSet::new(),
            served: BTreeMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
        }
    }

    /// A world at noon whose program has started, is connected and knows the broker's books.
    pub fn new(accounts: &[AccountId], rules: serde_json::Value) -> Self {
        let mut world = Self::before_start(config(accounts, crate::build::rules(rules)));
        world.start();
        world.run(1_000);
        world
    }

    /// Starts the program from what is on the disk.
    pub fn start(&mut self) {
        let memory = self.disk.memory(self.config.accounts.keys().copied());
        let mut actions = Vec::new();
        let engine = start(&self.config, memory, self.now, &mut actions);
        self.inputs.clear();
        self.engine = Some(engine);
        self.carry_out(actions);
        for (hub, up) in [(Hub::User, self.user_hub_up), (Hub::Market, self.market_hub_up)] {
            if up {
                self.plan(10, Task::Input(Event::Link { hub, up: true }));
            }
        }
    }

    /// Kills the program and starts it again a little later. Requests on the wire still arrive.
    pub fn crash(&mut self) {
        self.engine = None;
        self.queue.retain(|_, task| matches!(task, Task::Arrive { .. } | Task::Fill { .. }));
        self.plan(RESTART_MS, Task::Start);
    }

    /// Lets time pass, delivering whatever falls due.
    pub fn run(&mut self, milliseconds: i64) {
        let end = after(self.now, milliseconds);
        loop {
            let queued = self.queue.first_key_value().map(|((due, _), _)| *due);
            let deadline = self.engine.as_ref().map(EngineState::next_deadline);
            let Some(due) = queued.into_iter().chain(deadline).min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            match self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                Some(entry) => {
                    let task = entry.remove();
                    self.deliver(task);
                }
                None => {
                    self.feed(Event::TimePassed);
                    if let Some(engine) = &self.engine {
                        assert!(engine.next_deadline() > self.now, "the next deadline is past: this would spin");
                    }
                }
            }
        }
        self.now = end;
    }

    /// Tells the engine something, now.
    pub fn feed(&mut self, event: Event) {
        let Some(mut engine) = self.engine.take() else { return };
        let locks_before: BTreeMap<_, _> = locks(&engine);
        let input = Input { at: self.now, event };
        self.inputs.push(input.clone());
        let cleared = input.event.clone();
        let mut actions = Vec::new();
        step(&mut engine, &self.config, input, &mut actions);
        if let Event::Unlock { account_id, .. } = &cleared {
            self.unlocked.insert(*account_id);
        }
        let held = locks_before.into_iter().filter(|(account_id, _)| !self.unlocked.contains(account_id)).collect();
        check_locks_hold(&held, &locks(&engine), &cleared, self.now);
        self.engine = Some(engine);
        self.carry_out(actions);
    }

    /// The trader buys (positive) or sells at the present price.
    pub fn trades(&mut self, account_id: AccountId, contract: &str, change: i64) {
        for event in self.broker.fill(account_id, &id(contract), change, self.now) {
            self.plan(HUB_MS, Task::UserHub(event));
        }
    }

    /// The trader places a limit order that rests.
    pub fn places_order(&mut self, account_id: AccountId, contract: &str) -> OrderId {
        let order = limit_order(self.broker.number(), account_id, contract);
        self.broker.account(account_id).orders.insert(order.id, order.clone());
        self.plan(HUB_MS, Task::UserHub(Event::Order(order.clone())));
        order.id
    }

    /// The trader places a stop of his own.
    pub fn places_stop(&mut self, account_id: AccountId, contract: &str, side: Side, size: i64, at: &str) -> OrderId {
        let placed =
            order(self.broker.number(), account_id, contract, OrderType::Stop, side, size, OrderState::Working);
        let mut draft = placed.into_draft();
        draft.stop_price = Some(price(at));
        let placed = Order::new(draft, &checks()).unwrap();
        self.broker.account(account_id).orders.insert(placed.id, placed.clone());
        self.plan(HUB_MS, Task::UserHub(Event::Order(placed.clone())));
        placed.id
    }

    /// The stops of an account at the broker: contracts, side, size, price, whether it is ours.
    pub fn stops(&self, account_id: AccountId) -> Vec<(String, Side, i64, String, bool)> {
        let orders = self.broker.accounts[&account_id].orders.values();
        orders
            .filter(|order| order.order_type.is_stop())
            .map(|order| {
                let stop = order.stop_price.map(|stop| stop.to_string()).unwrap_or_default();
                (order.contract_id.to_string(), order.side, order.size, stop, order.is_our_stop())
            })
            .collect()
    }

    /// A realized P&L appears, as if a round turn had happened.
    pub fn realizes(&mut self, account_id: AccountId, pnl: &str) -> TradeId {
        let trade = trade(self.broker.number(), account_id, Some(pnl), self.now);
        self.broker.account(account_id).trades.insert(trade.id, trade.clone());
        self.plan(HUB_MS, Task::UserHub(Event::Trade(trade.clone())));
        trade.id
    }

    /// The market moves.
    pub fn quotes(&mut self, contract: &str, last: &str) {
        self.broker.prices.insert(id(contract), price(last));
        self.trigger_stops(&id(contract));
        self.plan(HUB_MS, Task::MarketHub(Event::Quote(quote(contract, last, self.now))));
    }

    /// The user hub's connection goes down or comes up.
    pub fn user_link(&mut self, up: bool) {
        self.user_hub_up = up;
        self.plan(0, Task::Input(Event::Link { hub: Hub::User, up }));
    }

    pub fn engine(&self) -> &EngineState {
        self.engine.as_ref().expect("the program is running")
    }

    pub fn account(&self, account_id: AccountId) -> &riskd_core::state::AccountState {
        self.engine().account(account_id).unwrap()
    }

    pub fn is_locked(&self, account_id: AccountId) -> bool {
        self.account(account_id).locks.is_locked()
    }

    pub fn log(&self, account_id: AccountId) -> Vec<EnforcementLog> {
        self.disk.log(account_id)
    }

    /// Requests that close, reduce or cancel, in order.
    pub fn protective_sends(&self) -> Vec<(Timestamp, RequestKind)> {
        self.done
            .iter()
            .filter_map(|(at, action)| match action {
                Action::Send(request) if acts(&request.kind) => Some((*at, request.kind.clone())),
                _ => None,
            })
            .collect()
    }

    pub fn looks(&self) -> usize {
        let is_look =
            |action: &Action| matches!(action, Action::Send(Request { kind: RequestKind::Snapshot { .. }, .. }));
        self.done.iter().filter(|(_, action)| is_look(action)).count()
    }

    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.done.iter().filter_map(|(_, action)| match action {
            Action::Notice(notice) => Some(notice),
            _ => None,
        })
    }

    fn plan(&mut self, milliseconds: i64, task: Task) {
        self.queued += 1;
        self.queue.insert((after(self.now, milliseconds), self.queued), task);
    }

    fn deliver(&mut self, task: Task) {
        match task {
            Task::Input(event) => self.feed(event),
            Task::UserHub(event) if self.user_hub_up => self.feed(event),
            Task::MarketHub(event) if self.market_hub_up => self.feed(event),
            Task::UserHub(_) | Task::MarketHub(_) => {}
            Task::Arrive { request, sent_at } => self.arrive(request, sent_at),
            Task::Fill { account_id, order_id } => self.fill(account_id, order_id),
            Task::Start => self.start(),
        }
    }

    /// One transaction for the writes, then everything else in order.
    pub fn carry_out(&mut self, actions: Vec<Action>) {
        let (writes, rest): (Vec<_>, Vec<_>) =
            actions.into_iter().partition(|action| matches!(action, Action::Store(_)));
        if !writes.is_empty() && self.dies_now() {
            return;
        }
        for action in writes {
            self.done.push((self.now, action.clone()));
            let Action::Store(write) = action else { continue };
            self.check_write(&write);
            if let Write::ClearLockout { account_id, .. } = write {
                if !self.clearings.pop_front().unwrap_or(true) {
                    self.plan(self.clearing_ms, Task::Input(Event::LockoutNotCleared { account_id }));
                    continue;
                }
                self.plan(self.clearing_ms, Task::Input(Event::LockoutCleared { account_id }));
            }
            self.disk.write(write);
        }
        for action in rest {
            match &action {
                Action::Send(_) if self.dies_now() => return,
                Action::Send(request) => self.send(request.clone()),
                Action::WatchQuotes(contract_id) => {
                    let last = self.broker.prices[contract_id].to_string();
                    let quote = quote(contract_id.as_str(), &last, self.now);
                    self.plan(HUB_MS, Task::MarketHub(Event::Quote(quote)));
                }
                Action::Notice(_) | Action::Store(_) => {}
            }
            self.done.push((self.now, action));
        }
    }

    fn dies_now(&mut self) -> bool {
        self.carried_out += 1;
        let dies = self.crash_at == Some(self.carried_out);
        if dies {
            self.crash();
        }
        dies
    }

    /// A row that says success needs a look, asked for after the decision, that showed it.
    fn check_write(&self, write: &Write) {
        let Write::PutEnforcement { log, .. } = write else { return };
        if !log.success {
            assert_eq!(log.status, EnforcementStatus::Pending);
            assert_eq!(log.execution_time_ms, None);
            return;
        }
        let served = self.served.get(&log.account_id).expect("success needs a look");
        assert!(served.asked_at >= log.timestamp, "success needs a look after the decision");
        assert!(log.execution_time_ms.is_some());
        match log.action {
            EnforcementAction::CloseAllAndLockout => assert!(served.flat && served.no_orders, "not flat: {log:?}"),
            EnforcementAction::CloseAllPositions => assert!(served.flat, "not flat: {log:?}"),
            _ => {}
        }
    }

    fn send(&mut self, request: Request) {
        let sent_at = self.now;
        if acts(&request.kind) {
            match self.broker.outcomes.front() {
                Some(Outcome::NotSent) => {
                    self.broker.outcomes.pop_front();
                    let failure = RequestFailure::NotSent { message: "no route".to_owned() };
                    return self.answer(1, request.id, Err(failure));
                }
                Some(Outcome::RequestLost) => {
                    self.broker.outcomes.pop_front();
                    return self.answer(TIMEOUT_MS, request.id, Err(lost()));
                }
                _ => {}
            }
        }
        self.plan(TO_BROKER_MS, Task::Arrive { request, sent_at });
    }
}

fn locks(engine: &EngineState) -> BTreeMap<AccountId, Lockout> {
    engine.accounts().filter_map(|account| Some((account.account_id, account.locks.lockout()?.clone()))).collect()
}

/// A lock never shortens, and ends only when its time is over and that is durable.
fn check_locks_hold(
    before: &BTreeMap<AccountId, Lockout>,
    now: &BTreeMap<AccountId, Lockout>,
    event: &Event,
    at: Timestamp,
) {
    // One by canTrade ends when canTrade returns.
    for (account_id, lockout) in before.iter().filter(|(_, lockout)| lockout.rule_id != RuleId::AUTH_LOSS_GUARD) {
        match now.get(account_id) {
            Some(present) => assert!(!lockout.is_stricter_than(present), "{lockout:?} became {present:?}"),
            None => {
                assert_eq!(*event, Event::LockoutCleared { account_id: *account_id }, "only a durable end frees");
                assert!(lockout.has_ended(at), "{lockout:?} ended early");
            }
        }
    }
}
