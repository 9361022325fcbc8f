//! `riskd db plan` and `riskd db doctor`, as people and scripts run them.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::support::{Ground, Ran};

/// Everything in a folder: content, size, mode, when it was written.
fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>, u64, u32, i64, i64)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let it = path.symlink_metadata().unwrap();
        let mut bytes = Vec::new();
        if it.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            bytes = std::fs::read(&path).unwrap();
        }
        found.push((path, bytes, it.size(), it.mode(), it.mtime(), it.mtime_nsec()));
    }
    found.sort();
    found
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.error))
}

#[test]
fn a_plan_is_what_migrate_then_does() {
    let ground = Ground::v1();
    let before = everything(&ground.path("."));
    let planned = ground.run(&["db", "plan", "--json"]);
    let in_words = ground.run(&["db", "plan"]);
    assert_eq!((planned.code, in_words.code), (0, 0), "{}{}", planned.error, in_words.error);
    assert_eq!(everything(&ground.path(".")), before, "something was written");
    let planned = document(&planned);
    let script = planned["migration_script"].as_str().unwrap();
    for line in script.lines() {
        assert!(in_words.out.contains(line), "{line} is not shown:\n{}", in_words.out);
    }
    for words in
        ["1. Taking the database", "Room on the file system of", "Time: about", "Notice: ", "Nothing was written."]
    {
        assert!(in_words.out.contains(words), "{words}:\n{}", in_words.out);
    }
    assert_eq!(ground.run(&["db", "migrate", "--yes"]).code, 0);
    let status = document(&ground.run(&["db", "status", "--json"]));
    assert_eq!(status["history"][1]["migration_script"].as_str(), Some(script));
    let again = ground.run(&["db", "plan"]);
    assert_eq!((again.code, again.out.as_str()), (0, "data/state.db: schema v2 (current), nothing to do\n"));
}

/// Runs a command as a user who may write nothing there.
fn as_somebody_else(ground: &Ground, arguments: &[&str]) -> Output {
    const NOBODY: u32 = 65_534;
    // The program is copied to where that user may run it.
    let program = ground.path("riskd");
    std::fs::copy(env!("CARGO_BIN_EXE_riskd"), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(&program);
    command.args(arguments).current_dir(ground.path("."));
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().unwrap()
}

#[test]
fn plan_and_doctor_work_in_a_folder_that_may_not_be_written() {
    for with_log in [false, true] {
        in_a_folder_that_may_not_be_written(with_log);
    }
}

fn in_a_folder_that_may_not_be_written(with_log: bool) {
    let ground = Ground::v1();
    ground.sql("data/state.db", "PRAGMA journal_mode = WAL");
    if with_log {
        // A dead program's log, with rows in it.
        let script = "import os, sqlite3, sys\ndb = sqlite3.connect(sys.argv[1])\n\
                      db.execute(\"INSERT INTO daily_pnl VALUES (1, '2026-01-01', 1.0, NULL)\")\ndb.commit()\nos._exit(0)";
        let wrote =
            std::process::Command::new("python3").args(["-c", script]).arg(ground.path("data/state.db")).status();
        assert!(wrote.unwrap().success() && ground.path("data/state.db-wal").exists());
    }
    let set = |path: &str, mode| {
        std::fs::set_permissions(ground.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set("data/state.db", 0o444);
    set("data", 0o555);
    set(".", 0o755);
    let before = everything(&ground.path("data"));
    let plan = Ran::of(&as_somebody_else(&ground, &["db", "plan", "--json"]));
    assert_eq!(plan.code, 0, "{}", plan.error);
    let plan = document(&plan);
    assert!(plan["obstacles"].to_string().contains("read-only"), "{plan}");
    let steps = plan["steps"].as_array().unwrap();
    let verification = steps.iter().find(|step| step["step"] == "verification").unwrap();
    let reads = verification["reads"].as_array().unwrap();
    let days = reads.iter().find(|read| read["table"] == "daily_pnl").unwrap();
    assert_eq!(days["rows"], 1 + u64::from(with_log));
    let doctor = Ran::of(&as_somebody_else(&ground, &["db", "doctor", "--json"]));
    assert_eq!(doctor.code, 3, "{}", doctor.error);
    assert!(doctor.out.contains("\"not_writable\""), "{}", doctor.out);
    assert_eq!(everything(&ground.path("data")), before);
    set("data", 0o755);
}

#[test]
fn a_plan_beside_the_daemons_lock_says_who_has_the_database() {
    let ground = Ground::v2();
    let location = riskd_store::Location::new(ground.path("data/state.db"));
    let options = riskd_store::MigrateOptions::new(riskd_store::Clock::new(jiff::Timestamp::now));
    let (owned, _) = riskd_store::open(&location, &options, &riskd_store::nobody).unwrap();
    let before = everything(&ground.path("data"));
    let plan = document(&ground.run(&["db", "plan", "--json"]));
    assert_eq!(plan["owner_pid"], std::process::id());
    // Findings there may be, but the lock of a live process is none.
    let doctor = ground.run(&["db", "doctor", "--json"]);
    assert!(!doctor.out.contains("lock_file_left"), "{}", doctor.out);
    assert_eq!(everything(&ground.path("data")), before);
    let refused = ground.run(&["db", "doctor", "--fix", "--yes"]);
    assert_eq!(refused.code, 5, "{}{}", refused.out, refused.error);
    assert!(refused.error.contains(&format!("in use by pid {}", std::process::id())), "{}", refused.error);
    assert_eq!(everything(&ground.path("data")), before);
    drop(owned);
}

#[test]
fn doctor_finds_three_mends_zero_and_a_second_run_is_clean() {
    let ground = Ground::v2();
    ground.sql("data/state.db", "DROP INDEX idx_orders_state; CREATE TABLE mine (id INTEGER PRIMARY KEY)");
    std::fs::set_permissions(ground.path("data/state.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    insta::assert_snapshot!(ground.session(&[
        &["db", "doctor"],
        &["db", "doctor", "--fix"],
        &["db", "doctor"],
        &["db", "verify"],
    ]));
    // What the doctor rewrote reads as before.
    let log = document(&ground.run(&["log", "--json"]));
    assert_eq!(log["enforcements"][1]["timestamp"], "2026-11-20T14:31:00Z");
    let report = document(&ground.run(&["db", "doctor", "--json"]));
    assert_eq!((&report["findings"], &report["mended"]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[test]
fn the_key_file_of_the_config_is_among_the_private_files() {
    let ground = Ground::v2();
    std::fs::create_dir(ground.path("config")).unwrap();
    std::fs::write(ground.path("key"), "secret").unwrap();
    std::fs::set_permissions(ground.path("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let gateway = "gateway:\n  firm: topstepx\n  user_name: me\n  api_key_file: key\n";
    std::fs::write(ground.path("config/gateway.yaml"), gateway).unwrap();
    let found = ground.run(&["db", "doctor"]);
    assert!(
        found.code == 3 && found.out.contains("file_open_to_others  key: its mode is 0644"),
        "{}{}",
        found.out,
        found.error
    );
    ground.run(&["db", "doctor", "--fix", "--yes"]);
    assert_eq!(ground.path("key").metadata().unwrap().mode() & 0o777, 0o600);
    assert!(!ground.run(&["db", "doctor"]).out.contains("secret"));
}

#[test]
fn wrong_usage_and_foreign_files_have_their_codes() {
    let ground = Ground::v2();
    ground.sql("other.db", "CREATE TABLE accounts (id TEXT)");
    for command in ["plan", "doctor"] {
        assert_eq!(ground.run(&["db", command, "missing.db"]).code, 2);
        assert_eq!(ground.run(&["db", command, "other.db"]).code, 6);
    }
    assert_eq!(ground.run(&["db", "doctor", "--naive-times-are-utc"]).code, 2, "it says nothing without --fix");
    ground
        .sql("data/state.db", "INSERT INTO schema_version (version, applied_at, description) VALUES (3, 'x', 'later')");
    for command in ["plan", "doctor"] {
        assert_eq!(ground.run(&["db", command]).code, 4);
    }
}
