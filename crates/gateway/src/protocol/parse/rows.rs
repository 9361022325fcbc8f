//! One row of each kind into its noun.

use std::sync::Arc;

use riskd_core::model::{
    Account, AccountDraft, AccountId, Contract, ContractDraft, ContractId, Invalid, Money, Noun, Order, OrderDraft,
    OrderId, OrderState, OrderType, Position, PositionDraft, PositionId, PositionType, Quote, QuoteDraft, Side, Trade,
    TradeDraft, TradeId, may_trade_below_zero,
};
use serde::Deserialize;

use super::fields::{Raw, Reader};
use super::{Context, Parser, PositionNews, Source, not_an_object};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountFields<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    account_id: Raw<'a>,
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    balance: Raw<'a>,
    #[serde(borrow)]
    can_trade: Raw<'a>,
    #[serde(borrow)]
    simulated: Raw<'a>,
}

/// What an update leaves out stands as it was, except `canTrade`, whose absence has a meaning of its own.
pub(super) fn account(parser: &mut Parser, row: &str, context: &Context) -> Result<Account, Invalid> {
    let fields: AccountFields<'_> = serde_json::from_str(row).map_err(|_| not_an_object(Noun::Account, row))?;
    let read = Reader(Noun::Account);
    let id = match read.whole("id", fields.id)?.or(read.whole("id", fields.account_id)?) {
        Some(id) => AccountId(id),
        None => read.required("id", context.account_id)?,
    };
    let known = parser.known.account(id);
    let balance = read.money("balance", fields.balance)?.or(known.as_ref().map(|known| known.balance));
    let simulated = read.flag("simulated", fields.simulated)?.or(known.as_ref().map(|known| known.simulated));
    let name = read.text("name", fields.name)?.map(|name| name.into_owned()).or(known.map(|known| known.name));
    let account = Account::new(AccountDraft {
        id,
        name: name.unwrap_or_default(),
        balance: read.required("balance", balance)?,
        can_trade: read.flag("can_trade", fields.can_trade)?,
        // Only a simulated account's orders can be cancelled for certain: nothing is taken for granted.
        simulated: simulated.unwrap_or(false),
    })?;
    parser.known.remember_account(&account);
    Ok(account)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContractFields<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    tick_size: Raw<'a>,
    #[serde(borrow)]
    tick_value: Raw<'a>,
    #[serde(borrow)]
    symbol_id: Raw<'a>,
}

pub(super) fn contract(parser: &mut Parser, row: &str) -> Result<Contract, Invalid> {
    let fields: ContractFields<'_> = serde_json::from_str(row).map_err(|_| not_an_object(Noun::Contract, row))?;
    let read = Reader(Noun::Contract);
    let id = read.text("contract_id", fields.id)?;
    let contract_id = parser.intern(&read.required("contract_id", id)?, Noun::Contract)?;
    let symbol_id = read.text("symbol_id", fields.symbol_id)?.map(|symbol| symbol.into_owned());
    Contract::new(ContractDraft {
        symbol_id: symbol_id.unwrap_or_else(|| symbol_of(&contract_id)),
        name: read.text("name", fields.name)?.unwrap_or_default().into_owned(),
        tick_size: read.required("tick_size", read.price("tick_size", fields.tick_size)?)?,
        tick_value: read.required("tick_value", read.money("tick_value", fields.tick_value)?)?,
        exchange: None,
        expiration: None,
        allows_negative_price: may_trade_below_zero(&contract_id),
        contract_id,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderFields<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    account_id: Raw<'a>,
    #[serde(borrow)]
    contract_id: Raw<'a>,
    #[serde(borrow)]
    creation_timestamp: Raw<'a>,
    #[serde(borrow)]
    update_timestamp: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
    #[serde(borrow, rename = "type")]
    order_type: Raw<'a>,
    #[serde(borrow)]
    side: Raw<'a>,
    #[serde(borrow)]
    size: Raw<'a>,
    #[serde(borrow)]
    limit_price: Raw<'a>,
    #[serde(borrow)]
    stop_price: Raw<'a>,
    #[serde(borrow)]
    trail_price: Raw<'a>,
    #[serde(borrow)]
    fill_volume: Raw<'a>,
    #[serde(borrow)]
    filled_price: Raw<'a>,
    #[serde(borrow)]
    custom_tag: Raw<'a>,
}

pub(super) fn order(parser: &mut Parser, row: &str, context: &Context, deleted: bool) -> Result<Order, Invalid> {
    let fields: OrderFields<'_> = serde_json::from_str(row).map_err(|_| not_an_object(Noun::Order, row))?;
    let read = Reader(Noun::Order);
    let id = OrderId(read.required("id", read.whole("id", fields.id)?)?);
    let account_id = account_of_row(read, fields.account_id, context)?;
    let contract_id = read.text("contract_id", fields.contract_id)?;
    let contract_id = parser.intern(&read.required("contract_id", contract_id)?, Noun::Order)?;
    let state = OrderState::from_gateway_status(read.required("state", read.code("state", fields.status)?)?);
    if deleted && state.is_alive() {
        // Two statements that exclude each other: only the broker's REST interface can say which one holds.
        return Err(Invalid::new(Noun::Order, "state", format_args!("{state:?}"), "must be final in a deletion"));
    }
    let order_type = OrderType::from_code(read.required("type", read.code("type", fields.order_type)?)?);
    let size = read.required("size", read.whole("size", fields.size)?)?;
    let filled_when_silent = if state == OrderState::Filled { size } else { 0 };
    let created_at = read.time("created_at", fields.creation_timestamp)?;
    let updated_at = read.time("updated_at", fields.update_timestamp)?;
    let checks = parser.checks(context, &contract_id);
    // 0 stands for "no price", except where a contract may really trade there and the type needs the price.
    let zero_counts = |needed: bool| needed && checks.allows_negative_price;
    let price = |field, raw, needed| match zero_counts(needed) {
        true => read.price(field, raw),
        false => read.price_not_zero(field, raw),
    };
    let draft = OrderDraft {
        id,
        account_id,
        contract_id,
        order_type,
        side: Side::from_code(read.required("side", read.code("side", fields.side)?)?),
        size,
        state,
        limit_price: price(
            "limit_price",
            fields.limit_price,
            matches!(order_type, OrderType::Limit | OrderType::StopLimit),
        )?,
        stop_price: price("stop_price", fields.stop_price, order_type.is_stop())?,
        trail_distance: read.price_not_zero("trail_distance", fields.trail_price)?,
        fill_price: read.price_not_zero("fill_price", fields.filled_price)?,
        filled_size: read.whole("filled_size", fields.fill_volume)?.unwrap_or(filled_when_silent),
        created_at: created_at.unwrap_or(context.now),
        updated_at: updated_at.or(time_when_silent(created_at, context)).unwrap_or(context.now),
        is_stop_loss: order_type.is_stop(),
        // Whatever else stands there: no tag of ours.
        custom_tag: read.text("custom_tag", fields.custom_tag).ok().flatten().map(Arc::from),
    };
    Order::new(draft, &checks)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PositionFields<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    account_id: Raw<'a>,
    #[serde(borrow)]
    contract_id: Raw<'a>,
    #[serde(borrow)]
    creation_timestamp: Raw<'a>,
    #[serde(borrow, rename = "type")]
    position_type: Raw<'a>,
    #[serde(borrow)]
    size: Raw<'a>,
    #[serde(borrow)]
    average_price: Raw<'a>,
}

pub(super) fn position(
    parser: &mut Parser,
    row: &str,
    context: &Context,
    deleted: bool,
) -> Result<PositionNews, Invalid> {
    let fields: PositionFields<'_> = serde_json::from_str(row).map_err(|_| not_an_object(Noun::Position, row))?;
    let read = Reader(Noun::Position);
    let id = read.whole("id", fields.id)?.map(PositionId);
    let holding = id.and_then(|id| parser.known.holding(id));
    let account_id = match (&holding, fields.account_id) {
        (Some((account_id, _)), None) => *account_id,
        _ => account_of_row(read, fields.account_id, context)?,
    };
    let contract_id = match (read.text("contract_id", fields.contract_id)?, holding) {
        (Some(text), _) => parser.intern(&text, Noun::Position)?,
        (None, Some((_, contract_id))) => contract_id,
        (None, None) => return Err(Invalid::absent(Noun::Position, "contract_id", "must be present")),
    };
    match read.whole("size", fields.size)? {
        Some(0) => return Ok(PositionNews::Closed { account_id, contract_id }),
        None if deleted => return Ok(PositionNews::Closed { account_id, contract_id }),
        // Two statements that exclude each other: only the broker's REST interface can say which one holds.
        Some(size) if deleted => return Err(Invalid::new(Noun::Position, "size", size, "must be 0 in a deletion")),
        Some(_) | None => {}
    }
    let created_at = read.time("created_at", fields.creation_timestamp)?;
    let updated_at = time_when_silent(created_at, context).unwrap_or(context.now);
    let position_type = read.required("type", read.code("type", fields.position_type)?)?;
    let checks = parser.checks(context, &contract_id);
    let known_id = || parser.known.position_id(account_id, &contract_id);
    let draft = PositionDraft {
        id: id.or_else(known_id).unwrap_or_else(|| stand_in_id(account_id, &contract_id)),
        account_id,
        position_type: PositionType::from_code(position_type),
        size: read.required("size", read.whole("size", fields.size)?)?,
        average_price: read.required("average_price", read.price("average_price", fields.average_price)?)?,
        created_at: created_at.unwrap_or(context.now),
        // The gateway's clock may be ahead of ours.
        updated_at: updated_at.max(created_at.unwrap_or(updated_at)),
        contract_id,
    };
    let position = Position::new(draft, &checks)?;
    parser.known.remember_position(&position);
    Ok(PositionNews::Open(position))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TradeFields<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    account_id: Raw<'a>,
    #[serde(borrow)]
    contract_id: Raw<'a>,
    #[serde(borrow)]
    creation_timestamp: Raw<'a>,
    #[serde(borrow)]
    price: Raw<'a>,
    #[serde(borrow)]
    profit_and_loss: Raw<'a>,
    #[serde(borrow)]
    fees: Raw<'a>,
    #[serde(borrow)]
    commissions: Raw<'a>,
    #[serde(borrow)]
    side: Raw<'a>,
    #[serde(borrow)]
    size: Raw<'a>,
    #[serde(borrow)]
    voided: Raw<'a>,
    #[serde(borrow)]
    order_id: Raw<'a>,
}

/// A trade without an id is refused: once REST tells the id, nobody could know that it is the same trade, and it would
/// count twice.
pub(super) fn trade(parser: &mut Parser, row: &str, context: &Context) -> Result<Trade, Invalid> {
    let fields: TradeFields<'_> = serde_json::from_str(row).map_err(|_| not_an_object(Noun::Trade, row))?;
    let read = Reader(Noun::Trade);
    let id = TradeId(read.required("id", read.whole("id", fields.id)?)?);
    let account_id = account_of_row(read, fields.account_id, context)?;
    let contract_id = read.text("contract_id", fields.contract_id)?;
    let contract_id = parser.intern(&read.required("contract_id", contract_id)?, Noun::Trade)?;
    let fees = read.money("fees", fields.fees)?.unwrap_or(Money::ZERO);
    let commissions = read.money("fees", fields.commissions)?.unwrap_or(Money::ZERO);
    let checks = parser.checks(context, &contract_id);
    let draft = TradeDraft {
        id,
        account_id,
        contract_id,
        quantity: read.required("quantity", read.whole("quantity", fields.size)?)?,
        profit_and_loss: read.money("profit_and_loss", fields.profit_and_loss)?,
        fees: fees + commissions,
        side: Side::from_code(read.required("side", read.code("side", fields.side)?)?),
        price: read.required("price", read.price("price", fields.price)?)?,
        execution_time: read.time("execution_time", fields.creation_timestamp)?.unwrap_or(context.now),
        entry_price: None,
        exit_price: None,
        voided: read.flag("voided", fields.voided)?.unwrap_or(false),
        // Nothing hangs on the order of a fill, so its absence costs no money.
        order_id: OrderId(read.whole("order_id", fields.order_id)?.unwrap_or(0)),
    };
    Trade::new(draft, &checks)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuoteFields<'a> {
    #[serde(borrow)]
    contract_id: Raw<'a>,
    #[serde(borrow)]
    last_price: Raw<'a>,
    #[serde(borrow)]
    best_bid: Raw<'a>,
    #[serde(borrow)]
    best_ask: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
    #[serde(borrow)]
    last_updated: Raw<'a>,
    #[serde(borrow)]
    change: Raw<'a>,
    #[serde(borrow)]
    change_percent: Raw<'a>,
    #[serde(borrow)]
    open: Raw<'a>,
    #[serde(borrow)]
    high: Raw<'a>,
    #[serde(borrow)]
    low: Raw<'a>,
    #[serde(borrow)]
    volume: Raw<'a>,
}

impl QuoteFields<'_> {
    fn tells_of_something_else(&self) -> bool {
        [self.change, self.change_percent, self.open, self.high, self.low, self.volume].iter().any(Option::is_some)
    }
}

pub(super) fn quote(
    parser: &mut Parser,
    contract_id: Option<ContractId>,
    row: &str,
    context: &Context,
) -> Result<Option<Quote>, Invalid> {
    let fields: QuoteFields<'_> = serde_json::from_str(row).map_err(|_| not_an_object(Noun::Quote, row))?;
    let read = Reader(Noun::Quote);
    let contract_id = match contract_id {
        Some(contract_id) => contract_id,
        None => {
            let text = read.text("contract_id", fields.contract_id)?;
            parser.intern(&read.required("contract_id", text)?, Noun::Quote)?
        }
    };
    let (bid, ask) = (read.price("bid", fields.best_bid)?, read.price("ask", fields.best_ask)?);
    let last = read.price("last", fields.last_price)?;
    if bid.is_none() && ask.is_none() && last.is_none() && fields.tells_of_something_else() {
        return Ok(None);
    }
    let stated = read.time("timestamp", fields.timestamp)?;
    let timestamp = match stated {
        Some(time) => time,
        None => read.time("timestamp", fields.last_updated)?.unwrap_or(context.now),
    };
    let checks = parser.checks(context, &contract_id);
    Quote::new(QuoteDraft { contract_id, bid, ask, last, timestamp }, &checks).map(Some)
}

/// The account a refused payload speaks of, if it can be made out.
pub(super) fn account_of(noun: Noun, text: &str) -> Option<AccountId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Owner<'a> {
        #[serde(borrow)]
        account_id: Raw<'a>,
        #[serde(borrow)]
        id: Raw<'a>,
    }
    let owner: Owner<'_> = serde_json::from_str(text).ok()?;
    let own_id = owner.id.filter(|_| noun == Noun::Account);
    Reader(noun).whole("account_id", owner.account_id.or(own_id)).ok().flatten().map(AccountId)
}

fn account_of_row(read: Reader, raw: Raw<'_>, context: &Context) -> Result<AccountId, Invalid> {
    let stated = read.whole("account_id", raw)?.map(AccountId);
    match (stated, context.account_id, context.source) {
        (Some(stated), Some(asked), Source::Rest) if stated != asked => {
            Err(Invalid::new(read.0, "account_id", stated, "must be the account asked about"))
        }
        (Some(stated), _, _) => Ok(stated),
        (None, known, _) => read.required("account_id", known),
    }
}

/// When a row that does not say so changed last, going by where it came from.
fn time_when_silent(created_at: Option<jiff::Timestamp>, context: &Context) -> Option<jiff::Timestamp> {
    match context.source {
        Source::Hub => Some(context.now),
        Source::Rest => created_at,
    }
}

/// A number for a position whose id nobody told us: below zero, so it can never be one of the gateway's, and the same
/// for the same account and contract every time (FNV-1a).
fn stand_in_id(account_id: AccountId, contract_id: &ContractId) -> PositionId {
    let bytes = account_id.0.to_le_bytes().into_iter().chain(contract_id.as_str().bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    PositionId(-((hash >> 2) as i64) - 1)
}

/// `CON.F.US.MNQ.U25` is of the symbol `F.US.MNQ`; empty when the id has another form.
fn symbol_of(contract_id: &ContractId) -> String {
    let without_month = contract_id.as_str().strip_prefix("CON.").and_then(|rest| rest.rsplit_once('.'));
    without_month.map(|(symbol, _)| symbol.to_owned()).unwrap_or_default()
}
