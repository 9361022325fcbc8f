//! `riskd config init`.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use riskd_core::model::{Account, AccountId};
use riskd_gateway::client::{CallError, ClientConfig, Gateway};
use secrecy::{ExposeSecret, SecretString};

use super::ask;
use super::files::{self, Broker, Limits};
use crate::cli::Context;
use crate::config::{API_KEY_VARIABLE, GatewayConfig, Surroundings};
use crate::daemon::Setup;
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;

/// Where the key is put unless told otherwise.
const KEY_FILE: &str = "secrets/gateway.key";
/// How often a key that is refused may be typed again.
const TRIES: u32 = 3;
/// The answer to "which firm" of those who have a simulator or a firm of their own.
const OTHER: &str = "other";

/// Make the config files: asks firm, user and key, checks the key at the broker, lets you pick the accounts
///
/// Writes gateway.yaml, accounts.yaml, risk_config.yaml and database.yaml with comments, and the key into a file that only
/// you can read. Nothing is overwritten without asking; what is overwritten is kept beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::help("riskd config init\nRISKD_API_KEY=… riskd config init --non-interactive --firm topstepx --user-name ann"))]
pub(super) struct Args {
    /// Firm whose gateway it is, such as topstepx
    #[arg(long, value_name = "NAME", conflicts_with_all = ["api_url", "hub_url"])]
    firm: Option<String>,
    /// REST address of any other gateway
    #[arg(long, value_name = "ADDRESS", requires = "hub_url")]
    api_url: Option<String>,
    /// Real-time address of any other gateway
    #[arg(long, value_name = "ADDRESS", requires = "api_url")]
    hub_url: Option<String>,
    /// User name at the broker
    #[arg(long, value_name = "NAME")]
    user_name: Option<String>,
    /// File the API key is put into
    #[arg(long, value_name = "FILE", default_value = KEY_FILE)]
    key_file: PathBuf,
    /// Read the API key from standard input [default: asked for, or the variable RISKD_API_KEY]
    #[arg(long)]
    key_stdin: bool,
    /// Account to protect; may be given more than once [default: asked for, or all the login sees]
    #[arg(long, value_name = "ID")]
    account: Vec<i64>,
    /// Most contracts at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_contracts: Option<u32>,
    /// Most dollars lost in a day, realized
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    daily_loss: Option<String>,
    /// Most dollars lost in open positions
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    unrealized_loss: Option<String>,
    /// Ask nothing: what no option says is taken from the defaults, or is an error
    #[arg(long)]
    non_interactive: bool,
    /// Overwrite files that are there; each is kept beside the new one
    #[arg(long)]
    replace: bool,
}

/// A positive amount of dollars, as it is written into the file.
fn dollars(text: &str) -> Result<String, String> {
    let amount = riskd_core::model::Money::parse(text.trim_start_matches('$')).map_err(|error| error.to_string())?;
    if amount <= riskd_core::model::Money::ZERO { Err("must be more than 0".to_owned()) } else { Ok(amount.to_string()) }
}

/// Asks, checks, writes.
pub(super) fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Errors)?;
    let interview = Interview { args, context, asks: !args.non_interactive };
    if interview.asks && !context.output.style().can_ask {
        return Err(Failure::new(FailureKind::Usage, "riskd config init asks questions, and nobody can answer here.")
            .meaning("Nothing was written.")
            .next("run it on a terminal, or with --non-interactive and its options: riskd config init --help"));
    }
    interview.may_overwrite()?;
    let broker = interview.broker()?;
    let user_name = interview.text(args.user_name.as_deref(), "User name at the broker?", "--user-name")?;
    let key_file = args.key_file.display().to_string();
    let gateway = files::gateway(&broker, &user_name, &key_file);
    let config = GatewayConfig::of_text(&context.config, &gateway)?;
    let (key, accounts) = interview.key_and_accounts(&config)?;
    let accounts = interview.pick(accounts)?;
    let limits = interview.limits()?;
    let texts = [
        ("gateway.yaml", gateway),
        ("accounts.yaml", files::accounts(&accounts)),
        ("risk_config.yaml", files::rules(&limits)),
        ("database.yaml", files::database()),
    ];
    interview.write(&texts, &key)?;
    // What was written is what the daemon would read, or it is not done.
    Setup::load(&context.config, &Surroundings::default())?;
    let folder = context.config.path().display();
    let ids: Vec<String> = accounts.iter().map(|account| account.id.to_string()).collect();
    context.output.json(&serde_json::json!({
        "config": context.config.path().display().to_string(),
        "key_file": context.config.resolve(&args.key_file).display().to_string(),
        "accounts": accounts.iter().map(|account| account.id.0).collect::<Vec<_>>(),
    }));
    context.output.done(format!("{folder}/ protects account {}", ids.join(", ")));
    let option = if folder.to_string() == "config" { String::new() } else { format!(" --config {folder}") };
    context.output.line(format!("  Next: riskd{option} run --check   says what would happen, and connects to nothing"));
    context.output.line(format!("        riskd{option} run           protects; riskd{option} service install keeps it running"));
    Ok(Exit::DONE)
}

struct Interview<'a> {
    args: &'a Args,
    context: &'a Context,
    asks: bool,
}

impl Interview<'_> {
    fn targets(&self) -> Vec<PathBuf> {
        let names = ["gateway.yaml", "accounts.yaml", "risk_config.yaml", "database.yaml"];
        let mut targets: Vec<PathBuf> = names.iter().map(|name| self.context.config.file(name)).collect();
        targets.push(self.context.config.resolve(&self.args.key_file));
        targets
    }

    /// Nothing is overwritten without a yes.
    fn may_overwrite(&self) -> Result<(), Failure> {
        let there: Vec<String> =
            self.targets().iter().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
        if there.is_empty() || self.args.replace {
            return Ok(());
        }
        let list = there.join(", ");
        if self.asks && ask::yes(&format!("{list} exist already. Overwrite them? Each is kept beside the new one"))? {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Failed, format!("{list} exist already."))
            .meaning("Nothing was written.")
            .next("name another folder with --config, or let them be overwritten with --replace"))
    }

    fn broker(&self) -> Result<Broker, Failure> {
        if let (Some(api_url), Some(hub_url)) = (&self.args.api_url, &self.args.hub_url) {
            return Ok(Broker::Addresses { api_url: api_url.clone(), hub_url: hub_url.clone() });
        }
        if let Some(firm) = &self.args.firm {
            return Ok(Broker::Firm(firm.clone()));
        }
        if !self.asks {
            return Err(missing("--firm, or --api-url and --hub-url"));
        }
        let firms: Vec<&str> = crate::config::known_firms().collect();
        self.context.output.line(format!("Firms: {}, {OTHER} (a simulator, or one that is not listed)", firms.join(", ")));
        loop {
            let firm = ask::line("Firm?", Some("topstepx"))?.to_lowercase();
            if firm == OTHER {
                return Ok(Broker::Addresses {
                    api_url: ask::line("REST address?", Some("http://127.0.0.1:8900"))?,
                    hub_url: ask::line("Real-time address?", Some("ws://127.0.0.1:8900"))?,
                });
            }
            if firms.contains(&firm.as_str()) {
                return Ok(Broker::Firm(firm));
            }
            self.context.output.warn(format!("{firm:?} is not among them"));
        }
    }

    fn text(&self, given: Option<&str>, question: &str, option: &str) -> Result<String, Failure> {
        match given {
            Some(given) => Ok(given.to_owned()),
            None if self.asks => ask::line(question, None),
            None => Err(missing(option)),
        }
    }

    /// A key the broker accepts, and the accounts it shows with it.
    fn key_and_accounts(&self, config: &GatewayConfig) -> Result<(SecretString, Vec<Account>), Failure> {
        for tries_left in (0..TRIES).rev() {
            let key = self.key()?;
            self.context.output.note("logging in at the broker");
            match accounts_of(config, &key) {
                Ok(accounts) => {
                    self.context.output.done(format!("The broker accepts the key; it shows {} account(s)", accounts.len()));
                    return Ok((key, accounts));
                }
                Err(failure) if self.asks && !self.args.key_stdin && tries_left > 0 => {
                    self.context.output.warn(&failure.what);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(missing("the API key"))
    }

    fn key(&self) -> Result<SecretString, Failure> {
        if self.args.key_stdin {
            let mut text = String::new();
            let read = std::io::stdin().lock().take(4096).read_to_string(&mut text);
            read.map_err(|error| Failure::new(FailureKind::Usage, format!("The key could not be read: {error}.")))?;
            let key = text.trim();
            return if key.is_empty() { Err(missing("the API key on standard input")) } else { Ok(SecretString::from(key)) };
        }
        if self.asks {
            return ask::secret("API key?");
        }
        let surroundings = Surroundings::of_this_process();
        let key = surroundings.get(API_KEY_VARIABLE).map(str::trim).filter(|key| !key.is_empty());
        key.map(SecretString::from).ok_or_else(|| missing(&format!("{API_KEY_VARIABLE} in the environment, or --key-stdin")))
    }

    fn pick(&self, accounts: Vec<Account>) -> Result<Vec<Account>, Failure> {
        if accounts.is_empty() {
            return Err(Failure::new(FailureKind::Failed, "The login sees no active account.")
                .meaning("There is nothing to protect. Nothing was written.")
                .next("check the user name, and whether the account is active at the broker"));
        }
        if !self.args.account.is_empty() {
            let known = |id: &i64| accounts.iter().find(|account| account.id == AccountId(*id)).cloned();
            let picked = self.args.account.iter().map(|id| {
                known(id).ok_or_else(|| {
                    Failure::new(FailureKind::Usage, format!("Account {id} is not among the active accounts of this login."))
                        .meaning("Nothing was written.")
                        .next(format!("one of: {}", ids(&accounts)))
                })
            });
            return picked.collect();
        }
        if !self.asks {
            return Ok(accounts);
        }
        for (index, account) in accounts.iter().enumerate() {
            let kind = if account.simulated { ", simulated" } else { "" };
            let trades = if account.can_trade == Some(false) { ", may not trade" } else { "" };
            self.context.output.line(format!("  {}  {} {} ({:#}{kind}{trades})", index + 1, account.id, account.name, account.balance));
        }
        loop {
            let answer = ask::line("Which of them? Numbers from the left, such as 1,3", Some("all"))?;
            match picked(&answer, &accounts) {
                Some(picked) => return Ok(picked),
                None => self.context.output.warn(format!("{answer:?} names none of them: 1 to {}, or all", accounts.len())),
            }
        }
    }

    fn limits(&self) -> Result<Limits, Failure> {
        let ask = |given: &Option<String>, question: &str, default: &str| match given {
            Some(given) => Ok(given.clone()),
            None if !self.asks => Ok(default.to_owned()),
            None => loop {
                match dollars(&ask::line(question, Some(default))?) {
                    Ok(amount) => return Ok::<_, Failure>(amount),
                    Err(error) => self.context.output.warn(error),
                }
            },
        };
        let max_contracts = match self.args.max_contracts {
            Some(count) => count,
            None if !self.asks => 5,
            None => loop {
                match ask::line("Most contracts at once?", Some("5"))?.parse::<u32>() {
                    Ok(count @ 1..=10_000) => break count,
                    _ => self.context.output.warn("a whole number from 1 to 10000"),
                }
            },
        };
        Ok(Limits {
            max_contracts,
            daily_loss: ask(&self.args.daily_loss, "Most dollars lost in a day, realized?", "500")?,
            unrealized_loss: ask(&self.args.unrealized_loss, "Most dollars lost in open positions?", "300")?,
        })
    }

    /// The key first: config files without it would only be in the way.
    fn write(&self, texts: &[(&str, String)], key: &SecretString) -> Result<(), Failure> {
        let stamp = Timestamp::now().strftime("%Y%m%d_%H%M%S").to_string();
        let key_file = self.context.config.resolve(&self.args.key_file);
        for target in self.targets().iter().filter(|target| target.exists()) {
            let mut kept = target.clone().into_os_string();
            kept.push(format!(".{stamp}.old"));
            std::fs::rename(target, &kept).map_err(|error| cannot_write(target, &error))?;
            self.context.output.note(format!("kept: {}", Path::new(&kept).display()));
        }
        write(&key_file, key.expose_secret(), 0o600)?;
        self.context.output.done(format!("{} (mode 0600)", key_file.display()));
        for (name, text) in texts {
            let path = self.context.config.file(name);
            write(&path, text, 0o644)?;
            self.context.output.done(path.display().to_string());
        }
        Ok(())
    }
}

/// Logs in and lists the accounts.
fn accounts_of(config: &GatewayConfig, key: &SecretString) -> Result<Vec<Account>, Failure> {
    let failed = |what: String| Failure::new(FailureKind::Failed, what).meaning("Nothing was written.");
    let client = ClientConfig::new(config.api_url.clone(), config.hub_url.clone(), config.user_name.clone(), key.clone());
    let gateway = Gateway::new(client, Arc::new(Timestamp::now)).map_err(|error| failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("the program could not start its threads: {error}")))?;
    runtime.block_on(async {
        let listed = gateway.search_accounts(true).await;
        // The session ends by itself if this fails.
        let _in_vain = gateway.log_out().await;
        match listed {
            Ok(listed) => Ok(listed.rows),
            Err(
                error @ (CallError::Refused { .. }
                | CallError::Unauthorized { .. }
                | CallError::NotLoggedIn { refused: true, .. }),
            ) => Err(failed(format!("The broker refuses this user name or key: {error}."))
                .next("copy both anew from the broker's platform; a key belongs to one user name")),
            Err(error) => Err(failed(format!("The broker at {} cannot be reached: {error}.", config.api_url))
                .next("check the network and the firm, then run the same command again")),
        }
    })
}

fn ids(accounts: &[Account]) -> String {
    accounts.iter().map(|account| account.id.to_string()).collect::<Vec<_>>().join(", ")
}

/// The accounts that an answer such as `1,3` or `all` picks; their own numbers do as well.
fn picked(answer: &str, accounts: &[Account]) -> Option<Vec<Account>> {
    if answer.trim().eq_ignore_ascii_case("all") {
        return Some(accounts.to_vec());
    }
    let mut picked: Vec<Account> = Vec::new();
    for part in answer.split([',', ' ']).filter(|part| !part.is_empty()) {
        let number: i64 = part.parse().ok()?;
        let by_place = usize::try_from(number).ok().and_then(|place| accounts.get(place.checked_sub(1)?));
        let account = by_place.or_else(|| accounts.iter().find(|account| account.id == AccountId(number)))?;
        if !picked.contains(account) {
            picked.push(account.clone());
        }
    }
    (!picked.is_empty()).then_some(picked)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    // New, never through a link that somebody else put there.
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.write_all(if text.ends_with('\n') { b"" } else { b"\n" })))
        .map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::NoSpaceOrPermission, format!("{} could not be written: {error}.", path.display()))
        .next("make room or give yourself the permission, then run it again with --replace")
}

fn missing(what: &str) -> Failure {
    Failure::new(FailureKind::Usage, format!("Needed and not given: {what}."))
        .meaning("Nothing was written.")
        .next("riskd config init --help names every option")
}
