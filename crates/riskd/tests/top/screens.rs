//! Pictures of every tab at three sizes, and what must be seen at any.

use jiff::SignedDuration;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;
use ratatui::style::Color;
use riskd::tui::{App, Event, Tab, draw};

use crate::scene::{now, overview, screen, told, trouble};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (60, 15)];

#[test]
fn every_tab_at_every_size() {
    for size in SIZES {
        for tab in Tab::ALL {
            let app = told(size, tab, &overview());
            let name = format!("{}_{}x{}", tab.title().to_lowercase(), size.0, size.1);
            insta::assert_snapshot!(name, screen(&app).join("\n"));
        }
    }
}

#[test]
fn trouble_is_seen_at_every_size_and_in_every_tab() {
    for size in SIZES {
        for tab in Tab::ALL {
            let lines = screen(&told(size, tab, &trouble()));
            assert!(lines[2].starts_with("!! BROKER LINK DOWN: user hub for 40 s;"), "{lines:#?}");
            assert!(lines[0].contains("broker DOWN/up"), "{lines:#?}");
            assert!(!lines.concat().contains('\u{1b}'));
        }
    }
    insta::assert_snapshot!("trouble_80x24", screen(&told((80, 24), Tab::Accounts, &trouble())).join("\n"));
    let mut app = told((80, 24), Tab::Accounts, &trouble());
    app.take(Event::Command(riskd::tui::Command::Alarms), now());
    let all = screen(&app).join("\n");
    for words in ["DATABASE TAKES NO WRITES", "rules_not_armed", "WARNING backup_failed", "BROKER LINK DOWN"] {
        assert!(all.contains(words), "{words}:\n{all}");
    }
}

#[test]
fn a_silent_daemon_is_stale_after_three_seconds_and_an_unreachable_one_at_once() {
    for size in SIZES {
        let mut app = told(size, Tab::Accounts, &overview());
        app.take(Event::Tick, now() + SignedDuration::from_secs(3));
        assert!(!screen(&app)[2].contains("STALE"));
        app.take(Event::Tick, now() + SignedDuration::from_secs(4));
        let line = screen(&app)[2].clone();
        assert!(line.starts_with("!! STALE: riskd has been silent for 4 s. Shown is what"), "{line}");
        app.take(Event::Unreachable("connection refused".to_owned()), now() + SignedDuration::from_secs(4));
        let line = screen(&app)[2].clone();
        assert!(line.starts_with("!! NO ANSWER FROM RISKD: PERHAPS NOTHING IS PROTECTED."), "{line}");
        app.take(
            Event::Overview(Box::new(serde_json::from_value(overview()).unwrap())),
            now() + SignedDuration::from_secs(5),
        );
        assert!(!screen(&app)[2].starts_with("!!"), "all is well again");
    }
}

#[test]
fn before_anything_is_known_it_says_what_it_waits_for() {
    let mut app = App::new("http://127.0.0.1:8765", Size::new(80, 24), now());
    assert!(screen(&app).concat().contains("Waiting for riskd at http://127.0.0.1:8765"));
    app.take(Event::Unreachable("connection refused".to_owned()), now());
    assert!(screen(&app).concat().contains("Nothing to show: riskd does not answer."));
}

#[test]
fn no_size_panics_and_the_smallest_says_so() {
    for width in [0, 1, 2, 10, 39, 40, 41, 79, 200] {
        for height in [0, 1, 2, 7, 8, 9, 30] {
            for tab in Tab::ALL {
                let mut app = told((width, height), tab, &trouble());
                screen(&app);
                app.take(Event::Command(riskd::tui::Command::Help), now());
                screen(&app);
            }
        }
    }
    assert!(screen(&told((39, 8), Tab::Log, &overview())).concat().contains("Too small: 40x8"));
}

#[test]
fn without_colour_nothing_has_one_and_with_it_something_does() {
    for (colour, expected) in [(false, false), (true, true)] {
        let app = told((80, 24), Tab::Accounts, &trouble());
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &app, colour)).unwrap();
        let cells = &terminal.backend().buffer().content;
        assert_eq!(cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset), expected);
    }
}
