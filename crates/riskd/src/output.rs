//! The one place that writes to standard output and standard error.
//!
//! It knows whether a person or a program reads: colours only on a terminal and without `NO_COLOR`, one JSON document
//! with `--json`, and a reader that went away (`riskd log | head`) ends the writing, not the work.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::failure::Failure;

/// How output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether the answer is one JSON document instead of text.
    pub json: bool,
    /// Whether steps are left out, and only answers and failures shown.
    pub quiet: bool,
    /// Whether standard output takes colours.
    pub colour: bool,
    /// Whether standard error takes colours.
    pub error_colour: bool,
    /// Whether progress may be drawn on standard error: it is a terminal, and the output is meant for a person.
    pub progress: bool,
    /// Whether a question can be asked: standard input and standard error are terminals.
    pub can_ask: bool,
}

impl Style {
    /// The style for this process. `no_colour` is the option; the variable `NO_COLOR` (not empty) says the same.
    pub fn of_this_process(json: bool, quiet: bool, no_colour: bool) -> Self {
        let unwanted = no_colour || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let error_terminal = io::stderr().is_terminal();
        Self {
            json,
            quiet,
            colour: io::stdout().is_terminal() && !unwanted && !dumb && !json,
            error_colour: error_terminal && !unwanted && !dumb,
            progress: error_terminal && !json && !quiet && !dumb,
            can_ask: error_terminal && io::stdin().is_terminal(),
        }
    }
}

/// Writes what a command says. May be shared between threads.
pub struct Output {
    style: Style,
    out: Mutex<Sink>,
    error: Mutex<Sink>,
}

struct Sink {
    writer: Box<dyn Write + Send>,
    /// The reader went away; nothing more is written.
    closed: bool,
    /// The first failure that was not a reader going away.
    failure: Option<io::Error>,
}

/// What an [`Output`] for tests has written.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    out: Arc<Mutex<Vec<u8>>>,
    error: Arc<Mutex<Vec<u8>>>,
}

const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Output {
    /// Writes to this process's standard output and standard error.
    pub fn of_this_process(style: Style) -> Self {
        Self::to(style, Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Writes to these.
    pub fn to(style: Style, out: Box<dyn Write + Send>, error: Box<dyn Write + Send>) -> Self {
        Self { style, out: Mutex::new(Sink::new(out)), error: Mutex::new(Sink::new(error)) }
    }

    /// Writes to memory.
    pub fn captured(style: Style) -> (Self, Captured) {
        let captured = Captured::default();
        let out = Box::new(Shared(Arc::clone(&captured.out)));
        let error = Box::new(Shared(Arc::clone(&captured.error)));
        (Self::to(style, out, error), captured)
    }

    /// How output looks.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether a person sits before standard output and can type.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// Whether the answer is one JSON document.
    pub fn is_json(&self) -> bool {
        self.style.json
    }

    /// Whether nobody reads any more: a command that goes on for ever (`riskd log --follow`) ends then.
    pub fn is_closed(&self) -> bool {
        lock(&self.out).closed
    }

    /// A line of the answer. Left out with `--json`.
    pub fn line(&self, text: impl Display) {
        if !self.style.json {
            lock(&self.out).write_line(&text.to_string());
        }
    }

    /// `✓ …`: a step is done. Left out with `--json` and `--quiet`.
    pub fn done(&self, text: impl Display) {
        self.step("✓", GREEN, &text);
    }

    /// `⊘ …`: a step was skipped. Left out with `--json` and `--quiet`.
    pub fn skipped(&self, text: impl Display) {
        self.step("⊘", DIM, &text);
    }

    /// `✗ …` on standard output: a deviation or a failed attempt that is part of the answer. Left out with `--json`.
    pub fn bad(&self, text: impl Display) {
        if !self.style.json {
            lock(&self.out).write_line(&mark("✗", RED, self.style.colour, &text));
        }
    }

    /// `! …` on standard error: something to know, though the command goes on. Left out with `--quiet`.
    pub fn warn(&self, text: impl Display) {
        if !self.style.quiet {
            lock(&self.error).write_line(&mark("!", YELLOW, self.style.error_colour, &text));
        }
    }

    /// `… …` on standard error: what long work is at. Left out with `--quiet` and `--json`.
    pub fn note(&self, text: impl Display) {
        if !self.style.quiet && !self.style.json {
            lock(&self.error).write_line(&mark("…", DIM, self.style.error_colour, &text));
        }
    }

    /// The answer as one JSON document on one line. Written only with `--json`.
    pub fn json(&self, answer: &impl Serialize) {
        if self.style.json {
            let text = serde_json::to_string(answer).expect("answers are plain data with text keys");
            lock(&self.out).write_line(&text);
        }
    }

    /// A failure, on standard error: for a person, or with `--json` as `{"error": …}`.
    pub fn failure(&self, failure: &Failure) {
        if self.style.json {
            #[derive(Serialize)]
            struct Document<'a> {
                error: Error<'a>,
            }
            #[derive(Serialize)]
            struct Error<'a> {
                exit_code: u8,
                #[serde(flatten)]
                failure: &'a Failure,
            }
            let document = Document { error: Error { exit_code: failure.kind.exit_code(), failure } };
            let text = serde_json::to_string(&document).expect("a failure is plain data");
            lock(&self.error).write_line(&text);
            return;
        }
        let mut lines = failure.lines().into_iter();
        let mut error = lock(&self.error);
        if let Some(what) = lines.next() {
            error.write_line(&mark("✗", RED, self.style.error_colour, &what));
        }
        lines.for_each(|line| error.write_line(&line));
    }

    /// Asks a yes-or-no question on the terminal; anything but `y` or `yes` is a no. `None` when nobody can be asked.
    pub fn ask(&self, question: &str) -> Option<bool> {
        if !self.style.can_ask {
            return None;
        }
        lock(&self.error).write(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).ok()?;
        Some(is_yes(&answer))
    }

    /// Flushes, and tells of the first failure to write that was not a reader going away.
    pub fn finish(&self) -> Result<(), io::Error> {
        for sink in [&self.out, &self.error] {
            let mut sink = lock(sink);
            let flushed = sink.writer.flush();
            sink.remember(flushed);
            if let Some(failure) = sink.failure.take() {
                return Err(failure);
            }
        }
        Ok(())
    }

    fn step(&self, sign: &str, colour: &str, text: &dyn Display) {
        if !self.style.json && !self.style.quiet {
            lock(&self.out).write_line(&mark(sign, colour, self.style.colour, text));
        }
    }
}

impl Captured {
    /// What went to standard output.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&lock(&self.out)).into_owned()
    }

    /// What went to standard error.
    pub fn error(&self) -> String {
        String::from_utf8_lossy(&lock(&self.error)).into_owned()
    }
}

impl Sink {
    fn new(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, closed: false, failure: None }
    }

    fn write_line(&mut self, text: &str) {
        // One write a line, so that lines of two threads or processes do not mix.
        self.write(&format!("{text}\n"));
    }

    fn write(&mut self, text: &str) {
        if !self.closed {
            let written = self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush());
            self.remember(written);
        }
    }

    fn remember(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.closed = true;
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.failure.get_or_insert(error);
            }
        }
    }
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn mark(sign: &str, colour: &str, coloured: bool, text: &dyn Display) -> String {
    if coloured { format!("{colour}{sign}{PLAIN} {text}") } else { format!("{sign} {text}") }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// A thread that panicked while writing leaves at worst half a line behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn broken(kind: io::ErrorKind) -> Box<dyn Write + Send> {
        struct Broken(io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(self.0))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        Box::new(Broken(kind))
    }

    #[test]
    fn people_get_marks_and_programs_get_one_document() {
        let (output, captured) = Output::captured(Style::default());
        output.done("Backup created");
        output.skipped("table skipped");
        output.line("plain");
        output.json(&serde_json::json!({"hidden": true}));
        assert_eq!(captured.out(), "✓ Backup created\n⊘ table skipped\nplain\n");

        let (output, captured) = Output::captured(Style { json: true, ..Style::default() });
        output.done("Backup created");
        output.bad("index missing");
        output.line("plain");
        output.json(&serde_json::json!({"version": 2}));
        assert_eq!(captured.out(), "{\"version\":2}\n");
    }

    #[test]
    fn quiet_leaves_answers_and_failures() {
        let (output, captured) = Output::captured(Style { quiet: true, ..Style::default() });
        output.done("step");
        output.warn("careful");
        output.line("answer");
        output.failure(&Failure::new(FailureKind::Failed, "it failed"));
        assert_eq!((captured.out().as_str(), captured.error().as_str()), ("answer\n", "✗ it failed\n"));
    }

    #[test]
    fn colours_are_around_the_mark_only() {
        let style = Style { colour: true, error_colour: true, ..Style::default() };
        let (output, captured) = Output::captured(style);
        output.done("ok");
        output.warn("hm");
        assert_eq!(captured.out(), "\x1b[32m✓\x1b[0m ok\n");
        assert_eq!(captured.error(), "\x1b[33m!\x1b[0m hm\n");
    }

    #[test]
    fn failures_are_json_when_json_is_asked_for() {
        let (output, captured) = Output::captured(Style { json: true, ..Style::default() });
        output.failure(&Failure::new(FailureKind::InUse, "in use by pid 7").next("stop it"));
        let document: serde_json::Value = serde_json::from_str(&captured.error()).expect("one document");
        let expected = serde_json::json!(
            {"error": {"exit_code": 5, "kind": "in_use", "what": "in use by pid 7", "next": "stop it"}}
        );
        assert_eq!(document, expected);
        assert_eq!(captured.out(), "");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        for (kind, fails) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let output = Output::to(Style::default(), broken(kind), Box::new(io::sink()));
            output.line("first");
            assert!(output.is_closed());
            output.line("second");
            assert_eq!(output.finish().is_err(), fails, "{kind}");
        }
    }

    #[test]
    fn nobody_is_asked_without_a_terminal() {
        let (output, captured) = Output::captured(Style::default());
        assert_eq!(output.ask("Migrate now?"), None);
        assert_eq!(captured.error(), "");
        for (answer, yes) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("no", false), ("yeah", false), ("", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
