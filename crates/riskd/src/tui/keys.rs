//! Keys and the mouse as commands.

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::app::{App, Tab, Typing};
use super::draw;

/// Rows that one notch of the wheel moves.
const WHEEL: isize = 3;

/// What a key or the mouse asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Leave.
    Quit,
    /// Show a tab.
    Show(Tab),
    /// Show the next one.
    NextTab,
    /// Show the one before.
    PreviousTab,
    /// Move the cursor by rows.
    Move(isize),
    /// Move the cursor by pages.
    Page(isize),
    /// Go to the first row.
    First,
    /// Go to the last row.
    Last,
    /// Put the cursor on this row; on the row it stands on, open it.
    Point(usize),
    /// Open what is under the cursor.
    Open,
    /// Take the filter away, else go back to the accounts.
    Back,
    /// Type a filter.
    Filter,
    /// Type a search.
    Search,
    /// Go to the next row that is searched for.
    Next,
    /// Go to the one before.
    Previous,
    /// Say what the keys do.
    Help,
    /// Say everything that is wrong.
    Alarms,
    /// A letter of what is typed.
    Type(char),
    /// Take the last letter back.
    Erase,
    /// What was typed is done.
    Done,
}

/// What a key asks for.
pub fn of_key(key: KeyEvent, typing: &Typing) -> Option<Command> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Command::Quit),
            KeyCode::Char('f') => Some(Command::Page(1)),
            KeyCode::Char('b') => Some(Command::Page(-1)),
            _ => None,
        };
    }
    if *typing != Typing::Not {
        return match key.code {
            KeyCode::Char(letter) => Some(Command::Type(letter)),
            KeyCode::Backspace => Some(Command::Erase),
            KeyCode::Enter => Some(Command::Done),
            KeyCode::Esc => Some(Command::Back),
            KeyCode::Up => Some(Command::Move(-1)),
            KeyCode::Down => Some(Command::Move(1)),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Char('q') => Some(Command::Quit),
        KeyCode::Char(digit @ '1'..='5') => Some(Command::Show(Tab::ALL[digit as usize - '1' as usize])),
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => Some(Command::NextTab),
        KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => Some(Command::PreviousTab),
        KeyCode::Down | KeyCode::Char('j') => Some(Command::Move(1)),
        KeyCode::Up | KeyCode::Char('k') => Some(Command::Move(-1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(Command::Page(1)),
        KeyCode::PageUp => Some(Command::Page(-1)),
        KeyCode::Home | KeyCode::Char('g') => Some(Command::First),
        KeyCode::End | KeyCode::Char('G') => Some(Command::Last),
        KeyCode::Enter => Some(Command::Open),
        KeyCode::Esc | KeyCode::Backspace => Some(Command::Back),
        KeyCode::Char('f') => Some(Command::Filter),
        KeyCode::Char('/') => Some(Command::Search),
        KeyCode::Char('n') => Some(Command::Next),
        KeyCode::Char('N') => Some(Command::Previous),
        KeyCode::Char('a') => Some(Command::Alarms),
        KeyCode::Char('?') | KeyCode::F(1) => Some(Command::Help),
        _ => None,
    }
}

/// What the mouse asks for.
pub fn of_mouse(mouse: MouseEvent, app: &App) -> Option<Command> {
    match mouse.kind {
        MouseEventKind::ScrollDown => Some(Command::Move(WHEEL)),
        MouseEventKind::ScrollUp => Some(Command::Move(-WHEEL)),
        MouseEventKind::Down(MouseButton::Left) => {
            if let Some(tab) = draw::tab_at(app, mouse.column, mouse.row) {
                return Some(Command::Show(tab));
            }
            draw::row_at(app, mouse.column, mouse.row).map(Command::Point)
        }
        _ => None,
    }
}
