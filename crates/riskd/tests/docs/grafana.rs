//! docs/grafana/riskd.json: every figure it asks for is one that `/metrics` gives.

use std::collections::BTreeSet;

use crate::document;

/// What follows the name of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The names of figures in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("riskd_")).map(str::to_owned).collect()
}

/// Those of the dashboard that are not given.
fn unknown(dashboard: &str, given: &BTreeSet<String>) -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let asked = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap());
    let asked: BTreeSet<String> = asked.flat_map(names).collect();
    assert!(!asked.is_empty());
    let base = |name: &String| PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned();
    asked.into_iter().filter(|name| !given.contains(name) && !given.contains(&base(name))).collect()
}

#[test]
fn every_figure_of_the_dashboard_is_given() {
    let given = names(&document("crates/riskd/src/api/metrics.rs"));
    assert!(given.len() > 20, "{given:?}");
    assert_eq!(unknown(&document("docs/grafana/riskd.json"), &given), [""; 0]);
}

#[test]
fn a_misspelt_figure_is_found() {
    let dashboard =
        r#"{"panels": [{"targets": [{"expr": "rate(riskd_breeches_total[5m]) / riskd_up + riskd_time_bucket"}]}]}"#;
    assert_eq!(unknown(dashboard, &names("riskd_up riskd_time")), ["riskd_breeches_total"]);
}
