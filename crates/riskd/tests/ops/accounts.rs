//! `riskd accounts`.

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_listed_with_their_protection_and_shown_one_by_one() {
    let scene = Scene::new().await.initialized().await;
    let ran = scene.run(&["accounts", "list"]).await;
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("⊘ 1001  SIM-1001") && lines[0].ends_with("NOT PROTECTED: not in accounts.yaml"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("✓ 1002  SIM-1002") && lines[1].ends_with("protected"), "{lines:?}");
    let ran = scene.run(&["accounts", "list", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let protected: Vec<_> =
        json.as_array().unwrap().iter().map(|account| account["protected"].as_bool().unwrap()).collect();
    assert_eq!(protected, [false, true, false]);

    let ran = scene.run(&["accounts", "show", "1002"]).await;
    assert!(ran.out.contains("Day turns   17:00 America/Chicago"), "{}", ran.out);
    assert!(ran.out.contains("Armed       RULE-003 daily_realized_loss: "), "{}", ran.out);
    let ran = scene.run(&["accounts", "show", "1001"]).await;
    assert!(ran.out.contains("Protection  NONE"), "{}", ran.out);
    let ran = scene.run(&["accounts", "show", "7"]).await;
    assert_eq!(ran.code, Some(1));
    assert!(ran.error.contains("The login does not see account 7."), "{}", ran.error);
}
