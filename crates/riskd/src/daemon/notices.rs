//! Notices of the engine as lines of the log, and as counts.

use std::collections::BTreeMap;
use std::time::Duration;

use riskd_core::engine::{Hub, Notice, Severity, UnlockOutcome};
use riskd_core::model::{EnforcementAction, Invalid, Noun, RuleId};
use tracing::{debug, error, info, warn};

use super::histogram::{DECISION_BOUNDS_NS, ENFORCEMENT_BOUNDS_NS, Histogram};

/// Counts of what was refused and seen since the start of the run.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Refused payloads and rows by type and broken rule.
    pub refused: BTreeMap<(Noun, &'static str), u64>,
    /// Prices off their contract's tick grid.
    pub off_tick_grid: u64,
    /// Breaches by rule.
    pub breaches: BTreeMap<RuleId, u64>,
    /// Enforcements the broker confirmed, and how long they took, by rule.
    pub confirmed: BTreeMap<RuleId, Histogram>,
    /// Enforcements that were not confirmed in time, by rule; the attempts went on.
    pub enforcements_failed: BTreeMap<RuleId, u64>,
    /// Requests to the broker that failed.
    pub requests_failed: u64,
    /// How often each hub's connection came up: the user hub's, the market hub's.
    pub connections: [u64; 2],
    /// From an event to every decision about it.
    pub decisions: Histogram,
    /// Batches that the state database did not take.
    pub writes_failed: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            refused: BTreeMap::new(),
            off_tick_grid: 0,
            breaches: BTreeMap::new(),
            confirmed: BTreeMap::new(),
            enforcements_failed: BTreeMap::new(),
            requests_failed: 0,
            connections: [0; 2],
            decisions: Histogram::new(&DECISION_BOUNDS_NS),
            writes_failed: 0,
        }
    }
}

impl Counts {
    /// Counts a notice and writes it to the log.
    pub(super) fn take(&mut self, notice: &Notice) {
        match notice {
            // A stop that is placed or moved is nobody's breach.
            Notice::Breach { action: EnforcementAction::PlaceStop | EnforcementAction::MoveStop, .. } => {}
            Notice::Breach { rule_id, .. } => *self.breaches.entry(*rule_id).or_default() += 1,
            Notice::EnforcementConfirmed(log) => {
                let elapsed_ms = log.execution_time_ms.and_then(|elapsed_ms| u64::try_from(elapsed_ms).ok());
                self.confirmed
                    .entry(log.rule_id)
                    .or_insert(Histogram::new(&ENFORCEMENT_BOUNDS_NS))
                    .record(Duration::from_millis(elapsed_ms.unwrap_or(0)));
            }
            Notice::EnforcementSlow { rule_id, severity: Severity::Failure, .. } => {
                *self.enforcements_failed.entry(*rule_id).or_default() += 1;
            }
            Notice::RequestFailed { .. } => self.requests_failed += 1,
            Notice::Link { hub: Hub::User, up: true } => self.connections[0] += 1,
            Notice::Link { hub: Hub::Market, up: true } => self.connections[1] += 1,
            Notice::OffTickGrid(_) => self.off_tick_grid += 1,
            Notice::Refused { invalid: Invalid { noun, rule, .. }, .. } => {
                *self.refused.entry((*noun, rule)).or_default() += 1;
            }
            _ => {}
        }
        log(notice);
    }
}

fn log(notice: &Notice) {
    match notice {
        Notice::Breach { account_id, rule_id, action, reason }
            if matches!(action, EnforcementAction::PlaceStop | EnforcementAction::MoveStop) =>
        {
            info!(%account_id, %rule_id, %action, "{reason}");
        }
        Notice::Breach { account_id, rule_id, action, reason } => {
            warn!(%account_id, %rule_id, %action, "breach: {reason}");
        }
        Notice::LockoutSet(lockout) => {
            let until = lockout.locked_until.map_or_else(|| "without end".to_owned(), |until| until.to_string());
            warn!(account_id = %lockout.account_id, rule_id = %lockout.rule_id, until, "lockout set: {}", lockout.reason);
        }
        Notice::Unlock { account_id, actor, reason, outcome } => match outcome {
            UnlockOutcome::Ended(ended) => {
                warn!(%account_id, actor, reason, lockouts = ended.len(), "unlocked by an admin");
            }
            UnlockOutcome::NotLocked => info!(%account_id, actor, "an admin's unlock: the account was not locked"),
            UnlockOutcome::NotDurable => {
                error!(%account_id, actor, "an admin's unlock could not be written down: the account stays locked");
            }
        },
        Notice::LockoutCleared(account_id) => info!(%account_id, "lockout ended"),
        Notice::EnforcementConfirmed(log) => info!(
            account_id = %log.account_id,
            rule_id = %log.rule_id,
            action = %log.action,
            execution_time_ms = log.execution_time_ms,
            positions_closed = log.positions_closed,
            orders_cancelled = log.orders_cancelled,
            "enforcement confirmed by the broker"
        ),
        Notice::EnforcementSlow { account_id, rule_id, elapsed_ms, severity, .. } => match severity {
            Severity::Warning => warn!(%account_id, %rule_id, elapsed_ms, "enforcement is slow"),
            Severity::Critical => error!(%account_id, %rule_id, elapsed_ms, "enforcement is critically slow"),
            Severity::Failure => {
                error!(%account_id, %rule_id, elapsed_ms, "enforcement has failed so far; the attempts go on");
            }
        },
        Notice::RequestFailed { request, failure } => {
            warn!(request = request.id.0, kind = ?request.kind, "request failed: {failure}");
        }
        Notice::Difference { account_id, what } => {
            info!(%account_id, "after a gap, the broker's word was taken: {what}")
        }
        Notice::Certainty { account_id, certain: true } => info!(%account_id, "positions and orders are known"),
        Notice::Certainty { account_id, certain: false } => {
            warn!(%account_id, "positions and orders are uncertain until the broker is asked");
        }
        Notice::Refused { account_id, invalid } => {
            let account_id = account_id.map(|account_id| account_id.to_string());
            warn!(account_id, noun = %invalid.noun, "refused: {invalid}");
        }
        Notice::PositionNotPriced { account_id, contract_id, missing } => {
            warn!(%account_id, %contract_id, "position is left out of unrealized P&L: {missing} is missing");
        }
        Notice::QuoteStaleness { contract_id, stale: true } => {
            warn!(%contract_id, "quotes are old; the last one is still used");
        }
        Notice::QuoteStaleness { contract_id, stale: false } => info!(%contract_id, "quotes are fresh again"),
        Notice::ExtremePnl { account_id, contract_id, unrealized_pnl } => {
            warn!(%account_id, %contract_id, "unrealized P&L of {unrealized_pnl:#} is beyond belief");
        }
        Notice::OffTickGrid(contract_id) => debug!(%contract_id, "price off the tick grid"),
        Notice::DailyReset { account_id, day, realized_pnl } => {
            info!(%account_id, %day, "trading day ended with a realized P&L of {realized_pnl:#}");
        }
        Notice::ArmingChanged { account_id, rule_id, reason: Some(reason) } => {
            error!(%account_id, %rule_id, "NOT ARMED: {reason}");
        }
        Notice::ArmingChanged { account_id, rule_id, reason: None } => info!(%account_id, %rule_id, "armed again"),
        Notice::MachineClockWrong { by_ms, severity: None } => {
            info!(by_ms, "this machine's clock agrees with the broker's again");
        }
        Notice::MachineClockWrong { by_ms, severity: Some(Severity::Warning) } => {
            warn!(by_ms, "this machine's clock is wrong; the broker's time is kept");
        }
        Notice::MachineClockWrong { by_ms, severity: Some(Severity::Critical | Severity::Failure) } => {
            error!(by_ms, "this machine's clock is very wrong; the broker's time is kept, no lockout ends early");
        }
        Notice::Link { hub, up: true } => info!("{hub} is up"),
        Notice::Link { hub, up: false } => warn!("{hub} is down"),
    }
}
