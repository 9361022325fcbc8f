//! A program that dies at every start, always at the same operation, must not fill the disk.

use std::path::Path;

use riskd_store::{Clock, Interrupt, Location, MigrateOptions, Trigger, nobody};

use crate::disk::{Act, Fault, Operation, Place, Watched};
use crate::scenario::{SCENARIOS, Scenario};
use crate::support::NOW;
use crate::vfs;

const ROUNDS: usize = 30;
/// As many as are kept at most, one that is being made, and the two that are never deleted.
const MOST_BACKUPS: usize = 10 + 1 + 2;

fn migrate_at(root: &Path, seconds: i64) -> Result<(), riskd_store::StoreError> {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let clock = Clock::fixed(now + jiff::SignedDuration::from_secs(seconds));
    let options = MigrateOptions { trigger: Trigger::Automatic, ..MigrateOptions::new(clock) };
    riskd_store::open(&Location::new(root.join("state.db")), &options, &nobody).map(|_| ())
}

/// What dies of number `round` leaves behind has its number, and no other process has it.
fn leave_the_dead_their_number(root: &Path, round: usize) {
    let ours = format!(".{}.partial", std::process::id());
    let Ok(entries) = std::fs::read_dir(root.join("backups")) else { return };
    for entry in entries.map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if name.contains(&ours) {
            let dead = name.replace(&ours, &format!(".{}.partial", 900_000_000 + round));
            std::fs::rename(entry.path(), entry.path().with_file_name(dead)).unwrap();
        }
    }
}

fn files_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn die_at_every_start(scenario: &'static Scenario, number: usize, operation: &Operation, changes: bool) {
    let ready = scenario.ready();
    let folder = tempfile::tempdir().unwrap();
    let root = ready.lay_out(folder.path());
    for round in 0..ROUNDS {
        if changes {
            let sql = format!("INSERT INTO session_state VALUES ({}, '2026-11-22', '')", 1_000 + round);
            rusqlite::Connection::open(root.join("state.db")).unwrap().execute_batch(&sql).unwrap();
        }
        // After the first round the store does a little more or less: wherever it dies, it dies.
        let place = Place { lane: 0, number };
        let watched = Watched::new(&root, Some((place, Fault::Kill)), Interrupt::new());
        let _ = migrate_at(&root, round as i64);
        let died = watched.0.is_dead();
        drop(watched);
        leave_the_dead_their_number(&root, round);
        if !died {
            break;
        }
        let left = files_in(&root.join("backups"));
        let databases = left.iter().filter(|name| !name.ends_with(".jsonl")).count();
        let case =
            format!("killed at {:?} of {}, round {round}, changes: {changes}", operation.act, operation.path.display());
        assert!(databases <= MOST_BACKUPS, "{case}: {left:?}");
        assert!(files_in(&root).len() <= 6, "{case}: {:?}", files_in(&root));
    }
    migrate_at(&root, 10_000).unwrap();
    assert!(files_in(&root.join("backups")).len() <= MOST_BACKUPS + 2);
    assert!(!files_in(&root.join("backups")).iter().any(|name| name.contains(".partial")));
}

#[test]
fn a_crash_loop_does_not_fill_the_disk() {
    vfs::install();
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == "migrate-journal").unwrap();
    let operations = &scenario.ready().operations[0];
    let in_backups = operations.iter().enumerate().filter(|(_, operation)| operation.path.starts_with("backups"));
    // The copy's pages are alike: dying at one of them stands for all.
    let mut seen: Vec<&Operation> = Vec::new();
    for (number, operation) in in_backups.filter(|(_, operation)| operation.act.changes()) {
        if operation.act == Act::Write && seen.contains(&operation) {
            continue;
        }
        seen.push(operation);
        die_at_every_start(scenario, number, operation, false);
        die_at_every_start(scenario, number, operation, true);
    }
    assert!(seen.len() >= 8, "{seen:?}");
}
