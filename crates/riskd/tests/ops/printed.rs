//! What other programs read: completion scripts and manual pages.

use std::process::{Command, Stdio};

use riskd::cli::command_line;

fn riskd(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_riskd")).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = riskd(&["completions", shell]);
        for command in ["support-bundle", "doctor", "service"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
    // bash itself reads it without a word.
    let script = riskd(&["completions", "bash"]);
    let output = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_has_a_manual_page() {
    let main = riskd(&["man"]);
    assert!(main.contains(".TH riskd 1"), "{main}");
    let folder = tempfile::tempdir().unwrap();
    riskd(&["man", "--folder", folder.path().to_str().unwrap()]);
    let mut expected = vec!["riskd.1".to_owned()];
    fn names(command: &clap::Command, path: &str, expected: &mut Vec<String>) {
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            let name = format!("{path}-{}", inner.get_name());
            expected.push(format!("{name}.1"));
            names(inner, &name, expected);
        }
    }
    names(&command_line(), "riskd", &mut expected);
    for name in expected {
        let page = std::fs::read_to_string(folder.path().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
}
