//! Steps as they happen: a line each, and a bar on a terminal once the work has taken two seconds.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use riskd_store::{Event, Step};

use crate::cli::words;
use crate::output::Output;

/// Work that is over sooner needs no bar.
const QUIET_FOR: Duration = Duration::from_secs(2);

/// Tells people of a store's events. May be told from two threads.
pub(super) struct Progress<'a> {
    output: &'a Output,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lines told so far.
    told: BTreeSet<String>,
    /// When the whole work began.
    began: Option<Instant>,
    /// When the present step began: its rate is reckoned from here.
    step_began: Option<Instant>,
    bar: Option<(Step, ProgressBar)>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, state: Mutex::default() }
    }

    /// Tells of one event.
    pub(super) fn tell(&self, event: Event) {
        match event {
            Event::StepStarted(_) => self.lock().begin_step(),
            Event::StepDone { line, .. } => self.line(&line),
            Event::Progress { step, done, total, unit } => self.draw(step, done, total, unit),
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

    fn above_the_bar(&self, say: impl FnOnce(&Output)) {
        match &self.lock().bar {
            Some((_, bar)) => bar.suspend(|| say(self.output)),
            None => say(self.output),
        }
    }

    fn draw(&self, step: Step, done: u64, total: u64, unit: &'static str) {
        if !self.output.style().progress {
            return;
        }
        let mut state = self.lock();
        let now = Instant::now();
        if now.duration_since(*state.began.get_or_insert(now)) < QUIET_FOR {
            return;
        }
        if state.bar.as_ref().is_none_or(|(shown, _)| *shown != step) {
            let worked_for = now.duration_since(state.step_began.unwrap_or(now));
            state.bar = Some((step, new_bar(step, total, unit).with_elapsed(worked_for)));
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
    fn begin_step(&mut self) {
        let now = Instant::now();
        self.began.get_or_insert(now);
        self.step_began = Some(now);
        self.clear_bar();
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
