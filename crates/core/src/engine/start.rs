//! The engine's start: from what the database remembers to a state that waits for the broker's word.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::action::{Action, Notice};
use super::config::Config;
use super::desk::{Context, Desk, Numbers, Reconciliation};
use super::drawdown::MarkOnDisk;
use super::memory::{AccountMemory, Memory};
use super::outbox::{Enforcement, Outbox};
use super::price_index::PriceIndex;
use super::step::EngineState;
use super::stops::Stops;
use crate::model::{AccountId, DrawdownMark, EnforcementLog, Order, Position, RuleId, time_after_ms};
use crate::rules::Goal;
use crate::state::{
    AccountState, Book, Drawdown, Locks, Markets, Session, Standing, Tracking, TradeMemory, Unlocked, UnseenFills,
};

/// Makes the engine's state at `at` from what is remembered. Every configured account gets a desk and is looked at.
///
/// Lockouts hold and unconfirmed enforcements go on. Remembered positions and orders count only once the broker's word
/// confirms them. A daily reset that fell due while the program was not running happens now, once.
pub fn start(config: &Config, memory: Memory, at: Timestamp, actions: &mut Vec<Action>) -> EngineState {
    let mut markets = Markets::default();
    for contract in memory.contracts {
        let contract_id = contract.contract_id.clone();
        markets.get_or_insert(&contract_id).describe(contract);
    }
    let mut remembered: BTreeMap<AccountId, AccountMemory> =
        memory.accounts.into_iter().map(|account| (account.account_id, account)).collect();
    let mut pending = memory.pending_enforcements;
    let mut marks = memory.drawdown_marks;
    let mut engine = EngineState {
        desks: BTreeMap::new(),
        markets,
        numbers: Numbers { last_request: 0, last_enforcement: memory.last_enforcement_id },
        in_flight: BTreeMap::new(),
        user_hub_up: false,
        market_hub_up: false,
        wakes: std::collections::BTreeSet::new(),
        sweep_at: at,
        arming_looked_at: AccountId(i64::MIN),
        latest: at,
        breaches: Vec::new(),
        asked: Vec::new(),
        price_index: PriceIndex::default(),
        asks_everyone: false,
    };
    for account_id in config.accounts.keys() {
        let mine = pending.extract_if(.., |(log, _)| log.account_id == *account_id).collect();
        let mut desk = desk(
            config,
            *account_id,
            remembered.remove(account_id),
            mine,
            marks.remove(account_id),
            &engine.markets,
            at,
        );
        // While the lockout stands that was to end, the unlock never became durable.
        let stood =
            |unlocked: &&Unlocked| desk.state.locks.lockout().is_none_or(|lockout| lockout.locked_at > unlocked.at);
        if let Some(unlocked) = memory.unlocks.get(account_id).filter(stood) {
            let began = desk.state.session.starts_at();
            desk.state.locks.remember_pardon(unlocked.clone(), began);
        }
        engine.desks.insert(*account_id, desk);
    }
    engine.for_each_desk(config, at, actions, |desk, context| {
        desk.note_missed_reset(context);
        desk.reconciliation.look_by(context.at);
        desk.look_if_due(context);
    });
    engine
}

fn desk(
    config: &Config,
    account_id: AccountId,
    memory: Option<AccountMemory>,
    pending: Vec<(EnforcementLog, Goal)>,
    mark: Option<DrawdownMark>,
    markets: &Markets,
    at: Timestamp,
) -> Desk {
    let clock = &config.accounts[&account_id].day_clock;
    let mut session = Session::at(clock, at);
    let mut locks = Locks::default();
    let mut earlier_days = BTreeMap::new();
    let mut recorded_trades = BTreeMap::new();
    let mut book = Book::default();
    let mut last_schedule = None;
    if let Some(memory) = memory {
        if let Some(lockout) = memory.lockout {
            let is_cooldown = lockout.is_cooldown();
            locks.set(lockout);
            // Judged anew at the broker's first word.
            let remembered = || Standing::of(&remembered_book(&memory.positions, &memory.orders));
            locks.standing = is_cooldown.then(remembered);
        }
        for day in memory.daily_pnl {
            if day.date == session.day() {
                session.remember(day.realized_pnl);
            } else {
                earlier_days.insert(day.date, day.realized_pnl);
            }
        }
        for trade in memory.recorded_trades {
            *recorded_trades.entry(trade).or_insert(0) += 1;
        }
        book = remembered_book(&memory.positions, &memory.orders);
        last_schedule = memory.reset_schedule;
    }
    let is_locked_for_drawdown = locks.causes().any(|lockout| lockout.rule_id == RuleId::MAX_DRAWDOWN);
    let drawdown = mark.map(|mark| Drawdown {
        starting_balance: mark.starting_balance,
        high_water_mark: mark.high_water_mark,
        day: mark.day,
    });
    let mut tracking = Tracking::default();
    tracking.remember(&book, markets);
    let stops = Stops::remembered(&pending, at);
    let enforcements = pending.into_iter().map(|(log, goal)| Enforcement { log, goal, told: None }).collect();
    Desk {
        state: AccountState {
            account_id,
            account: None,
            standing: Standing::of(&book),
            book,
            session,
            locks,
            certain: false,
            could_trade_in_this_run: false,
            may_trade_changed_at: None,
            may_trade_is_proven: false,
            fills: UnseenFills::default(),
            trade_memory: TradeMemory::default(),
            looked_at: None,
            funds: None,
            drawdown,
            tracking,
        },
        outbox: Outbox { enforcements, ..Outbox::default() },
        reconciliation: Reconciliation::default(),
        stops,
        heard_from_the_broker: false,
        recorded_trades,
        earlier_days,
        takes_what_waited: false,
        unlocks: Vec::new(),
        is_first_run: last_schedule.is_none(),
        later_trades: Vec::new(),
        last_schedule,
        indexed: Vec::new(),
        mark_on_disk: MarkOnDisk::remembered(drawdown, is_locked_for_drawdown),
        wake_at: None,
        rules_wake_at: None,
        not_armed: BTreeMap::new(),
    }
}

/// The book as the last run left it. As the oldest of news: whatever the broker says is newer.
fn remembered_book(positions: &[Position], orders: &[Order]) -> Book {
    let mut book = Book::default();
    for position in positions {
        book.put_position(position.clone(), Timestamp::MIN);
    }
    for order in orders {
        book.put_order(order.clone(), Timestamp::MIN);
    }
    book
}

impl Desk {
    /// A reset that fell due while nobody watched happens now, once; the schedule is written down in any case.
    fn note_missed_reset(&mut self, context: &mut Context<'_>) {
        let at = context.at;
        let missed = self.last_schedule.take_if(|schedule| schedule.next_reset_time <= at);
        if let Some(missed) = missed
            && let Some(account) = self.account_config(context.config)
        {
            let day = account.day_clock.day_of(time_after_ms(missed.next_reset_time, -1));
            let realized_pnl = self.earlier_days.get(&day).copied().unwrap_or_default();
            context.tell(Notice::DailyReset { account_id: self.id(), day, realized_pnl });
        }
        self.store_schedule(context);
    }
}
