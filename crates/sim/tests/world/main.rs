//! Weeks in virtual time with everything that can go wrong, judged by the oracle: `docs/simulation.md`.
//!
//! A failure prints the seed and the command that plays it again. `RISKD_WORLDS=10` plays ten times as many.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod oracle;
mod replay;
mod seeds;
mod weeks;

use riskd_sim::world::{Plan, Report, run};

/// Says what went wrong in a world, with the command that repeats it.
fn failure(plan: &Plan, report: &Report) -> Option<String> {
    let first = report.violations.first()?;
    let more = report.violations.len() - 1;
    Some(format!("seed {}: {first} (and {more} more)\n  again: {}", plan.seed, plan.command()))
}

/// Plays worlds and gives their reports. Fails when anything went wrong in any of them.
fn play(plans: impl Iterator<Item = Plan>) -> Vec<Report> {
    let mut failures = Vec::new();
    let mut reports = Vec::new();
    for plan in plans {
        let report = run(&plan);
        failures.extend(failure(&plan, &report));
        reports.push(report);
        if failures.len() == 3 {
            break;
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    reports
}
