//! RULE-011 `symbol_blocks`: products that may not be traded. Other symbols stay free.

use super::{Breach, Goal, Rule, RuleConfigError, Trigger, Verdict, enabled_by_default};
use crate::model::{ContractId, EnforcementAction, Order, OrderId, RuleId, SymbolRoot, same_product};
use crate::state::AccountView;

const KEY: &str = "symbol_blocks";

/// The options of `symbol_blocks`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether the rule is armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub enabled: bool,
    /// Roots as the exchange or the gateway spells them, or whole contract ids. Default none.
    #[serde(default)]
    pub blocked_symbols: Vec<String>,
    /// Whether a position is closed that was there when the block was armed. Default true.
    #[serde(default = "enabled_by_default")]
    pub close_existing: bool,
}

impl Config {
    /// The rule, with its options checked. A list without symbols blocks none.
    pub fn build(&self) -> Result<SymbolBlocks, RuleConfigError> {
        let blocked: Vec<String> = self.blocked_symbols.iter().map(|symbol| symbol.trim().to_owned()).collect();
        if blocked.iter().any(String::is_empty) {
            let problem = "holds an empty name".to_owned();
            return Err(RuleConfigError { rule: KEY, option: "blocked_symbols", problem });
        }
        Ok(SymbolBlocks { blocked, close_existing: self.close_existing })
    }
}

/// RULE-011.
#[derive(Debug)]
pub struct SymbolBlocks {
    blocked: Vec<String>,
    close_existing: bool,
}

impl Rule for SymbolBlocks {
    fn id(&self) -> RuleId {
        RuleId::SYMBOL_BLOCKS
    }

    fn key(&self) -> &'static str {
        KEY
    }

    fn watches(&self, trigger: &Trigger) -> bool {
        !self.blocked.is_empty() && matches!(trigger, Trigger::Position(_) | Trigger::Order(_))
    }

    fn check(&self, view: &AccountView<'_>, trigger: &Trigger) -> Verdict {
        let book = &view.account.book;
        let contract_id = match trigger {
            Trigger::Position(contract_id) => Some(contract_id),
            Trigger::Order(order_id) => book.order(*order_id).map(|order| &order.contract_id),
            Trigger::Trades | Trigger::Price(_) | Trigger::Account | Trigger::Time => None,
        };
        let Some((contract_id, symbol)) = contract_id.and_then(|id| Some((id, self.blocked_by(view, id)?))) else {
            return Verdict::Within;
        };
        let size = self.size_that_may_stay(view, contract_id);
        let held = book.position(contract_id).map_or(0, |position| position.size);
        let in_it = |order: &&Order| order.contract_id == *contract_id;
        let order_ids: Vec<OrderId> =
            book.orders().filter(in_it).filter(|order| self.may_stay(view, order)).map(|order| order.id).collect();
        let has_others = book.orders().filter(in_it).count() > order_ids.len();
        let action = match (held > size, has_others) {
            (false, false) => return Verdict::Within,
            (false, true) => EnforcementAction::CancelOrders,
            (true, _) => EnforcementAction::ClosePosition,
        };
        let what = match action {
            EnforcementAction::CancelOrders => "an order in",
            _ if size == 0 => "a position in",
            _ => "a larger position in",
        };
        let goal = if size == 0 {
            Goal::ContractsFlat { contract_ids: vec![contract_id.clone()] }
        } else {
            let sizes = vec![(contract_id.clone(), size)];
            Goal::NothingBeyond { contract_id: Some(contract_id.clone()), sizes, order_ids }
        };
        Verdict::Breached(Box::new(Breach {
            action,
            goal,
            lock: None,
            reason: format!("{what} {contract_id}: {symbol} is blocked"),
            pnl: None,
        }))
    }

    fn sentence(&self) -> String {
        if self.blocked.is_empty() {
            return "No symbol is blocked.".to_owned();
        }
        let existing = if self.close_existing { "closed" } else { "closed, unless they were there before" };
        format!("Blocked: {}. Orders in them are cancelled, positions {existing}; others stay free.", self.blocked.join(", "))
    }

    fn loosens(&self, in_force: &dyn Rule) -> bool {
        in_force.as_any().downcast_ref::<Self>().is_none_or(|old| {
            let is_still_blocked =
                |symbol: &String| self.blocked.iter().any(|blocked| blocked.eq_ignore_ascii_case(symbol));
            !old.blocked.iter().all(is_still_blocked) || old.close_existing && !self.close_existing
        })
    }

    fn names_symbols(&self) -> bool {
        !self.blocked.is_empty()
    }
}

impl SymbolBlocks {
    /// The entry that blocks a contract, if one does.
    fn blocked_by(&self, view: &AccountView<'_>, contract_id: &ContractId) -> Option<&str> {
        let contract = view.markets.get(contract_id).and_then(|market| market.contract());
        let names = |symbol: &&String| {
            symbol.eq_ignore_ascii_case(contract_id.as_str()) || same_product(SymbolRoot(symbol), contract_id, contract)
        };
        self.blocked.iter().find(names).map(String::as_str)
    }

    fn size_that_may_stay(&self, view: &AccountView<'_>, contract_id: &ContractId) -> i64 {
        match view.account.book.position(contract_id) {
            Some(position) if !self.close_existing => view.account.standing.largest_size(position),
            Some(_) | None => 0,
        }
    }

    /// An order that only makes a position smaller which may stay, stays with it: it may be its protective stop. One of ours
    /// is cancelled with the end of its position.
    fn may_stay(&self, view: &AccountView<'_>, order: &Order) -> bool {
        order.is_our_stop() && !self.close_existing
            || self.size_that_may_stay(view, &order.contract_id) > 0
            && view.account.book.position(&order.contract_id).is_some_and(|position| order.reduces(position))
    }
}
