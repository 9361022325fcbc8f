//! [`Position`]

use riskd_core::model::{EXTREME_PNL_PER_CONTRACT, Money, Position, PositionDraft, PositionId, PositionType};

use crate::{ACCOUNT, check_changes, checks, checks_below_zero, contract_id, now_and, price};

fn long() -> PositionDraft {
    PositionDraft {
        id: PositionId(1),
        account_id: ACCOUNT,
        contract_id: contract_id(),
        position_type: PositionType::Long,
        size: 2,
        average_price: price("21000.25"),
        created_at: now_and(0),
        updated_at: now_and(0),
    }
}

#[test]
fn sizes_prices_and_times() {
    check_changes(
        &long(),
        |draft| Position::new(draft, &checks()),
        &[
            (|_| {}, None),
            (|position| position.size = 0, None),
            (|position| position.size = i64::MAX, None),
            (|position| position.size = -1, Some("Position.size = -1: must not be negative")),
            (|position| position.average_price = price("0.000000001"), None),
            (
                |position| position.average_price = price("0"),
                Some("Position.average_price = 0: must be greater than 0"),
            ),
            (
                |position| position.average_price = price("-0.5"),
                Some("Position.average_price = -0.5: must be greater than 0"),
            ),
            (|position| position.updated_at = now_and(1), None),
            (
                |position| position.updated_at = now_and(-1),
                Some("Position.updated_at = 2025-06-02T14:29:59.999Z: must not be before created_at"),
            ),
            (|position| position.position_type = PositionType::Unknown(9), None),
        ],
    );
    let below_zero = PositionDraft { average_price: price("-37.63"), ..long() };
    assert!(Position::new(below_zero, &checks_below_zero()).is_ok());
}

#[test]
fn the_sign_of_a_size_is_its_direction() {
    for (position_type, size, signed) in [
        (PositionType::Long, 2, 2),
        (PositionType::Short, 2, -2),
        (PositionType::Short, i64::MAX, -i64::MAX),
        (PositionType::Long, 0, 0),
        (PositionType::Undefined, 2, 0),
        (PositionType::Unknown(3), 2, 0),
    ] {
        let position = Position::new(PositionDraft { position_type, size, ..long() }, &checks()).unwrap();
        assert_eq!(position.signed_size(), signed);
        assert_eq!(position.is_closed(), size == 0);
    }
}

#[test]
fn beyond_ten_thousand_dollars_a_contract_a_pnl_is_extreme() {
    let position = Position::new(long(), &checks()).unwrap();
    let limit = EXTREME_PNL_PER_CONTRACT.times(2);
    assert_eq!(limit, Money::from_dollars(20_000));
    let step = Money::from_micros(1);
    for (pnl, extreme) in
        [(limit, false), (limit + step, true), (-limit, false), (-limit - step, true), (Money::ZERO, false)]
    {
        assert_eq!(position.is_extreme(pnl), extreme, "{pnl}");
    }
}
