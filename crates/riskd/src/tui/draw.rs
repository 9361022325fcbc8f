//! The state on the screen. Colours never are the only sign: every state has its word, so `NO_COLOR` loses nothing.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Widget};

use super::app::{App, Tab, Typing};
use super::pages::{self, Banner};
use super::words::{self, cell};

/// The smallest terminal on which anything sensible fits.
const SMALLEST: Size = Size { width: 40, height: 8 };

/// Where everything is.
struct Places {
    title: Rect,
    tabs: Rect,
    banners: Rect,
    head: Rect,
    rows: Rect,
    foot: Rect,
}

/// Draws the state; without `colour` in black and white, with words, bold and reverse.
pub fn draw(frame: &mut Frame<'_>, app: &App, colour: bool) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.width < SMALLEST.width || area.height < SMALLEST.height {
        too_small(app, area, buffer);
    } else {
        whole(app, area, buffer);
    }
    if !colour {
        for cell in &mut buffer.content {
            cell.set_fg(Color::Reset).set_bg(Color::Reset);
        }
    }
}

/// The tab under this place of the screen.
pub(super) fn tab_at(app: &App, column: u16, row: u16) -> Option<Tab> {
    let places = places(app, Rect::new(0, 0, app.size.width, app.size.height));
    if row != places.tabs.y {
        return None;
    }
    let mut from = 0;
    Tab::ALL.into_iter().find(|tab| {
        let width = tab_text(app, *tab).chars().count() as u16;
        let hit = (from..from + width).contains(&column);
        from += width;
        hit
    })
}

/// The row of the page under this place of the screen.
pub(super) fn row_at(app: &App, column: u16, row: u16) -> Option<usize> {
    let places = places(app, Rect::new(0, 0, app.size.width, app.size.height));
    if !places.rows.contains((column, row).into()) {
        return None;
    }
    let (page, cursor) = app.page(usize::from(app.size.width));
    let index = first_row(cursor, page.rows.len(), places.rows.height) + usize::from(row - places.rows.y);
    (index < page.rows.len()).then_some(index)
}

fn places(app: &App, area: Rect) -> Places {
    let most = (area.height / 6).clamp(1, 4);
    let banners = (pages::banners(app).len() as u16).min(most);
    let (page, _) = app.page(usize::from(area.width));
    let head = page.head.len() as u16;
    let row = |y: u16, height: u16| {
        let y = y.min(area.height);
        Rect::new(area.x, area.y + y, area.width, height.min(area.height - y))
    };
    let above = 2 + banners + head;
    let foot = area.height.saturating_sub(1);
    Places {
        title: row(0, 1),
        tabs: row(1, 1),
        banners: row(2, banners),
        head: row(2 + banners, head),
        rows: row(above, foot.saturating_sub(above)),
        foot: row(foot, 1),
    }
}

/// The first row to show, so that the cursor is seen, in the middle where there is room.
fn first_row(cursor: usize, count: usize, height: u16) -> usize {
    let height = usize::from(height).max(1);
    cursor.saturating_sub(height / 2).min(count.saturating_sub(height))
}

fn too_small(app: &App, area: Rect, buffer: &mut Buffer) {
    let banner = pages::banners(app).into_iter().next();
    let text = format!(
        "Too small: {}x{} is the least. {}",
        SMALLEST.width,
        SMALLEST.height,
        banner.map_or_else(String::new, |banner| banner.text)
    );
    let lines: Vec<Line<'_>> = words::wrapped(&text, usize::from(area.width)).into_iter().map(Line::from).collect();
    Paragraph::new(lines).render(area, buffer);
}

fn whole(app: &App, area: Rect, buffer: &mut Buffer) {
    let places = places(app, area);
    let width = usize::from(area.width);
    title(app, places.title, buffer);
    tabs(app, places.tabs, buffer);
    let banners = pages::banners(app);
    show_banners(&banners, places.banners, buffer);
    let (page, cursor) = app.page(width);
    let old = app.silence().is_some() || app.unreachable.is_some();
    for (index, line) in page.head.iter().enumerate().take(usize::from(places.head.height)) {
        let line = [vec![Span::raw("  ")], line.spans.clone()].concat();
        buffer.set_line(
            places.head.x,
            places.head.y + index as u16,
            &Line::from(line).style(pages::head()),
            area.width,
        );
    }
    let first = first_row(cursor, page.rows.len(), places.rows.height);
    for (offset, row) in page.rows.iter().skip(first).take(usize::from(places.rows.height)).enumerate() {
        let here = first + offset == cursor;
        let mark = Span::raw(if here { "▶ " } else { "  " });
        let mut line = Line::from([vec![mark], row.line.spans.clone()].concat()).style(row.line.style);
        if here {
            line = line.patch_style(Style::new().add_modifier(Modifier::BOLD));
        }
        if old {
            line = line.patch_style(Style::new().add_modifier(Modifier::DIM));
        }
        buffer.set_line(places.rows.x, places.rows.y + offset as u16, &line, area.width);
    }
    if page.rows.is_empty() && !app.filter.is_empty() {
        let text = format!("  Nothing has {:?}. Esc takes the filter away.", app.filter);
        buffer.set_string(places.rows.x, places.rows.y, cell(&text, width), Style::new());
    }
    let shown = if page.rows.is_empty() { 0 } else { cursor + 1 };
    foot(app, places.foot, shown, page.rows.len(), buffer);
    if let Some((heading, lines)) = &app.popup {
        popup(heading, lines, area, buffer);
    }
}

fn title(app: &App, area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let zone = app.account_id.map_or("UTC", |id| pages::zone_of(app, id));
    let clock = format!("{} ", words::time(app.now, app.now, zone));
    let text = match &app.overview {
        None => " riskd".to_owned(),
        Some((overview, _)) => {
            let daemon = &overview.daemon;
            let locked = overview.accounts.iter().filter(|account| account.lock.is_some()).count();
            let link = |up: bool| if up { "up" } else { "DOWN" };
            // What must not be cut off on a narrow screen stands first.
            format!(
                " riskd · broker {}/{} · {} · {} accounts, {locked} locked · v{}",
                link(daemon.links.user.up),
                link(daemon.links.market.up),
                words::tame(&daemon.phase),
                overview.accounts.len(),
                words::tame(&daemon.version),
            )
        }
    };
    let room = width.saturating_sub(clock.chars().count());
    buffer.set_string(
        area.x,
        area.y,
        format!("{}{clock}", cell(&text, room)),
        Style::new().add_modifier(Modifier::BOLD),
    );
}

fn tab_text(app: &App, tab: Tab) -> String {
    let number = tab as usize + 1;
    // Brackets say which tab is shown where colours and reverse do not.
    if tab == app.tab { format!("[{number} {}]", tab.title()) } else { format!(" {number} {} ", tab.title()) }
}

fn tabs(app: &App, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x;
    for tab in Tab::ALL {
        let text = tab_text(app, tab);
        let style = if tab == app.tab { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        buffer.set_stringn(x, area.y, &text, usize::from(area.right().saturating_sub(x)), style);
        x = x.saturating_add(text.chars().count() as u16).min(area.right());
    }
}

fn show_banners(banners: &[Banner], area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    for (index, banner) in banners.iter().take(usize::from(area.height)).enumerate() {
        let last = index + 1 == usize::from(area.height);
        let hidden = banners.len() - usize::from(area.height).min(banners.len());
        let more = if last && hidden > 0 { format!(" (+{hidden} more: a)") } else { String::new() };
        let room = width.saturating_sub(6 + more.chars().count());
        let text = format!("!! {}{more} !!", cell(&banner.text, room));
        let colour = if banner.critical { Color::Red } else { Color::Yellow };
        let style = Style::new().fg(colour).add_modifier(Modifier::BOLD | Modifier::REVERSED);
        buffer.set_stringn(area.x, area.y + index as u16, text, width, style);
    }
}

fn foot(app: &App, area: Rect, at: usize, count: usize, buffer: &mut Buffer) {
    let width = usize::from(area.width);
    let text = match app.typing {
        Typing::Filter => format!(" Filter: {}▏ Enter keeps it, Esc takes it away", app.filter),
        Typing::Search => format!(" Search: {}▏ Enter ends, then n and N", app.search),
        Typing::Not if !app.filter.is_empty() => format!(" FILTERED by {:?}: Esc shows all", app.filter),
        Typing::Not => " q quit  ? help  Tab next  ↑↓ move  Enter open  f filter  / search  a alarms".to_owned(),
    };
    let place = format!(" {at}/{count} ");
    let room = width.saturating_sub(place.chars().count());
    let style = Style::new().add_modifier(Modifier::REVERSED);
    buffer.set_string(area.x, area.y, format!("{}{place}", cell(&text, room)), style);
}

fn popup(heading: &str, lines: &[String], area: Rect, buffer: &mut Buffer) {
    let width = area.width.saturating_sub(4).min(76);
    let mut wrapped: Vec<String> = Vec::new();
    for line in lines {
        // Columns that are set apart by blanks stay so where the line fits.
        if line.chars().count() <= usize::from(width.saturating_sub(2)) {
            wrapped.push(line.clone());
        } else {
            wrapped.extend(words::wrapped(line, usize::from(width.saturating_sub(2))));
        }
    }
    let height = (wrapped.len() as u16 + 2).min(area.height.saturating_sub(2));
    let place = Rect::new((area.width - width) / 2, (area.height - height) / 2, width, height);
    Clear.render(place, buffer);
    let block = Block::bordered().title(format!(" {heading} ")).title_bottom(" any key closes ");
    let lines: Vec<Line<'_>> = wrapped.into_iter().map(Line::from).collect();
    Paragraph::new(lines).block(block).render(place, buffer);
}
