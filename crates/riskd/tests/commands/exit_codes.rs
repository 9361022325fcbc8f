//! Exit codes 0 to 7, each with the file left alone.

use std::io::Write;
use std::process::Command;

use jiff::Timestamp;
use riskd_store::{Clock, Location, MigrateOptions, nobody};

use super::support::{Ground, Ran, lock_holder};

/// Runs a command that must end with this code, twice: in words and in JSON. The database must stay as it is.
fn ends_with(ground: &Ground, code: i32, arguments: &[&str], says: &str) {
    let database = ground.path("data/state.db");
    let before = std::fs::read(&database).ok();
    let ran = ground.run(arguments);
    assert_eq!(ran.code, code, "{arguments:?}: {}{}", ran.out, ran.error);
    assert!(format!("{}{}", ran.out, ran.error).contains(says), "{arguments:?}: {}{}", ran.out, ran.error);
    let in_json = ground.run(&[arguments, &["--json"]].concat());
    assert_eq!(in_json.code, code, "{arguments:?}: {}{}", in_json.out, in_json.error);
    if code != 3 && code != 0 {
        let error: serde_json::Value = serde_json::from_str(&in_json.error).unwrap();
        assert_eq!(error["error"]["exit_code"], code);
        assert!(error["error"]["next"].is_string(), "{error}");
        assert!(ran.error.starts_with("✗ ") && ran.error.contains("\n  Next: "), "{}", ran.error);
    }
    assert_eq!(std::fs::read(&database).ok(), before, "{arguments:?} changed the file");
}

#[test]
fn zero_is_done_and_a_second_migration_changes_nothing() {
    ends_with(&Ground::v2(), 0, &["db", "migrate"], "✓ Database schema v2 (current)");
}

#[test]
fn one_is_failed_and_unchanged() {
    let ground = Ground::v1();
    let database = ground.path("data/state.db");
    let mut bytes = std::fs::read(&database).unwrap();
    // Whole pages in the middle of the file make no sense any more; the first says it is ours.
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&database, bytes).unwrap();
    ends_with(&ground, 1, &["db", "migrate"], "damaged");
    ends_with(&ground, 1, &["db", "backup"], "");
}

/// Runs the program with a limit on how large a file may become, which is how a full disk looks to it.
fn run_with_largest_file(ground: &Ground, bytes: u64, arguments: &[&str]) -> Ran {
    let script = "import os, resource, signal, sys\n\
                  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n\
                  resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))\n\
                  os.execv(sys.argv[2], sys.argv[2:])";
    let output = Command::new("python3")
        .args(["-c", script, &bytes.to_string(), env!("CARGO_BIN_EXE_riskd")])
        .args(arguments)
        .current_dir(ground.path(""))
        .output()
        .unwrap();
    Ran::of(&output)
}

#[test]
fn one_names_the_backup_when_it_failed_in_the_middle_and_the_next_run_succeeds() {
    let ground = Ground::v1();
    let size = ground.path("data/state.db").metadata().unwrap().len();
    let ran = run_with_largest_file(&ground, size + 8192, &["db", "migrate"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.error);
    let lines: Vec<&str> = ran.error.lines().collect();
    assert!(lines[0].starts_with("✗ ") && lines[0].contains(" failed: "), "{}", ran.error);
    let unchanged = "  data/state.db is unchanged, still v1. Backup: ";
    let backup = lines[1].strip_prefix(unchanged).unwrap_or_else(|| panic!("{}", ran.error));
    assert_eq!(ground.run(&["db", "verify", backup]).code, 3, "the backup is a whole v1");
    assert!(lines[2].starts_with("  Next: "), "{}", ran.error);
    let status = ground.run(&["db", "status"]);
    assert!(status.out.contains("v1, behind v2"), "{}", status.out);
    assert_eq!(ground.run(&["db", "migrate"]).code, 0);
    assert_eq!(ground.run(&["log"]).out.lines().count(), 2, "every row is there");
}

#[test]
fn two_is_wrong_usage() {
    let ground = Ground::v2();
    std::fs::write(ground.path("there.db"), "").unwrap();
    for (arguments, says) in [
        (&["db", "migrate", "missing.db"][..], "no database at"),
        (&["db", "restore", "missing.db"], "There is no backup missing.db"),
        (&["db", "backup", "--to", "there.db"], "there.db is there already."),
    ] {
        ends_with(&ground, 2, arguments, says);
    }
    assert_eq!(ground.run(&["db", "migrate", "--no-such-option"]).code, 2);
    assert_eq!(ground.run(&["db", "restore"]).code, 2);
    std::fs::create_dir(ground.path("config")).unwrap();
    std::fs::write(ground.path("config/database.yaml"), "database:\n  pth: x.db\n").unwrap();
    ends_with(&ground, 2, &["db", "status"], "did you mean path?");
}

#[test]
fn three_is_deviations() {
    ends_with(&Ground::v1(), 3, &["db", "verify"], "the schema version is 1, expected 2");
    let ground = Ground::v2();
    ground.sql("data/state.db", "DROP INDEX idx_enforcement_log_success");
    ends_with(&ground, 3, &["db", "verify"], "idx_enforcement_log_success");
}

#[test]
fn four_is_a_newer_database() {
    let ground = Ground::v2();
    ground
        .sql("data/state.db", "INSERT INTO schema_version (version, applied_at, description) VALUES (3, 'x', 'later')");
    let says = "Database schema v3 is newer than this program supports (v2): upgrade riskd or restore a backup";
    for arguments in [&["db", "migrate"][..], &["db", "verify"], &["db", "status"], &["status"], &["log"]] {
        ends_with(&ground, 4, arguments, says);
    }
}

#[test]
fn five_is_in_use() {
    let ground = Ground::v1();
    let mut holder = lock_holder(&ground, "data/state.db");
    ends_with(&ground, 5, &["db", "migrate"], "in use");
    holder.stdin.take().unwrap().flush().unwrap();
    assert!(holder.wait().unwrap().success());

    let ground = Ground::v2();
    assert_eq!(ground.run(&["db", "backup", "--to", "mine.db"]).code, 0);
    let location = Location::new(ground.path("data/state.db")).with_backups(ground.path("data/backups"));
    let (owned, _) = riskd_store::open(&location, &MigrateOptions::new(Clock::new(Timestamp::now)), &nobody).unwrap();
    let says = format!("in use by pid {}", std::process::id());
    for arguments in [&["db", "restore", "mine.db"][..], &["db", "rollback"]] {
        ends_with(&ground, 5, arguments, &says);
    }
    // Looking, checking and backing up work beside whoever owns it.
    for arguments in [&["db", "status"][..], &["db", "verify"], &["db", "migrate"], &["status"], &["log"]] {
        assert_eq!(ground.run(arguments).code, 0, "{arguments:?}");
    }
    assert_eq!(ground.run(&["db", "backup"]).code, 0);
    drop(owned);
    assert_eq!(ground.run(&["db", "rollback"]).code, 0);
}

#[test]
fn six_is_not_a_risk_manager_database() {
    let ground = Ground::empty();
    std::fs::create_dir(ground.path("data")).unwrap();
    std::fs::create_dir(ground.path("folder.db")).unwrap();
    std::fs::write(ground.path("data/state.db"), "Dear Sir or Madam, this is no database at all.").unwrap();
    ground.sql("other.db", "CREATE TABLE accounts (id TEXT)");
    ground.sql("part.db", "CREATE TABLE lockouts (account_id INTEGER PRIMARY KEY)");
    for database in ["data/state.db", "folder.db", "other.db", "part.db"] {
        for command in ["status", "migrate", "verify", "backup"] {
            ends_with(&ground, 6, &["db", command, database], "not a risk-manager database");
        }
        ends_with(&ground, 6, &["status", database], "not a risk-manager database");
    }
}

#[test]
fn seven_is_no_permission() {
    // Not even root may make a file there.
    ends_with(&Ground::v2(), 7, &["db", "backup", "--to", "/sys/riskd-test.db"], "permission");
}
