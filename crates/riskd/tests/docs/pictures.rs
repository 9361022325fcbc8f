//! `scripts/terminal-picture`: what a terminal showed is what the picture shows.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::{document, must_be_empty, root};

fn picture(captured: &str, arguments: &[&str]) -> Result<String, String> {
    let mut child = Command::new("python3")
        .arg(root().join("scripts/terminal-picture"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(captured.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn colours_overwriting_and_boxes_are_drawn() {
    let captured = "noise\r\n10 %\r\x1b[2K\x1b[32m✓\x1b[0m a < b\r\n│ x │\r\n";
    let svg = picture(captured, &["--title", "t & u", "--from", "a <"]).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">t &amp; u</text>") && svg.contains(">a &lt; b</text>"), "{svg}");
    assert!(svg.contains("fill=\"#7ec87e\"") && svg.contains("✓"), "green as it was");
    assert!(!svg.contains("noise") && !svg.contains("10 %"), "what was overwritten or before the first line is gone");
    assert!(svg.contains("<path d=\"M") && !svg.contains('│'), "boxes are lines, not letters");
    assert_eq!(svg.matches("textLength=\"8.4\"").count(), 2, "one cell each: the mark and the x");
    assert!(picture(captured, &["--from", "nowhere"]).unwrap_err().contains("no line holds 'nowhere'"));
}

/// The numbers of the first line of a picture that holds `words`, in order.
fn numbers(svg: &str, words: &str) -> Vec<String> {
    let line = svg.lines().find(|line| line.contains(words)).unwrap_or_default();
    let text = line.rsplit_once("\">").map_or(line, |(_, text)| text);
    let parts = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    parts.filter(|part| part.parse::<f64>().is_ok()).map(str::to_owned).collect()
}

/// What the README must say of the run in the picture.
fn figures(svg: &str) -> Vec<String> {
    let (decisions, requests) = (numbers(svg, "From event to decision"), numbers(svg, "Requests to the broker"));
    let [events, median, _, p99, _, p999] = &decisions[..] else { return vec![format!("{decisions:?}")] };
    let [asked, closed] = &requests[..] else { return vec![format!("{requests:?}")] };
    let grouped = |text: &str| match text.len() {
        0..=3 => text.to_owned(),
        length => format!("{},{}", &text[..length - 3], &text[length - 3..]),
    };
    let slowest = match p999.parse::<f64>().unwrap() {
        short if short < 1_000.0 => format!("{short:.1} µs"),
        long => format!("{:.1} ms", long / 1_000.0),
    };
    vec![
        format!("{} events", grouped(events)),
        format!("median {median} µs, 99 % within {p99} µs, 99.9 % within {slowest}"),
        format!("| {asked}, of them {closed} to close |"),
    ]
}

#[test]
fn the_readme_says_what_the_picture_shows() {
    let (svg, readme) = (document("docs/images/demo.svg"), document("README.md"));
    let missing = figures(&svg).into_iter().filter(|figure| !readme.contains(figure));
    must_be_empty(&missing.map(|figure| format!("README.md does not say: {figure}")).collect::<Vec<_>>());
}

#[test]
fn the_figures_of_a_picture_are_read() {
    let svg = "<text x=\"1\">From event to decision, over 1234 events: median 1.5 µs, 99 % within 2.5 µs, 99.9 % within 3456.0 µs</text>\n\
               <text x=\"1\">Requests to the broker: 7, of them 3 to close</text>\n";
    let expected =
        ["1,234 events", "median 1.5 µs, 99 % within 2.5 µs, 99.9 % within 3.5 ms", "| 7, of them 3 to close |"];
    assert_eq!(figures(svg), expected);
    assert_eq!(figures("<svg></svg>"), ["[]"], "a picture of something else");
}
