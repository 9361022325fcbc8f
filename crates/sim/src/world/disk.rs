//! What of the program's writes is durable: a model of the state database, and in some worlds the database itself.
//!
//! Most worlds keep durable state in memory: a commit of SQLite costs more than a step of the engine a hundred times over.
//! Some keep it in SQLite too, through the store's own writer and reader, and then both must remember the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::{AccountMemory, Goal, Memory, RecordedTrade, ResetSchedule, Write};
use riskd_core::model::{
    AccountId, Checks, Commitment, Contract, ContractId, DailyPnl, DailyPnlDraft, Date, DrawdownMark, EnforcementId,
    EnforcementLog, EnforcementStatus, Lockout, Order, OrderDraft, OrderId, Position, PositionId, Trade,
    truncate_to_millisecond,
};
use riskd_store::{
    Clock, Features, Location, MigrateOptions, OwnedDatabase, Reader, ReaderOptions, StoreError, Writer, WriterOptions,
};

/// Days of realized P&L and of trades that the reader hands to a start.
const DAYS_TOLD: usize = 7;

/// Durable state.
pub(super) struct Disk {
    model: Model,
    file: Option<File>,
}

impl Disk {
    pub(super) fn in_memory() -> Self {
        Self { model: Model::default(), file: None }
    }

    /// A new database in a folder of its own, beside the model.
    pub(super) fn in_a_file(folder: PathBuf, now: Timestamp) -> Result<Self, StoreError> {
        Ok(Self { model: Model::default(), file: Some(File::create(folder, now)?) })
    }

    /// Makes a batch durable.
    pub(super) fn write(&mut self, writes: Vec<Write>) -> Result<(), String> {
        for write in &writes {
            self.model.write(write.clone())?;
        }
        match &self.file {
            Some(file) => file.writer.write(writes).map_err(|error| format!("the database refused a batch: {error}")),
            None => Ok(()),
        }
    }

    /// What a program that starts now is told. Fails when model and database do not remember the same.
    pub(super) fn memory(&self, accounts: &[AccountId], now: Timestamp) -> Result<Memory, String> {
        let expected = in_order(self.model.memory(accounts, now), now);
        let Some(file) = &self.file else { return Ok(expected) };
        let options = ReaderOptions { negative_price_roots: vec!["CL".to_owned()] };
        let read = Reader::open(file.database.path(), options).and_then(|reader| reader.memory(accounts, now));
        let remembered = read.map_err(|error| format!("the database cannot be read: {error}"))?;
        if let Some(row) = remembered.unreadable.first() {
            return Err(format!("a row of the database cannot be read: {row}"));
        }
        let found = in_order(remembered.memory, now);
        if found == expected {
            Ok(found)
        } else {
            Err(format!("the database remembers {found:?}, and should remember {expected:?}")
                .replace("AccountMemory", "\nAccountMemory"))
        }
    }

    /// The lockout of an account that is durable.
    pub(super) fn lockout(&self, account_id: AccountId) -> Option<&Lockout> {
        self.model.lockouts.get(&account_id)
    }

    /// Realized P&L of a day as it is on record.
    pub(super) fn realized_micros(&self, account_id: AccountId, day: Date) -> Option<i64> {
        self.model.daily_pnl.get(&(account_id, day)).map(|row| row.realized_pnl.micros())
    }
}

/// The database, in a folder that goes with it.
struct File {
    writer: Writer,
    database: OwnedDatabase,
    folder: PathBuf,
}

impl File {
    fn create(folder: PathBuf, now: Timestamp) -> Result<Self, StoreError> {
        let clock = Clock::fixed(now);
        let options =
            MigrateOptions { create_if_missing: true, features: Features::ALL, ..MigrateOptions::new(clock.clone()) };
        let path = folder.join("state.db");
        let (database, _) = riskd_store::open(&Location::new(&path), &options, &riskd_store::nobody)?;
        let writer = Writer::open(database.path(), WriterOptions::new(clock))?;
        Ok(Self { writer, database, folder })
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // What is left of it is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The database as a few maps.
#[derive(Debug, Default)]
struct Model {
    lockouts: BTreeMap<AccountId, Lockout>,
    daily_pnl: BTreeMap<(AccountId, Date), DailyPnl>,
    contracts: BTreeMap<ContractId, Contract>,
    trades: BTreeMap<AccountId, Vec<RecordedTrade>>,
    positions: BTreeMap<PositionId, Position>,
    orders: BTreeMap<OrderId, Order>,
    enforcements: BTreeMap<EnforcementId, (EnforcementLog, Option<Goal>)>,
    schedules: BTreeMap<AccountId, ResetSchedule>,
    drawdown_marks: BTreeMap<AccountId, DrawdownMark>,
    commitments: BTreeMap<(AccountId, String), Commitment>,
}

impl Model {
    fn write(&mut self, write: Write) -> Result<(), String> {
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
            Write::AppendTrade(trade) => self.trades.entry(trade.account_id).or_default().push(recorded(&trade)),
            Write::RemoveTrade(trade) => {
                let rows = self.trades.entry(trade.account_id).or_default();
                let wanted = recorded(&trade);
                let index = rows.iter().position(|row| *row == wanted);
                rows.remove(index.ok_or_else(|| format!("a trade was taken back that is not on record: {trade:?}"))?);
            }
            Write::PutPosition(position) => {
                self.positions.insert(position.id, position);
            }
            Write::RemovePosition(id) => {
                self.positions.remove(&id);
            }
            Write::PutOrder(order) => {
                self.orders.insert(order.id, order);
            }
            Write::RemoveOrder(id) => {
                self.orders.remove(&id);
            }
            Write::PutEnforcement { log, goal } => {
                let id = log.id.ok_or("a row of the enforcement log without a number")?;
                self.enforcements.insert(id, (log, goal));
            }
            Write::PutResetSchedule(schedule) => {
                self.schedules.insert(schedule.account_id, schedule);
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
            // No start is told of these.
            Write::PutSessionState { .. } | Write::PutDailyUnrealizedPnl(_) | Write::AppendAudit(_) => {}
        }
        Ok(())
    }

    fn memory(&self, accounts: &[AccountId], now: Timestamp) -> Memory {
        let pending = self.enforcements.values().filter(|(log, _)| log.status == EnforcementStatus::Pending);
        Memory {
            accounts: accounts.iter().map(|account_id| self.account(*account_id, now)).collect(),
            contracts: self.contracts.values().cloned().collect(),
            pending_enforcements: pending.filter_map(|(log, goal)| Some((log.clone(), goal.clone()?))).collect(),
            last_enforcement_id: self.enforcements.keys().next_back().map_or(0, |last| last.0),
            drawdown_marks: self.drawdown_marks.clone(),
            commitments: self.commitments.values().cloned().collect(),
            // No admin acts in a world.
            unlocks: BTreeMap::new(),
        }
    }

    fn account(&self, account_id: AccountId, now: Timestamp) -> AccountMemory {
        let trades_since = now.checked_sub(SignedDuration::from_hours(DAYS_TOLD as i64 * 24)).unwrap_or(now);
        let days = self.daily_pnl.range((account_id, Date::MIN)..=(account_id, Date::MAX)).rev();
        let trades = self.trades.get(&account_id).into_iter().flatten();
        AccountMemory {
            account_id,
            lockout: self.lockouts.get(&account_id).cloned(),
            daily_pnl: days.take(DAYS_TOLD).map(|(_, day)| day.clone()).collect(),
            recorded_trades: trades.filter(|row| row.execution_time >= trades_since).cloned().collect(),
            positions: self.positions.values().filter(|held| held.account_id == account_id).cloned().collect(),
            orders: self.orders.values().filter(|order| order.account_id == account_id).cloned().collect(),
            reset_schedule: self.schedules.get(&account_id).cloned(),
        }
    }
}

/// The order of rows says nothing, and the table of daily P&L keeps no count of trades.
fn in_order(mut memory: Memory, now: Timestamp) -> Memory {
    for account in &mut memory.accounts {
        for day in &mut account.daily_pnl {
            let draft = DailyPnlDraft { trade_count: 0, ..(**day).clone() };
            *day = DailyPnl::new(draft).unwrap_or_else(|_| day.clone());
        }
        // Nor has the table of orders a place for what was filled so far.
        for order in &mut account.orders {
            let draft = OrderDraft { fill_price: None, filled_size: 0, custom_tag: None, ..(**order).clone() };
            *order =
                Order::new(draft, &Checks::at(now).allowing_negative_price(true)).unwrap_or_else(|_| order.clone());
        }
        account.recorded_trades.sort();
        account.positions.sort_by_key(|position| position.id);
        account.orders.sort_by_key(|order| order.id);
    }
    memory.contracts.sort_by(|one, other| one.contract_id.cmp(&other.contract_id));
    memory.pending_enforcements.sort_by_key(|(log, _)| log.id);
    memory
}

fn recorded(trade: &Trade) -> RecordedTrade {
    RecordedTrade {
        execution_time: truncate_to_millisecond(trade.execution_time),
        contract_id: trade.contract_id.clone(),
        profit_and_loss: trade.profit_and_loss,
    }
}
