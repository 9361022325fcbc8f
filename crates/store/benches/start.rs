//! What a start on a database of the current version adds: opening it, in a process of its own each time, as a start is.
//!
//! Measured inside the process, from before the first look to owning the database: loading the program does not count.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use riskd_store::{Clock, Features, Location, MigrateOptions, OpenOutcome, nobody};

const ONCE: &str = "RISKD_BENCH_START";
const ROUNDS: usize = 200;

fn options() -> MigrateOptions {
    let now = || "2026-11-22T15:00:00Z".parse().unwrap();
    MigrateOptions { features: Features::ALL, create_if_missing: true, ..MigrateOptions::new(Clock::new(now)) }
}

/// One start; its duration in microseconds.
fn once(path: &Path) -> u128 {
    let began = Instant::now();
    let (owned, outcome) = riskd_store::open(&Location::new(path), &options(), &nobody).unwrap();
    let took = began.elapsed().as_micros();
    drop(owned);
    assert!(matches!(outcome, OpenOutcome::Current { .. } | OpenOutcome::Created { .. }));
    took
}

fn main() {
    if let Some(path) = std::env::var_os(ONCE) {
        println!("{}", once(Path::new(&path)));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    once(&path);
    let mut took: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let output = Command::new(std::env::current_exe().unwrap()).env(ONCE, &path).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        })
        .collect();
    took.sort_unstable();
    let at = |part: usize| took[(ROUNDS - 1) * part / 100];
    println!(
        "a start on a current database, {ROUNDS} processes: median {} us, p90 {} us, least {} us",
        at(50),
        at(90),
        at(0)
    );
}
