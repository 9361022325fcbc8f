//! `riskd support-bundle`: everything a helper needs, and none of the planted secrets.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use flate2::read::GzDecoder;

use crate::scene::Scene;

/// Name and text of every file in the bundle, without the folder's name.
fn files(path: &std::path::Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(path).unwrap()));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name.split_once('/').unwrap().1.to_owned(), text)
    });
    entries.collect()
}

fn secret_file(scene: &Scene, name: &str, text: &str) {
    std::fs::write(scene.path(name), text).unwrap();
    std::fs::set_permissions(scene.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_planted_secret_is_in_it() {
    let scene = Scene::new().await.initialized().await;
    let key = scene.simulator.api_key.clone();
    secret_file(&scene, "secrets/desk", "https://discord.example/api/webhooks/1/pl4nted-hook\n");
    secret_file(&scene, "secrets/bot", "12:pl4nted-bot\n");
    let alerts = "alerts:\n  channels:\n    - { kind: discord, address_file: secrets/desk }\n    \
                  - { kind: telegram, token_file: secrets/bot, chat_id: 5 }\n";
    std::fs::write(scene.path("config/alerts.yaml"), alerts).unwrap();
    std::fs::write(scene.path("config/logging.yaml"), "logging: { directory: logs }\n").unwrap();
    // A file that does not even load still gives nothing away.
    std::fs::write(scene.path("config/old.yaml"), "x:\n  password: pl4nted-password\n  Token : \"pl4nted-token\"\n")
        .unwrap();
    std::fs::create_dir_all(scene.path("logs")).unwrap();
    let log = format!(
        "{{\"message\":\"wss://h/hubs?access_token=pl4nted-jwt\"}}\n{{\"message\":\"key {key} and 12:pl4nted-bot\"}}\n\
         {{\"message\":\"hello {}\"}}\n",
        scene.simulator.user_name
    );
    std::fs::write(scene.path("logs/riskd.2026-11-20.log.json"), log).unwrap();
    let ran = scene.run(&["support-bundle", "--to", "bundle.tar.gz", "--url", "http://127.0.0.1:9"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
    let mode = std::fs::metadata(scene.path("bundle.tar.gz")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = files(&scene.path("bundle.tar.gz"));
    for (name, text) in &files {
        for secret in ["pl4nted", key.as_str()] {
            assert!(!text.contains(secret), "{name} holds {secret}:\n{text}");
        }
        if name.starts_with("config/") || name == "log.txt" {
            assert!(!text.contains(&scene.simulator.user_name), "{name}:\n{text}");
        }
    }
    let text = |name: &str| &files.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("no {name}")).1;
    assert!(text("versions.txt").starts_with("riskd 2.0.0\nschema of this program: v2\n"));
    assert!(text("config/alerts.yaml").contains("address_file: secrets/desk"), "{}", text("config/alerts.yaml"));
    assert!(
        text("log.txt").contains("its last 3 lines") && text("log.txt").contains("hello [REDACTED]"),
        "{}",
        text("log.txt")
    );
    assert!(text("run-check.txt").contains("(exit "));
    assert!(text("database/doctor.txt").starts_with("$ riskd db doctor\n"));
    assert!(text("daemon/metrics.txt").starts_with("no answer: "));
    // Nothing is overwritten.
    assert_eq!(scene.run(&["support-bundle", "--to", "bundle.tar.gz"]).await.code, Some(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_is_in_it_and_a_machine_without_config_gets_one_too() {
    let scene = Scene::new().await;
    let ran = scene.run(&["support-bundle", "--to", "empty.tar.gz"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
    assert!(files(&scene.path("empty.tar.gz")).iter().any(|(name, _)| name == "config/MISSING.txt"));

    std::fs::create_dir(scene.path("data")).unwrap();
    let sample = riskd_store::V1Sample {
        account_ids: vec![riskd_core::model::AccountId(1)],
        enforcements: 3,
        trades: 3,
        until: jiff::Timestamp::now(),
    };
    riskd_store::create_v1_sample(&scene.path("data/state.db"), &sample).unwrap();
    assert_eq!(scene.run(&["support-bundle", "--to", "v1.tar.gz"]).await.code, Some(0));
    let files = files(&scene.path("v1.tar.gz"));
    let schema = &files.iter().find(|(name, _)| name == "database/schema.sql").unwrap().1;
    assert!(schema.contains("CREATE TABLE") && schema.contains("enforcement_log"), "{schema}");
}
