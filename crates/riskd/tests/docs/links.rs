//! Every relative link of every document: the file is there, and so is the heading.

use std::path::Path;

use crate::markdown::prose;
use crate::{documents, must_be_empty, root};

/// The targets of the links and pictures of a document, with their lines.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        line += rest[..at].matches('\n').count();
        rest = &rest[at + 2..];
        let Some(end) = rest.find(')') else { break };
        found.push((line, &rest[..end]));
    }
    found
}

/// A heading as a link names it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .collect::<String>()
        .replace(' ', "-")
}

fn has_heading(text: &str, wanted: &str) -> bool {
    prose(text).lines().any(|line| line.starts_with('#') && anchor(line) == wanted)
}

/// `name` is the document's path from `root`.
fn violations(root: &Path, name: &str, text: &str) -> Vec<String> {
    let folder = root.join(name).parent().unwrap().to_owned();
    let mut violations = Vec::new();
    let prose = prose(text);
    for (line, target) in targets(&prose).into_iter().filter(|(_, target)| !target.contains("://")) {
        let (file, heading) = target.split_once('#').map_or((target, None), |(file, heading)| (file, Some(heading)));
        let path = if file.is_empty() { root.join(name) } else { folder.join(file) };
        if !path.exists() {
            violations.push(format!("{name}:{line}: there is no {target}"));
        } else if let Some(heading) = heading
            && !has_heading(&std::fs::read_to_string(&path).unwrap_or_default(), heading)
        {
            violations.push(format!("{name}:{line}: there is no heading #{heading} in {file}"));
        }
    }
    violations
}

#[test]
fn every_relative_link_leads_somewhere() {
    let root = root();
    let mut documents = documents();
    for name in ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "STYLE.md", "crates/store/migrations/README.md"]
    {
        documents.push((name.to_owned(), crate::document(name)));
    }
    let count: usize = documents.iter().map(|(_, text)| targets(&prose(text)).len()).sum();
    assert!(count > 20, "only {count} links were found");
    must_be_empty(&documents.iter().flat_map(|(name, text)| violations(&root, name, text)).collect::<Vec<_>>());
}

#[test]
fn a_link_to_nowhere_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# A b, `c`!\n[x](docs/none.md)\n![y](there.md) and [z](there.md#one-two) [w](#a-b-c)\n\
                [v](there.md#three) [u](https://nowhere)\n```\n[t](none)\n```\n";
    std::fs::write(folder.path().join("there.md"), "# One: two\n").unwrap();
    std::fs::write(folder.path().join("t.md"), text).unwrap();
    assert_eq!(
        violations(folder.path(), "t.md", text),
        ["t.md:2: there is no docs/none.md", "t.md:4: there is no heading #three in there.md"]
    );
}
