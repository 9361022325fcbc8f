//! Which cases there are, running them on every core, and the table of what came of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::case::{Case, Outcome, run};
use crate::disk::{Fault, Place};
use crate::scenario::{SCENARIOS, Scenario};

/// How many of the possible cases are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Every fault of the disk at every operation that it can make a difference at; delays and interrupts at some.
    Usual,
    /// Every fault at every operation, and several seeds.
    All,
}

/// What came of many cases.
#[derive(Default)]
pub(crate) struct Report {
    /// By scenario and fault, the number of cases by what they left.
    left: BTreeMap<(usize, Fault), BTreeMap<&'static str, usize>>,
    /// Cases whose operation the run did not come to.
    pub(crate) missed: Vec<String>,
    /// Cases with what is wrong about them.
    pub(crate) wrong: Vec<String>,
}

/// The cases of a scenario.
pub(crate) fn cases_of(scenario: &'static Scenario, extent: Extent, seed: u64) -> Vec<Case> {
    let ready = scenario.ready();
    let seeds = if extent == Extent::All { 4 } else { 1 };
    let mut cases = Vec::new();
    for (lane, operations) in ready.operations.iter().enumerate() {
        // What comes before the failure that is recorded is the matter of the migration's own scenario.
        let first = if lane == 0 {
            ready.first
        } else if ready.first > 0 {
            operations.len()
        } else {
            0
        };
        for (number, operation) in operations.iter().enumerate().skip(first) {
            let place = Place { lane, number };
            for fault in Fault::ALL.into_iter().filter(|fault| fault.can_hit(operation.act)) {
                let counts = match fault {
                    _ if extent == Extent::All => true,
                    // Dying before a read leaves what dying before the next change leaves.
                    fault if fault.is_final() => operation.act.changes(),
                    Fault::Delay | Fault::Interrupt => number % SAMPLED_EVERY == 0,
                    _ => true,
                };
                if counts {
                    let seeds = if fault == Fault::Reorder { seeds } else { 1 };
                    cases.extend((0..seeds).map(|more| Case { scenario, fault, place, seed: seed + more }));
                }
            }
        }
    }
    cases
}

/// Runs the cases on every core.
pub(crate) fn run_all(cases: &[Case]) -> Report {
    let report = Mutex::new(Report::default());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, |count| count.get());
    let home = tempfile::tempdir_in(fast_folder()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&case) = cases.get(number) else { return };
                    let folder = home.path().join(number.to_string());
                    std::fs::create_dir(&folder).unwrap();
                    let started = Instant::now();
                    let outcome = run(case, &folder, number.is_multiple_of(WITNESSED_EVERY));
                    if std::env::var_os("SLOW").is_some() && started.elapsed().as_millis() > 150 {
                        say(&format!("{} ms: {case} {}\n", started.elapsed().as_millis(), outcome.said));
                    }
                    std::fs::remove_dir_all(&folder).unwrap();
                    report.lock().unwrap().add(case, outcome);
                }
            });
        }
    });
    report.into_inner().unwrap()
}

/// Runs one case and tells everything about it.
pub(crate) fn run_one(case: Case) -> Outcome {
    let folder = tempfile::tempdir_in(fast_folder()).unwrap();
    let outcome = run(case, folder.path(), true);
    say(&format!(
        "{case}\n  hit: {:?}\n  left: {}\n  said: {}\n  wrong: {:#?}\n",
        outcome.hit, outcome.left, outcome.said, outcome.wrong
    ));
    outcome
}

const SAMPLED_EVERY: usize = 5;
const WITNESSED_EVERY: usize = 100;

impl Report {
    fn add(&mut self, case: Case, outcome: Outcome) {
        if outcome.hit.is_none() {
            self.missed.push(case.to_string());
        }
        if !outcome.wrong.is_empty() {
            let hit = outcome.hit.map(|it| format!("{:?} of {}", it.act, it.path.display()));
            self.wrong.push(format!(
                "{case} ({}): {} [the caller was told: {}]",
                hit.unwrap_or_else(|| "not reached".into()),
                outcome.wrong.join("; "),
                outcome.said
            ));
        }
        let scenario = SCENARIOS.iter().position(|it| std::ptr::eq(it, case.scenario)).unwrap();
        *self.left.entry((scenario, case.fault)).or_default().entry(outcome.left).or_default() += 1;
    }

    pub(crate) fn total(&self) -> usize {
        self.left.values().flat_map(BTreeMap::values).sum()
    }

    /// The table: a line for each scenario and fault.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{:<24} {:<12} {:>6}  left behind\n", "scenario", "fault", "cases");
        for ((scenario, fault), left) in &self.left {
            let counts: Vec<String> = left.iter().map(|(name, count)| format!("{count} {name}")).collect();
            let name = SCENARIOS[*scenario].name;
            let sum: usize = left.values().sum();
            text.push_str(&format!("{name:<24} {:<12} {sum:>6}  {}\n", fault.name(), counts.join(", ")));
        }
        text
    }
}

/// Prints past the test runner's capture: the counts are to be seen in every run.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Runs the cases and prints what came of them; fails on what is not allowed.
pub(crate) fn prove(title: &str, cases: &[Case], seed: u64) {
    let started = Instant::now();
    let report = run_all(cases);
    say(&format!(
        "\n{title}: {} cases in {} s, RISKD_FAULT_SEED={seed}\n{}",
        report.total(),
        started.elapsed().as_secs(),
        report.table()
    ));
    assert!(report.missed.is_empty(), "the run never came to these operations: {:#?}", report.missed);
    let most = report.wrong.len().min(60);
    std::fs::write("/tmp/wrong.txt", report.wrong.join("\n\n")).unwrap();
    assert!(
        report.wrong.is_empty(),
        "{} cases left what is not allowed; repeat one with RISKD_FAULT_CASE=NAME:\n{}",
        report.wrong.len(),
        report.wrong[..most].join("\n")
    );
}

/// A folder in memory where there is one: no case needs a disk that lasts.
fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
