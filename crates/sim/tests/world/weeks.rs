//! Weeks of seeds that follow each other, split so that two cores share them. A week is 40 account-days:
//! over 10,000 a run, more with `RISKD_WORLDS=20`.

use std::collections::{BTreeMap, BTreeSet};

use riskd_core::model::RuleId;
use riskd_sim::world::{FAULTS, Plan, Report, judged, run};

use crate::play;

/// Worlds of each of the four stretches of seeds with faults, of those without, and of those with every rule.
const STRETCH: u64 = 55;
const WITHOUT_FAULTS: u64 = 20;
const WITH_EVERY_RULE: u64 = 20;
/// Worlds in which accounts have RULE-012.
const WITH_STOPS: u64 = 16;
/// So many worlds meet every fault and every breach.
const MANY: u64 = 40;

/// How many times as many worlds were asked for.
fn times() -> u64 {
    std::env::var("RISKD_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Seeds from 1 on, dealt out to four stretches; with more worlds, each goes on in seeds of its own.
fn stretch(index: u64) {
    let seeds = (0..STRETCH * times()).map(move |number| 1 + number * 4 + index);
    must_have_been_hard(&play(seeds.map(Plan::new)), true);
}

/// A test that meets no breach and no fault shows nothing.
fn must_have_been_hard(reports: &[Report], with_faults: bool) {
    let mut faults: BTreeMap<_, u64> = BTreeMap::new();
    for (fault, times) in reports.iter().flat_map(|report| &report.faults) {
        *faults.entry(*fault).or_default() += times;
    }
    let struck: BTreeSet<_> = faults.keys().copied().collect();
    let wanted: BTreeSet<_> = FAULTS.into_iter().filter(|_| with_faults).collect();
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    let worlds = reports.len() as u64;
    println!(
        "{worlds} worlds, {} account-days, {} fills, {} breaches, {} confirmed, {} starts, faults {faults:?}",
        sum(|report| report.account_days),
        sum(|report| report.fills),
        sum(|report| report.breaches),
        sum(|report| report.confirmed),
        sum(|report| report.starts),
    );
    if worlds >= MANY {
        assert_eq!(struck, wanted, "each fault struck somewhere");
    }
    assert!(sum(|report| report.breaches) > 5 * worlds, "accounts break their rules");
    assert!(sum(|report| report.confirmed) > 10 * worlds, "enforcements are seen through");
}

#[test]
fn weeks_with_faults_first_stretch() {
    stretch(0);
}

#[test]
fn weeks_with_faults_second_stretch() {
    stretch(1);
}

#[test]
fn weeks_with_faults_third_stretch() {
    stretch(2);
}

#[test]
fn weeks_with_faults_fourth_stretch() {
    stretch(3);
}

#[test]
fn weeks_in_which_nothing_goes_wrong() {
    let seeds = 1_000_000..1_000_000 + WITHOUT_FAULTS * times();
    let plans = seeds.map(|seed| Plan { faults: false, ..Plan::new(seed) });
    must_have_been_hard(&play(plans), false);
}

#[test]
fn weeks_with_every_rule_for_everybody() {
    let plans = (0..WITH_EVERY_RULE * times()).map(|seed| Plan { every_rule: true, ..Plan::new(2_000_002 + seed) });
    let reports = play(plans);
    let broken: BTreeSet<_> = reports.iter().flat_map(|report| report.broken.keys().copied()).collect();
    let judged: BTreeSet<_> = judged().into_iter().collect();
    println!("judged: {judged:?}, broken: {broken:?}");
    if reports.len() as u64 >= MANY {
        assert_eq!(broken, judged, "each rule that is judged was broken somewhere");
    }
    assert!(broken.is_subset(&judged) && broken.len() > 5, "most rules were broken somewhere");
}

#[test]
fn weeks_with_stops_that_are_placed_and_moved() {
    let plans = (0..WITH_STOPS * times()).map(|seed| {
        let faults = seed % 4 != 3;
        Plan { stops: true, faults, ..Plan::new(3_000_010 + seed) }
    });
    let reports = play(plans);
    let broken = |report: &Report| report.broken.get(&RuleId::TRADE_MANAGEMENT).copied().unwrap_or(0);
    let lacking: u64 = reports.iter().map(broken).sum();
    println!("{lacking} positions lacked a stop");
    assert!(lacking > 10 * reports.len() as u64, "positions are opened without a stop");
}

#[test]
fn the_same_seed_is_the_same_world() {
    // One in memory, one in a database.
    for seed in [3, 7] {
        let plan = Plan { days: 2, records: true, ..Plan::new(seed) };
        assert_eq!(run(&plan), run(&plan), "seed {seed}");
    }
}
