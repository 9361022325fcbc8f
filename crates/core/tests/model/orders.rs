//! [`Order`]

use riskd_core::model::{ContractId, Noun, Order, OrderDraft, OrderId, OrderState, OrderType, Price, Side};

use crate::{ACCOUNT, check_changes, checks, checks_below_zero, contract_id, now_and, price, refusal};

fn limit_order() -> OrderDraft {
    OrderDraft {
        id: OrderId(1),
        account_id: ACCOUNT,
        contract_id: contract_id(),
        order_type: OrderType::Limit,
        side: Side::Buy,
        size: 3,
        state: OrderState::Working,
        limit_price: Some(price("21000.25")),
        stop_price: None,
        trail_distance: None,
        fill_price: None,
        filled_size: 0,
        created_at: now_and(0),
        updated_at: now_and(0),
        is_stop_loss: false,
        custom_tag: None,
    }
}

#[test]
fn sizes() {
    check_changes(
        &limit_order(),
        |draft| Order::new(draft, &checks()),
        &[
            (|_| {}, None),
            (|order| order.size = 1, None),
            (|order| order.size = i64::MAX, None),
            (|order| order.size = 0, Some("Order.size = 0: must be greater than 0")),
            (|order| order.size = -1, Some("Order.size = -1: must be greater than 0")),
            (|order| order.size = i64::MIN, Some("Order.size = -9223372036854775808: must be greater than 0")),
            (|order| order.filled_size = 1, None),
            (|order| order.filled_size = 3, None),
            (|order| order.filled_size = 4, Some("Order.filled_size = 4: must not exceed size")),
            (|order| order.filled_size = -1, Some("Order.filled_size = -1: must not be negative")),
        ],
    );
}

/// Which prices each type needs: (type, limit, stop, trail) and the refusal.
#[test]
fn prices_that_each_type_needs() {
    use OrderType::{JoinAsk, JoinBid, Limit, Market, Stop, StopLimit, TrailingStop, Unknown};
    const NO_LIMIT: Option<&str> = Some("Order.limit_price = absent: required for a LIMIT order");
    const NO_STOP: Option<&str> = Some("Order.stop_price = absent: required for a STOP order");
    const HALF_LIMIT: Option<&str> = Some("Order.limit_price = absent: required for a STOP_LIMIT order");
    const HALF_STOP: Option<&str> = Some("Order.stop_price = absent: required for a STOP_LIMIT order");
    const NO_TRAIL: Option<&str> =
        Some("Order.stop_price = absent: a TRAILING_STOP order requires stop_price or trail_distance");
    for (order_type, limit, stop, trail, expected) in [
        (Limit, true, false, false, None),
        (Limit, false, false, false, NO_LIMIT),
        (Limit, false, true, true, NO_LIMIT),
        (Limit, true, true, true, None),
        (Market, false, false, false, None),
        (Market, true, true, true, None),
        (Stop, false, true, false, None),
        (Stop, false, false, false, NO_STOP),
        (Stop, true, false, true, NO_STOP),
        (StopLimit, true, true, false, None),
        (StopLimit, true, false, false, HALF_STOP),
        (StopLimit, false, true, false, HALF_LIMIT),
        (StopLimit, false, false, false, HALF_LIMIT),
        (TrailingStop, false, true, false, None),
        (TrailingStop, false, false, true, None),
        (TrailingStop, false, true, true, None),
        (TrailingStop, false, false, false, NO_TRAIL),
        (TrailingStop, true, false, false, NO_TRAIL),
        (JoinBid, false, false, false, None),
        (JoinAsk, false, false, false, None),
        (Unknown(99), false, false, false, None),
    ] {
        let some = |there: bool| there.then(|| price("5"));
        let draft = OrderDraft {
            order_type,
            limit_price: some(limit),
            stop_price: some(stop),
            trail_distance: some(trail),
            ..limit_order()
        };
        let found = Order::new(draft, &checks()).err().map(|invalid| invalid.to_string());
        assert_eq!(found.as_deref(), expected, "{order_type:?} {limit} {stop} {trail}");
    }
}

#[test]
fn every_price_that_is_there_is_above_zero() {
    let least = Some(Price::from_nanos(1));
    for (field, set) in [
        ("limit_price", (|order, price| order.limit_price = price) as fn(&mut OrderDraft, Option<Price>)),
        ("stop_price", |order, price| order.stop_price = price),
        ("fill_price", |order, price| order.fill_price = price),
    ] {
        for (value, refused_as) in
            [(least, None), (Some(price("0")), Some("0")), (Some(price("-0.000000001")), Some("-0.000000001"))]
        {
            let mut draft = limit_order();
            set(&mut draft, value);
            let expected = refused_as.map(|shown| format!("Order.{field} = {shown}: must be greater than 0"));
            let found = Order::new(draft.clone(), &checks()).err().map(|invalid| invalid.to_string());
            assert_eq!(found, expected);
            // Crude oil in April 2020.
            assert!(Order::new(draft, &checks_below_zero()).is_ok(), "{field} of a contract that trades below zero");
        }
    }
}

#[test]
fn a_trail_is_a_distance_and_above_zero_everywhere() {
    for (distance, expected) in [
        ("0.25", None),
        ("0", Some("Order.trail_distance = 0: must be greater than 0")),
        ("-1", Some("Order.trail_distance = -1: must be greater than 0")),
    ] {
        let draft = OrderDraft {
            order_type: OrderType::TrailingStop,
            limit_price: None,
            trail_distance: Some(price(distance)),
            ..limit_order()
        };
        for checks in [checks(), checks_below_zero()] {
            let found = Order::new(draft.clone(), &checks).err().map(|invalid| invalid.to_string());
            assert_eq!(found.as_deref(), expected);
        }
    }
}

#[test]
fn a_contract_id_is_not_empty_and_the_error_names_who_carries_it() {
    for (noun, text, expected) in [
        (Noun::Order, "", "Order.contract_id = \"\": must not be empty"),
        (Noun::Trade, "  ", "Trade.contract_id = \"  \": must not be empty"),
        (Noun::Position, "\t\n", "Position.contract_id = \"\\t\\n\": must not be empty"),
        (Noun::Quote, "", "Quote.contract_id = \"\": must not be empty"),
    ] {
        assert_eq!(refusal(ContractId::new(text, noun)), expected);
    }
    assert_eq!(ContractId::new("x", Noun::Order).unwrap().as_str(), "x");
    let read: Result<ContractId, _> = serde_json::from_str("\" \"");
    assert_eq!(read.unwrap_err().to_string(), "Contract.contract_id = \" \": must not be empty");
    let read: ContractId = serde_json::from_str("\"CON.F.US.EP.U25\"").unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), "\"CON.F.US.EP.U25\"");
}

#[test]
fn the_first_error_is_the_one_that_is_told() {
    let draft = OrderDraft { size: 0, filled_size: -1, limit_price: None, ..limit_order() };
    assert_eq!(refusal(Order::new(draft, &checks())), "Order.size = 0: must be greater than 0");
}

#[test]
fn a_noun_reads_as_its_draft_and_gives_it_back() {
    let order = Order::new(limit_order(), &checks()).unwrap();
    assert_eq!((order.size, order.limit_price), (3, Some(price("21000.25"))));
    assert_eq!(order.into_draft(), limit_order());
}
