//! The program as a user starts it: what it prints where, and how it ends.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output, Stdio};

fn riskd(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
    command.args(words).stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("RISKD_LOG");
    command
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn the_version_and_the_help_are_answers() {
    let output = riskd(&["--version"]).output().unwrap();
    assert_eq!(texts(&output), (format!("riskd {}\n", env!("CARGO_PKG_VERSION")), String::new()));
    assert_eq!(output.status.code(), Some(0));

    let output = riskd(&["--help"]).output().unwrap();
    let (out, error) = texts(&output);
    assert!(out.contains("Exit codes:") && out.contains("--config <DIR>"), "{out}");
    assert_eq!((error.as_str(), output.status.code()), ("", Some(0)));
    assert!(!out.contains('\x1b'), "no colours into a pipe");
}

#[test]
fn wrong_usage_is_told_on_standard_error() {
    for words in [&[][..], &["no-such-command"], &["--no-color", "--json", "-q", "-v"]] {
        let output = riskd(words).output().unwrap();
        let (out, error) = texts(&output);
        assert_eq!((out.as_str(), output.status.code()), ("", Some(2)), "{words:?}");
        assert!(error.contains("Usage: riskd"), "{error}");
        assert!(!error.contains('\x1b'), "no colours into a pipe");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = riskd(&["--help"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    let (_, error) = texts(&output);
    assert_eq!((error.as_str(), output.status.code()), ("", Some(0)));
}
