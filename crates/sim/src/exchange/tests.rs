#![allow(clippy::unwrap_used)]

use riskd_core::model::{OrderType, Side};

use super::*;

const ACCOUNT: AccountId = AccountId(1001);

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

fn es() -> ContractId {
    contract_id("ES").unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// An exchange where ES last traded at 100.00: bid 100.00, ask 100.25.
fn exchange_with(config: ExchangeConfig) -> Exchange {
    let mut exchange = Exchange::new(config);
    exchange.tick(&es(), price("100"), at(0)).unwrap();
    exchange.take_events();
    exchange
}

fn exchange() -> Exchange {
    exchange_with(ExchangeConfig::default())
}

fn market(side: Side, size: i64) -> OrderTicket {
    OrderTicket::market(ACCOUNT, es(), side, size)
}

fn of_type(
    order_type: OrderType,
    side: Side,
    limit: Option<&str>,
    stop: Option<&str>,
    trail: Option<&str>,
) -> OrderTicket {
    OrderTicket {
        order_type,
        limit_price: limit.map(price),
        stop_price: stop.map(price),
        trail_price: trail.map(price),
        ..market(side, 1)
    }
}

/// Sends the prices one after the other and says which one filled the order, and where.
fn filled_at(exchange: &mut Exchange, ticket: OrderTicket, prices: &[&str]) -> Option<(String, String)> {
    let id = exchange.place(ticket, at(1)).unwrap();
    let fill = |exchange: &Exchange| exchange.order(id).unwrap().fill_price().map(|price| price.to_string());
    if let Some(fill) = fill(exchange) {
        return Some(("at once".to_owned(), fill));
    }
    for text in prices {
        exchange.tick(&es(), price(text), at(2)).unwrap();
        if let Some(fill) = fill(exchange) {
            return Some(((*text).to_owned(), fill));
        }
    }
    None
}

#[test]
fn every_order_type_fills_when_and_where_it_should() {
    use OrderType::{JoinAsk, JoinBid, Limit, Market, Stop, StopLimit, TrailingStop};
    use Side::{Buy, Sell};
    let filled = |when: &str, fill: &str| Some((when.to_owned(), fill.to_owned()));
    let cases = [
        ("market buy", of_type(Market, Buy, None, None, None), vec![], filled("at once", "100.25")),
        ("market sell", of_type(Market, Sell, None, None, None), vec![], filled("at once", "100")),
        ("limit buy that is there", of_type(Limit, Buy, Some("101"), None, None), vec![], filled("at once", "100.25")),
        (
            "limit buy that waits",
            of_type(Limit, Buy, Some("99.50"), None, None),
            vec!["99.50", "99.25"],
            filled("99.25", "99.5"),
        ),
        (
            "limit sell that waits",
            of_type(Limit, Sell, Some("100.5"), None, None),
            vec!["100.5", "100.75"],
            filled("100.75", "100.5"),
        ),
        ("limit nobody reaches", of_type(Limit, Buy, Some("90"), None, None), vec!["95", "91"], None),
        ("stop sell", of_type(Stop, Sell, None, Some("99"), None), vec!["99.25", "99"], filled("99", "99")),
        ("stop sell over a gap", of_type(Stop, Sell, None, Some("99"), None), vec!["97"], filled("97", "97")),
        ("stop buy", of_type(Stop, Buy, None, Some("101"), None), vec!["100.75", "101"], filled("101", "101")),
        (
            "stop-limit sell",
            of_type(StopLimit, Sell, Some("98.75"), Some("99"), None),
            vec!["99"],
            filled("99", "98.75"),
        ),
        (
            "stop-limit over a gap",
            of_type(StopLimit, Sell, Some("98.75"), Some("99"), None),
            vec!["97", "98.50", "99"],
            filled("99", "98.75"),
        ),
        (
            "trailing sell",
            of_type(TrailingStop, Sell, None, None, Some("99")),
            vec!["102", "101.25", "101"],
            filled("101", "101"),
        ),
        (
            "trailing buy",
            of_type(TrailingStop, Buy, None, None, Some("101")),
            vec!["98", "98.75", "99"],
            filled("99", "99"),
        ),
        ("join bid", of_type(JoinBid, Buy, None, None, None), vec!["100", "99.75"], filled("99.75", "100")),
        ("join ask", of_type(JoinAsk, Sell, None, None, None), vec!["100.25", "100.5"], filled("100.5", "100.25")),
    ];
    for (name, ticket, prices, expected) in cases {
        assert_eq!(filled_at(&mut exchange(), ticket, &prices), expected, "{name}");
    }
}

#[test]
fn a_trail_price_reads_back_as_a_distance() {
    let mut exchange = exchange();
    let id = exchange.place(of_type(OrderType::TrailingStop, Side::Sell, None, None, Some("98.5")), at(1)).unwrap();
    let order = exchange.order(id).unwrap();
    assert_eq!((order.stop_price, order.trail_distance), (Some(price("98.5")), Some(price("1.5"))));
    exchange.tick(&es(), price("101"), at(2)).unwrap();
    exchange.tick(&es(), price("100"), at(3)).unwrap();
    let order = exchange.order(id).unwrap();
    assert_eq!((order.stop_price, order.trail_distance), (Some(price("99.5")), Some(price("1.5"))));
}

#[test]
fn a_round_turn_realizes_to_the_tick_and_fees_come_off_the_balance() {
    let mut exchange = exchange();
    exchange.place(market(Side::Buy, 2), at(1)).unwrap();
    exchange.tick(&es(), price("97.25"), at(2)).unwrap();
    exchange.place(market(Side::Sell, 2), at(3)).unwrap();
    let trades = exchange.trades(ACCOUNT);
    assert_eq!(trades[0].profit_and_loss, None, "a half-turn realizes nothing");
    // From 100.25 to 97.25: 12 ticks, two contracts, 12.50 each.
    assert_eq!(trades[1].profit_and_loss, Some(Money::from_dollars(-300)));
    assert_eq!(trades[1].fees, Money::from_cents(280));
    assert!(exchange.is_flat(ACCOUNT));
    assert_eq!(exchange.account(ACCOUNT).unwrap().balance, Money::parse("49694.40").unwrap());
    assert_eq!(exchange.realized_pnl(ACCOUNT), Money::from_dollars(-300));
}

#[test]
fn turning_a_position_round_is_two_trades_and_two_positions() {
    let mut exchange = exchange();
    exchange.place(market(Side::Buy, 1), at(1)).unwrap();
    exchange.take_events();
    exchange.place(market(Side::Sell, 3), at(2)).unwrap();
    let trades = exchange.trades(ACCOUNT);
    assert_eq!(trades[1].profit_and_loss, Some(Money::from_cents(-1250)));
    assert_eq!((trades[1].size, trades[2].size, trades[2].profit_and_loss), (1, 2, None));
    let told: Vec<_> = exchange
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            ExchangeEvent::Position(position) => Some((position.id, position.signed_size)),
            _ => None,
        })
        .collect();
    assert_eq!(told.iter().map(|(_, size)| *size).collect::<Vec<_>>(), [0, -2]);
    assert_ne!(told[0].0, told[1].0, "the new position has a number of its own");
}

#[test]
fn bracket_children_wait_then_work_then_cancel_each_other() {
    for (exit, filled_kind, realized) in [("102", OrderType::Limit, "62.50"), ("99", OrderType::Stop, "-62.50")] {
        let mut exchange = exchange();
        let ticket =
            OrderTicket { order_type: OrderType::Limit, limit_price: Some(price("100")), ..market(Side::Buy, 1) };
        let parent = exchange.place(ticket.with_stop_loss(4).with_take_profit(5), at(1)).unwrap();
        let children = exchange.living_orders(ACCOUNT);
        assert!(
            children[1..]
                .iter()
                .all(|child| child.status == OrderStatus::Suspended && child.parent_order_id == Some(parent))
        );
        assert_eq!(children[1].linked_order_id, Some(children[2].id));
        exchange.tick(&es(), price("99.75"), at(2)).unwrap();
        assert_eq!(exchange.order(parent).unwrap().status, OrderStatus::Filled);
        let prices: Vec<_> = exchange
            .living_orders(ACCOUNT)
            .iter()
            .map(|child| (child.status, child.stop_price.or(child.limit_price)))
            .collect();
        let (open, stop, target) = (OrderStatus::Open, price("99"), price("101.25"));
        assert_eq!(prices, [(open, Some(stop)), (open, Some(target))]);
        exchange.tick(&es(), price(exit), at(3)).unwrap();
        assert!(exchange.is_flat(ACCOUNT) && exchange.living_orders(ACCOUNT).is_empty(), "{exit}");
        let filled =
            exchange.orders(ACCOUNT).into_iter().skip(1).find(|order| order.status == OrderStatus::Filled).unwrap();
        assert_eq!(filled.order_type, filled_kind);
        // The stop is hit where the market is, a tick below: 99.00 is the bid. The target fills where it stands.
        let expected = if exit == "99" { "-50.00" } else { realized };
        assert_eq!(exchange.realized_pnl(ACCOUNT).to_string(), expected);
    }
}

#[test]
fn a_bracket_dies_with_its_parent_or_with_its_position() {
    let mut exchange = exchange();
    let waiting = OrderTicket { order_type: OrderType::Limit, limit_price: Some(price("90")), ..market(Side::Buy, 1) };
    let parent = exchange.place(waiting.with_stop_loss(4), at(1)).unwrap();
    exchange.cancel(ACCOUNT, parent, at(2)).unwrap();
    assert!(exchange.living_orders(ACCOUNT).is_empty());

    exchange.place(market(Side::Buy, 1).with_stop_loss(4).with_take_profit(4), at(3)).unwrap();
    assert_eq!(exchange.living_orders(ACCOUNT).len(), 2);
    exchange.close(ACCOUNT, &es(), at(4)).unwrap();
    assert!(exchange.is_flat(ACCOUNT) && exchange.living_orders(ACCOUNT).is_empty());
}

#[test]
fn thin_liquidity_fills_bit_by_bit_and_a_closing_never_reverses() {
    let mut exchange = exchange_with(ExchangeConfig { liquidity: Liquidity::AtMost(2), ..ExchangeConfig::default() });
    let id = exchange.place(market(Side::Buy, 3), at(1)).unwrap();
    assert_eq!(exchange.order(id).unwrap().filled_size, 2);
    exchange.tick(&es(), price("100.25"), at(2)).unwrap();
    assert_eq!(exchange.order(id).unwrap().status, OrderStatus::Filled);
    assert_eq!(exchange.order(id).unwrap().fill_price(), Some(price("100.25")));
    // Three closings for one position: together they close three contracts, not nine.
    for _ in 0..3 {
        let _ = exchange.close(ACCOUNT, &es(), at(3));
    }
    exchange.tick(&es(), price("100.25"), at(4)).unwrap();
    exchange.tick(&es(), price("100.25"), at(5)).unwrap();
    assert_eq!(exchange.signed_size(ACCOUNT, &es()), 0);
    assert!(exchange.living_orders(ACCOUNT).is_empty());
}

#[test]
fn a_delayed_closing_is_carried_out_when_it_is_due() {
    let mut exchange = exchange();
    exchange.place(market(Side::Buy, 1), at(1)).unwrap();
    exchange.set_close_delay_ms(2_000);
    exchange.close(ACCOUNT, &es(), at(10)).unwrap();
    assert_eq!(exchange.next_deadline(), Some(at(12)));
    exchange.advance(at(11));
    assert!(!exchange.is_flat(ACCOUNT));
    exchange.advance(at(12));
    assert!(exchange.is_flat(ACCOUNT));
    assert_eq!(exchange.next_deadline(), None);
}

#[test]
fn refused_orders_are_on_record_with_a_number() {
    let nothing = |_: &mut Exchange| {};
    type Preparation = fn(&mut Exchange);
    let cases: [(&str, Preparation, OrderTicket, PlaceRefusal, bool); 12] = [
        (
            "no account",
            nothing,
            OrderTicket { account_id: AccountId(9), ..market(Side::Buy, 1) },
            PlaceRefusal::AccountNotFound,
            false,
        ),
        (
            "no contract",
            nothing,
            OrderTicket {
                contract_id: ContractId::new("CON.F.US.XX.M18", riskd_core::model::Noun::Order).unwrap(),
                ..market(Side::Buy, 1)
            },
            PlaceRefusal::ContractNotFound,
            false,
        ),
        ("no size", nothing, market(Side::Buy, 0), PlaceRefusal::Rejected, false),
        ("no side", nothing, market(Side::Unknown(7), 1), PlaceRefusal::Rejected, false),
        ("no limit", nothing, of_type(OrderType::Limit, Side::Buy, None, None, None), PlaceRefusal::Rejected, false),
        (
            "off the grid",
            nothing,
            of_type(OrderType::Limit, Side::Buy, Some("99.10"), None, None),
            PlaceRefusal::Rejected,
            true,
        ),
        (
            "passed stop",
            nothing,
            of_type(OrderType::Stop, Side::Sell, None, Some("100"), None),
            PlaceRefusal::Rejected,
            true,
        ),
        (
            "switched off",
            |exchange| exchange.set_can_trade(ACCOUNT, false),
            market(Side::Buy, 1),
            PlaceRefusal::AccountRejected,
            true,
        ),
        (
            "inactive",
            |exchange| exchange.set_active(&es(), false),
            market(Side::Buy, 1),
            PlaceRefusal::ContractNotActive,
            true,
        ),
        ("shut", |exchange| exchange.set_open(false), market(Side::Buy, 1), PlaceRefusal::OutsideTradingHours, true),
        ("on request", |exchange| exchange.reject_next_orders(1), market(Side::Buy, 1), PlaceRefusal::Rejected, true),
        ("too large", nothing, market(Side::Buy, 101), PlaceRefusal::InsufficientFunds, true),
    ];
    for (name, prepare, ticket, kind, is_recorded) in cases {
        let mut exchange = exchange_with(ExchangeConfig { checks_margin: true, ..ExchangeConfig::default() });
        prepare(&mut exchange);
        let refused = exchange.place(ticket, at(1)).unwrap_err();
        assert_eq!((refused.kind, refused.order_id.is_some()), (kind, is_recorded), "{name}");
        if let Some(id) = refused.order_id {
            assert_eq!(exchange.order(id).unwrap().status, OrderStatus::Rejected, "{name}");
        }
        assert!(exchange.is_flat(ACCOUNT) && exchange.living_orders(ACCOUNT).is_empty(), "{name}");
    }
}

#[test]
fn a_custom_tag_is_taken_once() {
    let mut exchange = exchange();
    let tagged = || OrderTicket { custom_tag: Some("mine".to_owned()), ..market(Side::Buy, 1) };
    exchange.place(tagged(), at(1)).unwrap();
    assert_eq!(exchange.place(tagged(), at(2)).unwrap_err().kind, PlaceRefusal::Rejected);
    assert_eq!(exchange.signed_size(ACCOUNT, &es()), 1);
}

#[test]
fn orders_are_changed_and_cancelled_as_far_as_they_may() {
    let mut exchange = exchange();
    let id = exchange.place(of_type(OrderType::Limit, Side::Buy, Some("99"), None, None), at(1)).unwrap();
    let mut modify = |order_id, change| exchange.modify(ACCOUNT, order_id, change, at(2));
    assert_eq!(modify(OrderId(1), OrderChange::default()), Err(OrderRefusal::OrderNotFound));
    let off_grid = OrderChange { limit_price: Some(price("99.1")), ..OrderChange::default() };
    assert_eq!(modify(id, off_grid), Err(OrderRefusal::Rejected));
    let no_stop = OrderChange { stop_price: Some(price("98")), ..OrderChange::default() };
    assert_eq!(modify(id, no_stop), Err(OrderRefusal::Rejected));
    assert_eq!(modify(id, OrderChange { size: Some(0), ..OrderChange::default() }), Err(OrderRefusal::Rejected));
    assert_eq!(
        modify(id, OrderChange { size: Some(4), limit_price: Some(price("99.5")), ..OrderChange::default() }),
        Ok(())
    );
    let order = exchange.order(id).unwrap();
    assert_eq!((order.size, order.limit_price), (4, Some(price("99.5"))));
    // Moved to the market, it fills.
    exchange
        .modify(ACCOUNT, id, OrderChange { limit_price: Some(price("101")), ..OrderChange::default() }, at(3))
        .unwrap();
    assert_eq!(exchange.signed_size(ACCOUNT, &es()), 4);
    assert_eq!(exchange.cancel(ACCOUNT, id, at(4)), Err(OrderRefusal::OrderNotFound));
    assert_eq!(exchange.cancel(AccountId(9), id, at(4)), Err(OrderRefusal::AccountNotFound));
}

#[test]
fn linked_orders_cancel_each_other() {
    let mut exchange = exchange();
    let first = exchange.place(of_type(OrderType::Limit, Side::Buy, Some("99"), None, None), at(1)).unwrap();
    let second = of_type(OrderType::Stop, Side::Buy, None, Some("101"), None);
    let second = exchange.place(OrderTicket { linked_order_id: Some(first), ..second }, at(1)).unwrap();
    exchange.tick(&es(), price("101"), at(2)).unwrap();
    assert_eq!(exchange.order(second).unwrap().status, OrderStatus::Filled);
    assert_eq!(exchange.order(first).unwrap().status, OrderStatus::Cancelled);
}

#[test]
fn what_one_of_a_pair_fills_the_other_gives_up() {
    let mut exchange = exchange_with(ExchangeConfig { liquidity: Liquidity::AtMost(1), ..ExchangeConfig::default() });
    let waiting =
        |limit: &str| OrderTicket { size: 3, ..of_type(OrderType::Limit, Side::Buy, Some(limit), None, None) };
    let lower = exchange.place(waiting("98"), at(1)).unwrap();
    let upper = exchange.place(OrderTicket { linked_order_id: Some(lower), ..waiting("99") }, at(1)).unwrap();
    exchange.tick(&es(), price("98.5"), at(2)).unwrap();
    assert_eq!((exchange.order(upper).unwrap().filled_size, exchange.order(lower).unwrap().size), (1, 2));
    exchange.tick(&es(), price("98.5"), at(3)).unwrap();
    exchange.tick(&es(), price("98.5"), at(4)).unwrap();
    assert_eq!(exchange.order(lower).unwrap().status, OrderStatus::Cancelled);
    assert_eq!(exchange.signed_size(ACCOUNT, &es()), 3);
}

#[test]
fn live_accounts_can_neither_cancel_nor_close_in_part() {
    let live = AccountRecord { simulated: false, ..AccountRecord::new(1001, "LIVE") };
    let mut exchange = exchange_with(ExchangeConfig { accounts: vec![live], ..ExchangeConfig::default() });
    let id = exchange.place(of_type(OrderType::Limit, Side::Buy, Some("99"), None, None), at(1)).unwrap();
    assert_eq!(exchange.cancel(ACCOUNT, id, at(2)), Err(OrderRefusal::Rejected));
    exchange.place(market(Side::Buy, 2), at(3)).unwrap();
    assert_eq!(exchange.close_part(ACCOUNT, &es(), 1, at(4)), Err(CloseRefusal::Rejected));
    assert_eq!(exchange.close(ACCOUNT, &es(), at(5)), Ok(()));
}

#[test]
fn closings_are_refused_for_what_is_wrong_with_them() {
    let mut exchange = exchange();
    let unknown = ContractId::new("CON.F.US.XX.M18", riskd_core::model::Noun::Order).unwrap();
    assert_eq!(exchange.close(AccountId(9), &es(), at(1)), Err(CloseRefusal::AccountNotFound));
    assert_eq!(exchange.close(ACCOUNT, &unknown, at(1)), Err(CloseRefusal::ContractNotFound));
    assert_eq!(exchange.close(ACCOUNT, &es(), at(1)), Err(CloseRefusal::PositionNotFound));
    exchange.place(market(Side::Sell, 2), at(2)).unwrap();
    for size in [0, 3, -1] {
        assert_eq!(exchange.close_part(ACCOUNT, &es(), size, at(3)), Err(CloseRefusal::InvalidSize), "{size}");
    }
    assert_eq!(exchange.close_part(ACCOUNT, &es(), 1, at(3)), Ok(()));
    assert_eq!(exchange.signed_size(ACCOUNT, &es()), -1);
    exchange.set_open(false);
    assert_eq!(exchange.close(ACCOUNT, &es(), at(4)), Err(CloseRefusal::Rejected));
    exchange.set_active(&es(), false);
    assert_eq!(exchange.close(ACCOUNT, &es(), at(4)), Err(CloseRefusal::ContractNotActive));
}

#[test]
fn an_account_that_may_not_trade_can_still_get_out() {
    let mut exchange = exchange();
    exchange.place(market(Side::Buy, 1), at(1)).unwrap();
    let id = exchange.place(of_type(OrderType::Stop, Side::Sell, None, Some("99"), None), at(1)).unwrap();
    exchange.set_can_trade(ACCOUNT, false);
    assert_eq!(exchange.cancel(ACCOUNT, id, at(2)), Ok(()));
    assert_eq!(exchange.close(ACCOUNT, &es(), at(2)), Ok(()));
    assert!(exchange.is_flat(ACCOUNT));
}

#[test]
fn a_voided_trade_takes_its_money_back_once() {
    let mut exchange = exchange();
    exchange.place(market(Side::Buy, 1), at(1)).unwrap();
    exchange.place(market(Side::Sell, 1), at(2)).unwrap();
    let before = exchange.account(ACCOUNT).unwrap().balance;
    let losing = exchange.trades(ACCOUNT)[1].id;
    assert!(exchange.void_trade(losing));
    assert!(!exchange.void_trade(losing));
    let after = exchange.account(ACCOUNT).unwrap().balance;
    assert_eq!(after - before, Money::from_cents(1250 + 140));
    assert_eq!(exchange.realized_pnl(ACCOUNT), Money::ZERO);
}

#[test]
fn orders_expire() {
    let mut exchange = exchange();
    let id = exchange.place(of_type(OrderType::Limit, Side::Buy, Some("90"), None, None), at(1)).unwrap();
    exchange.expire_orders(ACCOUNT, at(2));
    assert_eq!(exchange.order(id).unwrap().status, OrderStatus::Expired);
}
