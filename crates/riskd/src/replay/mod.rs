//! Replaying a day offline: what the rules of any config would have decided.
//!
//! Two kinds of days. A *recording* is every input of the engine as a daemon wrote it down: it is fed to the engine again as
//! it was, so that the same config gives the same decisions. An *exported day* is an account's fills beside the prices of
//! the day: a small broker in here carries out what the engine asks for, so that what follows a decision follows, too.
//!
//! Architecture invariant: nothing here talks to a broker or a database, and equal files and configs give equal answers.

mod day;
mod fills;
mod recorder;
mod stops;
mod wire;

use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use riskd_core::engine::{self, AccountMemory, Action, Config, Memory, Notice, Write};
use riskd_core::model::{AccountId, EnforcementAction, EnforcementId, Lockout, LockoutDraft, Money, Noun, RuleId};
use serde_json::Value;

pub use day::{Day, DayResult, replay_day};
pub use fills::{Fill, read_fills};
pub use recorder::Recorder;

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {problem}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
}

/// One thing the rules decided, or that followed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// The account.
    pub account_id: AccountId,
    /// What.
    pub what: What,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A rule was broken.
    Enforcement {
        /// The rule.
        rule_id: RuleId,
        /// What is done.
        action: EnforcementAction,
        /// Why, with the numbers.
        reason: String,
        /// The P&L that breached, in dollars.
        pnl: Option<Money>,
    },
    /// The account was locked, or more strictly.
    Locked {
        /// By which rule.
        rule_id: RuleId,
        /// Until when; absent: without end.
        until: Option<Timestamp>,
    },
    /// A lockout was over.
    Unlocked,
    /// The trading day ended.
    DayEnded {
        /// Its realized P&L, in dollars.
        realized_pnl: Money,
    },
}

/// What a recording came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingResult {
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// Inputs fed to the engine.
    pub inputs: u64,
    /// Inputs that the recording says it left out.
    pub left_out: u64,
    /// From when to when.
    pub span: (Timestamp, Timestamp),
}

/// The accounts a recording was made of, for whoever makes the config for it.
pub fn accounts_of_recording(file: &Path) -> Result<Vec<AccountId>, ReplayError> {
    Ok(Header::read(&mut Lines::open(file)?)?.accounts)
}

/// Feeds a recording to the engine under a config.
///
/// What the recorded broker said is taken as it was: under another config the account goes on as it did on that day, also
/// after a decision to close it.
pub fn replay_recording(file: &Path, config: &Config) -> Result<RecordingResult, ReplayError> {
    let mut lines = Lines::open(file)?;
    let header = Header::read(&mut lines)?;
    let mut collector = Collector::default();
    let mut actions = Vec::new();
    let mut engine = engine::start(config, header.memory, header.started_at, &mut actions);
    let mut result =
        RecordingResult { decisions: Vec::new(), inputs: 0, left_out: 0, span: (header.started_at, header.started_at) };
    collector.take(header.started_at, &mut actions);
    while let Some(line) = lines.next()? {
        if line.get("event").and_then(Value::as_str) == Some("left_out") {
            result.left_out += line.get("inputs").and_then(Value::as_u64).unwrap_or(0);
            continue;
        }
        let input = wire::read(&line).map_err(|problem| lines.refuse(problem))?;
        let at = input.at;
        engine::step(&mut engine, config, input, &mut actions);
        collector.take(at, &mut actions);
        result.inputs += 1;
        result.span.1 = result.span.1.max(at);
    }
    result.decisions = collector.decisions;
    Ok(result)
}

/// Makes decisions of actions.
#[derive(Debug, Default)]
struct Collector {
    decisions: Vec<Decision>,
    seen: BTreeSet<EnforcementId>,
}

impl Collector {
    fn take(&mut self, at: Timestamp, actions: &mut Vec<Action>) {
        for action in actions.drain(..) {
            self.look_at(at, &action);
        }
    }

    fn look_at(&mut self, at: Timestamp, action: &Action) {
        let (account_id, what) = match action {
            Action::Store(Write::PutEnforcement { log, .. }) if log.id.is_some_and(|id| self.seen.insert(id)) => (
                log.account_id,
                What::Enforcement {
                    rule_id: log.rule_id,
                    action: log.action.clone(),
                    reason: log.reason.clone(),
                    pnl: log.pnl_at_enforcement,
                },
            ),
            Action::Notice(Notice::LockoutSet(lockout)) => {
                (lockout.account_id, What::Locked { rule_id: lockout.rule_id, until: lockout.locked_until })
            }
            Action::Notice(Notice::LockoutCleared(account_id)) => (*account_id, What::Unlocked),
            Action::Notice(Notice::DailyReset { account_id, realized_pnl, .. }) => {
                (*account_id, What::DayEnded { realized_pnl: *realized_pnl })
            }
            _ => return,
        };
        self.decisions.push(Decision { at, account_id, what });
    }
}

/// The lines of a recording, each a JSON object.
struct Lines {
    file: PathBuf,
    source: std::io::BufReader<std::fs::File>,
    line: usize,
    text: String,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, ReplayError> {
        let opened = std::fs::File::open(file).map_err(|source| ReplayError::Read { file: file.to_owned(), source })?;
        let source = std::io::BufReader::new(opened);
        Ok(Self { file: file.to_owned(), source, line: 0, text: String::new() })
    }

    /// The next line. A last one that was cut off, as a killed program leaves it, is the end.
    fn next(&mut self) -> Result<Option<Value>, ReplayError> {
        loop {
            self.text.clear();
            let read = self.source.read_line(&mut self.text);
            let read = read.map_err(|source| ReplayError::Read { file: self.file.clone(), source })?;
            self.line += 1;
            if read == 0 {
                return Ok(None);
            }
            if self.text.trim().is_empty() {
                continue;
            }
            return match serde_json::from_str(&self.text) {
                Ok(value) => Ok(Some(value)),
                Err(_) if !self.text.ends_with('\n') => Ok(None),
                Err(error) => Err(self.refuse(format!("is not JSON: {error}"))),
            };
        }
    }

    fn refuse(&self, problem: impl Into<String>) -> ReplayError {
        ReplayError::Line { file: self.file.clone(), line: self.line, problem: problem.into() }
    }
}

/// The first line of a recording.
struct Header {
    started_at: Timestamp,
    accounts: Vec<AccountId>,
    memory: Memory,
}

impl Header {
    fn read(lines: &mut Lines) -> Result<Self, ReplayError> {
        let line = lines.next()?.ok_or_else(|| lines.refuse("the recording is empty"))?;
        if line.get("riskd_recording").and_then(Value::as_u64) != Some(recorder::FORMAT) {
            return Err(lines.refuse("is not a recording of riskd run --record that this version can read"));
        }
        let bad = |what: &str| lines.refuse(format!("{what} cannot be read"));
        let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let started_at = line.get("started_at").and_then(time).ok_or_else(|| bad("started_at"))?;
        let listed = line.get("accounts").and_then(Value::as_array).ok_or_else(|| bad("accounts"))?;
        let accounts: Option<Vec<_>> = listed.iter().map(|id| id.as_i64().map(AccountId)).collect();
        let accounts = accounts.ok_or_else(|| bad("accounts"))?;
        let lockouts = line.get("lockouts").and_then(Value::as_array).ok_or_else(|| bad("lockouts"))?;
        let lockouts: Option<Vec<Lockout>> = lockouts.iter().map(lockout).collect();
        let lockouts = lockouts.ok_or_else(|| bad("lockouts"))?;
        let memory_of = |account_id: &AccountId| AccountMemory {
            account_id: *account_id,
            lockout: lockouts.iter().find(|lockout| lockout.account_id == *account_id).cloned(),
            daily_pnl: Vec::new(),
            recorded_trades: Vec::new(),
            positions: Vec::new(),
            orders: Vec::new(),
            reset_schedule: None,
        };
        let memory = Memory { accounts: accounts.iter().map(memory_of).collect(), ..Memory::default() };
        Ok(Self { started_at, accounts, memory })
    }
}

fn lockout(value: &Value) -> Option<Lockout> {
    let time = |name: &str| value.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    let draft = LockoutDraft {
        account_id: AccountId(value.get("account_id")?.as_i64()?),
        reason: value.get("reason")?.as_str()?.to_owned(),
        rule_id: RuleId::parse(value.get("rule_id")?.as_str()?, Noun::Lockout).unwrap_or(RuleId::FOREIGN),
        locked_at: time("locked_at")?,
        locked_until: time("locked_until"),
    };
    Lockout::new(draft).ok()
}
