//! What a state database would hold, and what it hands to the next run.

use std::collections::BTreeMap;

use riskd_core::engine::*;
use riskd_core::model::*;
use riskd_core::state::Unlocked;

#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub lockouts: BTreeMap<AccountId, Lockout>,
    pub daily_pnl: BTreeMap<(AccountId, Date), DailyPnl>,
    pub contracts: BTreeMap<ContractId, Contract>,
    pub trades: Vec<(AccountId, RecordedTrade)>,
    pub positions: BTreeMap<PositionId, Position>,
    pub orders: BTreeMap<OrderId, Order>,
    pub enforcements: BTreeMap<EnforcementId, (EnforcementLog, Option<Goal>)>,
    pub schedules: BTreeMap<AccountId, ResetSchedule>,
    pub unrealized: BTreeMap<(AccountId, Date), DailyUnrealizedPnl>,
    pub sessions: BTreeMap<AccountId, Timestamp>,
    pub drawdown_marks: BTreeMap<AccountId, DrawdownMark>,
    pub acts: Vec<AdminAct>,
    pub commitments: BTreeMap<(AccountId, String), Commitment>,
}

impl Disk {
    pub fn write(&mut self, write: Write) {
        match write {
            Write::PutLockout(lockout) => {
                self.lockouts.insert(lockout.account_id, lockout);
            }
            Write::ClearLockout { account_id, .. } => {
                self.lockouts.remove(&account_id);
            }
            Write::PutDailyPnl { daily_pnl, .. } => {
                self.daily_pnl.insert((daily_pnl.account_id, daily_pnl.date), daily_pnl);
            }
            Write::PutContract { contract, .. } => {
                self.contracts.insert(contract.contract_id.clone(), contract);
            }
            Write::AppendTrade(trade) => self.trades.push((trade.account_id, row(&trade))),
            Write::RemoveTrade(trade) => {
                let wanted = (trade.account_id, row(&trade));
                let index = self.trades.iter().position(|recorded| *recorded == wanted);
                self.trades.remove(index.expect("a removed trade was recorded"));
            }
            Write::PutSessionState { account_id, session_start, .. } => {
                self.sessions.insert(account_id, session_start);
            }
            Write::PutPosition(position) => {
                self.positions.insert(position.id, position);
            }
            Write::RemovePosition(position_id) => {
                self.positions.remove(&position_id);
            }
            Write::PutOrder(order) => {
                self.orders.insert(order.id, order);
            }
            Write::RemoveOrder(order_id) => {
                self.orders.remove(&order_id);
            }
            Write::PutEnforcement { log, goal } => {
                self.enforcements.insert(log.id.expect("the engine numbers its rows"), (log, goal));
            }
            Write::PutResetSchedule(schedule) => {
                self.schedules.insert(schedule.account_id, schedule);
            }
            Write::PutDailyUnrealizedPnl(snapshot) => {
                self.unrealized.insert((snapshot.account_id, snapshot.date), snapshot);
            }
            Write::PutDrawdownMark(mark) => {
                self.drawdown_marks.insert(mark.account_id, mark);
            }
            Write::PutCommitment(commitment) => {
                self.commitments.insert((commitment.account_id, commitment.rule.clone()), commitment);
            }
            Write::RemoveCommitment { account_id, rule } => {
                self.commitments.remove(&(account_id, rule));
            }
            Write::AppendAudit(act) => self.acts.push(act),
        }
    }

    pub fn memory(&self, accounts: impl Iterator<Item = AccountId>) -> Memory {
        let pending = self.enforcements.values().filter(|(log, _)| log.status == EnforcementStatus::Pending);
        Memory {
            accounts: accounts.map(|account_id| self.account(account_id)).collect(),
            contracts: self.contracts.values().cloned().collect(),
            pending_enforcements: pending
                .map(|(log, goal)| (log.clone(), goal.clone().expect("a pending row has a goal")))
                .collect(),
            unlocks: self.unlocks(),
            last_enforcement_id: self.enforcements.keys().next_back().map_or(0, |last| last.0),
            drawdown_marks: self.drawdown_marks.clone(),
            commitments: self.commitments.values().cloned().collect(),
        }
    }

    fn account(&self, account_id: AccountId) -> AccountMemory {
        AccountMemory {
            account_id,
            lockout: self.lockouts.get(&account_id).cloned(),
            daily_pnl: self.daily_pnl.values().filter(|day| day.account_id == account_id).rev().cloned().collect(),
            recorded_trades: self
                .trades
                .iter()
                .filter(|(owner, _)| *owner == account_id)
                .map(|(_, row)| row.clone())
                .collect(),
            positions: self.positions.values().filter(|held| held.account_id == account_id).cloned().collect(),
            orders: self.orders.values().filter(|order| order.account_id == account_id).cloned().collect(),
            reset_schedule: self.schedules.get(&account_id).cloned(),
        }
    }

    fn unlocks(&self) -> BTreeMap<AccountId, Unlocked> {
        let unlocks = self.acts.iter().filter(|act| act.kind == AdminActKind::Unlock);
        unlocks.filter_map(|act| Some((act.account_id?, Unlocked::read(act.at, act.detail.as_deref()?)))).collect()
    }

    /// The rows of the enforcement log of an account, oldest first.
    pub fn log(&self, account_id: AccountId) -> Vec<EnforcementLog> {
        self.enforcements.values().map(|(log, _)| log).filter(|log| log.account_id == account_id).cloned().collect()
    }
}

fn row(trade: &Trade) -> RecordedTrade {
    RecordedTrade {
        execution_time: truncate_to_millisecond(trade.execution_time),
        contract_id: trade.contract_id.clone(),
        profit_and_loss: trade.profit_and_loss,
    }
}
