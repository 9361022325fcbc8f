#![allow(clippy::unwrap_used)]

use riskd_core::model::Money;

use super::*;
use crate::exchange::{AccountRecord, ExchangeConfig, ExchangeEvent, OrderStatus, contract_id};
use crate::feed::{Feed, sample};

type Kind = fn(AccountId, &ContractId, u64) -> Trader;

const KINDS: [(i64, Kind); 6] =
    [(1, steady), (2, over_sizer), (3, bleeder), (4, holder), (5, re_enterer), (6, panicker)];

/// What an account went through.
#[derive(Debug, Default, Clone, PartialEq)]
struct Story {
    largest: i64,
    worst_realized: Money,
    worst_open: Money,
    fills: usize,
}

/// Plays a feed with nobody watching over the accounts.
fn play(feed: &Feed, seed: u64) -> (Vec<Story>, Vec<Trader>, Exchange) {
    let contract_id = contract_id("ES").unwrap();
    let accounts = KINDS.map(|(id, _)| AccountRecord::new(id, "a")).to_vec();
    let mut exchange = Exchange::new(ExchangeConfig { accounts, ..ExchangeConfig::default() });
    let contract = exchange.listing(&contract_id).unwrap().contract.clone();
    let mut traders: Vec<_> = KINDS.iter().map(|(id, kind)| kind(AccountId(*id), &contract_id, seed)).collect();
    let mut stories = vec![Story::default(); traders.len()];
    let first = feed.ticks()[0].at;
    for tick in feed.ticks() {
        exchange.tick(&contract_id, tick.price, tick.at).unwrap();
        let elapsed = Duration::try_from(tick.at.duration_since(first)).unwrap();
        for (trader, story) in traders.iter_mut().zip(&mut stories) {
            trader.act(&mut exchange, elapsed, tick.at);
            let id = trader.account_id;
            let held = exchange.signed_size(id, &contract_id);
            let open = exchange.average_price(id, &contract_id).unwrap_or_default();
            story.largest = story.largest.max(held.abs());
            story.worst_open = story.worst_open.min(contract.value_between(open, tick.price, held));
        }
        for event in exchange.take_events() {
            if let ExchangeEvent::Trade(trade) = event {
                let story =
                    &mut stories[traders.iter().position(|trader| trader.account_id == trade.account_id).unwrap()];
                story.fills += 1;
                story.worst_realized = story.worst_realized.min(exchange.realized_pnl(trade.account_id));
            }
        }
    }
    (stories, traders, exchange)
}

#[test]
fn each_kind_of_trader_breaks_its_own_rule_on_the_sample_and_no_other() {
    let dollars = Money::from_dollars;
    for seed in [1, 2, 3] {
        let (stories, ..) = play(&sample(), seed);
        let [steady, over_sizer, bleeder, holder, re_enterer, panicker] = stories.try_into().unwrap();
        // The limits of the default config: five contracts, 500 realized, 300 open.
        assert!(steady.fills >= 4 && steady.largest == 1, "seed {seed}: {steady:?}");
        assert!(steady.worst_realized > dollars(-500) && steady.worst_open > dollars(-300), "seed {seed}: {steady:?}");
        assert_eq!(over_sizer.largest, 7, "seed {seed}");
        assert!(bleeder.worst_realized <= dollars(-500), "seed {seed}: {bleeder:?}");
        assert!(bleeder.largest <= 3 && bleeder.worst_open > dollars(-300), "seed {seed}: {bleeder:?}");
        assert!(holder.worst_open <= dollars(-300) && holder.largest <= 5, "seed {seed}: {holder:?}");
        assert!(re_enterer.largest >= 6, "seed {seed}: {re_enterer:?}");
        assert!(panicker.fills >= 3 && panicker.worst_realized < Money::ZERO, "seed {seed}: {panicker:?}");
    }
}

#[test]
fn the_same_seed_and_feed_give_the_same_story() {
    let (stories, traders, exchange) = play(&sample(), 5);
    let (again, traders_again, exchange_again) = play(&sample(), 5);
    assert_eq!(stories, again);
    for (left, right) in traders.iter().zip(&traders_again) {
        assert_eq!(left.deeds(), right.deeds());
        assert_eq!(exchange.trades(left.account_id), exchange_again.trades(right.account_id));
    }
}

#[test]
fn a_locked_trader_comes_back_and_leaves_orders_about() {
    let contract_id = contract_id("ES").unwrap();
    let mut exchange = Exchange::new(ExchangeConfig::default());
    let account_id = AccountId(1001);
    let mut trader = re_enterer(account_id, &contract_id, 1);
    let (mut entries, mut left_about) = (0, 0);
    let feed = sample();
    let first = feed.ticks()[0].at;
    for tick in feed.ticks() {
        exchange.tick(&contract_id, tick.price, tick.at).unwrap();
        let deeds = trader.deeds().len();
        trader.act(&mut exchange, Duration::try_from(tick.at.duration_since(first)).unwrap(), tick.at);
        entries += usize::from(trader.deeds().len() > deeds && !exchange.is_flat(account_id));
        // Somebody closes whatever is opened and cancels whatever works, as a lock demands.
        let _ = exchange.close(account_id, &contract_id, tick.at);
        for order in exchange.living_orders(account_id) {
            left_about += usize::from(order.status == OrderStatus::Open);
            exchange.cancel(account_id, order.id, tick.at).unwrap();
        }
        exchange.take_events();
    }
    assert_eq!((entries, left_about), (7, 6));
}

#[test]
fn a_stop_stands_behind_the_whole_position() {
    let contract_id = contract_id("ES").unwrap();
    let mut exchange = Exchange::new(ExchangeConfig::default());
    let account_id = AccountId(1001);
    let now = Timestamp::UNIX_EPOCH;
    exchange.tick(&contract_id, Price::parse("100").unwrap(), now).unwrap();
    let plan = vec![
        Step::new(When::Now, Act::Sell(3)),
        Step::new(When::Holding, Act::PlaceStop(8)),
        Step::new(When::Now, Act::PlaceLimit(Side::Buy, 1, 4)),
        Step::new(When::PriceAtOrAbove(Price::parse("101").unwrap()), Act::GetOut),
    ];
    let mut trader = Trader::new("t", account_id, &contract_id, 1, plan);
    trader.act(&mut exchange, Duration::ZERO, now);
    let orders = exchange.living_orders(account_id);
    assert_eq!(orders[0].stop_price, Some(Price::parse("102").unwrap()));
    assert_eq!((orders[0].side, orders[0].size), (Side::Buy, 3));
    assert_eq!(orders[1].limit_price, Some(Price::parse("99").unwrap()));
    exchange.tick(&contract_id, Price::parse("101").unwrap(), now).unwrap();
    trader.act(&mut exchange, Duration::from_secs(1), now);
    assert!(exchange.is_flat(account_id) && exchange.living_orders(account_id).is_empty());
    let said: Vec<&str> = trader.deeds().iter().map(|deed| deed.what.as_str()).collect();
    assert_eq!(said, ["sells 3 at market", "places a stop: buys 3 at 102", "places a limit: buys 1 at 99", "closes 3"]);
}
