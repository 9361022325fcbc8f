//! Short ways to make nouns and configs for the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil::time;
use jiff::tz::TimeZone;
use riskd_core::engine::{AccountConfig, Config};
use riskd_core::model::*;
use riskd_core::rules::{RuleSet, RulesConfig};

pub const ALICE: AccountId = AccountId(101);
pub const BOB: AccountId = AccountId(202);

pub const MNQ: &str = "CON.F.US.MNQ.H26";
pub const MES: &str = "CON.F.US.MES.H26";
pub const ES: &str = "CON.F.US.EP.H26";
pub const CL: &str = "CON.F.US.CLE.J26";

/// 10:00 in New York on a Tuesday: the trading day 2026-03-10 runs from the 9th 21:00Z to the 10th 21:00Z.
pub fn noon() -> Timestamp {
    "2026-03-10T14:00:00Z".parse().unwrap()
}

pub fn after(at: Timestamp, milliseconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(milliseconds)).unwrap()
}

pub fn id(contract: &str) -> ContractId {
    ContractId::new(contract, Noun::Contract).unwrap()
}

pub fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub fn dollars(text: &str) -> Money {
    Money::parse(text).unwrap()
}

/// Checks that allow whatever the tests need: tests are about the engine, not about the nouns.
pub fn checks() -> Checks {
    Checks::at("2100-01-01T00:00:00Z".parse().unwrap()).allowing_negative_price(true)
}

/// The contracts of the tests: MNQ and MES at $2 and $5 a point, ES at $50, CL at $1000.
pub fn contract(contract: &str) -> Contract {
    let (name, tick_size, tick_value) = match contract {
        MNQ => ("MNQH6", "0.25", "0.50"),
        MES => ("MESH6", "0.25", "1.25"),
        ES => ("ESH6", "0.25", "12.50"),
        CL => ("CLJ6", "0.01", "10"),
        other => panic!("the tests know no contract {other}"),
    };
    Contract::new(ContractDraft {
        contract_id: id(contract),
        symbol_id: "F.US".to_owned(),
        name: name.to_owned(),
        tick_size: price(tick_size),
        tick_value: dollars(tick_value),
        exchange: None,
        expiration: None,
        allows_negative_price: contract == CL,
    })
    .unwrap()
}

/// A position: positive size long, negative short, 0 closed.
pub fn position(account_id: AccountId, contract: &str, signed_size: i64, average: &str) -> Position {
    let position_type = if signed_size < 0 { PositionType::Short } else { PositionType::Long };
    Position::new(
        PositionDraft {
            id: PositionId(account_id.0 * 1_000 + contract.bytes().map(i64::from).sum::<i64>()),
            account_id,
            contract_id: id(contract),
            position_type,
            size: signed_size.abs(),
            average_price: price(average),
            created_at: noon(),
            updated_at: noon(),
        },
        &checks(),
    )
    .unwrap()
}

pub fn limit_order(order_id: i64, account_id: AccountId, contract: &str) -> Order {
    order(order_id, account_id, contract, OrderType::Limit, Side::Buy, 1, OrderState::Working)
}

pub fn order(
    order_id: i64,
    account_id: AccountId,
    contract: &str,
    order_type: OrderType,
    side: Side,
    size: i64,
    state: OrderState,
) -> Order {
    Order::new(
        OrderDraft {
            id: OrderId(order_id),
            account_id,
            contract_id: id(contract),
            order_type,
            side,
            size,
            state,
            limit_price: (order_type == OrderType::Limit).then(|| price("100")),
            stop_price: order_type.is_stop().then(|| price("100")),
            trail_distance: None,
            fill_price: None,
            filled_size: 0,
            created_at: noon(),
            updated_at: noon(),
            is_stop_loss: false,
            custom_tag: None,
        },
        &checks(),
    )
    .unwrap()
}

pub fn trade(trade_id: i64, account_id: AccountId, pnl: Option<&str>, at: Timestamp) -> Trade {
    trade_with(trade_id, account_id, pnl, "0", at, false)
}

pub fn trade_with(
    trade_id: i64,
    account_id: AccountId,
    pnl: Option<&str>,
    fees: &str,
    at: Timestamp,
    voided: bool,
) -> Trade {
    Trade::new(
        TradeDraft {
            id: TradeId(trade_id),
            account_id,
            contract_id: id(MNQ),
            quantity: 1,
            profit_and_loss: pnl.map(dollars),
            fees: dollars(fees),
            side: Side::Sell,
            price: price("20000"),
            execution_time: at,
            entry_price: None,
            exit_price: None,
            voided,
            order_id: OrderId(trade_id),
        },
        &checks(),
    )
    .unwrap()
}

pub fn quote(contract: &str, last: &str, at: Timestamp) -> Quote {
    quote_of(contract, None, None, Some(last), at)
}

pub fn quote_of(contract: &str, bid: Option<&str>, ask: Option<&str>, last: Option<&str>, at: Timestamp) -> Quote {
    let draft = QuoteDraft {
        contract_id: id(contract),
        bid: bid.map(price),
        ask: ask.map(price),
        last: last.map(price),
        timestamp: at,
    };
    Quote::new(draft, &checks()).unwrap()
}

/// The rules that a config section makes.
pub fn rules(section: serde_json::Value) -> RuleSet {
    let sections = section.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
    let mut config = serde_json::from_value::<RulesConfig>(section).unwrap();
    config.sections = sections;
    config.build().unwrap()
}

/// An account's config from sections as the table of commitments keeps them.
pub fn restore(sections: &BTreeMap<String, String>) -> Option<AccountConfig> {
    let read = |text: &String| serde_json::from_str::<serde_json::Value>(text).ok();
    let mut values: serde_json::Map<_, _> =
        sections.iter().filter_map(|(key, text)| Some((key.clone(), read(text)?))).collect();
    let global = values.remove("global").unwrap_or_default();
    let day = values.remove("trading_day");
    let day_clock = day.map_or_else(new_york, |day| {
        let time = jiff::civil::Time::strptime("%H:%M", day["reset_time"].as_str().unwrap()).unwrap();
        TradingDayClock::new(time, TimeZone::get(day["timezone"].as_str().unwrap()).unwrap())
    });
    let rules = rules(values.into())
        .with_strict_mode(global["strict_mode"] == true)
        .with_commitment(global["commitment"] != false);
    Some(AccountConfig { day_clock, rules: Arc::new(rules) })
}

pub fn new_york() -> TradingDayClock {
    TradingDayClock::new(time(17, 0, 0, 0), TimeZone::get("America/New_York").unwrap())
}

/// A config with the same rules for each of the accounts.
pub fn config(accounts: &[AccountId], rules: RuleSet) -> Config {
    let rules = Arc::new(rules);
    let account = AccountConfig { day_clock: new_york(), rules };
    let accounts: BTreeMap<_, _> = accounts.iter().map(|account_id| (*account_id, account.clone())).collect();
    Config { accounts, ..Config::default() }
}
