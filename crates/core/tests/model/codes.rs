//! The numbers of the gateway and of the database. Unknown ones are kept, and never mistaken for known ones.

use proptest::prelude::*;
use riskd_core::model::{EnforcementAction, EnforcementStatus, OrderState, OrderType, PositionType, Side};

#[test]
fn sides() {
    for (code, side) in [(0, Side::Buy), (1, Side::Sell), (2, Side::Unknown(2)), (-1, Side::Unknown(-1))] {
        assert_eq!((Side::from_code(code), side.code()), (side, code));
    }
}

#[test]
fn order_types() {
    use OrderType::{JoinAsk, JoinBid, Limit, Market, Stop, StopLimit, TrailingStop, Unknown};
    for (code, order_type, is_stop) in [
        (1, Limit, false),
        (2, Market, false),
        (3, StopLimit, true),
        (4, Stop, true),
        (5, TrailingStop, true),
        (6, JoinBid, false),
        (7, JoinAsk, false),
        (0, Unknown(0), false),
        (8, Unknown(8), false),
        (-4, Unknown(-4), false),
        (i32::MAX, Unknown(i32::MAX), false),
    ] {
        assert_eq!((OrderType::from_code(code), order_type.code()), (order_type, code));
        assert_eq!(order_type.is_stop(), is_stop, "{order_type:?}");
    }
}

#[test]
fn position_types() {
    use PositionType::{Long, Short, Undefined, Unknown};
    for (code, position_type) in [(0, Undefined), (1, Long), (2, Short), (3, Unknown(3)), (-1, Unknown(-1))] {
        assert_eq!((PositionType::from_code(code), position_type.code()), (position_type, code));
    }
}

/// The gateway's status and the database's state are two codings of the same names.
#[test]
fn order_states_in_both_codings() {
    use OrderState::{Cancelled, Expired, Filled, Pending, Rejected, Unknown, Working};
    for (status, state) in [
        (0, Pending),
        (1, Working),
        (2, Filled),
        (3, Cancelled),
        (4, Expired),
        (5, Rejected),
        (6, Pending),
        (7, Working),
        (8, Pending),
        (9, Unknown(9)),
        (-1, Unknown(-1)),
    ] {
        assert_eq!(OrderState::from_gateway_status(status), state, "status {status}");
    }
    for (code, state, alive) in [
        (1, Pending, true),
        (2, Working, true),
        (3, Filled, false),
        (4, Cancelled, false),
        (5, Rejected, false),
        (6, Expired, false),
        (-10, Unknown(9), true),
    ] {
        assert_eq!((OrderState::from_database_code(code), state.database_code()), (state, code));
        assert_eq!(state.is_alive(), alive, "{state:?}");
    }
}

proptest! {
    /// Whatever the gateway says, the database gives back; and an unknown status is never a known state.
    #[test]
    fn every_gateway_status_survives_the_database(status in prop_oneof![-20_i32..20, any::<i32>()]) {
        let state = OrderState::from_gateway_status(status);
        prop_assert_eq!(OrderState::from_database_code(state.database_code()), state);
        if !(0..=8).contains(&status) {
            prop_assert_eq!(state, OrderState::Unknown(status));
            prop_assert!(!(1..=6).contains(&state.database_code()), "{} is a known state", state.database_code());
        }
    }

    /// A number that another program left in the database stays unknown, too.
    #[test]
    fn unknown_database_numbers_stay_unknown(code in prop_oneof![-20_i64..20, any::<i64>()]) {
        let state = OrderState::from_database_code(code);
        prop_assert_eq!(matches!(state, OrderState::Unknown(_)), !(1..=6).contains(&code));
    }

    #[test]
    fn codes_without_a_name_are_kept(code in any::<i32>()) {
        prop_assert_eq!(Side::from_code(code).code(), code);
        prop_assert_eq!(OrderType::from_code(code).code(), code);
        prop_assert_eq!(PositionType::from_code(code).code(), code);
    }
}

#[test]
fn actions_are_text_and_other_text_is_kept() {
    use EnforcementAction::{
        CancelOrder, CancelOrders, CloseAllAndLockout, CloseAllPositions, ClosePosition, Cooldown, MoveStop, PlaceStop,
        ReduceToLimit,
    };
    for (text, action) in [
        ("CLOSE_POSITION", ClosePosition),
        ("CLOSE_ALL_POSITIONS", CloseAllPositions),
        ("REDUCE_TO_LIMIT", ReduceToLimit),
        ("CANCEL_ORDER", CancelOrder),
        ("CANCEL_ORDERS", CancelOrders),
        ("CLOSE_ALL_AND_LOCKOUT", CloseAllAndLockout),
        ("COOLDOWN", Cooldown),
        ("PLACE_STOP", PlaceStop),
        ("MOVE_STOP", MoveStop),
        ("REJECT_ORDER", EnforcementAction::Other("REJECT_ORDER".into())),
        ("", EnforcementAction::Other("".into())),
    ] {
        assert_eq!(EnforcementAction::from_text(text), action);
        assert_eq!((action.as_str(), action.to_string().as_str()), (text, text));
    }
}

#[test]
fn statuses_are_text_and_what_older_programs_wrote_is_finished() {
    use EnforcementStatus::{Confirmed, Pending};
    for (text, status) in [("pending", Pending), ("confirmed", Confirmed)] {
        assert_eq!((EnforcementStatus::from_text(text), status.as_str()), (status, text));
    }
    assert_eq!(EnforcementStatus::from_text("done"), Confirmed);
    assert_eq!(EnforcementStatus::default(), Confirmed);
}
