//! `riskd config init`: without questions, and with them over a pseudo-terminal that Python plays.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_questions_it_writes_what_the_options_say() {
    let scene = Scene::new().await.initialized().await;
    let key = scene.read("secrets/gateway.key");
    assert_eq!(key.trim(), scene.simulator.api_key);
    let mode = std::fs::metadata(scene.path("secrets/gateway.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        scene.read("config/accounts.yaml").contains("id: 1002") && !scene.read("config/accounts.yaml").contains("1001")
    );
    for name in ["gateway", "accounts", "risk_config", "database"] {
        let text = scene.read(&format!("config/{name}.yaml"));
        assert!(text.starts_with("# "), "{name} has comments");
        assert!(!text.contains(&scene.simulator.api_key), "{name} holds the key");
    }
    // What it wrote is what the daemon takes.
    let ran = scene.run_with(&[], &["run", "--check"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
    assert!(ran.out.contains("1002") && ran.out.contains("RULE-003"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_overwritten_without_a_word_and_what_is_overwritten_is_kept() {
    let scene = Scene::new().await.initialized().await;
    std::fs::write(scene.path("config/risk_config.yaml"), "# mine\n").unwrap();
    let (api_url, hub_url) = (scene.simulator.base_url.clone(), scene.hub_url());
    let user = scene.simulator.user_name.clone();
    let words =
        ["config", "init", "--non-interactive", "--api-url", &api_url, "--hub-url", &hub_url, "--user-name", &user];
    let ran = scene.run(&words).await;
    assert_eq!(ran.code, Some(1), "{}", ran.out);
    assert!(ran.error.contains("exist already") && ran.error.contains("Nothing was written."), "{}", ran.error);
    assert_eq!(scene.read("config/risk_config.yaml"), "# mine\n");
    let ran =
        scene.run(&[&words[..], &["--replace", "--daily-loss", "$750.50", "--max-contracts", "3"]].concat()).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
    assert!(
        scene.read("config/risk_config.yaml").contains("loss_limit: 750.5"),
        "{}",
        scene.read("config/risk_config.yaml")
    );
    assert!(scene.read("config/accounts.yaml").contains("1003"), "all accounts, as none was named");
    let kept = std::fs::read_dir(scene.path("config")).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains("risk_config.yaml.")).collect();
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), "# mine\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_writes_nothing() {
    let scene = Scene::new().await;
    let (api_url, hub_url) = (scene.simulator.base_url.clone(), scene.hub_url());
    let user = scene.simulator.user_name.clone();
    let at =
        ["config", "init", "--non-interactive", "--api-url", &api_url, "--hub-url", &hub_url, "--user-name", &user];
    let key = scene.simulator.api_key.clone();
    for (variable, arguments, words) in [
        ("wr0ng-k3y", &at[..], "The broker refuses this user name or key"),
        ("", &at[..], "Needed and not given: RISKD_API_KEY in the environment"),
        (key.as_str(), &[&at[..], &["--account", "7"]].concat()[..], "Account 7 is not among the active accounts"),
        (
            key.as_str(),
            &["config", "init", "--non-interactive", "--firm", "topstep", "--user-name", "a"],
            "did you mean topstepx?",
        ),
        (key.as_str(), &["config", "init", "--non-interactive", "--user-name", "a"], "Needed and not given: --firm"),
        (key.as_str(), &["config", "init"], "asks questions, and nobody can answer here"),
        (key.as_str(), &["config", "init", "--non-interactive", "--daily-loss", "0"], "must be more than 0"),
    ] {
        let ran = scene.run_with(&[("RISKD_API_KEY", variable)], arguments).await;
        assert_ne!(ran.code, Some(0), "{arguments:?}: {}", ran.out);
        assert!(ran.error.contains(words), "{words}: {}", ran.error);
        assert!(!ran.error.contains("wr0ng-k3y"), "{}", ran.error);
        assert!(!scene.path("config").exists() && !scene.path("secrets").exists(), "{words}");
    }
}

/// Answers each question once it is there.
const SCRIPT: &str = r#"
import json, os, pty, select, sys, time
answers = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen, at, deadline = b"", 0, time.monotonic() + 60
while time.monotonic() < deadline:
    ready, _, _ = select.select([terminal], [], [], 0.2)
    if ready:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    if answers and answers[0][0].encode() in seen[at:]:
        question, answer = answers.pop(0)
        at = len(seen)
        os.write(terminal, answer.encode())
sys.stdout.buffer.write(seen.replace(b"\r\n", b"\n"))
print("\nCODE", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "LEFT", len(answers))
"#;

async fn on_a_terminal(scene: &Scene, answers: &[(&str, String)]) -> String {
    let answers = serde_json::to_string(answers).unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT, &answers, env!("CARGO_BIN_EXE_riskd"), "config", "init"]);
    command.current_dir(scene.path("")).env("TERM", "xterm").env("NO_COLOR", "1").env_remove("RISKD_API_KEY");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_questions_a_wrong_key_may_be_typed_again_and_no_key_is_shown() {
    let scene = Scene::new().await;
    let key = scene.simulator.api_key.clone();
    let questions = [
        ("Firm?", "other\r".to_owned()),
        ("REST address?", format!("{}\r", scene.simulator.base_url)),
        ("Real-time address?", format!("{}\r", scene.hub_url())),
        ("User name at the broker?", format!("{}\r", scene.simulator.user_name)),
        ("API key?", "wr0ng-k3y\r".to_owned()),
        // Pasted, as terminals that bracket pastes send it.
        ("API key?", format!("\x1b[200~{key}\x1b[201~\r")),
        ("Which of them?", "1,3\r".to_owned()),
        ("Most contracts at once?", "\r".to_owned()),
        ("realized?", "400\r".to_owned()),
        ("open positions?", "\r".to_owned()),
    ];
    let seen = on_a_terminal(&scene, &questions).await;
    assert!(seen.ends_with("CODE 0 LEFT 0\n"), "{seen}");
    assert!(!seen.contains(&key) && !seen.contains("wr0ng-k3y"), "{seen}");
    assert!(seen.contains("The broker refuses this user name or key"), "{seen}");
    let accounts = scene.read("config/accounts.yaml");
    assert!(accounts.contains("id: 1001") && accounts.contains("id: 1003") && !accounts.contains("1002"), "{accounts}");
    assert!(scene.read("config/risk_config.yaml").contains("loss_limit: 400"));
    assert_eq!(scene.read("secrets/gateway.key").trim(), key);
    // A second time: a no leaves all as it is.
    let before = scene.read("config/gateway.yaml");
    let seen = on_a_terminal(&scene, &[("exist already", "n\r".to_owned())]).await;
    assert!(seen.ends_with("CODE 1 LEFT 0\n"), "{seen}");
    assert_eq!(scene.read("config/gateway.yaml"), before);
}
