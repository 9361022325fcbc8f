//! Unrealized P&L, exposure and the value of a move, on contracts as they are traded.

use proptest::prelude::*;
use riskd_core::model::{
    Contract, ContractDraft, ContractId, Money, Noun, Position, PositionDraft, PositionId, PositionType, Price,
};

use crate::{ACCOUNT, checks_below_zero, money, now_and, price};

/// Root, tick size in points, tick value in dollars.
const CONTRACTS: [(&str, &str, &str); 5] = [
    ("ES", "0.25", "12.50"),
    ("MNQ", "0.25", "0.50"),
    ("CL", "0.01", "10"),
    ("6J", "0.0000005", "6.25"),
    ("RTY", "0.1", "5"),
];

fn contract(root: &str) -> Contract {
    let (root, tick_size, tick_value) = CONTRACTS.iter().find(|(name, ..)| *name == root).unwrap();
    Contract::new(ContractDraft {
        contract_id: ContractId::new(&format!("CON.F.US.{root}.U25"), Noun::Contract).unwrap(),
        symbol_id: format!("F.US.{root}"),
        name: format!("{root}U5"),
        tick_size: price(tick_size),
        tick_value: money(tick_value),
        exchange: None,
        expiration: None,
        allows_negative_price: *root == "CL",
    })
    .unwrap()
}

fn position(position_type: PositionType, size: i64, average_price: Price) -> Position {
    let draft = PositionDraft {
        id: PositionId(1),
        account_id: ACCOUNT,
        contract_id: ContractId::new("CON.F.US.ES.U25", Noun::Position).unwrap(),
        position_type,
        size,
        average_price,
        created_at: now_and(0),
        updated_at: now_and(0),
    };
    Position::new(draft, &checks_below_zero()).unwrap()
}

#[test]
fn unrealized_pnl() {
    use PositionType::{Long, Short, Undefined, Unknown};
    for (root, position_type, size, average, last, expected) in [
        ("ES", Long, 1, "2670.25", "2670.50", "12.50"),
        ("ES", Long, 2, "2670.25", "2670.00", "-25"),
        ("ES", Short, 1, "2670.25", "2670.50", "-12.50"),
        ("ES", Short, 3, "2670.25", "2665.25", "750"),
        ("ES", Long, 1, "2670.25", "2670.25", "0"),
        ("ES", Long, 0, "2670.25", "9999.25", "0"),
        // An average off the grid: two bought at 2670.25 and one at 2670.50.
        ("ES", Long, 3, "2670.333333333", "2671", "100"),
        ("ES", Short, 3, "2670.333333333", "2671", "-100"),
        ("MNQ", Long, 5, "21000.25", "20940.25", "-600"),
        ("MNQ", Short, 5, "21000.25", "20940.25", "600"),
        ("MNQ", Long, 1, "21000.10", "21000.25", "0.30"),
        ("MNQ", Long, 7, "21000.333333333", "21000.25", "-1.166667"),
        ("CL", Long, 2, "61.07", "61.01", "-120"),
        ("CL", Short, 2, "61.07", "61.01", "120"),
        // 20 April 2020.
        ("CL", Long, 1, "10.01", "-37.63", "-47640"),
        ("CL", Short, 1, "-37.63", "-40.32", "2690"),
        ("CL", Long, 1, "-0.01", "0.01", "20"),
        ("6J", Long, 1, "0.0068905", "0.0068900", "-6.25"),
        ("6J", Short, 4, "0.0068905", "0.0068900", "25"),
        ("6J", Long, 1, "0.00689025", "0.0068900", "-3.125"),
        ("RTY", Long, 3, "2100.1", "2099.8", "-45"),
        ("ES", Undefined, 3, "2670.25", "2600", "0"),
        ("ES", Unknown(7), 3, "2670.25", "2600", "0"),
    ] {
        let position = position(position_type, size, price(average));
        let found = position.unrealized_pnl(&contract(root), price(last));
        assert_eq!(found, money(expected), "{position_type:?} {size} {root} from {average} to {last}");
    }
}

#[test]
fn exposure_is_size_by_price_by_point_value() {
    for (root, position_type, size, average, expected) in [
        ("ES", PositionType::Long, 2, "2670.25", "267025"),
        ("ES", PositionType::Short, 2, "2670.25", "267025"),
        ("MNQ", PositionType::Long, 1, "21000.25", "42000.50"),
        ("CL", PositionType::Long, 1, "-37.63", "37630"),
        ("6J", PositionType::Short, 1, "0.0068905", "86131.25"),
        ("ES", PositionType::Long, 0, "2670.25", "0"),
    ] {
        let position = position(position_type, size, price(average));
        assert_eq!(position.exposure(&contract(root)), money(expected), "{root}");
    }
}

/// Sizes and prices come from the wire: the largest must clamp, with the right sign, and never panic or wrap around.
#[test]
fn the_largest_numbers_clamp() {
    let (most, least) = (Money::from_micros(i64::MAX), Money::from_micros(i64::MIN));
    let (high, low) = (Price::from_nanos(i64::MAX), Price::from_nanos(i64::MIN));
    let dear = Contract::new(ContractDraft { tick_value: most, ..contract("6J").into_draft() }).unwrap();
    for contract in [contract("ES"), dear] {
        assert_eq!(contract.value_between(low, high, i64::MAX), most);
        assert_eq!(contract.value_between(high, low, i64::MAX), least);
        assert_eq!(contract.value_between(low, high, i64::MIN), least);
        assert_eq!(contract.value_between(high, low, i64::MIN), most);
        assert_eq!(contract.notional(high, i64::MAX), most);
        assert_eq!(contract.notional(high, 0), Money::ZERO);
        assert_eq!(contract.value_between(low, low, i64::MAX), Money::ZERO);
        let short = position(PositionType::Short, i64::MAX, Price::from_nanos(1));
        assert_eq!(short.unrealized_pnl(&contract, high), least);
        assert_eq!(position(PositionType::Long, i64::MAX, high).exposure(&contract), most);
    }
}

proptest! {
    /// On the grid, P&L is a whole number of tick values; a short is the long's mirror.
    #[test]
    fn on_the_grid_ticks_count(
        which in 0..CONTRACTS.len(),
        average in 1_i64..100_000,
        last in 1_i64..100_000,
        size in 1_i64..1_000,
    ) {
        let contract = contract(CONTRACTS[which].0);
        let at = |ticks: i64| Price::from_nanos(ticks * contract.tick_size.nanos());
        let long = position(PositionType::Long, size, at(average)).unrealized_pnl(&contract, at(last));
        let short = position(PositionType::Short, size, at(average)).unrealized_pnl(&contract, at(last));
        prop_assert_eq!(long, contract.tick_value.times((last - average) * size));
        prop_assert_eq!(short, -long);
    }

    /// Going there in two moves is worth what one move is, to the rounding of each.
    #[test]
    fn moves_add_up(from in 1_i64..1 << 45, by in 1_i64..1 << 45, to in 1_i64..1 << 45, size in 1_i64..1_000) {
        let contract = contract("ES");
        let [from, by, to] = [from, by, to].map(Price::from_nanos);
        let direct = contract.value_between(from, to, size);
        let detour = contract.value_between(from, by, size) + contract.value_between(by, to, size);
        prop_assert!((direct - detour).abs() <= Money::from_micros(1));
    }

    #[test]
    fn no_numbers_are_a_panic(
        tick_size in 1_i64..,
        tick_value in 1_i64..,
        from in any::<i64>(),
        to in any::<i64>(),
        count in any::<i64>(),
    ) {
        let draft = ContractDraft {
            tick_size: Price::from_nanos(tick_size),
            tick_value: Money::from_micros(tick_value),
            ..contract("ES").into_draft()
        };
        let contract = Contract::new(draft).unwrap();
        let value = contract.value_between(Price::from_nanos(from), Price::from_nanos(to), count);
        let rises = (to > from) == (count > 0);
        prop_assert!(value == Money::ZERO || value.is_negative() != rises, "{} has the wrong sign", value);
    }
}
