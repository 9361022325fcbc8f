//! [`Account`] and [`Contract`]

use riskd_core::model::{Account, AccountDraft, AccountId, Contract, ContractDraft, Money};

use crate::{check_changes, contract_id, money, price};

#[test]
fn an_account_has_a_number() {
    let draft = |id| AccountDraft {
        id: AccountId(id),
        name: String::new(),
        balance: money("-5"),
        can_trade: None,
        simulated: true,
    };
    for (id, expected) in [
        (1, None),
        (i64::MAX, None),
        (0, Some("Account.id = 0: must be greater than 0")),
        (-7, Some("Account.id = -7: must be greater than 0")),
    ] {
        let found = Account::new(draft(id)).err().map(|invalid| invalid.to_string());
        assert_eq!(found.as_deref(), expected);
    }
}

#[test]
fn a_contract_has_a_tick() {
    let valid = ContractDraft {
        contract_id: contract_id(),
        symbol_id: "F.US.MNQ".to_owned(),
        name: "MNQU5".to_owned(),
        tick_size: price("0.25"),
        tick_value: money("0.50"),
        exchange: None,
        expiration: None,
        allows_negative_price: false,
    };
    check_changes(
        &valid,
        Contract::new,
        &[
            (|_| {}, None),
            (|contract| contract.tick_size = price("0.000000001"), None),
            (|contract| contract.tick_size = price("0"), Some("Contract.tick_size = 0: must be greater than 0")),
            (
                |contract| contract.tick_size = price("-0.25"),
                Some("Contract.tick_size = -0.25: must be greater than 0"),
            ),
            (|contract| contract.tick_value = Money::from_micros(1), None),
            (|contract| contract.tick_value = Money::ZERO, Some("Contract.tick_value = 0.00: must be greater than 0")),
            (
                |contract| contract.tick_value = money("-0.5"),
                Some("Contract.tick_value = -0.50: must be greater than 0"),
            ),
        ],
    );
    let contract = Contract::new(valid).unwrap();
    for (at, on_grid) in [("21000.25", true), ("21000.2", false), ("0", true), ("-0.25", true), ("-0.1", false)] {
        assert_eq!(contract.is_on_tick_grid(price(at)), on_grid, "{at}");
    }
}
