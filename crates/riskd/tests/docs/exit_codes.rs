//! The table of exit codes in docs/migrating.md against what `riskd --help` says.

use std::process::Command;

use crate::markdown::{prose, rows, section};
use crate::{document, must_be_empty};

/// `code meaning` of each line under "Exit codes:".
fn in_help(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().replacen("  ", " ", 1)).collect()
}

fn violations(document: &str, help: &str) -> Vec<String> {
    let table = rows(section(document, "## Exit codes"), &["code", "meaning"]);
    let (said, truth) = (table.iter().map(|row| row[..2].join(" ")).collect::<Vec<_>>(), in_help(help));
    if said == truth { Vec::new() } else { vec![format!("the document says {said:?}, the help {truth:?}")] }
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let output = Command::new(env!("CARGO_BIN_EXE_riskd")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(in_help(&help).len(), 8, "{help}");
    must_be_empty(&violations(&prose(&document("docs/migrating.md")), &help));
}

#[test]
fn a_wrong_exit_code_is_found() {
    let help = "Usage\n\nExit codes:\n  0  done\n  1  failed\n";
    let text =
        "# M\n## Exit codes\n\n| code | meaning | such as |\n|---|---|---|\n| 0 | done | x |\n| 1 | failed | |\n";
    assert!(violations(text, help).is_empty());
    for (wrong, right) in [("| 1 | failed | |\n", ""), ("| 1 |", "| 2 |"), ("failed", "broken")] {
        assert_eq!(violations(&text.replace(wrong, right), help).len(), 1, "{right}");
    }
}
