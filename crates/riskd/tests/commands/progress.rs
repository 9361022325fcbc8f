//! Progress told to programs and to systemd, and Ctrl-C in the middle.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::Ground;

/// A v1 database whose migration takes long enough to be interrupted.
fn large() -> Ground {
    let ground = Ground::v1();
    ground.sql(
        "data/state.db",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
         INSERT INTO enforcement_log (timestamp, account_id, rule_id, action, reason, success, details)
         SELECT datetime('2026-01-01', '+' || i || ' seconds'), i * 7919 % 200, printf('RULE-%03d', 1 + i * 31 % 12),
             'CLOSE_ALL_AND_LOCKOUT', 'made up', i % 50 <> 0, '{\"positions_closed\": 2}' FROM n",
    );
    ground
}

fn stop(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn events_are_one_object_a_line_and_the_answer_is_the_last() {
    let ground = large();
    let ran = ground.run(&["db", "migrate", "--json", "--events"]);
    assert_eq!((ran.code, ran.error.as_str()), (0, ""));
    let lines: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (answer, events) = lines.split_last().unwrap();
    assert_eq!(answer["outcome"], "migrated");
    assert!(events.iter().all(|event| event["database"] == "data/state.db"), "{events:?}");
    let started: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "step_started")
        .map(|event| event["step"].as_str().unwrap())
        .collect();
    let steps = [
        "own",
        "preflight",
        "backup",
        "core",
        "analytics_indexes",
        "daily_unrealized_pnl",
        "record",
        "verification",
        "commit",
        "tidy",
    ];
    assert_eq!(started, steps);
    let progress: Vec<&Value> = events.iter().filter(|event| event["event"] == "progress").collect();
    assert!(!progress.is_empty());
    for event in progress {
        let (done, total) = (event["done"].as_u64().unwrap(), event["total"].as_u64().unwrap());
        assert!(done <= total && total > 0 && event["per_second"].is_u64(), "{event}");
    }
    let done = events.iter().filter(|event| event["event"] == "step_done");
    assert!(done.clone().any(|event| event["line"] == "✓ Migration verification successful"));
}

#[test]
fn events_without_json_are_refused() {
    let ran = Ground::v1().run(&["db", "migrate", "--events"]);
    assert_eq!(ran.code, 2);
    assert!(ran.error.contains("--events tells in JSON"), "{}", ran.error);
}

#[test]
fn control_c_in_the_middle_leaves_v1_and_says_so() {
    for step in ["backup", "analytics_indexes", "verification"] {
        let ground = large();
        let mut child = ground
            .command(&["db", "migrate", "--json", "--events"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let wanted = format!("\"event\":\"step_started\",\"step\":\"{step}\"");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
        assert!(lines.any(|line| line.contains(&wanted)), "{step} began");
        let asked = Instant::now();
        stop(&child, Signal::INT);
        let rest: Vec<String> = lines.collect();
        let status = child.wait().unwrap();
        println!("{step}: ended {:?} after the signal", asked.elapsed());
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(status.code(), Some(1), "{step}: {error} {rest:?}");
        let error: Value = serde_json::from_str(&error).unwrap();
        assert!(error["error"]["meaning"].as_str().unwrap().contains("unchanged, still v1"), "{error}");
        let now: Value = serde_json::from_str(&ground.run(&["db", "status", "--json"]).out).unwrap();
        assert_eq!((&now["version"], &now["owner_pid"]), (&1.into(), &Value::Null), "{step}");
        let left: Vec<_> =
            std::fs::read_dir(ground.path("data/backups")).unwrap().map(|entry| entry.unwrap()).collect();
        assert!(left.iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".partial")), "{left:?}");
    }
}

#[test]
fn systemd_hears_of_the_migration_and_its_time_out_is_extended() {
    let ground = large();
    std::fs::create_dir(ground.path("config")).unwrap();
    // Nobody listens at the discard port: the daemon migrates, and then waits for its broker.
    let gateway = "gateway:\n  api_url: \"http://127.0.0.1:9\"\n  hub_url: \"ws://127.0.0.1:9\"\n  user_name: \"a\"\n";
    std::fs::write(ground.path("config/gateway.yaml"), gateway).unwrap();
    let rules = "rules:\n  max_contracts:\n    limit: 5\n    count_type: net\n    close_all: true\n";
    std::fs::write(ground.path("config/risk_config.yaml"), rules).unwrap();
    let socket = UnixDatagram::bind(ground.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut child = ground
        .command(&["run"])
        .env("NOTIFY_SOCKET", ground.path("notify"))
        .env("RISKD_API_KEY", "key")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    let mut buffer = [0; 4096];
    while !told.iter().any(|message: &String| message.contains("Migrating the database: Tidying up")) {
        let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{error} after {told:?}"));
        told.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    stop(&child, Signal::TERM);
    child.wait().unwrap();
    assert!(told.iter().all(|message| message.contains("EXTEND_TIMEOUT_USEC=")), "{told:?}");
    for step in ["Backup", "Analytics indexes", "Migration verification", "Commit"] {
        let status = format!("STATUS=Migrating the database: {step}\n");
        assert!(told.iter().any(|message| message.contains(&status)), "{step}: {told:?}");
    }
}
