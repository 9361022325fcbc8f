//! RULE-012 whatever happens: in the end every open position has its stop, and none was ever loosened.

use proptest::prelude::*;
use proptest::sample::Index;
use riskd_core::model::*;
use serde_json::json;

use crate::build::*;
use crate::harness::World;
use crate::properties::{CONTRACTS, Happening, happenings, live};

fn rules() -> serde_json::Value {
    json!({"trade_management": {
        "auto_stop_loss": true, "stop_loss_ticks": 40, "auto_breakeven": {"profit_trigger_ticks": 40},
        "trailing_stop": {"activation_ticks": 80, "trail_distance_ticks": 40},
    }})
}

/// Every position is covered on its closing side, by no more than its size of ours; nothing of ours is left elsewhere.
fn assert_stops_stand(world: &World) {
    let account = &world.broker.accounts[&ALICE];
    for (contract, _) in CONTRACTS {
        let held = account.positions.get(&id(contract)).map_or(0, |held| held.size);
        let closing = if held > 0 { Side::Sell } else { Side::Buy };
        let ours = |side: Side| -> i64 {
            let orders = account.orders.values().filter(|order| order.is_our_stop() && order.side == side);
            orders.filter(|order| order.contract_id == id(contract)).map(Order::remaining).sum()
        };
        let other = if held > 0 { Side::Buy } else { Side::Sell };
        let books = format!("{held} {contract}: {:#?}", world.protective_sends());
        assert_eq!((ours(closing), ours(other)), (held.abs(), 0), "{books}");
    }
    assert!(!world.loosened, "{:#?}", world.protective_sends());
    assert_eq!(world.engine().pending_enforcements(ALICE), 0, "{:#?}", world.log(ALICE));
    assert!(world.log(ALICE).iter().all(|row| row.success), "{:#?}", world.log(ALICE));
}

/// No order of the trader's that would be a stop: whatever stands is ours.
fn only_ours(happenings: Vec<Happening>) -> Vec<Happening> {
    happenings.into_iter().filter(|each| !matches!(each, Happening::Order { .. })).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_position_ends_with_its_stop_and_none_was_loosened(happenings in happenings()) {
        assert_stops_stand(&live(rules(), &only_ours(happenings), None));
    }

    #[test]
    fn a_death_at_any_action_changes_nothing_of_that(happenings in happenings(), moment in any::<Index>()) {
        let happenings = only_ours(happenings);
        let undisturbed = live(rules(), &happenings, None);
        let crash_at = moment.index(undisturbed.carried_out.max(1)) + 1;
        assert_stops_stand(&live(rules(), &happenings, Some(crash_at)));
    }

    #[test]
    fn equal_inputs_give_equal_actions(happenings in happenings()) {
        prop_assert_eq!(live(rules(), &happenings, None).done, live(rules(), &happenings, None).done);
    }
}
