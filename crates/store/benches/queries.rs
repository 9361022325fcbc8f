//! The questions that v2 has indexes for, at 1e3 and 1e5 rows; at 2e6 too with `RISKD_BENCH_LARGE=1`.
//!
//! Before anything is measured, each question is shown to use its index on the file that is measured.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};
use riskd_core::model::{AccountId, RuleId};
use riskd_store::reader::EnforcementFilter;
use riskd_store::{Reader, ReaderOptions};
use rusqlite::Connection;

const SCRIPTS: [&str; 3] = [
    include_str!("../migrations/v2/schema.sql"),
    include_str!("../migrations/features/analytics_indexes/up.sql"),
    include_str!("../migrations/features/daily_unrealized_pnl/up.sql"),
];

/// A year of enforcements that ends at [`now`], one in 50 failed; as many positions and orders; 20 accounts.
fn database(folder: &Path, rows: usize) -> PathBuf {
    let path = folder.join(format!("{rows}.db"));
    let connection = Connection::open(&path).unwrap();
    let _: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    for script in SCRIPTS {
        connection.execute_batch(script).unwrap();
    }
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
    // The oldest first, as a log grows.
    let ago = format!("(({rows} - i) * CAST(31536000 AS REAL) / {rows})");
    connection
        .execute_batch(&format!(
            "BEGIN;
             {numbers} INSERT INTO enforcement_log
                 (timestamp, account_id, rule_id, action, reason, success, details, execution_time_ms)
             SELECT strftime('%Y-%m-%d %H:%M:%f', '2026-11-22 15:00:00', '-' || {ago} || ' seconds'), i % 20,
                 printf('RULE-%03d', 1 + i % 12), 'CLOSE_ALL_AND_LOCKOUT', 'daily realized loss reached the limit',
                 i % 50 <> 0, '{{\"positions_closed\":2,\"orders_cancelled\":1,\"status\":\"confirmed\"}}', i * 7 % 1100
             FROM n;
             {numbers} INSERT INTO positions
             SELECT i, i % 20, 'CON.F.US.MNQ.Z26', 1, 1, 24812.25, '2025-01-01 00:00:00',
                 strftime('%Y-%m-%d %H:%M:%f', '2026-11-22 15:00:00', '-' || i || ' seconds') FROM n;
             {numbers} INSERT INTO orders
             SELECT i, i % 20, 'CON.F.US.MNQ.Z26', 2, 0, 1, NULL, NULL, 1 + i % 6, '2026-11-22 00:00:00',
                 '2026-11-22 00:00:00' FROM n;
             {numbers} INSERT OR IGNORE INTO daily_unrealized_pnl
             SELECT i % 20, date('2026-11-22', '-' || (i / 20) || ' days'), i % 997 - 500, 1, NULL,
                 '2026-11-22 00:00:00' FROM n WHERE i < 20000;
             COMMIT;"
        ))
        .unwrap();
    path
}

fn now() -> Timestamp {
    "2026-11-22T15:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_hours(hours)).unwrap()
}

fn questions(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut sizes = vec![1_000, 100_000];
    if std::env::var_os("RISKD_BENCH_LARGE").is_some() {
        sizes.push(2_000_000);
    }
    for rows in sizes {
        let reader = Reader::open(&database(folder.path(), rows), ReaderOptions::default()).unwrap();
        for plan in reader.query_plans().unwrap() {
            assert!(plan.uses_its_index() && !plan.sorts(), "{plan:#?}");
        }
        ask(criterion, &reader, rows);
    }
}

fn ask(criterion: &mut Criterion, reader: &Reader, rows: usize) {
    let account = AccountId(7);
    let all = EnforcementFilter::default();
    let failed = EnforcementFilter { only_failed: true, ..all };
    let of_rule = EnforcementFilter { rule_id: RuleId::from_number(3), ..failed };
    let slow = EnforcementFilter { slower_than_ms: Some(1000), ..all };
    let second = reader.enforcements(&failed, None, 50).unwrap().next;
    let mut group = criterion.benchmark_group("queries");
    group.sample_size(10);
    let mut measure = |name: &str, question: &dyn Fn()| {
        group.bench_function(BenchmarkId::new(name, rows), |bencher| bencher.iter(question));
    };
    let page = |filter: &EnforcementFilter, before| {
        black_box(reader.enforcements(filter, before, 50).unwrap());
    };
    measure("log, first page", &|| page(&all, None));
    measure("failed, first page", &|| page(&failed, None));
    measure("failed, second page", &|| page(&failed, second));
    measure("failed of one rule, first page", &|| page(&of_rule, None));
    measure("slow, first page", &|| page(&slow, None));
    measure("positions of the last hour", &|| {
        black_box(reader.positions_updated_since(ago(1), now()).unwrap());
    });
    measure("working orders of an account", &|| {
        black_box(reader.working_orders(account, now()).unwrap());
    });
    measure("execution times by rule, ever", &|| {
        black_box(reader.execution_times_by_rule(None).unwrap());
    });
    measure("execution times by rule, 30 days", &|| {
        black_box(reader.execution_times_by_rule(Some(ago(30 * 24)..now())).unwrap());
    });
    measure("execution-time trend, 7 days", &|| {
        black_box(reader.execution_time_trend(ago(7 * 24)..now()).unwrap());
    });
    measure("unrealized P&L, 30 days", &|| {
        black_box(reader.unrealized_history(account, "2026-11-22".parse().unwrap(), 30).unwrap());
    });
    group.finish();
}

criterion_group!(benches, questions);
criterion_main!(benches);
