//! The walls of the house: who may depend on what, which layer may know which, and what no file may hold.
//!
//! Each check is a function from text to violations, shown beside it to find a made-up one, and run here on the
//! repository as it is.
#![allow(clippy::unwrap_used)]

mod dependencies;
mod files;
mod layers;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Fails with every violation on a line of its own.
fn must_be_empty(violations: &[String]) {
    assert!(violations.is_empty(), "\n  {}\n", violations.join("\n  "));
}

/// Every file of the repository whose path `wanted` accepts, with its path from the root and its text.
fn texts(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if path.is_symlink() || is_not_ours(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&name)
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                found.push((name, text));
            }
        }
    }
    found.sort();
    found
}

/// What version control leaves out, and its own folder.
fn is_not_ours(name: &str) -> bool {
    matches!(name, "target" | "data" | "logs" | ".git")
        || ["/target", "/node_modules", ".rs.bk"].iter().any(|end| name.ends_with(end))
}

#[test]
fn the_walk_sees_this_file_and_not_what_was_built() {
    let found = texts(|_| true);
    assert!(found.iter().any(|(name, _)| name == "crates/riskd/tests/boundaries/main.rs"));
    assert!(found.iter().all(|(name, _)| !name.starts_with("target/") && !name.starts_with(".git/")));
}
