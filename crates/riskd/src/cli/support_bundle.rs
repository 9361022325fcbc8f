//! `riskd support-bundle`: what somebody who helps needs to see, and nothing that is a secret.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::Context;
use super::reach_options::ReachOptions;
use crate::alerts::Target;
use crate::config::{ApiConfig, GatewayConfig, LoggingConfig, Surroundings, load_alerts};
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::without_secrets;
use crate::reach::Reach;

/// How long one of the commands may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the daemon may take to answer.
const PATIENCE_WITH_THE_DAEMON: Duration = Duration::from_secs(3);
/// Lines of the log that are put in.
const LOG_LINES: usize = 2_000;
/// And at most so much of its end, in bytes.
const LONGEST_LOG: u64 = 1 << 20;
/// The longest config file that is put in, in bytes.
const LONGEST_CONFIG: u64 = 1 << 20;
/// The longest output of a command that is put in, in bytes.
const LONGEST_OUTPUT: usize = 4 << 20;
/// What stands in place of a secret.
const MASK: &str = "[REDACTED]";
/// Keys of the config whose values are nobody's business, wherever they stand.
const PRIVATE_KEYS: [&str; 9] =
    ["api_key", "apikey", "password", "token", "secret", "address", "webhook", "webhook_url", "user_name"];

/// Pack what a helper needs into one file: versions, config without secrets, schema, log, checks, metrics
///
/// Look into it before you give it away. Account numbers, balances and rules are in it; keys, tokens, passwords, addresses
/// of alert channels and your user name are not.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd support-bundle\nriskd support-bundle --to /tmp/riskd.tar.gz"))]
pub struct Args {
    /// File to write [default: riskd-support-TIME.tar.gz in the working folder]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    reach: ReachOptions,
}

/// Gathers, masks, packs.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let stamp = Timestamp::now().strftime("%Y%m%d_%H%M%S").to_string();
    let name = format!("riskd-support-{stamp}");
    let to = args.to.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    let daemon = match args.reach.reach(context) {
        Ok((reach, token)) => Some(Daemon { reach, token }),
        Err(failure) if args.reach.is_named() => return Err(failure),
        // A config that cannot be used is what the bundle may be about.
        Err(_) => None,
    };
    let secrets = Secrets::known(context);
    let mut bundle = Bundle::create(&to, &name, secrets).map_err(|error| cannot_write(&to, &error))?;
    let packed = pack(&mut bundle, daemon.as_ref(), context).and_then(|()| bundle.finish());
    if let Err(error) = packed {
        // Half a bundle helps nobody.
        let _in_vain = std::fs::remove_file(&to);
        return Err(cannot_write(&to, &error));
    }
    context.output.json(&serde_json::json!({ "bundle": to.display().to_string() }));
    context.output.done(format!("{} (only you can read it)", to.display()));
    context.output.line(format!("  Look into it before you give it away: tar -xzOf {} | less", to.display()));
    Ok(Exit::DONE)
}

/// Where the daemon is asked.
struct Daemon {
    reach: Reach,
    token: Option<SecretString>,
}

fn pack(bundle: &mut Bundle, daemon: Option<&Daemon>, context: &Context) -> std::io::Result<()> {
    bundle.add("versions.txt", &versions())?;
    add_config(bundle, context)?;
    // Before the commands below write lines of their own.
    bundle.add("log.txt", &last_lines(context))?;
    let schema = context.database(None).ok().map(|config| config.location().database().to_owned());
    let schema = schema.map(|path| riskd_store::schema_text(&path).unwrap_or_else(|error| format!("cannot be read: {error}\n")));
    bundle.add("database/schema.sql", &schema.unwrap_or_else(|| "the config names no database\n".to_owned()))?;
    for (file, words) in [
        ("database/status.txt", &["db", "status"][..]),
        ("database/doctor.txt", &["db", "doctor"]),
        ("database/verify.txt", &["db", "verify"]),
        ("database/backups.txt", &["db", "backups"]),
        ("run-check.txt", &["run", "--check"]),
        ("status.txt", &["status"]),
    ] {
        context.output.note(format!("riskd {}", words.join(" ")));
        bundle.add(file, &own_command(words, context))?;
    }
    let unknown = || ("not asked: the config cannot be used\n".to_owned(), "not asked\n".to_owned());
    let (metrics, overview) = daemon.map_or_else(unknown, of_the_daemon);
    bundle.add("daemon/metrics.txt", &metrics)?;
    bundle.add("daemon/overview.json", &overview)
}

fn versions() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_else(|error| format!("{path}: {error}\n"));
    let threads = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "riskd {}\nschema of this program: v{}\nmade at {}\nthreads: {threads}\n\n{}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        riskd_store::HEAD_VERSION,
        Timestamp::now(),
        read("/proc/version"),
        read("/etc/os-release"),
        read("/proc/meminfo").lines().take(3).collect::<Vec<_>>().join("\n"),
    )
}

/// Every YAML file of the folder, and where secrets are kept, by name and permissions alone.
fn add_config(bundle: &mut Bundle, context: &Context) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(context.config.path()) else {
        return bundle.add("config/MISSING.txt", &format!("{} cannot be read\n", context.config.path().display()));
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.sort();
    for path in paths {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        let is_small = std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LONGEST_CONFIG);
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if is_yaml && is_small {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| format!("# cannot be read: {error}\n"));
            bundle.add(&format!("config/{name}"), &without_private_values(&text))?;
        }
    }
    Ok(())
}

/// YAML without the values of keys that tell something private; keys that only name a file or a variable stay.
fn without_private_values(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for line in text.lines() {
        clean.push_str(&masked_line(line));
        clean.push('\n');
    }
    clean
}

fn masked_line(line: &str) -> String {
    let lower = line.to_lowercase();
    if lower.len() != line.len() {
        // Letters that change their length in lower case: such a line is not worth a risk.
        let doubtful = PRIVATE_KEYS.iter().any(|key| lower.contains(key));
        return if doubtful { format!("# {MASK}") } else { line.to_owned() };
    }
    let mut result = String::new();
    let mut at = 0;
    while let Some(letter) = line[at..].chars().next() {
        let Some(value_at) = private_value(&lower, at) else {
            result.push(letter);
            at += letter.len_utf8();
            continue;
        };
        result.push_str(&line[at..value_at]);
        result.push_str(&format!(" \"{MASK}\""));
        // In a flow mapping the next key begins after a comma.
        let value = &line[value_at..];
        at = value_at + value.find([',', '}']).filter(|_| line.contains('{')).unwrap_or(value.len());
    }
    result
}

/// Where the value begins of a private key that stands at this place.
fn private_value(line: &str, at: usize) -> Option<usize> {
    if line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
        return None;
    }
    let rest = &line[at..];
    let key = PRIVATE_KEYS.iter().find(|key| rest.starts_with(**key))?;
    let after = rest[key.len()..].trim_start_matches(['"', '\'', ' ']);
    after.starts_with(':').then(|| line.len() - after.len() + 1)
}

/// What one of riskd's own commands says. A command that hangs is ended.
fn own_command(words: &[&str], context: &Context) -> String {
    let mut text = format!("$ riskd {}\n", words.join(" "));
    let run = || -> std::io::Result<(Option<i32>, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        if let Some(folder) = &context.global.config {
            command.arg("--config").arg(folder);
        }
        command.args(words).arg("--no-color").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let readers = [child.stdout.take().map(read_in_thread), child.stderr.take().map(read_in_thread)];
        let deadline = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = child.try_wait()? {
                break status.code();
            }
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let said = readers.into_iter().flatten().map(|reader| reader.join().unwrap_or_default());
        Ok((code, said.collect()))
    };
    match run() {
        Ok((Some(code), said)) => text.push_str(&format!("{said}(exit {code})\n")),
        Ok((None, said)) => text.push_str(&format!("{said}(ended after {} s)\n", PATIENCE.as_secs())),
        Err(error) => text.push_str(&format!("could not be run: {error}\n")),
    }
    text
}

fn read_in_thread(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before a failure is still worth something.
        let _in_part = stream.read_to_end(&mut bytes);
        bytes.truncate(LONGEST_OUTPUT);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The end of the log, over as many files as it takes.
fn last_lines(context: &Context) -> String {
    let files = match LoggingConfig::load(&context.config) {
        Ok(config) => config.files,
        Err(error) => return format!("logging.yaml cannot be used: {error}\n"),
    };
    let Some(files) = files else {
        return "No log files are configured. Add what `journalctl -u riskd -n 2000` says, after you looked at it.\n".to_owned();
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&files.directory)
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
        .unwrap_or_default();
    paths.retain(|path| path.to_string_lossy().ends_with(".log.json"));
    paths.sort();
    let mut parts = Vec::new();
    let mut wanted = LOG_LINES;
    while wanted > 0
        && let Some(path) = paths.pop()
    {
        let text = end_of(&path).unwrap_or_else(|error| format!("cannot be read: {error}\n"));
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(wanted);
        wanted -= lines.len() - from;
        parts.push(format!("== {}, its last {} lines\n{}\n", path.display(), lines.len() - from, lines[from..].join("\n")));
    }
    if parts.is_empty() {
        return format!("No log file in {}.\n", files.directory.display());
    }
    parts.reverse();
    parts.concat()
}

fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LOG)))?;
    let mut bytes = Vec::new();
    file.take(LONGEST_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Metrics and overview of a running daemon.
fn of_the_daemon(daemon: &Daemon) -> (String, String) {
    let ask = async {
        let http = daemon.reach.http()?.timeout(PATIENCE_WITH_THE_DAEMON).build();
        let http = http.map_err(|error| error.to_string())?;
        let get = async |path: &str| -> String {
            let mut request = http.get(format!("{}{path}", daemon.reach.address()));
            let of_environment = Surroundings::of_this_process().get("RISKD_TOKEN").map(SecretString::from);
            if let Some(token) = of_environment.as_ref().or(daemon.token.as_ref()) {
                request = request.bearer_auth(token.expose_secret());
            }
            match request.send().await {
                Ok(response) => {
                    let status = response.status();
                    let body = response.text().await.unwrap_or_else(|error| error.without_url().to_string());
                    if status.is_success() { body } else { format!("HTTP {status}\n") }
                }
                Err(error) => format!("no answer: {}\n", error.without_url()),
            }
        };
        Ok::<_, String>((get("/metrics").await, get("/api/v1/overview").await))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(ask));
    asked.unwrap_or_else(|error| (format!("{error}\n"), format!("{error}\n")))
}

/// Every secret this machine's config leads to: none of them may be in the bundle, in whatever form it came there.
struct Secrets(Vec<SecretString>);

impl Secrets {
    fn known(context: &Context) -> Self {
        let surroundings = Surroundings::of_this_process();
        let mut secrets = Vec::new();
        if let Ok(Some(gateway)) = GatewayConfig::load(&context.config) {
            secrets.extend(gateway.read_api_key(&surroundings));
            secrets.push(SecretString::from(gateway.user_name));
        }
        if let Ok(alerts) = load_alerts(&context.config, &surroundings) {
            for channel in alerts.channels {
                match channel.target {
                    Target::Discord { address } => secrets.push(address),
                    Target::Telegram { token, .. } => secrets.push(token),
                    Target::Webhook { address, token } => secrets.extend(token.into_iter().chain([address])),
                }
            }
        }
        secrets.extend(surroundings.get("RISKD_TOKEN").map(SecretString::from));
        secrets.extend(ApiConfig::load(&context.config).ok().and_then(|config| config.token));
        // One or two letters would mask half the bundle, and are no secret.
        secrets.retain(|secret| secret.expose_secret().len() > 2);
        Self(secrets)
    }

    fn mask(&self, text: &str) -> String {
        let known = self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose_secret(), MASK));
        without_secrets(&known).into_owned()
    }
}

struct Bundle {
    archive: tar::Builder<GzEncoder<std::fs::File>>,
    folder: String,
    secrets: Secrets,
    made_at: u64,
}

impl Bundle {
    fn create(to: &Path, folder: &str, secrets: Secrets) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        let made_at = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        Ok(Self { archive, folder: folder.to_owned(), secrets, made_at })
    }

    /// Adds a text, without any secret.
    fn add(&mut self, name: &str, text: &str) -> std::io::Result<()> {
        let text = self.secrets.mask(text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.made_at);
        self.archive.append_data(&mut header, format!("{}/{name}", self.folder), text.as_bytes())
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.archive.finish()?;
        let encoder = self.archive.get_mut();
        encoder.try_finish()?;
        encoder.get_mut().flush()?;
        encoder.get_ref().sync_all()
    }
}

fn cannot_write(to: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::NoSpaceOrPermission, format!("{} could not be written: {error}.", to.display()))
        .next("name another file with --to; one that is there is not overwritten")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_values_go_and_names_of_files_stay() {
        for (line, expected) in [
            ("  user_name: ann", "  user_name: \"[REDACTED]\""),
            ("  api_key_file: secrets/key", "  api_key_file: secrets/key"),
            ("  api_key: \"k3y\" # mine", "  api_key: \"[REDACTED]\""),
            ("- { kind: webhook, address: https://x, token_env: T }", "- { kind: webhook, address: \"[REDACTED]\", token_env: T }"),
            ("gateway: { \"password\" : p, firm: x }", "gateway: { \"password\" : \"[REDACTED]\", firm: x }"),
            ("  # Your user name at the broker.", "  # Your user name at the broker."),
            ("  monkey_token_count: 5", "  monkey_token_count: 5"),
            ("ÄÖ: 1", "ÄÖ: 1"),
            ("İtoken: x, token: y", "# [REDACTED]"),
        ] {
            assert_eq!(masked_line(line), expected);
        }
    }
}
