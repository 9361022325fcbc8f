//! Calendar files: every form that loads, and the exact words of each refusal.

use std::path::Path;

use jiff::civil::date;
use riskd::config::{ConfigFolder, load_holidays, load_news, load_rules};
use riskd_core::model::{Holiday, Impact};

use crate::{refusals, written};

#[test]
fn the_example_calendars_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let holidays = load_holidays(&root.join("holidays.yaml")).unwrap().unwrap();
    assert_eq!(holidays.days.len(), 23);
    assert_eq!(holidays.days[&date(2026, 12, 25)], Holiday::Closed);
    assert_eq!(holidays.days[&date(2026, 11, 27)], Holiday::ClosesAt(jiff::civil::time(12, 15, 0, 0)));
    assert!(
        holidays.days.keys().all(|day| day.weekday().to_monday_zero_offset() < 5),
        "a holiday on a weekend is none"
    );
    assert_eq!(load_news(&root.join("news.yaml")).unwrap().unwrap().events().len(), 3);
    assert_eq!(load_holidays(&root.join("absent.yaml")).unwrap(), None);
    assert_eq!(load_news(&root.join("absent.csv")).unwrap(), None);
}

#[test]
fn news_load_from_yaml_and_csv_alike() {
    let yaml = "timezone: America/New_York\nevents:\n  - { time: 2026-03-11T08:30, title: \"CPI, core\" }\n  \
                - { time: \"2026-03-06T13:30:00Z\", title: Payrolls, impact: HIGH, symbols: [ES, NQ] }\n";
    let csv = "time,title,impact,symbols,timezone\n2026-03-11 08:30,\"CPI, core\",,,America/New_York\n\
               2026-03-06T14:30+01:00,Payrolls,High,ES NQ,\n";
    let [yaml, csv] = [("news.yaml", yaml), ("news.CSV", csv)]
        .map(|(name, text)| load_news(&written(name, text).file).unwrap().unwrap());
    assert_eq!(yaml, csv);
    let first = &yaml.events()[0];
    assert_eq!((first.title.as_str(), first.impact), ("Payrolls", Impact::High));
    assert_eq!(first.symbols, ["ES", "NQ"]);
    assert_eq!(yaml.events()[1].at, "2026-03-11T12:30:00Z".parse().unwrap(), "summer time since the 8th");
}

#[test]
fn a_rule_finds_its_calendar_beside_the_config_or_from_the_folder_around_it() {
    let rules =
        "rules:\n  session_block_outside:\n    allowed_hours: { start: \"09:30\", end: \"16:00\" }\n    holidays: ";
    for name in ["days.yaml", "config/days.yaml"] {
        let files = written("risk_config.yaml", &format!("{rules}{name}\n"));
        let error = load_rules(&files.folder, None).unwrap_err();
        assert!(
            files.words(&error).starts_with("risk_config.yaml:4: rules.session_block_outside.holidays: "),
            "{error}"
        );
        assert!(error.problem.ends_with("is not there"), "{error}");
        std::fs::write(files.folder.file("days.yaml"), "timezone: UTC\nholidays: [{ date: 2026-01-01 }]\n").unwrap();
        let rules = load_rules(&files.folder, None).unwrap().unwrap();
        assert!(rules.set.rules().next().unwrap().sentence().contains("1 holidays"), "{name}");
        // An error in the calendar names the calendar.
        std::fs::write(files.folder.file("days.yaml"), "timezone: UTC\nholidays: [{ date: soon }]\n").unwrap();
        let error = load_rules(&files.folder, None).unwrap_err();
        assert!(files.words(&error).starts_with("days.yaml:2: holidays[0].date: \"soon\" is not a date"), "{error}");
    }
    let off = "rules:\n  news_window: { enabled: false, calendar: none.csv }\n  max_contracts: {}\n";
    assert!(load_rules(&written("risk_config.yaml", off).folder, None).is_ok(), "what is off needs no file");
}

#[test]
fn what_a_calendar_gets_wrong_is_named_exactly() {
    let holidays = |folder: &ConfigFolder| load_holidays(&folder.file("holidays.yaml"));
    refusals(
        "holidays.yaml",
        holidays,
        &[
            ("timezone: UTC\nholiday: []\n", "holidays.yaml:2: holiday: unknown key; did you mean holidays?"),
            (
                "timezone: UTC\nholidays:\n  - { date: 2026-02-30 }\n",
                "holidays.yaml:3: holidays[0].date: \"2026-02-30\" is not a date such as 2026-12-25",
            ),
            (
                "timezone: UTC\nholidays:\n  - { date: 2026-01-01 }\n  - { date: 2026-01-01, close: \"12:00\" }\n",
                "holidays.yaml:4: holidays[1].date: 2026-01-01 is listed twice; one line a date: with close, the session \
                 ends early; without, there is none",
            ),
            (
                "timezone: UTC\nholidays:\n  - { date: 2026-01-01, close: noon }\n",
                "holidays.yaml:3: holidays[0].close: \"noon\" is not a time of day: HH:MM, from 00:00 to 23:59",
            ),
            ("holidays: []\n", "holidays.yaml:1: the key timezone is required here"),
        ],
    );
    let news = |folder: &ConfigFolder| load_news(&folder.file("news.yaml"));
    refusals(
        "news.yaml",
        news,
        &[
            (
                "events:\n  - { time: 2026-03-11T08:30, title: CPI }\n",
                "news.yaml:2: events[0].time: 2026-03-11T08:30:00 says no offset, and the file names no timezone: nobody \
                 knows when that is",
            ),
            (
                "events:\n  - { time: 2026-03-11T08:30Z, title: CPI, impact: huge }\n",
                "news.yaml:2: events[0].impact: \"huge\" is not one of low, medium, high; did you mean high?",
            ),
            (
                "events:\n  - { time: 2026-03-11, title: CPI }\n",
                "news.yaml:2: events[0].time: \"2026-03-11\" is not a time such as 2026-03-06T08:30 (with a timezone) or \
                 2026-03-06T13:30:00Z",
            ),
        ],
    );
    let csv = |folder: &ConfigFolder| load_news(&folder.file("news.csv"));
    refusals(
        "news.csv",
        csv,
        &[
            ("time,titel\n", "news.csv:1: unknown column \"titel\"; did you mean title?"),
            ("time\n", "news.csv:1: title: the column title is required"),
            ("time,title\n2026-03-11T08:30Z,\n", "news.csv:2: title: must not be empty"),
            (
                "time,title,impact\n2026-03-11T08:30Z,CPI,high\n2026-03-12T08:30Z,PPI,big\n",
                "news.csv:3: impact: \"big\" is not one of low, medium, high",
            ),
            (
                "time,title\n2026-03-11T08:30,CPI\n",
                "news.csv:2: time: 2026-03-11T08:30:00 says no offset, and the file names no timezone: nobody knows when \
                 that is",
            ),
        ],
    );
}
