//! The broker's true books.

use std::collections::{BTreeMap, VecDeque};

use riskd_core::engine::Event;
use riskd_core::model::*;

use crate::build::*;

/// What becomes of a request to close, reduce or cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted and done.
    Done,
    /// Accepted, and nothing happens.
    AcceptedNotDone,
    /// Refused with this code.
    Refused(i32),
    /// Done, but the answer is lost.
    AnswerLost,
    /// It never arrives, and no answer comes.
    RequestLost,
    /// It never left.
    NotSent,
}

/// What becomes of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Answered,
    Failed,
    /// The positions of this account cannot be read: they come as refused rows.
    PositionsUnreadable,
    /// The orders cannot be read.
    OrdersUnreadable,
    /// One row of trades cannot be read, all others are listed.
    TradeUnreadable,
}

#[derive(Debug, Clone)]
pub struct Held {
    pub size: i64,
    pub average: Price,
    pub opened: i64,
}

#[derive(Debug, Clone, Default)]
pub struct BrokerAccount {
    /// What a look at everything shows of the account itself, where it shows that.
    pub row: Option<Account>,
    pub positions: BTreeMap<ContractId, Held>,
    pub orders: BTreeMap<OrderId, Order>,
    pub trades: BTreeMap<TradeId, Trade>,
    /// Stops of ours that are finished: they are found by their tag.
    pub finished_stops: Vec<Order>,
}

#[derive(Debug, Clone)]
pub struct Broker {
    pub accounts: BTreeMap<AccountId, BrokerAccount>,
    pub prices: BTreeMap<ContractId, Price>,
    /// What becomes of the next requests; after these, everything is done.
    pub outcomes: VecDeque<Outcome>,
    /// What becomes of the next looks; after these, all are answered.
    pub looks: VecDeque<Look>,
    /// How long a market order works before it fills.
    pub fill_ms: i64,
    pub next_id: i64,
}

impl Broker {
    pub fn new(accounts: &[AccountId]) -> Self {
        let prices = [(MNQ, "20000"), (MES, "5000"), (ES, "5000"), (CL, "60")];
        Self {
            accounts: accounts.iter().map(|account_id| (*account_id, BrokerAccount::default())).collect(),
            prices: prices.into_iter().map(|(contract, last)| (id(contract), price(last))).collect(),
            outcomes: VecDeque::new(),
            looks: VecDeque::new(),
            fill_ms: 0,
            next_id: 1,
        }
    }

    pub fn account(&mut self, account_id: AccountId) -> &mut BrokerAccount {
        self.accounts.get_mut(&account_id).expect("the broker has the account")
    }

    pub fn size(&self, account_id: AccountId, contract_id: &ContractId) -> i64 {
        self.accounts[&account_id].positions.get(contract_id).map_or(0, |held| held.size)
    }

    pub fn is_flat(&self, account_id: AccountId) -> bool {
        self.accounts[&account_id].positions.is_empty()
    }

    pub fn number(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// Fills `change` contracts at the present price; gives what the hub says of it.
    pub fn fill(&mut self, account_id: AccountId, contract_id: &ContractId, change: i64, at: Timestamp) -> Vec<Event> {
        let last = self.prices[contract_id];
        let (trade_id, opened) = (self.number(), self.number());
        let account = self.account(account_id);
        let before = account.positions.get(contract_id).cloned();
        let (size, average) = before.as_ref().map_or((0, last), |held| (held.size, held.average));
        let closed = if size.signum() * change.signum() < 0 { change.abs().min(size.abs()) } else { 0 };
        let pnl =
            (closed > 0).then(|| contract(contract_id.as_str()).value_between(average, last, closed * size.signum()));
        let after = size + change;
        let average = match (after == 0 || closed > 0, after.signum() == size.signum()) {
            (true, true) => average,
            (true, false) => last,
            (false, _) => weighted(average, size.abs(), last, change.abs()),
        };
        if after == 0 {
            account.positions.remove(contract_id);
        } else {
            let opened = before.filter(|_| after.signum() == size.signum()).map_or(opened, |held| held.opened);
            account.positions.insert(contract_id.clone(), Held { size: after, average, opened });
        }
        let trade = Trade::new(
            TradeDraft {
                id: TradeId(trade_id),
                account_id,
                contract_id: contract_id.clone(),
                quantity: change.abs(),
                profit_and_loss: pnl,
                fees: dollars("0.50"),
                side: if change > 0 { Side::Buy } else { Side::Sell },
                price: last,
                execution_time: at,
                entry_price: None,
                exit_price: None,
                voided: false,
                order_id: OrderId(trade_id),
            },
            &checks(),
        )
        .unwrap();
        account.trades.insert(trade.id, trade.clone());
        let position = self
            .position(account_id, contract_id)
            .map_or(Event::PositionClosed { account_id, contract_id: contract_id.clone() }, Event::Position);
        vec![Event::Trade(trade), position]
    }

    pub fn position(&self, account_id: AccountId, contract_id: &ContractId) -> Option<Position> {
        let held = self.accounts[&account_id].positions.get(contract_id)?;
        let position_type = if held.size > 0 { PositionType::Long } else { PositionType::Short };
        let draft = PositionDraft {
            id: PositionId(held.opened),
            account_id,
            contract_id: contract_id.clone(),
            position_type,
            size: held.size.abs(),
            average_price: held.average,
            created_at: noon(),
            updated_at: noon(),
        };
        Some(Position::new(draft, &checks()).unwrap())
    }

    pub fn positions(&self, account_id: AccountId) -> Vec<Position> {
        let held = self.accounts[&account_id].positions.keys();
        held.filter_map(|contract_id| self.position(account_id, contract_id)).collect()
    }
}

fn weighted(one: Price, one_size: i64, other: Price, other_size: i64) -> Price {
    let sum = i128::from(one.nanos()) * i128::from(one_size) + i128::from(other.nanos()) * i128::from(other_size);
    Price::from_nanos((sum / i128::from(one_size + other_size)) as i64)
}
