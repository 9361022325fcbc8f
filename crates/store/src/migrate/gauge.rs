//! How far SQLite is with work that it does in one go: building indexes, checking, reading tables through.
//!
//! SQLite counts the instructions it runs; what a row costs in instructions is known roughly for each kind of work, and
//! that turns the count into rows. It is an estimate for the eye of whoever waits, and nothing depends on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;
use std::time::Duration;

use rusqlite::Connection;

use super::Step;
use super::plan::Piece;
use crate::context::{Event, Observer};
use crate::schema::{Inventory, quoted};

/// How often whoever waits is told.
const BETWEEN_REPORTS: Duration = Duration::from_millis(100);

/// A count of instructions, shared between the connection that runs them and whoever reports.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    instructions: AtomicU64,
    work: Mutex<Option<(Step, Work)>>,
}

/// Work under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// Rows to work through.
    pub(super) rows: u64,
    /// Instructions that this is likely to take.
    pub(super) instructions: u64,
}

impl Gauge {
    /// Counts instructions that ran.
    pub(crate) fn count(&self, instructions: u64) {
        self.0.instructions.fetch_add(instructions, Ordering::Relaxed);
    }

    /// Begins to measure work of this size.
    pub(super) fn begin(&self, step: Step, work: Work) {
        *self.work() = Some((step, work));
        self.0.instructions.store(0, Ordering::Relaxed);
    }

    /// What is measured has ended.
    pub(super) fn end(&self) {
        *self.work() = None;
    }

    /// Rows done and rows in all of a step, while work is measured.
    fn rows(&self) -> Option<(Step, u64, u64)> {
        let (step, work) = (*self.work())?;
        let run = self.0.instructions.load(Ordering::Relaxed).min(work.instructions);
        let done = u128::from(work.rows) * u128::from(run) / u128::from(work.instructions.max(1));
        Some((step, u64::try_from(done).unwrap_or(work.rows), work.rows))
    }

    fn work(&self) -> std::sync::MutexGuard<'_, Option<(Step, Work)>> {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of the work of the first gauge that measures any, ten times a second, until the answer is dropped.
pub(super) fn report<'scope>(
    scope: &'scope Scope<'scope, '_>,
    gauges: Vec<Gauge>,
    observer: Observer<'scope>,
) -> Sender<()> {
    let (end, ended) = channel();
    scope.spawn(move || {
        while ended.recv_timeout(BETWEEN_REPORTS) == Err(RecvTimeoutError::Timeout) {
            if let Some((step, done, total)) = gauges.iter().find_map(Gauge::rows) {
                observer(Event::Progress { step, done, total, unit: "rows" });
            }
        }
    });
    end
}

/// What it takes to build the indexes that these pieces make.
pub(super) fn index_work(connection: &Connection, inventory: &Inventory, pieces: &[Piece]) -> Work {
    // A row is read, its columns put together, sorted, and put into the index.
    const INSTRUCTIONS_A_ROW: u64 = 10;
    let mut work = Work { rows: 0, instructions: 0 };
    for table in inventory.tables.values() {
        let made = pieces.iter().map(|piece| makes_indexes_on(&piece.up, &table.name)).sum::<u64>();
        let rows = if made == 0 { 0 } else { likely_rows(connection, &table.name) };
        work.rows += rows * made;
        work.instructions += rows * made * INSTRUCTIONS_A_ROW;
    }
    work
}

/// What it takes to check the integrity and to read every table through.
pub(super) fn check_work(connection: &Connection, inventory: &Inventory) -> Work {
    let mut work = Work { rows: 0, instructions: 0 };
    for table in inventory.tables.values() {
        let rows = likely_rows(connection, &table.name);
        let indexes = inventory.indexes.values().filter(|index| index.table.eq_ignore_ascii_case(&table.name)).count();
        let (columns, indexes) = (table.columns.len() as u64, indexes as u64);
        work.rows += rows;
        work.instructions += rows * (12 + 4 * columns + 12 * indexes);
    }
    work
}

/// How many rows a table is likely to have: what lies between its first id and its last. 0 for one without ids.
fn likely_rows(connection: &Connection, table: &str) -> u64 {
    let ask = |which: &str| {
        let sql = format!("SELECT {which}(rowid) FROM main.{}", quoted(table));
        connection.query_row(&sql, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten()
    };
    match (ask("min"), ask("max")) {
        (Some(first), Some(last)) => last.abs_diff(first).saturating_add(1).min(1 << 40),
        _ => 0,
    }
}

fn makes_indexes_on(script: &str, table: &str) -> u64 {
    let words = crate::schema::normalized(script);
    let words: Vec<&str> = words.split(' ').collect();
    words
        .windows(5)
        .filter(|words| words[0] == "create" && words[1] == "index" && words[3] == "on")
        .filter(|words| words[4] == table.to_lowercase())
        .count() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::migrate::Plan;
    use crate::schema::{Feature, Features, VERSIONS};

    #[test]
    fn rows_are_a_share_of_what_is_expected_and_never_more() {
        let gauge = Gauge::default();
        assert_eq!(gauge.rows(), None);
        gauge.begin(Step::Core, Work { rows: 1_000, instructions: 10_000 });
        assert_eq!(gauge.rows(), Some((Step::Core, 0, 1_000)));
        gauge.count(2_500);
        assert_eq!(gauge.rows(), Some((Step::Core, 250, 1_000)));
        gauge.count(20_000);
        assert_eq!(gauge.rows(), Some((Step::Core, 1_000, 1_000)));
        gauge.begin(Step::Core, Work { rows: 0, instructions: 0 });
        assert_eq!(gauge.rows(), Some((Step::Core, 0, 0)));
        gauge.end();
        assert_eq!(gauge.rows(), None);
    }

    #[test]
    fn the_work_of_indexes_is_that_of_their_tables() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(VERSIONS[0].schema).unwrap();
        connection
            .execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                 INSERT INTO enforcement_log (id, account_id, rule_id, action, reason) SELECT i, 1, '', '', '' FROM n",
            )
            .unwrap();
        let inventory = Inventory::read(&connection).unwrap();
        let plan = Plan::of_features(&inventory, Features::default()).unwrap();
        let work = index_work(&connection, &inventory, plan.of_feature(Feature::AnalyticsIndexes));
        assert_eq!(work, Work { rows: 300, instructions: 3_000 });
        // The next id of the log is a row of its own.
        assert_eq!(check_work(&connection, &inventory).rows, 301);
    }

    #[test]
    fn whoever_waits_is_told_until_the_end() {
        let gauge = Gauge::default();
        gauge.begin(Step::Verification, Work { rows: 8, instructions: 80 });
        gauge.count(40);
        let (tell, told) = channel();
        let observer = move |event| {
            let _gone = tell.send(event);
        };
        std::thread::scope(|scope| {
            let end = report(scope, vec![gauge.clone()], &observer);
            let event = told.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(event, Event::Progress { step: Step::Verification, done: 4, total: 8, unit: "rows" });
            drop(end);
        });
    }
}
