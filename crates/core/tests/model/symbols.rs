//! Symbol roots: the gateway's, the exchange's, and those in config files.

use riskd_core::model::{Contract, ContractDraft, ContractId, Noun, SymbolRoot, same_product};

use crate::{money, price};

fn id(text: &str) -> ContractId {
    ContractId::new(text, Noun::Contract).unwrap()
}

fn contract(contract_id: &str, name: &str) -> Contract {
    Contract::new(ContractDraft {
        contract_id: id(contract_id),
        symbol_id: String::new(),
        name: name.to_owned(),
        tick_size: price("0.25"),
        tick_value: money("12.5"),
        exchange: None,
        expiration: None,
        allows_negative_price: false,
    })
    .unwrap()
}

#[test]
fn the_root_is_the_fourth_part_of_the_id() {
    for (text, root) in [
        ("CON.F.US.MNQ.U25", "MNQ"),
        ("CON.F.US.EP.M25", "EP"),
        ("CON.F.US.MES", "MES"),
        ("CON.F.US..U25", "CON.F.US..U25"),
        ("CON.F.US", "CON.F.US"),
        ("MNQU5", "MNQU5"),
        ("XON.F.US.MNQ.U25", "XON.F.US.MNQ.U25"),
    ] {
        assert_eq!(SymbolRoot::of_contract_id(&id(text)), SymbolRoot(root), "{text}");
    }
}

#[test]
fn the_exchanges_root_stands_before_month_and_year() {
    for (name, root) in [
        ("ESU5", Some("ES")),
        ("ESU25", Some("ES")),
        ("MESZ5", Some("MES")),
        ("M2KU5", Some("M2K")),
        ("6JH26", Some("6J")),
        ("CLF6", Some("CL")),
        ("ES", None),
        ("ESA5", None),
        ("U5", None),
        ("", None),
        ("2025", None),
    ] {
        assert_eq!(SymbolRoot::of_contract_name(name), root.map(SymbolRoot), "{name}");
    }
}

/// What the config names, the contract's id, its name where the gateway has told it, and whether they are the same.
#[test]
fn a_configured_root_matches_its_product_and_no_other() {
    for (configured, contract_id, name, same) in [
        // EP is ES, by the name and by the table.
        ("ES", "CON.F.US.EP.U25", Some("ESU5"), true),
        ("ES", "CON.F.US.EP.U25", None, true),
        ("EP", "CON.F.US.EP.U25", None, true),
        ("EP", "CON.F.US.EP.U25", Some("ESU5"), true),
        ("es", "CON.F.US.EP.U25", None, true),
        ("ES", "CON.F.US.ES.U25", None, true),
        // MES is not ES.
        ("ES", "CON.F.US.MES.U25", Some("MESU5"), false),
        ("ES", "CON.F.US.MES.U25", None, false),
        ("MES", "CON.F.US.EP.U25", Some("ESU5"), false),
        ("MES", "CON.F.US.MES.U25", Some("MESU5"), true),
        ("NQ", "CON.F.US.ENQ.U25", Some("NQU5"), true),
        ("NQ", "CON.F.US.ENQ.U25", None, true),
        ("NQ", "CON.F.US.MNQ.U25", Some("MNQU5"), false),
        ("CL", "CON.F.US.CLE.V25", None, true),
        ("GC", "CON.F.US.GCE.Z25", None, true),
        ("6J", "CON.F.US.JY6.U25", None, true),
        ("ZN", "CON.F.US.TYA.Z25", None, true),
        ("HG", "CON.F.US.CPE.Z25", Some("HGZ5"), true),
        ("MCL", "CON.F.US.MCLE.V25", None, true),
        ("CL", "CON.F.US.MCLE.V25", None, false),
        ("QM", "CON.F.US.NQM.V25", None, true),
        ("NQ", "CON.F.US.NQM.V25", Some("QMV5"), false),
        // Unknown to the table: by the name, or as it is spelled.
        ("ZW", "CON.F.US.QWERTY.Z25", Some("ZWZ5"), true),
        ("ZW", "CON.F.US.QWERTY.Z25", None, false),
        ("QWERTY", "CON.F.US.QWERTY.Z25", None, true),
        ("qwerty", "CON.F.US.QWERTY.Z25", Some("ZWZ5"), true),
        ("", "CON.F.US.EP.U25", None, false),
        // An id of another form is its own root.
        ("ESU5", "ESU5", None, true),
        ("ES", "ESU5", None, false),
    ] {
        let known = name.map(|name| contract(contract_id, name));
        let found = same_product(SymbolRoot(configured), &id(contract_id), known.as_ref());
        assert_eq!(found, same, "{configured} and {contract_id} named {name:?}");
    }
}

#[test]
fn a_contract_tells_both_its_roots() {
    let contract = contract("CON.F.US.EP.U25", "ESU5");
    assert_eq!((contract.gateway_root(), contract.exchange_root()), (SymbolRoot("EP"), Some(SymbolRoot("ES"))));
}
