//! `riskd man`.

use std::path::PathBuf;

use super::Context;
use crate::failure::{Exit, Failure, FailureKind};

/// Print the manual page, or write one page a command into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd man | man -l -\nriskd man --folder ~/.local/share/man/man1"))]
pub struct Args {
    /// Folder for one page a command, riskd.1, riskd-run.1, …; made if it is not there
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints or writes the pages.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let command = super::command_line();
    let Some(folder) = args.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::new(FailureKind::Failed, error.to_string()))?;
        context.output.line(String::from_utf8_lossy(&page).trim_end());
        return Ok(Exit::DONE);
    };
    std::fs::create_dir_all(&folder)
        .and_then(|()| clap_mangen::generate_to(command, &folder))
        .map_err(|error| {
            let what = format!("The pages could not be written to {}: {error}.", folder.display());
            Failure::new(FailureKind::NoSpaceOrPermission, what)
        })?;
    context.output.done(format!("One page a command in {}", folder.display()));
    Ok(Exit::DONE)
}
