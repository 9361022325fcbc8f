//! Which quote subscriptions have fallen silent on a living connection. No I/O.
//!
//! A hub may lose a subscription without a word: then it pings, other contracts tick, and one stands still for ever. So a
//! subscription without a quote for a while is made again, with longer and longer waits: outside market hours, silence is
//! all there is to hear.

use std::collections::BTreeMap;
use std::time::Duration;

use riskd_core::model::ContractId;
use tokio::time::Instant;

/// The wait doubles with each renewal in vain, so many times: from half a minute to a quarter of an hour.
const DOUBLINGS: u32 = 5;

/// When each contract was heard of.
#[derive(Debug, Default)]
pub(super) struct Silence {
    contracts: BTreeMap<ContractId, Heard>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    /// When it was last heard of, or its subscription made.
    since: Instant,
    /// Renewals since it was heard of.
    renewals: u32,
}

impl Heard {
    fn due_at(self, patience: Duration) -> Instant {
        self.since + patience * 2_u32.pow(self.renewals.min(DOUBLINGS))
    }
}

impl Silence {
    /// From now on quotes of this contract are expected.
    pub(super) fn expect(&mut self, contract_id: ContractId, now: Instant) {
        self.contracts.insert(contract_id, Heard { since: now, renewals: 0 });
    }

    /// Quotes of this contract are not expected any more.
    pub(super) fn forget(&mut self, contract_id: &ContractId) {
        self.contracts.remove(contract_id);
    }

    /// A quote of this contract came.
    pub(super) fn heard(&mut self, contract_id: &ContractId, now: Instant) {
        if let Some(heard) = self.contracts.get_mut(contract_id) {
            *heard = Heard { since: now, renewals: 0 };
        }
    }

    /// When a contract has been silent for too long, if nothing is heard of it before.
    pub(super) fn next(&self, patience: Duration) -> Option<Instant> {
        self.contracts.values().map(|heard| heard.due_at(patience)).min()
    }

    /// The contracts that have been silent for too long. Each is given another, longer time.
    pub(super) fn take_due(&mut self, now: Instant, patience: Duration) -> Vec<ContractId> {
        let mut due = Vec::new();
        for (contract_id, heard) in &mut self.contracts {
            if heard.due_at(patience) <= now {
                *heard = Heard { since: now, renewals: heard.renewals.saturating_add(1) };
                due.push(contract_id.clone());
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use riskd_core::model::Noun;

    use super::*;

    #[test]
    fn a_silent_contract_is_due_and_each_time_later() {
        let id = |text: &str| ContractId::new(text, Noun::Contract).unwrap();
        let patience = Duration::from_secs(30);
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut silence = Silence::default();
        assert_eq!(silence.next(patience), None);
        silence.expect(id("ES"), begin);
        silence.expect(id("NQ"), begin);
        silence.heard(&id("NQ"), at(20));
        silence.heard(&id("CL"), at(20));
        assert_eq!(silence.next(patience), Some(at(30)));
        assert_eq!(silence.take_due(at(29), patience), []);
        assert_eq!(silence.take_due(at(30), patience), [id("ES")]);
        // In vain: the next one a minute later.
        silence.heard(&id("NQ"), at(80));
        assert_eq!(silence.take_due(at(89), patience), []);
        assert_eq!(silence.take_due(at(90), patience), [id("ES")]);
        // Heard again: half a minute is enough as at first.
        silence.heard(&id("ES"), at(100));
        silence.heard(&id("NQ"), at(129));
        assert_eq!(silence.take_due(at(130), patience), [id("ES")]);
        silence.forget(&id("ES"));
        silence.forget(&id("NQ"));
        assert_eq!(silence.next(patience), None);
    }
}
