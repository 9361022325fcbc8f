//! `riskd rules check --live`: what is proved, and that nothing is touched by it.

use std::time::Duration;

use riskd::daemon::prove_arming;
use riskd_sim::server::Topic;

use super::support::{Ground, TRADER, es, points};

const RULES: &str = "rules:\n  max_contracts: {limit: 1}\n  daily_unrealized_loss: {loss_limit: 100000}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_is_proved_to_be_fed_and_a_breach_is_left_alone() {
    let ground = Ground::new(RULES).await;
    // Beyond the limit: a daemon would close it, a check must not.
    ground.buy(TRADER, &es(), 3);
    let controls = ground.controls().clone();
    let quoting = tokio::spawn(async move {
        controls.until_subscribed(Topic::Quotes(es())).await;
        controls.tick(&es(), points("2650.25")).unwrap();
    });
    let arming = prove_arming(ground.setup(), Duration::from_secs(60)).await.unwrap();
    quoting.await.unwrap();
    assert_eq!(arming.len(), 4, "two rules of two accounts: {arming:?}");
    assert!(arming.iter().all(|rule| rule.not_armed.is_none()), "{arming:?}");
    assert_eq!(ground.interventions(TRADER), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_is_not_fed_is_named_with_the_reason() {
    let ground = Ground::new("rules:\n  daily_unrealized_loss: {}\n  news_window: {calendar: news.csv}\n").await;
    ground.write("config/news.csv", "time,title\n2020-01-01T00:00:00Z,An old one\n");
    let setup = ground.setup();
    let arming = prove_arming(setup, Duration::from_secs(3)).await.unwrap();
    let of = |rule: &str| arming.iter().find(|found| found.key == rule).unwrap().not_armed.clone();
    assert!(of("news_window").unwrap().starts_with("the calendar ends with"), "{arming:?}");
}
