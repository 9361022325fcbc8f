//! What each endpoint does: a request read strictly, the exchange asked, the answer written.

use axum::http::StatusCode;
use riskd_core::model::{AccountId, ContractId, Noun, OrderId, OrderType, Price, Side, Timestamp};
use riskd_gateway::protocol::wire::{
    AccountSearchRequest, Accounts, Answer, AvailableContractsRequest, Bars, Bracket as WireBracket,
    CancelOrderRequest, ClosePositionRequest, ContractByIdRequest, ContractSearchRequest, Contracts, Endpoint,
    LoginAnswer, LoginKeyRequest, Meaning, ModifyOrderRequest, NoBody, Number, OfAccountRequest, OneContract, OneOrder,
    OrderByIdRequest, Orders, PartialClosePositionRequest, PlaceOrderAnswer, PlaceOrderRequest, Positions,
    RetrieveBarsRequest, TimeRangeRequest, Trades, ValidateAnswer,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::query::query_orders;
use super::rows;
use super::shared::State;
use crate::exchange::{BarSpan, Bracket, Exchange, OrderChange, OrderRecord, OrderStatus, OrderTicket};

/// Contracts a search gives back at most.
const CONTRACTS_AT_MOST: usize = 20;

/// Bars a request may ask for at most.
const BARS_AT_MOST: i64 = 20_000;

/// What goes back over HTTP.
pub(super) enum Outcome {
    /// Status 200 and this JSON text.
    Json(String),
    /// Status 200 and this plain text.
    Text(&'static str),
    /// This status and nothing else.
    Status(StatusCode),
    /// Status 400, with the reason.
    BadRequest(String),
}

/// The outcome, or why the request is a bad one.
type Answered = Result<Outcome, String>;

/// Does what the request asks.
pub(super) fn answer(
    state: &mut State,
    endpoint: Endpoint,
    token: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Answered {
    let exchange = &mut state.exchange;
    match endpoint {
        Endpoint::LoginKey => {
            let request: LoginKeyRequest = read(body)?;
            Ok(match state.tokens.log_in(&request.user_name, &request.api_key, now) {
                Ok(token) => success(LoginAnswer { token: Some(token) }),
                Err(meaning) => refusal(endpoint, meaning, None),
            })
        }
        Endpoint::Validate => Ok(match state.tokens.renew(token, now) {
            Ok(token) => success(ValidateAnswer { new_token: Some(token) }),
            Err(meaning) => refusal(endpoint, meaning, None),
        }),
        Endpoint::Logout => {
            state.tokens.log_out(token.unwrap_or_default());
            Ok(success(NoBody {}))
        }
        Endpoint::SearchAccounts => {
            let request: AccountSearchRequest = read(body)?;
            let shown = exchange.accounts().filter(|account| account.visible || !request.only_active_accounts);
            Ok(success(Accounts { accounts: shown.map(rows::account).collect() }))
        }
        Endpoint::SearchContracts => search_contracts(exchange, body),
        Endpoint::ContractById => {
            let request: ContractByIdRequest = read(body)?;
            let listing = contract_id(&request.contract_id).ok().and_then(|id| exchange.listing(&id));
            let found = listing.map(|listing| success(OneContract { contract: rows::contract(listing) }));
            Ok(found.unwrap_or_else(|| refusal(endpoint, Meaning::ContractNotFound, None)))
        }
        Endpoint::AvailableContracts => {
            let _: AvailableContractsRequest = read(body)?;
            let active = exchange.listings().filter(|listing| listing.active);
            Ok(success(Contracts { contracts: active.map(rows::contract).collect() }))
        }
        Endpoint::RetrieveBars => retrieve_bars(exchange, body, now),
        Endpoint::PlaceOrder => place(exchange, body, now),
        Endpoint::ModifyOrder => modify(exchange, body, now),
        Endpoint::CancelOrder => {
            let request: CancelOrderRequest = read(body)?;
            let done = exchange.cancel(AccountId(request.account_id), OrderId(request.order_id), now);
            Ok(done_or(endpoint, done.map_err(|refusal| (refusal.meaning(), refusal.to_string()))))
        }
        Endpoint::ClosePosition | Endpoint::PartialClosePosition => close(exchange, endpoint, body, now),
        Endpoint::SearchOrders
        | Endpoint::SearchOpenOrders
        | Endpoint::OrderById
        | Endpoint::QueryOrders
        | Endpoint::SearchOpenPositions
        | Endpoint::SearchTrades => look_up(exchange, endpoint, body, now),
        Endpoint::Ping => Ok(Outcome::Text("pong")),
    }
}

/// What an account has: orders, positions, trades.
fn look_up(exchange: &Exchange, endpoint: Endpoint, body: &[u8], now: Timestamp) -> Answered {
    match endpoint {
        Endpoint::SearchOrders => {
            let request: TimeRangeRequest = read(body)?;
            let until = request.end_timestamp.map_or(now, |end| end.0);
            let within = request.start_timestamp.0..=until;
            Ok(orders_of(exchange, endpoint, request.account_id, |order| within.contains(&order.created_at)))
        }
        Endpoint::OrderById => {
            let request: OrderByIdRequest = read(body)?;
            let of_account = |order: &&OrderRecord| order.account_id.0 == request.account_id;
            let found = exchange.order(OrderId(request.order_id)).filter(of_account);
            let found = found.map(|order| success(OneOrder { order: order_row(exchange, order) }));
            // The gateway's list of codes has none for an order that is not there.
            Ok(found.unwrap_or_else(|| refusal(endpoint, Meaning::AccountNotFound, Some("order not found".to_owned()))))
        }
        Endpoint::QueryOrders => query_orders(exchange, read(body)?),
        Endpoint::SearchOpenPositions => {
            let request: OfAccountRequest = read(body)?;
            Ok(of_account(exchange, endpoint, request.account_id, |account_id| {
                success(Positions { positions: exchange.positions(account_id).iter().map(rows::position).collect() })
            }))
        }
        Endpoint::SearchTrades => {
            let request: TimeRangeRequest = read(body)?;
            let until = request.end_timestamp.map_or(now, |end| end.0);
            let within = request.start_timestamp.0..=until;
            Ok(of_account(exchange, endpoint, request.account_id, |account_id| {
                let trades = exchange.trades(account_id);
                let found = trades.iter().filter(|trade| within.contains(&trade.created_at));
                success(Trades { trades: found.map(rows::trade).collect() })
            }))
        }
        _ => {
            let request: OfAccountRequest = read(body)?;
            // Suspended bracket children are alive, and yet left out here: the gateway does it so.
            Ok(orders_of(exchange, endpoint, request.account_id, |order| order.status == OrderStatus::Open))
        }
    }
}

fn close(exchange: &mut Exchange, endpoint: Endpoint, body: &[u8], now: Timestamp) -> Answered {
    let done = if endpoint == Endpoint::ClosePosition {
        let request: ClosePositionRequest = read(body)?;
        exchange.close(AccountId(request.account_id), &contract_id(&request.contract_id)?, now)
    } else {
        let request: PartialClosePositionRequest = read(body)?;
        let contract_id = contract_id(&request.contract_id)?;
        exchange.close_part(AccountId(request.account_id), &contract_id, request.size, now)
    };
    Ok(done_or(endpoint, done.map_err(|refusal| (refusal.meaning(), refusal.to_string()))))
}

/// A refusal with the number this endpoint has for the meaning: its own number for an unknown error, if it has none.
pub(super) fn refusal(endpoint: Endpoint, meaning: Meaning, words: Option<String>) -> Outcome {
    let code = endpoint.code_of(meaning).or_else(|| endpoint.code_of(Meaning::UnknownError)).unwrap_or(1);
    write(&Answer::<NoBody>::refusal(code, Some(words.unwrap_or_else(|| meaning.to_string()))))
}

pub(super) fn success<T: Serialize>(body: T) -> Outcome {
    write(&Answer::success(body))
}

pub(super) fn order_row(exchange: &Exchange, order: &OrderRecord) -> riskd_gateway::protocol::wire::OrderRow {
    rows::order(order, exchange.listing(&order.contract_id).map(|listing| &listing.contract))
}

/// Asks for something of an account that must be there.
pub(super) fn of_account(
    exchange: &Exchange,
    endpoint: Endpoint,
    account_id: i64,
    ask: impl FnOnce(AccountId) -> Outcome,
) -> Outcome {
    match exchange.account(AccountId(account_id)) {
        Some(account) => ask(account.id),
        None => refusal(endpoint, Meaning::AccountNotFound, None),
    }
}

fn orders_of(
    exchange: &Exchange,
    endpoint: Endpoint,
    account_id: i64,
    wanted: impl Fn(&OrderRecord) -> bool,
) -> Outcome {
    of_account(exchange, endpoint, account_id, |account_id| {
        let orders = exchange.orders(account_id);
        let found = orders.iter().filter(|order| wanted(order)).map(|order| order_row(exchange, order)).collect();
        success(Orders { orders: found, total_count: None })
    })
}

fn search_contracts(exchange: &Exchange, body: &[u8]) -> Answered {
    let request: ContractSearchRequest = read(body)?;
    let text = request.search_text.unwrap_or_default().to_lowercase();
    let mut found: Vec<_> = exchange
        .listings()
        .filter(|listing| {
            listing.active
                && [&listing.contract.name, &listing.contract.symbol_id, &listing.description]
                    .into_iter()
                    .any(|field| field.to_lowercase().contains(&text))
        })
        .collect();
    // What begins with the text comes first, so that ES is found before MES.
    found.sort_by_key(|listing| !listing.contract.name.to_lowercase().starts_with(&text));
    Ok(success(Contracts {
        contracts: found.into_iter().take(CONTRACTS_AT_MOST).map(rows::contract).collect::<Vec<_>>(),
    }))
}

fn retrieve_bars(exchange: &Exchange, body: &[u8], now: Timestamp) -> Answered {
    let request: RetrieveBarsRequest = read(body)?;
    let span = BarSpan::from_code(request.unit.into(), request.unit_number.into())
        .ok_or("unit must be 1 to 7, and unitNumber at least 1")?;
    if !(1..=BARS_AT_MOST).contains(&request.limit) {
        return Err(format!("limit must be 1 to {BARS_AT_MOST}"));
    }
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let id = contract_id(&request.contract_id)?;
    let mut bars = exchange.bars(&id, span, request.start_time.0, request.end_time.0, limit.saturating_add(1));
    if !request.include_partial_bar && bars.first().is_some_and(|bar| span.is_partial(bar, now)) {
        bars.remove(0);
    }
    bars.truncate(limit);
    Ok(success(Bars { bars: bars.iter().map(rows::bar).collect() }))
}

fn place(exchange: &mut Exchange, body: &[u8], now: Timestamp) -> Answered {
    let request: PlaceOrderRequest = read(body)?;
    let bracket =
        |bracket: WireBracket| Bracket { ticks: bracket.ticks, order_type: OrderType::from_code(bracket.order_type) };
    let ticket = OrderTicket {
        account_id: AccountId(request.account_id),
        contract_id: contract_id(&request.contract_id)?,
        order_type: OrderType::from_code(request.order_type),
        side: Side::from_code(request.side),
        size: request.size,
        limit_price: price("limitPrice", request.limit_price.as_ref())?,
        stop_price: price("stopPrice", request.stop_price.as_ref())?,
        trail_price: price("trailPrice", request.trail_price.as_ref())?,
        custom_tag: request.custom_tag,
        linked_order_id: request.linked_order_id.map(OrderId),
        stop_loss: request.stop_loss_bracket.map(bracket),
        take_profit: request.take_profit_bracket.map(bracket),
    };
    Ok(match exchange.place(ticket, now) {
        Ok(id) => success(PlaceOrderAnswer { order_id: Some(id.0) }),
        Err(refused) => {
            let code = Endpoint::PlaceOrder.code_of(refused.kind.meaning()).unwrap_or_default();
            let body = PlaceOrderAnswer { order_id: refused.order_id.map(|id| id.0) };
            write(&Answer { body: Some(body), ..Answer::refusal(code, Some(refused.reason)) })
        }
    })
}

fn modify(exchange: &mut Exchange, body: &[u8], now: Timestamp) -> Answered {
    let request: ModifyOrderRequest = read(body)?;
    let change = OrderChange {
        size: request.size,
        limit_price: price("limitPrice", request.limit_price.as_ref())?,
        stop_price: price("stopPrice", request.stop_price.as_ref())?,
        trail_price: price("trailPrice", request.trail_price.as_ref())?,
    };
    let done = exchange.modify(AccountId(request.account_id), OrderId(request.order_id), change, now);
    Ok(done_or(Endpoint::ModifyOrder, done.map_err(|refusal| (refusal.meaning(), refusal.to_string()))))
}

fn done_or(endpoint: Endpoint, done: Result<(), (Meaning, String)>) -> Outcome {
    match done {
        Ok(()) => success(NoBody {}),
        Err((meaning, words)) => refusal(endpoint, meaning, Some(words)),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn contract_id(text: &str) -> Result<ContractId, String> {
    ContractId::new(text, Noun::Contract).map_err(|_| "contractId must not be empty".to_owned())
}

fn price(field: &str, number: Option<&Number>) -> Result<Option<Price>, String> {
    number.map(Number::to_price).transpose().map_err(|error| format!("{field} {error}"))
}

fn write<T: Serialize>(answer: &T) -> Outcome {
    match serde_json::to_string(answer) {
        Ok(text) => Outcome::Json(text),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            Outcome::Status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
