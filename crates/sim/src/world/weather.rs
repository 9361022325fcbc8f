//! What goes wrong, and when. Faults come in storms; between storms nothing does, so that the oracle can hold the program
//! to its bounds.

use std::collections::BTreeMap;

use riskd_core::model::Timestamp;

use super::chance::Chance;

/// One thing that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A hub's event is lost.
    HubLoss,
    /// It comes late, past others.
    HubDelay,
    /// It comes twice.
    HubDuplicate,
    /// It cannot be read.
    HubMalformed,
    /// A hub closes the connection.
    HubClose,
    /// A connection stands and carries nothing until that is noticed.
    HubSilence,
    /// The gateway is not there for a while.
    GatewayRestart,
    /// 401: a request is not carried out.
    Unauthorized,
    /// 429: a request is not carried out, and everything but enforcement holds back.
    TooManyRequests,
    /// 5xx: a request is not carried out, and nobody says so.
    ServerError,
    /// No answer, and nothing done.
    TimeOutBefore,
    /// Done, and no answer.
    TimeOutAfter,
    /// Done, and answered late.
    LateAnswer,
    /// A close, a partial close or a cancel is refused.
    Refusal,
    /// It is accepted, and nothing happens.
    AcceptedNotDone,
    /// A look at the books fails.
    LookFails,
    /// A row of a look cannot be read.
    LookUnreadable,
    /// Closes reach the market late.
    SlowClose,
    /// The program is killed between two actions.
    Kill,
    /// The disk refuses writes.
    DiskFails,
    /// The disk hangs.
    DiskHangs,
    /// The machine's clock is set, forward or back.
    ClockSet,
}

use Fault::*;

/// All of them.
pub const FAULTS: [Fault; 22] = [
    HubLoss,
    HubDelay,
    HubDuplicate,
    HubMalformed,
    HubClose,
    HubSilence,
    GatewayRestart,
    Unauthorized,
    TooManyRequests,
    ServerError,
    TimeOutBefore,
    TimeOutAfter,
    LateAnswer,
    Refusal,
    AcceptedNotDone,
    LookFails,
    LookUnreadable,
    SlowClose,
    Kill,
    DiskFails,
    DiskHangs,
    ClockSet,
];

/// The kinds of faults a storm has at most.
const MOST_KINDS: i64 = 5;

/// What goes wrong at present.
#[derive(Debug)]
pub(super) struct Weather {
    pub(super) chance: Chance,
    storm: Vec<Fault>,
    /// One in so many of the things that can have a fault has it.
    rarity: u64,
    /// How often each struck.
    pub(super) struck: BTreeMap<Fault, u64>,
    pub(super) gateway_back_at: Timestamp,
    pub(super) disk_back_at: Timestamp,
    pub(super) silent_until: Timestamp,
    /// Until when something that struck is still to come.
    pub(super) echoes_until: Timestamp,
}

impl Weather {
    pub(super) fn new(seed: u64) -> Self {
        let long_ago = Timestamp::UNIX_EPOCH;
        Self {
            chance: Chance::new(seed, 2),
            storm: Vec::new(),
            rarity: 1,
            struck: BTreeMap::new(),
            gateway_back_at: long_ago,
            disk_back_at: long_ago,
            silent_until: long_ago,
            echoes_until: long_ago,
        }
    }

    /// A storm begins. Gives those of its faults that strike by themselves, at moments of their own.
    pub(super) fn begin(&mut self) -> Vec<Fault> {
        let kinds = self.chance.between(1, MOST_KINDS);
        self.storm = (0..kinds).map(|_| *self.chance.pick(&FAULTS)).collect();
        self.storm.sort_unstable();
        self.storm.dedup();
        self.rarity = *self.chance.pick(&[2, 4, 10]);
        let alone = [HubClose, HubSilence, GatewayRestart, SlowClose, Kill, DiskHangs, DiskFails, ClockSet];
        self.storm.iter().copied().filter(|fault| alone.contains(fault)).collect()
    }

    pub(super) fn end(&mut self) {
        self.storm.clear();
    }

    pub(super) fn is_calm(&self, now: Timestamp) -> bool {
        let over = [self.gateway_back_at, self.disk_back_at, self.silent_until, self.echoes_until];
        self.storm.is_empty() && over.iter().all(|until| *until <= now)
    }

    /// Whether this fault strikes here.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.storm.contains(&fault) && self.chance.once_in(self.rarity);
        if strikes {
            self.note(fault);
        }
        strikes
    }

    /// Whether this fault belongs to the storm.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.storm.contains(&fault)
    }

    /// Counts a fault that struck.
    pub(super) fn note(&mut self, fault: Fault) {
        *self.struck.entry(fault).or_default() += 1;
    }
}
