//! One input at a time: takes it over, asks the rules, pursues what is pending.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::action::{Action, Notice, Request, RequestId, RequestKind};
use super::config::Config;
use super::desk::{Context, Desk, Numbers};
use super::input::{Event, Hub, Input, Refusal, RequestFailure, Snapshot};
use super::price_index::PriceIndex;
use super::timers::DESCRIBE_AGAIN_MS;
use crate::model::{AccountId, ContractId, Noun, time_after_ms};
use crate::rules::Trigger;
use crate::state::{AccountState, AccountView, Market, Markets};

/// Everything the engine knows. Made by [`super::start`].
#[derive(Debug, Clone)]
pub struct EngineState {
    pub(super) desks: BTreeMap<AccountId, Desk>,
    pub(super) markets: Markets,
    pub(super) numbers: Numbers,
    pub(super) in_flight: BTreeMap<RequestId, Request>,
    pub(super) user_hub_up: bool,
    pub(super) market_hub_up: bool,
    pub(super) wakes: BTreeSet<(Timestamp, AccountId)>,
    pub(super) sweep_at: Timestamp,
    /// The account whose arming was looked at last.
    pub(super) arming_looked_at: AccountId,
    pub(super) latest: Timestamp,
    /// Scratch of `prices`, kept so that a quote allocates nothing.
    pub(super) breaches: Vec<AccountId>,
    /// The same.
    pub(super) asked: Vec<AccountId>,
    pub(super) price_index: PriceIndex,
    pub(super) asks_everyone: bool,
}

/// Takes in one thing that happened and appends everything that must be done about it to `actions`, in order.
///
/// Equal states, configs and inputs give equal actions. Time never goes back: an input dated before the last one counts
/// as happening at the same moment.
pub fn step(engine: &mut EngineState, config: &Config, input: Input, actions: &mut Vec<Action>) {
    let at = input.at.max(engine.latest);
    engine.latest = at;
    // What fell due before the event happened first: a fill after the reset belongs to the new day.
    engine.fire_due(config, at, actions);
    match input.event {
        Event::Quote(quote) => engine.observe_prices(config, at, actions, &quote),
        Event::Contract(contract) => engine.observe_contract(config, at, actions, contract),
        Event::Account(account) => engine.with_desk(config, at, actions, account.id, |desk, context| {
            // Asked though nothing may be new: a lock that waits for this word is judged by it.
            desk.observe_account(context, account);
            desk.ask_rules(context, &[Trigger::Account]);
        }),
        Event::Position(position) => engine.with_desk(config, at, actions, position.account_id, |desk, context| {
            let trigger = desk.observe_position(context, position);
            desk.ask_rules(context, trigger.as_slice());
        }),
        Event::PositionClosed { account_id, contract_id } => {
            engine.with_desk(config, at, actions, account_id, |desk, context| {
                let trigger = desk.observe_position_closed(context, &contract_id);
                desk.ask_rules(context, trigger.as_slice());
            });
        }
        Event::Order(order) => engine.with_desk(config, at, actions, order.account_id, |desk, context| {
            desk.stops.note(&order, context.at);
            let trigger = desk.observe_order(context, order);
            desk.ask_rules(context, trigger.as_slice());
        }),
        Event::Trade(trade) => engine.with_desk(config, at, actions, trade.account_id, |desk, context| {
            let trigger = desk.observe_fill(context, trade);
            desk.ask_rules(context, trigger.as_slice());
        }),
        Event::Snapshot(snapshot) => engine.observe_snapshot(config, at, actions, *snapshot),
        Event::Refused(refusal) => engine.observe_refusal(config, at, actions, refusal),
        Event::Link { hub, up } => engine.observe_link(config, at, actions, hub, up),
        Event::Answer { request_id, result } => engine.observe_answer(config, at, actions, request_id, result.err()),
        Event::LockoutCleared { account_id } => {
            engine.with_desk(config, at, actions, account_id, |desk, context| {
                desk.observe_lockout_cleared(context, true);
            });
        }
        Event::LockoutNotCleared { account_id } => {
            engine.with_desk(config, at, actions, account_id, |desk, context| {
                desk.observe_lockout_cleared(context, false);
            });
        }
        Event::Unlock { account_id, actor, reason } => {
            engine.with_desk(config, at, actions, account_id, |desk, context| desk.unlock(context, actor, reason));
        }
        Event::TimePassed => {}
    }
}

impl EngineState {
    /// What is known of an account.
    pub fn account(&self, account_id: AccountId) -> Option<&AccountState> {
        self.desks.get(&account_id).map(|desk| &desk.state)
    }

    /// Every account's state, in the order of ids.
    pub fn accounts(&self) -> impl Iterator<Item = &AccountState> {
        self.desks.values().map(|desk| &desk.state)
    }

    /// What rules would see of an account at `at`.
    pub fn view(&self, account_id: AccountId, at: Timestamp) -> Option<AccountView<'_>> {
        self.desks.get(&account_id).map(|desk| desk.view(&self.markets, at))
    }

    /// Every market that ever mattered to an account, in the order of contracts.
    pub fn markets(&self) -> impl Iterator<Item = (&ContractId, &Market)> {
        self.markets.iter()
    }

    /// Enforcements of an account that the broker has not confirmed yet.
    pub fn pending_enforcements(&self, account_id: AccountId) -> usize {
        self.desks.get(&account_id).map_or(0, |desk| desk.outbox.enforcements.len())
    }

    /// Whether the broker said in this run what an account holds.
    pub fn has_heard_from_the_broker(&self, account_id: AccountId) -> bool {
        self.desks.get(&account_id).is_some_and(|desk| desk.heard_from_the_broker)
    }

    /// Whether a hub is up.
    pub fn is_up(&self, hub: Hub) -> bool {
        match hub {
            Hub::User => self.user_hub_up,
            Hub::Market => self.market_hub_up,
        }
    }

    /// Works on one desk, then pursues what is pending there and plans its next wake.
    pub(super) fn with_desk(
        &mut self,
        config: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
        account_id: AccountId,
        work: impl FnOnce(&mut Desk, &mut Context<'_>),
    ) {
        let account_count = self.desks.len();
        let Some(desk) = self.desks.get_mut(&account_id) else {
            return;
        };
        let mut context = Context {
            config,
            at,
            markets: &mut self.markets,
            numbers: &mut self.numbers,
            in_flight: &mut self.in_flight,
            user_hub_up: self.user_hub_up,
            account_count,
            actions,
        };
        work(desk, &mut context);
        desk.store_mark_if_due(&mut context);
        desk.end_lockouts_if_due(&mut context);
        desk.pursue(&mut context);
        desk.look_if_due(&mut context);
        let due_at = desk.next_wake(config, &self.markets, at);
        // Whatever is still due could not be done now: it waits a moment instead of spinning. What lies ahead is not put
        // off, however near: nothing may be judged by a day that is over.
        let wake_at = if due_at > at { due_at } else { time_after_ms(at, 1) };
        if let Some(planned) = desk.wake_at.replace(wake_at)
            && planned != wake_at
        {
            self.wakes.remove(&(planned, account_id));
        }
        self.wakes.insert((wake_at, account_id));
        self.index_prices(config, at, account_id);
    }

    pub(super) fn for_each_desk(
        &mut self,
        config: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
        work: impl Fn(&mut Desk, &mut Context<'_>),
    ) {
        let account_ids: Vec<AccountId> = self.desks.keys().copied().collect();
        for account_id in account_ids {
            self.with_desk(config, at, actions, account_id, &work);
        }
    }

    pub(super) fn send_without_desk(&mut self, actions: &mut Vec<Action>, kind: RequestKind) {
        let request = Request { id: self.numbers.next_request(), account_id: None, kind };
        self.in_flight.insert(request.id, request.clone());
        actions.push(Action::Send(request));
    }

    fn observe_snapshot(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>, snapshot: Snapshot) {
        self.with_desk(config, at, actions, snapshot.account_id, |desk, context| {
            desk.observe_snapshot(context, snapshot);
        });
    }

    /// A refused position or order is not forgotten: the account is uncertain and looked at, at once. Nobody knows whose
    /// it was: all are.
    fn observe_refusal(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>, refusal: Refusal) {
        let Refusal { account_id, invalid } = refusal;
        let matters = matches!(invalid.noun, Noun::Position | Noun::Order | Noun::Trade);
        actions.push(Action::Notice(Notice::Refused { account_id, invalid }));
        let doubt = |desk: &mut Desk, context: &mut Context<'_>| {
            desk.set_certain(context, false);
            desk.reconciliation.look_soon(context.at);
        };
        match account_id {
            _ if !matters => {}
            Some(account_id) => self.with_desk(config, at, actions, account_id, doubt),
            None => self.for_each_desk(config, at, actions, doubt),
        }
    }

    /// The hubs replay nothing: after a gap, and during one, every account is looked at.
    fn observe_link(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>, hub: Hub, up: bool) {
        actions.push(Action::Notice(Notice::Link { hub, up }));
        match hub {
            Hub::Market => self.market_hub_up = up,
            Hub::User => {
                self.user_hub_up = up;
                self.for_each_desk(config, at, actions, |desk, context| {
                    if !up {
                        desk.set_certain(context, false);
                    }
                    desk.outbox.lost_sight();
                    // An answer that is on its way may be older than this gap: one more look follows it.
                    desk.reconciliation.look_by(context.at);
                });
            }
        }
    }

    fn observe_answer(
        &mut self,
        config: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
        request_id: RequestId,
        failure: Option<RequestFailure>,
    ) {
        let Some(request) = self.in_flight.remove(&request_id) else {
            return;
        };
        if let Some(failure) = failure.clone() {
            actions.push(Action::Notice(Notice::RequestFailed { request: request.clone(), failure }));
        }
        match (&request.kind, request.account_id) {
            (RequestKind::DescribeContract(contract_id), _) => {
                // Answered or not: without a description, nothing in the contract can be priced.
                let market = self.markets.get_or_insert(contract_id);
                if market.contract().is_none() {
                    market.describe_again_at = Some(time_after_ms(at, DESCRIBE_AGAIN_MS));
                }
            }
            (RequestKind::Snapshot { trades_since }, Some(account_id)) => {
                self.with_desk(config, at, actions, account_id, |desk, context| {
                    desk.observe_look_answered(context, trades_since.is_some(), failure.is_some());
                });
            }
            (kind, Some(account_id)) => self.with_desk(config, at, actions, account_id, |desk, context| {
                desk.observe_answer(context, request_id, kind, failure.as_ref());
            }),
            (_, None) => {}
        }
    }
}
