//! In peace the program's books are the broker's, its locks are what was decided, and everything is on the disk.

use riskd_core::model::AccountId;

use super::play::World;

impl World {
    /// Compares everything that must agree once nothing was in the way for long enough.
    pub(super) fn audit(&mut self) {
        if !self.oracle.is_sharp(self.now) || self.oracle.has_seen_enough() {
            return;
        }
        let account_ids: Vec<AccountId> = self.config.accounts.keys().copied().collect();
        for account_id in account_ids {
            for what in self.differences(account_id) {
                self.oracle.violation(self.now, Some(account_id), &what);
            }
        }
    }

    fn differences(&mut self, account_id: AccountId) -> Vec<String> {
        let clock = self.clock.read(self.now);
        let Some(account) = self.program.as_ref().and_then(|program| program.engine.account(account_id)) else {
            return Vec::new();
        };
        let mut differences = Vec::new();
        let realized = account.session.realized_pnl().micros();
        let expected = self.oracle.realized_micros(account_id, clock);
        if realized != expected {
            differences.push(format!("realized P&L of the day is {realized} millionths, the books say {expected}"));
        }
        let recorded = self.disk.realized_micros(account_id, account.session.day()).unwrap_or(0);
        if recorded != expected {
            differences.push(format!("realized P&L on record is {recorded} millionths, the books say {expected}"));
        }
        let held: std::collections::BTreeMap<_, _> =
            account.book.positions().map(|position| (position.contract_id.clone(), position.signed_size())).collect();
        let sizes = self.oracle.sizes(account_id);
        if held != sizes {
            differences.push(format!("known positions {held:?}, the books say {sizes:?}"));
        }
        let lock = account.locks.lockout().map(|lockout| (lockout.rule_id, lockout.locked_until));
        let expected = self.oracle.expected_lock(account_id);
        if lock != expected {
            differences.push(format!("the program's lock is {lock:?}, what was written down is {expected:?}"));
        }
        let durable = self.disk.lockout(account_id).map(|lockout| (lockout.rule_id, lockout.locked_until));
        if lock != durable {
            differences.push(format!("the program's lock is {lock:?}, on the disk is {durable:?}"));
        }
        differences
    }
}
