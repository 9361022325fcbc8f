//! `riskd top --once` against a server that answers like the daemon's.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::scene;

/// Answers every question, and says which paths were asked and with which token.
fn serve(token: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { return };
                let heads: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches("/api/v1/").to_owned();
                let allowed = token.is_none_or(|token| {
                    heads.iter().any(|head| head.eq_ignore_ascii_case(&format!("authorization: Bearer {token}")))
                });
                let (status, body) =
                    if allowed { ("200 OK", scene::answer(&path).to_string()) } else { ("401 No", String::new()) };
                let length = body.len();
                let _gone =
                    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            });
        }
    });
    address
}

fn top(arguments: &[&str], token: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskd"));
    command.arg("top").args(arguments).env("RISKD_TOKEN", token).stdin(std::process::Stdio::null());
    command.output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn one_frame_of_each_tab_is_printed_as_text() {
    let url = serve(None);
    for (tab, words) in [
        ("accounts", "LOCKED"),
        ("account", "MNQZ6"),
        ("log", "realized loss"),
        ("rules", "NOT ARMED"),
        ("database", "v2, current"),
    ] {
        let output = top(&["--once", "--url", &url, "--tab", tab], "");
        let (out, error) = texts(&output);
        assert_eq!(output.status.code(), Some(0), "{tab}: {out}{error}");
        assert!(out.contains(words) && !out.contains('\u{1b}'), "{tab}: {out}");
    }
    let output = top(&["--json", "--url", &url], "");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["accounts"][0]["id"], 1001);
}

#[test]
fn a_token_is_sent_and_its_absence_is_said() {
    let url = serve(Some("t0ken"));
    assert_eq!(top(&["--once", "--url", &url], "t0ken").status.code(), Some(0));
    let output = top(&["--once", "--url", &url], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("riskd wants the trader's token: name its file with --token-file"), "{output:?}");
}

#[test]
fn nobody_there_and_no_terminal_are_said() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = top(&["--once", "--url", &format!("http://{free}")], "");
    assert_eq!(output.status.code(), Some(1));
    let (_, error) = texts(&output);
    assert!(error.contains("does not answer: Connection refused") && error.contains("nothing is protected"), "{error}");
    let output = top(&["--url", &format!("http://{free}")], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(texts(&output).1.contains("riskd top needs a terminal."), "{output:?}");
}
