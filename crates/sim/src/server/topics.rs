//! What a client can subscribe to, and the messages that go out under each topic.

use riskd_core::engine::Hub;
use riskd_core::model::{AccountId, ContractId, Noun};
use riskd_gateway::protocol::wire::{event, method};
use serde::Serialize;

use super::rows;
use crate::exchange::{Exchange, ExchangeEvent};

/// Something to subscribe to on one of the hubs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Every account.
    Accounts,
    /// Orders of an account.
    Orders(AccountId),
    /// Positions of an account.
    Positions(AccountId),
    /// Fills of an account.
    Trades(AccountId),
    /// Prices of a contract.
    Quotes(ContractId),
    /// Trades of a contract's market.
    MarketTrades(ContractId),
    /// Depth of a contract's market.
    Depth(ContractId),
    /// What goes to everybody on the user hub.
    Everybody,
}

/// One message on its way to the subscribers of a topic.
#[derive(Debug, Clone)]
pub(crate) struct HubMessage {
    pub(crate) hub: Hub,
    pub(crate) event: &'static str,
    pub(crate) topic: Topic,
    /// The payload's JSON text, without the contract's id that goes before it on the market hub.
    pub(crate) payload: String,
}

impl HubMessage {
    /// The `arguments` of the invocation, as JSON text.
    pub(crate) fn arguments(&self) -> String {
        match &self.topic {
            Topic::Quotes(contract_id) | Topic::MarketTrades(contract_id) | Topic::Depth(contract_id) => {
                format!("[{},{}]", serde_json::Value::from(contract_id.as_str()), self.payload)
            }
            Topic::Everybody => "[]".to_owned(),
            Topic::Accounts | Topic::Orders(_) | Topic::Positions(_) | Topic::Trades(_) => {
                format!("[{}]", self.payload)
            }
        }
    }
}

/// What a call of a hub's method asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Subscribe(Topic),
    Unsubscribe(Topic),
    /// The method is one of the hub's, its argument is not right.
    Wrong(&'static str),
    /// No method of this hub.
    Unknown,
}

/// Reads a call of a method with its arguments, a JSON array.
pub(crate) fn read_call(hub: Hub, target: &str, arguments: Option<&str>) -> Call {
    let arguments: Vec<serde_json::Value> =
        arguments.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let account = || {
        let number = |value: &serde_json::Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
        arguments.first().and_then(number).map(AccountId).ok_or("an account id is expected")
    };
    let contract = || {
        let text = arguments.first().and_then(serde_json::Value::as_str).unwrap_or_default();
        ContractId::new(text, Noun::Contract).map_err(|_| "a contract id is expected")
    };
    let (subscribes, topic) = match (hub, target) {
        (Hub::User, method::SUBSCRIBE_ACCOUNTS) => (true, Ok(Topic::Accounts)),
        (Hub::User, method::SUBSCRIBE_ORDERS) => (true, account().map(Topic::Orders)),
        (Hub::User, method::SUBSCRIBE_POSITIONS) => (true, account().map(Topic::Positions)),
        (Hub::User, method::SUBSCRIBE_TRADES) => (true, account().map(Topic::Trades)),
        (Hub::User, method::UNSUBSCRIBE_ACCOUNTS) => (false, Ok(Topic::Accounts)),
        (Hub::User, method::UNSUBSCRIBE_ORDERS) => (false, account().map(Topic::Orders)),
        (Hub::User, method::UNSUBSCRIBE_POSITIONS) => (false, account().map(Topic::Positions)),
        (Hub::User, method::UNSUBSCRIBE_TRADES) => (false, account().map(Topic::Trades)),
        (Hub::Market, method::SUBSCRIBE_CONTRACT_QUOTES) => (true, contract().map(Topic::Quotes)),
        (Hub::Market, method::SUBSCRIBE_CONTRACT_TRADES) => (true, contract().map(Topic::MarketTrades)),
        (Hub::Market, method::SUBSCRIBE_CONTRACT_MARKET_DEPTH) => (true, contract().map(Topic::Depth)),
        (Hub::Market, method::UNSUBSCRIBE_CONTRACT_QUOTES) => (false, contract().map(Topic::Quotes)),
        (Hub::Market, method::UNSUBSCRIBE_CONTRACT_TRADES) => (false, contract().map(Topic::MarketTrades)),
        (Hub::Market, method::UNSUBSCRIBE_CONTRACT_MARKET_DEPTH) => (false, contract().map(Topic::Depth)),
        _ => return Call::Unknown,
    };
    match topic {
        Ok(topic) if subscribes => Call::Subscribe(topic),
        Ok(topic) => Call::Unsubscribe(topic),
        Err(reason) => Call::Wrong(reason),
    }
}

/// The messages by which an event of the exchange is told, each with its topic.
pub(crate) fn messages(
    happened: &ExchangeEvent,
    exchange: &Exchange,
    wanted: impl Fn(&Topic) -> bool,
) -> Vec<HubMessage> {
    let contract = |id: &ContractId| exchange.listing(id).map(|listing| &listing.contract);
    let mut messages = Vec::new();
    let mut tell = |hub, event, topic: Topic, row: &dyn Fn() -> Option<String>| {
        if wanted(&topic)
            && let Some(payload) = row()
        {
            messages.push(HubMessage { hub, event, topic, payload });
        }
    };
    match happened {
        ExchangeEvent::Account(record) => {
            tell(Hub::User, event::USER_ACCOUNT, Topic::Accounts, &|| text(&rows::account(record)));
        }
        ExchangeEvent::Order(record) => {
            let topic = Topic::Orders(record.account_id);
            tell(Hub::User, event::USER_ORDER, topic, &|| text(&rows::order(record, contract(&record.contract_id))));
        }
        ExchangeEvent::Position(record) => {
            let topic = Topic::Positions(record.account_id);
            tell(Hub::User, event::USER_POSITION, topic, &|| text(&rows::position(record)));
        }
        ExchangeEvent::Trade(record) => {
            tell(Hub::User, event::USER_TRADE, Topic::Trades(record.account_id), &|| text(&rows::trade(record)));
        }
        ExchangeEvent::Quote(record) => {
            let quotes = Topic::Quotes(record.contract_id.clone());
            tell(Hub::Market, event::QUOTE, quotes, &|| text(&rows::quote(record, contract(&record.contract_id)?)));
            for row in rows::depth(record) {
                tell(Hub::Market, event::DEPTH, Topic::Depth(record.contract_id.clone()), &|| text(&row));
            }
        }
        ExchangeEvent::MarketTrade { contract_id, price, size, at } => {
            let row = || text(&rows::market_trade(contract(contract_id)?, *price, *size, *at));
            tell(Hub::Market, event::TRADE, Topic::MarketTrades(contract_id.clone()), &row);
        }
    }
    messages
}

fn text<T: Serialize>(row: &T) -> Option<String> {
    serde_json::to_string(row).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls_are_read_for_the_hub_they_belong_to() {
        let contract_id = ContractId::new("CON.F.US.EP.M18", Noun::Contract).unwrap();
        let contract = Some(r#"["CON.F.US.EP.M18"]"#);
        for (hub, target, arguments, expected) in [
            (Hub::User, "SubscribeAccounts", Some("[]"), Call::Subscribe(Topic::Accounts)),
            (Hub::User, "SubscribeAccounts", None, Call::Subscribe(Topic::Accounts)),
            (Hub::User, "SubscribeOrders", Some("[12]"), Call::Subscribe(Topic::Orders(AccountId(12)))),
            (Hub::User, "SubscribePositions", Some("[\"12\"]"), Call::Subscribe(Topic::Positions(AccountId(12)))),
            (Hub::User, "UnsubscribeTrades", Some("[12]"), Call::Unsubscribe(Topic::Trades(AccountId(12)))),
            (Hub::User, "SubscribeOrders", Some("[]"), Call::Wrong("an account id is expected")),
            (Hub::User, "SubscribeContractQuotes", contract, Call::Unknown),
            (Hub::User, "Heartbeat", Some("[]"), Call::Unknown),
            (Hub::Market, "SubscribeContractQuotes", contract, Call::Subscribe(Topic::Quotes(contract_id.clone()))),
            (
                Hub::Market,
                "UnsubscribeContractTrades",
                contract,
                Call::Unsubscribe(Topic::MarketTrades(contract_id.clone())),
            ),
            (Hub::Market, "SubscribeContractMarketDepth", contract, Call::Subscribe(Topic::Depth(contract_id))),
            (Hub::Market, "SubscribeContractQuotes", Some("[7]"), Call::Wrong("a contract id is expected")),
        ] {
            assert_eq!(read_call(hub, target, arguments), expected, "{target}");
        }
    }
}
