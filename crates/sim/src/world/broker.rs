//! The program's requests on their way to the broker and back, with every outcome a call can have.

use jiff::Timestamp;
use riskd_core::engine::{Event, Request, RequestFailure, RequestKind, Snapshot};
use riskd_core::model::{AccountId, ContractId, OrderId, OrderType, Price, Side, milliseconds_between};
use riskd_gateway::client::limiter::{Admission, Priority};
use riskd_gateway::protocol::parse::{Context, Parser, PositionNews, Source};
use riskd_gateway::protocol::wire::Group;

use super::after_ms;
use super::play::{Answer, Task, World, told};
use super::weather::Fault;
use crate::exchange::{CloseRefusal, OrderChange, OrderRefusal, OrderStatus, OrderTicket};
use crate::server::rows;

/// How long a call travels, one way.
const TRAVEL_MS: i64 = 6;
/// After how long a call without an answer is given up.
const TIME_OUT_MS: i64 = 5_000;
/// How late a late answer is at most; still before it is given up.
const LATE_MS: i64 = 4_500;
/// How long everything but enforcement holds back after "too many".
const HOLD_BACK_MS: u64 = 60_000;
/// A wait for the budget that is more than waiting one's turn.
const BUDGET_IS_SPENT_MS: i64 = 1_000;
/// A market order that is older hangs, and may be closed beside.
const HANGS_AFTER_MS: i64 = 5_000;

/// What becomes of a request that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is carried out, and answered after so many milliseconds.
    Done(i64),
    /// It is carried out, and never answered.
    DoneUnanswered,
    /// A row of the answer cannot be read.
    Garbled,
}

/// Calls of the REST interface that a request takes.
pub(super) const fn calls(kind: &RequestKind) -> u32 {
    match kind {
        RequestKind::Snapshot { trades_since: Some(_) } => 5,
        RequestKind::Snapshot { trades_since: None } => 3,
        _ => 1,
    }
}

const fn priority(kind: &RequestKind) -> Priority {
    match kind {
        RequestKind::Snapshot { .. } => Priority::Snapshot,
        RequestKind::DescribeContract(_) => Priority::Ordinary,
        _ => Priority::Enforcement,
    }
}

impl World {
    /// A request goes out as soon as the limiter lets it.
    pub(super) fn depart(&mut self, life: u64, request: Request, asked_at: Option<Timestamp>, mut calls_left: u32) {
        if life != self.life {
            return;
        }
        let clock = self.clock.read(self.now);
        let asked_at = asked_at.unwrap_or(clock);
        while calls_left > 0 {
            match self.limiter.admit(clock, Group::Position, priority(&request.kind)) {
                Admission::Go => calls_left -= 1,
                Admission::NotBefore(at) => {
                    let wait_ms = milliseconds_between(clock, at).max(1);
                    if wait_ms > BUDGET_IS_SPENT_MS {
                        self.echo(wait_ms);
                    }
                    let asked_at = Some(asked_at);
                    return self.plan_task(wait_ms, Task::Depart { life, request, asked_at, calls_left });
                }
            }
        }
        match self.mishap(&request, clock) {
            Some((after_ms, result)) => self.answer(life, &request, after_ms, result),
            None => {
                let fate = self.fate(&request.kind);
                self.plan_task(TRAVEL_MS, Task::Arrive { life, request, asked_at, fate });
            }
        }
    }

    /// What keeps a request from being carried out, and when the program learns of it.
    fn mishap(&mut self, request: &Request, clock: Timestamp) -> Option<(i64, Result<(), RequestFailure>)> {
        let not_sent = |message: &str| Err(RequestFailure::NotSent { message: message.to_owned() });
        let unknown = |message: &str| Err(RequestFailure::Unknown { message: message.to_owned() });
        let acts = is_act(&request.kind);
        let is_look = matches!(request.kind, RequestKind::Snapshot { .. });
        if self.gateway_is_away() {
            return Some((1, not_sent("connection refused")));
        }
        if self.weather.strikes(Fault::Unauthorized) {
            return Some((3 * TRAVEL_MS, not_sent("401, twice")));
        }
        if self.weather.strikes(Fault::TooManyRequests) {
            self.limiter.hold_back(clock, Group::Position, HOLD_BACK_MS);
            self.echo(i64::try_from(HOLD_BACK_MS).unwrap_or(0));
            return Some((2 * TRAVEL_MS, not_sent("429")));
        }
        if self.weather.strikes(Fault::ServerError) {
            return Some((2 * TRAVEL_MS, unknown("502")));
        }
        if self.weather.strikes(Fault::TimeOutBefore) || (is_look && self.weather.strikes(Fault::LookFails)) {
            self.echo(TIME_OUT_MS);
            return Some((TIME_OUT_MS, unknown("no answer in time")));
        }
        if acts && self.weather.strikes(Fault::Refusal) {
            return Some((2 * TRAVEL_MS, refused(5)));
        }
        if acts && self.weather.strikes(Fault::AcceptedNotDone) {
            return Some((2 * TRAVEL_MS, Ok(())));
        }
        None
    }

    fn fate(&mut self, kind: &RequestKind) -> Fate {
        if self.weather.strikes(Fault::TimeOutAfter) {
            self.echo(TIME_OUT_MS);
            return Fate::DoneUnanswered;
        }
        if matches!(kind, RequestKind::Snapshot { .. }) && self.weather.strikes(Fault::LookUnreadable) {
            return Fate::Garbled;
        }
        if self.weather.strikes(Fault::LateAnswer) {
            let late_ms = self.weather.chance.between(TRAVEL_MS, LATE_MS);
            self.echo(late_ms);
            return Fate::Done(late_ms);
        }
        Fate::Done(TRAVEL_MS)
    }

    /// A request is carried out. The program may be dead by now.
    pub(super) fn arrive(&mut self, life: u64, request: Request, asked_at: Timestamp, fate: Fate) {
        let answer_ms = if let Fate::Done(milliseconds) = fate { milliseconds } else { TRAVEL_MS };
        let mut learned = None;
        let mut seen = None;
        let mut result = Ok(());
        match (&request.kind, request.account_id) {
            (RequestKind::Snapshot { trades_since }, Some(account_id)) => {
                let snapshot = self.snapshot(account_id, asked_at, *trades_since, fate == Fate::Garbled);
                seen = self.oracle.look(account_id, asked_at).map(|seen| (account_id, seen));
                learned = Some(told(snapshot));
            }
            (RequestKind::DescribeContract(contract_id), _) => match self.describe(contract_id) {
                Some(described) => learned = Some(described),
                None => result = refused(1),
            },
            (RequestKind::FindOrder { tag, .. }, Some(account_id)) => learned = self.order_of_tag(account_id, tag),
            (kind, Some(account_id)) => result = self.act_for_the_program(life, account_id, kind),
            (_, None) => result = Err(RequestFailure::NotSent { message: "no account".to_owned() }),
        }
        if fate == Fate::DoneUnanswered {
            let lost = Err(RequestFailure::Unknown { message: "no answer in time".to_owned() });
            return self.answer(life, &request, TIME_OUT_MS, lost);
        }
        let answer = Answer { life, request_id: request.id, learned, seen, result };
        self.plan_task(answer_ms, Task::Answer(Box::new(answer)));
    }

    fn answer(&mut self, life: u64, request: &Request, after_ms: i64, result: Result<(), RequestFailure>) {
        let answer = Answer { life, request_id: request.id, learned: None, seen: None, result };
        self.plan_task(after_ms, Task::Answer(Box::new(answer)));
    }

    /// An answer arrives: first what was learned, then the answer itself.
    pub(super) fn answered(&mut self, answer: Answer) {
        let Answer { life, request_id, learned, seen, result } = answer;
        if life != self.life {
            return;
        }
        if let Some((account_id, seen)) = seen {
            self.oracle.saw(account_id, seen);
        }
        if let Some(learned) = learned {
            self.feed(learned);
        }
        if life == self.life {
            self.feed(Event::Answer { request_id, result });
        }
    }

    fn act_for_the_program(
        &mut self,
        life: u64,
        account_id: AccountId,
        kind: &RequestKind,
    ) -> Result<(), RequestFailure> {
        let now = self.now;
        let outcome = match kind {
            RequestKind::ClosePosition(contract_id) => {
                let on_its_way = self.closing_now(life, account_id, contract_id);
                let done = self.exchange.close(account_id, contract_id, now).map_err(|refusal| close_code(&refusal));
                self.judge_close(account_id, contract_id, done.is_ok(), None, &on_its_way);
                done
            }
            RequestKind::ReducePosition { contract_id, size } => {
                let on_its_way = self.closing_now(life, account_id, contract_id);
                let closed = self.exchange.close_part(account_id, contract_id, *size, now);
                let done = closed.map_err(|refusal| close_code(&refusal));
                self.judge_close(account_id, contract_id, done.is_ok(), Some(*size), &on_its_way);
                done
            }
            RequestKind::CancelOrder(order_id) => {
                self.exchange.cancel(account_id, *order_id, now).map_err(|refusal| match refusal {
                    OrderRefusal::OrderNotFound => 2,
                    _ => 3,
                })
            }
            RequestKind::PlaceStop { contract_id, side, size, stop_price, tag } => {
                let ticket = OrderTicket {
                    custom_tag: Some(tag.to_string()),
                    ..OrderTicket::stop(account_id, contract_id.clone(), *side, *size, *stop_price)
                };
                self.exchange.place(ticket, now).map(|_| ()).map_err(|_| 2)
            }
            RequestKind::MoveStop { order_id, size, stop_price, limit_price } => {
                self.judge_move(account_id, *order_id, *stop_price);
                let change =
                    OrderChange { size: *size, limit_price: *limit_price, stop_price: *stop_price, trail_price: None };
                self.exchange.modify(account_id, *order_id, change, now).map_err(|refusal| match refusal {
                    OrderRefusal::OrderNotFound => 2,
                    _ => 3,
                })
            }
            RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) | RequestKind::FindOrder { .. } => Ok(()),
        };
        self.note_our_closes(life, account_id);
        self.spread();
        outcome.or_else(refused)
    }

    /// What orders of this life's closes will still buy (or sell, negative), as far as the program can see them.
    fn closing_now(&self, life: u64, account_id: AccountId, contract_id: &ContractId) -> Vec<i64> {
        let ours = |order_id: &OrderId| {
            self.our_closes
                .get(order_id)
                .is_some_and(|(of, at)| *of == life && milliseconds_between(*at, self.now) < HANGS_AFTER_MS)
        };
        let orders = self.exchange.living_orders(account_id);
        let closing = orders.iter().filter(|order| order.contract_id == *contract_id && ours(&order.id));
        closing.map(|order| if order.side == Side::Buy { order.remaining() } else { -order.remaining() }).collect()
    }

    fn judge_close(
        &mut self,
        account_id: AccountId,
        contract_id: &ContractId,
        accepted: bool,
        size: Option<i64>,
        on_its_way: &[i64],
    ) {
        // To a clock that is wrong by more than a market order may take, one on its way looks as if it hung.
        if accepted && self.clock.is_right(self.now) {
            self.oracle.closing(account_id, contract_id, size, on_its_way, self.now);
        }
    }

    /// A stop is never moved away from the market.
    fn judge_move(&mut self, account_id: AccountId, order_id: OrderId, stop: Option<Price>) {
        let order = self.exchange.order(order_id);
        let moved = order.and_then(|order| Some((order.side, order.stop_price?, stop?)));
        let Some((side, before, after)) = moved else { return };
        if if side == Side::Sell { after < before } else { after > before } {
            let what = format!("stop {order_id} is loosened from {before} to {after}");
            self.oracle.violation(self.now, Some(account_id), &what);
        }
    }

    fn note_our_closes(&mut self, life: u64, account_id: AccountId) {
        for order in self.exchange.living_orders(account_id) {
            let is_a_close =
                order.reduces_only && order.order_type == OrderType::Market && order.created_at == self.now;
            if is_a_close {
                self.our_closes.entry(order.id).or_insert((life, self.now));
            }
        }
    }

    fn snapshot(
        &mut self,
        account_id: AccountId,
        asked_at: Timestamp,
        trades_since: Option<Timestamp>,
        garbled: bool,
    ) -> Snapshot {
        let context = Context {
            now: after_ms(self.clock.read(self.now), TRAVEL_MS),
            source: Source::Rest,
            account_id: Some(account_id),
        };
        let mut reader = Reader { parser: &mut self.parser, context, refused: Vec::new() };
        let mut positions = Vec::new();
        for record in self.exchange.positions(account_id) {
            let mut row = text(&rows::position(&record));
            if garbled {
                row = row.replace("\"size\":", "\"size\":\"x\",\"was\":");
            }
            if let Some(PositionNews::Open(position)) = reader.read(&row, Parser::position) {
                positions.push(position);
            }
        }
        let contract = |id: &ContractId| self.exchange.listing(id).map(|listing| &listing.contract);
        let mut orders = Vec::new();
        for record in self.exchange.living_orders(account_id) {
            let row = text(&rows::order(&record, contract(&record.contract_id)));
            debug_assert!(matches!(record.status, OrderStatus::Open | OrderStatus::Suspended));
            orders.extend(reader.read(&row, Parser::order));
        }
        let mut trades = Vec::new();
        if let Some(since) = trades_since {
            for record in self.exchange.trades_since(account_id, since) {
                // The same row reads the same: most have been read a minute ago.
                if let Some(known) = self.trades_read.get(&record.id).filter(|known| known.voided == record.voided) {
                    trades.push(known.clone());
                } else if let Some(trade) = reader.read(&text(&rows::trade(&record)), Parser::trade) {
                    self.trades_read.insert(record.id, trade.clone());
                    trades.push(trade);
                }
            }
        }
        let account = trades_since.and(self.exchange.account(account_id)).map(rows::account);
        let account = account.and_then(|row| reader.read(&text(&row), Parser::account));
        let refused = reader.refused;
        if !garbled && !refused.is_empty() && self.weather.is_calm(self.now) && self.clock.is_right(self.now) {
            self.oracle.violation(self.now, Some(account_id), &format!("rows are refused: {refused:?}"));
        }
        Snapshot { account_id, asked_at, account, positions, orders, trades, trades_since, refused }
    }

    /// What became of the order with this tag, alive or finished.
    fn order_of_tag(&mut self, account_id: AccountId, tag: &str) -> Option<Event> {
        let orders = self.exchange.orders(account_id);
        let record = orders.into_iter().find(|order| order.custom_tag.as_deref() == Some(tag))?;
        let context = Context { now: self.clock.read(self.now), source: Source::Rest, account_id: Some(account_id) };
        let contract = self.exchange.listing(&record.contract_id).map(|listing| &listing.contract);
        let row = text(&rows::order(&record, contract));
        self.parser.order(&row, &context).ok().map(Event::Order)
    }

    fn describe(&mut self, contract_id: &ContractId) -> Option<Event> {
        let row = text(&rows::contract(self.exchange.listing(contract_id)?));
        self.parser.contract(&row).ok().map(Event::Contract)
    }
}

/// Reads rows as the client does.
struct Reader<'a> {
    parser: &'a mut Parser,
    context: Context,
    refused: Vec<riskd_core::model::Invalid>,
}

impl Reader<'_> {
    fn read<T>(
        &mut self,
        row: &str,
        read: impl Fn(&mut Parser, &str, &Context) -> Result<T, riskd_core::model::Invalid>,
    ) -> Option<T> {
        read(self.parser, row, &self.context).map_err(|invalid| self.refused.push(invalid)).ok()
    }
}

fn is_act(kind: &RequestKind) -> bool {
    !matches!(kind, RequestKind::Snapshot { .. } | RequestKind::DescribeContract(_) | RequestKind::FindOrder { .. })
}

fn refused(code: i32) -> Result<(), RequestFailure> {
    Err(RequestFailure::Refused { code, message: "refused".to_owned() })
}

fn close_code(refusal: &CloseRefusal) -> i32 {
    match refusal {
        CloseRefusal::PositionNotFound => 2,
        _ => 5,
    }
}

fn text<T: serde::Serialize>(row: &T) -> String {
    serde_json::to_string(row).unwrap_or_default()
}
