//! Steps as they happen: a line each, and once the work has taken two seconds a bar on a terminal, a line a step where
//! there is none. With `--events`, every event as a JSON object on a line of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use riskd_store::{Event, Step};
use serde::Serialize;

use crate::cli::pace::Pace;
use crate::cli::words;
use crate::output::Output;

/// Between two `progress` events of a step.
const BETWEEN_EVENTS: Duration = Duration::from_millis(200);

/// Tells people of a store's events. May be told from two threads.
pub(super) struct Progress<'a> {
    output: &'a Output,
    /// Whether every event is told as JSON, and of which database.
    events: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lines told so far.
    told: BTreeSet<String>,
    pace: Pace,
    bar: Option<(Step, ProgressBar)>,
    /// The step that the last line without a bar, and the last `progress` event, were about.
    noted: Option<Step>,
    progress_told_at: Option<Instant>,
}

/// An event as `--events` tells it. `docs/progress.md` describes each.
#[derive(Debug, Serialize)]
struct Line<'a> {
    database: &'a Path,
    #[serde(flatten)]
    told: Told<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
enum Told<'a> {
    StepStarted { step: Step },
    StepDone { step: Step, line: &'a str, duration_ms: i64 },
    Progress { step: Step, done: u64, total: u64, unit: &'a str, per_second: u64, left_ms: Option<u64> },
    Warning { text: &'a str },
    Mended { text: &'a str },
    BackupPruned { path: &'a Path },
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, events: None, state: Mutex::default() }
    }

    /// Tells every event of this database as JSON.
    pub(super) fn of_events(output: &'a Output, database: &Path) -> Self {
        Self { output, events: Some(database.to_owned()), state: Mutex::default() }
    }

    /// Tells of one event.
    pub(super) fn tell(&self, event: Event) {
        if let Event::StepStarted(step) = event {
            self.lock().begin_step(step);
        }
        if let Some(database) = &self.events {
            self.tell_as_json(database, &event);
            return;
        }
        match event {
            Event::StepDone { line, .. } => self.line(&line),
            Event::Progress { step, done, total, unit } => self.show(step, done, total, unit),
            Event::Warning(warning) => {
                self.above_the_bar(|output| output.warn(&warning));
            }
            Event::Mended(what) => self.line(&format!("✓ Mended: {what}")),
            Event::BackupPruned(path) => self.line(&format!("✓ Old backup deleted: {}", path.display())),
            _ => {}
        }
    }

    /// Tells a line with its mark, unless it was told before.
    pub(super) fn line(&self, line: &str) {
        if !self.lock().told.insert(line.to_owned()) {
            return;
        }
        let line = words::shortened(line);
        self.above_the_bar(|output| match line.split_once(' ') {
            Some(("✓", text)) => output.done(text),
            Some(("⊘", text)) => output.skipped(text),
            Some(("✗", text)) => output.bad(text),
            _ => output.line(&line),
        });
    }

    fn tell_as_json(&self, database: &Path, event: &Event) {
        let told = match event {
            Event::StepStarted(step) => Told::StepStarted { step: *step },
            Event::StepDone { step, line, duration_ms } => {
                Told::StepDone { step: *step, line, duration_ms: *duration_ms }
            }
            Event::Progress { step, done, total, unit } => {
                let now = Instant::now();
                let mut state = self.lock();
                let Some(measure) = state.pace.measure(*step, *done, *total, now) else { return };
                if !state.may_tell_progress(*step, now) {
                    return;
                }
                let left_ms = measure.left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
                let per_second = measure.per_second as u64;
                Told::Progress { step: *step, done: *done, total: *total, unit, per_second, left_ms }
            }
            Event::Warning(text) => Told::Warning { text },
            Event::Mended(text) => Told::Mended { text },
            Event::BackupPruned(path) => Told::BackupPruned { path },
            _ => return,
        };
        self.output.json(&Line { database, told });
    }

    fn above_the_bar(&self, say: impl FnOnce(&Output)) {
        match &self.lock().bar {
            Some((_, bar)) => bar.suspend(|| say(self.output)),
            None => say(self.output),
        }
    }

    fn show(&self, step: Step, done: u64, total: u64, unit: &'static str) {
        let mut state = self.lock();
        let now = Instant::now();
        let Some(measure) = state.pace.measure(step, done, total, now).filter(|_| state.pace.is_long(now)) else {
            return;
        };
        if !self.output.style().progress {
            if state.noted.replace(step) != Some(step) {
                let whole = if total == 0 { String::new() } else { format!("{} {unit}, ", HumanCount(total)) };
                self.output.note(format!("{step}: {whole}{}", measure.words()));
            }
            return;
        }
        if state.bar.as_ref().is_none_or(|(shown, _)| *shown != step) {
            let bar = new_bar(step, total, unit).with_elapsed(state.pace.step_took(now));
            state.bar = Some((step, bar));
        }
        if let Some((_, bar)) = &state.bar {
            bar.set_position(done);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin_step(&mut self, step: Step) {
        self.pace.begin(step, Instant::now());
        self.clear_bar();
    }

    /// The first of a step always; then not more than a few a second.
    fn may_tell_progress(&mut self, step: Step, now: Instant) -> bool {
        let is_early = self.progress_told_at.is_some_and(|at| now.saturating_duration_since(at) < BETWEEN_EVENTS);
        if self.noted.replace(step) == Some(step) && is_early {
            return false;
        }
        self.progress_told_at = Some(now);
        true
    }

    fn clear_bar(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A bar with rate and time left; without a known total, a spinner with rate.
fn new_bar(step: Step, total: u64, unit: &'static str) -> ProgressBar {
    let template = if total == 0 {
        format!("{{spinner}} {step}: {{human_pos}} {unit}, {{rate}}")
    } else {
        format!("{step} [{{bar:30}}] {{human_pos}}/{{human_len}} {unit}, {{rate}}, {{left}} left")
    };
    let style = ProgressStyle::with_template(&template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // A terminal that takes no more text is no reason to stop the work.
            let _ = write!(text, "{}/s", HumanCount(rate(state) as u64));
        })
        .with_key("left", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let missing = state.len().unwrap_or_default().saturating_sub(state.pos());
            let _ = write!(text, "{}", HumanDuration(Duration::from_secs_f64(missing as f64 / rate(state))));
        });
    let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    bar.with_style(style)
}

/// Units a second since the step began; never zero.
fn rate(state: &ProgressState) -> f64 {
    (state.pos() as f64 / state.elapsed().as_secs_f64().max(0.001)).max(1.0)
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.lock().clear_bar();
    }
}
