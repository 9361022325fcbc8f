//! Cases that once left what is not allowed, by the name they had then. Numbers move when the store does something more or
//! less, so each names the operation too, and every operation like it is tried.

use std::path::Path;

use crate::case::Case;
use crate::disk::{Act, Fault, Place};
use crate::matrix::prove;
use crate::scenario::SCENARIOS;
use crate::vfs;

/// Tries the fault at every operation `act` on the file.
fn again(name_then: &str, act: Act, path: &str) {
    vfs::install();
    let Case { scenario, fault, seed, .. } = name_then.parse().unwrap();
    let operations = scenario.ready().operations.iter().enumerate();
    let cases: Vec<Case> = operations
        .flat_map(|(lane, operations)| operations.iter().enumerate().map(move |(number, it)| (lane, number, it)))
        .filter(|(lane, number, _)| *lane > 0 || *number >= scenario.ready().first)
        .filter(|(_, _, operation)| operation.act == act && operation.path == Path::new(path))
        .map(|(lane, number, _)| Case { scenario, fault, place: Place { lane, number }, seed })
        .collect();
    assert!(!cases.is_empty(), "{name_then}: the store no longer does {act:?} on {path}");
    prove(name_then, &cases, seed);
}

/// The proof of the next backup was appended to the half line, and both were lost.
#[test]
fn a_line_behind_one_that_a_crash_cut_off_is_not_lost() {
    again("migrate-journal/tear/0:223", Act::Write, "backups/backups.jsonl");
}

/// The commit was in the file when the lock could not be given back; the caller was told "unchanged, still v1".
#[test]
fn a_commit_that_reports_a_failure_after_the_fact_is_no_failure() {
    again("migrate-journal/io-error/0:242", Act::Unlock, "state.db");
}

/// The disk failed while the rows were read, SQLite ended the transaction, and the record was committed in pieces.
#[test]
fn a_failure_is_recorded_whole_or_not_at_all() {
    again("record-failure-journal/io-error/0:268", Act::Read, "state.db");
    again("record-failure-wal/io-error/0:574", Act::Read, "state.db-wal");
}

/// The new folder of backups had a name only in memory: a power cut took the verified backup with it.
#[test]
fn a_backup_in_a_new_folder_survives_a_power_cut() {
    again("backup-journal/delay/0:25", Act::MakeFolder, "backups");
}

#[test]
fn a_case_is_found_by_its_name() {
    for scenario in &SCENARIOS {
        for fault in Fault::ALL {
            let name = format!("{}/{}/1:23", scenario.name, fault.name());
            let name = if fault == Fault::Reorder { format!("{name}@5") } else { name };
            assert_eq!(name.parse::<Case>().unwrap().to_string(), name);
        }
    }
    for wrong in ["", "migrate-wal", "migrate-wal/kill", "migrate-wal/kill/1", "x/kill/0:1", "migrate-wal/kill/0:1/2"] {
        assert!(wrong.parse::<Case>().is_err(), "{wrong}");
    }
}
