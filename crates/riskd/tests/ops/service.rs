//! `riskd service install`.

use std::process::Command;

use crate::scene::Scene;

/// The values of a setting.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unit_is_hardened_and_may_write_its_data_alone() {
    let scene = Scene::new().await.initialized().await;
    let base = scene.path("").canonicalize().unwrap();
    let base = base.display();
    let unit = scene.run(&["service", "install", "--print"]).await.out;
    for (setting, expected) in [
        ("Type", "notify"),
        ("User", "riskd"),
        ("WatchdogSec", "30"),
        ("Restart", "always"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("LimitCORE", "0"),
        ("WantedBy", "multi-user.target"),
        ("WorkingDirectory", &format!("{base}")),
        ("LoadCredential", &format!("riskd-api-key:{base}/secrets/gateway.key")),
        ("ReadWritePaths", &format!("{base}/data")),
    ] {
        assert_eq!(values(&unit, setting), [expected], "{setting} in\n{unit}");
    }
    assert!(values(&unit, "ExecStart")[0].ends_with(&format!(" --config {base}/config run")), "{unit}");
    let of_a_user = scene.run(&["service", "install", "--print", "--user"]).await.out;
    assert_eq!(values(&of_a_user, "User"), [""; 0]);
    assert_eq!(
        (values(&of_a_user, "WantedBy"), values(&of_a_user, "PrivateUsers")),
        (vec!["default.target"], vec!["yes"])
    );
    assert!(!scene.path("data").exists(), "--print makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_is_written_once_and_not_overwritten_unasked() {
    let scene = Scene::new().await.initialized().await;
    let install = ["service", "install", "--unit-folder", "units"];
    let ran = scene.run(&install).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
    assert!(ran.out.contains("systemctl daemon-reload && systemctl enable --now riskd"), "{}", ran.out);
    assert!(scene.path("data").is_dir(), "what the unit may write is there");
    assert_eq!(scene.run(&install).await.code, Some(0), "the same unit once more is no change");
    std::fs::write(scene.path("units/riskd.service"), "# mine\n").unwrap();
    let ran = scene.run(&install).await;
    assert_eq!((ran.code, scene.read("units/riskd.service").as_str()), (Some(1), "# mine\n"));
    assert_eq!(scene.run(&[&install[..], &["--replace"]].concat()).await.code, Some(0));
    // systemd's own judgement, where it is there.
    if let Ok(output) = Command::new("systemd-analyze").arg("verify").arg(scene.path("units/riskd.service")).output() {
        let said = String::from_utf8_lossy(&output.stderr);
        let about_the_text = said.lines().filter(|line| line.contains("Unknown") || line.contains("Failed to parse"));
        assert_eq!(about_the_text.collect::<Vec<_>>(), [""; 0], "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_config_there_is_nothing_to_keep_running() {
    let scene = Scene::new().await;
    let ran = scene.run(&["service", "install", "--print"]).await;
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.error.contains("gateway.yaml is not there") && ran.error.contains("riskd config init"),
        "{}",
        ran.error
    );
}
