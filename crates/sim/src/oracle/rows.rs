//! What the program wrote down: lockouts and rows of the enforcement log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use riskd_core::engine::Goal;
use riskd_core::model::{ContractId, EnforcementId, EnforcementLog, Lockout, OrderId, PositionId, RuleId, Timestamp};

/// Looks remembered of an account: more than can be on their way at once.
const LOOKS_KEPT: usize = 16;

/// What a look at the broker's books showed, taken from the books themselves.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it was asked for, by the program's clock.
    pub asked_at: Timestamp,
    /// Sizes without sign.
    pub sizes: BTreeMap<ContractId, i64>,
    /// The number of each position.
    pub position_ids: BTreeMap<ContractId, PositionId>,
    /// Living orders and their contracts.
    pub orders: BTreeMap<OrderId, ContractId>,
    /// Those of them that are stops of the program's.
    pub stops: BTreeSet<OrderId>,
}

impl Seen {
    fn shows(&self, goal: &Goal) -> bool {
        let flat_in = |ids: &[ContractId]| {
            !ids.iter().any(|id| self.sizes.contains_key(id) || self.orders.values().any(|other| other == id))
        };
        match goal {
            Goal::Flat { cancel_orders } => self.sizes.is_empty() && (!cancel_orders || self.orders.is_empty()),
            Goal::PositionClosed { contract_id } => !self.sizes.contains_key(contract_id),
            Goal::Reduced { targets } => {
                targets.iter().all(|(id, most)| self.sizes.get(id).is_none_or(|size| size <= most))
            }
            Goal::ContractsFlat { contract_ids } => flat_in(contract_ids),
            Goal::NothingBeyond { contract_id, sizes, order_ids } => {
                let speaks_of = |id: &ContractId| contract_id.as_ref().is_none_or(|only| only == id);
                let most = |id: &ContractId| sizes.iter().find(|(of, _)| of == id).map_or(0, |(_, most)| *most);
                self.sizes.iter().all(|(id, size)| !speaks_of(id) || *size <= most(id))
                    && self
                        .orders
                        .iter()
                        .all(|(id, of)| !speaks_of(of) || order_ids.contains(id) || self.stops.contains(id))
            }
            Goal::StopStands { contract_id, position_id, order_id, .. } => {
                // One that is moved may have filled; that none is loosened is judged where it is moved.
                order_id.is_some()
                    || self.position_ids.get(contract_id) != Some(position_id)
                    || !self.sizes.contains_key(contract_id)
                    || self.orders.values().any(|of| of == contract_id)
            }
            Goal::OrdersGone { order_ids } => !order_ids.iter().any(|id| self.orders.contains_key(id)),
        }
    }
}

/// The lockout in force as the program has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    pub(super) rule_id: RuleId,
    pub(super) until: Option<Timestamp>,
}

impl Locked {
    pub(super) fn of(lockout: &Lockout) -> Self {
        Self { rule_id: lockout.rule_id, until: lockout.locked_until }
    }

    fn is_for_auth_loss(&self) -> bool {
        Some(self.rule_id) == RuleId::from_number(10)
    }

    fn outlasts(&self, other: &Self) -> bool {
        match (self.until, other.until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => mine >= theirs,
        }
    }
}

/// The program's record of one account, checked as it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) locked: Option<Locked>,
    /// Whether the lock's end is on its way to the disk. One that is set meanwhile does not end with it.
    ending: bool,
    open: BTreeMap<EnforcementId, (EnforcementLog, Goal)>,
    looks: VecDeque<Seen>,
    pub(super) confirmed: u64,
}

impl Record {
    /// A look that showed this was answered.
    pub(super) fn saw(&mut self, seen: Seen) {
        if self.looks.len() == LOOKS_KEPT {
            self.looks.pop_front();
        }
        self.looks.push_back(seen);
    }

    /// A lockout was set, or a stricter one took its place.
    ///
    /// When the firm lets an account trade again, the lockout that is left over takes the place of the one without end.
    pub(super) fn lock(&mut self, lockout: &Lockout, may_trade_again: bool) -> Result<(), String> {
        let new = Locked::of(lockout);
        let before = self.locked.replace(new.clone());
        self.ending = false;
        match before {
            Some(before) if !(new.outlasts(&before) || may_trade_again && before.is_for_auth_loss()) => {
                Err(format!("a lock shortened: {before:?} became {new:?}"))
            }
            _ => Ok(()),
        }
    }

    /// A lockout's end is written down.
    pub(super) fn unlock(&mut self, at: Timestamp, may_trade_again: bool) -> Result<(), String> {
        self.ending = true;
        match &self.locked {
            Some(locked) if may_trade_again && locked.is_for_auth_loss() => Ok(()),
            Some(Locked { until: Some(until), .. }) if *until <= at => Ok(()),
            Some(locked) => Err(format!("{locked:?} ended early, at {at}")),
            None => Err("a lockout ended that there was not".to_owned()),
        }
    }

    /// The end of a lockout is durable.
    pub(super) fn unlocked(&mut self) {
        if std::mem::take(&mut self.ending) {
            self.locked = None;
        }
    }

    /// A row of the log was written. `may_repeat` where each further trade is a breach of its own, with the same goal.
    pub(super) fn row(&mut self, log: &EnforcementLog, goal: Option<&Goal>, may_repeat: bool) -> Result<(), String> {
        let id = log.id.ok_or("a row without a number")?;
        if let Some(goal) = goal {
            let twice = self.open.values().any(|(other, aim)| {
                other.id != Some(id) && other.rule_id == log.rule_id && aim == goal && other.action == log.action
            });
            self.open.insert(id, (log.clone(), goal.clone()));
            return if twice && !may_repeat {
                Err(format!("a second row for one breach: {}", log.reason))
            } else {
                Ok(())
            };
        }
        let Some((_, goal)) = self.open.remove(&id) else {
            return Err(format!("row {id} was confirmed, and was not open"));
        };
        self.confirmed += 1;
        let proven = self.looks.iter().any(|seen| seen.asked_at >= log.timestamp && seen.shows(&goal));
        if proven { Ok(()) } else { Err(format!("row {id} was confirmed before the books showed {goal:?}")) }
    }

    /// Rows that are not confirmed.
    pub(super) fn pending(&self) -> impl Iterator<Item = &EnforcementLog> {
        self.open.values().map(|(log, _)| log)
    }

    /// The program died: what it had in mind is what the database remembers.
    pub(super) fn remember(&mut self, lockout: Option<&Lockout>, pending: Vec<(EnforcementLog, Goal)>) {
        self.locked = lockout.map(Locked::of);
        self.ending = false;
        self.open = pending.into_iter().filter_map(|(log, goal)| Some((log.id?, (log, goal)))).collect();
        self.looks.clear();
    }
}
