//! Everything the engine can ask for.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::input::{Hub, RequestFailure};
use crate::model::{
    AccountId, AdminAct, Commitment, Contract, ContractId, DailyPnl, DailyUnrealizedPnl, DrawdownMark,
    EnforcementAction, EnforcementId, EnforcementLog, Invalid, Lockout, Money, Order, OrderId, Position, PositionId,
    Price, RuleId, Side, Trade,
};
use crate::rules::Goal;

/// One thing to do. The writes of one step belong into one transaction; its requests go out once that is durable, or at
/// once if it cannot be made so.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make something durable.
    Store(Write),
    /// Ask something of the broker. Exactly one [`super::Event::Answer`] must come back, however long it takes: a request
    /// without one counts as on its way, and what depends on it is not sent again.
    Send(Request),
    /// Ask for quotes of this contract, now and after every reconnection.
    WatchQuotes(ContractId),
    /// Tell people.
    Notice(Notice),
}

/// One change of the state database.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The strictest lockout in force of an account.
    PutLockout(Lockout),
    /// The lockout is over. The row stays, marked as not locked. Answered by `LockoutCleared` or `LockoutNotCleared`.
    ClearLockout {
        /// The account.
        account_id: AccountId,
        /// When it ended.
        at: Timestamp,
    },
    /// A day's realized P&L.
    PutDailyPnl {
        /// The day.
        daily_pnl: DailyPnl,
        /// When it changed.
        at: Timestamp,
    },
    /// What the gateway says of a contract.
    PutContract {
        /// The contract.
        contract: Contract,
        /// When it said so.
        at: Timestamp,
    },
    /// One more row of trade history. The table has no place for the broker's id of it.
    AppendTrade(Trade),
    /// A trade was voided: one row of trade history like it goes away.
    RemoveTrade(Trade),
    /// The trading session of an account began.
    PutSessionState {
        /// The account.
        account_id: AccountId,
        /// When its session began.
        session_start: Timestamp,
        /// When this was noticed.
        at: Timestamp,
    },
    /// An open position, new or really changed.
    PutPosition(Position),
    /// A position is flat and leaves its table.
    RemovePosition(PositionId),
    /// A living order, new or really changed.
    PutOrder(Order),
    /// An order is finished and leaves its table.
    RemoveOrder(OrderId),
    /// A row of the enforcement log, new or further along; always with its id.
    PutEnforcement {
        /// The row.
        log: EnforcementLog,
        /// What the broker must still show; absent once it did.
        goal: Option<Goal>,
    },
    /// When an account's day turned last and will turn next.
    PutResetSchedule(ResetSchedule),
    /// A snapshot of unrealized P&L at a reset. The later one of a day wins.
    PutDailyUnrealizedPnl(DailyUnrealizedPnl),
    /// From where an account's drawdown is reckoned.
    PutDrawdownMark(DrawdownMark),
    /// A rule's section as it is in force for an account, new or changed.
    PutCommitment(Commitment),
    /// An account is no longer committed to a rule.
    RemoveCommitment {
        /// The account.
        account_id: AccountId,
        /// The rule's section.
        rule: String,
    },
    /// An act for the audit trail.
    AppendAudit(AdminAct),
}

/// When an account's trading day turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetSchedule {
    /// The account.
    pub account_id: AccountId,
    /// The trading day that ended with the last reset.
    pub last_reset_date: Date,
    /// The instant of the next reset.
    pub next_reset_time: Timestamp,
    /// The wall-clock time of the reset, `17:00`.
    pub reset_time: jiff::civil::Time,
    /// The IANA name of its time zone.
    pub timezone: String,
}

/// A request's number: unique within one run of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One question or order to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number, which the answer carries.
    pub id: RequestId,
    /// The account it is for; absent for a question about a contract.
    pub account_id: Option<AccountId>,
    /// What is asked.
    pub kind: RequestKind,
}

/// What can be asked of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// Close the whole position in a contract.
    ClosePosition(ContractId),
    /// Close part of the position in a contract.
    ReducePosition {
        /// The contract.
        contract_id: ContractId,
        /// How many contracts to close.
        size: i64,
    },
    /// Cancel an order.
    CancelOrder(OrderId),
    /// Place a stop order.
    PlaceStop {
        /// The contract.
        contract_id: ContractId,
        /// The side that closes the position.
        side: Side,
        /// How many contracts.
        size: i64,
        /// Where, in points.
        stop_price: Price,
        /// Its tag, which no other order of the account has.
        tag: Arc<str>,
    },
    /// Change a stop order. What is absent stays.
    MoveStop {
        /// The order.
        order_id: OrderId,
        /// Contracts, with what is filled already.
        size: Option<i64>,
        /// Where, in points.
        stop_price: Option<Price>,
        /// The limit of a stop-limit order, in points.
        limit_price: Option<Price>,
    },
    /// Say what became of the order with this tag. Alive or finished, it comes as [`super::Event::Order`] before the answer.
    FindOrder {
        /// The tag.
        tag: Arc<str>,
        /// It was placed after this moment.
        since: Timestamp,
    },
    /// Say what there is: positions and living orders, suspended ones too.
    Snapshot {
        /// From when on trades are wanted, and the account with them; absent when they are not.
        trades_since: Option<Timestamp>,
    },
    /// Describe a contract.
    DescribeContract(ContractId),
}

impl RequestKind {
    /// Whether this protects the account: such requests go out even when nothing can be stored.
    pub const fn is_protective(&self) -> bool {
        !matches!(self, Self::DescribeContract(_))
    }
}

/// What people should know: written to the log, counted, alerted on.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A rule was breached.
    Breach {
        /// The account.
        account_id: AccountId,
        /// The rule.
        rule_id: RuleId,
        /// What is done about it.
        action: EnforcementAction,
        /// Why, with the numbers.
        reason: String,
    },
    /// A lockout was set, or a stricter one took its place.
    LockoutSet(Lockout),
    /// A lockout ended.
    LockoutCleared(AccountId),
    /// What became of an admin's unlock.
    Unlock {
        /// The account.
        account_id: AccountId,
        /// Who asked for it.
        actor: String,
        /// Why.
        reason: String,
        /// What became of it.
        outcome: UnlockOutcome,
    },
    /// The broker shows what an enforcement had to reach.
    EnforcementConfirmed(EnforcementLog),
    /// An enforcement is taking longer than it should.
    EnforcementSlow {
        /// Its row in the log.
        enforcement_id: EnforcementId,
        /// The account.
        account_id: AccountId,
        /// The rule.
        rule_id: RuleId,
        /// Milliseconds since the decision.
        elapsed_ms: i64,
        /// How bad that is.
        severity: Severity,
    },
    /// A request failed; the engine already knows what to do about it.
    RequestFailed {
        /// The request.
        request: Request,
        /// Why.
        failure: RequestFailure,
    },
    /// After a gap, the broker's word differed from what was known; the broker's word was taken.
    Difference {
        /// The account.
        account_id: AccountId,
        /// What differed, in a sentence.
        what: String,
    },
    /// An account's positions or orders are not known for certain, or are again.
    Certainty {
        /// The account.
        account_id: AccountId,
        /// Whether they are known for certain now.
        certain: bool,
    },
    /// A payload failed its checks.
    Refused {
        /// The account it speaks of, where known.
        account_id: Option<AccountId>,
        /// What was wrong.
        invalid: Invalid,
    },
    /// A rule cannot see what it needs for a position: it is left out of the P&L until it can.
    PositionNotPriced {
        /// The account.
        account_id: AccountId,
        /// The contract.
        contract_id: ContractId,
        /// What is missing.
        missing: &'static str,
    },
    /// Quotes of a contract are old, or fresh again. P&L goes on being reckoned with the last one.
    QuoteStaleness {
        /// The contract.
        contract_id: ContractId,
        /// Whether they are old now.
        stale: bool,
    },
    /// A position's unrealized P&L is beyond belief, though valid.
    ExtremePnl {
        /// The account.
        account_id: AccountId,
        /// The contract.
        contract_id: ContractId,
        /// The P&L, in dollars.
        unrealized_pnl: Money,
    },
    /// A price lies off its contract's tick grid. Counted only.
    OffTickGrid(ContractId),
    /// An account's trading day turned.
    DailyReset {
        /// The account.
        account_id: AccountId,
        /// The day that ended.
        day: Date,
        /// Its realized P&L, in dollars.
        realized_pnl: Money,
    },
    /// A rule could not fire as things are, or could again.
    ArmingChanged {
        /// The account.
        account_id: AccountId,
        /// The rule.
        rule_id: RuleId,
        /// Why it could not; absent when it could again.
        reason: Option<String>,
    },
    /// The machine's clock is not the broker's, or is again. The broker's time is kept.
    MachineClockWrong {
        /// By how much, in milliseconds; positive when the machine's is ahead.
        by_ms: i64,
        /// How bad that is; absent when it is right again.
        severity: Option<Severity>,
    },
    /// A hub's connection came up or went down.
    Link {
        /// Which hub.
        hub: Hub,
        /// Whether it is up.
        up: bool,
    },
}

/// What became of an admin's unlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlockOutcome {
    /// These lockouts ended: every one that the account was under when it was asked for.
    Ended(Vec<Lockout>),
    /// The account was not locked. Nothing changed.
    NotLocked,
    /// The database did not take it: the account stays locked.
    NotDurable,
}

/// How bad a delay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a line in the log.
    Warning,
    /// Worth waking somebody.
    Critical,
    /// It has failed so far; the attempts go on.
    Failure,
}
