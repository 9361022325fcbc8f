//! From a breach to a confirmed row.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::{Look, Outcome, World};

fn loss_rules() -> serde_json::Value {
    json!({"daily_unrealized_loss": {"loss_limit": 300, "action": "CLOSE_ALL_AND_LOCKOUT"}})
}

/// Alice holds two MNQ long with a resting order, and the market falls by 80 points: −$320.
fn breached(world: &mut World) {
    world.trades(ALICE, MNQ, 2);
    world.places_order(ALICE, MES);
    world.run(500);
    world.quotes(MNQ, "19920");
}

fn assert_flat_locked_confirmed(world: &World) {
    assert!(world.broker.is_flat(ALICE), "flat");
    assert!(world.broker.accounts[&ALICE].orders.is_empty(), "no orders");
    assert!(world.is_locked(ALICE), "locked");
    assert!(world.disk.lockouts.contains_key(&ALICE), "locked on disk");
    assert_eq!(world.engine().pending_enforcements(ALICE), 0);
    let log = world.log(ALICE);
    assert!(!log.is_empty());
    assert!(log.iter().all(|row| row.success && row.execution_time_ms.is_some()), "{log:#?}");
    assert!(!world.crossed_zero, "no position was turned round");
}

#[test]
fn a_breach_is_stored_then_acted_on_then_proven() {
    let mut world = World::new(&[ALICE], loss_rules());
    breached(&mut world);
    world.run(3);
    // The step of the breach: lockout and row in the same step as the first requests, and before them in order.
    let step: Vec<_> = world.done.iter().filter(|(at, _)| *at == world.now).map(|(_, action)| action).collect();
    let index = |wanted: fn(&Action) -> bool| step.iter().position(|action| wanted(action)).unwrap();
    let lockout = index(|action| matches!(action, Action::Store(Write::PutLockout(_))));
    let row =
        index(|action| matches!(action, Action::Store(Write::PutEnforcement { log, goal: Some(_) }) if !log.success));
    let close =
        index(|action| matches!(action, Action::Send(request) if request.kind == RequestKind::ClosePosition(id(MNQ))));
    let cancel = index(|action| matches!(action, Action::Send(Request { kind: RequestKind::CancelOrder(_), .. })));
    assert!(lockout < close && row < close && lockout < cancel && row < cancel);
    world.run(2_000);
    assert_flat_locked_confirmed(&world);
    let log = world.log(ALICE);
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].rule_id, RuleId::DAILY_UNREALIZED_LOSS);
    assert_eq!((log[0].positions_closed, log[0].orders_cancelled), (1, 1));
    assert_eq!(log[0].pnl_at_enforcement, Some(dollars("-320")));
    assert_eq!(log[0].error_message, None);
    assert_eq!(log[0].execution_time_ms, Some(18), "the hub shows it after 8 ms, the look proves it 10 ms later");
    assert_eq!(world.protective_sends().len(), 2, "{:#?}", world.protective_sends());
}

#[test]
fn whatever_becomes_of_the_requests_the_account_ends_flat_locked_and_logged() {
    use Outcome::*;
    let cases: &[(&str, &[Outcome])] = &[
        ("accepted, not done", &[AcceptedNotDone, AcceptedNotDone, AcceptedNotDone]),
        ("refused, code 5, three times", &[Refused(5), Refused(5), Refused(5), Refused(5)]),
        ("answers lost", &[AnswerLost, AnswerLost]),
        ("requests lost", &[RequestLost, RequestLost]),
        ("not sent", &[NotSent, NotSent, NotSent]),
        ("a mixture", &[Refused(7), AnswerLost, RequestLost, AcceptedNotDone, NotSent]),
    ];
    for (name, outcomes) in cases {
        for fill_ms in [0, 20, 300, 900] {
            let mut world = World::new(&[ALICE], loss_rules());
            world.broker.outcomes.extend(*outcomes);
            world.broker.fill_ms = fill_ms;
            breached(&mut world);
            world.run(60_000);
            println!("{name}, orders fill after {fill_ms} ms: {:?}", world.protective_sends());
            assert_flat_locked_confirmed(&world);
            assert_eq!(world.log(ALICE).len(), 1);
        }
    }
}

#[test]
fn a_refused_close_is_repeated_only_after_a_look() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.broker.outcomes.extend([Outcome::Refused(5); 4]);
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(30_000);
    assert_flat_locked_confirmed(&world);
    let mut looked = true;
    let mut closes = 0;
    for (_, action) in &world.done {
        match action {
            Action::Send(Request { kind: RequestKind::Snapshot { .. }, .. }) => looked = true,
            Action::Send(Request { kind: RequestKind::ClosePosition(_), .. }) => {
                assert!(looked, "a close was repeated without a look");
                looked = false;
                closes += 1;
            }
            _ => {}
        }
    }
    assert_eq!(closes, 5);
    assert!(world.log(ALICE)[0].error_message.as_ref().unwrap().contains("refused by the broker"));
}

#[test]
fn a_close_that_is_filled_slowly_is_not_sent_twice_and_its_order_is_not_cancelled() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.broker.fill_ms = 1_500;
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(10_000);
    assert_flat_locked_confirmed(&world);
    assert_eq!(world.protective_sends().len(), 1, "{:#?}", world.protective_sends());
}

#[test]
fn a_market_order_that_hangs_is_cancelled_and_the_close_repeated() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.broker.fill_ms = 3_600_000;
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(5_000);
    world.broker.fill_ms = 0;
    world.run(30_000);
    assert_flat_locked_confirmed(&world);
}

#[test]
fn a_refused_part_is_closed_whole() {
    let mut world = World::new(&[ALICE], json!({"max_contracts": {"limit": 3, "reduce_to_limit": true}}));
    world.broker.outcomes.extend([Outcome::Refused(9)]);
    world.trades(ALICE, MNQ, 5);
    world.run(10_000);
    assert!(world.broker.is_flat(ALICE));
    let sends: Vec<_> = world.protective_sends().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(
        sends,
        [RequestKind::ReducePosition { contract_id: id(MNQ), size: 2 }, RequestKind::ClosePosition(id(MNQ))]
    );
    assert!(world.log(ALICE)[0].success);
}

#[test]
fn a_refused_part_that_the_trader_reduced_himself_is_confirmed() {
    let mut world = World::new(&[ALICE], json!({"max_contracts": {"limit": 3, "reduce_to_limit": true}}));
    world.broker.outcomes.extend([Outcome::Refused(6)]);
    world.trades(ALICE, MNQ, 5);
    world.run(4);
    world.trades(ALICE, MNQ, -2);
    world.run(10_000);
    assert_eq!(world.broker.size(ALICE, &id(MNQ)), 3, "nothing more was closed");
    assert_eq!(world.engine().pending_enforcements(ALICE), 0);
    assert!(world.log(ALICE)[0].success);
}

#[test]
fn a_reduction_goes_to_the_limit_and_no_further() {
    for (limit, opened, fill_ms) in [(3, 5, 0), (3, -5, 0), (1, 4, 400), (0, 2, 400)] {
        let mut world = World::new(&[ALICE], json!({"max_contracts": {"limit": limit, "reduce_to_limit": true}}));
        world.broker.fill_ms = fill_ms;
        world.trades(ALICE, MNQ, opened);
        world.run(10_000);
        assert_eq!(world.broker.size(ALICE, &id(MNQ)).abs(), limit);
        assert!(!world.crossed_zero);
        let log = world.log(ALICE);
        assert_eq!(log.len(), 1);
        assert!(log[0].success && log[0].action == EnforcementAction::ReduceToLimit);
        assert!(!world.is_locked(ALICE));
    }
}

#[test]
fn two_rules_breached_by_one_event_make_one_flatten_two_rows_and_the_strictest_lock() {
    let mut world = World::new(
        &[ALICE],
        json!({
            "max_contracts": {"limit": 2, "lockout_on_breach": true},
            "daily_unrealized_loss": {"loss_limit": 300, "action": "CLOSE_ALL_AND_LOCKOUT", "lockout_until": "permanent"},
        }),
    );
    // The fill comes in far under water: both rules see it in one event.
    world.trades(ALICE, MES, 1);
    world.run(200);
    world.broker.prices.insert(id(MES), price("4900"));
    world.feed(Event::Quote(quote(MES, "4950", world.now)));
    let deep = position(ALICE, MES, 3, "5000");
    world.broker.account(ALICE).positions.get_mut(&id(MES)).unwrap().size = 3;
    world.feed(Event::Position(deep));
    world.run(5_000);
    assert_flat_locked_confirmed(&world);
    let log = world.log(ALICE);
    assert_eq!(
        log.iter().map(|row| row.rule_id).collect::<Vec<_>>(),
        [RuleId::MAX_CONTRACTS, RuleId::DAILY_UNREALIZED_LOSS]
    );
    assert_eq!(world.protective_sends().len(), 1);
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, None, "without end is the strictest");
}

#[test]
fn a_breach_repeated_while_it_is_dealt_with_sends_nothing_twice() {
    let mut world = World::new(&[ALICE], json!({"daily_unrealized_loss": {"loss_limit": 300}}));
    world.broker.fill_ms = 300;
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    for last in ["19920", "19910", "19900", "19890"] {
        world.quotes(MNQ, last);
        world.run(20);
    }
    world.run(5_000);
    assert_eq!(world.protective_sends().len(), 1);
    assert_eq!(world.log(ALICE).len(), 1);
    assert!(world.broker.is_flat(ALICE) && !world.is_locked(ALICE));
}

#[test]
fn a_position_opened_during_the_flatten_is_closed_before_success_is_logged() {
    for opened_after_ms in [1, 4, 6, 9, 12, 14, 16, 19, 25] {
        for (contract, size) in [(MNQ, 3), (MNQ, -1), (ES, 1)] {
            let mut world = World::new(&[ALICE], loss_rules());
            breached(&mut world);
            world.run(3 + opened_after_ms);
            world.trades(ALICE, contract, size);
            world.run(30_000);
            assert_flat_locked_confirmed(&world);
        }
    }
}

#[test]
fn a_lost_answer_does_not_hold_up_the_proof() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.broker.outcomes.push_back(Outcome::AnswerLost);
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(1_000);
    assert_flat_locked_confirmed(&world);
    world.run(10_000);
    assert_flat_locked_confirmed(&world);
}

#[test]
fn slow_critical_and_failed_are_each_told_once_in_time() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.config.enforcement =
        EnforcementTiming { slow_after_ms: 400, critical_after_ms: 1_000, failed_after_ms: 3_000 };
    world.broker.outcomes.extend([Outcome::RequestLost; 3]);
    breached(&mut world);
    world.run(3);
    let decided = world.now;
    world.run(20_000);
    let told: Vec<_> = world
        .done
        .iter()
        .filter_map(|(at, action)| match action {
            Action::Notice(Notice::EnforcementSlow { elapsed_ms, severity, .. }) => {
                Some((milliseconds_between(decided, *at), *elapsed_ms, *severity))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [(400, 400, Severity::Warning), (1_000, 1_000, Severity::Critical), (3_000, 3_000, Severity::Failure)]
    );
    assert_flat_locked_confirmed(&world);
}

#[test]
fn the_documented_delays_are_the_default() {
    let timing = EnforcementTiming::default();
    assert_eq!((timing.slow_after_ms, timing.critical_after_ms, timing.failed_after_ms), (500, 2_000, 5_000));
}

#[test]
fn looks_that_fail_or_cannot_be_read_are_spaced_and_never_prove_anything() {
    for look in [Look::Failed, Look::PositionsUnreadable, Look::OrdersUnreadable] {
        let mut world = World::new(&[ALICE], loss_rules());
        breached(&mut world);
        world.places_order(ALICE, MES);
        // A second order that cannot be cancelled keeps something there to be unreadable.
        world.broker.outcomes.extend([Outcome::Done, Outcome::AcceptedNotDone]);
        world.broker.looks.extend([look; 8]);
        let before = world.looks();
        world.run(1_000);
        let looks = world.looks() - before;
        assert!((2..=8).contains(&looks), "{look:?}: {looks} looks in a second");
        world.run(60_000);
        assert_flat_locked_confirmed(&world);
    }
}

#[test]
fn strict_mode_turns_any_breach_into_a_lock_without_end() {
    let section = json!({"max_contracts": {"limit": 3, "reduce_to_limit": true}});
    let strict = rules(section).with_strict_mode(true);
    let mut world = World::before_start(config(&[ALICE], strict));
    world.start();
    world.run(1_000);
    world.trades(ALICE, MNQ, 4);
    world.run(3_000);
    assert_flat_locked_confirmed(&world);
    assert_eq!(world.disk.lockouts[&ALICE].locked_until, None);
    assert_eq!(world.log(ALICE)[0].action, EnforcementAction::CloseAllAndLockout);
}

#[test]
fn closing_without_a_lock_does_not_begin_again_for_ever() {
    let section = json!({"daily_realized_loss": {"loss_limit": 500, "action": "CLOSE_ALL_POSITIONS"}});
    let mut world = World::new(&[ALICE], section);
    world.trades(ALICE, MNQ, 1);
    world.run(100);
    world.realizes(ALICE, "-500");
    world.run(60_000);
    assert!(world.broker.is_flat(ALICE));
    assert_eq!(world.log(ALICE).len(), 1, "{:#?}", world.log(ALICE));
    // Still below the limit: the next trade that finds a position closes it again.
    world.trades(ALICE, MNQ, 1);
    world.realizes(ALICE, "-1");
    world.run(60_000);
    assert!(world.broker.is_flat(ALICE));
    assert_eq!(world.log(ALICE).len(), 2);
}

#[test]
fn success_waits_for_a_close_that_still_works_though_the_trader_was_faster() {
    let mut world = World::new(&[ALICE], json!({"daily_unrealized_loss": {"loss_limit": 300}}));
    world.broker.fill_ms = 700;
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(100);
    // The trader sells too: our order, still working, will turn the position round, and nobody can prevent that.
    world.trades(ALICE, MNQ, -2);
    world.run(30_000);
    assert!(world.broker.is_flat(ALICE), "{:?}", world.broker.positions(ALICE));
    let log = world.log(ALICE);
    assert_eq!(log.len(), 1);
    assert!(log[0].success && log[0].execution_time_ms > Some(700));
}

#[test]
fn an_old_trouble_does_not_slow_a_new_enforcement() {
    let mut world = World::new(&[ALICE], json!({"daily_unrealized_loss": {"loss_limit": 300}}));
    world.broker.outcomes.extend([Outcome::Refused(5); 9]);
    world.trades(ALICE, MNQ, 2);
    world.trades(ALICE, MES, 1);
    world.run(500);
    world.quotes(MNQ, "19920");
    world.run(22_000);
    assert_eq!(world.engine().pending_enforcements(ALICE), 1);
    world.broker.outcomes.clear();
    world.quotes(MES, "4900");
    world.run(1_000);
    let log = world.log(ALICE);
    assert!(log[1].success && log[1].execution_time_ms < Some(500), "{:?}", log[1]);
    world.run(10_000);
    assert!(world.log(ALICE)[0].success);
}

/// A long position with a limit order above it and one below, of which a fill of the first would close it.
fn with_an_exit_and_an_entry(world: &mut World) -> (OrderId, OrderId) {
    world.trades(ALICE, MNQ, 1);
    let mut order = |side: Side, at: &str| {
        let order_id = OrderId(world.broker.number());
        let draft = (*limit_order(order_id.0, ALICE, MNQ)).clone();
        let draft = OrderDraft { side, limit_price: Some(price(at)), ..draft };
        let order = Order::new(draft, &Checks::at(world.now)).unwrap();
        world.broker.account(ALICE).orders.insert(order_id, order.clone());
        world.feed(Event::Order(order));
        order_id
    };
    (order(Side::Sell, "21000"), order(Side::Buy, "19000"))
}

#[test]
fn what_would_have_closed_a_position_goes_with_it_and_what_opens_one_stays() {
    let rules =
        json!({"daily_unrealized_loss": {"loss_limit": 100, "scope": "per_position", "action": "CLOSE_POSITION"}});
    let mut world = World::new(&[ALICE], rules);
    let (exit, entry) = with_an_exit_and_an_entry(&mut world);
    world.run(1_000);
    world.quotes(MNQ, "19900");
    world.run(5_000);
    assert!(world.broker.is_flat(ALICE));
    let kinds: Vec<_> = world.protective_sends().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [RequestKind::ClosePosition(id(MNQ)), RequestKind::CancelOrder(exit)]);
    let standing: Vec<_> = world.broker.account(ALICE).orders.keys().copied().collect();
    assert_eq!(standing, [entry]);
    assert!(world.log(ALICE)[0].success);
}

#[test]
fn an_exit_is_cancelled_after_the_close_was_carried_out_and_no_earlier_and_once_where_that_is_refused() {
    let rules =
        json!({"daily_unrealized_loss": {"loss_limit": 100, "scope": "per_position", "action": "CLOSE_POSITION"}});
    let mut world = World::new(&[ALICE], rules);
    let (exit, _) = with_an_exit_and_an_entry(&mut world);
    world.run(1_000);
    world.broker.outcomes.extend([Outcome::Refused(2), Outcome::Done, Outcome::Refused(5)]);
    world.quotes(MNQ, "19900");
    world.run(120_000);
    let close = RequestKind::ClosePosition(id(MNQ));
    let kinds: Vec<_> = world.protective_sends().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [close.clone(), close, RequestKind::CancelOrder(exit)]);
    assert!(world.broker.is_flat(ALICE));
}

#[test]
fn who_closes_by_hand_keeps_their_orders() {
    let rules =
        json!({"daily_unrealized_loss": {"loss_limit": 100, "scope": "per_position", "action": "CLOSE_POSITION"}});
    let mut world = World::new(&[ALICE], rules);
    with_an_exit_and_an_entry(&mut world);
    world.run(1_000);
    world.trades(ALICE, MNQ, -1);
    world.run(120_000);
    assert!(world.protective_sends().is_empty());
    assert_eq!(world.broker.account(ALICE).orders.len(), 2);
}
