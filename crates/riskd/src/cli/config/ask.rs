//! Questions on a terminal. A secret is not shown while it is typed or pasted.

use std::io::{self, BufRead, Write};

use ratatui::crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use secrecy::SecretString;

use crate::failure::{Failure, FailureKind};

/// No secret is longer, in bytes.
const LONGEST: usize = 4096;

/// Asks for a line; an empty one is the default, where there is one.
pub(super) fn line(question: &str, default: Option<&str>) -> Result<String, Failure> {
    loop {
        match default {
            Some(default) => prompt(&format!("{question} [{default}] ")),
            None => prompt(&format!("{question} ")),
        }
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer).map_err(|error| gone(&error.to_string()))?;
        if read == 0 {
            return Err(gone("the answers ended"));
        }
        let answer = plain(&answer);
        match (answer.is_empty(), default) {
            (false, _) => return Ok(answer),
            (true, Some(default)) => return Ok(default.to_owned()),
            (true, None) => prompt("  An answer is needed here.\n"),
        }
    }
}

/// Asks a yes-or-no question.
pub(super) fn yes(question: &str) -> Result<bool, Failure> {
    Ok(line(&format!("{question} (y/n)"), Some("n"))?.to_lowercase().starts_with('y'))
}

/// Asks for a secret, which is not shown.
pub(super) fn secret(question: &str) -> Result<SecretString, Failure> {
    loop {
        // First the terminal, then the question: whoever answers at once must not see the answer.
        let raw = Raw::enter().map_err(|error| gone(&error.to_string()))?;
        prompt(&format!("{question} (not shown; paste it, then Enter) "));
        let typed = typed();
        drop(raw);
        prompt("\n");
        let typed = typed?;
        let secret = typed.trim();
        if secret.is_empty() {
            prompt("  An answer is needed here.\n");
        } else if secret.contains(char::is_whitespace) {
            prompt("  That has a blank in it: only part of a key, or more than a key.\n");
        } else {
            prompt(&format!("  {} characters.\n", secret.chars().count()));
            return Ok(SecretString::from(secret));
        }
    }
}

/// A terminal that shows nothing and tells a paste from typing. Dropping it gives the usual one back.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let raw = Self;
        execute!(io::stderr(), EnableBracketedPaste)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _gone = execute!(io::stderr(), DisableBracketedPaste);
        let _gone = disable_raw_mode();
    }
}

fn typed() -> Result<String, Failure> {
    let mut text = String::new();
    loop {
        match event::read().map_err(|error| gone(&error.to_string()))? {
            Event::Paste(pasted) => text.push_str(&pasted),
            Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Enter => return Ok(text),
                KeyCode::Backspace => {
                    text.pop();
                }
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    return Err(gone("it was interrupted"));
                }
                KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
                KeyCode::Char('j' | 'm') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(text),
                KeyCode::Char(letter) => text.push(letter),
                _ => {}
            },
            _ => {}
        }
        if text.len() > LONGEST {
            return Err(Failure::new(FailureKind::Usage, "That is too long to be a key.").meaning("Nothing was written."));
        }
    }
}

/// An answer without what a terminal puts around a paste.
fn plain(answer: &str) -> String {
    let answer = answer.replace("\u{1b}[200~", "").replace("\u{1b}[201~", "");
    answer.chars().filter(|letter| !letter.is_control()).collect::<String>().trim().to_owned()
}

fn prompt(text: &str) {
    let mut error = io::stderr().lock();
    // A terminal that is gone is noticed when the answer is read.
    let _gone = error.write_all(text.as_bytes()).and_then(|()| error.flush());
}

fn gone(why: &str) -> Failure {
    Failure::new(FailureKind::Failed, format!("The questions could not be asked: {why}."))
        .meaning("Nothing was written.")
        .next("run it on a terminal, or with --non-interactive and its options: riskd config init --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_answer_is_what_was_pasted() {
        for (answer, expected) in
            [("  ann \n", "ann"), ("\u{1b}[200~ann\u{1b}[201~\r\n", "ann"), ("a\u{7}b\n", "ab"), ("\n", "")]
        {
            assert_eq!(plain(answer), expected);
        }
    }
}
