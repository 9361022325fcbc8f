//! [`Trade`]

use riskd_core::model::{Checks, OrderId, Side, Timestamp, Trade, TradeDraft, TradeId};

use crate::{ACCOUNT, NOW, check_changes, checks, checks_below_zero, contract_id, money, now_and, price, time};

fn fill() -> TradeDraft {
    TradeDraft {
        id: TradeId(1),
        account_id: ACCOUNT,
        contract_id: contract_id(),
        quantity: 1,
        profit_and_loss: Some(money("-12.50")),
        fees: money("0.74"),
        side: Side::Sell,
        price: price("21000.25"),
        execution_time: now_and(0),
        entry_price: None,
        exit_price: None,
        voided: false,
        order_id: OrderId(1),
    }
}

#[test]
fn quantities_prices_and_times() {
    check_changes(
        &fill(),
        |draft| Trade::new(draft, &checks()),
        &[
            (|_| {}, None),
            (|trade| trade.quantity = 0, Some("Trade.quantity = 0: must be greater than 0")),
            (|trade| trade.quantity = -2, Some("Trade.quantity = -2: must be greater than 0")),
            (|trade| trade.quantity = i64::MAX, None),
            // Losses are negative, a half-turn has none, and both are fine.
            (|trade| trade.profit_and_loss = None, None),
            (|trade| trade.profit_and_loss = Some(money("-9000000000000")), None),
            (|trade| trade.fees = money("-1"), None),
            (|trade| trade.price = price("0.000000001"), None),
            (|trade| trade.price = price("0"), Some("Trade.price = 0: must be greater than 0")),
            (|trade| trade.price = price("-37.63"), Some("Trade.price = -37.63: must be greater than 0")),
            (|trade| trade.entry_price = Some(price("1")), None),
            (|trade| trade.entry_price = Some(price("0")), Some("Trade.entry_price = 0: must be greater than 0")),
            (|trade| trade.exit_price = Some(price("1")), None),
            (|trade| trade.exit_price = Some(price("-1")), Some("Trade.exit_price = -1: must be greater than 0")),
            (|trade| trade.execution_time = Timestamp::MIN, None),
            (|trade| trade.execution_time = now_and(2_000), None),
            (
                |trade| trade.execution_time = now_and(2_001),
                Some("Trade.execution_time = 2025-06-02T14:30:02.001Z: must not be in the future"),
            ),
            (
                |trade| trade.execution_time = time("2025-06-02T14:30:02.000000001Z"),
                Some("Trade.execution_time = 2025-06-02T14:30:02.000000001Z: must not be in the future"),
            ),
        ],
    );
}

#[test]
fn below_zero_only_where_the_contract_may() {
    let draft = TradeDraft { price: price("-37.63"), entry_price: Some(price("0")), ..fill() };
    assert!(Trade::new(draft.clone(), &checks()).is_err());
    assert!(Trade::new(draft, &checks_below_zero()).is_ok());
}

#[test]
fn the_allowed_clock_skew_is_configurable() {
    for (clock_skew_ms, ahead_ms, accepted) in
        [(0, 0, true), (0, 1, false), (10_000, 10_000, true), (10_000, 10_001, false), (-1_000, 0, false)]
    {
        let checks = Checks { clock_skew_ms, ..Checks::at(time(NOW)) };
        let draft = TradeDraft { execution_time: now_and(ahead_ms), ..fill() };
        assert_eq!(Trade::new(draft, &checks).is_ok(), accepted, "{ahead_ms} ms ahead, {clock_skew_ms} allowed");
    }
}
