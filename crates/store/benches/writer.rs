//! From a decision to its being durable: many batches to a commit against a transaction for each.
//!
//! A burst of batches, each an enforcement with its lockout and a changed position, is submitted at once; measured is
//! the time until the last is durable (throughput), and from submitting one alone until it is (latency).
//!
//! Before that, v2 is measured against v1 in turns, so that a busy machine slows both alike; the medians are printed.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use riskd_core::engine::{Goal, Write};
use riskd_core::model::*;
use riskd_store::{Clock, Writer, WriterOptions};
use rusqlite::Connection;

const V1: [&str; 1] = [include_str!("../migrations/v1/schema.sql")];
const V2: [&str; 2] =
    [include_str!("../migrations/v2/schema.sql"), include_str!("../migrations/features/analytics_indexes/up.sql")];
/// With the audit trail, which attests every enforcement.
const AUDITED: [&str; 3] = [V2[0], V2[1], include_str!("../migrations/features/audit_trail/up.sql")];
const BURST: i64 = 256;

fn database(folder: &Path, name: &str, scripts: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let connection = Connection::open(&path).unwrap();
    for script in scripts {
        connection.execute_batch(script).unwrap();
    }
    path
}

fn at() -> Timestamp {
    "2026-11-22T15:00:00Z".parse().unwrap()
}

fn batch(id: i64) -> Vec<Write> {
    let account_id = AccountId(id % 50 + 1);
    let rule_id = RuleId::DAILY_REALIZED_LOSS;
    let reason = "daily realized loss of $512.50 reached the limit of $500.00".to_owned();
    let lockout = LockoutDraft { account_id, reason: reason.clone(), rule_id, locked_at: at(), locked_until: None };
    let log = EnforcementLogDraft {
        id: Some(EnforcementId(id)),
        timestamp: at(),
        account_id,
        rule_id,
        action: EnforcementAction::CloseAllAndLockout,
        reason,
        success: false,
        status: EnforcementStatus::Pending,
        error_message: None,
        positions_closed: 0,
        orders_cancelled: 0,
        lockout_until: None,
        pnl_at_enforcement: Some(Money::from_cents(-51_250)),
        execution_time_ms: None,
    };
    let position = PositionDraft {
        id: PositionId(id % 50 + 1),
        account_id,
        contract_id: ContractId::new("CON.F.US.MNQ.Z26", Noun::Position).unwrap(),
        position_type: PositionType::Long,
        size: id,
        average_price: Price::from_nanos(24_812_250_000_000),
        created_at: at(),
        updated_at: at(),
    };
    vec![
        Write::PutLockout(Lockout::new(lockout).unwrap()),
        Write::PutEnforcement {
            log: EnforcementLog::new(log).unwrap(),
            goal: Some(Goal::Flat { cancel_orders: true }),
        },
        Write::PutPosition(Position::new(position, &Checks::at(at())).unwrap()),
    ]
}

/// Submits so many batches at once and waits until each is durable.
fn burst(writer: &Writer, next_id: &mut i64, batches: i64) {
    let (told, tells) = channel();
    for _ in 0..batches {
        *next_id += 1;
        let told = told.clone();
        writer.submit(batch(*next_id), move |result| told.send(result.is_ok()).unwrap()).unwrap();
    }
    for _ in 0..batches {
        assert!(tells.recv().unwrap());
    }
}

/// Median times of a burst and of one batch alone, under both schemas, and under v2 with the audit trail.
fn v1_against_v2(_: &mut Criterion) {
    const ROUNDS: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, scripts: &[&str]| {
        let options = WriterOptions { group_size: 256, ..WriterOptions::new(Clock::fixed(at())) };
        Writer::open(&database(folder.path(), name, scripts), options).unwrap()
    };
    let mut all = [(open("v1.db", &V1), 0), (open("v2.db", &V2), 0), (open("audited.db", &AUDITED), 0)];
    for batches in [1, BURST] {
        let mut took = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            // Who goes first changes too.
            for place in (0..3).map(|place| (place + round) % 3) {
                let (writer, next_id) = &mut all[place];
                let began = Instant::now();
                burst(writer, next_id, batches);
                took[place].push(began.elapsed());
            }
        }
        let [one, two, audited] = took.map(|mut took| {
            took.sort_unstable();
            took[ROUNDS / 2].as_secs_f64() * 1e6
        });
        println!(
            "event to durable, {batches} at once, median of {ROUNDS}: v1 {one:.0} us, v2 {two:.0} us, v2/v1 {:.3}; \
             with the audit trail {audited:.0} us, {:.3}",
            two / one,
            audited / one
        );
    }
}

fn durable(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("event to durable");
    group.sample_size(10);
    for (name, group_size) in [("group commit", 256), ("a transaction each", 1)] {
        let path = database(folder.path(), &format!("{group_size}.db"), &V2);
        let options = WriterOptions { group_size, ..WriterOptions::new(Clock::fixed(at())) };
        let writer = Writer::open(&path, options).unwrap();
        let mut next_id = 0;
        for batches in [1, BURST] {
            group.throughput(Throughput::Elements(batches.unsigned_abs()));
            group.bench_function(BenchmarkId::new(name, batches), |bencher| {
                bencher.iter(|| burst(&writer, &mut next_id, batches));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, v1_against_v2, durable);
criterion_main!(benches);
