//! A futures contract and the symbol roots by which rules name it.

use jiff::civil::Date;

use super::money::value_of_move;
use super::{ContractId, Invalid, Money, Noun, Price, TickSize, reads_as_draft};

/// The fields of a [`Contract`], not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractDraft {
    /// As the gateway spells it, `CON.F.US.MNQ.U25`.
    pub contract_id: ContractId,
    /// The gateway's symbol, `F.US.MNQ`.
    pub symbol_id: String,
    /// The exchange's name with month and year, `MNQU5`; empty when unknown.
    pub name: String,
    /// Smallest price step, in points.
    pub tick_size: TickSize,
    /// What one tick is worth, in dollars a contract.
    pub tick_value: Money,
    /// Where it is traded, when known.
    pub exchange: Option<String>,
    /// The last day it trades, when known.
    pub expiration: Option<Date>,
    /// Whether its price may be zero or below.
    pub allows_negative_price: bool,
}

/// A contract whose tick can be reckoned with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract(ContractDraft);
reads_as_draft!(Contract, ContractDraft);

impl Contract {
    /// Refuses a tick size or tick value that is not greater than 0.
    pub fn new(draft: ContractDraft) -> Result<Self, Invalid> {
        if !draft.tick_size.is_positive() {
            return Err(Invalid::new(Noun::Contract, "tick_size", draft.tick_size, "must be greater than 0"));
        }
        if draft.tick_value <= Money::ZERO {
            return Err(Invalid::new(Noun::Contract, "tick_value", draft.tick_value, "must be greater than 0"));
        }
        Ok(Self(draft))
    }

    /// What `count` contracts are worth when the price goes from `from` to `to`, in dollars; negative for a fall.
    pub fn value_between(&self, from: Price, to: Price, count: i64) -> Money {
        value_of_move(to.nanos().saturating_sub(from.nanos()), self.tick_size, self.tick_value, count)
    }

    /// The notional of `count` contracts at `price`: count × price × point value, in dollars.
    pub fn notional(&self, price: Price, count: i64) -> Money {
        value_of_move(price.nanos(), self.tick_size, self.tick_value, count)
    }

    /// Whether the price lies on the contract's tick grid.
    pub fn is_on_tick_grid(&self, price: Price) -> bool {
        price.nanos() % self.tick_size.nanos() == 0
    }

    /// The gateway's root of this contract, such as `EP` for the E-mini S&P 500.
    pub fn gateway_root(&self) -> SymbolRoot<'_> {
        SymbolRoot::of_contract_id(&self.contract_id)
    }

    /// The exchange's root, from the contract's name (`ESU5` is `ES`); absent when the name does not carry one.
    pub fn exchange_root(&self) -> Option<SymbolRoot<'_>> {
        SymbolRoot::of_contract_name(&self.name)
    }
}

/// A symbol root as somebody spells it: the gateway (`EP`), the exchange (`ES`) or a config file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolRoot<'a>(pub &'a str);

/// Gateway roots that differ from the exchange's. Source: the contract list of the gateway, which took its names over
/// from its data vendor: `CON.F.US.EP.U25` is named `ESU5`, `CON.F.US.TYA.U25` is `ZNU5`.
const GATEWAY_TO_EXCHANGE: [(&str, &str); 38] = [
    // equity indexes
    ("EP", "ES"),
    ("ENQ", "NQ"),
    // energies
    ("CLE", "CL"),
    ("MCLE", "MCL"),
    ("NQM", "QM"),
    ("NGE", "NG"),
    ("MNGE", "MNG"),
    ("NQG", "QG"),
    ("HOE", "HO"),
    ("RBE", "RB"),
    // metals
    ("GCE", "GC"),
    ("SIE", "SI"),
    ("CPE", "HG"),
    ("PLE", "PL"),
    // currencies
    ("EU6", "6E"),
    ("EEU", "E7"),
    ("JY6", "6J"),
    ("BP6", "6B"),
    ("DA6", "6A"),
    ("CA6", "6C"),
    ("SF6", "6S"),
    ("MX6", "6M"),
    ("NE6", "6N"),
    // interest rates
    ("TUA", "ZT"),
    ("FVA", "ZF"),
    ("TYA", "ZN"),
    ("TNA", "TN"),
    ("USA", "ZB"),
    ("ULA", "UB"),
    // grains and livestock
    ("ZCE", "ZC"),
    ("ZWA", "ZW"),
    ("ZSE", "ZS"),
    ("ZME", "ZM"),
    ("ZLE", "ZL"),
    ("GLE", "LE"),
    ("HEE", "HE"),
    // cryptocurrencies
    ("GMET", "MET"),
    ("GMBT", "MBT"),
];

/// Roots of contracts that traded below zero or may: crude oil, in the exchange's and the gateway's spellings. Source:
/// CME allowed negative prices for the WTI family in April 2020.
pub const ROOTS_BELOW_ZERO: [&str; 6] = ["CL", "CLE", "MCL", "MCLE", "QM", "NQM"];

/// Whether the contract's price may be zero or below, by its root.
pub fn may_trade_below_zero(contract_id: &ContractId) -> bool {
    let SymbolRoot(root) = SymbolRoot::of_contract_id(contract_id);
    ROOTS_BELOW_ZERO.iter().any(|listed| listed.eq_ignore_ascii_case(root))
}

impl<'a> SymbolRoot<'a> {
    /// The fourth part of a contract id; the whole id when it has another form.
    pub fn of_contract_id(id: &'a ContractId) -> Self {
        let mut parts = id.as_str().split('.');
        match (parts.next(), parts.nth(2)) {
            (Some("CON"), Some(root)) if !root.is_empty() => Self(root),
            _ => Self(id.as_str()),
        }
    }

    /// The root in an exchange's contract name: what stands before the month letter and the year digits.
    pub fn of_contract_name(name: &'a str) -> Option<Self> {
        let without_year = name.trim_end_matches(|character: char| character.is_ascii_digit());
        if without_year.len() == name.len() {
            return None;
        }
        let root = without_year.strip_suffix(|month: char| "FGHJKMNQUVXZ".contains(month))?;
        (!root.is_empty()).then_some(Self(root))
    }

    /// Whether both name the same product: `EP` and `ES` do, `MES` and `ES` do not.
    pub fn is_same_as(self, other: SymbolRoot<'_>) -> bool {
        let (one, other) = (self.in_the_exchange_spelling(), other.in_the_exchange_spelling());
        one.0.eq_ignore_ascii_case(other.0)
    }

    /// Whether it is one of the gateway's roots that differ from the exchange's, and that this program knows.
    pub fn is_listed(self) -> bool {
        GATEWAY_TO_EXCHANGE.iter().any(|(gateway, _)| gateway.eq_ignore_ascii_case(self.0))
    }

    /// The exchange's spelling, where it is known to differ from this one.
    pub fn in_the_exchange_spelling(self) -> Self {
        GATEWAY_TO_EXCHANGE
            .iter()
            .find(|(gateway, _)| gateway.eq_ignore_ascii_case(self.0))
            .map_or(self, |(_, exchange)| Self(exchange))
    }
}

/// Whether a root in a config file names the product of this contract.
///
/// `ES` matches the exchange's root and the gateway's `EP`; an unknown root matches as it is spelled; `MES` is not `ES`.
/// `contract` may be absent when the gateway has not told us yet: then only the id speaks.
pub fn same_product(configured: SymbolRoot<'_>, id: &ContractId, contract: Option<&Contract>) -> bool {
    let wanted = configured.in_the_exchange_spelling();
    let named = contract.and_then(Contract::exchange_root);
    let spelled = SymbolRoot::of_contract_id(id).in_the_exchange_spelling();
    named.unwrap_or(spelled).0.eq_ignore_ascii_case(wanted.0) || spelled.0.eq_ignore_ascii_case(wanted.0)
}
