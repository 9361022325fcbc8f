//! What the config turns on beyond the version itself: a list. One more is one entry here, and a folder of SQL.

use super::versions::{Script, script};

/// Something that the config turns on beyond the version itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `database.indexes.analytics_enabled`: the three analytics indexes.
    AnalyticsIndexes,
    /// `database.track_unrealized_pnl`: the table `daily_unrealized_pnl`.
    DailyUnrealizedPnl,
    /// `database.track_drawdown`, or RULE-014: the table `drawdown_marks`.
    DrawdownMarks,
    /// `database.track_commitments`: the table `rule_commitments`.
    RuleCommitments,
    /// `database.audit_trail`: the table `audit_trail`.
    AuditTrail,
}

/// What a feature is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FeatureParts {
    pub(crate) feature: Feature,
    /// The folder below `migrations/features`.
    pub(crate) script: Script,
    /// The table it makes; absent for one of indexes only.
    pub(crate) table: Option<&'static str>,
    /// Its name at the head of a line that a command prints.
    pub(crate) name: &'static str,
    /// The key that turns it on.
    pub(crate) key: &'static str,
}

/// Every feature, in the order in which they are made. Append-only.
pub(crate) const FEATURES: &[FeatureParts] = &[
    FeatureParts {
        feature: Feature::AnalyticsIndexes,
        script: script!("features/analytics_indexes"),
        table: None,
        name: "Analytics indexes",
        key: "database.indexes.analytics_enabled",
    },
    FeatureParts {
        feature: Feature::DailyUnrealizedPnl,
        script: script!("features/daily_unrealized_pnl"),
        table: Some("daily_unrealized_pnl"),
        name: "Optional daily_unrealized_pnl table",
        key: "database.track_unrealized_pnl",
    },
    FeatureParts {
        feature: Feature::DrawdownMarks,
        script: script!("features/drawdown_marks"),
        table: Some("drawdown_marks"),
        name: "Optional drawdown_marks table",
        key: "database.track_drawdown",
    },
    FeatureParts {
        feature: Feature::RuleCommitments,
        script: script!("features/rule_commitments"),
        table: Some("rule_commitments"),
        name: "Optional rule_commitments table",
        key: "database.track_commitments",
    },
    FeatureParts {
        feature: Feature::AuditTrail,
        script: script!("features/audit_trail"),
        table: Some("audit_trail"),
        name: "Optional audit_trail table",
        key: "database.audit_trail",
    },
];

impl Feature {
    /// The feature whose table this is.
    pub(crate) fn of_table(table: &str) -> Option<Self> {
        let of_it = |parts: &&FeatureParts| parts.table.is_some_and(|name| name.eq_ignore_ascii_case(table));
        FEATURES.iter().find(of_it).map(|parts| parts.feature)
    }
}

/// Which features are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features(u32);

impl Features {
    /// Nothing beyond the version itself.
    pub const NONE: Self = Self(0);
    /// Everything there is.
    pub const ALL: Self = {
        let (mut all, mut next) = (Self::NONE, 0);
        while next < FEATURES.len() {
            all = all.with(FEATURES[next].feature, true);
            next += 1;
        }
        all
    };

    /// The same, with one feature on or off.
    #[must_use]
    pub const fn with(self, feature: Feature, on: bool) -> Self {
        let bit = 1 << feature as u32;
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// Whether a feature is on.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u32) != 0
    }

    /// The parts of the features that are on, in the order in which they are made.
    pub(crate) fn parts(self) -> impl Iterator<Item = &'static FeatureParts> {
        FEATURES.iter().filter(move |parts| self.has(parts.feature))
    }
}

impl Default for Features {
    /// What the user's document asks for: the analytics indexes, and no table.
    fn default() -> Self {
        Self::NONE.with(Feature::AnalyticsIndexes, true)
    }
}
