//! The audit trail: what it attests, what breaks it, and how each break is named.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use riskd_core::engine::{Goal, Write};
use riskd_core::model::*;
use riskd_store::{AuditSummary, Clock, Features, Interrupt, Location, Retention, Writer, WriterOptions, nobody};

use super::support::*;

const TABLE: &str = include_str!("../../migrations/features/audit_trail/up.sql");

fn with_trail() -> State {
    let state = State::new();
    state.run(TABLE);
    state
}

fn put(id: i64) -> Write {
    Write::PutEnforcement { log: enforcement(enforcement_draft(id)), goal: Some(Goal::Flat { cancel_orders: true }) }
}

fn confirmed(id: i64) -> Write {
    let draft = EnforcementLogDraft {
        success: true,
        status: EnforcementStatus::Confirmed,
        execution_time_ms: Some(321),
        ..enforcement_draft(id)
    };
    Write::PutEnforcement { log: enforcement(draft), goal: None }
}

fn unlock() -> Write {
    Write::AppendAudit(AdminAct {
        at: now(),
        actor: "anna \u{1f600} \"the desk\"\n".into(),
        kind: AdminActKind::Unlock,
        account_id: Some(ACCOUNT),
        reason: Some("locked by mistake".into()),
        detail: None,
    })
}

/// What `riskd db verify` says of trail and log. The rest of this database has no history and is not looked at.
fn verify(state: &State) -> (AuditSummary, Vec<String>) {
    let location = Location::new(&state.path);
    let report = riskd_store::verify(&location, Features::default(), &Interrupt::new(), &nobody).unwrap();
    let of_the_trail = |deviation: &String| ["audit", "enforcement_log"].iter().any(|word| deviation.contains(word));
    (report.audit.unwrap(), report.deviations.into_iter().filter(of_the_trail).collect())
}

fn assert_whole(state: &State) -> AuditSummary {
    let (summary, deviations) = verify(state);
    assert_eq!(deviations, Vec::<String>::new());
    summary
}

/// Writes nothing until the writer has done what it does in the background.
fn wait_until_attested(state: &State, writer: &Writer) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while verify(state).0.rows_not_attested_yet > 0 {
        assert!(Instant::now() < deadline, "older rows are not attested");
        writer.write(Vec::new()).unwrap();
    }
}

/// Four enforcements, one of them confirmed, and an act: entries 2 to 7 after the one that begins the trail.
fn written() -> State {
    let state = with_trail();
    let writer = state.writer();
    writer.write(vec![put(1), put(2), unlock()]).unwrap();
    writer.write(vec![put(3), confirmed(2), put(4)]).unwrap();
    state
}

#[test]
fn each_write_of_the_log_and_each_act_is_an_entry_and_the_chain_is_whole() {
    let state = written();
    let summary = assert_whole(&state);
    let newest = state.text("SELECT hash FROM audit_trail WHERE id = 7");
    assert_eq!((summary.entries, summary.newest_id, summary.newest_hash), (7, Some(7), Some(newest)));
    let kinds = state.text("SELECT group_concat(kind || coalesce(enforcement_id, '')) FROM audit_trail ORDER BY id");
    assert_eq!(kinds, "anchor,enforcement1,enforcement2,unlock,enforcement3,enforcement2,enforcement4");
    assert_eq!(
        state.text("SELECT content FROM audit_trail WHERE id = 4"),
        r#"{"detail":null,"reason":"locked by mistake"}"#
    );
    // The next writer goes on where this one ended.
    state.writer().write(vec![put(5)]).unwrap();
    assert_eq!(assert_whole(&state).entries, 8);
}

#[test]
fn python_reckons_the_same_hashes() {
    let state = written();
    let script = r#"
import hashlib, json, sqlite3, sys
previous = "0" * 64
for *columns, before, stored in sqlite3.connect(sys.argv[1]).execute(
    "SELECT id, timestamp, kind, account_id, enforcement_id, actor, content, previous_hash, hash FROM audit_trail ORDER BY id"):
    text = json.dumps(columns, separators=(",", ":"), ensure_ascii=False)
    assert before == previous, columns
    previous = hashlib.sha256((before + "\n" + text).encode()).hexdigest()
    assert stored == previous, columns
"#;
    let output = Command::new("python3").arg("-c").arg(script).arg(&state.path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_way_of_tampering_is_named_with_its_ids() {
    let changed = "audit_trail entry 3 was changed: its hash is not that of what it says";
    let unfollowed = "audit_trail entry 4 does not follow entry 3: one of them was replaced, inserted or moved";
    let cases: &[(&str, &[&str])] = &[
        ("UPDATE audit_trail SET content = '{}' WHERE id = 3", &[changed]),
        ("UPDATE audit_trail SET timestamp = '2026-11-21 00:00:00.000' WHERE id = 3", &[changed]),
        ("UPDATE audit_trail SET actor = 'nobody' WHERE id = 3", &[changed]),
        ("UPDATE audit_trail SET kind = 7 WHERE id = 3", &[changed]),
        ("UPDATE audit_trail SET content = x'00' WHERE id = 3", &[changed]),
        (
            "UPDATE audit_trail SET hash = (SELECT hash FROM audit_trail WHERE id = 2) WHERE id = 3",
            &[changed, unfollowed],
        ),
        ("DELETE FROM audit_trail WHERE id = 4", &["audit_trail entry 4 is missing"]),
        ("DELETE FROM audit_trail WHERE id IN (3, 4)", &["audit_trail entries 3 to 4 are missing"]),
        (
            "DELETE FROM audit_trail WHERE id = 1",
            &["audit_trail begins with entry 2, and no clean-up says that it removed what was before: it was cut off"],
        ),
        ("DELETE FROM audit_trail WHERE id = 7", &["enforcement_log row 4 is attested by no entry of audit_trail"]),
        (
            "UPDATE audit_trail SET id = 99 WHERE id = 3; UPDATE audit_trail SET id = 3 WHERE id = 4;
             UPDATE audit_trail SET id = 4 WHERE id = 99",
            &[
                changed,
                "audit_trail entry 4 was changed: its hash is not that of what it says",
                "audit_trail entry 5 does not follow entry 4: one of them was replaced, inserted or moved",
            ],
        ),
        (
            "UPDATE enforcement_log SET reason = 'another' WHERE id = 2",
            &["enforcement_log row 2 differs from what audit_trail entry 6 attests"],
        ),
        (
            "UPDATE enforcement_log SET success = 1 WHERE id = 1",
            &["enforcement_log row 1 differs from what audit_trail entry 2 attests"],
        ),
        (
            "DELETE FROM enforcement_log WHERE id = 3",
            &["enforcement_log row 3, attested by audit_trail entry 5, is missing, and no clean-up removed it"],
        ),
        (
            "INSERT INTO enforcement_log (id, account_id, rule_id, action, reason) VALUES (9, 1, 'RULE-003', 'a', 'r')",
            &["enforcement_log row 9 is attested by no entry of audit_trail"],
        ),
    ];
    for (tamper, named) in cases {
        let state = written();
        state.run(tamper);
        assert_eq!(verify(&state).1, *named, "{tamper}");
        // The next run appends to what is there, and launders nothing.
        state.writer().write(vec![put(20)]).unwrap();
        assert!(!verify(&state).1.is_empty(), "{tamper}");
    }
}

#[test]
fn another_form_of_the_same_instant_is_no_change() {
    let state = written();
    state.run("UPDATE enforcement_log SET timestamp = '2026-11-22T14:31:00.5Z' WHERE id = 1");
    assert_whole(&state);
}

/// A log of so many rows that was there before the trail.
fn with_older_rows(rows: i64) -> State {
    let state = with_trail();
    state.run(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO enforcement_log (id, timestamp, account_id, rule_id, action, reason, details)
         SELECT CASE WHEN i > 700 THEN i + 5 ELSE i END, '2026-11-20T10:00:00Z', 123, 'RULE-003', 'a', 'r' || i, x'ff' FROM n",
    ));
    state
}

#[test]
fn older_rows_are_attested_in_the_background_and_held_to_it() {
    let state = with_older_rows(1_200);
    assert_eq!(assert_whole(&state).rows_not_attested_yet, 1_200, "nothing is attested before a writer came");
    let writer = state.writer();
    writer.write(vec![put(2_000)]).unwrap();
    wait_until_attested(&state, &writer);
    let entries = assert_whole(&state).entries;
    assert!((5..=6).contains(&entries), "{entries}: a beginning, three steps and the new row");
    drop(writer);
    // A second start has nothing left to do.
    state.writer().write(vec![confirmed(2_000)]).unwrap();
    assert_eq!(assert_whole(&state).entries, entries + 1);
    state.run(
        "UPDATE enforcement_log SET reason = 'x' WHERE id = 700; DELETE FROM enforcement_log WHERE id = 1205;
         INSERT INTO enforcement_log (id, account_id, rule_id, action, reason) VALUES (703, 1, 'RULE-003', 'a', 'r')",
    );
    let named = verify(&state).1;
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named[0].starts_with("enforcement_log row 700 differs from what audit_trail entry "), "{named:?}");
    assert_eq!(named[1], "enforcement_log row 703 is attested by no entry of audit_trail");
    assert!(named[2].starts_with("enforcement_log row 1205, attested by audit_trail entry "), "{named:?}");
}

#[test]
fn an_attestation_cut_short_goes_on_at_the_next_start() {
    let state = with_older_rows(3_000);
    // Each of these writers may come to a step or two before it is told to stop.
    for id in 4_000..4_003 {
        state.writer().write(vec![put(id)]).unwrap();
        assert_whole(&state);
    }
    let writer = state.writer();
    wait_until_attested(&state, &writer);
    assert_whole(&state);
    assert_eq!(state.count("SELECT count(*) FROM audit_trail WHERE content LIKE '%\"begins\":true%'"), 1);
}

#[test]
fn a_trail_that_is_turned_off_says_so_and_begins_anew_when_turned_on() {
    let state = written();
    let off = || WriterOptions { audit_trail: false, ..options() };
    let writer = Writer::open(&state.path, off()).unwrap();
    writer.write(vec![confirmed(1), put(5), unlock()]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while assert_or_count(&state) < 8 {
        assert!(Instant::now() < deadline, "the trail does not say that it is off");
        writer.write(Vec::new()).unwrap();
    }
    drop(writer);
    let summary = assert_whole(&state);
    assert_eq!((summary.entries, summary.rows_not_attested_yet), (8, 5));
    drop(Writer::open(&state.path, off()).unwrap());
    assert_eq!(state.text("SELECT kind FROM audit_trail WHERE id = 8"), "off");
    assert_eq!(assert_whole(&state).entries, 8, "it says so once");

    let writer = state.writer();
    writer.write(vec![put(6)]).unwrap();
    wait_until_attested(&state, &writer);
    assert_whole(&state);
    state.run("UPDATE enforcement_log SET reason = 'x' WHERE id = 5");
    assert_eq!(verify(&state).1.len(), 1);
}

fn assert_or_count(state: &State) -> i64 {
    state.count("SELECT count(*) FROM audit_trail")
}

#[test]
fn old_entries_go_with_the_rows_they_attest_and_what_is_left_can_be_checked() {
    let state = with_trail();
    let old = |id: i64, pending: bool| {
        let timestamp = at("2025-01-01T00:00:00Z");
        let draft = EnforcementLogDraft { timestamp, ..enforcement_draft(id) };
        let goal = pending.then_some(Goal::Flat { cancel_orders: true });
        let status = if pending { EnforcementStatus::Pending } else { EnforcementStatus::Confirmed };
        Write::PutEnforcement { log: enforcement(EnforcementLogDraft { status, success: !pending, ..draft }), goal }
    };
    let then = WriterOptions::new(Clock::fixed(at("2025-01-01T00:00:01Z")));
    let writer = Writer::open(&state.path, then).unwrap();
    for id in 1..=250 {
        writer.write(vec![old(id, id == 7)]).unwrap();
    }
    drop(writer);
    let writer = state.writer();
    writer.write(vec![put(300)]).unwrap();
    let clean_up = |retention: Retention| {
        let (answer, outcome) = std::sync::mpsc::channel();
        writer.clean_up(retention, now(), move |result| answer.send(result).unwrap()).unwrap();
        outcome.recv_timeout(Duration::from_secs(60)).unwrap().unwrap()
    };
    let report = clean_up(Retention::default());
    assert_eq!((report.enforcement_log, report.pending_kept), (249, 1));
    assert!(report.audit_trail >= 251, "{report:?}");
    let summary = assert_whole(&state);
    assert!(summary.entries < 10, "{summary:?}");
    // The pending row is still held to what an entry that is gone attested.
    state.run("UPDATE enforcement_log SET reason = 'x' WHERE id = 7");
    let named = verify(&state).1;
    assert!(named.len() == 1 && named[0].starts_with("enforcement_log row 7 differs from"), "{named:?}");
    // A beginning that nobody removed is missed.
    let first = state.count("SELECT min(id) FROM audit_trail");
    state.run(&format!("DELETE FROM audit_trail WHERE id = {first}"));
    let named = verify(&state).1;
    assert!(
        named[0].starts_with(&format!("audit_trail begins with entry {}, and no clean-up", first + 1)),
        "{named:?}"
    );
    // And nothing more is removed from a chain that is broken: it may be evidence.
    state.run("UPDATE audit_trail SET content = '{}' WHERE id = (SELECT min(id) FROM audit_trail)");
    let before = state.count("SELECT count(*) FROM audit_trail");
    let none = Retention { enforcement_log_days: 0, ..Retention::default() };
    clean_up(none);
    assert!(state.count("SELECT count(*) FROM audit_trail") >= before);
}

#[test]
fn what_is_rolled_back_leaves_no_gap_in_the_chain() {
    let state = with_trail();
    state.run(
        "CREATE TRIGGER refuse BEFORE INSERT ON positions WHEN NEW.id = 13
         BEGIN SELECT RAISE(ABORT, 'this position is refused'); END",
    );
    let failing = Arc::new(AtomicBool::new(false));
    let fails = Arc::clone(&failing);
    let gate = move || if fails.swap(false, Ordering::SeqCst) { Err("the disk fails once".into()) } else { Ok(()) };
    let writer = Writer::open(&state.path, WriterOptions { commit_gate: Some(Arc::new(gate)), ..options() }).unwrap();
    writer.write(vec![put(1)]).unwrap();
    writer.write(vec![put(2), Write::PutPosition(position(13, 1))]).unwrap_err();
    writer.write(vec![put(3)]).unwrap();
    failing.store(true, Ordering::SeqCst);
    writer.write(vec![put(4)]).unwrap_err();
    writer.write(vec![put(5)]).unwrap();
    assert_whole(&state);
    assert_eq!(state.text("SELECT group_concat(id) FROM enforcement_log"), "1,3,5");
}

#[test]
fn a_trail_that_cannot_be_written_keeps_no_enforcement_from_being_durable() {
    for damage in [
        "DROP TABLE audit_trail",
        "ALTER TABLE audit_trail RENAME COLUMN content TO other",
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_trail BEGIN SELECT RAISE(ABORT, 'no'); END",
        "INSERT INTO audit_trail VALUES (3, 'x', 'admin', NULL, NULL, NULL, '{}', 'x', 'x')",
    ] {
        let state = with_trail();
        let writer = state.writer();
        writer.write(vec![put(1)]).unwrap();
        state.run(damage);
        writer.write(vec![put(2), unlock(), put(3)]).unwrap();
        assert_eq!(state.count("SELECT count(*) FROM enforcement_log"), 3, "{damage}");
    }
}
