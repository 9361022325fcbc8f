//! One input of the engine as one line of JSON, and back. Amounts and prices are text, exact to the last digit.

use std::sync::Arc;

use jiff::Timestamp;
use riskd_core::engine::{Event, Hub, Input, Refusal, RequestFailure, RequestId, Snapshot};
use riskd_core::model::{
    Account, AccountDraft, AccountId, Checks, Contract, ContractDraft, ContractId, Invalid, Money, Noun, Order,
    OrderDraft, OrderId, OrderState, OrderType, Position, PositionDraft, PositionId, PositionType, Price, Quote,
    QuoteDraft, Side, Trade, TradeDraft, TradeId,
};
use serde_json::{Map, Value, json};

/// What was wrong with a line.
pub(super) type Problem = String;

/// Everything that was taken in once is taken in again: what is checked are the nouns, not the times.
pub(super) const CHECKS: Checks = Checks::at(Timestamp::MAX).allowing_negative_price(true);

/// An input as a JSON object.
pub(super) fn write(input: &Input) -> Value {
    let mut line = match &input.event {
        Event::Account(account) => tagged("account", account_out(account)),
        Event::Contract(contract) => tagged("contract", contract_out(contract)),
        Event::Position(position) => tagged("position", position_out(position)),
        Event::PositionClosed { account_id, contract_id } => {
            tagged("position_closed", json!({"account_id": account_id, "contract_id": contract_id}))
        }
        Event::Order(order) => tagged("order", order_out(order)),
        Event::Trade(trade) => tagged("trade", trade_out(trade)),
        Event::Quote(quote) => tagged("quote", quote_out(quote)),
        Event::Refused(refusal) => {
            tagged("refused", json!({"account_id": refusal.account_id, "invalid": invalid_out(&refusal.invalid)}))
        }
        Event::Snapshot(snapshot) => tagged("snapshot", snapshot_out(snapshot)),
        Event::Link { hub, up } => tagged("link", json!({"hub": hub_name(*hub), "up": up})),
        Event::Answer { request_id, result } => {
            tagged("answer", json!({"request_id": request_id.0, "failure": result.as_ref().err().map(failure_out)}))
        }
        Event::LockoutCleared { account_id } => tagged("lockout_cleared", json!({"account_id": account_id})),
        Event::LockoutNotCleared { account_id } => tagged("lockout_not_cleared", json!({"account_id": account_id})),
        Event::Unlock { account_id, actor, reason } => {
            tagged("unlock", json!({"account_id": account_id, "actor": actor, "reason": reason}))
        }
        Event::TimePassed => tagged("time_passed", json!({})),
    };
    line.insert("at".to_owned(), text(input.at));
    Value::Object(line)
}

/// Reads an input; the error says which field cannot be read.
pub(super) fn read(line: &Value) -> Result<Input, Problem> {
    let fields = Fields(line);
    let account_id = || fields.number("account_id").map(AccountId);
    let event = match fields.text("event")?.as_str() {
        "account" => Event::Account(account_in(&fields)?),
        "contract" => Event::Contract(contract_in(&fields)?),
        "position" => Event::Position(position_in(&fields)?),
        "position_closed" => {
            Event::PositionClosed { account_id: account_id()?, contract_id: fields.contract("contract_id")? }
        }
        "order" => Event::Order(order_in(&fields)?),
        "trade" => Event::Trade(trade_in(&fields)?),
        "quote" => Event::Quote(quote_in(&fields)?),
        "refused" => Event::Refused(Refusal {
            account_id: fields.optional_number("account_id")?.map(AccountId),
            invalid: invalid_in(&Fields(fields.value("invalid")?))?,
        }),
        "snapshot" => Event::Snapshot(Box::new(snapshot_in(&fields)?)),
        "link" => Event::Link {
            hub: match fields.text("hub")?.as_str() {
                "user" => Hub::User,
                "market" => Hub::Market,
                other => return Err(format!("hub: {other:?} is none")),
            },
            up: fields.flag("up")?,
        },
        "answer" => Event::Answer {
            request_id: RequestId(
                u64::try_from(fields.number("request_id")?).map_err(|_| "request_id: must not be negative")?,
            ),
            result: match fields.value("failure")? {
                Value::Null => Ok(()),
                failure => Err(failure_in(&Fields(failure))?),
            },
        },
        "lockout_cleared" => Event::LockoutCleared { account_id: account_id()? },
        "lockout_not_cleared" => Event::LockoutNotCleared { account_id: account_id()? },
        "unlock" => {
            Event::Unlock { account_id: account_id()?, actor: fields.text("actor")?, reason: fields.text("reason")? }
        }
        "time_passed" => Event::TimePassed,
        other => return Err(format!("event: {other:?} is not known to this version")),
    };
    Ok(Input { at: fields.time("at")?, event })
}

fn tagged(event: &str, fields: Value) -> Map<String, Value> {
    let mut map = match fields {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    map.insert("event".to_owned(), event.into());
    map
}

fn text(value: impl std::fmt::Display) -> Value {
    Value::String(value.to_string())
}

fn optional(value: Option<impl std::fmt::Display>) -> Value {
    value.map_or(Value::Null, text)
}

fn hub_name(hub: Hub) -> &'static str {
    match hub {
        Hub::User => "user",
        Hub::Market => "market",
    }
}

fn account_out(account: &Account) -> Value {
    json!({
        "id": account.id, "name": account.name, "balance": text(account.balance), "can_trade": account.can_trade,
        "simulated": account.simulated,
    })
}

fn account_in(fields: &Fields<'_>) -> Result<Account, Problem> {
    valid(Account::new(AccountDraft {
        id: AccountId(fields.number("id")?),
        name: fields.text("name")?,
        balance: fields.money("balance")?,
        can_trade: fields.value("can_trade")?.as_bool(),
        simulated: fields.flag("simulated")?,
    }))
}

fn contract_out(contract: &Contract) -> Value {
    json!({
        "contract_id": contract.contract_id, "symbol_id": contract.symbol_id, "name": contract.name,
        "tick_size": text(contract.tick_size), "tick_value": text(contract.tick_value), "exchange": contract.exchange,
        "expiration": optional(contract.expiration), "allows_negative_price": contract.allows_negative_price,
    })
}

fn contract_in(fields: &Fields<'_>) -> Result<Contract, Problem> {
    let expiration = fields.optional_text("expiration")?.map(|date| date.parse());
    valid(Contract::new(ContractDraft {
        contract_id: fields.contract("contract_id")?,
        symbol_id: fields.text("symbol_id")?,
        name: fields.text("name")?,
        tick_size: fields.price("tick_size")?,
        tick_value: fields.money("tick_value")?,
        exchange: fields.optional_text("exchange")?,
        expiration: expiration.transpose().map_err(|_| "expiration: is not a date")?,
        allows_negative_price: fields.flag("allows_negative_price")?,
    }))
}

fn position_out(position: &Position) -> Value {
    json!({
        "id": position.id, "account_id": position.account_id, "contract_id": position.contract_id,
        "type": position.position_type.code(), "size": position.size, "average_price": text(position.average_price),
        "created_at": text(position.created_at), "updated_at": text(position.updated_at),
    })
}

fn position_in(fields: &Fields<'_>) -> Result<Position, Problem> {
    let draft = PositionDraft {
        id: PositionId(fields.number("id")?),
        account_id: AccountId(fields.number("account_id")?),
        contract_id: fields.contract("contract_id")?,
        position_type: PositionType::from_code(fields.code("type")?),
        size: fields.number("size")?,
        average_price: fields.price("average_price")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    };
    valid(Position::new(draft, &CHECKS))
}

fn order_out(order: &Order) -> Value {
    json!({
        "id": order.id, "account_id": order.account_id, "contract_id": order.contract_id,
        "type": order.order_type.code(), "side": order.side.code(), "size": order.size,
        "state": order.state.database_code(), "limit_price": optional(order.limit_price),
        "stop_price": optional(order.stop_price), "trail_distance": optional(order.trail_distance),
        "fill_price": optional(order.fill_price), "filled_size": order.filled_size,
        "created_at": text(order.created_at), "updated_at": text(order.updated_at), "is_stop_loss": order.is_stop_loss,
        "custom_tag": order.custom_tag.as_deref(),
    })
}

fn order_in(fields: &Fields<'_>) -> Result<Order, Problem> {
    let draft = OrderDraft {
        id: OrderId(fields.number("id")?),
        account_id: AccountId(fields.number("account_id")?),
        contract_id: fields.contract("contract_id")?,
        order_type: OrderType::from_code(fields.code("type")?),
        side: Side::from_code(fields.code("side")?),
        size: fields.number("size")?,
        state: OrderState::from_database_code(fields.number("state")?),
        limit_price: fields.optional_price("limit_price")?,
        stop_price: fields.optional_price("stop_price")?,
        trail_distance: fields.optional_price("trail_distance")?,
        fill_price: fields.optional_price("fill_price")?,
        filled_size: fields.number("filled_size")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
        is_stop_loss: fields.flag("is_stop_loss")?,
        // Not in recordings of earlier versions.
        custom_tag: fields.0.get("custom_tag").and_then(Value::as_str).map(Arc::from),
    };
    valid(Order::new(draft, &CHECKS))
}

fn trade_out(trade: &Trade) -> Value {
    json!({
        "id": trade.id, "account_id": trade.account_id, "contract_id": trade.contract_id, "quantity": trade.quantity,
        "profit_and_loss": optional(trade.profit_and_loss), "fees": text(trade.fees), "side": trade.side.code(),
        "price": text(trade.price), "execution_time": text(trade.execution_time),
        "entry_price": optional(trade.entry_price), "exit_price": optional(trade.exit_price), "voided": trade.voided,
        "order_id": trade.order_id,
    })
}

fn trade_in(fields: &Fields<'_>) -> Result<Trade, Problem> {
    let draft = TradeDraft {
        id: TradeId(fields.number("id")?),
        account_id: AccountId(fields.number("account_id")?),
        contract_id: fields.contract("contract_id")?,
        quantity: fields.number("quantity")?,
        profit_and_loss: fields.optional_money("profit_and_loss")?,
        fees: fields.money("fees")?,
        side: Side::from_code(fields.code("side")?),
        price: fields.price("price")?,
        execution_time: fields.time("execution_time")?,
        entry_price: fields.optional_price("entry_price")?,
        exit_price: fields.optional_price("exit_price")?,
        voided: fields.flag("voided")?,
        order_id: OrderId(fields.number("order_id")?),
    };
    valid(Trade::new(draft, &CHECKS))
}

fn quote_out(quote: &Quote) -> Value {
    json!({
        "contract_id": quote.contract_id, "bid": optional(quote.bid), "ask": optional(quote.ask),
        "last": optional(quote.last), "timestamp": text(quote.timestamp),
    })
}

fn quote_in(fields: &Fields<'_>) -> Result<Quote, Problem> {
    let draft = QuoteDraft {
        contract_id: fields.contract("contract_id")?,
        bid: fields.optional_price("bid")?,
        ask: fields.optional_price("ask")?,
        last: fields.optional_price("last")?,
        timestamp: fields.time("timestamp")?,
    };
    valid(Quote::new(draft, &CHECKS))
}

fn snapshot_out(snapshot: &Snapshot) -> Value {
    json!({
        "account_id": snapshot.account_id, "asked_at": text(snapshot.asked_at),
        "account": snapshot.account.as_ref().map(account_out),
        "positions": snapshot.positions.iter().map(position_out).collect::<Vec<_>>(),
        "orders": snapshot.orders.iter().map(order_out).collect::<Vec<_>>(),
        "trades": snapshot.trades.iter().map(trade_out).collect::<Vec<_>>(),
        "trades_since": optional(snapshot.trades_since),
        "refused": snapshot.refused.iter().map(invalid_out).collect::<Vec<_>>(),
    })
}

fn snapshot_in(fields: &Fields<'_>) -> Result<Snapshot, Problem> {
    let account = match fields.value("account")? {
        Value::Null => None,
        account => Some(account_in(&Fields(account))?),
    };
    let trades_since = fields.optional_text("trades_since")?.map(|time| time.parse());
    Ok(Snapshot {
        account_id: AccountId(fields.number("account_id")?),
        asked_at: fields.time("asked_at")?,
        account,
        positions: fields.list("positions", position_in)?,
        orders: fields.list("orders", order_in)?,
        trades: fields.list("trades", trade_in)?,
        trades_since: trades_since.transpose().map_err(|_| "trades_since: is not a time")?,
        refused: fields.list("refused", invalid_in)?,
    })
}

fn failure_out(failure: &RequestFailure) -> Value {
    match failure {
        RequestFailure::Refused { code, message } => json!({"kind": "refused", "code": code, "message": message}),
        RequestFailure::NotSent { message } => json!({"kind": "not_sent", "message": message}),
        RequestFailure::Unknown { message } => json!({"kind": "unknown", "message": message}),
    }
}

fn failure_in(fields: &Fields<'_>) -> Result<RequestFailure, Problem> {
    let message = fields.text("message")?;
    Ok(match fields.text("kind")?.as_str() {
        "refused" => RequestFailure::Refused { code: fields.code("code")?, message },
        "not_sent" => RequestFailure::NotSent { message },
        _ => RequestFailure::Unknown { message },
    })
}

/// Of what was refused only the kind matters: the words were for the log of that day.
fn invalid_out(invalid: &Invalid) -> Value {
    json!({"noun": invalid.noun.name(), "value": invalid.value, "rule": invalid.rule})
}

fn invalid_in(fields: &Fields<'_>) -> Result<Invalid, Problem> {
    const NOUNS: [Noun; 6] = [Noun::Account, Noun::Contract, Noun::Order, Noun::Position, Noun::Trade, Noun::Quote];
    let name = fields.text("noun")?;
    let noun = NOUNS.into_iter().find(|noun| noun.name() == name).ok_or_else(|| format!("noun: {name:?} is none"))?;
    Ok(Invalid::new(noun, "recorded", fields.text("value")?, "was refused when it was recorded"))
}

fn valid<T>(noun: Result<T, Invalid>) -> Result<T, Problem> {
    noun.map_err(|invalid| invalid.to_string())
}

/// The fields of an object, each read with its name in the error.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn value(&self, name: &str) -> Result<&'a Value, Problem> {
        self.0.get(name).ok_or_else(|| format!("{name}: is not there"))
    }

    fn text(&self, name: &str) -> Result<String, Problem> {
        self.optional_text(name)?.ok_or_else(|| format!("{name}: must be text"))
    }

    fn optional_text(&self, name: &str) -> Result<Option<String>, Problem> {
        match self.value(name)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(format!("{name}: must be text")),
        }
    }

    fn number(&self, name: &str) -> Result<i64, Problem> {
        self.value(name)?.as_i64().ok_or_else(|| format!("{name}: must be a whole number"))
    }

    fn optional_number(&self, name: &str) -> Result<Option<i64>, Problem> {
        match self.value(name)? {
            Value::Null => Ok(None),
            _ => self.number(name).map(Some),
        }
    }

    fn code(&self, name: &str) -> Result<i32, Problem> {
        i32::try_from(self.number(name)?).map_err(|_| format!("{name}: is out of range"))
    }

    fn flag(&self, name: &str) -> Result<bool, Problem> {
        self.value(name)?.as_bool().ok_or_else(|| format!("{name}: must be true or false"))
    }

    fn time(&self, name: &str) -> Result<Timestamp, Problem> {
        self.text(name)?.parse().map_err(|_| format!("{name}: is not a time"))
    }

    fn contract(&self, name: &str) -> Result<ContractId, Problem> {
        valid(ContractId::new(&self.text(name)?, Noun::Contract))
    }

    fn money(&self, name: &str) -> Result<Money, Problem> {
        self.optional_money(name)?.ok_or_else(|| format!("{name}: must be an amount"))
    }

    fn optional_money(&self, name: &str) -> Result<Option<Money>, Problem> {
        let text = self.optional_text(name)?;
        text.map(|text| Money::parse(&text)).transpose().map_err(|_| format!("{name}: is not an amount"))
    }

    fn price(&self, name: &str) -> Result<Price, Problem> {
        self.optional_price(name)?.ok_or_else(|| format!("{name}: must be a price"))
    }

    fn optional_price(&self, name: &str) -> Result<Option<Price>, Problem> {
        let text = self.optional_text(name)?;
        text.map(|text| Price::parse(&text)).transpose().map_err(|_| format!("{name}: is not a price"))
    }

    fn list<T>(&self, name: &str, read: impl Fn(&Fields<'_>) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
        let items = self.value(name)?.as_array().ok_or_else(|| format!("{name}: must be a list"))?;
        let read = |(index, item)| read(&Fields(item)).map_err(|problem| format!("{name}[{index}].{problem}"));
        items.iter().enumerate().map(read).collect()
    }
}
