//! `riskd admin`.

use clap::Subcommand;
use secrecy::ExposeSecret;

use super::Context;
use super::secret_input::{PasswordInput, ask_twice};
use crate::api::{self, PasswordError};
use crate::config::ApiConfig;
use crate::failure::{Exit, Failure, FailureKind};

/// Set up who may administer: unlock accounts, reload rules, stop the daemon
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    SetPassword(SetPassword),
}

/// Set the admin's password, asked for on the terminal; only its hash is kept
///
/// The hash (Argon2id) goes into the file named by api.admin_password_file, readable by its owner alone. A running daemon
/// takes the new password at once; who is logged in stays so until their session ends. On the command line, where every
/// process could read it, no password is taken.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd admin set-password\nriskd admin set-password --password-file new.txt\npass show riskd | riskd admin set-password --stdin"))]
struct SetPassword {
    #[command(flatten)]
    input: PasswordInput,
}

/// Runs a command of the family.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::SetPassword(args) => set_password(&args, context),
    }
}

fn set_password(args: &SetPassword, context: &Context) -> Result<Exit, Failure> {
    let config = ApiConfig::load(&context.config)?;
    let file = &config.admin_password_file;
    let password = match args.input.read()? {
        Some(password) => password,
        None => ask_twice("New admin password: ")?,
    };
    let length = password.expose_secret().chars().count();
    api::set_password(file, &password).map_err(|error| match error {
        PasswordError::Length => {
            let (shortest, longest) = (api::SHORTEST_PASSWORD, api::LONGEST_PASSWORD);
            Failure::new(FailureKind::Usage, format!("A password of {length} characters was not taken."))
                .meaning("The old one, if there was one, still holds.")
                .next(format!("use at least {shortest} characters, and at most {longest} bytes"))
        }
        error => Failure::new(FailureKind::NoSpaceOrPermission, format!("The password could not be kept: {error}."))
            .meaning("The old one, if there was one, still holds."),
    })?;
    context.output.json(&serde_json::json!({ "admin_password_file": file }));
    context.output.done(format!("Admin password set; its hash is in {}", file.display()));
    Ok(Exit::DONE)
}
