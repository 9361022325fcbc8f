//! The log: for people on standard error, and as JSON in files where the config asks for them.
//!
//! Architecture invariant: no secret can reach it. Keys and tokens live in `SecretString`, which prints as
//! `[REDACTED]`; and what looks like a secret in a line (the gateway wants its token in the address) is masked on the
//! way out, whoever wrote it.

mod redact;

pub(crate) use redact::without_secrets;

use std::io::{self, Write};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{LogFilesConfig, LoggingLevel};
use crate::failure::{Failure, FailureKind};
use crate::output::Output;

/// The variable that replaces every other setting of detail, in the words of `tracing` (`riskd=debug,tungstenite=warn`).
pub const DETAIL_VARIABLE: &str = "RISKD_LOG";

/// How much of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogDetail {
    /// What must not happen.
    Errors,
    /// What should not happen, too. Usual for commands that answer and end.
    Warnings,
    /// What happens, too. Usual for the daemon.
    Events,
    /// How it happens, too.
    Details,
    /// Everything.
    Everything,
}

impl LogDetail {
    /// What was asked for: `-v` and `-q` beat the config, which beats what is usual for the command.
    pub fn asked_for(usual: Self, verbose: u8, quiet: bool, configured: Option<LoggingLevel>) -> Self {
        match (quiet, verbose, configured) {
            (true, _, _) => Self::Errors,
            (_, 1, _) => Self::Details,
            (_, 2.., _) => Self::Everything,
            (_, 0, Some(LoggingLevel::Debug)) => Self::Details,
            (_, 0, Some(LoggingLevel::Info)) => Self::Events,
            (_, 0, Some(LoggingLevel::Warning)) => Self::Warnings,
            (_, 0, Some(LoggingLevel::Error)) => Self::Errors,
            (_, 0, None) => usual,
        }
    }

    fn directives(self) -> &'static str {
        match self {
            Self::Errors => "error",
            Self::Warnings => "warn",
            Self::Events => "info",
            // How this program does it, not how its libraries do.
            Self::Details => "info,riskd=debug,riskd_core=debug,riskd_store=debug,riskd_gateway=debug,riskd_sim=debug",
            Self::Everything => "trace",
        }
    }
}

/// Keeps the log files open. When it is dropped, what waits is written.
#[must_use = "log files are written only as long as this lives"]
#[derive(Debug, Default)]
pub struct LoggingGuard {
    _files: Option<WorkerGuard>,
}

/// Starts the log of this process. A second start in one process changes nothing.
pub fn start(output: &Output, detail: LogDetail, files: Option<&LogFilesConfig>) -> Result<LoggingGuard, Failure> {
    let (file_writer, guard) = match files {
        None => (None, None),
        Some(files) => {
            let appender = open_files(files)?;
            let (writer, guard) = tracing_appender::non_blocking(appender);
            (Some(writer), Some(guard))
        }
    };
    let chosen = chosen_filter(output, std::env::var(DETAIL_VARIABLE).ok().as_deref());
    let colour = output.style().error_colour;
    let people = people_layer(io::stderr, colour).with_filter(filter(detail, chosen.as_ref()));
    // Files keep what happens even when the terminal shows less.
    let in_files = detail.max(LogDetail::Events);
    let programs = file_writer.map(|writer| programs_layer(writer).with_filter(filter(in_files, chosen.as_ref())));
    // It is refused only when a subscriber is there already, which then goes on.
    let _already_there = Registry::default().with(people).with(programs).try_init();
    Ok(LoggingGuard { _files: guard })
}

/// The filter that `RISKD_LOG` asks for; one that cannot be read is said and ignored.
fn chosen_filter(output: &Output, words: Option<&str>) -> Option<EnvFilter> {
    let words = words.filter(|words| !words.trim().is_empty())?;
    EnvFilter::try_new(words)
        .map_err(|error| output.warn(format_args!("{DETAIL_VARIABLE}={words:?} is ignored: {error}")))
        .ok()
}

fn open_files(files: &LogFilesConfig) -> Result<RollingFileAppender, Failure> {
    std::fs::create_dir_all(&files.directory)
        .map_err(|error| error.to_string())
        .and_then(|()| {
            RollingFileAppender::builder()
                .rotation(Rotation::DAILY)
                .filename_prefix("riskd")
                .filename_suffix("log.json")
                .max_log_files(files.keep as usize)
                .build(&files.directory)
                .map_err(|error| error.to_string())
        })
        .map_err(|error| {
            let folder = files.directory.display();
            Failure::new(FailureKind::NoSpaceOrPermission, format!("The log folder {folder} cannot be used: {error}"))
                .meaning("Nothing was started.")
                .next("make the folder writable, or name another one with logging.directory in config/logging.yaml")
        })
}

/// The filter for this detail, or the one that was chosen by `RISKD_LOG`.
fn filter(detail: LogDetail, chosen: Option<&EnvFilter>) -> EnvFilter {
    match chosen {
        // A filter cannot be cloned, but it can be read again from its own words.
        Some(chosen) => EnvFilter::new(chosen.to_string()),
        None => EnvFilter::new(detail.directives()),
    }
}

fn people_layer<S, W>(writer: W, colour: bool) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    tracing_subscriber::fmt::layer().with_ansi(colour).with_target(false).with_writer(Redacting(writer))
}

fn programs_layer<S, W>(writer: W) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    tracing_subscriber::fmt::layer().json().flatten_event(true).with_ansi(false).with_writer(Redacting(writer))
}

/// Masks secrets in everything written through it. A formatter writes a whole event at once.
struct Redacting<W>(W);

struct RedactingWriter<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Redacting<W> {
    type Writer = RedactingWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter(self.0.make_writer())
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(without_secrets(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use secrecy::SecretString;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic while writing").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Memory {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic while writing").clone()).expect("logs are text")
        }
    }

    fn logged(write: impl FnOnce()) -> (String, String) {
        let (people, programs) = (Memory::default(), Memory::default());
        let (for_people, for_programs) = (people.clone(), programs.clone());
        let subscriber = Registry::default()
            .with(people_layer(move || for_people.clone(), false))
            .with(programs_layer(move || for_programs.clone()));
        tracing::subscriber::with_default(subscriber, write);
        (people.text(), programs.text())
    }

    #[test]
    fn people_read_text_and_programs_read_json() {
        let (people, programs) = logged(|| tracing::warn!(account_id = 7, "quote is old"));
        assert!(people.contains("WARN") && people.contains("quote is old account_id=7"), "{people}");
        let event: serde_json::Value = serde_json::from_str(&programs).expect("one document a line");
        assert_eq!((&event["level"], &event["message"]), (&"WARN".into(), &"quote is old".into()));
        assert_eq!(event["account_id"], 7);
    }

    #[test]
    fn no_secret_is_written_however_it_is_logged() {
        let secret = SecretString::from("kR4-not-for-eyes");
        let address = "wss://rtc.example.com/hubs/user?access_token=kR4-not-for-eyes";
        let error = io::Error::other(format!("cannot reach {address}"));
        let (people, programs) = logged(|| {
            tracing::info!(?secret, "a secret as a field");
            tracing::info!(url = address, "an address as a field");
            tracing::error!(%error, "refused with Authorization: Bearer kR4-not-for-eyes");
            tracing::debug!(body = r#"{"userName":"me","apiKey":"kR4-not-for-eyes"}"#, "a payload");
        });
        for text in [&people, &programs] {
            assert!(!text.contains("kR4"), "{text}");
            assert!(text.contains("REDACTED"), "{text}");
        }
        assert!(programs.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{programs}");
    }

    #[test]
    fn log_files_are_made_in_their_folder_or_the_folder_is_named() {
        let base = tempfile::tempdir().expect("a folder for the test");
        let directory = base.path().join("deep/logs");
        let mut appender = open_files(&LogFilesConfig { directory: directory.clone(), keep: 2 }).expect("it is made");
        appender.write_all(b"{}\n").expect("it is written");
        let names: Vec<String> = std::fs::read_dir(&directory)
            .expect("the folder is there")
            .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
            .collect();
        assert!(matches!(&names[..], [name] if name.starts_with("riskd.") && name.ends_with(".log.json")), "{names:?}");

        let file = base.path().join("file");
        std::fs::write(&file, "").expect("it is written");
        let failure = open_files(&LogFilesConfig { directory: file.join("logs"), keep: 2 }).expect_err("no folder");
        assert_eq!(failure.kind, FailureKind::NoSpaceOrPermission);
        assert!(failure.what.contains("file/logs cannot be used"), "{}", failure.what);
    }

    #[test]
    fn each_detail_lets_its_levels_through() {
        use tracing::level_filters::LevelFilter;
        for (detail, level) in [
            (LogDetail::Errors, LevelFilter::ERROR),
            (LogDetail::Warnings, LevelFilter::WARN),
            (LogDetail::Events, LevelFilter::INFO),
            (LogDetail::Details, LevelFilter::DEBUG),
            (LogDetail::Everything, LevelFilter::TRACE),
        ] {
            assert_eq!(filter(detail, None).max_level_hint(), Some(level), "{detail:?}");
        }
        assert!(!LogDetail::Details.directives().starts_with("debug"), "libraries stay quiet");
    }

    #[test]
    fn the_variable_replaces_the_detail_and_nonsense_is_said() {
        let (output, captured) = Output::captured(crate::output::Style::default());
        let chosen = chosen_filter(&output, Some("warn,riskd=trace"));
        assert_eq!(filter(LogDetail::Errors, chosen.as_ref()).to_string(), "riskd=trace,warn");
        assert!(chosen_filter(&output, None).is_none() && chosen_filter(&output, Some(" ")).is_none());
        assert_eq!(captured.error(), "");
        assert!(chosen_filter(&output, Some("riskd=loud")).is_none());
        assert!(captured.error().starts_with("! RISKD_LOG=\"riskd=loud\" is ignored: "), "{}", captured.error());
    }

    #[test]
    fn options_beat_the_config_which_beats_the_command() {
        use LogDetail::{Details, Errors, Events, Everything, Warnings};
        let table = [
            (Warnings, 0, false, None, Warnings),
            (Events, 0, false, None, Events),
            (Events, 0, false, Some(LoggingLevel::Error), Errors),
            (Events, 0, false, Some(LoggingLevel::Debug), Details),
            (Events, 1, false, Some(LoggingLevel::Error), Details),
            (Events, 2, false, None, Everything),
            (Events, 9, false, None, Everything),
            (Events, 0, true, Some(LoggingLevel::Debug), Errors),
        ];
        for (usual, verbose, quiet, configured, expected) in table {
            assert_eq!(
                LogDetail::asked_for(usual, verbose, quiet, configured),
                expected,
                "{usual:?} {verbose} {quiet}"
            );
        }
    }
}
