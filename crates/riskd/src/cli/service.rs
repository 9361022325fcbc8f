//! `riskd service …`: riskd as a service of systemd.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Context;
use crate::config::{API_KEY_CREDENTIAL, ApiKeySource, GatewayConfig, LoggingConfig};
use crate::failure::{Exit, Failure, FailureKind};

/// Where systemd looks for units of the whole machine.
const SYSTEM_UNITS: &str = "/etc/systemd/system";
/// The unit's file.
const UNIT: &str = "riskd.service";

/// Keep riskd running: a hardened systemd unit
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = super::help("riskd service install --print"))]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(Install),
}

/// Write a systemd unit for this config folder, with a watchdog, and say what to type next
///
/// The unit restarts riskd whenever it ends, tells systemd when the accounts are watched, and lets systemd end a daemon
/// whose loop hangs. It may write its data and nothing else. Nothing is started.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd service install --print\nriskd service install --user\nsudo riskd --config /var/lib/riskd/config service install --run-as riskd"))]
struct Install {
    /// For your own systemd instead of the machine's
    #[arg(long)]
    user: bool,
    /// Print the unit and write nothing
    #[arg(long)]
    print: bool,
    /// User the service runs as; not with --user
    #[arg(long, value_name = "USER", default_value = "riskd", conflicts_with = "user")]
    run_as: String,
    /// File with the API key that systemd hands over [default: api_key_file of gateway.yaml]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Folder the unit is written into [default: /etc/systemd/system, or ~/.config/systemd/user]
    #[arg(long, value_name = "DIR")]
    unit_folder: Option<PathBuf>,
    /// Overwrite a unit that is there and differs
    #[arg(long)]
    replace: bool,
}

/// Runs one of the commands of the service.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.command {
        Command::Install(args) => install(&args, context),
    }
}

/// What the unit is made of.
struct Unit<'a> {
    program: PathBuf,
    config: PathBuf,
    base: PathBuf,
    writable: Vec<PathBuf>,
    key_file: Option<PathBuf>,
    run_as: Option<&'a str>,
}

fn install(args: &Install, context: &Context) -> Result<Exit, Failure> {
    let unit = Unit::of(args, context)?;
    let text = unit.text()?;
    if args.print {
        context.output.json(&serde_json::json!({ "unit": text }));
        context.output.line(text.trim_end());
        return Ok(Exit::DONE);
    }
    let folder = match &args.unit_folder {
        Some(folder) => folder.clone(),
        None if args.user => users_units()?,
        None => PathBuf::from(SYSTEM_UNITS),
    };
    let file = folder.join(UNIT);
    let there = std::fs::read_to_string(&file).ok();
    if there.as_ref().is_some_and(|there| *there != text) && !args.replace {
        let question = format!("{} is there and differs. Overwrite it?", file.display());
        if context.output.ask(&question) != Some(true) {
            return Err(Failure::new(FailureKind::Failed, format!("{} is there and differs.", file.display()))
                .meaning("Nothing was changed.")
                .next("riskd service install --print shows the new one; --replace overwrites"));
        }
    }
    for folder in &unit.writable {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, &text))
        .map_err(|error| cannot_write(&file, &error))?;
    context.output.json(&serde_json::json!({ "unit_file": file.display().to_string() }));
    context.output.done(file.display().to_string());
    for line in next_steps(args, &unit) {
        context.output.line(format!("  {line}"));
    }
    Ok(Exit::DONE)
}

impl<'a> Unit<'a> {
    fn of(args: &'a Install, context: &Context) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new(FailureKind::Failed, format!("this program does not know where it is: {error}")))?;
        let gateway = GatewayConfig::load(&context.config)?.ok_or_else(|| {
            let what = format!("{} is not there.", context.config.file("gateway.yaml").display());
            Failure::new(FailureKind::Usage, what).meaning("A service could not protect anything.").next("riskd config init")
        })?;
        let database = context.database(None)?;
        let config = absolute(context.config.path())?;
        let base = config.parent().unwrap_or(&config).to_owned();
        let mut writable = vec![folder_of(&absolute(&database.path)?), absolute(&database.backup.directory)?];
        if let Some(files) = LoggingConfig::load(&context.config)?.files {
            writable.push(absolute(&files.directory)?);
        }
        writable.sort();
        // What lies within another is writable with it.
        let all = writable.clone();
        writable.retain(|path| !all.iter().any(|other| path != other && path.starts_with(other)));
        writable.dedup();
        let key_file = match (&args.key_file, gateway.api_key) {
            (Some(file), _) => Some(absolute(file)?),
            (None, ApiKeySource::File(file)) => Some(absolute(&file)?),
            (None, _) => None,
        };
        let run_as = (!args.user).then_some(args.run_as.as_str());
        Ok(Self { program, config, base, writable, key_file, run_as })
    }

    fn text(&self) -> Result<String, Failure> {
        let mut text = String::from(
            "# Written by `riskd service install`. Changes of your own belong into a drop-in: systemctl edit riskd\n[Unit]\n\
             Description=riskd keeps a futures account alive\nWants=network-online.target\nAfter=network-online.target\n\
             # It is started again for ever, however often it ends.\nStartLimitIntervalSec=0\n\n[Service]\nType=notify\n\
             NotifyAccess=main\n",
        );
        let mut line = |line: String| writeln!(text, "{line}").expect("writing to a text cannot fail");
        if let Some(user) = self.run_as {
            if user.is_empty() || user.contains(|letter: char| letter.is_whitespace() || letter == '%') {
                return Err(Failure::new(FailureKind::Usage, format!("{user:?} is not the name of a user.")));
            }
            line(format!("User={user}"));
        }
        line(format!("WorkingDirectory={}", plain(&self.base)?));
        line(format!("ExecStart={} --config {} run", quoted(&self.program)?, quoted(&self.config)?));
        match &self.key_file {
            Some(file) => line(format!("LoadCredential={API_KEY_CREDENTIAL}:{}", plain(file)?)),
            None => line(format!(
                "# The key: a file only root can read, handed over by systemd.\n#LoadCredential={API_KEY_CREDENTIAL}:/etc/riskd/gateway.key"
            )),
        }
        text.push_str(
            "# Ready means watching: a broker that is down, and a migration after a failure, are waited for without end.\n\
             TimeoutStartSec=infinity\n# An ordered stop takes up to 38 seconds.\nTimeoutStopSec=60\n\
             # The loop feeds it; a loop that hangs is ended, and riskd started anew.\nWatchdogSec=30\nRestart=always\nRestartSec=2\n\
             # A config that cannot be used, a newer database and a foreign one do not mend themselves.\n\
             RestartPreventExitStatus=2 4 6\n\nUMask=0077\n# No core dump: keys could be in it.\nLimitCORE=0\nNoNewPrivileges=yes\n",
        );
        if self.run_as.is_none() {
            // What follows needs name spaces, which a user's own systemd has only together with this.
            text.push_str("PrivateUsers=yes\n");
        }
        text.push_str("ProtectSystem=strict\nProtectHome=read-only\n");
        for path in &self.writable {
            writeln!(text, "ReadWritePaths={}", quoted(path)?).expect("writing to a text cannot fail");
        }
        text.push_str(
            "PrivateTmp=yes\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\nRestrictNamespaces=yes\nRestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\nLockPersonality=yes\nMemoryDenyWriteExecute=yes\nSystemCallArchitectures=native\n\
             SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\n",
        );
        if self.run_as.is_some() {
            text.push_str(
                "CapabilityBoundingSet=\nAmbientCapabilities=\nPrivateDevices=yes\nProtectClock=yes\nProtectHostname=yes\n\
                 ProtectKernelLogs=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\nProtectControlGroups=yes\n\
                 ProtectProc=invisible\n# The last to go when memory runs out.\nOOMScoreAdjust=-500\n",
            );
        }
        let target = if self.run_as.is_some() { "multi-user.target" } else { "default.target" };
        writeln!(text, "\n[Install]\nWantedBy={target}").expect("writing to a text cannot fail");
        Ok(text)
    }
}

fn next_steps(args: &Install, unit: &Unit<'_>) -> Vec<String> {
    let mut steps = Vec::new();
    if args.user {
        steps.push("Next: systemctl --user daemon-reload && systemctl --user enable --now riskd".to_owned());
        steps.push("      loginctl enable-linger     or it ends when you log out".to_owned());
        steps.push("      systemctl --user status riskd; journalctl --user -u riskd -f".to_owned());
    } else {
        let user = &args.run_as;
        let writable: Vec<String> = unit.writable.iter().map(|path| path.display().to_string()).collect();
        steps.push(format!("Next: useradd --system --no-create-home {user}     if there is no such user yet"));
        steps.push(format!("      chown -R {user}: {}", writable.join(" ")));
        steps.push("      systemctl daemon-reload && systemctl enable --now riskd".to_owned());
        steps.push("      systemctl status riskd; journalctl -u riskd -f".to_owned());
    }
    if unit.key_file.is_none() {
        steps.push(format!("The key: put it into a file (chmod 600) and name it with --key-file, or {API_KEY_CREDENTIAL} is missing."));
    }
    steps
}

fn users_units() -> Result<PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    config.map(|config| config.join("systemd/user")).ok_or_else(|| {
        Failure::new(FailureKind::Usage, "Neither HOME nor XDG_CONFIG_HOME says where your units are.")
            .next("name the folder with --unit-folder")
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::new(FailureKind::Failed, format!("{} cannot be found: {error}", path.display()));
    // A path that is there is shown as it is, without `..`.
    std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).map_err(failed)
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(file).to_owned()
}

/// A path for a setting that takes the rest of the line: only what would be an order to systemd is escaped.
fn plain(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| {
        Failure::new(FailureKind::Usage, format!("{} cannot stand in a unit: it is not plain text.", path.display()))
    })?;
    Ok(text.replace('%', "%%"))
}

/// A path as one word.
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = plain(path)?.replace('$', "$$");
    if text.contains([' ', '"', '\'', '\\', ';', '#']) {
        return Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    Ok(text)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::NoSpaceOrPermission, format!("{} could not be written: {error}.", path.display()))
        .meaning("No unit was written.")
        .next("run it as root, or with --user for your own systemd")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_are_words_and_never_orders() {
        for (path, expected) in [
            ("/var/lib/riskd", "/var/lib/riskd"),
            ("/home/ann lee/r", "\"/home/ann lee/r\""),
            ("/a%h/b", "/a%%h/b"),
            ("/a$X", "/a$$X"),
            ("/a\"b", "\"/a\\\"b\""),
        ] {
            assert_eq!(quoted(Path::new(path)).unwrap(), expected);
        }
        assert!(quoted(Path::new("/a\nExecStart=/bin/x")).is_err());
    }
}
