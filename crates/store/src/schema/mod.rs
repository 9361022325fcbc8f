//! What the database must look like: the scripts of every version, the schema of head, and how a file differs from it.

mod compare;
mod features;
mod fresh;
mod inventory;
mod normalize;
mod record;
mod script;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use compare::{Deviation, compare, first_foreign_difference};
pub(crate) use features::{FEATURES, FeatureParts};
pub use features::{Feature, Features};
pub(crate) use fresh::create_fresh;
pub(crate) use inventory::{Column, Index, Inventory, Table, column_list};
pub(crate) use normalize::{normalized, quoted};
pub use record::VersionRow;
pub(crate) use record::{VersionTable, applied_at, insert_baseline, record};
pub use versions::HEAD_VERSION;
pub(crate) use versions::{
    ADD_EXECUTION_TIME, BASELINE_DESCRIPTION, NINE_TABLES, Script, VERSION_TABLE, VERSIONS, expected_of,
    expected_of_features,
};
