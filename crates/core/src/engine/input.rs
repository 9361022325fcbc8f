//! Everything that can happen to the engine.

use jiff::Timestamp;

use super::action::RequestId;
use crate::model::{Account, AccountId, Contract, ContractId, Invalid, Order, Position, Quote, Trade};

/// One thing that happened, and when this program learned of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// The reading of the program's one clock when it happened. Never goes back from one input to the next.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// The closed list of what can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The gateway reported an account.
    Account(Account),
    /// The gateway described a contract.
    Contract(Contract),
    /// A position is open, with this size.
    Position(Position),
    /// A position is closed. The gateway says so with size 0, when it may leave every other field out.
    PositionClosed {
        /// The account that held it.
        account_id: AccountId,
        /// The contract it held.
        contract_id: ContractId,
    },
    /// An order is new, changed or finished.
    Order(Order),
    /// A fill, new or changed (a voided trade comes a second time).
    Trade(Trade),
    /// Prices changed. Absent prices stand as they were.
    Quote(Quote),
    /// A payload failed its checks.
    Refused(Refusal),
    /// What the broker's REST interface says, when asked with [`super::RequestKind::Snapshot`]. Comes before the
    /// request's [`Event::Answer`].
    Snapshot(Box<Snapshot>),
    /// A hub's connection came up (and every subscription on it was made again) or went down.
    Link {
        /// Which hub.
        hub: Hub,
        /// Whether events can be expected from it.
        up: bool,
    },
    /// The broker answered a request, or nobody did.
    Answer {
        /// The request.
        request_id: RequestId,
        /// Accepted, which proves nothing yet, or why not.
        result: Result<(), RequestFailure>,
    },
    /// The end of a lockout is durable: only now is the account free.
    LockoutCleared {
        /// The account.
        account_id: AccountId,
    },
    /// The end of a lockout could not be made durable: the account stays locked.
    LockoutNotCleared {
        /// The account.
        account_id: AccountId,
    },
    /// An admin ends every lockout of an account. Answered by [`super::Notice::Unlock`].
    Unlock {
        /// The account.
        account_id: AccountId,
        /// Who.
        actor: String,
        /// Why.
        reason: String,
    },
    /// Nothing but time. Fires what is due.
    TimePassed,
}

/// The two real-time hubs of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hub {
    /// Accounts, orders, positions, trades.
    User,
    /// Quotes.
    Market,
}

impl std::fmt::Display for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::User => "user hub",
            Self::Market => "market hub",
        })
    }
}

/// A payload that failed its checks, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The account it speaks of, where it could be read.
    pub account_id: Option<AccountId>,
    /// What was wrong with it.
    pub invalid: Invalid,
}

/// What the broker's REST interface says of one account at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The account.
    pub account_id: AccountId,
    /// When the first of the questions was asked: what the hubs said after this moment is newer than this snapshot.
    pub asked_at: Timestamp,
    /// The account itself, where the broker listed it.
    pub account: Option<Account>,
    /// Every open position.
    pub positions: Vec<Position>,
    /// Every order that can still fill.
    pub orders: Vec<Order>,
    /// Every trade since `trades_since`.
    pub trades: Vec<Trade>,
    /// From when on trades were asked for; absent when they were not.
    pub trades_since: Option<Timestamp>,
    /// Rows that failed their checks. A refused position or order keeps the account uncertain.
    pub refused: Vec<Invalid>,
}

/// Why a request did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
    /// The broker refused it: nothing was done.
    Refused {
        /// The gateway's error code, whose meaning depends on the endpoint.
        code: i32,
        /// The gateway's words, or ours for the code.
        message: String,
    },
    /// It never left this machine, or the broker was too busy to look at it: nothing was done.
    NotSent {
        /// What happened, secrets out.
        message: String,
    },
    /// No answer came: nobody knows whether it was done.
    Unknown {
        /// What happened, secrets out.
        message: String,
    },
}

impl std::fmt::Display for RequestFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { message, .. } => write!(formatter, "refused by the broker: {message}"),
            Self::NotSent { message } => write!(formatter, "not sent: {message}"),
            Self::Unknown { message } => write!(formatter, "no answer: {message}"),
        }
    }
}
