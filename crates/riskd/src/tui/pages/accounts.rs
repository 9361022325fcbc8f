//! All accounts, the nearest to a limit first.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::app::App;
use super::super::wire::Account;
use super::super::words::{self, cell, right};
use super::{Page, Row, bad, doubtful, good, head, nothing_yet, of_amount, of_fraction, span};

/// Widths of the columns that are always there.
const NAME: usize = 13;
/// Of the name where there is room.
const LONG_NAME: usize = 26;
const AMOUNT: usize = 11;
const COUNT: usize = 4;

pub(super) fn page(app: &App, width: usize) -> Page {
    let Some((overview, _)) = &app.overview else { return nothing_yet(app) };
    if overview.accounts.is_empty() {
        return Page::says("No accounts yet: they appear once riskd watches them.");
    }
    let wide = width >= 76;
    let mut titles = format!("{} {}", cell("Account", name_width(width)), right("Realized", AMOUNT));
    if wide {
        titles += &format!(" {} {} {}", right("Unrealized", AMOUNT), right("Ctr", COUNT), right("Ord", COUNT));
    }
    titles += "  State";
    let rows = overview.accounts.iter().map(|account| Row::of(account.id, row(account, app, wide, width)));
    Page { head: vec![Line::styled(cell(&titles, width), head())], rows: rows.collect() }
}

fn name_width(width: usize) -> usize {
    if width >= 100 { LONG_NAME } else { NAME }
}

fn row(account: &Account, app: &App, wide: bool, width: usize) -> Line<'static> {
    let name = if account.name.is_empty() { account.id.to_string() } else { words::tame(&account.name) };
    let amount = |amount: f64| span(format!(" {}", right(&words::dollars(amount), AMOUNT)), of_amount(amount));
    let mut spans = vec![Span::raw(cell(&name, name_width(width))), amount(account.realized_pnl)];
    if wide {
        spans.push(amount(account.unrealized_pnl));
        spans.push(Span::raw(format!(
            " {} {}",
            right(&account.contracts.to_string(), COUNT),
            right(&account.orders.to_string(), COUNT)
        )));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let mut left = width.saturating_sub(used + 2);
    spans.push(Span::raw("  "));
    for (text, style) in state(account, app) {
        let length = text.chars().count();
        if left == 0 {
            break;
        }
        spans.push(span(if length > left { cell(&text, left) } else { text }, style));
        left = left.saturating_sub(length);
    }
    Line::from(spans)
}

/// How it stands, the most important first.
fn state(account: &Account, app: &App) -> Vec<(String, Style)> {
    let mut parts: Vec<(String, Style)> = Vec::new();
    if let Some(lock) = &account.lock {
        let left = match lock.locked_until {
            None => "without end".to_owned(),
            Some(until) => words::span(until.duration_since(app.now)),
        };
        parts.push((format!("LOCKED {left}"), bad()));
    }
    if account.pending_enforcements > 0 {
        parts.push((format!("ENFORCING {}", account.pending_enforcements), bad()));
    }
    if !account.certain {
        parts.push(("UNCERTAIN".to_owned(), bad()));
    }
    if account.not_armed > 0 {
        parts.push((format!("{} NOT ARMED", account.not_armed), doubtful()));
    }
    if account.unpriced_positions > 0 {
        parts.push((format!("{} UNPRICED", account.unpriced_positions), doubtful()));
    }
    if account.can_trade == Some(false) {
        parts.push(("broker: no trading".to_owned(), doubtful()));
    }
    if let Some(nearest) = &account.nearest {
        let left = words::left(nearest.left, &nearest.unit);
        let text = format!("{} {left} {}", words::percent(nearest.fraction), nearest.rule_id);
        parts.push((text, of_fraction(nearest.fraction)));
    }
    if parts.is_empty() {
        parts.push(("free".to_owned(), good()));
    }
    let count = parts.len();
    let spaced = parts.into_iter().enumerate();
    spaced.map(|(index, (text, style))| (if index + 1 < count { text + " · " } else { text }, style)).collect()
}
