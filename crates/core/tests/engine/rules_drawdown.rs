//! RULE-014: every mode, both sides of the floor, lagging balances, and the mark on the disk.

use riskd_core::engine::*;
use riskd_core::model::*;
use riskd_core::rules::RulesConfig;
use serde_json::{Value, json};

use crate::build::*;
use crate::probe::{Probe, Response};

#[derive(Debug, Clone, Copy)]
enum Step {
    Balance(&'static str),
    Hold(i64),
    Flat,
    Quote(&'static str),
    /// Realized P&L and fees.
    Trade(&'static str, &'static str),
    Wait(i64),
}
use Step::{Balance, Flat, Hold, Quote, Trade, Wait};

/// Longer than news take to settle.
const SETTLED: Step = Wait(1_100);

fn section(more: Value) -> Value {
    let mut section = json!({"limit": 1_000});
    section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"max_drawdown": section})
}

fn take(probe: &mut Probe, step: Step) -> Vec<Response> {
    match step {
        Balance(balance) => probe.balance(balance),
        Hold(size) => probe.hold(ES, size, "5000"),
        Flat => probe.feed(Event::PositionClosed { account_id: ALICE, contract_id: id(ES) }),
        Quote(last) => probe.quote(ES, last),
        Trade(pnl, fees) => probe.realize(Some(pnl), fees),
        Wait(milliseconds) => probe.wait(milliseconds),
    }
}

/// Plays the steps; only the last one may be a breach.
fn assert_last(cases: &[(Value, &[Step], bool)]) {
    for (options, steps, breached) in cases {
        let mut probe = Probe::with_contracts(section(options.clone()));
        let (last, before) = steps.split_last().unwrap();
        for step in before {
            assert_eq!(take(&mut probe, *step), [], "{options} {steps:?}: {step:?}");
        }
        assert_eq!(!take(&mut probe, *last).is_empty(), *breached, "{options} {steps:?}");
    }
}

/// One ES at 5000, $50 a point, with a balance of $50,000 and everything settled.
const LONG: [Step; 4] = [Balance("50000"), Hold(1), Quote("5000"), SETTLED];

fn after_long(more: &[Step]) -> Vec<Step> {
    LONG.iter().chain(more).copied().collect()
}

#[test]
fn equity_breaches_exactly_at_the_floor() {
    let intraday = json!({});
    let end_of_day = json!({"mode": "trailing_end_of_day"});
    let fixed = json!({"mode": "static"});
    let stops = json!({"stops_at_start": true});
    let given = json!({"mode": "static", "starting_balance": 50_500});
    let cases: Vec<(&Value, Vec<Step>, bool)> = vec![
        (&intraday, after_long(&[Quote("4980.25")]), false),
        (&intraday, after_long(&[Quote("4980")]), true),
        (&fixed, after_long(&[Quote("4980.25")]), false),
        (&fixed, after_long(&[Quote("4980")]), true),
        // The mark follows what the account was worth at best, open profit included.
        (&intraday, after_long(&[Quote("5010"), Quote("4990.25")]), false),
        (&intraday, after_long(&[Quote("5010"), Quote("4990")]), true),
        (&end_of_day, after_long(&[Quote("5010"), Quote("4990"), Quote("4980.25")]), false),
        (&end_of_day, after_long(&[Quote("5010"), Quote("4980")]), true),
        (&fixed, after_long(&[Quote("5010"), Quote("4990")]), false),
        // A floor that stops at the start: 51,500 at best, but never above 50,000.
        (&stops, after_long(&[Quote("5030"), Quote("5010"), Quote("5000.25")]), false),
        (&stops, after_long(&[Quote("5030"), Quote("5000")]), true),
        (&given, after_long(&[Quote("4990.25")]), false),
        (&given, after_long(&[Quote("4990")]), true),
        // What is realized counts with its fees, before the balance says so and after.
        (&fixed, vec![Balance("50000"), Trade("-990", "9.99"), SETTLED], false),
        (&fixed, vec![Balance("50000"), Trade("-990", "10"), SETTLED], true),
        (&fixed, vec![Balance("50000"), Trade("-990", "9.99"), Balance("49000.01"), SETTLED], false),
        (&fixed, vec![Balance("50000"), Balance("49000"), SETTLED], true),
        // Without a balance nothing is known.
        (&fixed, vec![Trade("-5000", "0"), SETTLED], false),
        // A position without a price is left out, and does not raise the mark.
        (&intraday, vec![Balance("50000"), Hold(1), SETTLED], false),
    ];
    for (options, steps, breached) in cases {
        assert_last(&[(options.clone(), &steps, breached)]);
    }
}

#[test]
fn the_end_of_a_day_raises_the_mark_by_what_the_day_ended_with() {
    // 10:00 in New York; the day turns seven hours later.
    const TO_RESET: Step = Wait(7 * 3_600_000);
    let options = json!({"mode": "trailing_end_of_day"});
    let day = [Balance("50000"), Trade("800", "0"), Balance("50800"), TO_RESET, SETTLED];
    let then = |more: &[Step]| day.iter().chain(more).copied().collect::<Vec<_>>();
    // The floor is now at 49,800.
    assert_last(&[
        (options.clone(), &then(&[Trade("-999.99", "0"), SETTLED]), false),
        (options.clone(), &then(&[Trade("-1000", "0"), SETTLED]), true),
        // What is made after the turn does not raise it.
        (options.clone(), &then(&[Trade("500", "0"), SETTLED, Trade("-1499.99", "0"), SETTLED]), false),
        (options, &then(&[Trade("500", "0"), SETTLED, Trade("-1500", "0"), SETTLED]), true),
    ]);
}

#[test]
fn news_that_lag_neither_fire_nor_hide_a_breach() {
    let tight = json!({"limit": 400});
    // $500 of open profit are taken: position, trade and balance come in any order.
    let with_profit = after_long(&[Quote("5010")]);
    let close: [&[Step]; 5] = [
        &[Flat, Trade("500", "0"), Balance("50500"), SETTLED],
        &[Flat, Balance("50500"), Trade("500", "0"), SETTLED],
        &[Trade("500", "0"), Flat, Balance("50500"), SETTLED],
        &[Balance("50500"), Trade("500", "0"), Flat, SETTLED],
        // The balance never comes.
        &[Flat, Wait(300), Trade("500", "0"), SETTLED],
    ];
    for order in close {
        let steps: Vec<Step> = with_profit.iter().chain(order).copied().collect();
        assert_last(&[(tight.clone(), &steps, false)]);
        // The mark is what it was: $399.99 more may go, a cent more may not.
        for (loss, breached) in [("-399.99", false), ("-400", true)] {
            let more = [Trade(loss, "0"), SETTLED];
            let steps: Vec<Step> = steps.iter().chain(&more).copied().collect();
            assert_last(&[(tight.clone(), &steps, breached)]);
        }
    }
    // A steady stream of trades hides a breach for three seconds at the most.
    let mut steps = vec![Balance("50000"), Trade("-400", "0")];
    steps.extend([Wait(900), Trade("-0.01", "0"), Wait(900), Trade("-0.01", "0"), Wait(900), Trade("-0.01", "0")]);
    steps.push(Wait(300));
    assert_last(&[(tight, &steps, true)]);
}

#[test]
fn what_a_drawdown_leads_to() {
    let reset: Timestamp = "2026-03-10T21:00:00Z".parse().unwrap();
    for (options, lock) in [(json!({}), None), (json!({"lockout_until": "daily_reset"}), Some(reset))] {
        let mut probe = Probe::with_contracts(section(options));
        for step in LONG {
            take(&mut probe, step);
        }
        let responses = probe.quote(ES, "4980");
        assert_eq!(responses.len(), 1);
        assert_eq!((&responses[0].action, responses[0].lock), (&EnforcementAction::CloseAllAndLockout, Some(lock)));
        assert_eq!(responses[0].pnl, Some(dollars("-1000")));
        assert_eq!(responses[0].reason, "equity $49000.00, floor $49000.00: $1000.00 below $50000.00");
    }
}

#[test]
fn a_lock_that_is_over_begins_a_new_drawdown() {
    let mut probe = Probe::with_contracts(section(json!({"lockout_until": "daily_reset"})));
    for step in LONG {
        take(&mut probe, step);
    }
    assert_eq!(probe.quote(ES, "4980").len(), 1);
    for step in [Flat, Trade("-1000", "0"), Balance("49000"), SETTLED] {
        assert_eq!(take(&mut probe, step), [], "locked, and not again");
    }
    probe.look(vec![], vec![]);
    probe.wait(7 * 3_600_000);
    probe.feed(Event::LockoutCleared { account_id: ALICE });
    assert!(!probe.engine.account(ALICE).unwrap().locks.is_locked());
    assert_eq!(probe.engine.account(ALICE).unwrap().drawdown.unwrap().high_water_mark, dollars("49000"));
    for (step, breached) in
        [(Trade("-999.99", "0"), false), (SETTLED, false), (Trade("-0.01", "0"), false), (SETTLED, true)]
    {
        assert_eq!(!take(&mut probe, step).is_empty(), breached, "{step:?}");
    }
}

/// Every mark that goes to the disk while the steps are taken, in dollars.
fn marks_written(probe: &mut Probe, events: impl IntoIterator<Item = (i64, Event)>) -> Vec<DrawdownMark> {
    let mut actions = Vec::new();
    for (wait, event) in events {
        probe.at = after(probe.at, wait);
        step(&mut probe.engine, &probe.config, Input { at: probe.at, event }, &mut actions);
    }
    let written = actions.into_iter().filter_map(|action| match action {
        Action::Store(Write::PutDrawdownMark(mark)) => Some(mark),
        _ => None,
    });
    written.collect()
}

#[test]
fn the_mark_is_written_in_steps_and_survives_a_restart() {
    let mut probe = Probe::with_contracts(section(json!({})));
    for step in LONG {
        take(&mut probe, step);
    }
    let high = |marks: &[DrawdownMark]| marks.iter().map(|mark| mark.high_water_mark).collect::<Vec<_>>();
    let at = probe.at;
    let price = |last: &str| Event::Quote(quote(ES, last, at));
    // The limit is $1,000, a step $10: a tick of $12.50 is more, half a step waits for a second.
    let marks = marks_written(&mut probe, [(1, price("5000.25"))]);
    assert_eq!(high(&marks), [dollars("50012.50")]);
    let marks = marks_written(&mut probe, [(1, price("5000.30")), (1, price("5000.35")), (997, Event::TimePassed)]);
    assert_eq!(high(&marks), [] as [Money; 0]);
    let marks = marks_written(&mut probe, [(1, Event::TimePassed), (5_000, Event::TimePassed)]);
    assert_eq!(high(&marks), [dollars("50017.50")]);
    assert_eq!((marks[0].starting_balance, marks[0].account_id), (dollars("50000"), ALICE));
    let marks = marks_written(&mut probe, [(1, price("5000")), (1, price("5000.35"))]);
    assert_eq!(high(&marks), [] as [Money; 0], "what does not rise is not written");

    // The next run knows it: equity at the start is $50,000, the floor $49,500.
    let mark = DrawdownMark {
        account_id: ALICE,
        starting_balance: dollars("50000"),
        high_water_mark: dollars("50500"),
        day: "2026-03-10".parse().unwrap(),
        updated_at: noon(),
    };
    for (last, breached) in [("4990.25", false), ("4990", true)] {
        let config = config(&[ALICE], rules(section(json!({}))));
        let memory = Memory { drawdown_marks: [(ALICE, mark)].into(), ..Memory::default() };
        let mut actions = Vec::new();
        let engine = start(&config, memory, noon(), &mut actions);
        let mut probe = Probe::with_contracts(section(json!({})));
        probe.engine = engine;
        probe.at = noon();
        probe.feed(Event::Link { hub: Hub::User, up: true });
        probe.feed(Event::Contract(contract(ES)));
        probe.look(vec![position(ALICE, ES, 1, "5000")], vec![]);
        for step in [Balance("50000"), Quote("5000"), SETTLED] {
            assert_eq!(take(&mut probe, step), []);
        }
        assert_eq!(!probe.quote(ES, last).is_empty(), breached, "{last}");
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused_and_what_is_missing_is_said() {
    for (options, option) in [
        (json!({"limit": 0}), "limit"),
        (json!({"starting_balance": 0}), "starting_balance"),
        (json!({"mode": "static", "stops_at_start": true}), "stops_at_start"),
    ] {
        let config: RulesConfig = serde_json::from_value(section(options.clone())).unwrap();
        assert_eq!(config.build().unwrap_err().option, option, "{options}");
    }
    let rules = rules(section(json!({"limit": -1000})));
    let rule = rules.rules().next().unwrap();
    let mut probe = Probe::with_contracts(section(json!({})));
    let not_armed = |probe: &Probe| rule.not_armed(&probe.engine.view(ALICE, probe.at).unwrap());
    assert!(not_armed(&probe).unwrap().contains("balance"));
    for step in LONG {
        take(&mut probe, step);
    }
    assert_eq!(not_armed(&probe), None);
    take(&mut probe, Quote("4990"));
    let gauges = rule.gauges(&probe.engine.view(ALICE, probe.at).unwrap());
    assert_eq!(gauges, [riskd_core::rules::Gauge::dollars(dollars("500"), dollars("1000"))]);
}
