//! Every operation on the disk fails once, in every way, while the store migrates, records a failure, backs up and restores.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]
// The wrapped functions are those of the C library on Linux.
#![cfg(target_os = "linux")]

mod disk;
mod system;
mod vfs;

use std::sync::atomic::AtomicBool;
#[test]
fn spike() {
    vfs::install();
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let root = folder.path().join("r");
    std::fs::create_dir(&root).unwrap();
    let path = root.join("state.db");
    let sample = riskd_store::V1Sample { account_ids: vec![riskd_core::model::AccountId(1)], enforcements: 20, trades: 5, until: "2026-11-22T19:00:00Z".parse().unwrap() };
    riskd_store::create_v1_sample(&path, &sample).unwrap();
    let watched = disk::Watched::new(&root, None, riskd_store::Interrupt::new());
    let started = std::time::Instant::now();
    let clock = riskd_store::Clock::fixed("2026-11-22T19:00:00Z".parse().unwrap());
    let out = riskd_store::migrate(&riskd_store::Location::new(&path), &riskd_store::MigrateOptions::new(clock.clone()), &riskd_store::nobody).unwrap();
    println!("{:?} {out:?}", started.elapsed());
    riskd_store::rollback(&riskd_store::Location::new(&path), &riskd_store::RestoreOptions::new(clock), &riskd_store::nobody).unwrap();
    for (lane, ops) in watched.0.operations().iter().enumerate() {
        println!("lane {lane}: {}", ops.len());
        for op in ops { println!("  {lane} {:?} {}", op.act, op.path.display()); }
    }
    let _ = AtomicBool::new(false);
}
