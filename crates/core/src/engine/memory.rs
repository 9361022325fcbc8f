//! What the state database remembers from before this run, handed to the engine at its start.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::action::ResetSchedule;
use crate::model::{
    AccountId, Commitment, Contract, ContractId, DailyPnl, DrawdownMark, EnforcementId, EnforcementLog, Lockout, Money,
    Order, Position,
};
use crate::rules::Goal;
use crate::state::Unlocked;

/// Everything remembered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// What is remembered of each account asked for.
    pub accounts: Vec<AccountMemory>,
    /// Known contracts.
    pub contracts: Vec<Contract>,
    /// Enforcements that were decided and not confirmed, with what they must still reach, oldest first.
    pub pending_enforcements: Vec<(EnforcementLog, Goal)>,
    /// The highest id in the enforcement log; 0 in an empty one.
    pub last_enforcement_id: i64,
    /// From where each account's drawdown is reckoned; none where that was never kept.
    pub drawdown_marks: BTreeMap<AccountId, DrawdownMark>,
    /// What each account is committed to, by account and rule; none where that was never kept.
    pub commitments: Vec<Commitment>,
    /// The last unlock of each account by an admin; none where no trail was kept.
    pub unlocks: BTreeMap<AccountId, Unlocked>,
}

/// What is remembered of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountMemory {
    /// The account.
    pub account_id: AccountId,
    /// The lockout in force when the last run ended, whether or not its time is over by now.
    pub lockout: Option<Lockout>,
    /// Realized P&L by day, newest first: enough days to hold the present one in any time zone.
    pub daily_pnl: Vec<DailyPnl>,
    /// Trades already in the history, of the last days.
    pub recorded_trades: Vec<RecordedTrade>,
    /// Positions that were open.
    pub positions: Vec<Position>,
    /// Orders that were alive.
    pub orders: Vec<Order>,
    /// The reset schedule, where there is one.
    pub reset_schedule: Option<ResetSchedule>,
}

/// A row of trade history, which does not keep the broker's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordedTrade {
    /// Execution time, in whole milliseconds.
    pub execution_time: Timestamp,
    /// The contract.
    pub contract_id: ContractId,
    /// Realized P&L in dollars; absent for a half-turn.
    pub profit_and_loss: Option<Money>,
}

impl Memory {
    /// The id after the highest in the log.
    pub fn next_enforcement_id(&self) -> EnforcementId {
        EnforcementId(self.last_enforcement_id + 1)
    }
}
