//! The one list of alarms: the log, the alerts, the API and the metrics all speak of them by these codes.

use serde::{Deserialize, Serialize};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Should be looked at.
    Warning,
    /// Somebody's money may be unprotected: look now.
    Critical,
}

impl Severity {
    /// Its name, as it stands in JSON and in the config.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

macro_rules! codes {
    ($($(#[doc = $about:literal])+ $variant:ident = $name:literal,)*) => {
        /// What can be wrong, or worth a message. A code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum AlarmCode {
            $($(#[doc = $about])+ #[serde(rename = $name)] $variant,)*
        }

        impl AlarmCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in the log, in alerts, in the API and in metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it means, in a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($about),+).trim_start(),)*
                }
            }
        }
    };
}

codes! {
    /// An enforcement is taking longer than it should: over 500 ms a warning, over 2 s critical.
    EnforcementSlow = "enforcement_slow",
    /// An enforcement has not reached its goal within 5 s; the attempts go on.
    EnforcementFailed = "enforcement_failed",
    /// An account was locked.
    LockoutSet = "lockout_set",
    /// Rules that the config enables are not in force.
    RulesNotArmed = "rules_not_armed",
    /// This machine's clock is not the broker's: over 5 s a warning, over 60 s critical; the broker's time is kept.
    MachineClockWrong = "machine_clock_wrong",
    /// A connection to the broker has been down for more than 30 s.
    BrokerLinkDown = "broker_link_down",
    /// The positions or orders of an account have not been known for certain for more than 30 s.
    AccountUncertain = "account_uncertain",
    /// The state database takes no writes.
    JournalFailing = "journal_failing",
    /// The database could not be migrated.
    MigrationFailed = "migration_failed",
    /// A backup could not be made.
    BackupFailed = "backup_failed",
    /// The database is not of the schema this program works with.
    SchemaMismatch = "schema_mismatch",
    /// Too much of what the broker sends fails its checks: over 5 an hour a warning, over 20 critical.
    ValidationFailures = "validation_failures",
    /// The daemon could not start: nothing is protected.
    StartFailed = "start_failed",
    /// The daemon watches.
    Started = "started",
    /// The daemon ended: nothing is protected.
    Stopped = "stopped",
    /// An alert channel does not take messages.
    AlertsNotDelivered = "alerts_not_delivered",
    /// Somebody tries the channels out.
    Test = "test",
}

impl std::fmt::Display for AlarmCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_are_those_of_the_json() {
        let mut seen = std::collections::BTreeSet::new();
        for code in AlarmCode::ALL {
            assert!(seen.insert(code.name()), "{code} is there twice");
            assert_eq!(serde_json::to_value(code).ok(), Some(code.name().into()));
            assert!(code.about().ends_with('.') && !code.about().starts_with(' '), "{code}: {:?}", code.about());
        }
        assert!(Severity::Critical > Severity::Warning && Severity::Warning > Severity::Info);
    }
}
