//! One account as the engine works on it: what rules may see, and what they may not.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::action::{Action, Notice, Request, RequestId, RequestKind, ResetSchedule, Write};
use super::arming::Missing;
use super::config::{AccountConfig, Config};
use super::drawdown::MarkOnDisk;
use super::look_budget::LookBudget;
use super::memory::RecordedTrade;
use super::outbox::Outbox;
use super::stops::Stops;
use super::unlock::PendingUnlock;
use crate::model::{AccountId, ContractId, EnforcementId, Money, RuleId, Trade, time_after_ms};
use crate::rules::Trigger;
use crate::state::{AccountState, AccountView, Markets};

/// Shortest time between two looks because of payloads that were refused, in milliseconds.
const DOUBT_SPACING_MS: i64 = 1_000;

/// One account's desk.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub(super) state: AccountState,
    pub(super) outbox: Outbox,
    pub(super) reconciliation: Reconciliation,
    /// Stops that this program places and moves.
    pub(super) stops: Stops,
    /// Whether the broker has said in this run what there is. Until then the book holds what the database remembers,
    /// and nothing is done on the strength of that.
    pub(super) heard_from_the_broker: bool,
    /// Rows of trade history that no trade heard of in this run accounts for yet.
    pub(super) recorded_trades: BTreeMap<RecordedTrade, u32>,
    /// Realized P&L of earlier days, for trades that come late.
    pub(super) earlier_days: BTreeMap<Date, Money>,
    /// Whether the config that waited for the last reset is in force, though it was not put in its place yet.
    pub(super) takes_what_waited: bool,
    /// Unlocks by an admin whose durability is not answered yet.
    pub(super) unlocks: Vec<PendingUnlock>,
    /// Whether no earlier run of the program knew this account.
    pub(super) is_first_run: bool,
    /// Trades dated beyond the end of the day, held until it turns.
    pub(super) later_trades: Vec<Trade>,
    /// The reset schedule of the last run, until the start has looked at it.
    pub(super) last_schedule: Option<ResetSchedule>,
    /// The contracts in which the price index has a band of this account.
    pub(super) indexed: Vec<ContractId>,
    /// What is on the disk of the drawdown's mark.
    pub(super) mark_on_disk: MarkOnDisk,
    /// When the desk next wants to be woken.
    pub(super) wake_at: Option<Timestamp>,
    /// When a rule next wants to be asked by time alone.
    pub(super) rules_wake_at: Option<Timestamp>,
    /// Rules that could not fire when they were last looked at.
    pub(super) not_armed: BTreeMap<RuleId, Missing>,
}

/// When the broker was and will be asked what there is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reconciliation {
    pub(super) outstanding: Option<RequestId>,
    /// When the broker was last asked.
    pub(super) asked_at: Option<Timestamp>,
    /// When everything is asked next: positions, orders, trades, the account.
    pub(super) look_at: Option<Timestamp>,
    /// When only positions and orders are asked next, which costs less of the request budget.
    pub(super) glance_at: Option<Timestamp>,
    /// What enforcements may still spend of the request budget on looks.
    pub(super) budget: LookBudget,
    /// Looks in a row that the broker did not answer.
    pub(super) failures: usize,
    /// Looks in a row with a position or order that could not be read.
    pub(super) unreadable: usize,
}

impl Reconciliation {
    /// Asks for a look at `when` at the latest.
    pub(super) fn look_by(&mut self, when: Timestamp) {
        self.look_at = Some(self.look_at.map_or(when, |planned| planned.min(when)));
    }

    /// Asks for a glance at positions and orders at `when` at the latest.
    pub(super) fn glance_by(&mut self, when: Timestamp) {
        self.glance_at = Some(self.glance_at.map_or(when, |planned| planned.min(when)));
    }

    /// When the broker is asked next, one way or the other.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        [self.look_at, self.glance_at].into_iter().flatten().min()
    }

    /// Asks for a look at once, or so long after the last one that a stream of bad payloads cannot eat up the request
    /// budget that enforcements need.
    pub(super) fn look_soon(&mut self, at: Timestamp) {
        let earliest = self.asked_at.map_or(at, |asked_at| time_after_ms(asked_at, DOUBT_SPACING_MS));
        self.look_by(at.max(earliest));
    }
}

/// Numbers handed out by the engine.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    pub(super) last_request: u64,
    pub(super) last_enforcement: i64,
}

impl Numbers {
    pub(super) fn next_enforcement(&mut self) -> EnforcementId {
        self.last_enforcement += 1;
        EnforcementId(self.last_enforcement)
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }
}

/// What a step works with besides the desk.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) at: Timestamp,
    pub(super) markets: &'a mut Markets,
    pub(super) numbers: &'a mut Numbers,
    pub(super) in_flight: &'a mut BTreeMap<RequestId, Request>,
    pub(super) user_hub_up: bool,
    pub(super) account_count: usize,
    pub(super) actions: &'a mut Vec<Action>,
}

impl Context<'_> {
    pub(super) fn store(&mut self, write: Write) {
        self.actions.push(Action::Store(write));
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        self.actions.push(Action::Notice(notice));
    }

    pub(super) fn send(&mut self, account_id: Option<AccountId>, kind: RequestKind) -> RequestId {
        let request = Request { id: self.numbers.next_request(), account_id, kind };
        self.in_flight.insert(request.id, request.clone());
        let id = request.id;
        self.actions.push(Action::Send(request));
        id
    }
}

impl Desk {
    pub(super) fn view<'a>(&'a self, markets: &'a Markets, at: Timestamp) -> AccountView<'a> {
        AccountView { account: &self.state, markets, at }
    }

    pub(super) fn id(&self) -> AccountId {
        self.state.account_id
    }

    pub(super) fn account_config<'a>(&self, config: &'a Config) -> Option<&'a AccountConfig> {
        let waited = self.takes_what_waited.then(|| config.waiting.get(&self.id())).flatten();
        waited.map(|waiting| &waiting.account).or_else(|| config.accounts.get(&self.id()))
    }

    /// What rules should look at in one contract: the position and the orders.
    pub(super) fn triggers_in(&self, contract_id: &ContractId) -> Vec<Trigger> {
        let book = &self.state.book;
        let position = book.position(contract_id).map(|_| Trigger::Position(contract_id.clone()));
        let orders = book.orders().filter(|order| order.contract_id == *contract_id);
        position.into_iter().chain(orders.map(|order| Trigger::Order(order.id))).collect()
    }

    /// Marks whether positions and orders are known for certain, and says so when that changes.
    pub(super) fn set_certain(&mut self, context: &mut Context<'_>, certain: bool) {
        if self.state.certain != certain {
            self.state.certain = certain;
            context.tell(Notice::Certainty { account_id: self.id(), certain });
        }
    }
}
