//! Whole weeks in virtual time, the same every time for the same seed: the engine, a store, the reconnect machine and the
//! limiter, against the seeded exchange, with traders, and with everything that can go wrong between them.
//!
//! [`run`] plays a [`Plan`] and gives a [`Report`]. No thread waits, no clock is read, and nothing sleeps: whatever is due
//! next happens next. Days have quiet hours, through which the program sleeps in long steps as on a machine that was put
//! to sleep, and windows of ten minutes in which people trade. In some of these a storm of faults comes up, and passes; the
//! rest of the window is calm, and the [oracle](crate::oracle) holds the program to its bounds.
//!
//! What is real here: the engine, the parser of payloads, the exchange, the reconnect machine, the limiter, and in every
//! eighth world the database. What stands for something: the calls of the client (one answer a request, with every
//! outcome a call can have), the daemon's loop, its journal, and its clock.
//!
//! Architecture invariant: no thread, no sleep, no clock and no chance but what the seed gives. The same plan gives the
//! same report.

mod audit;
mod broker;
mod calendar;
mod chance;
mod clock;
mod configs;
mod disk;
mod hubs;
mod journal;
mod people;
mod play;
mod program;
mod setup;
mod weather;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::{Action, Input};
use riskd_core::model::RuleId;

pub use weather::{FAULTS, Fault};

/// Days of a world unless told otherwise: a working week.
const DAYS: u32 = 5;
/// Accounts of a world unless told otherwise.
const ACCOUNTS: u32 = 8;
/// One world in so many keeps its state in SQLite.
const ONE_IN_SQLITE: u64 = 8;

/// What world to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// Trading days.
    pub days: u32,
    /// Accounts.
    pub accounts: u32,
    /// Whether every account has every rule; else each has some, as the seed has it.
    pub every_rule: bool,
    /// Whether accounts that may be touched have RULE-012, too.
    pub stops: bool,
    /// Whether anything goes wrong.
    pub faults: bool,
    /// Whether durable state is kept in a database.
    pub sqlite: bool,
    /// Whether to keep the inputs and actions of the program's last life.
    pub records: bool,
}

impl Plan {
    /// The world of a seed: a week of eight accounts, with faults.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            days: DAYS,
            accounts: ACCOUNTS,
            every_rule: false,
            stops: false,
            faults: true,
            sqlite: seed % ONE_IN_SQLITE == 7,
            records: false,
        }
    }

    /// The command that plays it again.
    pub fn command(&self) -> String {
        let mut command = format!("cargo run -p riskd-sim -- run --seed {}", self.seed);
        if self.days != DAYS {
            command += &format!(" --days {}", self.days);
        }
        if self.accounts != ACCOUNTS {
            command += &format!(" --accounts {}", self.accounts);
        }
        command += if self.every_rule { " --every-rule" } else { "" };
        command += if self.stops { " --stops" } else { "" };
        command += if self.faults { "" } else { " --no-faults" };
        command
    }
}

/// What came of a world.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Accounts times days.
    pub account_days: u64,
    /// What went wrong, with time, account and numbers; empty when nothing did.
    pub violations: Vec<String>,
    /// Breaches that were decided.
    pub breaches: u64,
    /// Enforcements that the books showed to be done.
    pub confirmed: u64,
    /// How often the program started.
    pub starts: u64,
    /// Things the program was told.
    pub inputs: u64,
    /// Fills on the exchange.
    pub fills: u64,
    /// How often each rule was broken in the books.
    pub broken: BTreeMap<RuleId, u64>,
    /// How often each fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// The program's last life, where it was asked for.
    #[serde(skip)]
    pub life: Option<Life>,
}

/// One life of the program: enough to live it again.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// What the database remembered at its start.
    pub memory: riskd_core::engine::Memory,
    /// When it started.
    pub started_at: Timestamp,
    /// What it asked for at its start.
    pub first_actions: Vec<Action>,
    /// Everything it was told, and what it asked for then.
    pub steps: Vec<(Input, Vec<Action>)>,
    /// Its accounts at the end, in words.
    pub accounts: String,
}

/// Plays a world. The same plan gives the same report.
pub fn run(plan: &Plan) -> Report {
    play::World::new(plan).play()
}

/// The rules that worlds judge: those of this version of the program that the oracle knows.
pub fn judged() -> Vec<RuleId> {
    setup::judged()
}

/// The engine's config of a world's accounts, for living a [`Life`] again.
pub fn engine_config(plan: &Plan) -> riskd_core::engine::Config {
    setup::accounts(plan).1
}

/// So many milliseconds later.
fn after_ms(at: Timestamp, milliseconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(milliseconds)).unwrap_or(at)
}
