//! What an admin does by command: `riskd admin set-password`, `unlock`, `reload`, `stop`, against a daemon in a process of
//! its own, in the open and encrypted.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::process::Process;
use super::support::{Ground, REALIZED, TRADER};
use super::witness::confirmed;

const PASSWORD: &str = "correct horse battery";
/// Answers the prompts of a program on a terminal: what is asked for, and what is typed.
const TYPE: &str = r#"
import os, pty, select, sys, termios
answers = [answer.encode() for answer in sys.argv[1].split("|")]
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
    if answers and (seen.endswith(b"assword: ") or seen.endswith(b"Once more: ")):
        # Nobody types so fast as to be seen before the echo is off.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            select.select([], [], [], 0.01)
        os.write(terminal, answers.pop(0) + b"\n")
        seen += b"\n"
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.buffer.write(seen)
sys.stdout.flush()
sys.exit(code)
"#;

/// What a command said, and how it ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    said: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        Self { code: output.status.code(), said }
    }
}

impl Ran {
    fn assert(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for each in words {
            assert!(self.said.contains(each), "{each:?} is not in: {}", self.said);
        }
        assert!(!self.said.contains(PASSWORD), "a password was shown: {}", self.said);
    }
}

impl Ground {
    /// Runs a command that is given this on standard input.
    async fn with_input(&self, input: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let input = input.to_owned();
        // The simulator lives in this process: it must go on meanwhile.
        let ran = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // It may end without having read it.
            let _closed = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        });
        ran.await.unwrap().into()
    }

    /// Runs a command on a terminal where these answers are typed.
    async fn typing(&self, answers: &str, arguments: &[&str]) -> Ran {
        let mut command = self.command(&[]);
        let program = command.get_program().to_owned();
        let mut python = std::process::Command::new("python3");
        python.args(["-c", TYPE, answers]).arg(program).args(arguments).current_dir(self.path(""));
        command = python;
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap().into()
    }

    /// What the audit trail says of an admin's acts, oldest first: kind, account, actor.
    async fn audit(&self) -> Value {
        self.ask("SELECT kind, account_id, actor IS NOT NULL FROM audit_trail WHERE kind NOT LIKE 'enforcement%' ORDER BY id").await
    }
}

/// Where its log says that the dashboard is.
async fn url_of(process: &mut Process) -> String {
    process.until_log("dashboard at ").await;
    let log = process.log();
    let (_, rest) = log.split_once("dashboard at ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

/// A daemon whose admin has a password, with the trader locked for their loss.
async fn locked() -> (Ground, Process, String) {
    let ground = Ground::new(REALIZED).await;
    ground.with_input(PASSWORD, &["admin", "set-password", "--stdin"]).await.assert(0, &["Admin password set"]);
    let mut daemon = ground.run().await;
    let url = url_of(&mut daemon).await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    (ground, daemon, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_unlocked_with_the_password_and_with_nothing_else() {
    let (ground, daemon, url) = locked().await;
    let unlock = ["unlock", "1001", "--reason", "agreed with the desk", "--url", &url];
    let is_locked = "SELECT is_locked FROM lockouts WHERE account_id = 1001";
    // No terminal, no file, no input: nothing to prove who asks.
    let ran: Ran = ground.with_input("", &unlock).await;
    ran.assert(2, &["no terminal to ask for the password", "--password-file"]);
    ground
        .with_input("incorrect horse", &[&unlock[..], &["--stdin"]].concat())
        .await
        .assert(1, &["Nothing was changed"]);
    ground.with_input("", &[&unlock[..], &["--password", PASSWORD]].concat()).await.assert(2, &["--password"]);
    ground.write("open.txt", PASSWORD);
    std::fs::set_permissions(ground.path("open.txt"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = ground.with_input("", &[&unlock[..], &["--password-file", "open.txt"]].concat()).await;
    assert_ne!(ran.code, Some(0));
    assert!(ran.said.contains("chmod 600 'open.txt'"), "{}", ran.said);
    assert_eq!(ground.ask(is_locked).await, json!([[1]]));

    std::fs::set_permissions(ground.path("open.txt"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let unknown = ["unlock", "4711", "--reason", "wrong account", "--url", &url, "--password-file", "open.txt"];
    ground.with_input("", &unknown).await.assert(1, &["Nothing was changed"]);
    ground.typing(PASSWORD, &unlock).await.assert(0, &["Account 1001 is unlocked", "RULE-003"]);
    assert_eq!(ground.ask(is_locked).await, json!([[0]]), "on record before it was answered");
    let ran = ground.with_input("", &[&unlock[..], &["--password-file", "open.txt", "--json"]].concat()).await;
    assert!(ran.code == Some(1), "there is nothing left to unlock: {}", ran.said);
    let audit = ground.audit().await;
    let of_the_account = |row: &&Value| row[1] == json!(1001);
    let unlocks: Vec<_> = audit.as_array().unwrap().iter().filter(of_the_account).collect();
    assert_eq!(unlocks, [&json!(["unlock", 1001, 1])], "{audit}");
    assert_eq!(daemon.terminate().await.0, 0);
    ground.with_input("", &["db", "verify"]).await.assert(0, &[]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_over_all_or_nothing_and_a_stop_is_in_order() {
    let (ground, mut daemon, url) = locked().await;
    let asked =
        async |words: &[&str]| ground.with_input(PASSWORD, &[words, &["--url", &url, "--stdin"]].concat()).await;
    asked(&["reload"]).await.assert(0, &["nothing in them has changed"]);
    ground.write("config/risk_config.yaml", &REALIZED.replace("500", "200"));
    asked(&["reload", "--reason", "smaller"]).await.assert(0, &["holds now"]);
    ground.write("config/risk_config.yaml", &REALIZED.replace("500", "900"));
    asked(&["reload"]).await.assert(0, &["is looser, and waits until"]);
    ground.write("config/risk_config.yaml", &REALIZED.replace("loss_limit", "loss_limt"));
    asked(&["reload"]).await.assert(1, &["loss_limt", "loss_limit", "Nothing was changed"]);
    ground.with_input("not it, sorry", &["stop", "--reason", "no", "--url", &url, "--stdin"]).await.assert(1, &[]);
    asked(&["stop", "--reason", "moving to another machine"]).await.assert(0, &["stop"]);
    assert_eq!(daemon.until_ended().await, 0, "{}", daemon.log());
    // What was refused is on record too.
    let audit = ground.audit().await;
    let kinds: Vec<_> = audit.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "reload").count(), 4, "{audit}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "stop").count(), 1, "{audit}");
    asked(&["reload"]).await.assert(1, &["cannot be reached", "riskd status"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_typed_twice_and_never_shown() {
    let ground = Ground::new(REALIZED).await;
    let set = ["admin", "set-password"];
    ground.typing("correct horse battery|another horse", &set).await.assert(2, &["differ"]);
    ground.typing("short|short", &set).await.assert(2, &["characters was not taken"]);
    assert!(!ground.path("secrets/admin.password").exists());
    ground.typing(&format!("{PASSWORD}|{PASSWORD}"), &set).await.assert(0, &["Admin password set"]);
    let file = ground.path("secrets/admin.password");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("$argon2id$") && !kept.contains("horse"), "{kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_daemon_is_reached_by_those_who_trust_its_certificate() {
    let ground = Ground::new(REALIZED).await;
    ground.write("secrets/certificate.pem", include_str!("../api/tls/certificate.pem"));
    ground.write("secrets/key.pem", include_str!("../api/tls/key.pem"));
    std::fs::set_permissions(ground.path("secrets/key.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    ground.write(
        "config/api.yaml",
        "api:\n  listen: \"127.0.0.1:0\"\n  tls: {certificate: secrets/certificate.pem, key: secrets/key.pem}\n",
    );
    ground.with_input(PASSWORD, &["admin", "set-password", "--stdin"]).await.assert(0, &[]);
    let mut daemon = ground.run().await;
    let url = url_of(&mut daemon).await;
    assert!(url.starts_with("https://"), "{url}");
    let top = ["top", "--once", "--url", &url];
    ground.with_input("", &top).await.assert(1, &["does not answer"]);
    let trusting = ["--ca-file", "secrets/certificate.pem"];
    ground.with_input("", &[&top[..], &trusting].concat()).await.assert(0, &["1001"]);
    ground
        .with_input("", &[&top[..], &["--ca-file", "secrets/key.pem"]].concat())
        .await
        .assert(2, &["secrets/key.pem"]);
    let stop = ["stop", "--reason", "done", "--url", &url, "--stdin"];
    ground.with_input(PASSWORD, &stop).await.assert(1, &["cannot be reached"]);
    ground.with_input(PASSWORD, &[&stop[..], &trusting].concat()).await.assert(0, &[]);
    assert_eq!(daemon.until_ended().await, 0);
}
