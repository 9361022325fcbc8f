//! `riskd db …`: the state database. The work is the store's; here are questions, words and exit codes.

mod backup;
mod backups;
mod doctor;
mod expand;
mod fleet;
mod migrate;
mod plan;
mod progress;
mod restore;
mod rollback;
mod status;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Subcommand;
use jiff::Timestamp;
use riskd_store::{Clock, Features, Interrupt, Location};

use super::Context;
use crate::config::DatabaseConfig;
use crate::failure::{Exit, Failure, FailureKind};

/// Look at, plan, migrate, verify, mend, back up and restore the state database
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = super::help("riskd db status\nriskd db migrate data/state.db"))]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::Args),
    Plan(plan::Args),
    Migrate(migrate::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
    Backup(backup::Args),
    Backups(backups::Args),
    Restore(restore::Args),
    Rollback(rollback::Args),
}

/// Runs one of the commands of the state database.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Status(args) => status::run(&args, context),
        Command::Plan(args) => plan::run(&args, context),
        Command::Migrate(args) => migrate::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Backup(args) => backup::run(args, context),
        Command::Backups(args) => backups::run(&args, context),
        Command::Restore(args) => restore::run(&args, context),
        Command::Rollback(args) => rollback::run(&args, context),
    }
}

/// The argument that every command takes.
#[derive(Debug, clap::Args)]
struct Database {
    /// Database file [default: database.path of config/database.yaml, or data/state.db]
    path: Option<PathBuf>,
}

/// The option of commands that ask first.
#[derive(Debug, clap::Args)]
struct Consent {
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
}

/// A database and its config, ready to be worked on.
struct Target {
    config: DatabaseConfig,
    location: Location,
    features: Features,
    clock: Clock,
}

impl Target {
    fn of(database: &Database, context: &Context) -> Result<Self, Failure> {
        let config = context.database(database.path.as_deref())?;
        Ok(Self {
            location: config.location(),
            features: config.features(),
            clock: Clock::new(Timestamp::now),
            config,
        })
    }

    fn path(&self) -> std::path::Display<'_> {
        self.location.database().display()
    }

    /// Asks on a terminal, unless the config or `--yes` spares it; without a terminal nobody is asked.
    fn ask(&self, consent: &Consent, context: &Context, question: &str) -> Result<(), Failure> {
        let wanted = self.config.migration.require_confirmation && !consent.yes && !context.output.is_json();
        if wanted && context.output.ask(question) == Some(false) {
            let declined = Failure::new(FailureKind::Failed, "Nothing was done: the answer was no.");
            return Err(declined.meaning("The database is unchanged.").next("run the command again when you are ready"));
        }
        Ok(())
    }
}

/// A flag that Ctrl-C and SIGTERM set; a second signal ends the program at once, which the file survives.
fn interrupt() -> Result<Interrupt, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .map_err(|error| Failure::new(FailureKind::Failed, format!("Signals cannot be watched: {error}")))?;
    }
    Ok(Interrupt::from_flag(flag))
}

/// A backup named on the command line: a path, or a bare name in the folder of backups.
fn backup_named(name: &Path, target: &Target) -> Result<PathBuf, Failure> {
    let folder = &target.config.backup.directory;
    let candidates = [name.to_owned(), folder.join(name)];
    candidates.into_iter().find(|candidate| candidate.exists()).ok_or_else(|| {
        let what = format!("There is no backup {}, nor one of that name in {}.", name.display(), folder.display());
        Failure::new(FailureKind::Usage, what)
            .meaning("The database is unchanged.")
            .next("run `riskd db backups` to see what there is")
    })
}
