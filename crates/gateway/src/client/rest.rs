//! The calls of the REST interface, typed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use riskd_core::model::{
    Account, AccountId, Checks, Contract, ContractId, Invalid, Order, OrderId, Quote, QuoteDraft, Trade,
    may_trade_below_zero,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::auth::{Auth, Token};
use super::config::{ClientConfig, ConfigError};
use super::jitter::Jitter;
use super::limiter::Priority;
use super::transport::{Body, CallCounts, Transport, unreadable};
use super::{CallError, Clock, DateSink};
use crate::protocol::parse::{Context, Parser, PositionNews, RefusedPayload, Source};
use crate::protocol::wire;
use crate::protocol::wire::Endpoint;

/// The gateway's REST interface. Cloning it shares the token, the rate limit and everything else.
#[derive(Clone)]
pub struct Gateway {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: ClientConfig,
    pub(super) clock: Clock,
    pub(super) jitter: Jitter,
    pub(super) auth: Auth,
    transport: Arc<Transport>,
    parser: Mutex<Parser>,
}

/// Rows of an answer: those that hold, and those that failed their checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// Rows that hold, in the order of the answer.
    pub rows: Vec<T>,
    /// Rows that do not, with what to write to the log.
    pub refused: Vec<RefusedPayload>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gateway").field("base_url", &self.inner.config.base_url).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A client that is not connected to anything yet. The first call logs in.
    ///
    /// Fails on addresses that are none, or not encrypted and not on this machine; and where no crypto provider is
    /// installed.
    pub fn new(config: ClientConfig, clock: Clock) -> Result<Self, ConfigError> {
        Self::telling_dates(config, clock, None)
    }

    /// The same; `dates` is told the `Date` of every answer before anything else is done with the answer.
    pub fn telling_dates(config: ClientConfig, clock: Clock, dates: Option<DateSink>) -> Result<Self, ConfigError> {
        config.hub_base()?;
        let transport = Arc::new(Transport::new(&config, Arc::clone(&clock), dates)?);
        let inner = Inner {
            auth: Auth::new(&config, Arc::clone(&transport)),
            jitter: Jitter::new(config.jitter_seed),
            parser: Mutex::new(Parser::new(config.clock_skew_ms)),
            transport,
            clock,
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Logs in now, if there is no token yet. A way to find out at the start whether the key is good.
    pub async fn log_in(&self) -> Result<(), CallError> {
        self.inner.auth.token(Priority::Enforcement).await.map(|_| ())
    }

    /// Ends the session, if there is one.
    pub async fn log_out(&self) -> Result<(), CallError> {
        let Some(token) = self.inner.auth.current() else { return Ok(()) };
        self.inner.auth.forget(token.generation);
        let answer = self.inner.transport.call(Endpoint::Logout, Some(&token.secret), None, Priority::Ordinary).await;
        match answer {
            Ok(_) | Err(CallError::Unauthorized { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks whether anybody is there.
    pub async fn ping(&self) -> Result<(), CallError> {
        self.inner.transport.call(Endpoint::Ping, None, None, Priority::Ordinary).await.map(|_| ())
    }

    /// Lists accounts.
    pub async fn search_accounts(&self, only_active_accounts: bool) -> Result<Rows<Account>, CallError> {
        self.accounts(only_active_accounts, Priority::Ordinary).await
    }

    /// Describes one contract.
    pub async fn contract_by_id(
        &self,
        contract_id: &ContractId,
    ) -> Result<Result<Contract, RefusedPayload>, CallError> {
        let request = wire::ContractByIdRequest { contract_id: contract_id.as_str().to_owned() };
        let answer: wire::OneContract<Box<RawValue>> =
            self.call(Endpoint::ContractById, &request, Priority::Ordinary).await?;
        let mut rows = self.contracts(&[answer.contract]);
        Ok(match (rows.rows.pop(), rows.refused.pop()) {
            (Some(contract), _) => Ok(contract),
            (None, Some(refused)) => Err(refused),
            (None, None) => return Err(nothing_in_it(Endpoint::ContractById)),
        })
    }

    /// Finds contracts by a part of their name; at most 20.
    pub async fn search_contracts(&self, search_text: &str, live: bool) -> Result<Rows<Contract>, CallError> {
        let request = wire::ContractSearchRequest { search_text: Some(search_text.to_owned()), live };
        let answer: wire::Contracts<Box<RawValue>> =
            self.call(Endpoint::SearchContracts, &request, Priority::Ordinary).await?;
        Ok(self.contracts(&answer.contracts))
    }

    /// Lists every contract.
    pub async fn available_contracts(&self, live: bool) -> Result<Rows<Contract>, CallError> {
        let request = wire::AvailableContractsRequest { live };
        let answer: wire::Contracts<Box<RawValue>> =
            self.call(Endpoint::AvailableContracts, &request, Priority::Ordinary).await?;
        Ok(self.contracts(&answer.contracts))
    }

    /// The last traded price of a contract, out of the price history of the last day; absent when there was none.
    pub async fn last_price(&self, contract_id: &ContractId) -> Result<Option<Quote>, CallError> {
        const DAY: SignedDuration = SignedDuration::from_hours(24);
        const MINUTE: SignedDuration = SignedDuration::from_mins(1);
        let now = (self.inner.clock)();
        let request = wire::RetrieveBarsRequest {
            contract_id: contract_id.as_str().to_owned(),
            live: false,
            start_time: wire::Time(now.saturating_sub(DAY).unwrap_or(now)),
            end_time: wire::Time(now),
            unit: 2,
            unit_number: 1,
            limit: 1,
            include_partial_bar: true,
        };
        let answer: wire::Bars = self.call(Endpoint::RetrieveBars, &request, Priority::Ordinary).await?;
        let Some(bar) = answer.bars.into_iter().max_by_key(|bar| bar.t.0) else { return Ok(None) };
        let Ok(close) = bar.c.to_price() else { return Ok(None) };
        // The close was made within the minute that the bar begins with, and not after it was asked for.
        let timestamp = bar.t.0.saturating_add(MINUTE).unwrap_or(now).min(now);
        let draft = QuoteDraft { contract_id: contract_id.clone(), bid: None, ask: None, last: Some(close), timestamp };
        let checks = Checks::at(now).allowing_negative_price(may_trade_below_zero(contract_id));
        Ok(Quote::new(draft, &checks).ok())
    }

    /// Working orders of an account. Leaves out suspended children of brackets: see [`Gateway::living_orders`].
    pub async fn open_orders(&self, account_id: AccountId, priority: Priority) -> Result<Rows<Order>, CallError> {
        let request = wire::OfAccountRequest { account_id: account_id.0 };
        let answer: wire::Orders<Box<RawValue>> = self.call(Endpoint::SearchOpenOrders, &request, priority).await?;
        Ok(self.orders(account_id, &answer.orders))
    }

    /// Open positions of an account. A row that says "closed" is left out.
    pub async fn open_positions(
        &self,
        account_id: AccountId,
        priority: Priority,
    ) -> Result<Rows<riskd_core::model::Position>, CallError> {
        let request = wire::OfAccountRequest { account_id: account_id.0 };
        let answer: wire::Positions<Box<RawValue>> =
            self.call(Endpoint::SearchOpenPositions, &request, priority).await?;
        let context = self.context(Some(account_id));
        let read = self.read(&answer.positions, Some(account_id), |parser, row| parser.position(row, &context));
        let open = |news| match news {
            PositionNews::Open(position) => Some(position),
            PositionNews::Closed { .. } => None,
        };
        Ok(Rows { rows: read.rows.into_iter().filter_map(open).collect(), refused: read.refused })
    }

    /// Trades of an account from a moment on.
    pub async fn trades(
        &self,
        account_id: AccountId,
        since: Timestamp,
        priority: Priority,
    ) -> Result<Rows<Trade>, CallError> {
        let request = time_range(account_id, since);
        let answer: wire::Trades<Box<RawValue>> = self.call(Endpoint::SearchTrades, &request, priority).await?;
        let context = self.context(Some(account_id));
        Ok(self.read(&answer.trades, Some(account_id), |parser, row| parser.trade(row, &context)))
    }

    /// Finds the order that was placed with a tag: the way to learn, after a lost answer, whether it exists.
    ///
    /// A refused row with the tag counts as found, and comes back among the refused.
    pub async fn orders_by_tag(
        &self,
        account_id: AccountId,
        custom_tag: &str,
        since: Timestamp,
    ) -> Result<Rows<Order>, CallError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tagged {
            custom_tag: Option<String>,
        }
        let request = time_range(account_id, since);
        let answer: wire::Orders<Box<RawValue>> =
            self.call(Endpoint::SearchOrders, &request, Priority::Snapshot).await?;
        let mut tagged = answer.orders;
        tagged.retain(|row| {
            let read: Result<Tagged, _> = serde_json::from_str(row.get());
            read.is_ok_and(|row| row.custom_tag.as_deref() == Some(custom_tag))
        });
        Ok(self.orders(account_id, &tagged))
    }

    /// Closes the whole position in a contract. Sent once.
    pub async fn close_position(&self, account_id: AccountId, contract_id: &ContractId) -> Result<(), CallError> {
        let request =
            wire::ClosePositionRequest { account_id: account_id.0, contract_id: contract_id.as_str().to_owned() };
        let _: wire::NoBody = self.call(Endpoint::ClosePosition, &request, Priority::Enforcement).await?;
        Ok(())
    }

    /// Closes part of the position in a contract. Sent once. Live accounts refuse it.
    pub async fn reduce_position(
        &self,
        account_id: AccountId,
        contract_id: &ContractId,
        size: i64,
    ) -> Result<(), CallError> {
        let contract_id = contract_id.as_str().to_owned();
        let request = wire::PartialClosePositionRequest { account_id: account_id.0, contract_id, size };
        let _: wire::NoBody = self.call(Endpoint::PartialClosePosition, &request, Priority::Enforcement).await?;
        Ok(())
    }

    /// Cancels an order. Sent once.
    pub async fn cancel_order(&self, account_id: AccountId, order_id: OrderId) -> Result<(), CallError> {
        let request = wire::CancelOrderRequest { account_id: account_id.0, order_id: order_id.0 };
        let _: wire::NoBody = self.call(Endpoint::CancelOrder, &request, Priority::Enforcement).await?;
        Ok(())
    }

    /// Places an order and gives its number. Sent once; give it a tag of its own, so that a lost answer can be asked after.
    pub async fn place_order(&self, order: &wire::PlaceOrderRequest) -> Result<OrderId, CallError> {
        let answer: wire::PlaceOrderAnswer = self.call(Endpoint::PlaceOrder, order, Priority::Enforcement).await?;
        answer.order_id.map(OrderId).ok_or_else(|| nothing_in_it(Endpoint::PlaceOrder))
    }

    /// Changes an order. Sent once.
    pub async fn modify_order(&self, change: &wire::ModifyOrderRequest) -> Result<(), CallError> {
        let _: wire::NoBody = self.call(Endpoint::ModifyOrder, change, Priority::Enforcement).await?;
        Ok(())
    }

    /// Calls so far, by the endpoint's path and what became of them: accepted, refused, unauthorized, rate_limited,
    /// not_sent, unknown.
    pub fn call_counts(&self) -> CallCounts {
        self.inner.transport.counts()
    }

    /// Calls that could go out at this moment without waiting, by priority.
    pub fn rate_limit_room(&self, priority: Priority) -> usize {
        self.inner.transport.room(priority)
    }

    /// A parser that shares what this client knows of accounts and positions.
    pub fn parser(&self) -> Parser {
        self.inner.parser.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn accounts(&self, only_active: bool, priority: Priority) -> Result<Rows<Account>, CallError> {
        let request = wire::AccountSearchRequest { only_active_accounts: only_active };
        let answer: wire::Accounts<Box<RawValue>> = self.call(Endpoint::SearchAccounts, &request, priority).await?;
        let context = self.context(None);
        Ok(self.read(&answer.accounts, None, |parser, row| parser.account(row, &context)))
    }

    pub(super) fn orders(&self, account_id: AccountId, rows: &[Box<RawValue>]) -> Rows<Order> {
        let context = self.context(Some(account_id));
        self.read(rows, Some(account_id), |parser, row| parser.order(row, &context))
    }

    /// One call, with the present token or, once, a new one. Queries are repeated; what changes something never is.
    ///
    /// A query that is part of a look is not repeated once a call's whole time is spent: nobody else looks meanwhile, and an
    /// enforcement that waits for the look would wait several time-outs instead of one.
    pub(super) async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        body: &B,
        priority: Priority,
    ) -> Result<T, CallError> {
        let body = serde_json::to_string(body)
            .map_err(|error| CallError::NotSent { endpoint, reason: format!("cannot be written as JSON: {error}") })?;
        let mut failed = 0;
        let began = tokio::time::Instant::now();
        let patience = Duration::from_millis(self.inner.config.rest_timeouts.call_ms);
        loop {
            let error = match self.call_once(endpoint, &body, priority).await {
                Ok(answer) => match serde_json::from_slice(&answer) {
                    Ok(answer) => return Ok(answer),
                    Err(error) => unreadable(endpoint, &error),
                },
                Err(error) => error,
            };
            failed += 1;
            let wait_ms = self.inner.config.retry.wait_ms(failed, self.inner.jitter.fraction());
            let is_too_late = priority == Priority::Snapshot && began.elapsed() >= patience;
            match wait_ms.filter(|_| endpoint.is_query() && error.is_passing() && !is_too_late) {
                Some(wait_ms) => {
                    tracing::debug!(%endpoint, %error, wait_ms, "asking again");
                    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                }
                None => return Err(error),
            }
        }
    }

    async fn call_once(&self, endpoint: Endpoint, body: &str, priority: Priority) -> Result<Body, CallError> {
        let send = async |token: &Token| {
            self.inner.transport.call(endpoint, Some(&token.secret), Some(body.to_owned()), priority).await
        };
        let token = self.inner.auth.token(priority).await?;
        match send(&token).await {
            Err(CallError::Unauthorized { .. }) => send(&*self.inner.auth.renew(token.generation).await?).await,
            other => other,
        }
    }

    fn contracts(&self, rows: &[Box<RawValue>]) -> Rows<Contract> {
        self.read(rows, None, |parser, row| parser.contract(row))
    }

    fn read<T>(
        &self,
        rows: &[Box<RawValue>],
        account_id: Option<AccountId>,
        read: impl Fn(&mut Parser, &str) -> Result<T, Invalid>,
    ) -> Rows<T> {
        let mut parser = self.inner.parser.lock().unwrap_or_else(PoisonError::into_inner);
        let mut result = Rows { rows: Vec::with_capacity(rows.len()), refused: Vec::new() };
        for row in rows {
            match read(&mut parser, row.get()) {
                Ok(noun) => result.rows.push(noun),
                Err(invalid) => {
                    let refused = RefusedPayload::new(account_id, invalid, row.get());
                    refused.log();
                    result.refused.push(refused);
                }
            }
        }
        result
    }

    fn context(&self, account_id: Option<AccountId>) -> Context {
        Context { now: (self.inner.clock)(), source: Source::Rest, account_id }
    }
}

fn time_range(account_id: AccountId, since: Timestamp) -> wire::TimeRangeRequest {
    wire::TimeRangeRequest { account_id: account_id.0, start_timestamp: wire::Time(since), end_timestamp: None }
}

fn nothing_in_it(endpoint: Endpoint) -> CallError {
    CallError::Unknown { endpoint, reason: "the answer says success and carries nothing".to_owned() }
}
