//! As much of Markdown as the documents use: fenced blocks, tables, headings, code spans.

/// A fenced block: its language, the line its text begins on, its text.
pub(crate) struct Block {
    pub(crate) language: String,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// The fenced blocks of a document.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(language), None) => {
                open = Some(Block { language: language.trim().to_owned(), line: index + 2, text: String::new() });
            }
            (None, Some(mut block)) => {
                block.text.push_str(line);
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fenced block is not closed");
    found
}

/// A document without its fenced blocks; lines keep their numbers.
pub(crate) fn prose(text: &str) -> String {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        lines.push(if inside || fence { "" } else { line });
        inside ^= fence;
    }
    lines.join("\n")
}

/// The part of a document under a heading, up to the next of the same or a higher level. Empty when there is none.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let level = heading.chars().take_while(|letter| *letter == '#').count();
    let Some(start) = text.find(&format!("\n{heading}\n")) else { return "" };
    let body = &text[start + heading.len() + 2..];
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let hashes = line.chars().take_while(|letter| *letter == '#').count();
        if (1..=level).contains(&hashes) {
            break;
        }
        at += line.len();
    }
    &body[..at]
}

/// The rows of every table in a text whose header begins with these cells.
pub(crate) fn rows(text: &str, header: &[&str]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let Some(cells) = cells(line) else {
            inside = false;
            continue;
        };
        if cells.len() >= header.len() && cells.iter().zip(header).all(|(cell, wanted)| cell == wanted) {
            inside = true;
        } else if inside && !cells.iter().all(|cell| cell.chars().all(|letter| "-:".contains(letter))) {
            found.push(cells);
        }
    }
    found
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The text of a cell that is one code span.
pub(crate) fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|inner| !inner.contains('`'))
}

/// Every code span of a line.
pub(crate) fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn blocks_sections_and_tables_are_found() {
    let text = "# A\n\n## B\n| x | y |\n|---|---|\n| `1` | a `b` |\n```sh\n# no heading\n```\n### C\nc\n## D\nd\n";
    let found = blocks(text);
    assert_eq!((found.len(), found[0].language.as_str(), found[0].line), (1, "sh", 8));
    assert_eq!(found[0].text, "# no heading\n");
    assert!(!prose(text).contains("no heading"));
    assert!(section(&prose(text), "## B").ends_with("### C\nc\n"));
    assert_eq!(section(text, "## Z"), "");
    assert_eq!(rows(text, &["x"]), [["`1`", "a `b`"]]);
    assert!(rows(text, &["y"]).is_empty());
    assert_eq!(code("`1`"), Some("1"));
    assert_eq!(code("`1` and `2`"), None);
    assert_eq!(code_spans("a `b` c `d`").collect::<Vec<_>>(), ["b", "d"]);
}
