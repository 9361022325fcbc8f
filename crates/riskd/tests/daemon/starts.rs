//! How the real program starts: with every kind of database, with every kind of broker.

use riskd_gateway::protocol::wire::Endpoint;
use riskd_store::{V1Sample, create_v1_sample};
use serde_json::json;

use super::support::{CLOSE_ALL, Ground, NEIGHBOUR, REALIZED, TRADER, es, within};
use super::witness::{ask, change, confirmed, locked};

impl Ground {
    /// A v1 database with a past.
    fn make_v1(&self) {
        std::fs::create_dir_all(self.path("data")).unwrap();
        let sample =
            V1Sample { account_ids: vec![TRADER, NEIGHBOUR], enforcements: 500, trades: 100, until: self.clock.now() };
        create_v1_sample(&self.database(), &sample).unwrap();
    }

    fn backups(&self) -> Vec<std::path::PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path("data/backups")) else { return Vec::new() };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "db")).collect()
    }
}

const PAST: &str = "SELECT COUNT(*), SUM(success), SUM(execution_time_ms), MAX(reason) FROM enforcement_log";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_v1_database_is_backed_up_and_migrated_and_the_account_protected() {
    let ground = Ground::new(REALIZED).await;
    ground.make_v1();
    let past = ground.ask(PAST).await;
    let process = ground.run().await;
    let log = process.log();
    assert!(log.contains("Database schema v2 (current)"), "{log}");
    assert_eq!(ground.ask("SELECT MAX(version) FROM schema_version").await, json!([[2]]));
    assert_eq!(ground.ask(PAST).await, past);
    let backups = ground.backups();
    assert_eq!(backups.len(), 1, "{backups:?}");
    assert_eq!(ask(&backups[0], "SELECT name FROM sqlite_master WHERE name = 'schema_version'").await, json!([]));
    assert_eq!(ask(&backups[0], PAST).await, past);
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    let newest = "SELECT success, rule_id FROM enforcement_log WHERE id > 500";
    ground.until_rows(newest, json!([[1, "RULE-003"]])).await;
    assert_eq!(process.terminate().await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_a_new_one_is_made() {
    let ground = Ground::new(REALIZED).await;
    let process = ground.run().await;
    assert!(process.log().contains("Database schema v2 (current)"), "{}", process.log());
    assert_eq!(ground.ask("SELECT MAX(version) FROM schema_version").await, json!([[2]]));
    // The second one is told who has it.
    let (code, log) = ground.run_in_vain().await;
    assert_eq!(code, 5, "{log}");
    assert!(log.contains(&process.id().to_string()), "{log}");
    assert_eq!(process.terminate().await.0, 0);
    // One that a later program wrote is left alone.
    change(
        &ground.database(),
        "INSERT INTO schema_version (version, applied_at, description) VALUES (3, '2030-01-01T00:00:00Z', 'later')",
    );
    let before = std::fs::read(ground.database()).unwrap();
    let (code, log) = ground.run_in_vain().await;
    assert_eq!(code, 4, "{log}");
    assert_eq!(std::fs::read(ground.database()).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_may_not_migrate_it_names_the_command() {
    let ground = Ground::new(REALIZED).await;
    ground.make_v1();
    ground.write("config/database.yaml", "database: {schema: {auto_migrate: false}}\n");
    let before = std::fs::read(ground.database()).unwrap();
    let (code, log) = ground.run_in_vain().await;
    assert_ne!(code, 0);
    assert!(log.contains("riskd db migrate"), "{log}");
    assert_eq!(std::fs::read(ground.database()).unwrap(), before);
    assert_eq!(ground.controls().requests(), [], "nobody was asked anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_risk_database_is_left_alone() {
    let ground = Ground::new(REALIZED).await;
    ground.write("data/state.db", "the quick brown fox jumps over the lazy dog, again and again and again and again");
    let (code, log) = ground.run_in_vain().await;
    assert_eq!(code, 6, "{log}");
    assert!(std::fs::read_to_string(ground.database()).unwrap().starts_with("the quick"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_and_an_unknown_account_end_the_start_with_a_clear_word() {
    let ground = Ground::new(REALIZED).await;
    let mut command = ground.command(&["run"]);
    command.env("TEST_KEY", "a-wrong-key");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("refuses this login") && words.contains("NOTHING IS PROTECTED"), "{words}");
    assert!(!words.contains("a-wrong-key"), "{words}");

    ground.write("config/accounts.yaml", "accounts:\n  - id: 1001\n  - id: 4711\n");
    let (code, log) = ground.run_in_vain().await;
    assert_eq!(code, 2, "{log}");
    assert!(log.contains("account 4711 is not among the active accounts"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_waited_for() {
    let ground = Ground::new(CLOSE_ALL).await;
    ground.controls().refuse_connections(None);
    ground.buy(TRADER, &es(), 6);
    let mut process = ground.spawn(&["run"]);
    process.until_log("the broker cannot be reached").await;
    assert!(process.log().contains("NOTHING IS PROTECTED MEANWHILE"), "{}", process.log());
    ground.controls().accept_connections();
    within(ground.controls().until_flat(TRADER)).await;
    ground.until_log(TRADER, json!([confirmed("RULE-001", "CLOSE_ALL_POSITIONS")])).await;
    assert_eq!(process.terminate().await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_the_broker_is_waited_for_is_heard() {
    let ground = Ground::new(CLOSE_ALL).await;
    ground.controls().refuse_connections(None);
    let mut process = ground.spawn(&["run"]);
    process.until_log("the broker cannot be reached").await;
    let (code, log) = process.terminate().await;
    assert_eq!(code, 0, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_an_earlier_run_holds_from_the_start() {
    let ground = Ground::new(REALIZED).await;
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    daemon.end().await;
    // Nobody watches: the trader comes back, with an order besides.
    ground.buy(TRADER, &es(), 2);
    ground.rest_order(TRADER);
    ground.buy(NEIGHBOUR, &es(), 1);
    let daemon = ground.watch().await;
    ground.until_flat(TRADER).await;
    let rows = [confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT"), confirmed("RULE-003", "CLOSE_ALL_POSITIONS")];
    ground.until_log(TRADER, json!(rows)).await;
    assert_eq!(ground.lock(TRADER).await, locked("RULE-003", ground.next_reset));
    ground.assert_closed_once(TRADER);
    assert_eq!(ground.interventions(NEIGHBOUR), Vec::<String>::new());
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_before_the_start_is_seen_by_the_rules() {
    let ground = Ground::new(REALIZED).await;
    ground.lose(TRADER);
    let daemon = ground.watch().await;
    ground.until_flat(TRADER).await;
    ground.until_locked(TRADER, "RULE-003").await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    ground.assert_closed_once(TRADER);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_changes_nothing_and_asks_nobody() {
    let ground = Ground::new(REALIZED).await;
    ground.make_v1();
    let before = std::fs::read(ground.database()).unwrap();
    let mut command = ground.command(&["run", "--check"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words}");
    for expected in
        ["Config files load", "riskd run would migrate it first", "RULE-003 daily_realized_loss", "Account 1001"]
    {
        assert!(words.contains(expected), "no {expected:?} in {words}");
    }
    assert_eq!(std::fs::read(ground.database()).unwrap(), before);
    assert_eq!(ground.backups(), Vec::<std::path::PathBuf>::new());
    assert_eq!(ground.controls().requests_to(Endpoint::LoginKey), []);
}
