//! What checking a noun costs. Target: under 100 ns each.
//!
//! `cargo bench --package riskd-core --bench nouns`
//!
//! Each round makes the noun from a draft that is ready: the check itself and the move of its fields. The clone that a
//! round needs is made outside the measured time.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::civil::date;
use riskd_core::model::{
    Account, AccountDraft, AccountId, Checks, Contract, ContractDraft, ContractId, DailyPnl, DailyPnlDraft,
    DailyUnrealizedPnl, DailyUnrealizedPnlDraft, EnforcementAction, EnforcementLog, EnforcementLogDraft,
    EnforcementStatus, Lockout, LockoutDraft, Money, Noun, Order, OrderDraft, OrderId, OrderState, OrderType, Position,
    PositionDraft, PositionId, PositionType, Price, Quote, QuoteDraft, RuleId, Side, Timestamp, Trade, TradeDraft,
    TradeId,
};

const ACCOUNT: AccountId = AccountId(1001);

fn now() -> Timestamp {
    "2025-06-02T14:30:00Z".parse().unwrap()
}

fn contract_id() -> ContractId {
    ContractId::new("CON.F.US.MNQ.U25", Noun::Contract).unwrap()
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// Measures making a noun from a draft that is ready.
fn check<D: Clone, N>(criterion: &mut Criterion, name: &str, draft: &D, build: impl Fn(D) -> N) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(|| draft.clone(), |draft| build(black_box(draft)), BatchSize::SmallInput);
    });
}

fn order() -> OrderDraft {
    OrderDraft {
        id: OrderId(1),
        account_id: ACCOUNT,
        contract_id: contract_id(),
        order_type: OrderType::StopLimit,
        side: Side::Buy,
        size: 3,
        state: OrderState::Working,
        limit_price: Some(price("21000.25")),
        stop_price: Some(price("21000.00")),
        trail_distance: Some(price("5")),
        fill_price: Some(price("21000.25")),
        filled_size: 1,
        created_at: now(),
        updated_at: now(),
        is_stop_loss: true,
        custom_tag: None,
    }
}

fn trade() -> TradeDraft {
    TradeDraft {
        id: TradeId(1),
        account_id: ACCOUNT,
        contract_id: contract_id(),
        quantity: 1,
        profit_and_loss: Some(Money::from_cents(-1250)),
        fees: Money::from_cents(74),
        side: Side::Sell,
        price: price("21000.25"),
        execution_time: now(),
        entry_price: Some(price("21000.25")),
        exit_price: Some(price("21006.50")),
        voided: false,
        order_id: OrderId(1),
    }
}

fn position() -> PositionDraft {
    PositionDraft {
        id: PositionId(1),
        account_id: ACCOUNT,
        contract_id: contract_id(),
        position_type: PositionType::Long,
        size: 2,
        average_price: price("21000.333333333"),
        created_at: now(),
        updated_at: now(),
    }
}

fn contract() -> ContractDraft {
    ContractDraft {
        contract_id: contract_id(),
        symbol_id: "F.US.MNQ".to_owned(),
        name: "MNQU5".to_owned(),
        tick_size: price("0.25"),
        tick_value: Money::from_cents(50),
        exchange: None,
        expiration: None,
        allows_negative_price: false,
    }
}

fn enforcement() -> EnforcementLogDraft {
    EnforcementLogDraft {
        id: None,
        timestamp: now(),
        account_id: ACCOUNT,
        rule_id: RuleId::DAILY_REALIZED_LOSS,
        action: EnforcementAction::CloseAllAndLockout,
        reason: "realized -512.50 <= -500.00".to_owned(),
        success: true,
        status: EnforcementStatus::Confirmed,
        error_message: None,
        positions_closed: 2,
        orders_cancelled: 1,
        lockout_until: None,
        pnl_at_enforcement: Some(Money::from_cents(-51_250)),
        execution_time_ms: Some(120),
    }
}

fn events(criterion: &mut Criterion) {
    let checks = Checks::at(now());
    check(criterion, "Order", &order(), |draft| Order::new(draft, &checks));
    check(criterion, "Trade", &trade(), |draft| Trade::new(draft, &checks));
    check(criterion, "Position", &position(), |draft| Position::new(draft, &checks));
    let quote = QuoteDraft {
        contract_id: contract_id(),
        bid: Some(price("21000.00")),
        ask: Some(price("21000.25")),
        last: Some(price("21000.25")),
        timestamp: now(),
    };
    check(criterion, "Quote", &quote, |draft| Quote::new(draft, &checks));
    let account = AccountDraft {
        id: ACCOUNT,
        name: "Combine".to_owned(),
        balance: Money::from_dollars(50_000),
        can_trade: Some(true),
        simulated: true,
    };
    check(criterion, "Account", &account, Account::new);
    check(criterion, "Contract", &contract(), Contract::new);
}

fn rows(criterion: &mut Criterion) {
    let lockout = LockoutDraft {
        account_id: ACCOUNT,
        reason: "daily loss".to_owned(),
        rule_id: RuleId::DAILY_REALIZED_LOSS,
        locked_at: now(),
        locked_until: Some(Timestamp::MAX),
    };
    check(criterion, "Lockout", &lockout, Lockout::new);
    check(criterion, "EnforcementLog", &enforcement(), EnforcementLog::new);
    let day = date(2025, 6, 2);
    let realized = DailyPnlDraft { account_id: ACCOUNT, date: day, realized_pnl: Money::ZERO, trade_count: 3 };
    check(criterion, "DailyPnl", &realized, DailyPnl::new);
    let unrealized = DailyUnrealizedPnlDraft {
        account_id: ACCOUNT,
        date: day,
        unrealized_pnl: Money::ZERO,
        positions_count: 3,
        total_exposure: None,
        created_at: now(),
    };
    check(criterion, "DailyUnrealizedPnl", &unrealized, DailyUnrealizedPnl::new);
}

/// The arithmetic that every quote sets off, and the reading of a number from the wire, for comparison.
fn arithmetic(criterion: &mut Criterion) {
    let position = Position::new(position(), &Checks::at(now())).unwrap();
    let contract = Contract::new(contract()).unwrap();
    let last = price("21010.25");
    criterion.bench_function("unrealized P&L of a position", |bencher| {
        bencher.iter(|| black_box(&position).unrealized_pnl(black_box(&contract), black_box(last)));
    });
    criterion.bench_function("price from text", |bencher| bencher.iter(|| Price::parse(black_box("21010.25"))));
}

criterion_group!(benches, events, rows, arithmetic);
criterion_main!(benches);
