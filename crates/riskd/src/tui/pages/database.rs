//! The database: version, size, migrations, backups, the last check.

use ratatui::text::{Line, Span};
use riskd_store::size_in_words;

use super::super::app::App;
use super::super::wire::{Backup, Database, Migration};
use super::super::words::{self, cell};
use super::{Page, bad, doubtful, good, nothing_yet, span};

pub(super) fn page(app: &App, width: usize) -> Page {
    let Some(database) = &app.database else { return nothing_yet(app) };
    let mut page = Page::default();
    page.head.push(Line::styled(cell(&words::tame(&database.path), width), super::head()));
    page.line(version(database));
    let mode = database.journal_mode.as_deref().unwrap_or("unknown");
    let (size, wal) = (size_in_words(database.size_bytes), size_in_words(database.wal_bytes));
    page.line(format!("Size          {size}, and {wal} in the write-ahead log; journal mode {}", words::tame(mode)));
    page.line(check(database));
    page.title(format!("Migrations: {}", database.migrations.len()));
    database.migrations.iter().for_each(|row| page.line(migration(row, width)));
    page.title(format!("Backups: {}", database.backups.len()));
    if database.backups.is_empty() {
        page.line(Line::styled("NONE: the daemon makes one a week; `riskd db backup` makes one now", doubtful()));
    }
    database.backups.iter().for_each(|row| page.line(backup(row, width)));
    page.title("Tables");
    for table in &database.tables {
        let rows = table.rows.map_or_else(|| "?".to_owned(), |rows| rows.to_string());
        page.line(format!("{} {rows} rows", cell(&words::tame(&table.name), 24)));
    }
    page
}

fn version(database: &Database) -> Line<'static> {
    let head = database.head_version;
    let (text, style) = match database.schema_version {
        Some(version) if version == head => (format!("v{version}, current"), good()),
        Some(version) => (format!("v{version}, and this program works with v{head}"), bad()),
        None => ("unknown".to_owned(), bad()),
    };
    Line::from(vec![Span::raw("Schema        "), span(text, style)])
}

fn check(database: &Database) -> Line<'static> {
    let at = database.integrity.checked_at.as_deref().map(|at| format!(" at {}", words::tame(at))).unwrap_or_default();
    let (text, style) = match database.integrity.ok {
        Some(true) => (format!("sound{at}"), good()),
        Some(false) => (format!("DAMAGED{at}: run `riskd db verify`"), bad()),
        None => ("not checked by this daemon yet; `riskd db verify` does".to_owned(), doubtful()),
    };
    Line::from(vec![Span::raw("Integrity     "), span(text, style)])
}

fn migration(migration: &Migration, width: usize) -> Line<'static> {
    let (word, style) = if migration.success { ("done  ", good()) } else { ("FAILED", bad()) };
    let took = migration.execution_time_ms.map_or_else(String::new, |ms| format!(" ({ms} ms)"));
    let text = format!(
        " v{} {} {}{took}{}",
        migration.version,
        words::tame(migration.applied_at.as_deref().unwrap_or("at an unknown time")),
        words::tame(migration.description.as_deref().unwrap_or_default()),
        migration.error.as_deref().map(|error| format!(": {}", words::tame(error))).unwrap_or_default()
    );
    Line::from(vec![span(word, style), Span::raw(cell(&text, width.saturating_sub(6).min(text.chars().count())))])
}

fn backup(backup: &Backup, width: usize) -> Line<'static> {
    let (word, style) = match backup.verified {
        Some(true) => ("verified  ", good()),
        Some(false) => ("UNVERIFIED", bad()),
        None => ("          ", doubtful()),
    };
    let version = backup.version.map_or_else(|| "v?".to_owned(), |version| format!("v{version}"));
    let made_at = words::tame(backup.made_at.as_deref().unwrap_or("at an unknown time"));
    let text = format!(" {version} {} {made_at} {}", size_in_words(backup.size_bytes), words::tame(&backup.path));
    Line::from(vec![span(word, style), Span::raw(cell(&text, width.saturating_sub(10).min(text.chars().count())))])
}
