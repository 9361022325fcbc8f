//! A recorded day, replayed: the same config decides the same, another one otherwise, and damage is named.

use riskd::config::ConfigFolder;
use riskd::daemon::offline_config;
use riskd::replay::{Day, Fill, What, accounts_of_recording, read_fills, replay_day, replay_recording};
use riskd_core::model::{AccountId, Money};
use riskd_sim::exchange::listings;
use serde_json::{Value, json};

use super::support::{Ground, NEIGHBOUR, REALIZED, TRADER, es, points};
use super::witness::confirmed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_day_gets_the_same_decisions_again() {
    let mut ground = Ground::new(REALIZED).await;
    let file = ground.path("day.jsonl");
    ground.record = Some(file.clone());
    let daemon = ground.watch().await;
    ground.lose(TRADER);
    ground.until_flat(TRADER).await;
    ground.until_log(TRADER, json!([confirmed("RULE-003", "CLOSE_ALL_AND_LOCKOUT")])).await;
    // While it is locked, a fill is closed.
    ground.buy(TRADER, &es(), 1);
    ground.until_flat(TRADER).await;
    ground.until_rows("SELECT COUNT(*) FROM enforcement_log WHERE success = 1", json!([[2]])).await;
    daemon.end().await;

    let recorded = accounts_of_recording(&file).unwrap();
    assert_eq!(recorded, [TRADER, NEIGHBOUR]);
    let folder = ConfigFolder::open(Some(&ground.path("config"))).unwrap();
    let config = offline_config(&folder, &recorded).unwrap();
    let result = replay_recording(&file, &config).unwrap();
    let replayed: Vec<Value> = result
        .decisions
        .iter()
        .filter_map(|decision| match &decision.what {
            What::Enforcement { rule_id, action, reason, .. } => {
                Some(json!([decision.account_id, rule_id, action.as_str(), reason]))
            }
            _ => None,
        })
        .collect();
    let live = ground.ask("SELECT account_id, rule_id, action, reason FROM enforcement_log ORDER BY id").await;
    assert_eq!(json!(replayed), live);
    assert!(result.inputs > 0 && result.left_out == 0);
    assert_eq!(replay_recording(&file, &config).unwrap(), result, "and the same again");

    // Another config: nothing would have been broken.
    ground.write("config/risk_config.yaml", "rules:\n  daily_realized_loss: {loss_limit: 100000}\n");
    let lenient = offline_config(&folder, &recorded).unwrap();
    let calm = replay_recording(&file, &lenient).unwrap();
    assert!(calm.decisions.iter().all(|decision| !matches!(decision.what, What::Enforcement { .. })), "{calm:?}");

    // A program that was killed leaves half a line; anything else is named with its place.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 5]).unwrap();
    assert_eq!(replay_recording(&file, &config).unwrap().inputs, result.inputs - 1);
    std::fs::write(&file, text.replacen("\"event\":\"", "\"event\":\"no_", 1)).unwrap();
    assert!(replay_recording(&file, &config).unwrap_err().to_string().contains("day.jsonl:2: event: "));
}

/// What a day of fills comes to, ES falling from 2650 to 2640 a point a minute, under these rules.
fn day(rules: &str, fills: &str) -> (Vec<String>, Money, Money) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("config")).unwrap();
    std::fs::write(folder.path().join("config/risk_config.yaml"), rules).unwrap();
    let name = if fills.starts_with('[') { "fills.json" } else { "fills.csv" };
    let file = folder.path().join(name);
    std::fs::write(&file, fills).unwrap();
    let fills: Vec<Fill> = read_fills(&file, &jiff::tz::TimeZone::UTC).unwrap();
    let config = offline_config(&ConfigFolder::open(Some(&folder.path().join("config"))).unwrap(), &[AccountId(1)]);
    let begin: jiff::Timestamp = "2018-05-07T13:30:00Z".parse().unwrap();
    let price = |minute: i64| (begin + jiff::SignedDuration::from_mins(minute), points(&(2650 - minute).to_string()));
    let contract = listings().into_iter().find(|listed| listed.contract.contract_id == es()).unwrap().contract;
    let day = Day { account_id: AccountId(1), contract, prices: (0..=10).map(price).collect(), fills };
    let result = replay_day(&day, &config.unwrap());
    assert_eq!(result, replay_day(&day, &offline_config_again(rules)), "equal files, equal answers");
    let said = result.decisions.iter().filter_map(|decision| match &decision.what {
        What::Enforcement { rule_id, action, .. } => Some(format!("{} {rule_id} {action}", decision.at)),
        What::Locked { .. } => Some("locked".to_owned()),
        _ => None,
    });
    (said.collect(), result.pnl_as_it_was, result.pnl_under_the_rules)
}

fn offline_config_again(rules: &str) -> riskd_core::engine::Config {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("risk_config.yaml"), rules).unwrap();
    offline_config(&ConfigFolder::open(Some(folder.path())).unwrap(), &[AccountId(1)]).unwrap()
}

#[test]
fn an_exported_day_is_closed_where_the_rules_close_it() {
    let csv =
        "time,contract,side,size,price\n2018-05-07 13:30:01,ESM8,Buy,2,2650\n2018-05-07 13:39:30,ESM8,Sell,2,2641\n";
    let json = r#"[{"timestamp": "2018-05-07T13:39:30Z", "contractId": "CON.F.US.EP.M18", "side": 1, "qty": 2, "price": 2641},
        {"timestamp": "2018-05-07T13:30:01Z", "contractId": "CON.F.US.EP.M18", "side": 0, "qty": 2, "price": 2650}]"#;
    let dollars = |text: &str| Money::parse(text).unwrap();
    for fills in [csv, json] {
        // $50 a point: −$300 for two contracts at 2647, at 13:33.
        let cut = day("rules:\n  daily_unrealized_loss: {loss_limit: 300}\n", fills);
        let said = vec!["2018-05-07T13:33:00Z RULE-004 CLOSE_POSITION".to_owned()];
        assert_eq!(cut, (said, dollars("-900"), dollars("-300")));
        // A limit that is never reached leaves the day as it was.
        let calm = day("rules:\n  daily_unrealized_loss: {loss_limit: 5000}\n", fills);
        assert_eq!(calm, (vec![], dollars("-900"), dollars("-900")));
    }
    // A stop ten ticks from 2650 is reached at 2647, and what it closed is not sold once more.
    let (said, was, under) = day("rules:\n  trade_management: {auto_stop_loss: true}\n", csv);
    assert_eq!(said, ["2018-05-07T13:30:01.25Z RULE-012 PLACE_STOP"]);
    assert_eq!((was, under), (dollars("-900"), dollars("-300")));
    // Only what was realized is known: rules of realized losses can be asked.
    let realized = "timestamp,contract_id,pnl\n2018-05-07 13:31:00,ES,-300\n2018-05-07 13:32:00,ES,-250.50\n";
    let (said, was, under) = day("rules:\n  daily_realized_loss: {loss_limit: 500}\n", realized);
    assert_eq!(said, ["locked", "2018-05-07T13:32:00Z RULE-003 CLOSE_ALL_AND_LOCKOUT"]);
    assert_eq!((was, under), (dollars("-550.50"), dollars("-550.50")));
}
