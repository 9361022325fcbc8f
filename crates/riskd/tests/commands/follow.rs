//! `riskd log --follow`, and readers that go away.

use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use riskd_core::engine::Write;
use riskd_core::model::*;
use riskd_core::rules::Goal;
use riskd_store::{Clock, Writer, WriterOptions};

use super::support::{Ground, Ran};

const PATIENCE: Duration = Duration::from_secs(60);

/// Reads lines on a thread of its own, so that a line that never comes fails the test instead of hanging it.
fn lines_of(out: ChildStdout) -> Receiver<String> {
    let (line_read, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if line_read.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn enforcement(success: bool) -> Write {
    let log = EnforcementLogDraft {
        id: Some(EnforcementId(77)),
        timestamp: "2026-11-22T14:31:00Z".parse().unwrap(),
        account_id: AccountId(123),
        rule_id: RuleId::DAILY_UNREALIZED_LOSS,
        action: EnforcementAction::ClosePosition,
        reason: "open loss of $301.00".to_owned(),
        success,
        status: if success { EnforcementStatus::Confirmed } else { EnforcementStatus::Pending },
        error_message: None,
        positions_closed: i64::from(success),
        orders_cancelled: 0,
        lockout_until: None,
        pnl_at_enforcement: None,
        execution_time_ms: success.then_some(321),
    };
    let goal = (!success).then_some(Goal::Flat { cancel_orders: true });
    Write::PutEnforcement { log: EnforcementLog::new(log).unwrap(), goal }
}

#[test]
fn following_shows_the_old_then_the_new_and_how_the_pending_ended() {
    let ground = Ground::v2();
    let clock = Clock::fixed("2026-11-22T14:31:00Z".parse().unwrap());
    let writer = Writer::open(&ground.path("data/state.db"), WriterOptions::new(clock)).unwrap();
    let mut child = ground.command(&["log", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = lines_of(child.stdout.take().unwrap());
    let next = || -> (i64, String) {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        (row["id"].as_i64().unwrap(), row["status"].as_str().unwrap().to_owned())
    };
    assert_eq!((next().0, next().0), (1, 2), "oldest first");
    writer.write(vec![enforcement(false)]).unwrap();
    assert_eq!(next(), (77, "pending".to_owned()));
    writer.write(vec![enforcement(true)]).unwrap();
    assert_eq!(next(), (77, "confirmed".to_owned()));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn following_ends_quietly_when_its_reader_goes_away() {
    let ground = Ground::v2();
    let mut child = ground.command(&["log", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.contains("RULE-003"), "{first}");
    drop(out);
    let clock = Clock::fixed("2026-11-22T14:31:00Z".parse().unwrap());
    let writer = Writer::open(&ground.path("data/state.db"), WriterOptions::new(clock)).unwrap();
    writer.write(vec![enforcement(false)]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it goes on with nobody reading");
        std::thread::yield_now();
    }
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((child.wait().unwrap().code(), error.as_str()), (Some(0), ""));
}

#[test]
fn an_answer_nobody_reads_is_no_failure() {
    let ground = Ground::v2();
    for arguments in [&["log"][..], &["db", "status"], &["status", "--json"]] {
        let mut child = ground.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ran = Ran::of(&child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.error.as_str()), (0, ""), "{arguments:?}");
    }
}
