//! Probes and metrics.

use riskd::daemon::Phase;

use crate::desk::Desk;
use crate::ground::{Ground, REALIZED, TRADER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_while_the_links_are_up_and_alive_all_the_while() {
    let desk = Desk::open(REALIZED).await;
    let ready = desk.until("/readyz", |ready| ready["ready"] == true).await;
    assert_eq!(ready["reasons"].as_array().unwrap().len(), 0);
    assert_eq!(desk.get("/healthz").await.json()["phase"], "watching");
    desk.ground.controls().refuse_connections(None);
    desk.ground.controls().cut_all_connections();
    let overview = desk.until("/api/v1/overview", |overview| overview["daemon"]["protected"] == false).await;
    let alarms = overview["daemon"]["alarms"].as_array().unwrap();
    assert!(alarms.iter().any(|alarm| alarm["severity"] == "critical"), "{overview}");
    assert_eq!(desk.get("/healthz").await.status, 200);
    assert_eq!(desk.get("/readyz").await.status, 503);
    desk.ground.controls().accept_connections();
    desk.until("/readyz", |ready| ready["ready"] == true).await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_it_watches_it_says_so_and_why() {
    let ground = Ground::new(REALIZED).await;
    ground.controls().refuse_connections(None);
    let mut desk = Desk::start(ground, |config| config).await;
    desk.daemon.until(Phase::Connecting).await;
    let overview = desk.get("/api/v1/overview").await.json();
    assert_eq!(overview["daemon"]["protected"], false);
    assert_eq!(overview["daemon"]["alarms"][0]["code"], "not_watching");
    let answer = desk.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["ready"].as_bool()), (503, Some(false)));
    desk.get("/api/v1/rules").await.assert_problem(503, "service-unavailable");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_happened() {
    let desk = Desk::open(REALIZED).await;
    desk.ground.lose(TRADER);
    desk.ground.until_flat(TRADER).await;
    desk.until("/api/v1/overview", |overview| {
        let first = &overview["accounts"][0];
        first["lock"].is_object() && first["pending_enforcements"] == 0
    })
    .await;
    let answer = desk.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    for line in [
        "riskd_schema_version 2",
        "riskd_schema_mismatch 0",
        "riskd_migrations_failed_total 0",
        "riskd_watching 1",
        "riskd_accounts_locked 1",
        "riskd_breaches_total{rule=\"RULE-003\"} 1",
        "riskd_enforcement_duration_seconds_count{rule=\"RULE-003\"} 1",
        "riskd_link_up{hub=\"user\"} 1",
        "riskd_reconnects_total{hub=\"market\"} 0",
        "riskd_enforcements_pending 0",
        "riskd_journal_failing 0",
    ] {
        assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
    }
    for begin in [
        "riskd_decision_duration_seconds_bucket{le=\"+Inf\"}",
        "riskd_rest_calls_total{endpoint=\"/api/Auth/loginKey\",outcome=\"accepted\"}",
        "riskd_rest_budget_calls{priority=\"enforcement\"}",
        "riskd_event_queue_depth",
        "riskd_slow_queries_total",
    ] {
        assert!(text.lines().any(|written| written.starts_with(begin)), "{begin} is not in\n{text}");
    }
    // Every figure belongs to a family that is described before it.
    let mut known = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(known.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
            assert!(known.contains(name) || known.contains(family), "{line}");
        }
    }
    desk.close().await;
}
