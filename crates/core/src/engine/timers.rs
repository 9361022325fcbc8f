//! What falls due by time alone: resets, the end of lockouts, looks, slow enforcements, stale quotes.

use jiff::Timestamp;

use super::action::{Action, Notice, RequestKind, ResetSchedule, Severity, Write};
use super::config::{Config, EnforcementTiming};
use super::desk::{Context, Desk};
use super::enforce::revise;
use super::step::EngineState;
use crate::model::{DailyUnrealizedPnl, DailyUnrealizedPnlDraft, Money, milliseconds_between, time_after_ms};
use crate::rules::Trigger;
use crate::state::{Markets, Session};

/// Time between two sweeps over the markets, in milliseconds.
const SWEEP_EVERY_MS: i64 = 1_000;
/// Wait before the gateway is asked again to describe a contract, in milliseconds.
pub(super) const DESCRIBE_AGAIN_MS: i64 = 5_000;

impl EngineState {
    /// When [`super::Event::TimePassed`] should come in at the latest, if nothing else does before.
    pub fn next_deadline(&self) -> Timestamp {
        self.wakes.first().map_or(self.sweep_at, |(wake_at, _)| self.sweep_at.min(*wake_at))
    }

    /// Fires everything that is due at `at`.
    pub(super) fn fire_due(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>) {
        while let Some((wake_at, account_id)) = self.wakes.first().copied().filter(|(wake_at, _)| *wake_at <= at) {
            self.wakes.remove(&(wake_at, account_id));
            self.with_desk(config, at, actions, account_id, Desk::wake);
        }
        if self.sweep_at <= at {
            self.sweep_at = time_after_ms(at, SWEEP_EVERY_MS);
            self.sweep_markets(config, at, actions);
            self.tell_of_arming(config, at, actions);
        }
    }

    /// Tells of old quotes and of positions that cannot be priced, and asks again for missing descriptions.
    fn sweep_markets(&mut self, config: &Config, at: Timestamp, actions: &mut Vec<Action>) {
        let mut describe = Vec::new();
        for (contract_id, market) in self.markets.iter_mut() {
            if market.holders().is_empty() {
                continue;
            }
            if market.describe_again_at.take_if(|due| *due <= at).is_some() {
                describe.push(contract_id.clone());
            }
            for account_id in market.holders().clone() {
                let held = self.desks.get(&account_id).and_then(|desk| desk.state.book.position(contract_id));
                let missing = held.and_then(|position| market.missing_to_price(position));
                let Some(missing) = missing else {
                    market.told_unpriced.remove(&account_id);
                    continue;
                };
                if market.told_unpriced.insert(account_id) {
                    let contract_id = contract_id.clone();
                    actions.push(Action::Notice(Notice::PositionNotPriced { account_id, contract_id, missing }));
                }
            }
            let has_quotes = market.quoted_at().is_some();
            if has_quotes && !market.told_stale && market.is_older_than(config.quote_stale_after_ms, at) {
                market.told_stale = true;
                let contract_id = contract_id.clone();
                actions.push(Action::Notice(Notice::QuoteStaleness { contract_id, stale: true }));
            }
        }
        for contract_id in describe {
            self.send_without_desk(actions, RequestKind::DescribeContract(contract_id));
        }
    }
}

impl Desk {
    fn wake(&mut self, context: &mut Context<'_>) {
        if self.state.session.ends_at() <= context.at {
            self.turn_day(context);
        }
        if self.rules_wake_at.take_if(|due| *due <= context.at).is_some() {
            self.ask_rules(context, &[Trigger::Time]);
        }
        self.tell_of_slow_enforcements(context);
    }

    /// Closes the trading day: snapshot of unrealized P&L first, then the counters.
    fn turn_day(&mut self, context: &mut Context<'_>) {
        for write in self.take_what_waited(context.config, context.at) {
            context.store(write);
        }
        self.state.locks.day_turned();
        let Some(account) = self.account_config(context.config) else {
            return;
        };
        let ended = &self.state.session;
        let (day, realized_pnl) = (ended.day(), ended.realized_pnl());
        if context.config.track_unrealized_pnl {
            let snapshot = self.unrealized_snapshot(context);
            context.store(Write::PutDailyUnrealizedPnl(snapshot));
        }
        let next = Session::at(&account.day_clock, context.at);
        let ended = std::mem::replace(&mut self.state.session, next);
        let memory = &mut self.state.trade_memory;
        ended.into_trades().into_values().for_each(|trade| memory.put_earlier(day, trade));
        memory.forget_what_is_long_past(context.at);
        self.earlier_days.insert(day, realized_pnl);
        context.tell(Notice::DailyReset { account_id: self.id(), day, realized_pnl });
        self.store_schedule(context);
        let mut triggers: Vec<Trigger> = vec![Trigger::Time];
        for trade in std::mem::take(&mut self.later_trades) {
            triggers.extend(self.observe_trade(context, trade));
        }
        self.ask_rules(context, &triggers);
    }

    /// Writes down when the day turned and will turn, and when the session began.
    pub(super) fn store_schedule(&mut self, context: &mut Context<'_>) {
        let Some(account) = self.account_config(context.config) else {
            return;
        };
        let session = &self.state.session;
        let schedule = ResetSchedule {
            account_id: self.id(),
            last_reset_date: session.day().yesterday().unwrap_or(session.day()),
            next_reset_time: session.ends_at(),
            reset_time: account.day_clock.reset_time(),
            timezone: account.day_clock.timezone_name().to_owned(),
        };
        let session_start = session.starts_at();
        let at = context.at;
        context.store(Write::PutResetSchedule(schedule));
        context.store(Write::PutSessionState { account_id: self.id(), session_start, at });
    }

    fn unrealized_snapshot(&self, context: &Context<'_>) -> DailyUnrealizedPnl {
        let view = self.view(context.markets, context.at);
        let exposures: Option<Vec<Money>> = self
            .state
            .book
            .positions()
            .map(|position| Some(position.exposure(context.markets.get(&position.contract_id)?.contract()?)))
            .collect();
        DailyUnrealizedPnl::new(DailyUnrealizedPnlDraft {
            account_id: self.id(),
            date: self.state.session.day(),
            unrealized_pnl: view.total_unrealized_pnl().unrealized_pnl,
            positions_count: self.state.book.positions().count() as i64,
            total_exposure: exposures.map(|exposures| exposures.into_iter().sum()),
            created_at: context.at,
        })
        .expect("a count of positions is not negative")
    }

    fn tell_of_slow_enforcements(&mut self, context: &mut Context<'_>) {
        let account_id = self.id();
        for pending in &mut self.outbox.enforcements {
            let elapsed_ms = milliseconds_between(pending.log.timestamp, context.at);
            let Some(severity) = severity(&context.config.enforcement, elapsed_ms) else {
                continue;
            };
            if pending.told.is_some_and(|told| told >= severity) {
                continue;
            }
            pending.told = Some(severity);
            let (enforcement_id, rule_id) = (pending.log.id, pending.log.rule_id);
            if severity == Severity::Failure {
                revise(&mut pending.log, |draft| {
                    draft.error_message.get_or_insert_with(|| "not confirmed in time; the attempts go on".to_owned());
                });
                let (log, goal) = (pending.log.clone(), Some(pending.goal.clone()));
                context.actions.push(Action::Store(Write::PutEnforcement { log, goal }));
            }
            if let Some(enforcement_id) = enforcement_id {
                let notice = Notice::EnforcementSlow { enforcement_id, account_id, rule_id, elapsed_ms, severity };
                context.actions.push(Action::Notice(notice));
            }
        }
    }

    /// When the desk next has something to do by time alone.
    pub(super) fn next_wake(&mut self, config: &Config, markets: &Markets, at: Timestamp) -> Timestamp {
        self.rules_wake_at = self.next_moment_of_a_rule(config, markets, at);
        let lockout_ends = self.next_end_of_a_lockout(at);
        let look = self.reconciliation.next_at().filter(|_| self.reconciliation.outstanding.is_none());
        let stops = self.next_of_a_stop(config, at);
        let slow = self.outbox.enforcements.iter().filter_map(|pending| {
            let after_ms = next_severity_after_ms(&config.enforcement, pending.told)?;
            Some(time_after_ms(pending.log.timestamp, after_ms))
        });
        [lockout_ends, look, self.rules_wake_at, self.mark_on_disk.due_at(), stops]
            .into_iter()
            .flatten()
            .chain(slow)
            .fold(self.state.session.ends_at(), Timestamp::min)
    }

    /// When a rule next wants to be asked by time alone. A moment that is not after the present counts as passed.
    fn next_moment_of_a_rule(&self, config: &Config, markets: &Markets, at: Timestamp) -> Option<Timestamp> {
        let account = self.account_config(config).filter(|_| self.heard_from_the_broker)?;
        let view = self.view(markets, at);
        account.rules.rules().filter_map(|rule| rule.next_moment(&view)).filter(|moment| *moment > at).min()
    }
}

fn severity(timing: &EnforcementTiming, elapsed_ms: i64) -> Option<Severity> {
    [
        (timing.failed_after_ms, Severity::Failure),
        (timing.critical_after_ms, Severity::Critical),
        (timing.slow_after_ms, Severity::Warning),
    ]
    .into_iter()
    .find(|(after_ms, _)| elapsed_ms >= *after_ms)
    .map(|(_, severity)| severity)
}

fn next_severity_after_ms(timing: &EnforcementTiming, told: Option<Severity>) -> Option<i64> {
    match told {
        None => Some(timing.slow_after_ms),
        Some(Severity::Warning) => Some(timing.critical_after_ms),
        Some(Severity::Critical) => Some(timing.failed_after_ms),
        Some(Severity::Failure) => None,
    }
}
