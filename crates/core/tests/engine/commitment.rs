//! A config is taken over: tighter at once, looser after the reset, over restarts too.

use riskd_core::engine::*;
use riskd_core::model::*;
use riskd_core::rules::RuleSet;
use serde_json::{Value, json};

use crate::build::*;
use crate::harness::World;

fn reset() -> Timestamp {
    "2026-03-10T21:00:00Z".parse().unwrap()
}

fn wait() -> Effect {
    Effect::AtReset(reset())
}

/// What the file says, with what it says of `global:`.
fn file(rules_section: &Value, strict_mode: bool, commitment: bool) -> Config {
    let set: RuleSet = rules(rules_section.clone()).with_strict_mode(strict_mode).with_commitment(commitment);
    config(&[ALICE], set)
}

fn reload(world: &mut World, wanted: &Config) -> Vec<(String, Effect)> {
    let mut engine = world.engine.take().unwrap();
    let mut actions = Vec::new();
    let changes = engine.take_over_config(&mut world.config, wanted, world.now, &mut actions);
    world.engine = Some(engine);
    world.carry_out(actions);
    changes.into_iter().map(|change| (change.section, change.effect)).collect()
}

/// Stops the program, and starts it again with what the file says by now.
fn restart(world: &mut World, wanted: Config) -> Vec<(String, Effect)> {
    world.crash();
    world.config = wanted;
    let commitments: Vec<_> = world.disk.commitments.values().cloned().collect();
    let mut actions = Vec::new();
    let changes = hold_commitments(&mut world.config, &commitments, &restore, world.now, &mut actions);
    world.carry_out(actions);
    world.run(1_000);
    changes.into_iter().map(|change| (change.section, change.effect)).collect()
}

fn running(rules_section: &Value) -> World {
    let mut world = World::before_start(file(rules_section, false, true));
    let mut actions = Vec::new();
    hold_commitments(&mut world.config, &[], &restore, world.now, &mut actions);
    world.start();
    world.carry_out(actions);
    world.run(1_000);
    world
}

#[test]
fn which_changes_loosen() {
    let now = Effect::Now;
    let loss = |limit: i64| json!({"daily_realized_loss": {"loss_limit": limit}});
    let of = |rule: &str, section: Value| json!({ rule: section });
    let cases: Vec<(Value, Value, Effect)> = vec![
        (loss(500), loss(400), now),
        (loss(500), loss(501), wait()),
        (loss(500), json!({}), wait()),
        (loss(500), of("daily_realized_loss", json!({"enabled": false})), wait()),
        (json!({}), loss(500), now),
        (loss(500), of("daily_realized_loss", json!({"loss_limit": 500, "include_fees": true})), now),
        (loss(500), of("daily_realized_loss", json!({"loss_limit": 400, "action": "CLOSE_ALL_POSITIONS"})), wait()),
        (loss(500), of("daily_realized_loss", json!({"lockout_until": "permanent"})), now),
        (of("daily_realized_loss", json!({"lockout_until": "permanent"})), loss(500), wait()),
        (of("max_contracts", json!({"limit": 5})), of("max_contracts", json!({"limit": 4})), now),
        (of("max_contracts", json!({"limit": 5})), of("max_contracts", json!({"limit": 6})), wait()),
        (
            of("max_contracts", json!({"count_type": "gross"})),
            of("max_contracts", json!({"count_type": "net"})),
            wait(),
        ),
        (of("max_contracts", json!({})), of("max_contracts", json!({"count_type": "gross"})), now),
        (of("max_contracts", json!({})), of("max_contracts", json!({"reduce_to_limit": true})), wait()),
        (of("max_contracts", json!({})), of("max_contracts", json!({"lockout_on_breach": true})), now),
        (of("daily_unrealized_loss", json!({})), of("daily_unrealized_loss", json!({"scope": "total"})), wait()),
        (of("daily_unrealized_loss", json!({})), of("daily_unrealized_loss", json!({"limit": -200})), now),
        (of("daily_unrealized_loss", json!({})), of("daily_unrealized_loss", json!({"lockout": true})), now),
        (of("cooldown_after_loss", json!({})), of("cooldown_after_loss", json!({"loss_threshold": 50})), now),
        (of("cooldown_after_loss", json!({})), of("cooldown_after_loss", json!({"cooldown_seconds": 299})), wait()),
        (
            of("cooldown_after_loss", json!({})),
            of(
                "cooldown_after_loss",
                json!({"loss_thresholds": [
                {"loss_amount": 50, "cooldown_duration": 300}, {"loss_amount": 200, "cooldown_duration": 600}]}),
            ),
            now,
        ),
        (
            of("cooldown_after_loss", json!({})),
            of(
                "cooldown_after_loss",
                json!({"loss_thresholds": [
                {"loss_amount": 50, "cooldown_duration": 300}, {"loss_amount": 200, "cooldown_duration": 60}]}),
            ),
            wait(),
        ),
        (of("trade_frequency_limit", json!({})), of("trade_frequency_limit", json!({"max_trades": 29})), now),
        (of("trade_frequency_limit", json!({})), of("trade_frequency_limit", json!({"max_trades": 31})), wait()),
        (
            of("trade_frequency_limit", json!({"limits": {"per_hour": 9, "per_minute": 1}})),
            of("trade_frequency_limit", json!({"limits": {"per_hour": 2}})),
            wait(),
        ),
        (of("symbol_blocks", json!({"blocked_symbols": ["ES"]})), of("symbol_blocks", json!({})), wait()),
        (
            of("symbol_blocks", json!({"blocked_symbols": ["ES"]})),
            of("symbol_blocks", json!({"blocked_symbols": ["CL", "es"]})),
            now,
        ),
        (of("auth_loss_guard", json!({})), of("auth_loss_guard", json!({"check_on_startup": false})), wait()),
        (of("auth_loss_guard", json!({})), of("auth_loss_guard", json!({"auto_unlock_on_restore": false})), now),
        (of("daily_realized_profit", json!({})), of("daily_realized_profit", json!({"target": 900})), now),
        (of("daily_realized_profit", json!({})), of("daily_realized_profit", json!({"target": 1001})), wait()),
    ];
    for (before, after, effect) in cases {
        let case = format!("{before} -> {after}");
        let mut world = running(&before);
        let changes = reload(&mut world, &file(&after, false, true));
        assert_eq!(changes.iter().map(|(_, effect)| *effect).collect::<Vec<_>>(), [effect], "{case}");
        // The same after a stop and a start in between.
        let mut world = running(&before);
        let changes = restart(&mut world, file(&after, false, true));
        assert_eq!(changes.iter().map(|(_, effect)| *effect).collect::<Vec<_>>(), [effect], "restart: {case}");
        // Without commitment everything is taken over at once.
        let mut world = World::before_start(file(&before, false, false));
        world.start();
        world.run(100);
        let changes = reload(&mut world, &file(&after, false, false));
        assert!(changes.iter().all(|(_, effect)| *effect == Effect::Now), "without commitment: {case}");
    }
}

#[test]
fn a_tightened_limit_that_is_passed_already_is_enforced_at_once() {
    let mut world = running(&json!({"daily_realized_loss": {"loss_limit": 500}}));
    world.trades(ALICE, MNQ, 1);
    world.realizes(ALICE, "-300");
    world.run(1_000);
    assert!(!world.is_locked(ALICE));
    reload(&mut world, &file(&json!({"daily_realized_loss": {"loss_limit": 300}}), false, true));
    world.run(1_000);
    assert!(world.is_locked(ALICE) && world.broker.is_flat(ALICE));
    let mut world = running(&json!({"max_contracts": {}}));
    world.trades(ALICE, MNQ, 1);
    world.trades(ALICE, MES, 1);
    world.run(1_000);
    let blocked = json!({"max_contracts": {}, "symbol_blocks": {"blocked_symbols": ["MNQ"]}});
    reload(&mut world, &file(&blocked, false, true));
    world.run(1_000);
    assert_eq!((world.broker.size(ALICE, &id(MNQ)), world.broker.size(ALICE, &id(MES))), (0, 1));
    assert!(!world.is_locked(ALICE));
}

#[test]
fn a_looser_limit_holds_until_the_reset_whatever_the_trader_does() {
    let tight = json!({"daily_realized_loss": {"loss_limit": 500}});
    let loose = || file(&json!({"daily_realized_loss": {"loss_limit": 5000}}), false, true);
    for stops in [false, true] {
        let mut world = running(&tight);
        if stops {
            restart(&mut world, loose());
            // Once more: nothing is gained by it.
            assert_eq!(restart(&mut world, loose()), [("daily_realized_loss".to_owned(), wait())]);
        } else {
            reload(&mut world, &loose());
        }
        world.realizes(ALICE, "-500");
        world.run(2_000);
        assert!(world.is_locked(ALICE), "stops {stops}");
        assert_eq!(world.disk.commitments[&(ALICE, "daily_realized_loss".to_owned())].loosens_at, Some(reset()));
        world.run(milliseconds_between(world.now, reset()) + 2_000);
        assert!(!world.is_locked(ALICE));
        let row = &world.disk.commitments[&(ALICE, "daily_realized_loss".to_owned())];
        assert_eq!((row.loosens_at, row.config.as_str()), (None, r#"{"loss_limit":5000}"#));
        world.realizes(ALICE, "-4999");
        world.run(2_000);
        assert!(!world.is_locked(ALICE), "the looser limit holds now");
        world.realizes(ALICE, "-1");
        world.run(2_000);
        assert!(world.is_locked(ALICE));
    }
}

#[test]
fn a_removed_rule_leaves_at_the_reset_also_while_nobody_watches() {
    let mut world = running(&json!({"daily_realized_loss": {}, "max_contracts": {}}));
    let wanted = file(&json!({"max_contracts": {}}), false, true);
    assert_eq!(reload(&mut world, &wanted), [("daily_realized_loss".to_owned(), wait())]);
    assert_eq!(world.config.accounts[&ALICE].rules.rules().count(), 2);
    world.engine = None;
    world.now = after(reset(), 60_000);
    assert_eq!(restart(&mut world, wanted), []);
    assert_eq!(world.config.accounts[&ALICE].rules.rules().count(), 1);
    assert!(!world.disk.commitments.contains_key(&(ALICE, "daily_realized_loss".to_owned())));
}

#[test]
fn what_is_global_and_the_reset_itself_wait_too() {
    let section = json!({"max_contracts": {}});
    let mut world = World::before_start(file(&section, true, true));
    world.start();
    world.run(100);
    let global = || "global".to_owned();
    assert_eq!(reload(&mut world, &file(&section, false, true)), [(global(), wait())]);
    assert!(world.config.accounts[&ALICE].rules.strict_mode());
    assert_eq!(reload(&mut world, &file(&section, true, true)), [], "nothing waits any more");
    assert!(world.config.waiting.is_empty());
    assert_eq!(reload(&mut world, &file(&section, true, false)), [(global(), wait())]);
    let mut world = running(&section);
    assert_eq!(reload(&mut world, &file(&section, true, true)), [(global(), Effect::Now)]);
    // A reset that is brought forward would bring the end of every lock forward, and the loosening with it.
    let mut wanted = file(&section, true, true);
    let zone = jiff::tz::TimeZone::get("America/Chicago").unwrap();
    let clock = TradingDayClock::new(jiff::civil::time(9, 30, 0, 0), zone);
    wanted.accounts.get_mut(&ALICE).unwrap().day_clock = clock.clone();
    assert_eq!(reload(&mut world, &wanted), [("trading_day".to_owned(), wait())]);
    assert_eq!(world.account(ALICE).session.ends_at(), reset());
    world.run(milliseconds_between(world.now, reset()) + 10);
    assert_eq!(world.account(ALICE).session.ends_at(), clock.next_reset(world.now));
    let mut engine = world.engine.take().unwrap();
    engine.settle_config(&mut world.config);
    assert!(world.config.waiting.is_empty());
    assert_eq!(world.config.accounts[&ALICE].day_clock, clock);
}

#[test]
fn accounts_come_and_go_with_the_next_start() {
    let mut world = running(&json!({"max_contracts": {}}));
    let mut wanted = file(&json!({"max_contracts": {}}), false, true);
    let account = wanted.accounts.remove(&ALICE).unwrap();
    wanted.accounts.insert(BOB, account);
    let account = || "account".to_owned();
    let expected = [(account(), Effect::AtTheNextStart), (account(), Effect::AtTheNextStart)];
    assert_eq!(reload(&mut world, &wanted), expected);
    assert!(world.config.accounts.contains_key(&ALICE), "goes on being protected");
}
