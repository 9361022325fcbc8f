//! One writer: durable, atomic, alive after failures, never in the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use riskd_core::engine::Write;
use riskd_core::model::*;
use riskd_store::{EngineErrorKind, StoreError, Unwritten, Writer, WriterOptions};

use super::support::*;

const PATIENCE: Duration = Duration::from_secs(90);

fn put(id: i64) -> Write {
    Write::PutPosition(position(id, 1))
}

/// Makes the table refuse one position, as a user's own trigger may.
fn refuse_position(state: &State, id: i64) {
    state.run(&format!(
        "CREATE TRIGGER refuse_{id} BEFORE INSERT ON positions WHEN NEW.id = {id}
         BEGIN SELECT RAISE(ABORT, 'this position is refused'); END"
    ));
}

/// A gate at which commits wait until they are let through, and the signal that one is waiting.
fn gate() -> (WriterOptions, Receiver<()>, std::sync::mpsc::Sender<()>) {
    let (waiting, is_waiting) = channel();
    let (open, opened) = channel::<()>();
    let opened = Mutex::new(opened);
    let waiting = Mutex::new(waiting);
    let commit_gate = move || {
        // Nobody may be listening, and a gate whose keeper is gone stands open.
        let _ = waiting.lock().unwrap().send(());
        let _ = opened.lock().unwrap().recv_timeout(PATIENCE);
        Ok(())
    };
    (WriterOptions { commit_gate: Some(Arc::new(commit_gate)), ..options() }, is_waiting, open)
}

#[test]
fn batches_waiting_are_written_in_one_commit_and_in_order() {
    let state = State::new();
    let (mut options, is_waiting, open) = gate();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    let inner = options.commit_gate.take().unwrap();
    options.commit_gate = Some(Arc::new(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        inner()
    }));
    let writer = Writer::open(&state.path, options).unwrap();
    let (told, tells) = channel();
    let submit = |id: i64| {
        let told = told.clone();
        writer.submit(vec![put(id)], move |result| told.send((id, result.is_ok())).unwrap()).unwrap();
    };
    submit(0);
    is_waiting.recv_timeout(PATIENCE).unwrap();
    // The disk is busy with the first: the others wait, and go together.
    (1..=20).for_each(submit);
    assert_eq!(state.count("SELECT COUNT(*) FROM positions"), 0, "nothing is told or seen before its commit");
    assert!(tells.try_recv().is_err());
    open.send(()).unwrap();
    open.send(()).unwrap();
    let order: Vec<_> = (0..=20).map(|_| tells.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(order, (0..=20).map(|id| (id, true)).collect::<Vec<_>>());
    assert_eq!(commits.load(Ordering::SeqCst), 2);
}

#[test]
fn a_bad_batch_sinks_itself_and_no_other() {
    let state = State::new();
    refuse_position(&state, 13);
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, options).unwrap();
    let (told, tells) = channel();
    let submit = |name: &'static str, writes: Vec<Write>| {
        let told = told.clone();
        writer.submit(writes, move |result| told.send((name, result.map_err(|e| e.to_string()))).unwrap()).unwrap();
    };
    submit("first", vec![put(1)]);
    is_waiting.recv_timeout(PATIENCE).unwrap();
    submit("good", vec![put(2)]);
    submit("bad", vec![put(3), put(13), put(4)]);
    submit("good too", vec![put(5)]);
    open.send(()).unwrap();
    open.send(()).unwrap();
    let outcomes: Vec<_> = (0..4).map(|_| tells.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(outcomes[0], ("first", Ok(())));
    assert_eq!(outcomes[1], ("good", Ok(())));
    assert_eq!(outcomes[2], ("bad", Err("cannot write to the state database: this position is refused".to_owned())));
    assert_eq!(outcomes[3], ("good too", Ok(())));
    let ids = state.text("SELECT group_concat(id) FROM (SELECT id FROM positions ORDER BY id)");
    assert_eq!(ids, "1,2,5", "nothing of the bad batch is there, neither what came before nor after");
}

#[test]
fn readers_are_not_held_up_by_a_write_transaction() {
    let state = State::new();
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, options).unwrap();
    let reader = state.reader();
    let (told, tells) = channel();
    writer.submit(vec![put(1)], move |result| told.send(result.is_ok()).unwrap()).unwrap();
    is_waiting.recv_timeout(PATIENCE).unwrap();
    // The write transaction is open and stays so until the gate is opened, below. A reader that waited would never get
    // there.
    assert_eq!(reader.positions(None, now()).unwrap().rows, vec![]);
    assert_eq!(reader.memory(&[ACCOUNT], now()).unwrap().memory.accounts[0].positions, vec![]);
    open.send(()).unwrap();
    assert!(tells.recv_timeout(PATIENCE).unwrap());
    assert_eq!(reader.positions(None, now()).unwrap().rows.len(), 1);
}

#[test]
fn a_failed_commit_is_told_and_the_next_one_succeeds() {
    let state = State::new();
    let failures = Arc::new(AtomicUsize::new(2));
    let left = Arc::clone(&failures);
    let commit_gate = move || {
        let failed = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if failed { Err("the disk is on fire".to_owned()) } else { Ok(()) }
    };
    let writer =
        Writer::open(&state.path, WriterOptions { commit_gate: Some(Arc::new(commit_gate)), ..options() }).unwrap();
    for _ in 0..2 {
        let error = writer.write(vec![put(1)]).unwrap_err();
        assert_eq!(error.to_string(), "cannot write to the state database: the disk is on fire");
        assert_eq!(state.count("SELECT COUNT(*) FROM positions"), 0);
    }
    writer.write(vec![put(2)]).unwrap();
    assert_eq!(state.text("SELECT group_concat(id) FROM positions"), "2");
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_the_rest_is_written() {
    let state = State::new();
    let pages = u32::try_from(state.count("PRAGMA page_count")).unwrap();
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, WriterOptions { most_pages: Some(pages + 10), ..options }).unwrap();
    let (told, tells) = channel();
    let submit = |name: &'static str, writes: Vec<Write>| {
        let told = told.clone();
        writer.submit(writes, move |result| told.send((name, result)).unwrap()).unwrap();
    };
    let large = || {
        let draft = |id| EnforcementLogDraft { reason: "long ".repeat(2000), ..enforcement_draft(id) };
        (100..400).map(|id| Write::PutEnforcement { log: enforcement(draft(id)), goal: None }).collect::<Vec<_>>()
    };
    submit("first", vec![put(1)]);
    is_waiting.recv_timeout(PATIENCE).unwrap();
    submit("before", vec![put(2)]);
    submit("large", large());
    submit("after", vec![put(3)]);
    drop(open);
    let outcomes: Vec<_> = (0..4).map(|_| tells.recv_timeout(PATIENCE).unwrap()).collect();
    for (name, result) in outcomes {
        match (name, result) {
            ("large", Err(Unwritten { writes, error: StoreError::NotWritten { source } })) => {
                assert_eq!(source.kind, EngineErrorKind::Full);
                assert_eq!(writes.len(), 300, "a failed batch comes back whole");
            }
            ("large", other) => panic!("{other:?}"),
            (name, result) => assert!(result.is_ok(), "{name}: {result:?}"),
        }
    }
    assert_eq!(state.text("SELECT group_concat(id) FROM positions"), "1,2,3");
    assert_eq!(state.count("SELECT COUNT(*) FROM enforcement_log"), 0);
    // Still alive, and as full as before.
    assert!(writer.write(large()).is_err());
    writer.write(vec![put(4)]).unwrap();
    assert_eq!(state.text("PRAGMA integrity_check"), "ok");
}

#[test]
fn somebody_elses_lock_is_told_and_waited_for_only_so_long() {
    let state = State::new();
    let writer =
        Writer::open(&state.path, WriterOptions { busy_timeout: Duration::from_millis(20), ..options() }).unwrap();
    let other = state.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    match writer.write(vec![put(1)]) {
        Err(StoreError::NotWritten { source }) => assert_eq!(source.kind, EngineErrorKind::Busy),
        other => panic!("{other:?}"),
    }
    other.execute_batch("ROLLBACK").unwrap();
    writer.write(vec![put(1)]).unwrap();
}

#[test]
fn with_the_queue_full_submit_says_so_at_once() {
    let state = State::new();
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, WriterOptions { queue_capacity: 2, ..options }).unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let submit = |id| {
        let told = Arc::clone(&told);
        writer.submit(vec![put(id)], move |_| {
            told.fetch_add(1, Ordering::SeqCst);
        })
    };
    submit(1).unwrap();
    is_waiting.recv_timeout(PATIENCE).unwrap();
    submit(2).unwrap();
    submit(3).unwrap();
    assert!(matches!(submit(4), Err(Unwritten { error: StoreError::WriterBusy { waiting: 2 }, .. })));
    for _ in 0..4 {
        // More keys than doors: some commits hold several batches.
        let _ = open.send(());
    }
    drop(open);
    writer.shutdown(PATIENCE).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 3, "what was refused is never told");
    assert_eq!(state.text("SELECT group_concat(id) FROM positions"), "1,2,3");
}

#[test]
fn shutting_down_writes_everything_submitted_and_tells_everybody() {
    let state = State::new();
    let writer = state.writer();
    let told = Arc::new(AtomicUsize::new(0));
    for id in 0..500 {
        let told = Arc::clone(&told);
        writer
            .submit(vec![put(id)], move |result| {
                assert!(result.is_ok());
                told.fetch_add(1, Ordering::SeqCst);
            })
            .unwrap();
    }
    writer.shutdown(PATIENCE).unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 500);
    assert_eq!(state.count("SELECT COUNT(*) FROM positions"), 500);
}

#[test]
fn a_disk_that_hangs_does_not_hold_up_the_shutdown() {
    let state = State::new();
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, options).unwrap();
    writer.submit(vec![put(1)], |_| {}).unwrap();
    is_waiting.recv_timeout(PATIENCE).unwrap();
    match writer.shutdown(Duration::from_millis(1)) {
        Err(StoreError::WriterSlow { patience_ms: 1 }) => {}
        other => panic!("{other:?}"),
    }
    drop(open);
}

#[test]
fn a_panic_in_what_is_told_does_not_take_the_writer_with_it() {
    let state = State::new();
    let writer = state.writer();
    writer.submit(vec![put(1)], |_| panic!("on purpose, in a test")).unwrap();
    writer.write(vec![put(2)]).unwrap();
    assert_eq!(state.count("SELECT COUNT(*) FROM positions"), 2);
}

#[test]
fn the_file_is_in_wal_mode_and_commits_are_synced() {
    let state = State::new();
    state.sql().pragma_update(None, "journal_mode", "DELETE").unwrap();
    let writer = state.writer();
    writer.write(vec![put(1)]).unwrap();
    assert_eq!(state.text("PRAGMA journal_mode"), "wal");
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    assert!(Writer::open(&path, options()).is_err());
    assert!(riskd_store::Reader::open(&path, riskd_store::ReaderOptions::default()).is_err());
    assert!(!path.exists());
}

#[test]
fn of_many_changes_of_one_row_in_a_commit_the_last_is_written() {
    let state = State::new();
    state.run(
        "CREATE TABLE touched (id); CREATE TRIGGER touch AFTER INSERT ON positions BEGIN INSERT INTO touched VALUES (NEW.id); END;
         CREATE TRIGGER touch_again AFTER UPDATE ON positions BEGIN INSERT INTO touched VALUES (NEW.id); END",
    );
    let sized = |id, size| Write::PutPosition(position(id, size));
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, options).unwrap();
    let (told, tells) = channel();
    let submit = |writes: Vec<Write>| {
        let told = told.clone();
        writer.submit(writes, move |result| told.send(result.is_ok()).unwrap()).unwrap();
    };
    submit(vec![put(100)]);
    is_waiting.recv_timeout(PATIENCE).unwrap();
    // These wait for the first commit and go into the next together.
    submit(vec![sized(1, 1), sized(2, 1), sized(1, 2)]);
    submit(vec![sized(1, 3), Write::RemovePosition(PositionId(2)), sized(3, 1)]);
    submit(vec![sized(2, 7), Write::PutOrder(order(1, OrderState::Working)), Write::RemoveOrder(OrderId(1))]);
    submit(vec![Write::RemovePosition(PositionId(3))]);
    drop((open, is_waiting));
    assert!((0..5).all(|_| tells.recv_timeout(PATIENCE).unwrap()));
    let held = "SELECT group_concat(id || 'x' || size) FROM (SELECT * FROM positions ORDER BY id)";
    assert_eq!(state.text(held), "1x3,2x7,100x1");
    assert_eq!(state.count("SELECT count(*) FROM orders"), 0);
    assert_eq!(state.text("SELECT group_concat(id) FROM touched"), "100,1,2");
}

#[test]
fn what_a_refused_batch_would_have_replaced_is_written_after_all() {
    let state = State::new();
    refuse_position(&state, 13);
    let (options, is_waiting, open) = gate();
    let writer = Writer::open(&state.path, options).unwrap();
    let (told, tells) = channel();
    let submit = |name: &'static str, writes: Vec<Write>| {
        let told = told.clone();
        writer.submit(writes, move |result| told.send((name, result.is_ok())).unwrap()).unwrap();
    };
    submit("first", vec![put(100)]);
    is_waiting.recv_timeout(PATIENCE).unwrap();
    submit("kept", vec![Write::PutPosition(position(1, 5))]);
    submit("refused", vec![Write::PutPosition(position(1, 6)), put(13)]);
    drop((open, is_waiting));
    let outcomes: Vec<_> = (0..3).map(|_| tells.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(outcomes, [("first", true), ("kept", true), ("refused", false)]);
    assert_eq!(state.text("SELECT group_concat(id || 'x' || size) FROM positions"), "1x5,100x1");
}
