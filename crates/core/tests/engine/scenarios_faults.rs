//! Gaps, refused payloads, old news.

use riskd_core::engine::*;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::{Look, Outcome, World};

fn loss_rules() -> serde_json::Value {
    json!({"daily_unrealized_loss": {"loss_limit": 300, "action": "CLOSE_ALL_AND_LOCKOUT"}})
}

fn refusal(account_id: Option<AccountId>, noun: Noun) -> Event {
    let invalid = Invalid::new(noun, "size", "x", "must be a decimal number");
    Event::Refused(Refusal { account_id, invalid })
}

#[test]
fn a_flatten_goes_on_while_the_hub_is_down() {
    for link_comes_back in [true, false] {
        for cut_after_ms in [0, 3, 5, 8, 12] {
            let mut world = World::new(&[ALICE], loss_rules());
            world.trades(ALICE, MNQ, 2);
            world.run(500);
            world.quotes(MNQ, "19920");
            world.run(cut_after_ms);
            world.user_link(false);
            world.run(2_000);
            if link_comes_back {
                world.user_link(true);
            }
            world.run(10_000);
            assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE), "cut after {cut_after_ms} ms");
            assert!(world.log(ALICE)[0].success);
            assert!(!world.crossed_zero);
            assert_eq!(world.account(ALICE).certain, link_comes_back);
        }
    }
}

#[test]
fn what_happened_during_a_gap_is_found_reported_and_judged() {
    let mut world = World::new(&[ALICE], json!({"max_contracts": {"limit": 3}}));
    world.trades(ALICE, MES, 1);
    world.run(100);
    world.user_link(false);
    world.run(10);
    assert!(!world.account(ALICE).certain);
    world.trades(ALICE, MES, -1);
    world.trades(ALICE, MNQ, 4);
    world.places_order(ALICE, ES);
    world.run(100);
    world.user_link(true);
    world.run(5_000);
    assert!(world.broker.is_flat(ALICE));
    assert_eq!(world.log(ALICE).len(), 1);
    let differences = world.notices().filter(|notice| matches!(notice, Notice::Difference { .. })).count();
    assert!(differences >= 3, "two positions and an order differ: {differences}");
    assert_eq!(world.account(ALICE).book.orders().count(), 1, "this rule leaves orders alone");
}

#[test]
fn while_the_hub_is_down_the_books_are_polled_within_the_budget() {
    let mut world = World::new(&[ALICE, BOB], loss_rules());
    world.user_link(false);
    world.run(1_000);
    let before = world.looks();
    world.run(60_000);
    let looks = world.looks() - before;
    assert!((20..=24).contains(&looks), "two accounts, each every 5 s: {looks}");
    // A position opened in the dark is found and judged.
    world.trades(ALICE, MNQ, 2);
    world.quotes(MNQ, "19800");
    world.run(6_000);
    world.quotes(MNQ, "19600");
    world.run(6_000);
    assert!(world.is_locked(ALICE));
}

#[test]
fn a_quiet_connected_account_is_glanced_at_once_a_minute() {
    let mut world = World::new(&[ALICE], loss_rules());
    let before = world.looks();
    world.run(3_600_000);
    let looks = world.looks() - before;
    assert!((58..=60).contains(&looks), "{looks} in an hour");
    assert!(world.inputs.len() < 3_900, "one sweep a second, and a glance a minute: {}", world.inputs.len());
}

#[test]
fn news_that_a_living_hub_lost_is_found_by_the_next_glance() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.run(1_000);
    let now = world.now;
    let _lost = world.broker.fill(ALICE, &id(MNQ), 2, now);
    world.run(1_000);
    assert!(world.account(ALICE).book.position(&id(MNQ)).is_none(), "the hub never told");
    world.run(60_000);
    assert!(world.account(ALICE).book.position(&id(MNQ)).is_some());
}

#[test]
fn a_trade_that_a_living_hub_lost_is_found_by_the_next_look() {
    let mut world = World::new(&[ALICE], json!({"daily_realized_loss": {"loss_limit": 500}}));
    let lost = trade(77, ALICE, Some("-500"), world.now);
    world.broker.account(ALICE).trades.insert(lost.id, lost);
    world.run(59_000);
    assert!(!world.is_locked(ALICE), "nobody has told");
    world.run(3_000);
    assert!(world.is_locked(ALICE), "a loss that no hub told of would never count");
    assert_eq!(world.account(ALICE).session.realized_pnl(), dollars("-500"));
}

#[test]
fn an_old_look_neither_resurrects_nor_erases() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 2);
    let order_id = world.places_order(ALICE, MES);
    world.run(500);
    world.look_delay_ms = 200;
    world.feed(refusal(Some(ALICE), Noun::Position));
    world.run(50);
    // After the look was made, before it arrives: the position goes, another one and an order come.
    world.trades(ALICE, MNQ, -2);
    world.trades(ALICE, ES, 1);
    let placed = world.places_order(ALICE, CL);
    world.broker.account(ALICE).orders.remove(&order_id);
    let mut draft = limit_order(order_id.0, ALICE, MES).into_draft();
    draft.state = OrderState::Filled;
    world.feed(Event::Order(Order::new(draft, &checks()).unwrap()));
    world.run(170);
    let book = &world.account(ALICE).book;
    assert!(book.position(&id(MNQ)).is_none(), "not resurrected");
    assert!(book.position(&id(ES)).is_some(), "not erased");
    assert!(book.order(order_id).is_none() && book.order(placed).is_some());
    // It was overtaken: another look follows, and agrees.
    let looks = world.looks();
    world.run(2_000);
    assert_eq!(world.looks(), looks + 1);
    let book = &world.account(ALICE).book;
    assert_eq!(book.positions().map(|held| held.contract_id.clone()).collect::<Vec<_>>(), [id(ES)]);
    assert!(world.account(ALICE).certain);
}

#[test]
fn a_refused_payload_makes_the_account_uncertain_and_looked_at_at_once() {
    for noun in [Noun::Position, Noun::Order] {
        let mut world = World::new(&[ALICE, BOB], loss_rules());
        world.run(30_000);
        let before = world.looks();
        world.feed(refusal(Some(ALICE), noun));
        assert_eq!(world.looks(), before + 1, "at once");
        assert!(!world.account(ALICE).certain && world.account(BOB).certain);
        world.run(100);
        assert!(world.account(ALICE).certain);
        world.feed(refusal(None, noun));
        assert!(!world.account(ALICE).certain && !world.account(BOB).certain, "nobody knows whose it was");
        world.run(2_000);
        assert!(world.account(ALICE).certain && world.account(BOB).certain);
    }
    // A refused quote says nothing of an account.
    let mut world = World::new(&[ALICE], loss_rules());
    world.feed(refusal(None, Noun::Quote));
    assert!(world.account(ALICE).certain);
}

#[test]
fn a_stream_of_refused_payloads_does_not_eat_the_budget() {
    let mut world = World::new(&[ALICE], loss_rules());
    let before = world.looks();
    for _ in 0..1_000 {
        world.feed(refusal(Some(ALICE), Noun::Position));
        world.run(10);
    }
    let looks = world.looks() - before;
    assert!((8..=11).contains(&looks), "{looks} looks in ten seconds");
}

#[test]
fn a_row_that_cannot_be_read_erases_nothing_and_is_still_closed() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 2);
    world.places_order(ALICE, MES);
    world.run(500);
    world.broker.looks.extend([Look::PositionsUnreadable, Look::OrdersUnreadable]);
    world.feed(refusal(Some(ALICE), Noun::Position));
    world.run(40);
    assert!(world.account(ALICE).book.position(&id(MNQ)).is_some(), "the known position stays");
    assert!(!world.account(ALICE).certain);
    world.run(300);
    assert_eq!(world.account(ALICE).book.orders().count(), 1, "the known order stays");
    world.quotes(MNQ, "19920");
    world.run(5_000);
    assert!(world.broker.is_flat(ALICE) && world.is_locked(ALICE));
    assert!(world.log(ALICE)[0].success);
}

#[test]
fn a_position_of_unknown_direction_is_doubted_and_counted_in_full() {
    let mut world = World::new(&[ALICE], json!({"max_contracts": {"limit": 3}}));
    world.trades(ALICE, MNQ, 2);
    world.run(100);
    let mut draft = position(ALICE, MES, 2, "5000").into_draft();
    draft.position_type = PositionType::Unknown(7);
    world.feed(Event::Position(Position::new(draft, &checks()).unwrap()));
    assert!(!world.account(ALICE).certain);
    assert_eq!(world.log(ALICE).len(), 1, "2 + 2 is more than 3, whatever the direction");
}

#[test]
fn a_position_without_a_quote_or_a_contract_is_left_out_and_told_once() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.market_hub_up = false;
    world.trades(ALICE, MNQ, 2);
    world.run(10_000);
    let told =
        |world: &World| world.notices().filter(|notice| matches!(notice, Notice::PositionNotPriced { .. })).count();
    assert_eq!(told(&world), 1);
    assert!(world.log(ALICE).is_empty());
    // An ask alone cannot value a long position: still said, and no false breach.
    let ask = quote_of(MNQ, None, Some("1"), None, world.now);
    world.feed(Event::Quote(ask));
    world.run(5_000);
    assert!(world.log(ALICE).is_empty());
    world.feed(Event::Quote(quote_of(MNQ, Some("19920"), None, None, world.now)));
    world.run(5_000);
    assert!(world.is_locked(ALICE), "valued at the bid before there is a last price");
    let mut world = World::new(&[ALICE], loss_rules());
    world.market_hub_up = false;
    world.trades(ALICE, MNQ, 2);
    world.run(100);
    world.feed(Event::Quote(quote_of(MNQ, None, Some("20000"), None, world.now)));
    world.run(2_000);
    assert_eq!(told(&world), 1, "an ask alone does not price a long position");
}

#[test]
fn old_quotes_are_flagged_once_used_all_the_same_and_unflagged() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 1);
    world.run(100);
    world.quotes(MNQ, "19900");
    world.run(60_000);
    let flags = |world: &World| {
        let flag = |notice: &Notice| match notice {
            Notice::QuoteStaleness { stale, .. } => Some(*stale),
            _ => None,
        };
        world.notices().filter_map(flag).collect::<Vec<_>>()
    };
    assert_eq!(flags(&world), [true]);
    // One more contract at the old price: −$400 with a stale quote is still −$400.
    world.broker.account(ALICE).positions.get_mut(&id(MNQ)).unwrap().size = 2;
    world.feed(Event::Position(position(ALICE, MNQ, 2, "20000")));
    assert!(world.is_locked(ALICE));
    world.run(5_000);
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 1);
    world.run(20_000);
    world.quotes(MNQ, "20000");
    world.run(100);
    assert_eq!(flags(&world), [true, false]);
}

#[test]
fn a_quote_older_than_the_newest_changes_nothing() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 2);
    world.run(500);
    world.feed(Event::Quote(quote(MNQ, "1", after(world.now, -5_000))));
    assert!(!world.is_locked(ALICE));
}

#[test]
fn answers_and_events_for_strangers_change_nothing() {
    let mut world = World::new(&[ALICE], loss_rules());
    let before = world.done.len();
    world.feed(Event::Position(position(BOB, MNQ, 100, "1")));
    world.feed(Event::Order(limit_order(1, BOB, MNQ)));
    world.feed(Event::Trade(trade(1, BOB, Some("-9999"), noon())));
    world.feed(Event::Answer { request_id: RequestId(999), result: Ok(()) });
    assert_eq!(world.done.len(), before);
}

#[test]
fn a_contract_that_was_not_described_is_asked_for_again() {
    let mut world = World::before_start(config(&[ALICE], rules(loss_rules())));
    world.start();
    world.run(500);
    // The description is lost on its way though the request was answered.
    let mut actions = Vec::new();
    let mut engine = world.engine.take().unwrap();
    let held = Event::Position(position(ALICE, MNQ, 1, "20000"));
    step(&mut engine, &world.config, Input { at: world.now, event: held }, &mut actions);
    let describes = |actions: &[Action]| {
        actions
            .iter()
            .filter_map(|action| match action {
                Action::Send(Request { id, kind: RequestKind::DescribeContract(_), .. }) => Some(*id),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let asked = describes(&actions);
    assert_eq!(asked.len(), 1);
    let answer = Event::Answer { request_id: asked[0], result: Ok(()) };
    step(&mut engine, &world.config, Input { at: world.now, event: answer }, &mut actions);
    actions.clear();
    let later = Input { at: after(world.now, 10_000), event: Event::TimePassed };
    step(&mut engine, &world.config, later, &mut actions);
    assert_eq!(describes(&actions).len(), 1, "asked again");
}

#[test]
fn a_look_asked_for_at_the_moment_of_an_event_is_the_newer_word() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.run(5_000);
    let looks = world.looks();
    world.feed(Event::Position(position(ALICE, ES, 1, "5000")));
    world.feed(refusal(Some(ALICE), Noun::Position));
    assert_eq!(world.looks(), looks + 1, "asked for at the same moment");
    world.run(20);
    assert!(world.account(ALICE).book.has_no_positions(), "the broker holds nothing");
}

#[test]
fn a_close_left_to_anothers_order_is_released_by_its_end_though_no_look_is_answered() {
    let mut world = World::new(&[ALICE], loss_rules());
    world.trades(ALICE, MNQ, 2);
    world.run(1_000);
    // The trader's own market order is in the market when the limit is reached, and is cancelled there a little later.
    let draft = OrderDraft {
        created_at: world.now,
        updated_at: world.now,
        ..order(900, ALICE, MNQ, OrderType::Market, Side::Sell, 2, OrderState::Working).into_draft()
    };
    let working = Order::new(draft.clone(), &checks()).unwrap();
    world.broker.account(ALICE).orders.insert(working.id, working.clone());
    world.feed(Event::Order(working));
    world.broker.looks.extend([Look::Failed; 40]);
    world.quotes(MNQ, "19900");
    world.run(1_000);
    assert!(world.protective_sends().is_empty(), "left to the order that works: {:#?}", world.protective_sends());
    world.broker.account(ALICE).orders.clear();
    let ended = Order::new(OrderDraft { state: OrderState::Cancelled, ..draft }, &checks()).unwrap();
    world.feed(Event::Order(ended));
    world.run(5_000);
    assert!(!world.broker.looks.is_empty(), "no look was answered yet");
    assert!(world.broker.is_flat(ALICE), "{:#?}", world.protective_sends());
    assert!(!world.doubled && !world.crossed_zero);
}

#[test]
fn a_close_answered_whole_is_looked_at_sooner_than_a_part() {
    for (rules, wait_ms) in [
        (json!({"max_contracts": {"limit": 1, "count_type": "gross"}}), 250),
        (json!({"max_contracts": {"limit": 1, "count_type": "gross", "reduce_to_limit": true}}), 1_000),
    ] {
        let mut world = World::new(&[ALICE], rules);
        // Accepted and not done: the second request follows the first look that may lead to one.
        world.broker.outcomes.push_back(Outcome::AcceptedNotDone);
        world.trades(ALICE, MNQ, 3);
        world.run(10_000);
        let sends = world.protective_sends();
        assert_eq!(sends.len(), 2, "{sends:#?}");
        let gap = milliseconds_between(sends[0].0, sends[1].0);
        assert!((wait_ms..wait_ms + 100).contains(&gap), "{gap} ms");
        assert!(!world.crossed_zero);
    }
}
