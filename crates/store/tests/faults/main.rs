//! Every operation on the disk fails once, in every way, while the store migrates, records a failure, backs up and restores.
//! `docs/fault-matrix.md` says what is covered and how to run it.
#![allow(clippy::unwrap_used, missing_docs)]
// The wrapped functions are those of the C library on Linux.
#![cfg(target_os = "linux")]

mod case;
mod crash_loop;
mod database;
mod disk;
mod matrix;
mod regressions;
mod scenario;
#[path = "../database/support.rs"]
#[allow(dead_code)]
mod support;
mod system;
mod vfs;

use crate::case::Case;
use crate::matrix::{Extent, cases_of, prove, run_one};
use crate::scenario::SCENARIOS;

#[test]
fn matrix() {
    vfs::install();
    if let Ok(name) = std::env::var("RISKD_FAULT_CASE") {
        let outcome = run_one(name.parse::<Case>().unwrap());
        assert!(outcome.wrong.is_empty() && outcome.hit.is_some(), "{name}: {:?}", outcome.wrong);
        return;
    }
    let extent = match std::env::var("RISKD_FAULTS").as_deref() {
        Ok("all") => Extent::All,
        Ok(other) => panic!("RISKD_FAULTS={other}: the only value is all"),
        Err(_) => Extent::Usual,
    };
    let only = std::env::var("RISKD_FAULT_SCENARIO").ok();
    let seed = std::env::var("RISKD_FAULT_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut cases = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| only.as_ref().is_none_or(|only| scenario.name.contains(only))) {
        cases.extend(cases_of(scenario, extent, seed));
    }
    prove("fault matrix", &cases, seed);
}
