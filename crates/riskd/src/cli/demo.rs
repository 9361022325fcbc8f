//! `riskd demo`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use riskd_store::Event;

use super::Context;
use crate::demo::{self, Audience, Plan};
use crate::failure::{Exit, Failure, FailureKind};
use crate::logging::LogDetail;
use crate::output::Output;

/// See it all at work: a v1 database is migrated, a real market morning is played, breaches are enforced
///
/// Everything runs on this machine: a simulated broker on loopback, six accounts of different habits, the daemon. Takes
/// less than a minute, needs no account and no internet, and keeps its files for you to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = super::help("riskd demo\nriskd demo --within 10 --json\nriskd demo --feed trades.csv.gz --folder /tmp/demo"))]
pub struct Args {
    /// Trades to play, a CSV of timestamp,price, also gzipped [default: the recorded morning if found, else the sample]
    #[arg(long, value_name = "FILE")]
    feed: Option<PathBuf>,
    /// Seconds in which the morning is played
    #[arg(long, value_name = "SECONDS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=3600))]
    within: u64,
    /// Folder for the files; must not hold a database yet [default: a new one in the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Where all chance comes from
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Where the dashboard listens, on this machine [default: 127.0.0.1:8765, or any free port when that is taken]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = on_this_machine)]
    listen: Option<SocketAddr>,
}

/// A demonstration has no token and no encryption: nobody else may reach it.
fn on_this_machine(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "is not an address and a port, such as 127.0.0.1:0".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("must be this machine itself, such as 127.0.0.1".to_owned()) }
}

/// Plays the demonstration and shows what came of it.
pub fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let _log = context.start_logging(LogDetail::Errors)?;
    let morning = demo::find_morning(args.feed.as_deref())
        .map_err(|error| Failure::new(FailureKind::Usage, error.to_string()))?;
    let folder = args.folder.unwrap_or_else(|| {
        std::env::temp_dir().join(format!("riskd-demo-{}", Timestamp::now().strftime("%Y%m%d_%H%M%S%.3f")))
    });
    let plan = Plan { folder, morning, within: Duration::from_secs(args.within), seed: args.seed, listen: args.listen };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(FailureKind::Failed, format!("threads could not be started: {error}")))?;
    // The audience is told from several threads, which the output is not: it queues what they say.
    let (lines, said) = std::sync::mpsc::channel();
    let audience = Arc::new(Spectator { lines, bar: bar(&context.output) });
    let player = std::thread::spawn(move || runtime.block_on(demo::play(&plan, audience)));
    said.iter().for_each(|line| tell(&context.output, &line));
    let report = player.join().map_err(|_| Failure::new(FailureKind::Failed, "The demonstration panicked."))??;
    context.output.json(&report);
    context.output.line("");
    report.lines().into_iter().for_each(|line| context.output.line(line));
    if report.faults.is_empty() {
        context.output.done("Every breach was enforced until the broker showed it; nobody else was touched");
        return Ok(Exit::DONE);
    }
    Err(Failure::new(FailureKind::Failed, format!("The demonstration found fault: {}", report.faults.join("; ")))
        .next("run it again with -v, and report it with what it prints"))
}

/// Hands on what happens.
struct Spectator {
    lines: std::sync::mpsc::Sender<String>,
    bar: ProgressBar,
}

impl Spectator {
    fn say(&self, line: String) {
        // Nobody listens any more: then nobody misses it.
        let _gone = self.lines.send(line);
    }
}

impl Audience for Spectator {
    fn line(&self, text: &str) {
        self.say(format!("✓ {text}"));
    }

    fn database(&self, event: Event) {
        match event {
            Event::StepDone { line, .. } => self.say(line),
            Event::Warning(warning) => self.say(format!("! {warning}")),
            _ => {}
        }
    }

    fn morning(&self, played: usize, total: usize, feed_time: Option<Timestamp>) {
        self.bar.set_length(total as u64);
        self.bar.set_position(played as u64);
        if let Some(feed_time) = feed_time {
            self.bar.set_message(feed_time.strftime("%H:%M:%S UTC").to_string());
        }
        if played == total {
            self.bar.finish_and_clear();
        }
    }
}

fn tell(output: &Output, line: &str) {
    match line.split_once(' ') {
        Some(("✓", text)) => output.done(text),
        Some(("⊘", text)) => output.skipped(text),
        Some(("!", text)) => output.warn(text),
        _ => output.line(line),
    }
}

fn bar(output: &Output) -> ProgressBar {
    let target = if output.style().progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("  market {msg}  {bar:40} {pos} of {len} trades")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, target).with_style(style)
}
