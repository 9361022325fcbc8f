//! A fresh database of the current schema, and nouns to put into it.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use riskd_core::model::*;
use riskd_store::{Clock, Reader, ReaderOptions, Writer, WriterOptions};
use rusqlite::Connection;

const SCHEMA: &str = include_str!("../../migrations/v2/schema.sql");
const ANALYTICS: &str = include_str!("../../migrations/features/analytics_indexes/up.sql");
const UNREALIZED: &str = include_str!("../../migrations/features/daily_unrealized_pnl/up.sql");

pub(crate) const ACCOUNT: AccountId = AccountId(123);
pub(crate) const OTHER_ACCOUNT: AccountId = AccountId(456);

/// A database in a folder of its own, which goes with it.
pub(crate) struct State {
    pub(crate) path: PathBuf,
    _folder: tempfile::TempDir,
}

impl State {
    pub(crate) fn new() -> Self {
        let state = Self::without_unrealized();
        state.sql().execute_batch(UNREALIZED).unwrap();
        state
    }

    pub(crate) fn without_unrealized() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Letters that mean something in a URI must mean nothing here.
        let path = folder.path().join("state é?#%41.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        connection.execute_batch(ANALYTICS).unwrap();
        Self { path, _folder: folder }
    }

    /// Another program's connection.
    pub(crate) fn sql(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    pub(crate) fn run(&self, sql: &str) {
        self.sql().execute_batch(sql).unwrap();
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.sql().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn text(&self, sql: &str) -> String {
        self.sql().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        let options = ReaderOptions { negative_price_roots: vec!["CL".to_owned()] };
        Reader::open(&self.path, options).unwrap()
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer::open(&self.path, options()).unwrap()
    }
}

pub(crate) fn options() -> WriterOptions {
    WriterOptions::new(Clock::fixed(now()))
}

pub(crate) fn now() -> Timestamp {
    at("2026-11-22T15:00:00.250Z")
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub(crate) fn contract_id(text: &str) -> ContractId {
    ContractId::new(text, Noun::Contract).unwrap()
}

pub(crate) fn mnq() -> ContractId {
    contract_id("CON.F.US.MNQ.Z26")
}

pub(crate) fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

pub(crate) fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

pub(crate) fn position(id: i64, size: i64) -> Position {
    let draft = PositionDraft {
        id: PositionId(id),
        account_id: ACCOUNT,
        contract_id: mnq(),
        position_type: PositionType::Long,
        size,
        average_price: price("24812.25"),
        created_at: at("2026-11-22T14:30:00Z"),
        updated_at: at("2026-11-22T14:30:05.125Z"),
    };
    Position::new(draft, &Checks::at(now())).unwrap()
}

pub(crate) fn order(id: i64, state: OrderState) -> Order {
    let draft = OrderDraft {
        id: OrderId(id),
        account_id: ACCOUNT,
        contract_id: mnq(),
        order_type: OrderType::StopLimit,
        side: Side::Sell,
        size: 3,
        state,
        limit_price: Some(price("24790.25")),
        stop_price: Some(price("24795.5")),
        trail_distance: None,
        fill_price: None,
        filled_size: 0,
        created_at: at("2026-11-22T14:30:00Z"),
        updated_at: at("2026-11-22T14:30:05.125Z"),
        is_stop_loss: true,
        custom_tag: None,
    };
    Order::new(draft, &Checks::at(now())).unwrap()
}

pub(crate) fn trade(id: i64, profit_and_loss: Option<&str>, execution_time: &str) -> Trade {
    let draft = TradeDraft {
        id: TradeId(id),
        account_id: ACCOUNT,
        contract_id: mnq(),
        quantity: 1,
        profit_and_loss: profit_and_loss.map(money),
        fees: money("0.74"),
        side: Side::Sell,
        price: price("24812.25"),
        execution_time: at(execution_time),
        entry_price: None,
        exit_price: None,
        voided: false,
        order_id: OrderId(9),
    };
    Trade::new(draft, &Checks::at(now())).unwrap()
}

pub(crate) fn enforcement_draft(id: i64) -> EnforcementLogDraft {
    EnforcementLogDraft {
        id: Some(EnforcementId(id)),
        timestamp: at("2026-11-22T14:31:00.5Z"),
        account_id: ACCOUNT,
        rule_id: RuleId::DAILY_REALIZED_LOSS,
        action: EnforcementAction::CloseAllAndLockout,
        reason: "daily realized loss of $512.50 reached the limit of $500.00".to_owned(),
        success: false,
        status: EnforcementStatus::Pending,
        error_message: None,
        positions_closed: 0,
        orders_cancelled: 0,
        lockout_until: Some(at("2026-11-22T22:00:00Z")),
        pnl_at_enforcement: Some(money("-512.5")),
        execution_time_ms: None,
    }
}

pub(crate) fn enforcement(draft: EnforcementLogDraft) -> EnforcementLog {
    EnforcementLog::new(draft).unwrap()
}

pub(crate) fn lockout(locked_until: Option<&str>) -> Lockout {
    Lockout::new(LockoutDraft {
        account_id: ACCOUNT,
        reason: "daily loss".to_owned(),
        rule_id: RuleId::DAILY_REALIZED_LOSS,
        locked_at: at("2026-11-22T14:31:00.5Z"),
        locked_until: locked_until.map(at),
    })
    .unwrap()
}

pub(crate) fn daily_pnl(date: &str, realized: &str) -> DailyPnl {
    let draft = DailyPnlDraft { account_id: ACCOUNT, date: day(date), realized_pnl: money(realized), trade_count: 0 };
    DailyPnl::new(draft).unwrap()
}

pub(crate) fn unrealized(date: &str, amount: &str) -> DailyUnrealizedPnl {
    DailyUnrealizedPnl::new(DailyUnrealizedPnlDraft {
        account_id: ACCOUNT,
        date: day(date),
        unrealized_pnl: money(amount),
        positions_count: 2,
        total_exposure: Some(money("99249")),
        created_at: at("2026-11-22T14:31:00.5Z"),
    })
    .unwrap()
}

pub(crate) fn contract(id: &str, tick_size: &str, tick_value: &str) -> Contract {
    Contract::new(ContractDraft {
        contract_id: contract_id(id),
        symbol_id: "F.US.MNQ".to_owned(),
        name: "MNQZ6".to_owned(),
        tick_size: price(tick_size),
        tick_value: money(tick_value),
        exchange: None,
        expiration: None,
        allows_negative_price: id.contains(".CL"),
    })
    .unwrap()
}
