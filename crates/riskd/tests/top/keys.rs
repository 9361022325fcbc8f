//! What keys and the mouse do.

use jiff::SignedDuration;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Size;
use riskd::tui::{App, Event, Question, Tab, of_key, of_mouse};

use crate::scene::{now, overview, screen, told};

fn press(app: &mut App, keys: &[KeyCode]) {
    for key in keys {
        if let Some(command) = of_key(KeyEvent::new(*key, KeyModifiers::NONE), &app.typing) {
            app.take(Event::Command(command), now());
        }
    }
}

fn type_text(app: &mut App, text: &str) {
    press(app, &text.chars().map(KeyCode::Char).collect::<Vec<_>>());
}

fn mouse(app: &mut App, kind: MouseEventKind, column: u16, row: u16) {
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    if let Some(command) = of_mouse(event, app) {
        app.take(Event::Command(command), now());
    }
}

/// The line with the cursor's mark.
fn marked(app: &App) -> String {
    screen(app).into_iter().find(|line| line.starts_with('▶')).unwrap_or_default()
}

#[test]
fn tabs_by_number_by_tab_and_by_click() {
    let mut app = told((80, 24), Tab::Accounts, &overview());
    for (keys, expected) in [
        (KeyCode::Char('3'), Tab::Log),
        (KeyCode::Tab, Tab::Rules),
        (KeyCode::Right, Tab::Database),
        (KeyCode::Tab, Tab::Accounts),
        (KeyCode::BackTab, Tab::Database),
        (KeyCode::Esc, Tab::Accounts),
    ] {
        press(&mut app, &[keys]);
        assert_eq!(app.tab, expected, "{keys:?}");
    }
    let tabs = screen(&app)[1].clone();
    let column = u16::try_from(tabs.find("Rules").unwrap()).unwrap();
    mouse(&mut app, MouseEventKind::Down(MouseButton::Left), column, 1);
    assert_eq!(app.tab, Tab::Rules);
}

#[test]
fn enter_and_a_second_click_open_the_account() {
    let mut app = told((80, 24), Tab::Accounts, &overview());
    press(&mut app, &[KeyCode::Down, KeyCode::Enter]);
    assert_eq!((app.tab, app.account_id), (Tab::Account, Some(1002)));
    assert_eq!(app.wanted(), [Question::Account(1002)]);
    press(&mut app, &[KeyCode::Esc]);
    let row = screen(&app).iter().position(|line| line.contains("Combine 50K")).unwrap() as u16;
    mouse(&mut app, MouseEventKind::Down(MouseButton::Left), 10, row);
    assert_eq!(app.tab, Tab::Accounts, "the first click puts the cursor there");
    mouse(&mut app, MouseEventKind::Down(MouseButton::Left), 10, row);
    assert_eq!((app.tab, app.account_id), (Tab::Account, Some(1001)));
}

#[test]
fn the_cursor_moves_by_keys_and_wheel_and_is_always_seen() {
    let mut app = told((60, 15), Tab::Log, &overview());
    assert!(marked(&app).contains("PENDING"));
    press(&mut app, &[KeyCode::End]);
    assert!(screen(&app).last().unwrap().ends_with(" 30/30"), "{:#?}", screen(&app));
    assert!(marked(&app).contains("RULE-003"));
    press(&mut app, &[KeyCode::PageUp]);
    assert!(screen(&app).last().unwrap().ends_with(" 23/30"));
    press(&mut app, &[KeyCode::Home]);
    mouse(&mut app, MouseEventKind::ScrollDown, 5, 5);
    assert!(screen(&app).last().unwrap().ends_with(" 4/30"));
    mouse(&mut app, MouseEventKind::ScrollUp, 5, 5);
    app.take(Event::Resized(Size::new(120, 40)), now());
    assert_eq!(screen(&app).len(), 40);
    assert!(screen(&app).last().unwrap().ends_with(" 1/30"));
}

#[test]
fn a_filter_hides_and_a_search_jumps() {
    let mut app = told((120, 40), Tab::Log, &overview());
    type_text(&mut app, "ffailed");
    press(&mut app, &[KeyCode::Enter]);
    let shown = screen(&app);
    assert_eq!(shown.iter().filter(|line| line.contains("RULE-003")).count(), 2, "{shown:#?}");
    assert!(shown.last().unwrap().contains("FILTERED by \"failed\""));
    type_text(&mut app, "fx");
    assert!(screen(&app).concat().contains("Nothing has \"failedx\"."));
    press(&mut app, &[KeyCode::Backspace, KeyCode::Esc]);
    assert_eq!(screen(&app).iter().filter(|line| line.contains("RULE-003")).count(), 30);
    type_text(&mut app, "/FAILED");
    assert!(marked(&app).contains("$520.00"), "{}", marked(&app));
    press(&mut app, &[KeyCode::Enter, KeyCode::Char('n')]);
    assert!(marked(&app).contains("$510.00"), "{}", marked(&app));
    press(&mut app, &[KeyCode::Char('n')]);
    assert!(marked(&app).contains("$520.00"), "it goes round");
    press(&mut app, &[KeyCode::Char('N')]);
    assert!(marked(&app).contains("$510.00"));
    press(&mut app, &[KeyCode::Enter]);
    let opened = screen(&app).join("\n");
    assert!(opened.contains("Enforcement 10") && opened.contains("Cancelled 1 order(s)"), "{opened}");
    type_text(&mut app, "j");
    assert!(!screen(&app).join("\n").contains("Enforcement 10"), "any key closes the box");
}

#[test]
fn q_and_control_c_leave_but_a_q_that_is_typed_does_not() {
    let mut app = told((80, 24), Tab::Accounts, &overview());
    type_text(&mut app, "fq");
    assert!(!app.quit && app.filter == "q");
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(of_key(control_c, &app.typing).is_some());
    press(&mut app, &[KeyCode::Esc]);
    type_text(&mut app, "?");
    assert!(screen(&app).join("\n").contains("any key closes"));
    type_text(&mut app, "q");
    assert!(app.quit);
}

#[test]
fn the_cursor_stays_on_its_account_when_others_overtake() {
    let mut app = told((80, 24), Tab::Accounts, &overview());
    press(&mut app, &[KeyCode::Down, KeyCode::Down]);
    assert!(marked(&app).contains("A very long"));
    let mut turned = overview();
    turned["accounts"].as_array_mut().unwrap().reverse();
    app.take(Event::Overview(Box::new(serde_json::from_value(turned).unwrap())), now());
    assert!(marked(&app).contains("A very long"), "{}", marked(&app));
}

#[test]
fn only_what_is_looked_at_is_asked_for_and_not_too_often() {
    let mut app = told((80, 24), Tab::Accounts, &overview());
    let mut later = now() + SignedDuration::from_secs(60);
    app.take(Event::Tick, later);
    assert_eq!(app.wanted(), []);
    app.tab = Tab::Log;
    assert_eq!(app.wanted(), [Question::Log { before: None }]);
    assert_eq!(app.wanted(), [], "not again at once");
    app.take(Event::Happened, later);
    assert_eq!(app.wanted(), [Question::Log { before: None }], "something happened");
    later += SignedDuration::from_secs(5);
    app.take(Event::Tick, later);
    assert_eq!(app.wanted(), [Question::Log { before: None }]);
    app.tab = Tab::Account;
    assert_eq!(app.wanted(), [Question::Account(1001)]);
}
