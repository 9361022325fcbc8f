//! The log lines that docs/operations.md explains: each stands in the program's source.

use std::path::Path;

use crate::markdown::{code, prose, rows, section};
use crate::{document, must_be_empty, root};

/// Every Rust file of the crates' sources, as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    let mut folders: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"))
        .filter(|path| path.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    text
}

/// Parts of quoted lines that no source holds. `…` stands for what differs from time to time.
fn violations(lines: &[String], sources: &str) -> Vec<String> {
    // The hubs' names are put in when the line is written.
    let named = |line: &str| line.replace("user hub is", "{hub} is").replace("market hub is", "{hub} is");
    let missing = |line: &String| {
        let line = named(line);
        let parts: Vec<String> =
            line.split('…').map(|part| part.trim_matches([' ', '(', ')', ';']).to_owned()).collect();
        parts.into_iter().find(|part| !part.is_empty() && !sources.contains(part.as_str()))
    };
    lines.iter().filter_map(|line| missing(line).map(|part| format!("{line}: no source says {part:?}"))).collect()
}

#[test]
fn every_explained_log_line_is_written_somewhere() {
    let text = prose(&document("docs/operations.md"));
    let table = rows(section(&text, "## The log"), &["line", "what it means", "what to do"]);
    let lines: Vec<String> = table.iter().map(|row| code(&row[0]).unwrap().to_owned()).collect();
    assert!(lines.len() > 20, "{lines:?}");
    must_be_empty(&violations(&lines, &sources(&root().join("crates"))));
}

#[test]
fn a_line_nobody_writes_is_found() {
    let sources = r#"warn!("breach: {reason}"); info!("{hub} is down"); warn!("tries again ({error}) in {s} s. NOW")"#;
    let lines = ["breach: …", "user hub is down", "tries again (…) in … s. NOW", "breach! …"].map(str::to_owned);
    assert_eq!(violations(&lines, sources), [r#"breach! …: no source says "breach!""#]);
}
