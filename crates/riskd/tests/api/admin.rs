//! An admin's session: the password, its limits, its time-outs.

use std::os::unix::fs::PermissionsExt;

use jiff::{SignedDuration, Timestamp};
use riskd::api::set_password;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::client::Ask;
use crate::desk::Desk;
use crate::ground::{REALIZED, TRADER};

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

/// An admin's cookie.
pub(crate) async fn logged_in(desk: &Desk) -> String {
    let answer = desk.ask(login(PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// Kinds and reasons of the audit trail, oldest first, as Python reads them.
pub(crate) async fn trail(desk: &Desk) -> Vec<(String, Option<String>)> {
    let script = "import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute('SELECT kind, json_extract(content, ?) FROM audit_trail WHERE kind != ? ORDER BY id', ('$.reason', 'enforcement'))
print(json.dumps(rows.fetchall()))";
    let mut python = std::process::Command::new("python3");
    let answer = python.args(["-c", script]).arg(desk.ground.database()).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_admin_stops_the_daemon_and_it_is_on_record() {
    let desk = desk_with_password(REALIZED).await;
    let stop = |reason: &str| Ask::post("/api/v1/admin/stop", &json!({ "reason": reason }));
    for ask in [stop("x"), Ask::post("/api/v1/admin/alerts/test", &Value::Null)] {
        desk.ask(ask.clone()).await.assert_problem(401, "not-admin");
        desk.ask(ask.header("Cookie", "riskd_admin=0123")).await.assert_problem(401, "not-admin");
    }
    desk.ask(login("wrong horse battery")).await.assert_problem(401, "wrong-password");
    let cookie = logged_in(&desk).await;
    for reason in ["", "  ", &"x".repeat(501), "a\u{1b}[31mb"] {
        let answer = desk.ask(stop(reason).header("Cookie", &cookie)).await;
        answer.assert_problem(422, "unprocessable-entity");
    }
    let tried = desk.ask(Ask::post("/api/v1/admin/alerts/test", &Value::Null).header("Cookie", &cookie)).await;
    assert_eq!((tried.status, tried.json()), (200, json!({ "channels": [] })));
    let answer = desk.ask(stop("moving house").header("Cookie", &cookie)).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let kinds = trail(&desk).await;
    let expected = [("log_in_refused", None), ("log_in", None), ("admin", None), ("stop", Some("moving house"))];
    let expected = expected.map(|(kind, reason)| (kind.to_owned(), reason.map(str::to_owned)));
    assert!(kinds.ends_with(&expected), "{kinds:?}");
    let Desk { ground, daemon, server, .. } = desk;
    assert!(!daemon.ended().await.unwrap().left_unwritten);
    server.stop().await;
    drop(ground);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unlock_is_durable_and_on_record_before_the_answer() {
    let desk = desk_with_password(REALIZED).await;
    let path = |account: i64| format!("/api/v1/admin/accounts/{account}/unlock");
    let unlock = |account: i64| Ask::post(&path(account), &json!({ "reason": "agreed with the desk" }));
    desk.ask(unlock(TRADER.0)).await.assert_problem(401, "not-admin");
    let cookie = logged_in(&desk).await;
    desk.ask(unlock(TRADER.0).header("Cookie", &cookie)).await.assert_problem(409, "not-locked");
    desk.ask(unlock(999).header("Cookie", &cookie)).await.assert_problem(404, "not-found");
    desk.ground.lose(TRADER);
    desk.ground.until_flat(TRADER).await;
    desk.until("/api/v1/overview", |overview| {
        let first = &overview["accounts"][0];
        first["lock"].is_object() && first["pending_enforcements"] == 0
    })
    .await;
    let answer = desk.ask(unlock(TRADER.0).header("Cookie", &cookie)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["ended"][0]["rule_id"], "RULE-003");
    // At once, and not after another look: the answer means that it is written.
    assert_eq!(lock_in_the_database(&desk).await, json!([[0]]));
    assert!(trail(&desk).await.contains(&("unlock".to_owned(), Some("agreed with the desk".to_owned()))));
    desk.until("/api/v1/overview", |overview| {
        overview["accounts"].as_array().unwrap().iter().all(|account| account["lock"].is_null())
    })
    .await;
    desk.close().await;
}

async fn lock_in_the_database(desk: &Desk) -> Value {
    let script = "import json, sqlite3, sys
print(json.dumps(sqlite3.connect(sys.argv[1]).execute('SELECT is_locked FROM lockouts').fetchall()))";
    let mut python = std::process::Command::new("python3");
    let answer = python.args(["-c", script]).arg(desk.ground.database()).output().unwrap();
    serde_json::from_slice(&answer.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_tightens_at_once_lets_loosening_wait_and_takes_all_or_nothing() {
    let desk = desk_with_password(REALIZED).await;
    let cookie = logged_in(&desk).await;
    let reload = || Ask::post("/api/v1/admin/reload", &json!({ "reason": "new limits" })).header("Cookie", &cookie);
    desk.ask(reload().header("Cookie", "")).await.assert_problem(401, "not-admin");
    let nothing = desk.ask(reload()).await;
    assert_eq!(nothing.json(), json!({ "at_once": [], "waiting": [], "at_the_next_start": [] }));
    let limit = |dollars: u32| format!("rules:\n  daily_realized_loss: {{loss_limit: {dollars}}}\n");
    let limit_of_the_trader = |rules: &Value| {
        let rules = rules["accounts"][0]["rules"].as_array().unwrap().clone();
        rules.iter().find(|rule| rule["rule_id"] == "RULE-003").unwrap()["sentence"].as_str().unwrap().to_owned()
    };
    desk.ground.write("config/risk_config.yaml", &limit(400));
    let tightened = desk.ask(reload()).await.json();
    let both = json!([
        { "account_id": 1001, "section": "daily_realized_loss" },
        { "account_id": 1002, "section": "daily_realized_loss" },
    ]);
    assert_eq!((&tightened["at_once"], &tightened["waiting"]), (&both, &json!([])), "{tightened}");
    desk.until("/api/v1/rules", |rules| limit_of_the_trader(rules).contains("$400.00")).await;
    desk.ground.write("config/risk_config.yaml", &limit(900));
    let loosened = desk.ask(reload()).await.json();
    assert_eq!(loosened["at_once"], json!([]));
    assert_eq!(loosened["waiting"][0]["until"], desk.ground.next_reset.to_string(), "{loosened}");
    assert!(limit_of_the_trader(&desk.get("/api/v1/rules").await.json()).contains("$400.00"), "not before the reset");
    // One wrong file, and nothing changes.
    desk.ground.write("config/risk_config.yaml", &limit(300));
    desk.ground.write("config/accounts.yaml", "accounts: [{id: 1001, reset_tme: \"17:00\"}]\n");
    let refused = desk.ask(reload()).await;
    refused.assert_problem(422, "config-refused");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("accounts.yaml:1: accounts[0].reset_tme") && detail.contains("did you mean"), "{detail}");
    assert!(limit_of_the_trader(&desk.get("/api/v1/rules").await.json()).contains("$400.00"));
    let acts = trail(&desk).await;
    assert_eq!(acts.iter().filter(|(kind, _)| kind == "reload").count(), 4, "{acts:?}");
    // The day turns: what waited holds.
    let to_the_reset = desk.ground.next_reset.duration_since(desk.ground.clock.now());
    desk.ground.clock.set_forward(to_the_reset + SignedDuration::from_secs(1));
    desk.until("/api/v1/rules", |rules| limit_of_the_trader(rules).contains("$900.00")).await;
    desk.close().await;
}
