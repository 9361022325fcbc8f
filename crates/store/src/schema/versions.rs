//! The list of versions and the SQL of each. Append-only: released scripts never change.

use std::sync::OnceLock;

use super::Inventory;
use crate::StoreError;

/// The version this program writes.
pub const HEAD_VERSION: i64 = if cfg!(feature = "next-version") { 3 } else { 2 };

/// What the config turns on beyond the version itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// `database.indexes.analytics_enabled`: the three analytics indexes.
    pub analytics_indexes: bool,
    /// `database.track_unrealized_pnl`: the table `daily_unrealized_pnl`.
    pub daily_unrealized_pnl: bool,
}

impl Features {
    /// Nothing beyond the version itself.
    pub const NONE: Self = Self { analytics_indexes: false, daily_unrealized_pnl: false };
    /// Everything there is.
    pub const ALL: Self = Self { analytics_indexes: true, daily_unrealized_pnl: true };
}

impl Default for Features {
    fn default() -> Self {
        Self { analytics_indexes: true, daily_unrealized_pnl: false }
    }
}

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
/// The analytics indexes.
pub(crate) const ANALYTICS_INDEXES: Script = script!("features/analytics_indexes");
/// The table of unrealized P&L by day.
pub(crate) const DAILY_UNREALIZED_PNL: Script = script!("features/daily_unrealized_pnl");

/// What a file of `version` with `features` must hold.
///
/// # Errors
///
/// Only when an in-memory database cannot be made.
pub(crate) fn expected_of(version: i64, features: Features) -> Result<Inventory, StoreError> {
    let mut expected = inventory_of(version)?.clone();
    if version > 1 {
        expected.add(&expected_of_features(features)?);
    }
    Ok(expected)
}

/// What the features alone must bring.
pub(crate) fn expected_of_features(features: Features) -> Result<Inventory, StoreError> {
    let (analytics, unrealized) = feature_inventories()?;
    let mut expected = Inventory::default();
    if features.analytics_indexes {
        expected.add(analytics);
    }
    if features.daily_unrealized_pnl {
        expected.add(unrealized);
    }
    Ok(expected)
}

/// What a version holds, features left out; of a version that is not known yet, what head holds.
fn inventory_of(version: i64) -> Result<&'static Inventory, StoreError> {
    static CACHES: [OnceLock<Inventory>; VERSIONS.len()] = [const { OnceLock::new() }; VERSIONS.len()];
    let place = VERSIONS.iter().position(|known| known.number == version).unwrap_or(VERSIONS.len() - 1);
    cached(&CACHES[place], &[VERSIONS[place].schema], &[])
}

fn feature_inventories() -> Result<(&'static Inventory, &'static Inventory), StoreError> {
    static ANALYTICS: OnceLock<Inventory> = OnceLock::new();
    static UNREALIZED: OnceLock<Inventory> = OnceLock::new();
    let head = VERSIONS[VERSIONS.len() - 1].schema;
    Ok((
        cached(&ANALYTICS, &[head, ANALYTICS_INDEXES.up], &[head])?,
        cached(&UNREALIZED, &[head, DAILY_UNREALIZED_PNL.up], &[head])?,
    ))
}

/// The inventory that `scripts` leave behind, less what `without` leaves behind.
fn cached(
    cache: &'static OnceLock<Inventory>,
    scripts: &[&str],
    without: &[&str],
) -> Result<&'static Inventory, StoreError> {
    if let Some(found) = cache.get() {
        return Ok(found);
    }
    let mut made = Inventory::of_scripts(scripts)?;
    made.remove(&Inventory::of_scripts(without)?);
    Ok(cache.get_or_init(|| made))
}
