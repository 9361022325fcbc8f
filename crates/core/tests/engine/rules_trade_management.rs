//! RULE-012: where a stop belongs, on either side and on every grid; what its options may say.

use riskd_core::engine::{Event, Goal, Hub};
use riskd_core::model::*;
use riskd_core::rules::{Rule, RuleSet, RulesConfig};
use serde_json::{Value, json};

use crate::build::*;
use crate::probe::{Probe, Response};

fn probe(options: Value) -> Probe {
    Probe::with_contracts(json!({"trade_management": options}))
}

/// Opens a position, and lets the broker's books show that nothing protects it.
fn open(probe: &mut Probe, contract: &str, size: i64, average: &str) -> Vec<Response> {
    assert_eq!(probe.hold(contract, size, average), [], "not before the books were asked");
    probe.wait(300);
    probe.look(vec![position(ALICE, contract, size, average)], vec![])
}

fn stop_of(response: &Response) -> (EnforcementAction, String) {
    let Goal::StopStands { stop, .. } = &response.goal else { panic!("{response:?}") };
    (response.action.clone(), stop.to_string())
}

#[test]
fn the_first_stop_stands_so_many_ticks_from_the_average_rounded_to_the_tighter_side() {
    // Contract, size, average, ticks, where it stands.
    let cases = [
        (MNQ, 1, "20000", 10, "19997.5"),
        (MNQ, -1, "20000", 10, "20002.5"),
        (MNQ, 1, "20000", 1, "19999.75"),
        (ES, 3, "5000.25", 8, "4998.25"),
        (CL, 2, "60.05", 5, "60"),
        (CL, -2, "60.05", 5, "60.1"),
        // Between two ticks.
        (MNQ, 3, "20000.083333333", 10, "19997.75"),
        (MNQ, -3, "20000.083333333", 10, "20002.5"),
        (MNQ, 3, "20000.249999999", 10, "19997.75"),
        (MNQ, -3, "20000.000000001", 10, "20002.5"),
        // Crude oil may stand below zero, and nothing else.
        (CL, 1, "0.05", 10, "-0.05"),
        (MNQ, 1, "2", 10, "0.25"),
    ];
    for (contract, size, average, ticks, at) in cases {
        let mut probe = probe(json!({"auto_stop_loss": true, "stop_loss_ticks": ticks}));
        let responses = open(&mut probe, contract, size, average);
        assert_eq!(responses.len(), 1, "{contract} {size} at {average}: {responses:?}");
        assert_eq!(
            stop_of(&responses[0]),
            (EnforcementAction::PlaceStop, at.to_owned()),
            "{contract} {size} {average}"
        );
        assert_eq!((responses[0].rule, responses[0].lock), (RuleId::TRADE_MANAGEMENT, None));
    }
}

#[test]
fn a_profit_earns_a_stop_at_its_trigger_and_not_a_tick_before() {
    // Options, size, average, the price that earns nothing, the one that earns a stop, where it stands.
    let even = json!({"auto_breakeven": true});
    let offset = json!({"auto_breakeven": {"profit_trigger_ticks": 8, "offset_ticks": 2}});
    let trail = json!({"trailing_stop": true});
    let wide = json!({"trailing_stop": {"activation_ticks": 4, "trail_distance_ticks": 12}});
    let both = json!({"auto_breakeven": {"offset_ticks": 9}, "trailing_stop": {"activation_ticks": 12}});
    let cases = [
        (&even, 1, "20000", "20002.25", "20002.5", "20000"),
        (&even, -1, "20000", "19997.75", "19997.5", "20000"),
        // The average lies between two ticks: no loss is left.
        (&even, 1, "20000.1", "20002.5", "20002.75", "20000.25"),
        (&even, -1, "20000.1", "19997.75", "19997.5", "20000"),
        (&offset, 1, "20000", "20001.75", "20002", "20000.5"),
        (&offset, -1, "20000", "19998.25", "19998", "19999.5"),
        (&trail, 1, "20000", "20004.75", "20005", "20002.5"),
        (&trail, -1, "20000", "19995.25", "19995", "19997.5"),
        (&trail, 1, "20000", "20004.75", "20010", "20007.5"),
        (&wide, 1, "20000", "20000.75", "20001", "19998"),
        // The tighter of the two.
        (&both, 1, "20000", "20002.25", "20002.5", "20002.25"),
    ];
    for (options, size, average, before, reached, at) in cases {
        let mut probe = probe(options.clone());
        assert_eq!(open(&mut probe, MNQ, size, average), [], "no stop before it is earned: {options}");
        assert_eq!(probe.quote(MNQ, before), [], "{options} {size} at {before}");
        let responses = probe.quote(MNQ, reached);
        assert_eq!(responses.len(), 1, "{options} {size} at {reached}: {responses:?}");
        let placed = (EnforcementAction::PlaceStop, at.to_owned());
        assert_eq!(stop_of(&responses[0]), placed, "{options} {size} at {reached}");
    }
}

#[test]
fn a_stop_limit_keeps_its_distance_and_a_trailing_stop_of_the_traders_is_left_alone() {
    for (order_type, is_moved) in
        [(OrderType::Stop, true), (OrderType::StopLimit, true), (OrderType::TrailingStop, false)]
    {
        let mut probe = probe(json!({"auto_stop_loss": true, "auto_breakeven": true}));
        let mut draft = order(7, ALICE, MNQ, OrderType::Stop, Side::Sell, 2, OrderState::Working).into_draft();
        draft.order_type = order_type;
        draft.stop_price = Some(price("19990"));
        draft.limit_price = (order_type == OrderType::StopLimit).then(|| price("19988"));
        let his = Order::new(draft, &checks()).unwrap();
        probe.hold(MNQ, 2, "20000");
        probe.feed(Event::Order(his.clone()));
        probe.wait(300);
        assert_eq!(probe.look(vec![position(ALICE, MNQ, 2, "20000")], vec![his]), []);
        let responses = probe.quote(MNQ, "20002.5");
        assert_eq!(responses.len(), usize::from(is_moved), "{order_type:?}");
        if let Some(response) = responses.first() {
            assert_eq!(stop_of(response), (EnforcementAction::MoveStop, "20000".to_owned()));
        }
    }
}

#[test]
fn a_price_from_before_the_position_earns_nothing_and_closes_nothing() {
    let mut probe = probe(json!({"auto_stop_loss": true, "auto_breakeven": true}));
    let old = after(noon(), -60_000);
    for last in ["20010", "19990"] {
        probe.feed(Event::Quote(quote(MNQ, last, old)));
    }
    let responses = open(&mut probe, MNQ, 1, "20000");
    assert_eq!(responses.iter().map(stop_of).collect::<Vec<_>>(), [(EnforcementAction::PlaceStop, "19997.5".into())]);
}

#[test]
fn a_position_whose_stop_comes_too_late_is_closed() {
    for (size, last, is_closed) in
        [(1, "19997.75", false), (1, "19997.5", true), (-1, "20002.25", false), (-1, "20002.5", true)]
    {
        let mut probe = probe(json!({"auto_stop_loss": true}));
        probe.quote(MNQ, last);
        let responses = open(&mut probe, MNQ, size, "20000");
        let wanted = if is_closed { EnforcementAction::ClosePosition } else { EnforcementAction::PlaceStop };
        assert_eq!(responses.iter().map(|one| one.action.clone()).collect::<Vec<_>>(), [wanted], "{size} at {last}");
    }
}

#[test]
fn on_a_live_account_no_stop_is_placed_and_the_price_is_watched() {
    let mut probe = probe(json!({"auto_stop_loss": true}));
    let live = AccountDraft {
        id: ALICE,
        name: "alice".to_owned(),
        balance: dollars("50000"),
        can_trade: Some(true),
        simulated: false,
    };
    probe.feed(Event::Account(Account::new(live).unwrap()));
    probe.feed(Event::Link { hub: Hub::Market, up: true });
    probe.quote(MNQ, "20000");
    assert_eq!(open(&mut probe, MNQ, 1, "20000"), []);
    let arming = probe.engine.arming(&probe.config, probe.at);
    assert!(arming[0].not_armed.as_ref().is_some_and(|reason| reason.contains("live account")), "{arming:?}");
    assert_eq!(probe.quote(MNQ, "19997.75"), []);
    let responses = probe.quote(MNQ, "19997.5");
    assert_eq!(responses.iter().map(|one| one.action.clone()).collect::<Vec<_>>(), [EnforcementAction::ClosePosition]);
}

#[test]
fn every_form_of_the_options_loads_and_what_cannot_be_meant_is_refused() {
    let said = |options: Value| -> Result<String, String> {
        let section = json!({"trade_management": options});
        let config = serde_json::from_value::<RulesConfig>(section).map_err(|error| error.to_string())?;
        let set = config.build().map_err(|error| error.to_string())?;
        let idle = set.idle().iter().map(|idle| format!("idle: {}", idle.reason));
        Ok(set.rules().map(Rule::sentence).chain(idle).collect())
    };
    let stop = "A position without a stop gets one 10 ticks from its average price.";
    let even = "At 10 ticks of profit its stop is moved to the average price.";
    let trail = "From 20 ticks of profit on the stop follows the best price 10 ticks behind.";
    let end = "A stop only ever tightens.";
    let nothing = "idle: nothing of it is switched on: auto_stop_loss, auto_breakeven, trailing_stop";
    let loads = [
        (json!({"auto_stop_loss": true}), format!("{stop} {end}")),
        (json!({"auto_stop_loss": true, "stop_loss_ticks": 10}), format!("{stop} {end}")),
        (json!({"auto_breakeven": true}), format!("{even} {end}")),
        (json!({"auto_breakeven": {}}), format!("{even} {end}")),
        (
            json!({"auto_breakeven": {"enabled": true, "profit_trigger_ticks": 10, "offset_ticks": 0}}),
            format!("{even} {end}"),
        ),
        (json!({"trailing_stop": true, "auto_breakeven": false}), format!("{trail} {end}")),
        (json!({"trailing_stop": {"activation_ticks": 20, "trail_distance_ticks": 10}}), format!("{trail} {end}")),
        (
            json!({"auto_stop_loss": true, "auto_breakeven": true, "trailing_stop": true}),
            format!("{stop} {even} {trail} {end}"),
        ),
        (json!({"auto_stop_loss": true, "trailing_stop": {"enabled": false}}), format!("{stop} {end}")),
        (json!({"enabled": false}), String::new()),
        (json!({}), nothing.to_owned()),
        (json!({"auto_stop_loss": false, "stop_loss_ticks": 10, "auto_breakeven": false}), nothing.to_owned()),
    ];
    for (options, sentence) in loads {
        assert_eq!(said(options.clone()), Ok(sentence), "{options}");
    }
    let refused = [
        (json!({"stop_loss_ticks": 10}), "rules.trade_management.stop_loss_ticks: stands without auto_stop_loss"),
        (json!({"auto_stop_loss": true, "stop_loss_ticks": 0}), "stop_loss_ticks: must be from 1 to 100000 ticks"),
        (json!({"auto_stop_loss": true, "stop_loss_ticks": 100_001}), "must be from 1 to 100000 ticks"),
        (json!({"auto_breakeven": {"profit_trigger_ticks": 0}}), "auto_breakeven.profit_trigger_ticks: must be from 1"),
        (json!({"auto_breakeven": {"offset_ticks": -1}}), "auto_breakeven.offset_ticks: must be 0 or more"),
        (json!({"auto_breakeven": {"offset_ticks": 10}}), "offset_ticks: must be less than profit_trigger_ticks (10)"),
        (json!({"trailing_stop": {"activation_ticks": -5}}), "trailing_stop.activation_ticks: must be from 1"),
        (json!({"trailing_stop": {"trail_distance_ticks": 0}}), "trailing_stop.trail_distance_ticks: must be from 1"),
        (json!({"trailing_stop": 10}), "true, false, or its options"),
        (json!({"trailing_stop": {"distance": 10}}), "unknown field `distance`"),
        (json!({"stop_ticks": 10}), "unknown field `stop_ticks`"),
    ];
    for (options, problem) in refused {
        let error = said(options.clone()).expect_err(problem);
        assert!(error.contains(problem), "{options}: {error}");
    }
}

#[test]
fn what_lets_a_position_lose_more_is_looser() {
    let full = json!({
        "auto_stop_loss": true, "stop_loss_ticks": 10, "auto_breakeven": {"profit_trigger_ticks": 10, "offset_ticks": 2},
        "trailing_stop": {"activation_ticks": 20, "trail_distance_ticks": 10},
    });
    let set = |options: &Value| -> RuleSet { rules(json!({"trade_management": options})) };
    let with = |key: &str, value: Value| {
        let mut options = full.clone();
        options[key] = value;
        options
    };
    let cases = [
        (full.clone(), false),
        (with("stop_loss_ticks", json!(9)), false),
        (with("stop_loss_ticks", json!(11)), true),
        (with("auto_stop_loss", json!(false)), true),
        (with("auto_breakeven", json!(false)), true),
        (with("auto_breakeven", json!({"profit_trigger_ticks": 9, "offset_ticks": 2})), false),
        (with("auto_breakeven", json!({"profit_trigger_ticks": 11, "offset_ticks": 2})), true),
        (with("auto_breakeven", json!({"profit_trigger_ticks": 10, "offset_ticks": 1})), true),
        (with("auto_breakeven", json!({"profit_trigger_ticks": 10, "offset_ticks": 3})), false),
        (with("trailing_stop", json!(false)), true),
        (with("trailing_stop", json!({"activation_ticks": 21, "trail_distance_ticks": 10})), true),
        (with("trailing_stop", json!({"activation_ticks": 20, "trail_distance_ticks": 11})), true),
        (with("trailing_stop", json!({"activation_ticks": 19, "trail_distance_ticks": 9})), false),
    ];
    let before = set(&full);
    let before = before.rule("trade_management").unwrap();
    for (options, is_looser) in cases {
        let after = set(&options);
        assert_eq!(after.rule("trade_management").unwrap().loosens(before), is_looser, "{options}");
    }
    // Something more is never looser.
    let less = set(&json!({"auto_stop_loss": true}));
    let more = set(&full);
    assert!(!more.rule("trade_management").unwrap().loosens(less.rule("trade_management").unwrap()));
}
