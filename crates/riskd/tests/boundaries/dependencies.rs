//! Which crate may depend on what.

use serde_json::{Value, json};

use crate::{must_be_empty, root};

/// Crates of this workspace, and those of them that each may know. Store and gateway never meet.
const DIRECTION: [(&str, &[&str]); 5] = [
    ("riskd-core", &[]),
    ("riskd-store", &["riskd-core"]),
    ("riskd-gateway", &["riskd-core"]),
    ("riskd-sim", &["riskd-core", "riskd-store", "riskd-gateway"]),
    ("riskd", &["riskd-core", "riskd-store", "riskd-gateway", "riskd-sim"]),
];

/// All that the core may depend on.
const CORE_DEPENDS_ON: [&str; 3] = ["jiff", "serde", "thiserror"];

/// Dependencies that not every crate may have: their owners, and who may have them for tests only. The program speaks
/// HTTP too: to the channels of its alerts, and from the terminal to the daemon.
const OWNERS: [(&str, &[&str], &[&str]); 4] = [
    ("rusqlite", &["riskd-store"], &[]),
    ("libsqlite3-sys", &["riskd-store"], &[]),
    ("reqwest", &["riskd-gateway", "riskd"], &["riskd-sim"]),
    ("tokio-tungstenite", &["riskd-gateway", "riskd"], &["riskd-sim"]),
];

/// Checks the packages as `cargo metadata --no-deps` lists them.
fn violations(packages: &[Value]) -> Vec<String> {
    let mut violations = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some((_, may_know)) = DIRECTION.iter().find(|(known, _)| *known == name) else {
            violations.push(format!("{name} is not a crate of the architecture"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let for_tests = dependency["kind"] == "dev";
            if on.starts_with("riskd") && !may_know.contains(&on) {
                violations.push(format!("{name} must not know {on}"));
            }
            if name == "riskd-core" && !for_tests && !on.starts_with("riskd") && !CORE_DEPENDS_ON.contains(&on) {
                violations.push(format!("the core must not depend on {on}"));
            }
            for (owned, owners, testers) in OWNERS {
                if on == owned && !owners.contains(&name) && !(for_tests && testers.contains(&name)) {
                    violations.push(format!("only {} may depend on {on}, not {name}", owners.join(" and ")));
                }
            }
        }
    }
    violations
}

#[test]
fn the_workspace_keeps_to_the_direction() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let answer = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), DIRECTION.len(), "every crate is looked at");
    must_be_empty(&violations(packages));
}

#[test]
fn a_made_up_dependency_is_found() {
    let check = |name: &str, on: &str, kind: Value| {
        violations(&[json!({"name": name, "dependencies": [{"name": on, "kind": kind}]})])
    };
    let dev = || json!("dev");
    for (name, on, kind, expected) in [
        ("riskd-core", "tokio", Value::Null, "the core must not depend on tokio"),
        ("riskd-core", "cc", json!("build"), "the core must not depend on cc"),
        ("riskd-core", "riskd-store", dev(), "riskd-core must not know riskd-store"),
        ("riskd-store", "riskd-gateway", Value::Null, "riskd-store must not know riskd-gateway"),
        ("riskd-gateway", "riskd-store", dev(), "riskd-gateway must not know riskd-store"),
        ("riskd-sim", "riskd", Value::Null, "riskd-sim must not know riskd"),
        ("riskd", "rusqlite", dev(), "only riskd-store may depend on rusqlite, not riskd"),
        ("riskd-sim", "reqwest", Value::Null, "only riskd-gateway and riskd may depend on reqwest, not riskd-sim"),
        ("riskd-store", "reqwest", dev(), "only riskd-gateway and riskd may depend on reqwest, not riskd-store"),
        ("riskd-extra", "serde", Value::Null, "riskd-extra is not a crate of the architecture"),
    ] {
        assert_eq!(check(name, on, kind), [expected]);
    }
    for (name, on, kind) in [
        ("riskd-core", "jiff", Value::Null),
        ("riskd-core", "proptest", dev()),
        ("riskd-store", "rusqlite", Value::Null),
        ("riskd-sim", "tokio-tungstenite", dev()),
        ("riskd", "reqwest", Value::Null),
        ("riskd", "riskd-sim", Value::Null),
    ] {
        assert!(check(name, on, kind).is_empty(), "{name} on {on}");
    }
}
