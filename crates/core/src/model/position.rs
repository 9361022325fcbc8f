//! An open position, or the word that it is closed.

use jiff::Timestamp;

use super::order::check_price;
use super::{AccountId, Checks, Contract, ContractId, Invalid, Money, Noun, PositionId, Price, reads_as_draft};

/// Unrealized P&L a contract beyond which a position is warned about, in dollars; it stays valid.
pub const EXTREME_PNL_PER_CONTRACT: Money = Money::from_dollars(10_000);

/// The direction of a position. Numbers are the gateway's and the database's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PositionType {
    /// 0
    Undefined,
    /// 1
    Long,
    /// 2
    Short,
    /// Any other number from the wire or a row; never mistaken for a known one.
    Unknown(i32),
}

impl PositionType {
    /// Reads the gateway's and the database's number.
    pub const fn from_code(code: i32) -> Self {
        match code {
            0 => Self::Undefined,
            1 => Self::Long,
            2 => Self::Short,
            other => Self::Unknown(other),
        }
    }

    /// The gateway's and the database's number.
    pub const fn code(self) -> i32 {
        match self {
            Self::Undefined => 0,
            Self::Long => 1,
            Self::Short => 2,
            Self::Unknown(code) => code,
        }
    }
}

/// The fields of a [`Position`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionDraft {
    /// The gateway's number of the position.
    pub id: PositionId,
    /// The account it belongs to.
    pub account_id: AccountId,
    /// The contract held.
    pub contract_id: ContractId,
    /// Long or short.
    pub position_type: PositionType,
    /// Contracts, without sign; 0 means closed.
    pub size: i64,
    /// Average entry price, in points.
    pub average_price: Price,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A position whose P&L can be reckoned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(PositionDraft);
reads_as_draft!(Position, PositionDraft);

impl Position {
    /// Refuses a negative size, an average price that is not greater than 0 (unless the contract allows it), and an
    /// update before the opening.
    pub fn new(draft: PositionDraft, checks: &Checks) -> Result<Self, Invalid> {
        if draft.size < 0 {
            return Err(Invalid::new(Noun::Position, "size", draft.size, "must not be negative"));
        }
        check_price(Noun::Position, "average_price", Some(draft.average_price), checks)?;
        if draft.updated_at < draft.created_at {
            return Err(Invalid::new(Noun::Position, "updated_at", draft.updated_at, "must not be before created_at"));
        }
        Ok(Self(draft))
    }

    /// Whether nothing is held any more.
    pub fn is_closed(&self) -> bool {
        self.size == 0
    }

    /// Whether it is known to be long or short. One that is not has a P&L nobody can reckon.
    pub fn has_known_direction(&self) -> bool {
        matches!(self.position_type, PositionType::Long | PositionType::Short)
    }

    /// Contracts with sign: positive long, negative short, 0 for a direction nobody knows.
    pub fn signed_size(&self) -> i64 {
        match self.position_type {
            PositionType::Long => self.size,
            PositionType::Short => -self.size,
            PositionType::Undefined | PositionType::Unknown(_) => 0,
        }
    }

    /// Unrealized P&L at `last`, in dollars: (last − average) / tick size × tick value × size, negated for a short.
    pub fn unrealized_pnl(&self, contract: &Contract, last: Price) -> Money {
        contract.value_between(self.average_price, last, self.signed_size())
    }

    /// Whether a P&L is so large that the quote or the average price deserves a second look.
    pub fn is_extreme(&self, unrealized_pnl: Money) -> bool {
        unrealized_pnl.abs() > EXTREME_PNL_PER_CONTRACT.times(self.size)
    }

    /// What the position stands for: |size × average price × point value|, in dollars.
    pub fn exposure(&self, contract: &Contract) -> Money {
        contract.notional(self.average_price, self.size).abs()
    }
}
