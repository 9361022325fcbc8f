//! The enforcement log, the newest first.

use jiff::Timestamp;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::app::{App, Question};
use super::super::wire::Enforcement;
use super::super::words::{self, cell, right};
use super::{Page, Row, bad, doubtful, good, head, nothing_yet, span, zone_of};

/// Slower than this is slow, in milliseconds.
const SLOW_MS: i64 = 500;
/// And than this critically so.
const CRITICAL_MS: i64 = 2_000;

pub(super) fn page(app: &App, width: usize) -> Page {
    if app.log.is_empty() {
        let answered = !app.refused.contains_key(&Question::Log { before: None }) && app.overview.is_some();
        return if answered { Page::says("No enforcement yet.") } else { nothing_yet(app) };
    }
    // As wide as the longest: times of today have no date.
    let stamps =
        app.log.iter().map(|log| words::short_time(log.at, app.now, zone_of(app, log.account_id)).chars().count());
    let stamp = stamps.max().unwrap_or(0).min(width / 3);
    let titles = format!(
        "{} {} {} {} {}  What",
        cell("When", stamp),
        cell("Account", 9),
        cell("Rule", 8),
        cell("Done", 8),
        right("Took", 8)
    );
    let row = |log: &Enforcement| Row::of(log.id, row(log, app, stamp, width));
    Page { head: vec![Line::styled(cell(&titles, width), head())], rows: app.log.iter().map(row).collect() }
}

/// Whether it is done, in a word and a colour.
fn outcome(log: &Enforcement) -> (&'static str, Style) {
    match (log.success, log.status.as_deref()) {
        (true, _) => ("done", good()),
        (false, Some("pending")) => ("PENDING", doubtful()),
        (false, _) => ("FAILED", bad()),
    }
}

fn row(log: &Enforcement, app: &App, stamp: usize, width: usize) -> Line<'static> {
    let at = words::short_time(log.at, app.now, zone_of(app, log.account_id));
    let (word, style) = outcome(log);
    let (took, took_style) = match log.execution_time_ms {
        None => ("–".to_owned(), Style::new()),
        Some(ms) if ms > CRITICAL_MS => (format!("{ms} ms!"), bad()),
        Some(ms) if ms > SLOW_MS => (format!("{ms} ms!"), doubtful()),
        Some(ms) => (format!("{ms} ms"), Style::new()),
    };
    let what = format!("{} [{}]", words::tame(&log.reason), words::tame(&log.action));
    let used = stamp + 1 + 9 + 1 + 8 + 1 + 8 + 1 + 8 + 2;
    Line::from(vec![
        Span::raw(format!("{} {} {} ", cell(&at, stamp), cell(&log.account_id.to_string(), 9), cell(&log.rule_id, 8))),
        span(cell(word, 8), style),
        span(format!(" {}  ", right(&took, 8)), took_style),
        Span::raw(cell(&what, width.saturating_sub(used))),
    ])
}

/// An enforcement in a box of its own.
pub(crate) fn enforcement(log: &Enforcement, now: Timestamp, zone: &str) -> (String, Vec<String>) {
    let mut lines = vec![
        format!("When      {}", words::time(log.at, now, zone)),
        format!("Account   {}", log.account_id),
        format!("Rule      {}", log.rule_id),
        format!("Action    {}", words::tame(&log.action)),
        format!("Because   {}", words::tame(&log.reason)),
        format!("Outcome   {}", outcome(log).0),
    ];
    lines.extend(log.execution_time_ms.map(|ms| format!("Took      {ms} ms from the decision to the broker's proof")));
    lines.extend(log.positions_closed.map(|count| format!("Closed    {count} position(s)")));
    lines.extend(log.orders_cancelled.map(|count| format!("Cancelled {count} order(s)")));
    lines.extend(log.error.iter().map(|error| format!("Error     {}", words::tame(error))));
    (format!("Enforcement {}", log.id), lines)
}
