//! The text of each tab: a head that stays, and rows that scroll.

mod account;
mod accounts;
mod banners;
mod database;
mod log;
mod rules;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::app::{App, Tab};
use super::words;

pub(super) use banners::{Banner, banners};
pub(super) use log::enforcement;

/// One row of a page.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it looks like.
    pub line: Line<'static>,
    /// The account or enforcement it stands for.
    pub id: Option<i64>,
}

/// The text of a tab.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Lines that stay above the rows.
    pub head: Vec<Line<'static>>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Row {
    fn new(line: impl Into<Line<'static>>) -> Self {
        Self { line: line.into(), id: None }
    }

    fn of(id: i64, line: impl Into<Line<'static>>) -> Self {
        Self { line: line.into(), id: Some(id) }
    }

    /// Whether it has this text, in whatever case.
    pub fn has(&self, text: &str) -> bool {
        let whole: String = self.line.spans.iter().map(|span| span.content.as_ref()).collect();
        whole.to_lowercase().contains(&text.to_lowercase())
    }
}

impl Page {
    fn says(text: impl Into<String>) -> Self {
        Self { head: Vec::new(), rows: vec![Row::new(text.into())] }
    }

    fn title(&mut self, text: impl Into<String>) {
        if !self.rows.is_empty() {
            self.rows.push(Row::new(""));
        }
        self.rows.push(Row::new(Line::styled(text.into(), title())));
    }

    fn line(&mut self, line: impl Into<Line<'static>>) {
        self.rows.push(Row::new(line));
    }
}

pub(super) fn title() -> Style {
    Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
}

pub(super) fn head() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

pub(super) fn bad() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

pub(super) fn doubtful() -> Style {
    Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD)
}

pub(super) fn good() -> Style {
    Style::new().fg(Color::Green)
}

/// The style of an amount: losses stand out, though the sign says it already.
fn of_amount(amount: f64) -> Style {
    if amount < 0.0 { Style::new().fg(Color::Red) } else { Style::new() }
}

/// The style of a limit that is so far used.
fn of_fraction(fraction: f64) -> Style {
    match fraction {
        fraction if fraction >= 0.9 => bad(),
        fraction if fraction >= 0.7 => doubtful(),
        _ => Style::new(),
    }
}

fn span(text: impl Into<String>, style: Style) -> Span<'static> {
    Span::styled(text.into(), style)
}

/// The page of the present tab.
pub(super) fn page(app: &App, width: usize) -> Page {
    // The cursor's mark has the first two cells.
    let width = width.saturating_sub(2);
    match app.tab {
        Tab::Accounts => accounts::page(app, width),
        Tab::Account => account::page(app, width),
        Tab::Log => log::page(app, width),
        Tab::Rules => rules::page(app, width),
        Tab::Database => database::page(app, width),
    }
}

/// The time zone of an account; UTC as long as it is not known.
pub(super) fn zone_of(app: &App, account_id: i64) -> &str {
    let known = app.overview.iter().flat_map(|(overview, _)| &overview.accounts);
    known.filter(|account| account.id == account_id).map(|account| account.time_zone.as_str()).next().unwrap_or("UTC")
}

/// Why there is nothing to show.
fn nothing_yet(app: &App) -> Page {
    let refused = app.refused.values().next();
    match (&app.unreachable, refused) {
        (Some(_), _) => Page::says("Nothing to show: riskd does not answer."),
        (None, Some(why)) => Page::says(format!("Nothing to show: {}", words::tame(why))),
        (None, None) => Page::says(format!("Waiting for riskd at {} …", app.address)),
    }
}

/// What the keys do.
pub(super) fn help() -> (String, Vec<String>) {
    let lines = [
        "1-5, Tab, ← →      another tab",
        "↑ ↓, j k, wheel    move;  PgUp PgDn, g, G: a page, first, last",
        "Enter, click       open the account or the enforcement",
        "f                  filter: only rows with this text",
        "/, then n and N    search: the next and the previous row",
        "a                  everything that is wrong now",
        "Esc                filter away, box away, back to Accounts",
        "q, Ctrl-C          leave; riskd itself goes on",
    ];
    ("Keys".to_owned(), lines.map(str::to_owned).to_vec())
}

/// Everything that is wrong now.
pub(super) fn alarms(app: &App) -> (String, Vec<String>) {
    let mut lines: Vec<String> = banners(app).into_iter().map(|banner| banner.text).collect();
    if lines.is_empty() {
        lines.push("Nothing is wrong.".to_owned());
    }
    ("What is wrong now".to_owned(), lines)
}
