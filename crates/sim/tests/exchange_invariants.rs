//! Whatever traders do, the books balance. The books kept here are separate and plain: sums of fills, and contracts one
//! by one in a queue, priced in whole ticks.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use riskd_core::model::{AccountId, ContractId, Money, OrderId, OrderType, Price, Side, Timestamp};
use riskd_sim::exchange::{
    AccountRecord, Bracket, Exchange, ExchangeConfig, ExchangeEvent, Liquidity, OrderChange, OrderStatus, OrderTicket,
    TradeRecord, contract_id,
};

const ACCOUNTS: [AccountId; 2] = [AccountId(1), AccountId(2)];

/// A contract's tick in billionths of a point, and its worth in millionths of a dollar, as its rule book has them.
const TICKS: [(&str, i64, i64); 3] =
    [("ES", 250_000_000, 12_500_000), ("CL", 10_000_000, 10_000_000), ("RTY", 100_000_000, 5_000_000)];

#[derive(Debug, Clone)]
enum Deed {
    Tick { contract: usize, move_ticks: i64 },
    Place { account: usize, contract: usize, kind: i32, buys: bool, size: i64, away: i64, bracket: Option<(i64, i64)> },
    Modify { order: usize, size: Option<i64>, away: Option<i64> },
    Cancel { order: usize },
    Close { account: usize, contract: usize },
    ClosePart { account: usize, contract: usize, size: i64 },
    CanTrade { account: usize, can_trade: bool },
    CloseDelay { milliseconds: i64 },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let (account, contract) = (0..ACCOUNTS.len(), 0..TICKS.len());
    let bracket = proptest::option::of((1..10_i64, 1..10_i64));
    let placing = (account.clone(), contract.clone(), 1..=7_i32, any::<bool>(), 1..6_i64, -6..12_i64, bracket)
        .prop_map(|(account, contract, kind, buys, size, away, bracket)| Deed::Place {
            account,
            contract,
            kind,
            buys,
            size,
            away,
            bracket,
        });
    let changes = (any::<usize>(), proptest::option::of(0..6_i64), proptest::option::of(-4..8_i64));
    let deed = prop_oneof![
        6 => (contract.clone(), -4..=4_i64).prop_map(|(contract, move_ticks)| Deed::Tick { contract, move_ticks }),
        5 => placing,
        1 => changes.prop_map(|(order, size, away)| Deed::Modify { order, size, away }),
        1 => any::<usize>().prop_map(|order| Deed::Cancel { order }),
        1 => (account.clone(), contract.clone()).prop_map(|(account, contract)| Deed::Close { account, contract }),
        1 => (account.clone(), contract, 1..4_i64)
            .prop_map(|(account, contract, size)| Deed::ClosePart { account, contract, size }),
        1 => (account, any::<bool>()).prop_map(|(account, can_trade)| Deed::CanTrade { account, can_trade }),
        1 => (0..3_i64).prop_map(|seconds| Deed::CloseDelay { milliseconds: seconds * 1_000 }),
    ];
    proptest::collection::vec(deed, 1..120)
}

/// An exchange being acted upon, and what it has told so far.
struct Scene {
    exchange: Exchange,
    contracts: Vec<ContractId>,
    prices: Vec<i64>,
    told: Vec<ExchangeEvent>,
    second: i64,
}

impl Scene {
    fn new(seed: u64, liquidity: Liquidity) -> Self {
        let accounts = ACCOUNTS.map(|id| AccountRecord::new(id.0, "a")).to_vec();
        let exchange = Exchange::new(ExchangeConfig { seed, accounts, liquidity, ..ExchangeConfig::default() });
        let contracts = TICKS.iter().map(|(root, ..)| contract_id(root).unwrap()).collect();
        let mut scene = Self { exchange, contracts, prices: vec![4_000; TICKS.len()], told: Vec::new(), second: 0 };
        for contract in 0..TICKS.len() {
            scene.act(&Deed::Tick { contract, move_ticks: 0 });
        }
        scene
    }

    fn price(&self, contract: usize, ticks_away: i64) -> Price {
        Price::from_nanos((self.prices[contract] + ticks_away) * TICKS[contract].1)
    }

    fn pick(&self, order: usize) -> Option<(AccountId, OrderId, usize)> {
        let all: Vec<_> = ACCOUNTS.iter().flat_map(|id| self.exchange.orders(*id)).collect();
        let chosen = all.get(order.checked_rem(all.len())?)?;
        let contract = self.contracts.iter().position(|id| *id == chosen.contract_id)?;
        Some((chosen.account_id, chosen.id, contract))
    }

    fn act(&mut self, deed: &Deed) {
        self.second += 1;
        let now = Timestamp::from_second(self.second).unwrap();
        self.exchange.advance(now);
        match deed {
            Deed::Tick { contract, move_ticks } => {
                self.prices[*contract] = (self.prices[*contract] + move_ticks).max(100);
                let price = self.price(*contract, 0);
                self.exchange.tick(&self.contracts[*contract], price, now).unwrap();
            }
            Deed::Place { account, contract, kind, buys, size, away, bracket } => {
                let side = if *buys { Side::Buy } else { Side::Sell };
                let direction = if *buys { 1 } else { -1 };
                let stop = self.price(*contract, direction * away);
                let ticket = OrderTicket {
                    order_type: OrderType::from_code(*kind),
                    limit_price: Some(self.price(*contract, -direction * away)),
                    stop_price: Some(stop),
                    trail_price: Some(stop),
                    stop_loss: bracket.map(|(ticks, _)| Bracket { ticks, order_type: OrderType::TrailingStop }),
                    take_profit: bracket.map(|(_, ticks)| Bracket { ticks, order_type: OrderType::Limit }),
                    ..OrderTicket::market(ACCOUNTS[*account], self.contracts[*contract].clone(), side, *size)
                };
                let _ = self.exchange.place(ticket, now);
            }
            Deed::Modify { order, size, away } => {
                if let Some((account_id, order_id, contract)) = self.pick(*order) {
                    let price = away.map(|away| self.price(contract, away));
                    let is_stop = self.exchange.order(order_id).unwrap().stop_price.is_some();
                    let change = OrderChange {
                        size: *size,
                        limit_price: price.filter(|_| !is_stop),
                        stop_price: price.filter(|_| is_stop),
                        trail_price: None,
                    };
                    let _ = self.exchange.modify(account_id, order_id, change, now);
                }
            }
            Deed::Cancel { order } => {
                if let Some((account_id, order_id, _)) = self.pick(*order) {
                    let _ = self.exchange.cancel(account_id, order_id, now);
                }
            }
            Deed::Close { account, contract } => {
                let _ = self.exchange.close(ACCOUNTS[*account], &self.contracts[*contract], now);
            }
            Deed::ClosePart { account, contract, size } => {
                let _ = self.exchange.close_part(ACCOUNTS[*account], &self.contracts[*contract], *size, now);
            }
            Deed::CanTrade { account, can_trade } => self.exchange.set_can_trade(ACCOUNTS[*account], *can_trade),
            Deed::CloseDelay { milliseconds } => self.exchange.set_close_delay_ms(*milliseconds),
        }
        self.told.extend(self.exchange.take_events());
    }
}

fn sign(trade: &TradeRecord) -> i64 {
    if trade.side == Side::Buy { trade.size } else { -trade.size }
}

fn check_books(scene: &Scene) {
    for account_id in ACCOUNTS {
        let trades = scene.exchange.trades(account_id);
        let mut realized_in_all = Money::ZERO;
        for (contract, id) in scene.contracts.iter().enumerate() {
            let of_contract: Vec<_> = trades.iter().filter(|trade| trade.contract_id == *id).collect();
            let held: i64 = of_contract.iter().map(|trade| sign(trade)).sum();
            assert_eq!(scene.exchange.signed_size(account_id, id), held, "a position is the sum of its fills");
            let realized = realized_one_by_one(&of_contract, contract);
            realized_in_all += realized;
        }
        let fees: Money = trades.iter().map(|trade| trade.fees).sum();
        let balance = scene.exchange.account(account_id).unwrap().balance;
        assert_eq!(balance, Money::from_dollars(50_000) + realized_in_all - fees);
    }
}

/// Goes through the fills contract by contract, first in, first out; compares the P&L of each and says the sum.
fn realized_one_by_one(trades: &[&TradeRecord], contract: usize) -> Money {
    let (_, tick_nanos, tick_micros) = TICKS[contract];
    let mut queue: VecDeque<(i64, i64)> = VecDeque::new();
    let mut sum = Money::ZERO;
    for trade in trades {
        let (ticks, side) = (trade.price.nanos() / tick_nanos, sign(trade).signum());
        let mut realized = None;
        for _ in 0..trade.size {
            match queue.front().copied().filter(|(_, held)| *held != side) {
                Some((entry, held)) => {
                    queue.pop_front();
                    *realized.get_or_insert(0) += (ticks - entry) * held * tick_micros;
                }
                None => queue.push_back((ticks, side)),
            }
        }
        assert_eq!(trade.profit_and_loss, realized.map(Money::from_micros), "P&L to the cent: {trade:?}");
        sum += trade.profit_and_loss.unwrap_or_default();
    }
    sum
}

fn check_orders(scene: &Scene) {
    let mut fills: BTreeMap<OrderId, i64> = BTreeMap::new();
    for trade in ACCOUNTS.iter().flat_map(|id| scene.exchange.trades(*id)) {
        *fills.entry(trade.order_id).or_default() += trade.size;
    }
    for account_id in ACCOUNTS {
        let orders = scene.exchange.orders(account_id);
        let numbers: BTreeSet<OrderId> = orders.iter().map(|order| order.id).collect();
        assert_eq!(numbers.len(), orders.len(), "no order is both alive and in history");
        for order in &orders {
            assert_eq!(order.filled_size, fills.get(&order.id).copied().unwrap_or(0), "{order:?}");
            assert!(order.filled_size <= order.size, "{order:?}");
            let complete = order.status == OrderStatus::Filled;
            assert_eq!(order.filled_size == order.size, complete, "{order:?}");
        }
        let alive: BTreeSet<OrderId> = scene.exchange.living_orders(account_id).iter().map(|order| order.id).collect();
        let by_status = orders.iter().filter(|order| order.status.is_alive()).map(|order| order.id).collect();
        assert_eq!(alive, by_status);
    }
}

/// The last word told about every order and position is what stands in the books.
fn check_told(scene: &Scene) {
    for event in scene.told.iter().rev() {
        if let ExchangeEvent::Order(order) = event {
            let last = scene.told.iter().rev().find_map(|event| match event {
                ExchangeEvent::Order(told) if told.id == order.id => Some(told),
                _ => None,
            });
            assert_eq!(
                last.map(|told| (told.status, told.filled_size, told.size)),
                scene.exchange.order(order.id).map(|order| (order.status, order.filled_size, order.size))
            );
        }
    }
}

/// An order that may only reduce never left a position on the other side, or larger.
fn check_reducing(before: &BTreeMap<(AccountId, ContractId), i64>, scene: &Scene, from: usize) {
    let mut held = before.clone();
    let mut reducing: BTreeSet<OrderId> = BTreeSet::new();
    for event in &scene.told[from..] {
        match event {
            ExchangeEvent::Order(order) if order.reduces_only => {
                reducing.insert(order.id);
            }
            ExchangeEvent::Trade(trade) => {
                let size = held.entry((trade.account_id, trade.contract_id.clone())).or_default();
                let after = *size + sign(trade);
                if reducing.contains(&trade.order_id) {
                    assert!(after.abs() < size.abs() && after * *size >= 0, "{trade:?} took {size} to {after}");
                }
                *size = after;
            }
            _ => {}
        }
    }
}

fn holdings(scene: &Scene) -> BTreeMap<(AccountId, ContractId), i64> {
    let all = ACCOUNTS.iter().flat_map(|id| scene.exchange.positions(*id));
    all.map(|position| ((position.account_id, position.contract_id), position.signed_size)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_balance_after_every_deed(seed in any::<u64>(), thin in 0..4_i64, deeds in deeds()) {
        println!("exchange seed {seed}");
        let liquidity = match thin {
            0 => Liquidity::Unlimited,
            1 => Liquidity::AtMost(1),
            up_to => Liquidity::UpTo(up_to),
        };
        let mut scene = Scene::new(seed, liquidity);
        for deed in &deeds {
            let (before, from) = (holdings(&scene), scene.told.len());
            scene.act(deed);
            check_reducing(&before, &scene, from);
            check_books(&scene);
            check_orders(&scene);
        }
        check_told(&scene);
    }

    #[test]
    fn the_same_deeds_leave_the_same_books(seed in any::<u64>(), deeds in deeds()) {
        let play = || {
            let mut scene = Scene::new(seed, Liquidity::UpTo(3));
            deeds.iter().for_each(|deed| scene.act(deed));
            scene.told
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn closing_everything_ends_flat(seed in any::<u64>(), deeds in deeds()) {
        let mut scene = Scene::new(seed, Liquidity::Unlimited);
        deeds.iter().for_each(|deed| scene.act(deed));
        scene.act(&Deed::CloseDelay { milliseconds: 0 });
        for (account, account_id) in ACCOUNTS.into_iter().enumerate() {
            let now = Timestamp::from_second(scene.second).unwrap();
            for order in scene.exchange.living_orders(account_id) {
                let _ = scene.exchange.cancel(account_id, order.id, now);
            }
            (0..TICKS.len()).for_each(|contract| scene.act(&Deed::Close { account, contract }));
            prop_assert!(scene.exchange.is_flat(account_id));
            prop_assert!(scene.exchange.living_orders(account_id).is_empty());
        }
        check_books(&scene);
    }
}
