//! A running daemon tells people: a lockout, and its own end.

use riskd::alerts::{ChannelConfig, Severity, Target};

use crate::server::Server;
use crate::support::{Ground, REALIZED, TRADER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lockout_and_the_end_are_told() {
    let mut server = Server::answering(vec![]).await;
    let ground = Ground::new(REALIZED).await;
    let mut setup = ground.setup();
    let address = server.url.clone().into();
    let target = Target::Webhook { address, token: None };
    setup.alerts.channels = vec![ChannelConfig { name: "w".to_owned(), target, least_severity: Severity::Warning }];
    let mut daemon = ground.start_with(setup);
    daemon.until(riskd::daemon::Phase::Watching).await;
    ground.until_watched().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    let mut seen = String::new();
    while !seen.contains("lockout_set") {
        seen.push_str(&server.next().await.body.to_string());
    }
    assert!(seen.contains(&format!("account {TRADER} is locked until ")), "{seen}");
    daemon.end().await;
    while !seen.contains("\"stopped\"") {
        seen.push_str(&server.next().await.body.to_string());
    }
}
