//! An admin's session: the password, its limits, its time-outs.

use std::os::unix::fs::PermissionsExt;

use jiff::{SignedDuration, Timestamp};
use riskd::api::set_password;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::client::Ask;
use crate::desk::Desk;
use crate::ground::REALIZED;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) fn login(password: &str) -> Ask {
    Ask::post("/api/v1/admin/login", &json!({ "password": password }))
}

/// A desk whose admin has a password.
pub(crate) async fn desk_with_password(rules: &str) -> Desk {
    let desk = Desk::open(rules).await;
    set_password(&desk.ground.path("secrets/admin.password"), &SecretString::from(PASSWORD)).unwrap();
    desk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_with_the_password_and_ends_when_idle_or_logged_out() {
    let desk = Desk::open(REALIZED).await;
    desk.ask(login(PASSWORD)).await.assert_problem(409, "no-password");
    set_password(&desk.ground.path("secrets/admin.password"), &SecretString::from(PASSWORD)).unwrap();
    desk.ask(login("wrong horse battery")).await.assert_problem(401, "wrong-password");
    let answer = desk.ask(login(PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["expires_at"], "no token in the answer");
    let cookie = answer.header("set-cookie").to_owned();
    for word in ["riskd_admin=", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap().to_owned();
    let session = |desk: &Desk| {
        let (address, ask) = (desk.address, Ask::get("/api/v1/admin/session").header("Cookie", &pair));
        async move { ask.send(address).await.json() }
    };
    let now = session(&desk).await;
    assert_eq!(now["logged_in"], true);
    let ends_at: Timestamp = now["expires_at"].as_str().unwrap().parse().unwrap();
    let minutes = ends_at.duration_since(desk.ground.clock.now()).as_secs_f64() / 60.0;
    assert!((10.0..=15.0).contains(&minutes), "{minutes}");
    desk.ground.clock.set_forward(SignedDuration::from_mins(16));
    assert_eq!(session(&desk).await, json!({ "logged_in": false, "expires_at": Value::Null }));
    // For programs: a token in the answer, no cookie.
    let answer = desk.ask(Ask::post("/api/v1/admin/login?token=true", &json!({ "password": PASSWORD }))).await;
    assert_eq!(answer.header("set-cookie"), "");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let with_token = |ask: Ask| ask.header("Authorization", &bearer);
    let logged_in = desk.ask(with_token(Ask::get("/api/v1/admin/session"))).await.json();
    assert_eq!(logged_in["logged_in"], true);
    assert_eq!(desk.ask(with_token(Ask::post("/api/v1/admin/logout", &Value::Null))).await.status, 204);
    let logged_out = desk.ask(with_token(Ask::get("/api/v1/admin/session"))).await.json();
    assert_eq!(logged_out["logged_in"], false);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_waits_and_the_wait_ends() {
    let desk = desk_with_password(REALIZED).await;
    for _ in 0..5 {
        desk.ask(login("wrong horse battery")).await.assert_problem(401, "wrong-password");
    }
    let put_off = desk.ask(login(PASSWORD)).await;
    put_off.assert_problem(429, "too-many-requests");
    let wait: i64 = put_off.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    desk.ground.clock.set_forward(SignedDuration::from_secs(wait + 1));
    assert_eq!(desk.ask(login(PASSWORD)).await.status, 200);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_that_others_can_read_lets_nobody_in() {
    let desk = desk_with_password(REALIZED).await;
    let file = desk.ground.path("secrets/admin.password");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    desk.ask(login(PASSWORD)).await.assert_problem(503, "service-unavailable");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(desk.ask(login(PASSWORD)).await.status, 200);
    desk.close().await;
}
