//! The documents against the program: what they say of tables, options, exit codes, commands, examples and links is so.
//!
//! Each check is a function from a text (and the truth) to violations, and is shown to fail on a made-up one.
#![allow(clippy::unwrap_used)]

mod alarms;
mod commands;
mod examples;
mod exit_codes;
mod grafana;
mod links;
mod log_lines;
mod markdown;
mod options;
mod pictures;
mod reference;
mod schema;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// One document, by its path from the root.
fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// README.md and every page under docs/, with its path from the root.
fn documents() -> Vec<(String, String)> {
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> =
        pages.map(|name| format!("docs/{}", name.to_string_lossy())).filter(|name| name.ends_with(".md")).collect();
    assert!(names.len() >= 6, "the pages were found: {names:?}");
    names.push("README.md".to_owned());
    names.sort();
    names.into_iter().map(|name| (name.clone(), document(&name))).collect()
}

/// Fails with one violation a line.
fn must_be_empty(violations: &[String]) {
    assert!(violations.is_empty(), "\n  {}\n", violations.join("\n  "));
}
