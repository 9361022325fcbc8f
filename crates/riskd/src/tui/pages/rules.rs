//! The rules of every account, in sentences.

use ratatui::text::{Line, Span};

use super::super::app::App;
use super::super::wire::Rule;
use super::super::words;
use super::{Page, Row, bad, good, head, nothing_yet, span};

pub(super) fn page(app: &App, width: usize) -> Page {
    let Some(rules) = &app.rules else { return nothing_yet(app) };
    let strict = if rules.strict_mode { "STRICT MODE: any breach closes all and locks without end" } else { "" };
    let mut page = Page { head: vec![Line::styled(format!("Rules in force  {strict}"), head())], rows: Vec::new() };
    for account in &rules.accounts {
        let known = app.overview.iter().flat_map(|(overview, _)| &overview.accounts);
        let name = known.filter(|known| known.id == account.id).map(|known| words::tame(&known.name)).next();
        let name = name.map_or_else(String::new, |name| format!("  {name}"));
        page.title(format!("Account {}{name}", account.id));
        if let Some(row) = page.rows.last_mut() {
            row.id = Some(account.id);
        }
        for rule in &account.rules {
            page.rows.extend(lines(rule, width).into_iter().map(|line| Row::of(account.id, line)));
        }
    }
    page
}

/// A rule: whether it is in force, its sentence, and why not.
pub(super) fn lines(rule: &Rule, width: usize) -> Vec<Line<'static>> {
    let (word, style) = if rule.armed { ("armed    ", good()) } else { ("NOT ARMED", bad()) };
    let text = match &rule.reason {
        Some(reason) => format!("{} {} {} ({})", rule.rule_id, rule.rule, rule.sentence, reason),
        None => format!("{} {} {}", rule.rule_id, rule.rule, rule.sentence),
    };
    let wrapped = words::wrapped(&words::tame(&text), width.saturating_sub(10)).into_iter().enumerate();
    wrapped
        .map(|(index, line)| {
            let mark = if index == 0 { span(word, style) } else { Span::raw(" ".repeat(9)) };
            Line::from(vec![mark, Span::raw(format!(" {line}"))])
        })
        .collect()
}
