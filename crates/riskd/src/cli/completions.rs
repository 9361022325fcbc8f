//! `riskd completions`.

use clap_complete::Shell;

use super::Context;
use crate::failure::{Exit, Failure};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd completions bash > ~/.local/share/bash-completion/completions/riskd\nriskd completions zsh > ~/.zfunc/_riskd\nriskd completions fish > ~/.config/fish/completions/riskd.fish"))]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command_line(), "riskd", &mut script);
    context.output.line(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::DONE)
}
