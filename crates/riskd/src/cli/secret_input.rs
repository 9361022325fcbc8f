//! Passwords from the terminal, a file, or standard input: never from the command line, where every process could read them.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::config::refuse_what_others_can_read;
use crate::failure::{Failure, FailureKind};

/// More than any password, in bytes.
const MOST_READ: u64 = 64 * 1024;

/// Where a password comes from.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PasswordInput {
    /// Read the password from this file instead of asking for it
    #[arg(long, value_name = "FILE", conflicts_with = "stdin")]
    password_file: Option<PathBuf>,
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    stdin: bool,
}

impl PasswordInput {
    /// The password of the file or of standard input; absent when it is to be asked for.
    pub(crate) fn read(&self) -> Result<Option<SecretString>, Failure> {
        let mut text = String::new();
        let (read, place) = match &self.password_file {
            Some(file) => {
                refuse_what_others_can_read(file, "password")?;
                let read = std::fs::File::open(file).and_then(|file| file.take(MOST_READ).read_to_string(&mut text));
                (read, file.display().to_string())
            }
            None if self.stdin => {
                (std::io::stdin().lock().take(MOST_READ).read_to_string(&mut text), "standard input".to_owned())
            }
            None => return Ok(None),
        };
        let text = SecretString::from(text);
        read.map_err(|error| {
            Failure::new(FailureKind::Usage, format!("The password could not be read from {place}: {error}."))
        })?;
        Ok(Some(first_line(&text)))
    }
}

/// Asks for a password without showing it.
pub(crate) fn ask(prompt: &str) -> Result<SecretString, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(FailureKind::Usage, "There is no terminal to ask for the password on.")
            .next("use --password-file FILE, or --stdin with the password on standard input"));
    }
    rpassword::prompt_password(prompt)
        .map(SecretString::from)
        .map_err(|error| Failure::new(FailureKind::Usage, format!("The password could not be asked for: {error}.")))
}

/// Asks twice, so that a slip of the finger locks nobody out.
pub(crate) fn ask_twice(prompt: &str) -> Result<SecretString, Failure> {
    let password = ask(prompt)?;
    let again = ask("Once more: ")?;
    if password.expose_secret() == again.expose_secret() {
        return Ok(password);
    }
    Err(Failure::new(FailureKind::Usage, "The two passwords differ.").next("run the command again"))
}

/// A file or a pipe ends with a line break that is no part of the password.
fn first_line(text: &SecretString) -> SecretString {
    SecretString::from(text.expose_secret().lines().next().unwrap_or_default())
}
