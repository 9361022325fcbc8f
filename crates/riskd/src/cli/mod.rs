//! The command line: one file a command, whose `Args` carry the help text and whose `run` does the work.
//!
//! To add a command, write its file with `pub struct Args` (deriving `clap::Args`) and
//! `pub fn run(args: Args, context: &Context) -> Result<Exit, Failure>`, and give it a line in `commands!` below.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{ConfigFolder, DatabaseConfig, LoggingConfig};
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::{self, LogDetail, LoggingGuard};
use crate::output::{Output, Style};

macro_rules! commands {
    ($($(#[$attribute:meta])* $module:ident => $variant:ident,)*) => {
        $(pub mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Command {
            $($(#[$attribute])* $variant($module::Args),)*
        }

        impl Command {
            fn run(self, context: &Context) -> Result<Exit, Failure> {
                match self {
                    $(Self::$variant(args) => $module::run(args, context),)*
                }
            }
        }
    };
}

// In the order in which `riskd --help` lists them.
commands! {
    demo => Demo,
    run => Run,
    sim => Sim,
    status => Status,
    top => Top,
    log => Log,
    unlock => Unlock,
    reload => Reload,
    rules => Rules,
    replay => Replay,
    accounts => Accounts,
    stop => Stop,
    admin => Admin,
    alerts => Alerts,
    config => Config,
    db => Db,
    service => Service,
    support_bundle => SupportBundle,
    completions => Completions,
    man => Man,
}

pub(crate) mod failures;
mod pace;
mod reach_options;
mod remote;
mod secret_input;
mod state;
mod supervisor;
mod words;

/// Watches a futures account at the broker and flattens, cancels and locks it the moment a risk rule is broken.
#[derive(Debug, Parser)]
#[command(name = "riskd", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: GlobalOptions,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; the database file is unchanged
  2  wrong usage, or a config file that cannot be used
  3  verification found deviations
  4  the database is newer than this program
  5  the database is in use by another process
  6  not a risk-manager database
  7  no space or no permission";

/// What follows a command's options in its help: examples, and what its exit code means.
fn help(examples: &str) -> String {
    let examples: Vec<String> = examples.lines().map(|line| format!("  {}", line.trim_start())).collect();
    format!("Examples:\n{}\n\n{EXIT_CODES}", examples.join("\n"))
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct GlobalOptions {
    /// Folder that holds the YAML files; relative paths in them start from the folder around it [default: config]
    #[arg(long, value_name = "DIR", global = true)]
    pub config: Option<PathBuf>,
    /// Answer with one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more: -v for details, -vv for everything
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Show only answers and failures
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Use no colours, as the variable NO_COLOR asks too
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// What a command needs of the world around it.
pub struct Context {
    /// Where its words go.
    pub output: Output,
    /// Where the config files are.
    pub config: ConfigFolder,
    /// The options every command takes.
    pub global: GlobalOptions,
}

impl Context {
    /// The state database's config, for a database named on the command line or the configured one.
    pub fn database(&self, path_argument: Option<&Path>) -> Result<DatabaseConfig, Failure> {
        Ok(DatabaseConfig::load(&self.config, path_argument)?)
    }

    /// Starts the log: a command says how much of it people see on the terminal. Keep the guard until the end.
    pub fn start_logging(&self, usual: LogDetail) -> Result<LoggingGuard, Failure> {
        let config = LoggingConfig::load(&self.config)?;
        let detail = LogDetail::asked_for(usual, self.global.verbose, self.global.quiet, config.level);
        logging::start(&self.output, detail, config.files.as_ref())
    }
}

/// The program: reads the command line of this process, runs the command, and says how it went.
pub fn main() -> ExitCode {
    // One TLS implementation for the whole process. It is only ever refused when one is there already.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    ExitCode::from(run(std::env::args_os().collect()))
}

/// Everything that may stand on the command line, for tests of documents and for completions.
pub fn command_line() -> clap::Command {
    Cli::command()
}

/// Runs the program with these arguments, the program's name first, and gives its exit code.
fn run(arguments: Vec<OsString>) -> u8 {
    let cli = match parse(arguments) {
        Ok(cli) => cli,
        Err(answer) => {
            let code = if answer.use_stderr() { FailureKind::Usage.exit_code() } else { Exit::DONE.code() };
            // Nobody reads the help any more: then nobody reads a complaint either.
            let _closed = answer.print();
            return code;
        }
    };
    let global = cli.global;
    let output = Output::of_this_process(Style::of_this_process(global.json, global.quiet, global.no_color));
    let config = match ConfigFolder::open(global.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return end(&output, Err(error.into())),
    };
    let context = Context { output, config, global };
    let result = cli.command.run(&context);
    end(&context.output, result)
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    // The option must hold for the complaints about the options, too.
    let no_colour = arguments.iter().any(|argument| argument == "--no-color");
    let colour = if no_colour { ColorChoice::Never } else { ColorChoice::Auto };
    Cli::from_arg_matches(&Cli::command().color(colour).try_get_matches_from(arguments)?)
}

fn end(output: &Output, result: Result<Exit, Failure>) -> u8 {
    let code = match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            output.failure(&failure);
            failure.kind.exit_code()
        }
    };
    match output.finish() {
        Err(error) if code == Exit::DONE.code() => {
            output.failure(&Failure::new(FailureKind::Failed, format!("The answer could not be written: {error}")));
            FailureKind::Failed.exit_code()
        }
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            if command.has_subcommands() {
                command.get_subcommands().for_each(|inner| check(inner, &path));
                return;
            }
            let after = command.get_after_long_help().or(command.get_after_help());
            let long = command.get_long_about();
            let shows_example = [after, long].into_iter().flatten().any(|text| text.to_string().contains("riskd "));
            assert!(shows_example, "{path}: the help shows no example (riskd …)");
        }
        Cli::command().get_subcommands().for_each(|command| check(command, "riskd"));
    }

    #[test]
    fn exit_codes_in_the_help_are_those_of_the_kinds() {
        use FailureKind::{Deviations, Failed, InUse, NewerDatabase, NoSpaceOrPermission, NotOurs, Usage};
        for kind in [Failed, Usage, Deviations, NewerDatabase, InUse, NotOurs, NoSpaceOrPermission] {
            let code = kind.exit_code();
            assert!(
                EXIT_CODES.lines().any(|line| line.starts_with(&format!("  {code}  "))),
                "{code} is not in the help"
            );
        }
    }

    #[test]
    fn help_is_an_answer_and_wrong_usage_is_not() {
        for (words, is_mistake) in [
            (&["riskd", "--help"][..], false),
            (&["riskd", "--version"], false),
            (&["riskd"], true),
            (&["riskd", "--no-color", "no-such-command"], true),
            (&["riskd", "-q", "-v"], true),
        ] {
            let answer = parse(words.iter().map(OsString::from).collect()).expect_err("no command runs");
            assert_eq!(answer.use_stderr(), is_mistake, "{words:?}");
        }
    }

    #[test]
    fn a_failed_command_says_so_and_a_full_disk_is_a_failure() {
        let (output, captured) = Output::captured(Style::default());
        let failure = Failure::new(FailureKind::NewerDatabase, "Database schema v3 is newer");
        assert_eq!(end(&output, Err(failure)), 4);
        assert_eq!(captured.error(), "✗ Database schema v3 is newer\n");
        assert_eq!(end(&output, Ok(Exit::DEVIATIONS)), 3);
    }
}
