//! Who is let in: the right name, this site's own pages, a token where one is asked, not too often.

use riskd::config::ApiConfig;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::client::Ask;
use crate::desk::Desk;
use crate::ground::REALIZED;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_under_another_name_or_from_another_site_gets_nothing() {
    let desk =
        Desk::open_with(REALIZED, |config| ApiConfig { allowed_hosts: vec!["desk.example.com".to_owned()], ..config })
            .await;
    let port = desk.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST.:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("desk.example.com".to_owned(), 200),
        (format!("rebound.example.org:{port}"), 421),
        ("evil.desk.example.com".to_owned(), 421),
        ("192.0.2.7".to_owned(), 421),
        ("localhost.evil.org".to_owned(), 421),
    ] {
        for path in ["/api/v1/overview", "/", "/metrics", "/healthz"] {
            let answer = desk.ask(Ask::get(path).header("Host", &host)).await;
            assert_eq!(answer.status, status, "{host} {path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
        }
    }
    let own = format!("http://127.0.0.1:{port}");
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: &[(Headers<'_>, &str, u16)] = &[
        (&[("Origin", own.as_str())], "/api/v1/overview", 200),
        (&[("Origin", "http://evil.example")], "/api/v1/overview", 403),
        (&[("Origin", "null")], "/api/v1/overview", 403),
        (&[("Origin", "https://127.0.0.1")], "/api/v1/overview", 403),
        (&[("Sec-Fetch-Site", "same-origin")], "/api/v1/overview", 200),
        (&[("Sec-Fetch-Site", "none")], "/", 200),
        (&[("Sec-Fetch-Site", "cross-site")], "/api/v1/overview", 403),
        (&[("Sec-Fetch-Site", "same-site")], "/metrics", 403),
        (&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "script")], "/", 403),
        // A link to the dashboard may be followed; one into the API may not.
        (&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")], "/", 200),
        (&[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")], "/", 403),
        (
            &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
            "/api/v1/overview",
            403,
        ),
        // The stream: browsers say where the page is from, and nothing else protects a WebSocket.
        (&[("Origin", "http://evil.example"), ("Upgrade", "websocket")], "/api/v1/stream", 403),
    ];
    for (headers, path, status) in cases {
        let ask = headers.iter().fold(Ask::get(path), |ask, (name, value)| ask.header(name, value));
        assert_eq!(desk.ask(ask).await.status, *status, "{headers:?} {path}");
    }
    desk.ask(Ask::get("/api/v1/rules").header("Origin", "http://evil.example")).await.assert_problem(403, "cross-site");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_form_could_send_changes_nothing() {
    let desk = Desk::open(REALIZED).await;
    let login = || Ask::post("/api/v1/admin/login", &json!({ "password": "x" }));
    desk.ask(login().header("X-Riskd", "")).await.assert_problem(403, "header-missing");
    desk.ask(login().header("X-Riskd", "0")).await.assert_problem(403, "header-missing");
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = desk.ask(login().header("Content-Type", content_type)).await;
        answer.assert_problem(415, "unsupported-media-type");
    }
    for (body, status) in
        [("", 400), ("{", 400), ("[]", 422), ("{\"password\":1}", 422), ("{\"password\":\"x\",\"y\":1}", 422)]
    {
        assert_eq!(desk.ask(login().body(body)).await.status, status, "{body}");
    }
    let long = json!({ "password": "x".repeat(20_000) });
    let answer = desk.ask(Ask::post("/api/v1/admin/login", &long)).await;
    answer.assert_problem(413, "payload-too-large");
    // A preflight, which a page from elsewhere must send first, is refused.
    let preflight = Ask::get("/api/v1/admin/login")
        .method("OPTIONS")
        .header("Origin", "http://evil.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "x-riskd");
    let answer = desk.ask(preflight).await;
    assert_eq!(answer.status, 403);
    assert!(answer.headers.keys().all(|name| !name.starts_with("access-control")), "{:?}", answer.headers);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_token_reading_needs_it_and_probes_and_the_page_do_not() {
    let ground = crate::ground::Ground::new(REALIZED).await;
    let mut desk = Desk::start(ground, |config| ApiConfig { token: Some(SecretString::from(TOKEN)), ..config }).await;
    desk.daemon.until(riskd::daemon::Phase::Watching).await;
    for path in ["/", "/healthz", "/api/v1/admin/session"] {
        assert_eq!(desk.get(path).await.status, 200, "{path}");
    }
    for path in ["/api/v1/overview", "/api/v1/openapi.json", "/metrics", "/api/v1/stream"] {
        let answer = desk.get(path).await;
        answer.assert_problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        let with = |token: &str| Ask::get(path).header("Authorization", &format!("Bearer {token}"));
        if path != "/api/v1/stream" {
            assert_eq!(desk.ask(with(TOKEN)).await.status, 200, "{path}");
        }
    }
    let wrong = Ask::get("/api/v1/rules").header("Authorization", "Bearer 0123456789abcdef0123456789abcdeX");
    desk.ask(wrong.clone()).await.assert_problem(401, "unauthorized");
    // Shown once, the browser keeps it where no script can read it.
    let shown = desk.ask(Ask::post("/api/v1/session", &json!({ "token": TOKEN }))).await;
    assert_eq!(shown.status, 204, "{}", shown.text());
    let cookie = shown.header("set-cookie");
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(desk.ask(Ask::get("/api/v1/overview").header("Cookie", pair)).await.status, 200);
    // Who guesses waits, even with the right one.
    for _ in 0..5 {
        desk.ask(Ask::post("/api/v1/session", &json!({ "token": "wrong" }))).await.assert_problem(401, "unauthorized");
    }
    let answer = desk.ask(Ask::post("/api/v1/session", &json!({ "token": TOKEN }))).await;
    answer.assert_problem(429, "too-many-requests");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_requests_wait() {
    let desk = Desk::open(REALIZED).await;
    let Desk { ground, daemon, server, .. } = desk;
    server.stop().await;
    daemon.end().await;
    let desk = Desk::start(ground, |config| ApiConfig { requests_per_second: 1, ..config }).await;
    let mut last = None;
    // Four at once are let through; a slow machine may earn a few more on the way.
    for _ in 0..200 {
        let answer = desk.get("/healthz").await;
        if answer.status == 429 {
            last = Some(answer);
            break;
        }
    }
    let refused = last.expect("200 requests a second are too many");
    refused.assert_problem(429, "too-many-requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_none_is_taken() {
    let desk = Desk::open(REALIZED).await;
    let answer = desk.ask(Ask::post("/api/v1/session", &json!({ "token": TOKEN }))).await;
    answer.assert_problem(409, "conflict");
    assert_eq!(
        desk.get("/api/v1/admin/session").await.json(),
        json!({ "logged_in": false, "expires_at": Value::Null })
    );
    desk.close().await;
}
