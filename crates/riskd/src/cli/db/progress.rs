//! Steps as they happen: a line each, and a bar on a terminal once the work has taken two seconds.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use riskd_store::{Event, Step};

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
    began: Option<Instant>,
    bar: Option<(Step, ProgressBar)>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(output: &'a Output) -> Self {
        Self { output, state: Mutex::default() }
    }

    /// Tells of one event.
    pub(super) fn tell(&self, event: Event) {
        match event {
            Event::StepStarted(_) => drop(self.lock().bar.take()),
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
        self.above_the_bar(|output| match line.split_once(' ') {
            Some(("✓", text)) => output.done(text),
            Some(("⊘", text)) => output.skipped(text),
            Some(("✗", text)) => output.bad(text),
            _ => output.line(line),
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
        let began = *state.began.get_or_insert_with(Instant::now);
        if began.elapsed() < QUIET_FOR {
            return;
        }
        if state.bar.as_ref().is_none_or(|(shown, _)| *shown != step) {
            state.bar = Some((step, new_bar(step, total, unit)));
        }
        if let Some((_, bar)) = &state.bar {
            bar.set_position(done);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bar with rate and time left; without a known total, a spinner with rate.
fn new_bar(step: Step, total: u64, unit: &'static str) -> ProgressBar {
    let template = if total == 0 {
        format!("{{spinner}} {step}: {{human_pos}} {unit}, {{per_sec}}")
    } else {
        format!("{step} [{{bar:30}}] {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left")
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    bar.with_style(style)
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some((_, bar)) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }
}
