//! The list of versions and the SQL of each. Append-only: released scripts never change.

use super::{Features, Inventory};

/// The version this program writes.
pub const HEAD_VERSION: i64 = if cfg!(feature = "next-version") { 3 } else { 2 };

/// SQL that does something, and SQL that undoes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

macro_rules! script {
    ($folder:literal) => {
        Script {
            up: include_str!(concat!("../../migrations/", $folder, "/up.sql")),
            down: include_str!(concat!("../../migrations/", $folder, "/down.sql")),
        }
    };
}
pub(super) use script;

/// One released version.
#[derive(Debug)]
pub(crate) struct Version {
    /// Its number: one more than the version before.
    pub(crate) number: i64,
    /// What `schema_version.description` says of it.
    pub(crate) description: &'static str,
    /// The whole schema as a reader of the file must find it, features left out.
    pub(crate) schema: &'static str,
    /// From the version before to this one. The baseline has none: it is its schema.
    pub(crate) script: Option<Script>,
}

/// The description of row 1.
pub(crate) const BASELINE_DESCRIPTION: &str = "Baseline schema - 9 tables (lockouts, daily_pnl, contract_cache, trade_history, session_state, \
     positions, orders, enforcement_log, reset_schedule)";

/// Every version, oldest first. A test rejects gaps, duplicates and a head that is not the last.
pub(crate) const VERSIONS: &[Version] = &[
    Version {
        number: 1,
        description: BASELINE_DESCRIPTION,
        schema: include_str!("../../migrations/v1/schema.sql"),
        script: None,
    },
    Version {
        number: 2,
        description: "Schema versioning, analytics indexes, enforcement execution times",
        schema: include_str!("../../migrations/v2/schema.sql"),
        script: Some(script!("v2")),
    },
    #[cfg(feature = "next-version")]
    Version {
        number: 3,
        description: "Alerts that were sent (never released: it shows what a version takes)",
        schema: include_str!("../../tests/versions/v3/schema.sql"),
        script: Some(Script {
            up: include_str!("../../tests/versions/v3/up.sql"),
            down: include_str!("../../tests/versions/v3/down.sql"),
        }),
    },
];

/// The table that keeps the history of versions.
pub(crate) const VERSION_TABLE: &str = "schema_version";

/// The nine tables of the baseline, by which a file is known as ours.
pub(crate) const NINE_TABLES: [&str; 9] = [
    "lockouts",
    "daily_pnl",
    "contract_cache",
    "trade_history",
    "session_state",
    "positions",
    "orders",
    "enforcement_log",
    "reset_schedule",
];

/// Part of v2: the column that files older than the documented v1 lack.
pub(crate) const ADD_EXECUTION_TIME: Script = script!("v2/add_execution_time_ms");

/// What a file of `version` with `features` must hold.
pub(crate) fn expected_of(version: i64, features: Features) -> Inventory {
    let head = &VERSIONS[VERSIONS.len() - 1];
    // Of a version that is not known yet, what head holds.
    let version = VERSIONS.iter().find(|known| known.number == version).unwrap_or(head);
    let mut expected = Inventory::default();
    expected.take_in_script(version.schema);
    if version.number > 1 {
        expected.add(&expected_of_features(features));
    }
    expected
}

/// What the features alone must bring.
pub(crate) fn expected_of_features(features: Features) -> Inventory {
    let mut expected = Inventory::default();
    for parts in features.parts() {
        expected.take_in_script(parts.script.up);
    }
    expected
}
