//! Takes over the broker's word after a gap: every difference becomes a normal change, is reported, and rules see it.

use super::action::{Notice, RequestKind};
use super::desk::{Context, Desk};
use super::input::Snapshot;
use super::observe::attend_market;
use super::pursue::Proof;
use crate::model::{Noun, OrderState, time_after_ms};
use crate::rules::Trigger;

/// Waits before asking again after the broker did not answer, in milliseconds; the last one repeats.
const RETRY_AFTER_MS: [i64; 6] = [250, 500, 1_000, 2_000, 5_000, 10_000];
/// Wait before asking again when news overtook the answer.
const OVERTAKEN_RETRY_MS: i64 = 500;
/// Shortest time between looks while the user hub is down, and the share of the request budget a look costs.
const POLL_LEAST_MS: i64 = 5_000;
const POLL_EACH_ACCOUNT_MS: i64 = 2_400;
/// Longest time without a look while the hubs are up, unless the request budget stretches it.
const LOOK_EVERY_MS: i64 = 60_000;

impl Desk {
    /// Asks the broker what there is, if that is due and no answer is awaited.
    pub(super) fn look_if_due(&mut self, context: &mut Context<'_>) {
        let due = self.reconciliation.next_at().is_some_and(|next_at| next_at <= context.at);
        if !due || self.reconciliation.outstanding.is_some() {
            return;
        }
        self.reconciliation.glance_at = None;
        let everything = self.reconciliation.look_at.take_if(|look_at| *look_at <= context.at).is_some();
        let trades_since = everything.then(|| self.trades_wanted_since(context));
        let request_id = context.send(Some(self.id()), RequestKind::Snapshot { trades_since });
        self.reconciliation.outstanding = Some(request_id);
        self.reconciliation.asked_at = Some(context.at);
        if !self.outbox.enforcements.is_empty() {
            self.reconciliation.budget.spend(context.at);
            self.outbox.looks += 1;
        }
    }

    /// Takes over that a look was answered, or failed.
    pub(super) fn observe_look_answered(&mut self, context: &mut Context<'_>, everything: bool, failed: bool) {
        self.reconciliation.outstanding = None;
        if failed {
            let being_closed = self.contracts_being_closed(context.at);
            self.outbox.could_not_look(&being_closed);
            let again_at = time_after_ms(context.at, wait_after(self.reconciliation.failures));
            self.reconciliation.failures += 1;
            if everything {
                self.reconciliation.look_by(again_at);
            } else {
                self.reconciliation.glance_by(again_at);
            }
            return;
        }
        self.reconciliation.failures = 0;
        let share = POLL_EACH_ACCOUNT_MS.saturating_mul(context.account_count as i64);
        if context.user_hub_up {
            // News that a hub lost without losing its connection would otherwise never come: of trades too, which count
            // against the limits of the day.
            self.reconciliation.look_by(time_after_ms(context.at, share.max(LOOK_EVERY_MS)));
        } else {
            self.reconciliation.look_by(time_after_ms(context.at, share.max(POLL_LEAST_MS)));
        }
    }

    /// Takes over a snapshot. What the hubs said after it was asked for is newer and stands.
    pub(super) fn observe_snapshot(&mut self, context: &mut Context<'_>, snapshot: Snapshot) {
        let is_first = !std::mem::replace(&mut self.heard_from_the_broker, true);
        let unreadable = |noun| snapshot.refused.iter().any(|invalid| invalid.noun == noun);
        let positions_readable = !unreadable(Noun::Position);
        let orders_readable = !unreadable(Noun::Order);
        let mut triggers = Vec::new();
        let positions_overtaken = self.take_over_positions(context, &snapshot, positions_readable, &mut triggers);
        let orders_overtaken = self.take_over_orders(context, &snapshot, orders_readable, &mut triggers);
        self.take_over_trades(context, &snapshot, &mut triggers);
        let directions_known = snapshot.positions.iter().all(|position| position.has_known_direction());
        if let Some(account) = snapshot.account {
            if is_first {
                // It holds every trade that was listed with it.
                self.state.funds = None;
            }
            // Asked though nothing may be new: a lock that waits for this word is judged by it.
            self.observe_account_in_a_look(context, account, snapshot.asked_at);
            triggers.push(Trigger::Account);
        }
        for invalid in snapshot.refused {
            context.tell(Notice::Refused { account_id: Some(self.id()), invalid });
        }
        let readable = positions_readable && orders_readable && directions_known;
        if readable {
            self.state.looked_at = Some(snapshot.asked_at);
        }
        if !self.state.certain {
            // What waited for certainty is asked again, whether or not anything differs.
            triggers.push(Trigger::Time);
        }
        self.keep_track(context, &triggers, true);
        self.set_certain(context, readable && context.user_hub_up);
        self.state.book.forget_what_is_long_gone(context.at);
        if readable {
            self.reconciliation.unreadable = 0;
        } else {
            let wait = wait_after(self.reconciliation.unreadable);
            self.reconciliation.unreadable += 1;
            self.reconciliation.look_by(time_after_ms(context.at, wait));
        }
        if positions_overtaken || orders_overtaken {
            self.reconciliation.glance_by(time_after_ms(context.at, OVERTAKEN_RETRY_MS));
        }
        let proof = Proof {
            asked_at: snapshot.asked_at,
            positions: positions_readable && !positions_overtaken,
            orders: orders_readable && !orders_overtaken,
        };
        if is_first {
            self.judge_what_stood();
        }
        let confirmed = self.confirm(context, proof);
        if is_first || confirmed {
            self.ask_rules_about_everything(context);
        } else {
            self.ask_rules(context, &triggers);
        }
    }

    fn take_over_positions(
        &mut self,
        context: &mut Context<'_>,
        snapshot: &Snapshot,
        readable: bool,
        triggers: &mut Vec<Trigger>,
    ) -> bool {
        let mut overtaken = false;
        for position in &snapshot.positions {
            let contract_id = &position.contract_id;
            if self.state.book.position_heard_after(contract_id, snapshot.asked_at) {
                overtaken |= self.state.book.position(contract_id).map(|held| held.signed_size())
                    != Some(position.signed_size());
                continue;
            }
            let before = self.state.book.position(contract_id).map_or(0, |held| held.signed_size());
            if let Some(trigger) = self.observe_position(context, position.clone()) {
                self.report(
                    context,
                    format!("position in {contract_id}: {before} known, {} at the broker", position.signed_size()),
                );
                triggers.push(trigger);
            }
            // A remembered position that did not change still needs its market.
            attend_market(context, contract_id, self.id());
        }
        // What is missing is closed, unless it may be among the rows that could not be read.
        let missing: Vec<_> = self
            .state
            .book
            .positions()
            .filter(|held| {
                readable && !snapshot.positions.iter().any(|position| position.contract_id == held.contract_id)
            })
            .map(|held| (held.contract_id.clone(), held.signed_size()))
            .collect();
        for (contract_id, size) in missing {
            if self.state.book.position_heard_after(&contract_id, snapshot.asked_at) {
                overtaken = true;
                continue;
            }
            self.report(context, format!("position in {contract_id}: {size} known, closed at the broker"));
            triggers.extend(self.observe_position_closed(context, &contract_id));
        }
        overtaken
    }

    fn take_over_orders(
        &mut self,
        context: &mut Context<'_>,
        snapshot: &Snapshot,
        readable: bool,
        triggers: &mut Vec<Trigger>,
    ) -> bool {
        let mut overtaken = false;
        for order in &snapshot.orders {
            if self.state.book.order_heard_after(order.id, snapshot.asked_at) {
                overtaken |= self.state.book.order(order.id).is_none() == order.state.is_alive();
                continue;
            }
            let was_known = self.state.book.order(order.id).is_some();
            if let Some(trigger) = self.observe_order(context, order.clone()) {
                let word = if was_known { "changed" } else { "not known" };
                self.report(context, format!("order {} in {}: {word}", order.id, order.contract_id));
                triggers.push(trigger);
            }
        }
        let missing: Vec<_> = self
            .state
            .book
            .orders()
            .map(|order| order.id)
            .filter(|order_id| readable && !snapshot.orders.iter().any(|order| order.id == *order_id))
            .collect();
        for order_id in missing {
            if self.state.book.order_heard_after(order_id, snapshot.asked_at) {
                overtaken = true;
                continue;
            }
            self.report(context, format!("order {order_id}: known, finished at the broker"));
            triggers.extend(self.observe_order_gone(context, order_id, OrderState::Cancelled));
        }
        overtaken
    }

    fn take_over_trades(&mut self, context: &mut Context<'_>, snapshot: &Snapshot, triggers: &mut Vec<Trigger>) {
        let Some(trades_since) = snapshot.trades_since else {
            return;
        };
        let before = self.state.session.realized_pnl();
        let complete = trades_since <= self.state.session.starts_at()
            && !snapshot.refused.iter().any(|invalid| invalid.noun == Noun::Trade);
        let mut changed = false;
        for trade in &snapshot.trades {
            changed |= self.count_trade(context, trade.clone());
        }
        if complete {
            self.state.session.trades_are_complete();
        }
        let after = self.state.session.realized_pnl();
        if before != after {
            self.report(context, format!("realized P&L of the day: {before:#} known, {after:#} at the broker"));
            self.store_daily_pnl(context);
        }
        if changed || before != after {
            triggers.push(Trigger::Trades);
        }
    }

    fn report(&self, context: &mut Context<'_>, what: String) {
        context.tell(Notice::Difference { account_id: self.id(), what });
    }
}

fn wait_after(failures: usize) -> i64 {
    RETRY_AFTER_MS[failures.min(RETRY_AFTER_MS.len() - 1)]
}
