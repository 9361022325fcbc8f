//! Every `riskd …` in the documents against the real command line.

use clap::error::ErrorKind;
use riskd::cli::command_line;

use crate::markdown::{blocks, code_spans, prose};
use crate::{documents, must_be_empty};

/// Languages of blocks in which people are shown what to type.
const SHELLS: [&str; 4] = ["bash", "sh", "console", "ini"];

/// Every command line that begins with `riskd`, with the line it stands on.
fn commands(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for block in blocks(text).iter().filter(|block| SHELLS.contains(&block.language.as_str())) {
        for (index, line) in block.text.lines().enumerate() {
            // In a console, only what follows the prompt was typed.
            let typed = match block.language.as_str() {
                "console" => line.strip_prefix("$ "),
                "ini" => line.strip_prefix("ExecStart="),
                _ => Some(line),
            };
            found.extend(typed.and_then(command).map(|words| (block.line + index, words)));
        }
    }
    for (index, line) in prose(text).lines().enumerate() {
        // `riskd db …` speaks of a family of commands, and `riskd …` of all of them.
        let spans = code_spans(line).filter(|span| span.starts_with("riskd ") && !span.contains('…'));
        found.extend(spans.filter_map(command).map(|words| (index + 1, words)));
    }
    found
}

/// The words of a line that runs riskd, quotes taken off; without what the shell does with it, and without its comment.
fn command(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | ';' | '&') => break,
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    let program = words.iter().position(|word| word == "riskd" || word.ends_with("/riskd"))?;
    // `systemctl stop riskd` and `cargo build -p riskd` do not run it.
    let runs = words[..program].iter().all(|word| word == "sudo" || word.contains('='));
    (runs && words.len() > 1).then(|| words.split_off(program))
}

fn violations(name: &str, text: &str) -> Vec<String> {
    let refused = commands(text).into_iter().filter_map(|(line, words)| {
        let error = command_line().try_get_matches_from(&words).err()?;
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return None;
        }
        let why = error.to_string().lines().next().unwrap_or_default().to_owned();
        Some(format!("{name}:{line}: {}: {why}", words.join(" ")))
    });
    refused.collect()
}

#[test]
fn every_command_line_parses() {
    let documents = documents();
    let count: usize = documents.iter().map(|(_, text)| commands(text).len()).sum();
    assert!(count > 60, "only {count} command lines were found");
    must_be_empty(&documents.iter().flat_map(|(name, text)| violations(name, text)).collect::<Vec<_>>());
}

#[test]
fn a_wrong_command_line_is_found() {
    let text = "# T\nRun `riskd db migrate --yess` or `riskd db migrate --yes`, see `riskd db …`.\n```console\n$ riskd unlock\n\
                riskd says hello\n```\n```bash\n./riskd log --rule 99x   # no such\nsystemctl stop riskd\nX=1 riskd run --check | head\n\
                riskd db\n```\n";
    let found = violations("t.md", text);
    let beginnings = [
        "t.md:4: riskd unlock: ",
        "t.md:8: ./riskd log --rule 99x: ",
        "t.md:11: riskd db: ",
        "t.md:2: riskd db migrate --yess: ",
    ];
    assert_eq!(found.len(), beginnings.len(), "{found:?}");
    for (violation, beginning) in found.iter().zip(beginnings) {
        assert!(violation.starts_with(beginning), "{violation}");
    }
}

#[test]
fn the_words_of_a_command_are_told_apart() {
    let words = |line: &str| command(line).map(|words| words.join("·"));
    assert_eq!(words("riskd db backup --to 'a b.db'  # elsewhere").as_deref(), Some("riskd·db·backup·--to·a b.db"));
    assert_eq!(words("sudo /usr/bin/riskd run > x").as_deref(), Some("/usr/bin/riskd·run"));
    assert_eq!(words("cargo build -p riskd"), None);
    assert_eq!(words("riskd"), None);
}
