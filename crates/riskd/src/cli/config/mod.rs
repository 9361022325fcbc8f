//! `riskd config …`: the config files.

mod ask;
mod files;
mod init;

use clap::Subcommand;

use super::Context;
use crate::failure::{Exit, Failure};

/// Make the config files
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = super::help("riskd config init"))]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<init::Args>),
}

/// Runs one of the commands of the config.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Init(args) => init::run(&args, context),
    }
}
