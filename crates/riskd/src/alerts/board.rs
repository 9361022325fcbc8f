//! What is wrong at the moment, and what people are told of it: not twice, not too late, and not again and again.
//!
//! Architecture invariant: no clock, no network, no log. The time is handed in, so every decision can be put in a table.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use riskd_core::engine::{Notice, Severity as Delay};
use riskd_core::model::AccountId;
use serde::Serialize;

use super::code::{AlarmCode, Severity};
use super::message::{Message, State};
use super::refusals::Refusals;

/// How long an alarm is told no more often than that once it is told; each repeat waits twice as long, up to this.
const LONGEST_REPEAT: SignedDuration = SignedDuration::from_hours(24);
/// How long something must be well before its end is told. Each return within [`MEMORY`] doubles that.
const CALM: SignedDuration = SignedDuration::from_secs(60);
/// The longest that an end is waited for.
const LONGEST_CALM: SignedDuration = SignedDuration::from_mins(30);
/// How long an alarm that is over is remembered.
const MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// From when on what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// How long a link, or an account's certainty, may be gone before that is told.
    pub link_down_after: SignedDuration,
    /// How many failed checks within an hour are normal; more is a warning.
    pub validation_warn_above: u64,
    /// And more than these are critical.
    pub validation_alert_above: u64,
    /// When an alarm that goes on is repeated first.
    pub repeat_after: SignedDuration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            link_down_after: SignedDuration::from_secs(30),
            validation_warn_above: 5,
            validation_alert_above: 20,
            repeat_after: SignedDuration::from_mins(60),
        }
    }
}

/// What is told by others than the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The broker cannot be reached, or is reached: before the hubs are there to say so.
    Broker {
        /// Whether it answers.
        reachable: bool,
    },
    /// The state database takes no writes, or takes them again.
    Journal {
        /// Why not; absent when it does.
        failing: Option<String>,
    },
    /// The database could not be migrated, or could.
    Migration {
        /// Why not; absent when it could.
        failed: Option<String>,
    },
    /// A backup could not be made, or was made.
    Backup {
        /// Why not; absent when it was made.
        failed: Option<String>,
    },
    /// The database is of another schema.
    SchemaMismatch {
        /// How it differs.
        what: String,
    },
    /// These enabled rules are not in force; none when all are.
    NotArmed {
        /// The rules and the accounts, in words.
        rules: Vec<String>,
    },
    /// The daemon could not start.
    StartFailed {
        /// Why.
        why: String,
    },
    /// The daemon watches.
    Started {
        /// So many accounts.
        accounts: usize,
    },
    /// The daemon ended.
    Stopped {
        /// How.
        how: String,
    },
    /// A channel refuses messages, or takes them again.
    Channel {
        /// Its name.
        name: String,
        /// Why not; absent when it does.
        failing: Option<String>,
    },
}

/// Something that is wrong now, for the API and the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// What it is about.
    pub code: AlarmCode,
    /// How bad it is.
    pub severity: Severity,
    /// In a sentence.
    pub message: String,
    /// Since when.
    #[serde(serialize_with = "super::message::as_text")]
    pub since: Timestamp,
    /// The account, where it is about one.
    pub account_id: Option<AccountId>,
}

/// Which alarm: two that differ in it are told apart.
type Key = (AlarmCode, String);

#[derive(Debug)]
struct Standing {
    severity: Severity,
    message: String,
    account_id: Option<AccountId>,
    since: Timestamp,
    /// When it may be told: conditions that pass by themselves get time to.
    ripe_at: Timestamp,
    /// When it was told last, and when it is repeated.
    told: Option<(Timestamp, SignedDuration)>,
    /// Since when it has been well again.
    well_since: Option<Timestamp>,
    /// How long it must be well.
    calm: SignedDuration,
}

/// Everything that is wrong now.
#[derive(Debug)]
pub struct Board {
    thresholds: Thresholds,
    standing: BTreeMap<Key, Standing>,
    /// How long the next end of an alarm is waited for, as it came back before; and when it ended last.
    returns: BTreeMap<Key, (SignedDuration, Timestamp)>,
    refusals: Refusals,
    said: Vec<Message>,
}

struct Finding {
    code: AlarmCode,
    subject: String,
    severity: Severity,
    account_id: Option<AccountId>,
    message: String,
}

impl Finding {
    fn new(code: AlarmCode, severity: Severity, message: String) -> Self {
        Self { code, subject: String::new(), severity, account_id: None, message }
    }

    fn of(self, subject: impl ToString) -> Self {
        Self { subject: subject.to_string(), ..self }
    }

    fn at(self, account_id: AccountId) -> Self {
        Self { account_id: Some(account_id), ..self }
    }
}

impl Board {
    /// Nothing is wrong yet.
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            standing: BTreeMap::new(),
            returns: BTreeMap::new(),
            refusals: Refusals::default(),
            said: Vec::new(),
        }
    }

    /// Takes in what the engine says. Gives what people are to be told at once.
    pub fn notice(&mut self, notice: &Notice, now: Timestamp) -> Vec<Message> {
        match notice {
            Notice::LockoutSet(lockout) => {
                let until =
                    lockout.locked_until.map_or_else(|| "without end".to_owned(), |until| format!("until {until}"));
                let text = format!(
                    "account {} is locked {until}: {} ({})",
                    lockout.account_id, lockout.reason, lockout.rule_id
                );
                self.tell_once(AlarmCode::LockoutSet, Severity::Warning, Some(lockout.account_id), text, now);
            }
            Notice::EnforcementSlow { enforcement_id, account_id, rule_id, elapsed_ms, severity } => {
                let account = format!("account {account_id}: the enforcement of {rule_id}");
                let finding = self.slow(enforcement_id.0, &account, *elapsed_ms, *severity).at(*account_id);
                self.raise(finding, now, SignedDuration::ZERO);
            }
            Notice::EnforcementConfirmed(log) => {
                if let Some(id) = log.id {
                    let took = log.execution_time_ms.map_or_else(String::new, |ms| format!(" after {ms} ms"));
                    let text = format!(
                        "account {}: the broker confirmed the enforcement of {}{took}",
                        log.account_id, log.rule_id
                    );
                    for code in [AlarmCode::EnforcementSlow, AlarmCode::EnforcementFailed] {
                        self.resolve_at_once((code, id.0.to_string()), &text, now);
                    }
                }
            }
            Notice::Certainty { account_id, certain } => {
                let text = format!("account {account_id}: its positions and orders are not known for certain");
                let finding = Finding::new(AlarmCode::AccountUncertain, Severity::Critical, text);
                self.set(!certain, finding.of(account_id).at(*account_id), now, self.thresholds.link_down_after);
            }
            Notice::Link { hub, up } => {
                let text = format!("{hub} is down: fills, orders and quotes do not arrive");
                let finding = Finding::new(AlarmCode::BrokerLinkDown, Severity::Critical, text);
                self.set(!up, finding.of(hub), now, self.thresholds.link_down_after);
                if *up {
                    self.well((AlarmCode::BrokerLinkDown, String::new()), now);
                }
            }
            Notice::Refused { invalid, .. } => {
                self.refusals.add(invalid.noun.to_string(), invalid.rule, now);
                self.weigh_refusals(now);
            }
            Notice::ArmingChanged { account_id, rule_id, reason } => {
                let why = reason.as_deref().unwrap_or_default();
                let text = format!("account {account_id}: {rule_id} is NOT ARMED: {why}");
                let finding = Finding::new(AlarmCode::RulesNotArmed, Severity::Critical, text);
                let finding = finding.of(format_args!("{account_id} {rule_id}")).at(*account_id);
                self.set(reason.is_some(), finding, now, self.thresholds.link_down_after);
            }
            Notice::MachineClockWrong { by_ms, severity } => {
                let severity = match severity {
                    None => None,
                    Some(Delay::Warning) => Some(Severity::Warning),
                    Some(Delay::Critical | Delay::Failure) => Some(Severity::Critical),
                };
                let direction = if *by_ms > 0 { "ahead" } else { "behind" };
                let seconds = by_ms.unsigned_abs() / 1_000;
                let text = format!("this machine's clock is {seconds} s {direction}; the broker's time is kept");
                let bad = severity.unwrap_or(Severity::Warning);
                let finding = Finding::new(AlarmCode::MachineClockWrong, bad, text);
                self.set(severity.is_some(), finding, now, SignedDuration::ZERO);
            }
            Notice::Breach { .. }
            | Notice::LockoutCleared(_)
            | Notice::Unlock { .. }
            | Notice::RequestFailed { .. }
            | Notice::Difference { .. }
            | Notice::PositionNotPriced { .. }
            | Notice::QuoteStaleness { .. }
            | Notice::ExtremePnl { .. }
            | Notice::OffTickGrid(_)
            | Notice::DailyReset { .. } => {}
        }
        std::mem::take(&mut self.said)
    }

    /// Takes in what the program says. Gives what people are to be told at once.
    pub fn signal(&mut self, signal: Signal, now: Timestamp) -> Vec<Message> {
        use AlarmCode as Code;
        use Severity::{Critical, Info, Warning};
        let none = SignedDuration::ZERO;
        match signal {
            Signal::Broker { reachable } => {
                let text = "the broker cannot be reached: nothing is protected".to_owned();
                let finding = Finding::new(Code::BrokerLinkDown, Critical, text);
                self.set(!reachable, finding, now, self.thresholds.link_down_after);
            }
            Signal::Journal { failing } => {
                let why = failing.as_deref().unwrap_or_default();
                let text =
                    format!("the state database takes no writes ({why}); protection goes on, nothing is unlocked");
                self.set(failing.is_some(), Finding::new(Code::JournalFailing, Critical, text), now, none);
            }
            Signal::Migration { failed } => {
                let text =
                    format!("the migration failed, nothing is protected: {}", failed.as_deref().unwrap_or_default());
                self.set(failed.is_some(), Finding::new(Code::MigrationFailed, Critical, text), now, none);
            }
            Signal::Backup { failed } => {
                let text = format!("a backup could not be made: {}", failed.as_deref().unwrap_or_default());
                self.set(failed.is_some(), Finding::new(Code::BackupFailed, Warning, text), now, none);
            }
            Signal::SchemaMismatch { what } => {
                self.set(true, Finding::new(Code::SchemaMismatch, Critical, what), now, none);
            }
            Signal::NotArmed { rules } => {
                let text = format!("enabled in the config and NOT ARMED: {}", rules.join("; "));
                self.set(!rules.is_empty(), Finding::new(Code::RulesNotArmed, Critical, text), now, none);
            }
            Signal::StartFailed { why } => {
                self.tell_once(
                    Code::StartFailed,
                    Critical,
                    None,
                    format!("riskd did not start, NOTHING IS PROTECTED: {why}"),
                    now,
                );
            }
            Signal::Started { accounts } => {
                self.tell_once(Code::Started, Info, None, format!("riskd watches {accounts} account(s)"), now);
            }
            Signal::Stopped { how } => {
                self.tell_once(Code::Stopped, Warning, None, format!("riskd ended, nothing is protected: {how}"), now);
            }
            Signal::Channel { name, failing } => {
                let text = format!("alerts do not get through to {name}: {}", failing.as_deref().unwrap_or_default());
                self.set(failing.is_some(), Finding::new(Code::AlertsNotDelivered, Warning, text).of(name), now, none);
            }
        }
        std::mem::take(&mut self.said)
    }

    /// What became due by the passing of time alone. To be asked about once a second.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Message> {
        self.weigh_refusals(now);
        let mut ended = Vec::new();
        for (key, standing) in &mut self.standing {
            match standing.well_since {
                Some(well_since) if now.duration_since(well_since) >= standing.calm => ended.push(key.clone()),
                Some(_) => {}
                None => self.said.extend(standing.told_at(key.0, now, self.thresholds.repeat_after)),
            }
        }
        for key in ended {
            self.end(key, now);
        }
        self.returns.retain(|_, (_, ended)| now.duration_since(*ended) <= MEMORY);
        std::mem::take(&mut self.said)
    }

    /// What is wrong now, the worst and oldest first. What has not lasted long enough to be told is not among it.
    pub fn alarms(&self, now: Timestamp) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> = self
            .standing
            .iter()
            .filter(|(_, standing)| standing.well_since.is_none() && standing.ripe_at <= now)
            .map(|((code, _), standing)| Alarm {
                code: *code,
                severity: standing.severity,
                message: standing.message.clone(),
                since: standing.since,
                account_id: standing.account_id,
            })
            .collect();
        alarms.sort_by_key(|alarm| (std::cmp::Reverse(alarm.severity), alarm.since));
        alarms
    }

    /// A delay gets worse step by step; the last step has a code of its own and takes the place of the others.
    fn slow(&mut self, enforcement: i64, what: &str, elapsed_ms: i64, severity: Delay) -> Finding {
        let (code, severity, how) = match severity {
            Delay::Warning => (AlarmCode::EnforcementSlow, Severity::Warning, "is slow"),
            Delay::Critical => (AlarmCode::EnforcementSlow, Severity::Critical, "is critically slow"),
            Delay::Failure => {
                self.standing.remove(&(AlarmCode::EnforcementSlow, enforcement.to_string()));
                (AlarmCode::EnforcementFailed, Severity::Critical, "HAS FAILED so far; the attempts go on")
            }
        };
        Finding::new(code, severity, format!("{what} {how}, {elapsed_ms} ms after the decision")).of(enforcement)
    }

    fn weigh_refusals(&mut self, now: Timestamp) {
        let (count, most) = self.refusals.within_an_hour(now);
        let limits = self.thresholds;
        let severity = if count > limits.validation_alert_above { Severity::Critical } else { Severity::Warning };
        let text =
            || format!("{count} payloads failed their checks within an hour; most often {}", most.unwrap_or_default());
        if count > limits.validation_warn_above {
            self.raise(Finding::new(AlarmCode::ValidationFailures, severity, text()), now, SignedDuration::ZERO);
        } else {
            self.well((AlarmCode::ValidationFailures, String::new()), now);
        }
    }

    fn set(&mut self, wrong: bool, finding: Finding, now: Timestamp, patience: SignedDuration) {
        if wrong {
            self.raise(finding, now, patience);
        } else {
            self.well((finding.code, finding.subject), now);
        }
    }

    /// Something is wrong. Told once `patience` is over, and at once when it got worse.
    fn raise(&mut self, finding: Finding, now: Timestamp, patience: SignedDuration) {
        let Finding { code, subject, severity, account_id, message } = finding;
        let key = (code, subject);
        let calm = self.returns.get(&key).map_or(CALM, |(calm, _)| *calm);
        let standing = self.standing.entry(key).or_insert_with(|| Standing {
            severity,
            message: String::new(),
            account_id,
            since: now,
            ripe_at: now.saturating_add(patience).unwrap_or(now),
            told: None,
            well_since: None,
            calm,
        });
        if severity > standing.severity {
            standing.told = None;
        }
        if standing.well_since.take().is_some() && standing.told.is_none() {
            // Nobody heard of the last time: this one gets its own patience.
            standing.since = now;
            standing.ripe_at = now.saturating_add(patience).unwrap_or(now);
        }
        standing.severity = severity;
        standing.message = message;
        self.said.extend(standing.told_at(code, now, self.thresholds.repeat_after));
    }

    /// It is well again; that is told once it has lasted.
    fn well(&mut self, key: Key, now: Timestamp) {
        let Some(standing) = self.standing.get_mut(&key) else { return };
        if standing.told.is_none() {
            self.standing.remove(&key);
        } else {
            standing.well_since.get_or_insert(now);
        }
    }

    fn end(&mut self, key: Key, now: Timestamp) {
        let Some(standing) = self.standing.remove(&key) else { return };
        let doubled = standing.calm.checked_mul(2).unwrap_or(LONGEST_CALM).min(LONGEST_CALM);
        self.returns.insert(key.clone(), (doubled, now));
        self.said.push(standing.message_of(key.0, State::Resolved, standing.message.clone(), now));
    }

    fn resolve_at_once(&mut self, key: Key, text: &str, now: Timestamp) {
        let Some(standing) = self.standing.remove(&key) else { return };
        if standing.told.is_some() {
            self.said.push(standing.message_of(key.0, State::Resolved, text.to_owned(), now));
        }
    }

    /// A message about something that happens, and does not last.
    fn tell_once(
        &mut self,
        code: AlarmCode,
        severity: Severity,
        account_id: Option<AccountId>,
        message: String,
        now: Timestamp,
    ) {
        self.said.push(Message { code, severity, state: State::Raised, account_id, message, since: now, at: now });
    }
}

impl Standing {
    /// What is to be told of it now, if anything.
    fn told_at(&mut self, code: AlarmCode, now: Timestamp, repeat_after: SignedDuration) -> Option<Message> {
        if self.ripe_at > now {
            return None;
        }
        let (state, next) = match self.told {
            None => (State::Raised, repeat_after),
            Some((told, wait)) if now.duration_since(told) >= wait => {
                (State::Repeated, wait.checked_mul(2).unwrap_or(LONGEST_REPEAT).min(LONGEST_REPEAT.max(repeat_after)))
            }
            Some(_) => return None,
        };
        self.told = Some((now, next));
        Some(self.message_of(code, state, self.message.clone(), now))
    }

    fn message_of(&self, code: AlarmCode, state: State, message: String, now: Timestamp) -> Message {
        let (severity, account_id, since) = (self.severity, self.account_id, self.since);
        Message { code, severity, state, account_id, message, since, at: now }
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
