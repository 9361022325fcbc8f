//! What the terminal shows and how it answers to keys, as a state without a clock, a network or a terminal.
//!
//! Architecture invariant: nothing here draws or fetches. [`App::take`] is handed what happened, [`App::wanted`] says what to
//! ask the daemon for, and `draw` shows the state.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ratatui::layout::Size;

use super::keys::Command;
use super::pages::{self, Page};
use super::wire::{AccountDetail, Database, Enforcement, Enforcements, Overview, Rules};

/// Without a word from the daemon for so long, what is shown is stale.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// Enforcements asked for at a time.
pub(super) const LOG_PAGE: usize = 200;
/// Enforcements kept at most.
const LONGEST_LOG: usize = 10_000;
/// How often each kind of answer is asked for while it is looked at, in seconds.
const ACCOUNT_EVERY_S: i64 = 1;
const LOG_EVERY_S: i64 = 5;
const SLOW_EVERY_S: i64 = 10;

/// A tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tab {
    /// All accounts, the nearest to a limit first.
    Accounts,
    /// One account.
    Account,
    /// The enforcement log.
    Log,
    /// The rules of every account.
    Rules,
    /// The database.
    Database,
}

impl Tab {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Accounts, Self::Account, Self::Log, Self::Rules, Self::Database];

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Accounts => "Accounts",
            Self::Account => "Account",
            Self::Log => "Log",
            Self::Rules => "Rules",
            Self::Database => "Database",
        }
    }
}

/// Something to ask the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// One account.
    Account(i64),
    /// Enforcements: the newest, or those before a number.
    Log {
        /// Where the page begins.
        before: Option<i64>,
    },
    /// The rules.
    Rules,
    /// The database.
    Database,
}

/// What the daemon answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One account.
    Account(Box<AccountDetail>),
    /// A page of the log.
    Log(Enforcements),
    /// The rules.
    Rules(Rules),
    /// The database.
    Database(Database),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A key or the mouse asks for something.
    Command(Command),
    /// The terminal has another size.
    Resized(Size),
    /// The daemon told how all is.
    Overview(Box<Overview>),
    /// The daemon told that something happened: the log may be longer.
    Happened,
    /// The daemon cannot be reached, and why.
    Unreachable(String),
    /// The daemon answered.
    Answered(Question, Result<Answer, String>),
    /// Time passed.
    Tick,
}

/// What is typed at the bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typing {
    /// Nothing.
    Not,
    /// Rows that do not have this text are hidden.
    Filter,
    /// The cursor goes to the next row that has this text.
    Search,
}

/// The state of the terminal.
#[derive(Debug, Clone)]
pub struct App {
    /// The tab that is shown.
    pub tab: Tab,
    /// Where the daemon is asked.
    pub address: String,
    /// What it said last, and when that came here.
    pub overview: Option<(Box<Overview>, Timestamp)>,
    /// Why it cannot be reached; absent while it can.
    pub unreachable: Option<String>,
    /// The account that is looked at.
    pub account_id: Option<i64>,
    /// It in detail.
    pub account: Option<Box<AccountDetail>>,
    /// The enforcement log, the newest first.
    pub log: Vec<Enforcement>,
    /// Where its next page begins.
    pub log_next: Option<i64>,
    /// The rules.
    pub rules: Option<Rules>,
    /// The database.
    pub database: Option<Database>,
    /// Why a question had no answer.
    pub refused: BTreeMap<Question, String>,
    /// The cursor's row of each tab.
    pub cursors: [usize; 5],
    /// What is typed.
    pub typing: Typing,
    /// The filter's text; empty shows all.
    pub filter: String,
    /// The search's text.
    pub search: String,
    /// A box over the page: its title and its text.
    pub popup: Option<(String, Vec<String>)>,
    /// Whether it is time to leave.
    pub quit: bool,
    /// The terminal's size.
    pub size: Size,
    /// The present moment.
    pub now: Timestamp,
    asked: BTreeMap<Question, Timestamp>,
    happened: bool,
    want_more_log: bool,
}

impl App {
    /// A terminal that knows nothing yet.
    pub fn new(address: impl Into<String>, size: Size, now: Timestamp) -> Self {
        Self {
            tab: Tab::Accounts,
            address: address.into(),
            overview: None,
            unreachable: None,
            account_id: None,
            account: None,
            log: Vec::new(),
            log_next: None,
            rules: None,
            database: None,
            refused: BTreeMap::new(),
            cursors: [0; 5],
            typing: Typing::Not,
            filter: String::new(),
            search: String::new(),
            popup: None,
            quit: false,
            size,
            now,
            asked: BTreeMap::new(),
            happened: false,
            want_more_log: false,
        }
    }

    /// Takes in what happened, at `now`.
    pub fn take(&mut self, event: Event, now: Timestamp) {
        self.now = now;
        match event {
            Event::Command(command) => self.obey(command),
            Event::Resized(size) => self.size = size,
            Event::Overview(overview) => {
                self.unreachable = None;
                if self.account_id.is_none() {
                    self.account_id = overview.accounts.first().map(|account| account.id);
                }
                self.keep_cursor_on_account(&overview);
                self.overview = Some((overview, now));
            }
            Event::Happened => self.happened = true,
            Event::Unreachable(why) => self.unreachable = Some(why),
            Event::Answered(question, Ok(answer)) => {
                self.refused.remove(&question);
                self.learn(question, answer);
            }
            Event::Answered(question, Err(why)) => {
                self.refused.insert(question, why);
            }
            Event::Tick => {}
        }
    }

    /// What to ask the daemon now. What is given here counts as asked.
    pub fn wanted(&mut self) -> Vec<Question> {
        let mut wanted = Vec::new();
        match self.tab {
            Tab::Accounts => {}
            Tab::Account => wanted.extend(self.account_id.map(|id| (Question::Account(id), ACCOUNT_EVERY_S))),
            Tab::Log => {
                let every = if std::mem::take(&mut self.happened) { 0 } else { LOG_EVERY_S };
                wanted.push((Question::Log { before: None }, every));
                if std::mem::take(&mut self.want_more_log) && self.log.len() < LONGEST_LOG {
                    wanted.extend(self.log_next.map(|next| (Question::Log { before: Some(next) }, 1)));
                }
            }
            Tab::Rules => wanted.push((Question::Rules, SLOW_EVERY_S)),
            Tab::Database => wanted.push((Question::Database, SLOW_EVERY_S)),
        }
        let now = self.now;
        wanted.retain(|(question, every)| {
            let asked = self.asked.get(question);
            asked.is_none_or(|asked| now.duration_since(*asked) >= SignedDuration::from_secs(*every))
        });
        let wanted: Vec<Question> = wanted.into_iter().map(|(question, _)| question).collect();
        self.asked.extend(wanted.iter().map(|question| (*question, now)));
        wanted
    }

    /// How long the daemon has been silent, once that is too long.
    pub fn silence(&self) -> Option<SignedDuration> {
        let (_, heard) = self.overview.as_ref()?;
        let silence = self.now.duration_since(*heard);
        (silence > STALE_AFTER).then_some(silence)
    }

    /// The page of the present tab, filtered, and the cursor's row in it.
    pub fn page(&self, width: usize) -> (Page, usize) {
        let mut page = pages::page(self, width);
        if !self.filter.is_empty() {
            page.rows.retain(|row| row.has(&self.filter));
        }
        let cursor = self.cursors[self.tab as usize].min(page.rows.len().saturating_sub(1));
        (page, cursor)
    }

    fn learn(&mut self, question: Question, answer: Answer) {
        match (question, answer) {
            // An account that is no longer looked at comes too late.
            (Question::Account(id), Answer::Account(detail)) if self.account_id == Some(id) => {
                self.account = Some(detail)
            }
            (Question::Log { before: None }, Answer::Log(page)) => self.learn_newest(page),
            (Question::Log { before: Some(before) }, Answer::Log(page)) => {
                self.log.retain(|row| row.id >= before);
                self.log.extend(page.items);
                self.log_next = page.next_before;
            }
            (Question::Rules, Answer::Rules(rules)) => self.rules = Some(rules),
            (Question::Database, Answer::Database(database)) => self.database = Some(database),
            _ => {}
        }
    }

    /// The newest page takes the place of what it covers; older rows stay, and so does the row under the cursor.
    fn learn_newest(&mut self, page: Enforcements) {
        let under_cursor = self.log.get(self.cursors[Tab::Log as usize]).map(|row| row.id);
        let at_the_top = self.cursors[Tab::Log as usize] == 0;
        let oldest = page.items.last().map(|row| row.id);
        let first_time = self.log.is_empty();
        let older = std::mem::take(&mut self.log);
        self.log = page.items;
        self.log.extend(older.into_iter().filter(|row| oldest.is_some_and(|oldest| row.id < oldest)));
        if first_time {
            self.log_next = page.next_before;
        }
        if !at_the_top && self.filter.is_empty() {
            let place = under_cursor.and_then(|id| self.log.iter().position(|row| row.id == id));
            self.cursors[Tab::Log as usize] = place.unwrap_or(0);
        }
    }

    /// Accounts change places as limits come nearer: the cursor stays on its account, unless it is at the top.
    fn keep_cursor_on_account(&mut self, new: &Overview) {
        let cursor = &mut self.cursors[Tab::Accounts as usize];
        let Some((old, _)) = &self.overview else { return };
        if *cursor == 0 || !self.filter.is_empty() {
            return;
        }
        let id = old.accounts.get(*cursor).map(|account| account.id);
        if let Some(place) = id.and_then(|id| new.accounts.iter().position(|account| account.id == id)) {
            *cursor = place;
        }
    }

    fn obey(&mut self, command: Command) {
        if self.popup.is_some() {
            match command {
                Command::Quit => self.quit = true,
                _ => self.popup = None,
            }
            return;
        }
        match command {
            Command::Quit => self.quit = true,
            Command::Show(tab) => self.show(tab),
            Command::NextTab => self.show(Tab::ALL[(self.tab as usize + 1) % Tab::ALL.len()]),
            Command::PreviousTab => self.show(Tab::ALL[(self.tab as usize + Tab::ALL.len() - 1) % Tab::ALL.len()]),
            Command::Move(rows) => self.move_cursor(rows),
            Command::Page(pages) => {
                let rows = isize::from(i16::try_from(self.size.height.saturating_sub(8)).unwrap_or(i16::MAX)).max(1);
                self.move_cursor(rows.saturating_mul(pages));
            }
            Command::First => self.cursors[self.tab as usize] = 0,
            Command::Last => self.move_cursor(isize::MAX),
            Command::Point(row) => {
                let (page, cursor) = self.page(usize::from(self.size.width));
                if row < page.rows.len() {
                    self.cursors[self.tab as usize] = row;
                    if row == cursor {
                        self.open();
                    }
                }
            }
            Command::Open => self.open(),
            Command::Back => self.back(),
            Command::Filter => self.typing = Typing::Filter,
            Command::Search => {
                self.search.clear();
                self.typing = Typing::Search;
            }
            Command::Next => self.find(1),
            Command::Previous => self.find(-1),
            Command::Help => self.popup = Some(pages::help()),
            Command::Alarms => self.popup = Some(pages::alarms(self)),
            Command::Type(letter) => self.type_letter(letter),
            Command::Erase => {
                self.typed().map(String::pop);
                self.after_typing();
            }
            Command::Done => self.typing = Typing::Not,
        }
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.typing = Typing::Not;
    }

    fn back(&mut self) {
        if !self.filter.is_empty() || self.typing != Typing::Not {
            self.filter.clear();
            self.typing = Typing::Not;
        } else if self.tab != Tab::Accounts {
            self.show(Tab::Accounts);
        }
    }

    fn move_cursor(&mut self, rows: isize) {
        let (page, cursor) = self.page(usize::from(self.size.width));
        let last = page.rows.len().saturating_sub(1);
        let moved = cursor.saturating_add_signed(rows).min(last);
        self.cursors[self.tab as usize] = moved;
        self.want_more_log |= self.tab == Tab::Log && rows > 0 && moved + 20 >= page.rows.len();
    }

    fn open(&mut self) {
        let (page, cursor) = self.page(usize::from(self.size.width));
        match (self.tab, page.rows.get(cursor).and_then(|row| row.id)) {
            (Tab::Accounts | Tab::Rules, Some(id)) => {
                if self.account_id != Some(id) {
                    self.account_id = Some(id);
                    self.account = None;
                    self.cursors[Tab::Account as usize] = 0;
                }
                self.filter.clear();
                self.show(Tab::Account);
            }
            (Tab::Log, Some(id)) => {
                let zone = |account| pages::zone_of(self, account);
                self.popup = self
                    .log
                    .iter()
                    .find(|row| row.id == id)
                    .map(|row| pages::enforcement(row, self.now, zone(row.account_id)));
            }
            _ => {}
        }
    }

    fn typed(&mut self) -> Option<&mut String> {
        match self.typing {
            Typing::Not => None,
            Typing::Filter => Some(&mut self.filter),
            Typing::Search => Some(&mut self.search),
        }
    }

    fn type_letter(&mut self, letter: char) {
        const LONGEST: usize = 60;
        if let Some(typed) = self.typed().filter(|typed| typed.chars().count() < LONGEST) {
            typed.push(letter);
        }
        self.after_typing();
    }

    fn after_typing(&mut self) {
        match self.typing {
            Typing::Not => {}
            Typing::Filter => self.cursors[self.tab as usize] = 0,
            Typing::Search => self.find(0),
        }
    }

    /// Moves to the next row with the search's text: from the cursor's on (0), after it (1) or before it (−1).
    fn find(&mut self, direction: isize) {
        if self.search.is_empty() {
            return;
        }
        let (page, cursor) = self.page(usize::from(self.size.width));
        let count = page.rows.len();
        let found = (0..count)
            .map(|step| match direction {
                -1 => (cursor + count - 1 - step) % count,
                0 => (cursor + step) % count,
                _ => (cursor + 1 + step) % count,
            })
            .find(|index| page.rows[*index].has(&self.search));
        if let Some(found) = found {
            self.cursors[self.tab as usize] = found;
        }
    }
}
