//! How locks end by hand: audited, durable first, and not locked again before things get worse.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::World;

fn realized() -> serde_json::Value {
    json!({"daily_realized_loss": {"loss_limit": 500}})
}

fn unlock(world: &mut World) {
    world.feed(Event::Unlock { account_id: ALICE, actor: "desk".to_owned(), reason: "called in".to_owned() });
}

/// What the admin was answered, in order.
fn answers(world: &World) -> Vec<UnlockOutcome> {
    let outcome = |notice: &Notice| match notice {
        Notice::Unlock { outcome, actor, .. } => {
            assert_eq!(actor, "desk");
            Some(outcome.clone())
        }
        _ => None,
    };
    world.notices().filter_map(outcome).collect()
}

fn locked(rules: serde_json::Value) -> World {
    let mut world = World::new(&[ALICE], rules);
    world.realizes(ALICE, "-510");
    world.run(2_000);
    assert!(world.is_locked(ALICE));
    world
}

#[test]
fn an_unlock_counts_once_it_is_durable_and_is_audited() {
    let mut world = locked(realized());
    unlock(&mut world);
    assert!(world.is_locked(ALICE), "not durable yet");
    world.run(10);
    assert!(!world.is_locked(ALICE) && !world.disk.lockouts.contains_key(&ALICE));
    let [UnlockOutcome::Ended(ended)] = &answers(&world)[..] else { panic!("{:?}", answers(&world)) };
    assert_eq!(ended.iter().map(|lockout| lockout.rule_id).collect::<Vec<_>>(), [RuleId::DAILY_REALIZED_LOSS]);
    let act = &world.disk.acts[0];
    assert_eq!((act.kind, act.account_id), (AdminActKind::Unlock, Some(ALICE)));
    assert_eq!((act.actor.as_str(), act.reason.as_deref()), ("desk", Some("called in")));
    // Not locked any more: there is nothing to end.
    unlock(&mut world);
    assert_eq!(answers(&world)[1], UnlockOutcome::NotLocked);
    assert_eq!(world.disk.acts.len(), 1);
}

#[test]
fn an_unlock_that_the_disk_refuses_unlocks_nothing() {
    let mut world = locked(realized());
    world.clearings.push_back(false);
    unlock(&mut world);
    world.run(60_000);
    assert_eq!(answers(&world), [UnlockOutcome::NotDurable]);
    assert!(world.is_locked(ALICE), "and it is not tried again by itself");
    unlock(&mut world);
    world.run(10);
    assert!(!world.is_locked(ALICE));
}

#[test]
fn after_an_unlock_only_what_is_worse_locks_again() {
    // (restart after the unlock, what happens then, locked)
    type Step = fn(&mut World);
    let nothing: Step = |world| world.run(5_000);
    let half_turn: Step = |world| world.trades(ALICE, MNQ, 1);
    let a_cent: Step = |world| {
        world.realizes(ALICE, "-0.01");
    };
    let gain: Step = |world| {
        world.realizes(ALICE, "5");
    };
    // Back above the limit, and below it again: that is a new breach.
    let again: Step = |world| {
        world.realizes(ALICE, "100");
        world.run(100);
        world.realizes(ALICE, "-95");
    };
    for restart in [false, true] {
        for (name, step, locks) in [
            ("nothing", nothing, false),
            ("half turn", half_turn, false),
            ("gain", gain, false),
            ("a cent", a_cent, true),
            ("again", again, true),
        ] {
            let mut world = locked(realized());
            unlock(&mut world);
            world.run(1_000);
            if restart {
                world.crash();
                world.run(5_000);
            }
            assert!(!world.is_locked(ALICE), "{name}, restart {restart}");
            step(&mut world);
            world.run(3_000);
            assert_eq!(world.is_locked(ALICE), locks, "{name}, restart {restart}");
        }
    }
}

#[test]
fn a_new_day_forgets_what_was_forgiven() {
    let mut world = locked(realized());
    unlock(&mut world);
    world.run(1_000);
    world.now = "2026-03-11T12:00:00Z".parse().unwrap();
    world.feed(Event::TimePassed);
    // No worse than yesterday's, and a breach of today.
    world.realizes(ALICE, "-505");
    world.run(2_000);
    assert!(world.is_locked(ALICE));
}

#[test]
fn an_unlock_ends_every_cause() {
    let mut rules = realized();
    rules["cooldown_after_loss"] = json!({});
    rules["trade_frequency_limit"] = json!({"limits": {"per_minute": 0}});
    let mut world = locked(rules);
    assert_eq!(world.account(ALICE).locks.causes().count(), 3);
    unlock(&mut world);
    world.run(5_000);
    assert!(!world.is_locked(ALICE));
    let [UnlockOutcome::Ended(ended)] = &answers(&world)[..] else { panic!("{:?}", answers(&world)) };
    assert_eq!(ended.len(), 3);
    // None of them comes back after a restart, from the same trades.
    world.crash();
    world.run(10_000);
    assert!(!world.is_locked(ALICE), "{:?}", world.account(ALICE).locks);
    // The next trade is another one.
    world.realizes(ALICE, "1");
    world.run(1_000);
    assert!(world.is_locked(ALICE));
}

#[test]
fn a_breach_during_an_unlock_outlasts_it() {
    let mut world = locked(realized());
    unlock(&mut world);
    world.feed(Event::Trade(trade(900, ALICE, Some("-50"), world.now)));
    world.run(3_000);
    assert!(world.is_locked(ALICE), "things got worse while the unlock was written");
    assert!(world.disk.lockouts.contains_key(&ALICE));
}

#[test]
fn the_end_of_one_cause_does_not_end_another() {
    let mut world = World::new(&[ALICE], json!({"daily_realized_loss": {}, "auth_loss_guard": {}}));
    let tell = |world: &mut World, can_trade| {
        let draft = AccountDraft { id: ALICE, name: String::new(), balance: Money::ZERO, can_trade, simulated: true };
        let row = Account::new(draft).unwrap();
        world.broker.account(ALICE).row = Some(row.clone());
        world.feed(Event::Account(row));
    };
    world.realizes(ALICE, "-500");
    world.run(1_000);
    tell(&mut world, Some(false));
    world.run(1_000);
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, None);
    tell(&mut world, Some(true));
    world.run(1_000);
    assert!(world.is_locked(ALICE));
    assert_eq!(world.disk.lockouts[&ALICE].rule_id, RuleId::DAILY_REALIZED_LOSS, "the row follows");
    // The other way round: the reset ends the loss, not what canTrade says.
    tell(&mut world, Some(false));
    world.now = "2026-03-10T21:00:00Z".parse().unwrap();
    world.feed(Event::TimePassed);
    world.run(2_000);
    let rules: Vec<_> = world.account(ALICE).locks.causes().map(|lockout| lockout.rule_id).collect();
    assert_eq!(rules, [RuleId::AUTH_LOSS_GUARD]);
    // canTrade's return frees, once that is durable.
    world.clearings.push_back(false);
    tell(&mut world, Some(true));
    world.run(500);
    assert!(world.is_locked(ALICE), "the disk refused");
    world.run(3_000);
    assert!(!world.is_locked(ALICE));
}
