//! One account and its rules without a broker: events in, breaches out.

use riskd_core::engine::*;
use riskd_core::model::*;

use crate::build::*;

pub struct Probe {
    pub config: Config,
    pub engine: EngineState,
    pub at: Timestamp,
    next_trade: i64,
}

/// What a breach led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    pub rule: RuleId,
    pub action: EnforcementAction,
    pub goal: Goal,
    /// The lock it left the account in.
    pub lock: Option<Option<Timestamp>>,
    pub pnl: Option<Money>,
    pub reason: String,
}

impl Probe {
    /// A connected account that holds nothing.
    pub fn new(rules: serde_json::Value) -> Self {
        Self::with_config(config(&[ALICE], crate::build::rules(rules)))
    }

    pub fn with_config(config: Config) -> Self {
        let mut actions = Vec::new();
        let engine = start(&config, Memory::default(), noon(), &mut actions);
        let mut probe = Self { config, engine, at: noon(), next_trade: 1 };
        probe.feed(Event::Link { hub: Hub::User, up: true });
        probe.feed(Event::Snapshot(Box::new(Snapshot {
            account_id: ALICE,
            asked_at: probe.at,
            account: None,
            positions: Vec::new(),
            orders: Vec::new(),
            trades: Vec::new(),
            trades_since: Some(Timestamp::MIN),
            refused: Vec::new(),
        })));
        probe
    }

    /// The same, knowing the contracts of the tests.
    pub fn with_contracts(rules: serde_json::Value) -> Self {
        let mut probe = Self::new(rules);
        for known in [MNQ, MES, ES, CL] {
            probe.feed(Event::Contract(contract(known)));
        }
        probe
    }

    pub fn feed(&mut self, event: Event) -> Vec<Response> {
        self.at = after(self.at, 1);
        let mut actions = Vec::new();
        step(&mut self.engine, &self.config, Input { at: self.at, event }, &mut actions);
        let lockout = self.engine.account(ALICE).unwrap().locks.lockout();
        let lock = lockout.map(|lockout| lockout.locked_until);
        actions
            .into_iter()
            .filter_map(|action| match action {
                Action::Store(Write::PutEnforcement { log, goal: Some(goal) }) => Some(Response {
                    rule: log.rule_id,
                    action: log.action.clone(),
                    goal,
                    lock,
                    pnl: log.pnl_at_enforcement,
                    reason: log.reason.clone(),
                }),
                _ => None,
            })
            .collect()
    }

    pub fn hold(&mut self, contract: &str, signed_size: i64, average: &str) -> Vec<Response> {
        self.feed(Event::Position(position(ALICE, contract, signed_size, average)))
    }

    pub fn quote(&mut self, contract: &str, last: &str) -> Vec<Response> {
        let at = self.at;
        self.feed(Event::Quote(quote(contract, last, at)))
    }

    pub fn realize(&mut self, pnl: Option<&str>, fees: &str) -> Vec<Response> {
        self.next_trade += 1;
        let trade = trade_with(self.next_trade, ALICE, pnl, fees, self.at, false);
        self.feed(Event::Trade(trade))
    }

    /// Lets time pass; gives what came of time alone.
    pub fn wait(&mut self, milliseconds: i64) -> Vec<Response> {
        self.at = after(self.at, milliseconds - 1);
        self.feed(Event::TimePassed)
    }

    /// The broker's books as they are, asked for now. Gives what came of them.
    pub fn look(&mut self, positions: Vec<Position>, orders: Vec<Order>) -> Vec<Response> {
        let asked_at = after(self.at, 1);
        self.feed(Event::Snapshot(Box::new(Snapshot {
            account_id: ALICE,
            asked_at,
            account: None,
            positions,
            orders,
            trades: Vec::new(),
            trades_since: None,
            refused: Vec::new(),
        })))
    }

    /// A look that shows the account, asked for at `asked_at` and answered now.
    pub fn look_at_account(&mut self, account: Account, asked_at: Timestamp) -> Vec<Response> {
        let state = self.engine.account(ALICE).unwrap();
        let positions = state.book.positions().cloned().collect();
        let orders = state.book.orders().cloned().collect();
        self.feed(Event::Snapshot(Box::new(Snapshot {
            account_id: ALICE,
            asked_at,
            account: Some(account),
            positions,
            orders,
            trades: Vec::new(),
            trades_since: Some(Timestamp::MAX),
            refused: Vec::new(),
        })))
    }

    /// The broker tells the balance.
    pub fn balance(&mut self, balance: &str) -> Vec<Response> {
        let draft = AccountDraft {
            id: ALICE,
            name: "alice".to_owned(),
            balance: dollars(balance),
            can_trade: Some(true),
            simulated: true,
        };
        self.feed(Event::Account(Account::new(draft).unwrap()))
    }
}
