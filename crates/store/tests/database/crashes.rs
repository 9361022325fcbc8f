//! Processes that die or meet: this test program runs itself as the process that is killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riskd_store::{DatabaseKind, Event, Faults, Features, Location, MigrateOptions, Step, StoreError, nobody};

use crate::support::{Fixture, assert_same, options, query, restore_options, run_python, text};

/// What the child shall do: `migrate:PATH`, `hold:PATH` or `rollback:PATH`.
const TASK: &str = "RISKD_STORE_TEST_TASK";

/// Not a test of its own: the entry of the child. Without a task it has nothing to do.
#[test]
fn child_entry() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (verb, path) = task.split_once(':').unwrap();
    let location = Location::new(path);
    match verb {
        "migrate" => {
            riskd_store::migrate(&location, &options(), &nobody).unwrap();
        }
        "rollback" => {
            riskd_store::rollback(&location, &restore_options(), &nobody).unwrap();
        }
        "hold" => {
            // Stops in the middle of a migration until the parent lets it go on by closing its pipe.
            let wait = |step| {
                if step == Step::Core {
                    println!("\nin the middle");
                    let _ = std::io::stdin().read_line(&mut String::new());
                }
                Ok(())
            };
            let faults = Faults { after_step: Some(Arc::new(wait)), ..Faults::default() };
            riskd_store::migrate(&location, &MigrateOptions { faults, ..options() }, &nobody).unwrap();
        }
        other => panic!("{other}"),
    }
}

fn child(verb: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["crashes::child_entry", "--exact", "--nocapture"])
        .env(TASK, format!("{verb}:{}", text(path)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A child that is in the middle of a migration.
fn holding_child(path: &Path) -> Child {
    let mut child = child("hold", path);
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map(|line| line.unwrap()).any(|line| line == "in the middle"), "the child ended early");
    child
}

#[test]
fn of_two_migrators_one_works_and_says_who_it_is() {
    let fixture = Fixture::new("documented");
    let mut first = holding_child(&fixture.path);
    let error = riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap_err();
    let StoreError::InUse { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, Some(first.id()));
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().ends_with(&format!("is in use by pid {}", first.id())), "{error}");
    // Looking is allowed meanwhile, and sees whole v1.
    let status = riskd_store::status(&fixture.location(), Features::default()).unwrap();
    assert_eq!((status.kind, status.owner_pid), (DatabaseKind::Behind { version: 1 }, Some(first.id())));
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    fixture.assert_whole_v2();
    assert_eq!(fixture.names(), ["state.db"]);
}

#[test]
fn many_migrators_at_once_make_one_migration() {
    let fixture = Fixture::new("documented");
    let children: Vec<Child> = (0..4).map(|_| child("migrate", &fixture.path)).collect();
    let succeeded = children.into_iter().filter_map(|mut child| child.wait().ok()).filter(|end| end.success()).count();
    assert!(succeeded >= 1, "nobody did it");
    fixture.assert_whole_v2();
    let log = std::fs::read_to_string(fixture.backups().join("migrations.jsonl")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("succeeded")).count(), 1, "{log}");
}

#[test]
fn a_dead_owner_blocks_nobody() {
    let fixture = Fixture::new("documented");
    let mut first = holding_child(&fixture.path);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(fixture.beside(".lock").exists(), "the lock file is left over");
    fixture.migrate();
    fixture.assert_whole_v2();
}

#[test]
fn kill_9_at_fifty_moments_leaves_whole_v1_or_whole_v2() {
    const MOMENTS: u32 = 50;
    let mut random = Random::from_entropy();
    // How long one takes here, so that the moments are spread over all of it.
    let measured = Fixture::with_rows("no_execution_time", "state.db", 1_500);
    let started = Instant::now();
    assert!(child("migrate", &measured.path).wait().unwrap().success());
    let whole_run = started.elapsed();
    let (mut old, mut new) = (0, 0);
    for moment in 0..MOMENTS {
        let fixture = Fixture::empty("state.db");
        // A fixture of its own for each would be most of the time.
        let source = if moment % 2 == 0 { &source_documented().0 } else { &source_write_ahead().0 };
        copy_with_side_files(&source.path, &fixture.path);
        std::fs::copy(source.held(), fixture.held()).unwrap();
        let mut killed = child("migrate", &fixture.path);
        std::thread::sleep(random.up_to(whole_run));
        let _ = killed.kill();
        killed.wait().unwrap();
        // The witness opens a copy: it would recover the file itself, and that is for the next run to do.
        let copy = fixture.folder.path().join("copy.db");
        copy_with_side_files(&fixture.path, &copy);
        assert_same(&fixture.held(), &copy);
        match riskd_store::migrate(&fixture.location(), &options(), &nobody).unwrap() {
            riskd_store::OpenOutcome::Migrated(_) => old += 1,
            riskd_store::OpenOutcome::Current { .. } => new += 1,
            other => panic!("{other:?}"),
        }
        fixture.assert_whole_v2();
        let backups = riskd_store::list_backups(&fixture.location()).unwrap();
        assert!((1..=2).contains(&backups.len()), "{backups:?}");
        assert!(backups[0].verified);
    }
    println!("{MOMENTS} kills within {whole_run:?}: {old} left v1, {new} left v2");
}

#[test]
fn kill_9_during_a_restore_leaves_the_old_or_the_new_file() {
    const MOMENTS: u32 = 12;
    let mut random = Random::from_entropy();
    let mut whole_run = Duration::ZERO;
    for moment in 0..=MOMENTS {
        let fixture = Fixture::empty("state.db");
        let source = &source_documented().0;
        copy_with_side_files(&source.path, &fixture.path);
        std::fs::copy(source.held(), fixture.held()).unwrap();
        fixture.migrate();
        // A row of v2 that is only in the log: it must not get lost while the file has its name.
        let lines = "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
                     db.execute(\"INSERT INTO session_state VALUES (77, '2026-11-22', '')\")\ndb.commit()\nos._exit(0)";
        run_python(lines, &fixture.path);
        let started = Instant::now();
        let mut killed = child("rollback", &fixture.path);
        if moment == 0 {
            assert!(killed.wait().unwrap().success());
            whole_run = started.elapsed();
        } else {
            std::thread::sleep(random.up_to(whole_run));
            let _ = killed.kill();
            killed.wait().unwrap();
        }
        let copy = fixture.folder.path().join("copy.db");
        copy_with_side_files(&fixture.path, &copy);
        let kind = riskd_store::status(&fixture.location(), Features::default()).unwrap().kind;
        let rows = query(&copy, "PRAGMA integrity_check; SELECT count(*) FROM session_state WHERE account_id = 77");
        match kind {
            DatabaseKind::Current { version: 2 } => assert_eq!(rows, ["ok", "1"], "whole v2, the log's row with it"),
            DatabaseKind::Behind { version: 1 } => {
                assert_eq!(rows, ["ok", "0"], "whole v1");
                assert_same(&fixture.held(), &copy);
            }
            other => panic!("{other:?}"),
        }
        // The next run finishes the job, whichever it was.
        riskd_store::rollback(&fixture.location(), &restore_options(), &nobody).unwrap();
        fixture.assert_whole_v1();
        assert!(!fixture.names().iter().any(|name| name.ends_with(".partial")), "{:?}", fixture.names());
    }
}

#[test]
fn an_interrupt_from_another_thread_stops_the_work() {
    let fixture = Fixture::with_rows("documented", "state.db", 1_500);
    let interrupt = riskd_store::Interrupt::new();
    let stopping = MigrateOptions { interrupt: interrupt.clone(), ..options() };
    let (sender, receiver) = std::sync::mpsc::channel();
    let stopper = std::thread::spawn(move || {
        receiver.recv().unwrap();
        interrupt.set();
    });
    let sender = std::sync::Mutex::new(sender);
    let watch = |event| {
        if matches!(event, Event::StepStarted(Step::Core)) {
            sender.lock().unwrap().send(()).unwrap();
        }
    };
    let outcome = riskd_store::migrate(&fixture.location(), &stopping, &watch);
    stopper.join().unwrap();
    match outcome {
        Err(error) => {
            assert!(error.is_interrupt(), "{error}");
            fixture.assert_whole_v1();
        }
        // It may have been over before the flag was seen; then it is whole too.
        Ok(_) => fixture.assert_whole_v2(),
    }
}

struct Source(Fixture);

fn source_documented() -> &'static Source {
    static SOURCE: std::sync::OnceLock<Source> = std::sync::OnceLock::new();
    SOURCE.get_or_init(|| Source(Fixture::with_rows("no_execution_time", "state.db", 1_500)))
}

fn source_write_ahead() -> &'static Source {
    static SOURCE: std::sync::OnceLock<Source> = std::sync::OnceLock::new();
    SOURCE.get_or_init(|| Source(Fixture::with_rows("write_ahead", "state.db", 1_500)))
}

fn copy_with_side_files(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-journal"] {
        let with = |path: &Path| PathBuf::from(format!("{}{suffix}", text(path)));
        if with(from).exists() {
            std::fs::copy(with(from), with(to)).unwrap();
        }
    }
}

/// Numbers from a printed seed; give it back in `RISKD_TEST_SEED` to see the same moments again.
struct Random(u64);

impl Random {
    fn from_entropy() -> Self {
        let given = std::env::var("RISKD_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let entropy = std::hash::RandomState::new();
            std::hash::BuildHasher::hash_one(&entropy, 0)
        });
        println!("RISKD_TEST_SEED={seed}");
        Self(seed | 1)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }
}
