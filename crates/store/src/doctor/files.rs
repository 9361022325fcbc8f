//! What lies beside the database and is of no use there any more.

use std::path::Path;

use super::permissions::{file_name, names_in};
use super::{DoctorOptions, Finding, FindingCode};
use crate::backup::{dead_leftovers, stamp_time};
use crate::file_lock::FileLock;
use crate::location::Paths;
use crate::open::is_filled;
use crate::restore::process_that_has;

/// Side files, lock files, half written copies and databases moved aside long ago.
pub(super) fn check(paths: &Paths, options: &DoctorOptions, holds_lock: bool, findings: &mut Vec<Finding>) {
    let is_owned = !holds_lock && FileLock::owner(paths).is_some();
    if !is_owned && process_that_has(&paths.database).is_none() {
        side_files(paths, findings);
    }
    let lock = paths.beside(".lock");
    if !is_owned && !holds_lock && lock.exists() {
        findings.push(found(
            FindingCode::LockFileLeft,
            &lock,
            "its owner died. It is in nobody's way: the lock itself went with the process",
            "`riskd db doctor --fix` deletes it",
            true,
        ));
    }
    for folder in [paths.folder(), &paths.backups] {
        for path in dead_leftovers(folder, &paths.stem()) {
            findings.push(found(
                FindingCode::PartialCopy,
                &path,
                "a program died while it was writing this copy; nobody goes on with it",
                "`riskd db doctor --fix` deletes it",
                true,
            ));
        }
    }
    moved_aside(paths, options, findings);
}

/// Whether a log or journal that nobody has open still holds something.
fn side_files(paths: &Paths, findings: &mut Vec<Finding>) {
    let (wal, shm, journal) = (paths.beside("-wal"), paths.beside("-shm"), paths.beside("-journal"));
    if is_filled(&wal) {
        findings.push(found(
            FindingCode::LogLeft,
            &wal,
            "nobody has the database open, and committed rows are still in its log: never copy or move the one without \
             the other",
            "`riskd db doctor --fix` merges it, as does the next start",
            true,
        ));
    } else if wal.exists() != shm.exists() {
        // Both, and empty, is what every reader leaves beside a file in write-ahead mode; one alone is nobody's.
        let alone = if wal.exists() { &wal } else { &shm };
        findings.push(found(FindingCode::SideFileLeft, alone, NOTHING, REMOVES, true));
    }
    if journal.exists() && is_spent(&journal) {
        findings.push(found(FindingCode::SideFileLeft, &journal, NOTHING, REMOVES, true));
    }
}

const NOTHING: &str = "nobody has the database open, and this holds nothing";
const REMOVES: &str = "`riskd db doctor --fix` deletes it";

/// Whether a journal undoes nothing: it is empty, or its header was wiped when its transaction was committed.
pub(super) fn is_spent(journal: &Path) -> bool {
    use std::io::Read;
    let mut first = [0];
    match std::fs::File::open(journal).and_then(|mut file| file.read(&mut first)) {
        Ok(read) => read == 0 || first == [0],
        Err(_) => false,
    }
}

/// Databases that a restore moved aside longer ago than backups are kept.
fn moved_aside(paths: &Paths, options: &DoctorOptions, findings: &mut Vec<Finding>) {
    let prefix = format!("{}.failed_", file_name(&paths.database));
    for path in names_in(paths.folder()) {
        let name = file_name(&path);
        let Some(rest) = name.strip_prefix(&prefix) else { continue };
        if ["-wal", "-shm", "-journal"].iter().any(|suffix| name.ends_with(suffix)) {
            continue;
        }
        let Some((_, stamp)) = rest.split_once('_') else { continue };
        let Some(moved) = stamp.get(..15).and_then(stamp_time) else { continue };
        let age_ms = riskd_core::model::milliseconds_between(moved, options.clock.now());
        if age_ms > i64::from(options.retention.retention_days) * 86_400_000 {
            let days = age_ms / 86_400_000;
            findings.push(found(
                FindingCode::FailedCopy,
                &path,
                &format!("a restore moved this database aside {days} days ago, and nothing needs it any more"),
                "delete it with its -wal, -shm and -journal once you are sure; riskd never deletes a database",
                false,
            ));
        }
    }
}

fn found(code: FindingCode, path: &Path, explanation: &str, mend: &str, mendable: bool) -> Finding {
    Finding {
        code,
        place: path.display().to_string(),
        explanation: explanation.to_owned(),
        mend: mend.to_owned(),
        mendable,
        count: None,
    }
}
