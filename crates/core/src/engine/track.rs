//! Follows open positions as far as rules need to know how they fared.

use jiff::Timestamp;

use super::config::Config;
use super::desk::{Context, Desk};
use crate::rules::{Note, Trigger};
use crate::state::Markets;

impl Desk {
    /// Follows the book where one of the triggers says that it changed, then lets every rule that watches one of them
    /// have remembered what it needs later. `from_the_books` says that the broker was asked.
    pub(super) fn keep_track(&mut self, context: &Context<'_>, triggers: &[Trigger], from_the_books: bool) {
        let of_the_book = |trigger: &Trigger| match trigger {
            Trigger::Position(_) | Trigger::Order(_) | Trigger::Time => true,
            Trigger::Trades | Trigger::Price(_) | Trigger::Account => false,
        };
        if triggers.iter().any(|trigger| matches!(trigger, Trigger::Position(_)))
            && let Some(funds) = &mut self.state.funds
        {
            funds.disturb(context.at);
        }
        if self.heard_from_the_broker && (from_the_books || triggers.iter().any(of_the_book)) {
            self.state.tracking.follow(&self.state.book, context.markets, context.at, from_the_books);
        }
        for trigger in triggers {
            self.note(context.config, context.markets, context.at, trigger);
        }
    }

    /// Lets every rule that watches the trigger have remembered what it needs later.
    pub(super) fn note(&mut self, config: &Config, markets: &Markets, at: Timestamp, trigger: &Trigger) {
        let Some(account) = self.account_config(config).filter(|_| self.heard_from_the_broker) else {
            return;
        };
        for rule in account.rules.rules().filter(|rule| rule.watches(trigger)) {
            // A rule that is latched is not asked, be it for a verdict or for a note.
            if self.state.locks.is_latched(rule.id(), at) {
                continue;
            }
            if let Some(note) = rule.remember(&self.view(markets, at), trigger) {
                self.take_note(note, at);
            }
        }
    }

    /// Keeps what a rule wants remembered.
    pub(super) fn take_note(&mut self, note: Note, at: Timestamp) {
        match note {
            Note::Strayed { contract_id, strayed } => self.state.tracking.stray(contract_id.as_ref(), strayed),
            Note::Drawdown(note) => self.set_drawdown(note, at),
            Note::Best { contract_id, price } => self.state.tracking.improve(&contract_id, price),
        }
    }
}
