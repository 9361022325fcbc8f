//! `riskd alerts test` as a process of its own.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::server::{Answer, Server};

const CONFIG: &str = "alerts:\n  channels:\n    - { kind: discord, name: desk, address_file: secrets/desk }\n    \
                      - { kind: webhook, name: pager, address_env: PAGER }\n";

async fn run(folder: &tempfile::TempDir, pager: &str) -> Output {
    let (path, pager) = (folder.path().to_owned(), pager.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
        command.args(["alerts", "test", "--no-color"]).current_dir(path).env("PAGER", pager);
        command.output().unwrap()
    })
    .await
    .unwrap()
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[tokio::test]
async fn every_channel_is_tried_and_its_answer_said() {
    let refusal = Answer::Status("401 Unauthorized", "nobody knows you");
    let (mut desk, mut pager) = (Server::answering(vec![]).await, Server::answering(vec![refusal]).await);
    let folder = tempfile::tempdir().unwrap();
    for name in ["config", "secrets"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("config/alerts.yaml"), CONFIG).unwrap();
    let secret = folder.path().join("secrets/desk");
    std::fs::write(&secret, format!("{}/hooks/s3cret\n", desk.url)).unwrap();

    let (_, error) = texts(&run(&folder, &format!("{}/p4ger", pager.url)).await);
    assert!(
        error.contains("the address file can be read or changed by others") && error.contains("chmod 600"),
        "{error}"
    );

    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = run(&folder, &format!("{}/p4ger", pager.url)).await;
    let (out, error) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{error}");
    assert!(out.contains("✓ desk (discord): delivered ["), "{out}");
    assert!(out.contains("✗ pager (webhook): refused: 401 Unauthorized: nobody knows you ["), "{out}");
    assert!(error.contains("Alerts do not get through to pager."), "{error}");
    assert!(![out, error].iter().any(|text| text.contains("s3cret") || text.contains("p4ger")));
    assert!(desk.next().await.body["content"].as_str().unwrap().contains("this is a test"));
    assert_eq!(pager.next().await.body["messages"][0]["code"], "test");

    let output = run(&folder, &format!("{}/p4ger", pager.url)).await;
    assert_eq!(output.status.code(), Some(0), "{:?}", texts(&output));

    std::fs::write(folder.path().join("config/alerts.yaml"), "alerts: { channels: [] }\n").unwrap();
    let output = run(&folder, "").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(texts(&output).1.contains("No channel is configured."));
}
