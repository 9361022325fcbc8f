//! On a terminal: a question before the database is changed, and colours. Python's pty plays the terminal.

use std::process::Command;

use super::support::{Ground, Ran};

/// Runs the program on a terminal on which this answer is typed once a question is there.
fn on_a_terminal(ground: &Ground, answer: &str, arguments: &[&str]) -> Ran {
    let script = r#"
import os, pty, sys
answer = sys.argv[1].encode()
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if answer and seen.endswith(b"[y/N] "):
        os.write(terminal, answer + b"\n")
        answer = b""
sys.stdout.buffer.write(seen.replace(b"\r\n", b"\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let output = Command::new("python3")
        .args(["-c", script, answer, env!("CARGO_BIN_EXE_riskd")])
        .args(arguments)
        .current_dir(ground.path(""))
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .output()
        .unwrap();
    Ran::of(&output)
}

#[test]
fn a_no_leaves_everything_as_it_is() {
    let ground = Ground::v1();
    let before = std::fs::read(ground.path("data/state.db")).unwrap();
    for answer in ["n", "nothing"] {
        let ran = on_a_terminal(&ground, answer, &["db", "migrate"]);
        assert_eq!(ran.code, 1, "{}", ran.out);
        assert!(ran.out.starts_with("Migrate data/state.db from v1 to v2? A verified backup is made first. [y/N] "));
        assert!(ran.out.contains("Nothing was done: the answer was no."), "{}", ran.out);
    }
    assert_eq!(std::fs::read(ground.path("data/state.db")).unwrap(), before);
    assert!(!ground.path("data/backups").exists());
}

#[test]
fn a_yes_migrates_in_colours() {
    let ground = Ground::v1();
    let ran = on_a_terminal(&ground, "y", &["db", "migrate"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("\x1b[32m✓\x1b[0m Migration verification successful"), "{}", ran.out);
    let ran = on_a_terminal(&ground, "n", &["db", "rollback"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    let ran = on_a_terminal(&ground, "y", &["db", "rollback"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
}

#[test]
fn yes_json_and_the_config_spare_the_question() {
    for arguments in [&["db", "migrate", "--yes"][..], &["db", "migrate", "--json"]] {
        let ran = on_a_terminal(&Ground::v1(), "", arguments);
        assert_eq!(ran.code, 0, "{}", ran.out);
        assert!(!ran.out.contains("[y/N]"), "{}", ran.out);
    }
    let ground = Ground::v1();
    std::fs::create_dir(ground.path("config")).unwrap();
    let config = "database:\n  migration: { require_confirmation: false }\n";
    std::fs::write(ground.path("config/database.yaml"), config).unwrap();
    let ran = on_a_terminal(&ground, "", &["db", "migrate", "--no-color"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(!ran.out.contains("[y/N]") && !ran.out.contains('\x1b'), "{}", ran.out);
}

#[test]
fn a_database_at_head_is_no_question() {
    let ran = on_a_terminal(&Ground::v2(), "", &["db", "migrate"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "\x1b[32m✓\x1b[0m Database schema v2 (current)\n"));
}
