//! Takes events over into the state, writes down what really changed, and names what rules should look at.

use jiff::Timestamp;

use super::action::{Action, Notice, RequestKind, Write};
use super::desk::{Context, Desk};
use super::enforce::revise;
use crate::model::{
    Account, AccountId, ContractId, EnforcementAction, EnforcementLogDraft, Invalid, Noun, Order, OrderId, OrderState,
    Position, Quote, RuleId,
};
use crate::rules::{Goal, Trigger};
use crate::state::{Funds, Markets};

impl Desk {
    /// Takes over an open position (or, with size 0, a closed one). Gives the trigger when it really changed.
    pub(super) fn observe_position(&mut self, context: &mut Context<'_>, position: Position) -> Option<Trigger> {
        let contract_id = position.contract_id.clone();
        if position.is_closed() {
            return self.observe_position_closed(context, &contract_id);
        }
        let before = self.state.book.put_position(position.clone(), context.at);
        if before.as_ref().is_some_and(|before| is_same_position(before, &position)) {
            return None;
        }
        match &before {
            Some(before) if before.id != position.id => context.store(Write::RemovePosition(before.id)),
            _ => {}
        }
        if !position.has_known_direction() {
            self.set_certain(context, false);
            self.reconciliation.look_soon(context.at);
        }
        self.state.observe_change(&contract_id, before.as_ref(), Some(&position), context.at);
        let size_before = before.map_or(0, |before| before.size);
        let size = position.size;
        context.store(Write::PutPosition(position));
        self.count_reduction(&contract_id, size_before, size);
        attend_market(context, &contract_id, self.id());
        Some(Trigger::Position(contract_id))
    }

    /// Takes over that nothing is held in a contract any more.
    pub(super) fn observe_position_closed(
        &mut self,
        context: &mut Context<'_>,
        contract_id: &ContractId,
    ) -> Option<Trigger> {
        let before = self.state.book.close_position(contract_id, context.at)?;
        self.state.observe_change(contract_id, Some(&before), None, context.at);
        context.store(Write::RemovePosition(before.id));
        context.markets.get_or_insert(contract_id).set_holder(self.id(), false);
        self.count_reduction(contract_id, before.size, 0);
        Some(Trigger::Position(contract_id.clone()))
    }

    /// Takes over an order, alive or finished. Gives the trigger when it really changed.
    pub(super) fn observe_order(&mut self, context: &mut Context<'_>, order: Order) -> Option<Trigger> {
        if !order.state.is_alive() {
            return self.observe_order_gone(context, order.id, order.state);
        }
        let order_id = order.id;
        // An update may leave the tag out.
        let known = self.state.book.order(order_id).and_then(|known| known.custom_tag.clone());
        let order = if order.custom_tag.is_none() && known.is_some() { order.tagged(known) } else { order };
        let before = self.state.book.put_order(order.clone(), context.at);
        if before.as_ref().is_some_and(|before| is_same_order(before, &order)) {
            return None;
        }
        if before.is_none() {
            self.ask_for_the_name(context, &order);
        }
        context.store(Write::PutOrder(order));
        Some(Trigger::Order(order_id))
    }

    /// Takes over the hub's word of the account itself.
    pub(super) fn observe_account(&mut self, context: &mut Context<'_>, account: Account) {
        self.take_balance(context, &account);
        self.state.observe_account(account, context.at);
        self.prove_that_trading_is_back(context.at);
    }

    /// Takes over the account as a look shows it.
    pub(super) fn observe_account_in_a_look(
        &mut self,
        context: &mut Context<'_>,
        account: Account,
        asked_at: Timestamp,
    ) {
        self.take_balance(context, &account);
        if !self.state.observe_account_in_a_look(account, asked_at) {
            self.prove_that_trading_is_back(context.at);
        }
    }

    /// A lockout that waits for the account to be allowed to trade again ends by a look, not by the hub's word alone: that
    /// may be an old one, late or told twice.
    fn prove_that_trading_is_back(&mut self, at: Timestamp) {
        let waits = self.state.locks.is_latched(RuleId::AUTH_LOSS_GUARD, at);
        if waits && self.state.may_trade() == Some(true) && !self.state.may_trade_for_certain() {
            self.reconciliation.look_soon(at);
        }
    }

    fn take_balance(&mut self, context: &mut Context<'_>, account: &Account) {
        if account.can_trade.is_none() {
            let account_id = Some(self.id());
            let invalid = Invalid::absent(Noun::Account, "can_trade", "counts as true while it is missing");
            context.tell(Notice::Refused { account_id, invalid });
        }
        match &mut self.state.funds {
            Some(funds) => funds.tell(account.balance, context.at),
            None => self.state.funds = Some(Funds::at(account.balance)),
        }
    }

    /// A rule that names symbols must know what a contract is called, though only an order stands in it.
    fn ask_for_the_name(&self, context: &mut Context<'_>, order: &Order) {
        let names_symbols = self
            .account_config(context.config)
            .is_some_and(|account| account.rules.rules().any(|rule| rule.names_symbols()));
        if !names_symbols {
            return;
        }
        let market = context.markets.get_or_insert(&order.contract_id);
        if market.contract().is_none() && !std::mem::replace(&mut market.asked_to_describe, true) {
            context.send(None, RequestKind::DescribeContract(order.contract_id.clone()));
        }
    }

    /// Takes over that an order is finished.
    pub(super) fn observe_order_gone(
        &mut self,
        context: &mut Context<'_>,
        order_id: OrderId,
        state: OrderState,
    ) -> Option<Trigger> {
        let order = self.state.book.remove_order(order_id, context.at)?;
        context.store(Write::RemoveOrder(order_id));
        if state != OrderState::Filled {
            self.count(|draft| draft.orders_cancelled += 1, |goal| goal.cancels(&order));
        }
        Some(Trigger::Order(order_id))
    }

    fn count_reduction(&mut self, contract_id: &ContractId, before: i64, after: i64) {
        self.count(
            |draft| {
                draft.positions_closed += 1;
                // What was begun for an order turned out to have filled.
                if draft.action == EnforcementAction::CancelOrders {
                    draft.action = EnforcementAction::CloseAllPositions;
                }
            },
            |goal| goal.largest_size(contract_id).is_some_and(|largest| before > largest && after <= largest),
        );
    }

    fn count(&mut self, change: impl Fn(&mut EnforcementLogDraft), concerns: impl Fn(&Goal) -> bool) {
        for enforcement in self.outbox.enforcements.iter_mut().filter(|enforcement| concerns(&enforcement.goal)) {
            revise(&mut enforcement.log, &change);
        }
    }
}

/// Sees to it that quotes and a description of a held contract are on their way.
pub(super) fn attend_market(context: &mut Context<'_>, contract_id: &ContractId, holder: AccountId) {
    let market = context.markets.get_or_insert(contract_id);
    market.set_holder(holder, true);
    let watch = !std::mem::replace(&mut market.watched, true);
    let describe = market.contract().is_none() && !std::mem::replace(&mut market.asked_to_describe, true);
    if watch {
        context.actions.push(Action::WatchQuotes(contract_id.clone()));
    }
    if describe {
        context.send(None, RequestKind::DescribeContract(contract_id.clone()));
    }
}

/// Takes over prices; counts a price off the grid. Says whether anything changed.
pub(super) fn observe_quote(
    markets: &mut Markets,
    actions: &mut Vec<Action>,
    quote: &Quote,
    at: Timestamp,
    stale_after_ms: i64,
) -> bool {
    let Some(market) = markets.get_mut(&quote.contract_id) else {
        return false;
    };
    if !market.quote(quote) {
        return false;
    }
    let off_grid = match (market.contract(), quote.last) {
        (Some(contract), Some(last)) => !contract.is_on_tick_grid(last),
        _ => false,
    };
    if off_grid {
        actions.push(Action::Notice(Notice::OffTickGrid(quote.contract_id.clone())));
    }
    if market.told_stale && !market.is_older_than(stale_after_ms, at) {
        market.told_stale = false;
        let contract_id = quote.contract_id.clone();
        actions.push(Action::Notice(Notice::QuoteStaleness { contract_id, stale: false }));
    }
    true
}

/// Whether nothing but the time of the report changed.
fn is_same_position(one: &Position, other: &Position) -> bool {
    one.id == other.id
        && one.position_type == other.position_type
        && one.size == other.size
        && one.average_price == other.average_price
}

fn is_same_order(one: &Order, other: &Order) -> bool {
    let mut same_time = (**other).clone();
    same_time.updated_at = one.updated_at;
    // What the database remembers has no tag.
    same_time.custom_tag.clone_from(&one.custom_tag);
    **one == same_time
}
