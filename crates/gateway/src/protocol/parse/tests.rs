#![allow(clippy::unwrap_used)]

use riskd_core::engine::Event;
use riskd_core::model::{Noun, Order, OrderState, OrderType, Price, Side};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    account: Option<i64>,
    #[serde(default)]
    before: Vec<(String, Box<RawValue>)>,
    target: String,
    arguments: Box<RawValue>,
    expect: Vec<String>,
}

fn now() -> Timestamp {
    "2026-11-20T15:00:00Z".parse().unwrap()
}

fn hub_context(account: Option<i64>) -> Context {
    Context { now: now(), source: Source::Hub, account_id: account.map(AccountId) }
}

fn rest_context(account: i64) -> Context {
    Context { now: now(), source: Source::Rest, account_id: Some(AccountId(account)) }
}

#[test]
fn every_payload_becomes_what_its_case_says() {
    let files = [
        include_str!("../../../test_data/hub_accounts.json"),
        include_str!("../../../test_data/hub_orders.json"),
        include_str!("../../../test_data/hub_positions.json"),
        include_str!("../../../test_data/hub_quotes.json"),
        include_str!("../../../test_data/hub_trades.json"),
    ];
    for file in files {
        let cases: Vec<Case> = serde_json::from_str(file).unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let context = hub_context(case.account);
            let mut parser = Parser::default();
            for (target, arguments) in &case.before {
                let mut parsed = Parsed::default();
                parser.hub_event(target, Some(arguments), &context, &mut parsed);
                assert_eq!(parsed.refused, [], "{}: what came before must be read", case.name);
            }
            let mut parsed = Parsed::default();
            parser.hub_event(&case.target, Some(&case.arguments), &context, &mut parsed);
            let lines: Vec<String> = parsed.events.iter().map(line).collect();
            assert_eq!(lines, case.expect, "{}", case.name);
            let refusals = parsed.events.iter().filter(|event| matches!(event, Event::Refused(_))).count();
            assert_eq!(refusals, parsed.refused.len(), "{}: one line for the log a refusal", case.name);
            assert_eq!(parsed.ignored > 0, case.expect.is_empty(), "{}: what says nothing is counted", case.name);
            for refused in &parsed.refused {
                assert!(!refused.payload.contains("very-secret"), "{}: {}", case.name, refused.payload);
            }
        }
    }
}

/// An event in one line: what the cases compare.
fn line(event: &Event) -> String {
    match event {
        Event::Account(account) => format!(
            "account {} {}: balance {}, can trade {:?}{}",
            account.id,
            account.name,
            account.balance,
            account.can_trade,
            if account.simulated { ", simulated" } else { "" }
        ),
        Event::Position(position) => {
            let id = if position.id.0 < 0 { "(stand-in)".to_owned() } else { position.id.to_string() };
            format!(
                "position {id} of {}: {:?} {} {} @ {}, {} to {}",
                position.account_id,
                position.position_type,
                position.size,
                position.contract_id,
                position.average_price,
                position.created_at,
                position.updated_at
            )
        }
        Event::PositionClosed { account_id, contract_id } => format!("closed: {contract_id} of {account_id}"),
        Event::Order(order) => order_line(order),
        Event::Trade(trade) => format!(
            "trade {} of {}: {:?} {} {} @ {}, {}, fees {}, order {}, {}{}",
            trade.id,
            trade.account_id,
            trade.side,
            trade.quantity,
            trade.contract_id,
            trade.price,
            trade.profit_and_loss.map_or("no P&L".to_owned(), |pnl| format!("P&L {pnl}")),
            trade.fees,
            trade.order_id,
            trade.execution_time,
            if trade.voided { ", voided" } else { "" }
        ),
        Event::Quote(quote) => {
            let prices = [("bid", quote.bid), ("ask", quote.ask), ("last", quote.last)];
            format!("quote {}: {}{}", quote.contract_id, named(&prices), quote.timestamp)
        }
        Event::Refused(refusal) => {
            let account = refusal.account_id.map_or("no account".to_owned(), |id| format!("account {id}"));
            format!("refused, {account}: {}", refusal.invalid)
        }
        other => format!("{other:?}"),
    }
}

fn order_line(order: &Order) -> String {
    let prices = [("limit", order.limit_price), ("stop", order.stop_price), ("trail", order.trail_distance)];
    format!(
        "order {} of {}: {:?} {:?} {} {}, {:?}, {}filled {}{}, {} to {}{}",
        order.id,
        order.account_id,
        order.order_type,
        order.side,
        order.size,
        order.contract_id,
        order.state,
        named(&prices),
        order.filled_size,
        order.fill_price.map_or(String::new(), |price| format!(" @ {price}")),
        order.created_at,
        order.updated_at,
        if order.is_stop_loss { ", stop-loss" } else { "" }
    )
}

fn named(prices: &[(&str, Option<Price>)]) -> String {
    prices.iter().filter_map(|(name, price)| price.map(|price| format!("{name} {price}, "))).collect()
}

#[test]
fn rest_rows_do_not_change_when_asked_for_twice() {
    let mut parser = Parser::default();
    let row = r#"{"id":1,"contractId":"X","creationTimestamp":"2026-11-20T13:00:00Z","updateTimestamp":null,
        "status":1,"type":2,"side":0,"size":1}"#;
    let order = parser.order(row, &rest_context(5)).unwrap();
    assert_eq!(order.updated_at, order.created_at);
    let row =
        r#"{"id":1,"contractId":"X","creationTimestamp":"2026-11-20T13:00:00Z","type":1,"size":1,"averagePrice":1}"#;
    let PositionNews::Open(position) = parser.position(row, &rest_context(5)).unwrap() else { unreachable!() };
    assert_eq!(position.updated_at, position.created_at);
}

#[test]
fn a_row_of_another_account_than_asked_for_is_refused() {
    let mut parser = Parser::default();
    let row = r#"{"id":1,"accountId":6,"contractId":"X","status":1,"type":2,"side":0,"size":1}"#;
    let error = parser.order(row, &rest_context(5)).unwrap_err();
    assert_eq!(error.to_string(), "Order.account_id = 6: must be the account asked about");
    assert!(parser.order(row, &rest_context(6)).is_ok());
}

#[test]
fn what_rest_said_of_a_position_helps_the_hub() {
    let mut rest = Parser::default();
    let mut hub = rest.clone();
    let row = r#"{"id":77,"accountId":5,"contractId":"X","type":1,"size":1,"averagePrice":1}"#;
    rest.position(row, &rest_context(5)).unwrap();
    let closed = hub.position(r#"{"id":77,"size":0}"#, &hub_context(None)).unwrap();
    let contract_id = ContractId::new("X", Noun::Position).unwrap();
    assert_eq!(closed, PositionNews::Closed { account_id: AccountId(5), contract_id });
}

#[test]
fn contracts_are_read_from_what_the_gateway_says() {
    let mut parser = Parser::default();
    let row = r#"{"id":"CON.F.US.ENQ.Z26","name":"NQZ6","description":"E-mini NASDAQ-100","tickSize":0.25,
        "tickValue":5,"activeContract":true,"symbolId":"F.US.ENQ"}"#;
    let contract = parser.contract(row).unwrap();
    assert_eq!((contract.tick_size.to_string(), contract.tick_value.to_string()), ("0.25".into(), "5.00".into()));
    assert_eq!((contract.symbol_id.as_str(), contract.name.as_str()), ("F.US.ENQ", "NQZ6"));
    assert!(!contract.allows_negative_price);
    let cases = [
        (r#"{"id":"CON.F.US.JY6.Z26","tickSize":"5E-07","tickValue":6.25}"#, Ok(("0.0000005", "F.US.JY6", false))),
        (r#"{"id":"CON.F.US.CLE.Z26","tickSize":0.01,"tickValue":10}"#, Ok(("0.01", "F.US.CLE", true))),
        (r#"{"id":"CON.F.US.MCLE.Z26","tickSize":0.01,"tickValue":1}"#, Ok(("0.01", "F.US.MCLE", true))),
        (r#"{"id":"X","tickSize":0.01,"tickValue":10}"#, Ok(("0.01", "", false))),
        (r#"{"id":"X","tickSize":0,"tickValue":10}"#, Err("Contract.tick_size = 0: must be greater than 0")),
        (r#"{"id":"X","tickValue":10}"#, Err("Contract.tick_size = absent: must be present")),
        (r#"{"tickSize":0.01,"tickValue":10}"#, Err("Contract.contract_id = absent: must be present")),
        ("[]", Err("Contract.payload = []: must be a JSON object")),
    ];
    for (row, expected) in cases {
        let read = parser.contract(row);
        let read = read.map(|it| (it.tick_size.to_string(), it.symbol_id.clone(), it.allows_negative_price));
        let expected = expected.map(|(tick, symbol, negative)| (tick.to_owned(), symbol.to_owned(), negative));
        assert_eq!(read.map_err(|invalid| invalid.to_string()), expected.map_err(str::to_owned), "{row}");
    }
}

#[test]
fn contract_ids_are_shared_once_known() {
    let mut parser = Parser::default();
    let mut quote = || parser.quote(None, r#"{"contractId":"X","lastPrice":1}"#, &hub_context(None)).unwrap().unwrap();
    let (first, second) = (quote(), quote());
    assert!(std::ptr::eq(first.contract_id.as_str(), second.contract_id.as_str()));
}

#[test]
fn interned_ids_do_not_grow_without_bound() {
    let mut parser = Parser::default();
    for number in 0..INTERNED_LIMIT + 10 {
        parser.intern(&format!("CON.{number}"), Noun::Quote).unwrap();
    }
    assert!(parser.contract_ids.len() <= INTERNED_LIMIT);
}

#[test]
fn a_stand_in_id_is_the_same_each_time_and_never_the_gateways() {
    let mut parser = Parser::default();
    let mut id_of = |account: i64, contract: &str| {
        let row = format!(r#"{{"contractId":"{contract}","type":1,"size":1,"averagePrice":1}}"#);
        // A parser of its own each time: nothing is remembered from the first reading.
        let mut fresh = Parser::default();
        std::mem::swap(&mut parser, &mut fresh);
        match fresh.position(&row, &hub_context(Some(account))).unwrap() {
            PositionNews::Open(position) => position.id.0,
            PositionNews::Closed { .. } => unreachable!("its size is 1"),
        }
    };
    let ids = [id_of(5, "X"), id_of(5, "Y"), id_of(6, "X")];
    assert!(ids.iter().all(|id| *id < 0), "{ids:?}");
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{ids:?}");
    assert_eq!(id_of(5, "X"), ids[0]);
}

#[test]
fn what_is_no_message_counts_as_a_position_nobody_could_read() {
    let mut parsed = Parsed::default();
    let context = hub_context(Some(5));
    Parser::default().unreadable(Noun::Position, &context, r#"{"token":"very-secret"#, &mut parsed);
    let lines: Vec<String> = parsed.events.iter().map(line).collect();
    let expected =
        "refused, account 5: Position.payload = {\"token\":\"[redacted]: must be a message of the hub protocol";
    assert_eq!(lines, [expected]);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 512, failure_persistence: None, ..Default::default() })]

    /// Whatever stands in the arguments, it is read, refused or counted; never a crash, never silence.
    #[test]
    fn no_payload_is_passed_over_in_silence(
        target in proptest::sample::select(vec![
            event::USER_ACCOUNT, event::USER_ORDER, event::USER_POSITION, event::USER_TRADE, event::QUOTE, "Other",
        ]),
        text in json_like(),
    ) {
        let raw: Box<RawValue> = match serde_json::from_str(&text) {
            Ok(raw) => raw,
            Err(_) => return Ok(()),
        };
        let mut parsed = Parsed::default();
        Parser::default().hub_event(target, Some(&raw), &hub_context(None), &mut parsed);
        proptest::prop_assert!(!parsed.events.is_empty() || parsed.ignored > 0, "{target} {text}");
    }
}

/// Texts that look like payloads: fields of all nouns with values of all kinds, in lists and wrappers.
fn json_like() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let field = proptest::sample::select(vec![
        "id",
        "accountId",
        "contractId",
        "type",
        "side",
        "size",
        "status",
        "averagePrice",
        "price",
        "limitPrice",
        "balance",
        "canTrade",
        "creationTimestamp",
        "lastPrice",
        "bestBid",
        "volume",
        "action",
        "data",
    ]);
    let leaf = proptest::sample::select(vec![
        "null",
        "0",
        "1",
        "-1",
        "2.5",
        "1e400",
        "99999999999999999999999",
        "\"1\"",
        "\"\"",
        "\"NaN\"",
        "\"\\u0031\"",
        "true",
        "\"X\"",
        "\"2026-11-20T14:00:00Z\"",
        "\"é\"",
    ]);
    let leaf = leaf.prop_map(str::to_owned).boxed();
    leaf.prop_recursive(4, 48, 8, move |inner| {
        let object = proptest::collection::vec((field.clone(), inner.clone()), 0..8).prop_map(|fields| {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        });
        let list = proptest::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(",")));
        prop_oneof![object, list]
    })
}

#[test]
fn the_states_types_and_sides_of_wire_and_core_agree() {
    for status in crate::protocol::wire::OrderStatus::ALIVE {
        assert!(OrderState::from_gateway_status(status.code()).is_alive(), "{status:?}");
    }
    assert_eq!(OrderType::from_code(5), OrderType::TrailingStop);
    assert_eq!((Side::from_code(0), Side::from_code(1)), (Side::Buy, Side::Sell));
}
