//! docs/commands.md is the program's own help, page by page. `RISKD_WRITE_DOCS=1 cargo test -p riskd --test docs` writes it.

use std::fmt::Write;

use riskd::cli::command_line;

use crate::{document, root};

/// Width of the help, in cells.
const WIDTH: usize = 100;

fn reference() -> String {
    let mut command = command_line().term_width(WIDTH);
    command.build();
    let mut text = String::from(
        "# Commands\n\nWritten from the program's own help by `crates/riskd/tests/docs/reference.rs`; do not edit. The exit codes \
         are the same for every\ncommand, and stand once, at the end.\n",
    );
    describe(&mut command, &mut text);
    let whole = command.render_long_help().to_string();
    let codes = whole.find("Exit codes:").map_or("", |at| &whole[at..]);
    writeln!(text, "\n## Exit codes\n\n```text\n{}\n```", codes.trim_end()).unwrap();
    text
}

fn describe(command: &mut clap::Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help = help.split("\nExit codes:").next().unwrap_or_default();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    writeln!(text, "\n## {name}\n\n```text\n{}\n```", lines.join("\n").trim_end()).unwrap();
    let inner: Vec<String> = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
        .map(|inner| inner.get_name().to_owned())
        .collect();
    for inner in inner {
        if let Some(inner) = command.find_subcommand_mut(&inner) {
            describe(inner, text);
        }
    }
}

#[test]
fn the_reference_is_the_help_of_the_program() {
    let reference = reference();
    if std::env::var_os("RISKD_WRITE_DOCS").is_some() {
        std::fs::write(root().join("docs/commands.md"), &reference).unwrap();
    }
    let said = document("docs/commands.md");
    for (index, (said, expected)) in said.lines().zip(reference.lines()).enumerate() {
        assert_eq!(said, expected, "docs/commands.md:{}: write it anew with RISKD_WRITE_DOCS=1", index + 1);
    }
    assert_eq!(said.len(), reference.len(), "docs/commands.md: write it anew with RISKD_WRITE_DOCS=1");
    assert!(reference.contains("## riskd db migrate"));
}
