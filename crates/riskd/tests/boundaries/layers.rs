//! Inside the core: model ← state ← rules ← engine, and no clock, input, output, randomness or threads.

use crate::{must_be_empty, texts};

/// The layers of the core, from the lowest: each may know itself and those before it.
const LAYERS: [&str; 5] = ["model", "state", "rules", "engine", "clock"];

/// What the core must not reach, beside what its `clippy.toml` bans by type and function.
const IMPURE: [&str; 15] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "std::os",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "HashMap",
    "HashSet",
    "RandomState",
    "thread_local!",
];

/// The names that follow `crate::`, or another way to say it, in code or in a group after it.
fn names_after<'a>(root: &str, code: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(root) {
        if code[..at].ends_with(|character: char| character.is_alphanumeric() || character == '_' || character == '$') {
            continue;
        }
        let rest = &code[at + root.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(names_at_top_level(group)),
            None => names.extend(first_name(rest)),
        }
    }
    names
}

/// The first names of the parts of `{a::B, c::{D, E}}`, given what follows the brace.
fn names_at_top_level(group: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begins = true;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            _ if begins && !character.is_whitespace() => {
                names.extend(first_name(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

fn first_name(text: &str) -> Option<&str> {
    let end = text.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// The text without its comments: a link in a comment is no dependency.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.find("//").map_or(line, |at| &line[..at])).collect::<Vec<_>>().join("\n")
}

/// Checks one file of the core, by its path from `crates/core/src/`.
fn violations(path: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut violations: Vec<String> = IMPURE
        .iter()
        .filter(|impure| code.contains(**impure))
        .map(|impure| format!("{path} mentions {impure}: the core is pure"))
        .collect();
    let layer = path.split(['/', '.']).next().unwrap_or_default();
    if path == "lib.rs" {
        return violations;
    }
    let Some(own) = LAYERS.iter().position(|known| *known == layer) else {
        violations.push(format!("{path} belongs to no layer of the core"));
        return violations;
    };
    // The crate's root can be reached upwards too.
    let upwards = if path.ends_with("/mod.rs") || !path.contains('/') { "super::" } else { "super::super::" };
    for name in names_after("crate::", &code).into_iter().chain(names_after(upwards, &code)) {
        if let Some(rank) = LAYERS.iter().position(|known| *known == name)
            && rank > own
        {
            violations.push(format!("{path} mentions crate::{name}, which is built on {layer}"));
        }
    }
    violations
}

#[test]
fn each_layer_knows_only_those_below_it() {
    let prefix = "crates/core/src/";
    let files = texts(|name| name.starts_with(prefix) && name.ends_with(".rs"));
    assert!(files.len() >= 10, "the core was found");
    let violations: Vec<String> =
        files.iter().flat_map(|(name, text)| violations(name.strip_prefix(prefix).unwrap(), text)).collect();
    must_be_empty(&violations);
}

#[test]
fn a_made_up_reach_upwards_is_found() {
    for (path, text, expected) in [
        ("model/x.rs", "use crate::engine::Input;", "model/x.rs mentions crate::engine, which is built on model"),
        (
            "state/mod.rs",
            "fn f() { crate::rules::all() }",
            "state/mod.rs mentions crate::rules, which is built on state",
        ),
        (
            "rules/x.rs",
            "use crate::{model::Money, engine};",
            "rules/x.rs mentions crate::engine, which is built on rules",
        ),
        (
            "model.rs",
            "use crate::{\n    state::{Book, Pnl},\n};",
            "model.rs mentions crate::state, which is built on model",
        ),
        ("model/mod.rs", "use super::state;", "model/mod.rs mentions crate::state, which is built on model"),
        ("state/x.rs", "use super::super::rules;", "state/x.rs mentions crate::rules, which is built on state"),
        ("engine/x.rs", "let now = Timestamp::now();", "engine/x.rs mentions Timestamp::now: the core is pure"),
        ("engine/x.rs", "use std::collections::HashMap;", "engine/x.rs mentions HashMap: the core is pure"),
        ("lib.rs", "use std::fs;", "lib.rs mentions std::fs: the core is pure"),
        ("helpers.rs", "", "helpers.rs belongs to no layer of the core"),
    ] {
        assert_eq!(violations(path, text), [expected]);
    }
    for (path, text) in [
        ("engine/step.rs", "use crate::model::{Money, Price};\nuse crate::{rules, state::Book};"),
        ("rules/mod.rs", "use crate::{model::{self, Money}, state::{Book, engine}};"),
        ("model/x.rs", "/// See [`crate::engine::step`].\nuse super::Money; // std::fs"),
        ("model/x.rs", "pub(crate) use mycrate::engine;"),
        ("model/x.rs", "use super::engine;"),
    ] {
        assert!(violations(path, text).is_empty(), "{path}: {text}");
    }
}
