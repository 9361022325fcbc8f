//! The contracts that are traded here, with their true ticks.

use riskd_core::model::{Contract, ContractDraft, ContractId, Money, Noun, Price};

/// A contract on the exchange's list, with what trading it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The contract: id, names, tick size and tick value.
    pub contract: Contract,
    /// What it is, in words: `E-mini S&P 500: June 2018`.
    pub description: String,
    /// Whether it is traded now; orders for any other are refused.
    pub active: bool,
    /// Fees for one contract bought or sold, in dollars; a round turn costs twice that.
    pub fee_per_side: Money,
    /// Cash that one open contract ties up, in dollars. Only checked where the exchange is told to.
    pub margin: Money,
}

/// One row of [`CONTRACTS`].
struct Row {
    root: &'static str,
    gateway_root: &'static str,
    product: &'static str,
    tick_size_nanos: i64,
    tick_value_cents: i32,
    fee_per_side_cents: i32,
    margin_dollars: i32,
    exchange: &'static str,
    may_be_negative: bool,
}

/// Tick sizes and values as CME Group publishes them in each product's contract specifications; the gateway's roots
/// from its contract list. Fees and margins are of a believable size, not any firm's price list.
const CONTRACTS: [Row; 6] = [
    row("ES", "EP", "E-mini S&P 500", 250_000_000, 1250, 140, 500),
    row("MES", "MES", "Micro E-mini S&P 500", 250_000_000, 125, 37, 50),
    row("NQ", "ENQ", "E-mini NASDAQ-100", 250_000_000, 500, 140, 1000),
    row("MNQ", "MNQ", "Micro E-mini NASDAQ-100", 250_000_000, 50, 37, 100),
    Row { exchange: "NYMEX", may_be_negative: true, ..row("CL", "CLE", "Crude Oil", 10_000_000, 1000, 152, 1000) },
    row("RTY", "RTY", "E-mini Russell 2000", 100_000_000, 500, 140, 500),
];

/// Month letter, two year digits, one year digit, and words of the contract month that is listed.
const LISTED_MONTH: (&str, &str, &str, &str) = ("M", "18", "8", "June 2018");

/// Every contract of the list, in the month the recorded trades are of (June 2018).
pub fn listings() -> Vec<Listing> {
    CONTRACTS.iter().map(listing).collect()
}

/// The gateway's id of the listed contract of an exchange root: `ES` gives `CON.F.US.EP.M18`.
pub fn contract_id(exchange_root: &str) -> Option<ContractId> {
    CONTRACTS.iter().find(|row| row.root == exchange_root).map(id_of)
}

const fn row(
    root: &'static str,
    gateway_root: &'static str,
    product: &'static str,
    tick_size_nanos: i64,
    tick_value_cents: i32,
    fee_per_side_cents: i32,
    margin_dollars: i32,
) -> Row {
    Row {
        root,
        gateway_root,
        product,
        tick_size_nanos,
        tick_value_cents,
        fee_per_side_cents,
        margin_dollars,
        exchange: "CME",
        may_be_negative: false,
    }
}

fn id_of(row: &Row) -> ContractId {
    let (month, year, _, _) = LISTED_MONTH;
    ContractId::new(&format!("CON.F.US.{}.{month}{year}", row.gateway_root), Noun::Contract)
        .expect("an id with text in it is not empty")
}

fn listing(row: &Row) -> Listing {
    let (month, _, year, month_words) = LISTED_MONTH;
    let contract = Contract::new(ContractDraft {
        contract_id: id_of(row),
        symbol_id: format!("F.US.{}", row.gateway_root),
        name: format!("{}{month}{year}", row.root),
        tick_size: Price::from_nanos(row.tick_size_nanos),
        tick_value: Money::from_cents(row.tick_value_cents),
        exchange: Some(row.exchange.to_owned()),
        expiration: None,
        allows_negative_price: row.may_be_negative,
    })
    .expect("the ticks of the table are greater than 0");
    Listing {
        contract,
        description: format!("{}: {month_words}", row.product),
        active: true,
        fee_per_side: Money::from_cents(row.fee_per_side_cents),
        margin: Money::from_dollars(row.margin_dollars),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ticks_are_the_true_ones() {
        let cases = [
            ("CON.F.US.EP.M18", "ESM8", "F.US.EP", "0.25", "12.50"),
            ("CON.F.US.MES.M18", "MESM8", "F.US.MES", "0.25", "1.25"),
            ("CON.F.US.ENQ.M18", "NQM8", "F.US.ENQ", "0.25", "5.00"),
            ("CON.F.US.MNQ.M18", "MNQM8", "F.US.MNQ", "0.25", "0.50"),
            ("CON.F.US.CLE.M18", "CLM8", "F.US.CLE", "0.01", "10.00"),
            ("CON.F.US.RTY.M18", "RTYM8", "F.US.RTY", "0.1", "5.00"),
        ];
        let listings = listings();
        assert_eq!(listings.len(), cases.len());
        for (id, name, symbol_id, tick_size, tick_value) in cases {
            let found = listings.iter().find(|listing| listing.contract.contract_id.as_str() == id).unwrap();
            assert_eq!(found.contract.name, name);
            assert_eq!(found.contract.symbol_id, symbol_id);
            assert_eq!(found.contract.tick_size.to_string(), tick_size, "{id}");
            assert_eq!(found.contract.tick_value.to_string(), tick_value, "{id}");
        }
    }

    #[test]
    fn a_root_names_its_listed_contract() {
        assert_eq!(contract_id("ES").unwrap().as_str(), "CON.F.US.EP.M18");
        assert_eq!(contract_id("MES").unwrap().as_str(), "CON.F.US.MES.M18");
        assert_eq!(contract_id("EP"), None);
    }
}
