//! What no file of the repository may hold.

use crate::{must_be_empty, texts};

/// The longest a Rust file may be, in lines.
const LONGEST: usize = 500;

/// Hosts of package registries, in two halves so that this file does not name them.
const REGISTRIES: [(&str, &str); 9] = [
    ("crates", ".io/"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.debian", ".org"),
    ("proxy.golang", ".org"),
];

/// What a Rust file must not hold, in two halves, and why.
const UNFINISHED: [(&str, &str, &str); 3] = [
    ("todo", "!(", "is not finished"),
    ("unimplemented", "!(", "is not finished"),
    ("#[igno", "re", "has a test that does not run"),
];

fn violations(name: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if name != "Cargo.lock" {
        let hosts = REGISTRIES.iter().map(|(front, back)| format!("{front}{back}"));
        violations.extend(hosts.filter(|host| text.contains(host)).map(|host| format!("{name} names the host {host}")));
    }
    if name.ends_with(".rs") {
        let lines = text.lines().count();
        if lines > LONGEST {
            violations.push(format!("{name} has {lines} lines: more than {LONGEST}"));
        }
        for (front, back, problem) in UNFINISHED {
            if text.contains(&format!("{front}{back}")) {
                violations.push(format!("{name} {problem}: {front}{back}…"));
            }
        }
    }
    violations
}

#[test]
fn every_file_is_short_finished_and_names_no_registry() {
    let files = texts(|_| true);
    assert!(files.iter().any(|(name, _)| name == "Cargo.toml"), "the repository was found");
    must_be_empty(&files.iter().flat_map(|(name, text)| violations(name, text)).collect::<Vec<_>>());
}

#[test]
fn a_made_up_violation_is_found() {
    let long = "\n".repeat(LONGEST + 1);
    assert_eq!(violations("a.rs", &long), ["a.rs has 501 lines: more than 500"]);
    assert!(violations("a.rs", &long[1..]).is_empty());
    assert!(violations("a.md", &long).is_empty(), "documents may be long");
    let host = ["registry.npmjs", ".org"].concat();
    assert_eq!(violations("x.json", &format!("https://{host}/a")), [format!("x.json names the host {}", &host[9..])]);
    assert!(violations("Cargo.lock", &host).is_empty(), "cargo writes that file");
    for (front, back, _) in UNFINISHED {
        assert_eq!(violations("a.rs", &format!("{front}{back})")).len(), 1, "{front}");
    }
}
