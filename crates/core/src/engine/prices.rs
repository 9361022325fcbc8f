//! Asks the rules of those who hold a contract about its new price.

use jiff::Timestamp;

use super::action::{Action, Notice, Write};
use super::config::Config;
use super::desk::Desk;
use super::observe::observe_quote;
use super::step::EngineState;
use crate::model::{AccountId, Contract, ContractId, Money, Quote};
use crate::rules::{Trigger, Verdict};
use crate::state::AccountView;

impl EngineState {
    /// The hot path: a quote costs work only for the accounts that hold its contract, and allocates nothing unless one
    /// of them is in breach.
    ///
    /// While a contract has no last price, or a new description, every holder is asked.
    pub(super) fn observe_prices(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>, quote: &Quote) {
        let priced_before = self.markets.get(&quote.contract_id).is_some_and(|market| market.last().is_some());
        if !observe_quote(&mut self.markets, actions, quote, at, config.quote_stale_after_ms) {
            return;
        }
        let market = self.markets.get(&quote.contract_id);
        let mut asked = std::mem::take(&mut self.asked);
        match market.and_then(|market| market.last()).filter(|_| priced_before && !self.asks_everyone) {
            Some(last) => self.price_index.concerned(&quote.contract_id, last, &mut asked),
            None => asked.extend(market.iter().flat_map(|market| market.holders())),
        }
        self.ask(config, at, actions, &quote.contract_id, asked);
    }

    /// Makes every price a question to every holder, as if there were no index. For tests of the index.
    #[doc(hidden)]
    pub fn ask_everyone_at_every_price(&mut self) {
        self.asks_everyone = true;
    }

    pub(super) fn observe_contract(
        &mut self,
        config: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
        contract: Contract,
    ) {
        let contract_id = contract.contract_id.clone();
        let market = self.markets.get_or_insert(&contract_id);
        if market.contract() == Some(&contract) {
            return;
        }
        market.describe(contract.clone());
        actions.push(Action::Store(Write::PutContract { contract, at }));
        let holders = self.markets.get(&contract_id).iter().flat_map(|market| market.holders()).copied().collect();
        self.ask(config, at, actions, &contract_id, holders);
        self.ask_by_name(config, at, actions, &contract_id);
    }

    /// Asks the rules of every account with something in a contract, now that its name is known.
    fn ask_by_name(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>, contract_id: &ContractId) {
        let concerned: Vec<(AccountId, Vec<Trigger>)> = self
            .desks
            .iter()
            .map(|(account_id, desk)| (*account_id, desk.triggers_in(contract_id)))
            .filter(|(_, triggers)| !triggers.is_empty())
            .collect();
        for (account_id, triggers) in concerned {
            self.with_desk(config, at, actions, account_id, |desk, context| desk.ask_rules(context, &triggers));
        }
    }

    /// Asks the rules of these holders about a contract's new price.
    fn ask(
        &mut self,
        config: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
        contract_id: &ContractId,
        mut asked: Vec<AccountId>,
    ) {
        let trigger = Trigger::Price(contract_id.clone());
        let mut breaches = std::mem::take(&mut self.breaches);
        for account_id in asked.drain(..) {
            if self.ask_holder(config, at, actions, account_id, contract_id, &trigger) {
                breaches.push(account_id);
            } else {
                self.index_prices(config, at, account_id);
            }
        }
        for account_id in breaches.drain(..) {
            self.with_desk(config, at, actions, account_id, |desk, context| {
                desk.ask_rules(context, std::slice::from_ref(&trigger));
            });
        }
        self.asked = asked;
        self.breaches = breaches;
    }

    /// Lets an account's rules note the new price, tells of a P&L beyond belief, and says whether a rule is breached.
    fn ask_holder(
        &mut self,
        config: &Config,
        at: Timestamp,
        actions: &mut Vec<Action>,
        account_id: AccountId,
        contract_id: &ContractId,
        trigger: &Trigger,
    ) -> bool {
        let Some(desk) = self.desks.get_mut(&account_id).filter(|desk| desk.heard_from_the_broker) else {
            return false;
        };
        desk.note(config, &self.markets, at, trigger);
        let view = desk.view(&self.markets, at);
        let is_breached = is_breached(config, desk, &view, trigger) || desk.stop_is_due(config, &view, contract_id);
        if let Some(unrealized_pnl) = extreme_pnl(&view, contract_id)
            && let Some(market) = self.markets.get_mut(contract_id)
            && market.told_extreme.insert(account_id)
        {
            let contract_id = contract_id.clone();
            actions.push(Action::Notice(Notice::ExtremePnl { account_id, contract_id, unrealized_pnl }));
        }
        // A new mark of the drawdown must be written down, or its writing planned.
        is_breached || self.desks.get(&account_id).is_some_and(|desk| desk.mark_on_disk.is_new)
    }
}

/// Whether any rule of the desk is newly breached. Reads only, so that holders can be asked one after another.
fn is_breached(config: &Config, desk: &Desk, view: &AccountView<'_>, trigger: &Trigger) -> bool {
    let Some(account) = desk.account_config(config) else {
        return false;
    };
    account.rules.rules().any(|rule| {
        rule.watches(trigger)
            && !desk.is_latched(rule.id(), view.at)
            && match rule.check(view, trigger) {
                Verdict::Within => false,
                Verdict::Breached(breach) => desk.is_news(rule.id(), &breach),
            }
    })
}

/// The P&L of the account's position in a contract, if it is beyond belief.
fn extreme_pnl(view: &AccountView<'_>, contract_id: &ContractId) -> Option<Money> {
    let position = view.account.book.position(contract_id)?;
    view.position_pnl(position).filter(|pnl| position.is_extreme(*pnl))
}
